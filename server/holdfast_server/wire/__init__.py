"""The shapes on the wire and in files, to and from the values that the other rooms work with.  Sans-IO."""
