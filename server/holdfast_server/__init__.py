"""Holdfast's authorization server (AS): token endpoint, introspection, consent pages, keys (RFC 9200).

It never imports the device side and never issues a token that the core's strict reader has not accepted.
"""
