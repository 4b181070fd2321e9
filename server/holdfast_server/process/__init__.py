"""What one running process has: its configuration, clock, log, readiness, and a reload."""
