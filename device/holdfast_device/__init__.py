"""Holdfast's device side: the resource server (RS) and the client that runs on devices (RFC 9200, RFC 9203).

It never talks to the network, the clock or the flash except through its shells and stores. Boards run every file of it,
on MicroPython; what computers use for boards is holdfast_deploy.
"""
