"""Whom tries and connections are counted against: addresses, networks, and what a proxy says."""

import pytest

from holdfast_server.authz.network import network_of, told_by
from holdfast_server.process.config import ConfigError, parse


def test_a_customer_with_many_ipv6_addresses_counts_as_one():
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("") == ""


def test_behind_the_operators_proxy_the_address_is_what_the_proxy_says():
    proxies = frozenset(("10.0.0.1", "10.0.0.2"))
    assert told_by(["192.0.2.7"], "203.0.113.5", proxies) == "203.0.113.5"  # anybody's word
    assert told_by(["192.0.2.7"], "10.0.0.1", proxies) == "192.0.2.7"
    assert told_by(["1.1.1.1, 192.0.2.7", "10.0.0.2"], "10.0.0.1", proxies) == "192.0.2.7"
    assert told_by(["192.0.2.7"], "::ffff:10.0.0.1", proxies) == "192.0.2.7"
    assert told_by(["192.0.2.7"], "2001:DB8:0::1", frozenset(("2001:db8::1",))) == "192.0.2.7"
    assert told_by([], "10.0.0.1", proxies) == "10.0.0.1"
    assert told_by(["10.0.0.2"], "10.0.0.1", proxies) == "10.0.0.2"


def test_a_proxy_that_writes_ports_makes_no_customer_of_each_of_them():
    proxies = frozenset(("10.0.0.1", "10.0.0.2", "2001:db8::1"))
    for forwarded, source in (
        ("192.0.2.7:50001", "192.0.2.7"),
        ("[2001:db8::7]:50001", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("192.0.2.7:1, 10.0.0.2:50001", "192.0.2.7"),
        ("192.0.2.7:1, [2001:db8::1]:50001", "192.0.2.7"),
        ("unknown", "unknown"),
        ("192.0.2.7:x", "192.0.2.7:x"),
    ):
        assert told_by([forwarded], "10.0.0.1", proxies) == source


def test_proxies_are_addresses(tmp_path):
    document = {"issuer": "https://as.example", "http": {"proxies": ["127.0.0.1", "0::1"]}}
    assert parse(document, tmp_path).proxies == {"127.0.0.1", "::1"}
    for wrong in (["localhost"], [1], ["10.0.0.0/8"], "127.0.0.1", 1):
        with pytest.raises(ConfigError, match=r"http\.proxies"):
            parse({**document, "http": {"proxies": wrong}}, tmp_path)
