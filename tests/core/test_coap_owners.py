"""Bounds per peer count security contexts, from however many ports they speak, and hosts where there is no context."""

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits import DEVICE_LIMITS, Limits, owner_of
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import request
from testkit.coap import Server, block, contexts, datagram, secured, table

LIMITS = [DEVICE_LIMITS, SERVER_LIMITS, Limits()]
SIXTEEN = b"0123456789abcdef"


class World:
    """A server, and two parties that share a context each with it, on as many ports as they like."""

    def __init__(self, limits):
        self.limits = limits
        pairs = [contexts(client_id=kid) for kid in (b"e", b"v")]
        self.evil, self.victim = (client for client, _ in pairs)
        self.server = Server(limits, table(*(held for _, held in pairs)))
        self.server.observe = True
        self.mid = 0

    def ask(self, context, port, code, path, payload=b"", options=(), token=b"t"):
        """Ask inside a context, or plain for None: the answer, opened."""
        self.mid += 1
        peer = ("192.0.2.1" if context is not self.victim else "198.51.100.1", port)
        if context is None:
            (reply,) = self.server.feed(datagram(code, path, self.mid, payload=payload, options=options), peer)
            return reply
        asked = request(code, path, payload)
        for number, value in options:
            asked.add(number, value)
        raw, state = secured(asked, context, self.mid, token=token)
        (reply,) = self.server.feed(raw, peer)
        return context.unprotect_response(reply, state)

    def begin(self, context, port, path="/a"):
        """Begin an upload: the code of the answer."""
        return self.ask(context, port, L.CODE_PUT, path, SIXTEEN, [(L.OPT_BLOCK1, block(0, True, 0))]).code

    def end(self, context, port, path="/a"):
        return self.ask(context, port, L.CODE_PUT, path, b"end", [(L.OPT_BLOCK1, block(1, False, 0))]).code

    def fetch(self, context, port, num, path="/a"):
        self.server.body = b"x" * 40
        return self.ask(context, port, L.CODE_POST, path, b"", [(L.OPT_BLOCK2, block(num, False, 0))]).code


def test_an_owner_is_a_context_or_a_host():
    context, _ = contexts()
    assert owner_of(("192.0.2.1", 5), context) is owner_of(("192.0.2.2", 6), context) is context
    assert owner_of(("192.0.2.1", 5), None) == owner_of(("192.0.2.1", 6), None) != owner_of(("192.0.2.2", 6), None)
    assert owner_of("serial", None) == "serial"


@pytest.mark.parametrize("limits", LIMITS)
def test_one_context_on_forty_ports_leaves_the_slots_for_uploads_to_others(limits):
    world = World(limits)
    assert {world.begin(world.evil, port) for port in range(100)} == {L.CODE_CONTINUE}
    assert len(world.server.stack._server.uploads) == limits.max_uploads_per_peer
    assert world.begin(world.victim, 1) == L.CODE_CONTINUE
    assert world.begin(world.evil, 1000) == L.CODE_CONTINUE
    assert world.end(world.victim, 1) == L.CODE_CONTENT
    assert world.end(world.evil, 1000) == L.CODE_CONTENT
    assert world.end(world.evil, 0) == L.CODE_REQUEST_ENTITY_INCOMPLETE


@pytest.mark.parametrize("limits", LIMITS)
def test_one_host_on_forty_ports_displaces_no_other_stranger(limits):
    world = World(limits)
    begun = datagram(L.CODE_PUT, "/a", 1, payload=SIXTEEN, options=[(L.OPT_BLOCK1, block(0, True, 0))])
    ended = datagram(L.CODE_PUT, "/a", 2, payload=b"end", options=[(L.OPT_BLOCK1, block(1, False, 0))])
    world.server.feed(begun, ("198.51.100.9", 1))
    for port in range(100):
        world.begin(None, port)
    assert len(world.server.stack._server.uploads) == limits.max_uploads_per_peer + 1
    assert [reply.code for reply in world.server.feed(ended, ("198.51.100.9", 1))] == [L.CODE_CONTENT]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("inside", [True, False])
def test_one_peer_on_many_ports_displaces_nobodys_download(limits, inside):
    world = World(limits)
    assert world.fetch(world.victim, 1, 0) == L.CODE_CONTENT
    for port in range(400):
        world.fetch(world.evil if inside else None, port, 0)
    assert len(world.server.stack._server.renderings) == limits.max_renderings_per_peer + 1
    assert world.fetch(world.victim, 1, 2) == L.CODE_CONTENT
    assert world.fetch(world.evil if inside else None, 0, 2) == L.CODE_REQUEST_ENTITY_INCOMPLETE


def test_downloads_of_strangers_displace_none_in_a_context():
    world = World(DEVICE_LIMITS)
    for context in (world.evil, world.victim):
        world.fetch(context, 1, 0)
    assert world.fetch(None, 1, 0) == L.CODE_CONTENT  # served, but not kept
    assert world.fetch(None, 1, 1) == L.CODE_REQUEST_ENTITY_INCOMPLETE
    assert [world.fetch(context, 1, 1) for context in (world.evil, world.victim)] == [L.CODE_CONTENT] * 2


@pytest.mark.parametrize("limits", LIMITS)
def test_one_context_on_many_ports_is_so_many_observers(limits):
    world = World(limits)
    for port in range(40):
        world.ask(world.evil, port, L.CODE_GET, "/a", options=[(L.OPT_OBSERVE, 0)], token=b"%d" % port)
    assert len(world.server.stack._server.observers) == limits.max_observers_per_peer
    answer = world.ask(world.victim, 1, L.CODE_GET, "/a", options=[(L.OPT_OBSERVE, 0)])
    assert answer.get(L.OPT_OBSERVE) is not None
    for incoming in [incoming for incoming in world.server.requests if incoming.observation is not None]:
        world.server.stack._server.end(incoming.observation, "gone")
    assert world.server.stack._server.observers._per_owner == {}


@pytest.mark.parametrize("limits", LIMITS)
def test_a_flood_of_strangers_makes_no_retransmission_a_new_message(limits):
    client, held = contexts()
    server = Server(limits, table(held))
    raw, _ = secured(request(L.CODE_PUT, "/a", b"once"), client, 7)
    (first,) = server.feed_raw(raw, "known")
    for number in range(limits.max_exchanges + 10):
        server.feed(datagram(L.CODE_GET, "/a", number & 0xFFFF), f"stranger{number}")
    assert server.feed_raw(raw, "known") == [first]
    messages = server.stack._messages
    assert len(messages._exchanges) + len(messages._known) == limits.max_exchanges


@pytest.mark.parametrize("limits", LIMITS[:1])
def test_strangers_keep_a_quarter_of_the_exchanges_and_no_more_when_others_want_them(limits):
    client, held = contexts()
    server = Server(limits, table(held))
    stranger = datagram(L.CODE_GET, "/a", 1)
    (first,) = server.feed_raw(stranger, "stranger")
    server.body = b"later"
    for mid in range(3 * limits.max_exchanges):
        server.feed(secured(request(L.CODE_GET, "/a"), client, mid)[0], "known")
    assert server.feed_raw(stranger, "stranger") == [first]
    for number in range(limits.max_exchanges):
        server.feed(datagram(L.CODE_GET, "/a", number), f"stranger{number}")
    messages = server.stack._messages
    assert (len(messages._exchanges), len(messages._known)) == (
        limits.max_exchanges // 4,
        limits.max_exchanges * 3 // 4,
    )


def test_a_message_id_that_was_a_strangers_and_is_used_inside_a_context_is_remembered_once():
    client, held = contexts()
    server = Server(DEVICE_LIMITS, table(held))
    server.feed(datagram(L.CODE_GET, "/a", 7))
    server.now_ms += 300_000
    raw, _ = secured(request(L.CODE_GET, "/a"), client, 7)
    assert server.feed_raw(raw) == server.feed_raw(raw)
    assert len(server.requests) == 2


def test_bodies_expire_a_few_at_a_time_and_are_not_used_before():
    world = World(SERVER_LIMITS)
    uploads = world.server.stack._server.uploads
    for number in range(SERVER_LIMITS.max_uploads):
        asked = datagram(L.CODE_PUT, "/a", 1, payload=SIXTEEN, options=[(L.OPT_BLOCK1, block(0, True, 0))])
        world.server.feed(asked, (f"10.0.0.{number}", 1))
    assert len(uploads) == SERVER_LIMITS.max_uploads
    world.server.now_ms += SERVER_LIMITS.transfer_lifetime_ms
    asked = datagram(L.CODE_PUT, "/a", 2, payload=b"end", options=[(L.OPT_BLOCK1, block(1, False, 0))])
    assert [m.code for m in world.server.feed(asked, ("10.0.0.63", 1))] == [L.CODE_REQUEST_ENTITY_INCOMPLETE]
    for _ in range(SERVER_LIMITS.max_uploads // 4):
        world.server.stack.tick(world.server.now_ms)
    assert len(uploads) == 0
