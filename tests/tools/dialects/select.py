"""Empty: serial_shell.py must import where there are no streams. Its tests bring a poll of their own."""
