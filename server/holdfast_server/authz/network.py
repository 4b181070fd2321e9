"""Whom to count a stranger's tries and connections against: the network that one customer has."""

import re
from ipaddress import IPv6Address, IPv6Network, ip_address

_WITH_PORT = re.compile(r"^(?:([0-9.]+):[0-9]+|\[([^]]*)\](?::[0-9]+)?)$")


def network_of(host: str) -> str:
    """An IPv4 address, or the /64 that one IPv6 customer has; anything else as it is."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
    return host


def told_by(forwarded: list[str], host: str, proxies: frozenset[str]) -> str:
    """The address that a request came from, behind the operator's own proxies.

    forwarded: the X-Forwarded-For headers. host: the sender of the request. proxies: addresses whose word counts, as
    plain() spells them. The addresses are read from the end, where the nearest proxy wrote, up to the first that is no
    proxy's: what stands before it is the client's own word. Some proxies write the port too, which tells no customers
    apart.
    """
    hops = [_WITH_PORT.sub(r"\1\2", hop.strip()) for line in forwarded for hop in line.split(",")]
    while plain(host) in proxies and hops:
        host = hops.pop()
    return host


def plain(host: str) -> str:
    """An address in its one spelling, IPv4 also where a socket says it in IPv6; anything else as it is."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str((address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address)
