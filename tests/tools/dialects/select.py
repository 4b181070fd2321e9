"""Nothing: so that serial_shell.py imports where there are no streams; its tests bring a poll of their own."""
