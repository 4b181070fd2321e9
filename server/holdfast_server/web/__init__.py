"""The HTTPS side: pages for people, JSON for clients, the server's sockets and bounds."""
