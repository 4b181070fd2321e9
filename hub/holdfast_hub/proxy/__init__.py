"""The CoAP proxy: a server for clients, a client of the devices; sans-IO (RFC 7252 section 5.7)."""
