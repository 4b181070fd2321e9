"""Holdfast's device side: the resource server (RS) and the client that runs on devices (RFC 9200, RFC 9203).

It never talks to the network, the clock or the flash except through its shells and stores, and it runs on
MicroPython; only cli.py and config.py are for CPython alone.
"""
