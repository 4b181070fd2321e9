"""Tokens that the hub completes: references and split tokens in, whole tokens to the device, and nothing read."""
