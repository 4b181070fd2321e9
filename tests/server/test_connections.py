"""Connections before TLS: so many from one network, so many in all, and none of it in the way of others."""

import asyncio
import contextlib
import http.client
import itertools
import resource
import signal
import socket
from pathlib import Path

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_server.web.connection_limits import (
    LEAST_CONNECTIONS,
    MAX_CONNECTIONS,
    RESERVED_FILES,
    SHARE,
    Connections,
    most_connections,
)
from testkit.as_peer import Peer
from testkit.serve import ended, serving

WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_A_FORM = (
    b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\na"
)
HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX"


def test_one_network_gets_its_share_and_no_more_and_proxies_what_there_is():
    connections = Connections(64, frozenset(("proxy",)))
    assert [connections.enter(number, "a") for number in range(64 // SHARE)] == [None] * 16
    assert connections.enter("more", "a") == "more"
    assert [connections.enter(("p", number), "proxy") for number in range(48)] == [None] * 48
    assert len(connections) == 64
    connections.leave(3)
    connections.leave(3)
    assert connections.enter("now", "a") is None


def test_when_all_places_are_taken_a_new_network_takes_the_place_of_who_is_silent_longest():
    connections = Connections(8)  # a share is 2
    for number in range(8):
        assert connections.enter(number, f"n{number // 2}") is None
    connections.spoke(0)
    assert connections.enter("more", "n1") == "more"
    assert connections.enter("new", "other") == 1
    assert connections.enter("newer", "another") == 2
    for number in (3, 4, 5, 6, 7, "new", "newer"):
        connections.spoke(number)
    assert connections.enter("late", "yet another") == "late"  # nobody who is served is cut off
    for number in (0, 3, 4, 5, 6, 7, "new", "newer"):
        connections.leave(number)
    assert (len(connections), connections._counts, len(connections._silent)) == (0, {}, 0)


def test_who_has_an_answer_is_silent_again_and_no_younger_for_what_it_did_not_say():
    connections = Connections(4)  # a share is 1
    for number in range(4):
        connections.enter(number, f"n{number}")
        connections.spoke(number)
    assert connections.enter("early", "other") == "early"
    connections.answered(2)
    connections.answered(1)
    connections.answered(2)
    connections.answered("gone")
    assert connections.enter("new", "other") == 2
    connections.spoke(1)
    assert connections.enter("newer", "another") == "new"


def test_a_flood_of_new_networks_costs_no_more_than_the_places_that_there_are():
    connections = Connections(64)
    for number in range(10_000):
        connections.enter(number, f"n{number}")
        assert len(connections) <= 64
    assert len(connections._counts) == len(connections._silent) == 64


def test_the_places_follow_from_the_files_that_the_process_may_have():
    assert most_connections(1024) == MAX_CONNECTIONS
    assert most_connections(256) == 256 - RESERVED_FILES
    assert most_connections(48) == LEAST_CONNECTIONS
    assert most_connections(1 << 20) == MAX_CONNECTIONS


def healthz(port, source="127.0.0.1"):
    """The status of /healthz, asked from this address on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    with contextlib.closing(connection):
        connection.request("GET", "/healthz")
        return connection.getresponse().status


def half_open(stack, port, count, sources, said=HALF):
    """Connections that begin a request and do not end it; those that were refused are not among them."""
    opened = []
    for _ in range(count):
        half = stack.enter_context(socket.socket())
        half.bind((next(sources), 0))
        with contextlib.suppress(OSError):
            half.connect(("127.0.0.1", port))
            half.send(said)
            opened.append(half)
    return opened


def alive(opened):
    """How many of these the server still holds."""
    count = 0
    for half in opened:
        half.setblocking(False)
        try:
            half.recv(1)
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


def test_one_address_that_holds_hundreds_of_connections_takes_nothing_from_others(state):
    with serving(state) as process, contextlib.ExitStack() as stack:
        port = process.ready["http"]
        opened = half_open(stack, port, 700, itertools.repeat("127.8.8.8"))
        assert [healthz(port) for _ in range(5)] == [200] * 5
        assert 0 < alive(opened) <= MAX_CONNECTIONS // SHARE
        many = itertools.cycle([f"127.9.{number // 250}.{1 + number % 250}" for number in range(500)])
        half_open(stack, port, 520, many)
        assert [healthz(port, "127.0.0.3") for _ in range(5)] == [200] * 5
        process.send_signal(signal.SIGTERM)
        code, _, logged = ended(process)
    assert code == 0
    assert logged.count("event=connection-refused") == 1
    assert logged.count("event=connection-cut-off") <= 1


def test_a_few_addresses_that_have_an_answer_or_owe_a_body_take_nothing_from_others(state):
    with serving(state) as process:
        for said in (WHOLE, HALF_A_FORM):
            with contextlib.ExitStack() as stack:
                sources = itertools.cycle([f"127.8.8.{number}" for number in range(1, 6)])
                opened = half_open(stack, process.ready["http"], 5 * MAX_CONNECTIONS // SHARE, sources, said)
                assert len(opened) >= MAX_CONNECTIONS
                assert [healthz(process.ready["http"]) for _ in range(5)] == [200] * 5


def test_a_process_without_files_left_says_so_once_and_coap_is_served(state):
    with serving(state) as process, contextlib.ExitStack() as stack:
        port = process.ready["http"]
        used = len(list(open_files(process)))
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 5, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        half_open(stack, port, 60, itertools.cycle([f"127.7.7.{number}" for number in range(1, 250)]))

        async def links():
            async with Peer(("127.0.0.1", process.ready["coap"])) as peer:
                return await peer.ask(request(L.CODE_GET, "/.well-known/core"))

        assert asyncio.run(links()).code == L.CODE_CONTENT
        stack.close()
        assert healthz(port) == 200
        process.send_signal(signal.SIGTERM)
        code, _, logged = ended(process)
    assert code == 0
    assert logged.count("event=accept-failed") == 1
    assert len(logged.splitlines()) < 6


def open_files(process):
    """Its file descriptors."""
    return Path(f"/proc/{process.pid}/fd").iterdir()
