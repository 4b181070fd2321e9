"""Holdfast's core: what devices and servers share, on CPython and on MicroPython.

Labels, strict CBOR, COSE, CWT, CoAP, OSCORE and the seam to the cryptography. It never imports another
part of Holdfast, and outside of its cli.py never touches a clock, a socket or a file (RFC 9200 and family).
"""
