"""What `make packages` builds: Debian packages and container images of the server and the hub, from this tree."""
