"""The hub: an edge gateway that devices rely on and that nobody has to trust.

What passes through it is CoAP under OSCORE, tokens and signed lists. It holds no key that opens any of it.
"""
