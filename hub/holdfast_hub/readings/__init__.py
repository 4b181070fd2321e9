"""Readings and events: from a device, over the spool, to the topics of a broker. Sans-IO."""
