"""Nothing: so that udp_shell.py imports where there is no network.  What uses it is left out (suite.py)."""

AF_INET = 2
