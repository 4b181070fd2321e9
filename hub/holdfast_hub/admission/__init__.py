"""What the hub refuses early, so that a device is spared; it never allows anything. Sans-IO."""
