"""A client with a reference, or with a part of a token, reaches a device that never meets the server."""

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_message import decode, request
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_NESTED
from holdfast_core.token_split import HANDLE_LEN
from holdfast_device.client import Refused, SessionLost
from holdfast_hub.records import Device
from testkit.authz import ISSUER
from testkit.hub_tokens import World
from testkit.sealing import FRIDGE, NURSE, NURSE_CALLER, PUMP

HUB_PARTS = ("port-fridge_7", "port-pump_3", "south", "as-side")
BOTH = pytest.mark.parametrize("audience", [FRIDGE, PUMP])


def heard(world, *receivers):
    """The datagrams that came to these names on the link."""
    return [datagram for _, _, receiver, datagram in world.link.log if receiver in receivers]


@pytest.mark.parametrize("token_format", [CWT_NESTED, CWT_ENCRYPTED])
@BOTH
def test_a_session_is_opened_with_what_the_hub_completes(story, audience, token_format):
    world = World(story, sealed_format=token_format, split_format=token_format)
    answer, held = world.token(audience)
    assert len(answer["access_token"]) == 16
    session = world.open(held, audience)
    assert world.read(session) == b"4.5"
    # The scope is the client's, not the hub's.
    assert world.run(session.request(request(L.CODE_PUT, "/target", b"4"))).code == L.CODE_FORBIDDEN
    assert world.desk.counts["completed"] == world.desk.counts["given"] == 1


@BOTH
def test_a_hub_sees_no_key_and_no_claim(story, audience):
    world = World(story, freshness=True)
    hints = world.run(world.client().ask_hints(f"port-{audience}", "/temperature"))
    answer, held = world.token(audience, cnonce=hints.cnonce)
    world.read(world.open(held, audience))
    osc = answer["cnf"][L.CNF_OSC]
    on_disk = [bytes(row["parcel"].body) + row["parcel"].about for row in world.spool.rows.values()]
    assert world.seen
    assert on_disk
    everything = [*heard(world, *HUB_PARTS), *world.seen, *on_disk]
    secrets = [osc[L.OSC_MS], osc[L.OSC_SALT], osc[L.OSC_ID]]
    parts = [secret[at : at + 5] for secret in secrets for at in range(len(secret) - 4)]
    claims = [NURSE.encode(), ISSUER.encode(), cbor.encode({L.CLAIM_SCOPE: "read"})[1:], cbor.encode("read")]
    for needle in (*parts, *claims):
        assert not any(needle in octets for octets in everything), needle
    for octets in world.seen:
        assert set(cbor.decode(octets)) == {L.ACE_ACCESS_TOKEN, L.ACE_EXPIRES_IN, L.PRIV_ISSUED_TOKEN_TYPE}
    assert osc[L.OSC_MS] in cbor.encode(answer["cnf"])  # the search would have found it in what the client got


@BOTH
def test_what_was_given_is_used_while_the_server_is_away(story, audience):
    world = World(story)
    _, held = world.token(audience)
    world.open(held, audience)
    world.authz.silent = True
    assert world.read(world.open(held, audience)) == b"4.5"
    world.kill()
    assert len(world.kept) == 1
    assert world.read(world.open(held, audience)) == b"4.5"
    assert world.authz.asked == 1
    with pytest.raises(Refused) as refused:
        world.open(world.token(audience)[1], audience)
    assert refused.value.code == L.CODE_SERVICE_UNAVAILABLE


@BOTH
def test_a_revoked_token_works_as_long_as_was_allowed_beforehand(story, audience):
    world = World(story, hub_lifetime_s=60)
    answer, held = world.token(audience)
    world.open(held, audience)
    story.server.revoke({"token": answer["access_token"]}, NURSE_CALLER, world.now_s)
    world.wait(50)
    world.open(held, audience)
    world.wait(10)
    with pytest.raises(Refused) as refused:
        world.open(held, audience)
    assert refused.value.code == L.CODE_UNAUTHORIZED
    assert world.desk.counts["refused"] == 1


def test_a_sealed_token_is_asked_for_again_when_it_is_over(story):
    world = World(story, hub_lifetime_s=60)
    _, held = world.token()
    session = world.open(held)
    world.wait(70)
    with pytest.raises(SessionLost):
        world.read(session)
    assert world.read(world.open(held)) == b"4.5"
    assert world.authz.asked == 2


def test_the_answer_of_the_device_comes_back_as_it_is(story):
    world = World(story)
    world.open(world.token()[1])
    from_device = decode(heard(world, "south")[-1])
    to_client = decode(heard(world, "nurse")[-1])
    assert (to_client.code, to_client.payload) == (L.CODE_CREATED, from_device.payload)
    assert to_client.content_format == L.CF_ACE_CBOR


def test_a_device_that_wants_to_know_where_the_hub_is_hears_it_from_the_hub(story):
    """RFC 9175 section 2.3: the address is the hub's, so the client is not asked for the Echo."""
    world = World(story)
    for _ in range(7):  # more than a device takes at once without
        session = world.open(world.token()[1])
    assert world.read(session) == b"4.5"
    assert any(decode(datagram).get(L.OPT_ECHO) for datagram in heard(world, "south"))
    assert not any(decode(datagram).get(L.OPT_ECHO) for datagram in heard(world, "nurse"))


def test_two_clients_with_one_reference_are_one_question(story):
    world = World(story)
    answer, _ = world.token()
    ended = []
    for name in ("nurse", "nurse-2"):
        client = world.client(name, seed=len(name))
        endpoint = world.clients[name][0]
        endpoint.now_ms = world.link.now_ms
        steps = client.open_session(f"port-{FRIDGE}", world.held(answer))
        endpoint.spawn(steps).when_ended(lambda value, error: ended.append((value, error)))
    world.link.run(for_ms=60_000, until=lambda: len(ended) == 2)
    assert world.authz.asked == 1
    assert [error for _, error in ended] == [None, None]


# --- what passes as it is ---


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.set(L.OPT_URI_PATH, "elsewhere"),
        lambda message: message.set(L.OPT_CONTENT_FORMAT, L.CF_OCTET_STREAM),
        lambda message: message.set(L.OPT_BLOCK1, b"\x08"),
        lambda message: message.set(L.OPT_OSCORE, b"\x09\x00kid"),
        lambda message: setattr(message, "code", L.CODE_PUT) or message,
        lambda message: setattr(message, "payload", message.payload + b"x") or message,
        lambda message: setattr(message, "payload", encode_authz_info(bytes(16))) or message,  # no nonce
        lambda message: setattr(message, "payload", encode_authz_info(bytes(17), b"n" * 8, b"i")) or message,
        lambda message: (
            setattr(message, "payload", encode_authz_info(b"\xd8\x3d" + bytes(14), b"n" * 8, b"i")) or message
        ),
        lambda message: setattr(message, "payload", encode_authz_info(b"\xd8\x3d" * 99, b"n" * 8, b"i")) or message,
    ],
)
def test_what_is_no_reference_passes_as_it_is(story, change):
    world = World(story)
    world.client()
    message = request(L.CODE_POST, "/authz-info", encode_authz_info(bytes(16), b"n" * 8, b"i"), L.CF_ACE_CBOR)
    payload = change(message).payload
    world.clients["nurse"][0].call(f"port-{FRIDGE}", message)
    world.wait(1)
    assert decode(heard(world, FRIDGE)[0]).payload == payload
    assert world.authz.asked == 0


def test_a_device_of_whole_tokens_gets_what_the_client_sent(story):
    world = World(story, devices=(Device(FRIDGE, "udp", port=7001),))
    body = encode_authz_info(bytes(16), b"n" * 8, b"i")
    world.post(body)
    assert decode(heard(world, FRIDGE)[0]).payload == body


# --- split ---


def test_neither_half_of_a_split_token_is_one(story):
    world = World(story)
    answer, held = world.token(PUMP)
    world.open(held, PUMP)
    part = answer["access_token"]
    rest = next(row["parcel"].body for row in world.spool.rows.values())
    world.proxy.desks = []
    for half in (part, rest, rest + bytes(8), part[HANDLE_LEN:] + rest):
        code = world.post(encode_authz_info(half, b"n" * 8, b"i"), PUMP).code
        assert code in (L.CODE_UNAUTHORIZED, L.CODE_BAD_REQUEST), half
        world.wait(10)
    assert world.post(encode_authz_info(rest + part[HANDLE_LEN:], b"n" * 8, b"i"), PUMP).code == L.CODE_CREATED


@pytest.mark.parametrize(
    ("cut", "code"), [(15, L.CODE_BAD_REQUEST), (16, L.CODE_UNAUTHORIZED), (17, L.CODE_BAD_REQUEST)]
)
def test_a_part_that_does_not_fit_is_refused(story, cut, code):
    world = World(story)
    answer, _ = world.token(PUMP)
    wrong = (answer["access_token"][:HANDLE_LEN] + bytes(9))[:cut]
    assert world.post(encode_authz_info(wrong, b"n" * 8, b"i"), PUMP).code == code
    assert bool(heard(world, PUMP)) == (cut == 16)  # what cannot be a token costs the device nothing
