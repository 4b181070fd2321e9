"""The CoAP side: the socket, the resources on it, and the OSCORE contexts with the registered parties."""
