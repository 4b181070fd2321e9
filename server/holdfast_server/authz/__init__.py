"""The decisions: who may have a token, which, and what it says.  Sans-IO; the store is a port (ports.py)."""
