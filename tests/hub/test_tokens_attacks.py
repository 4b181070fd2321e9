"""What strangers, a foreign reference, a server that is away or says nonsense, and a thief get at the hub: nothing."""

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import encode, request, response
from holdfast_device.client import Refused
from holdfast_device.endpoint import RequestFailed
from holdfast_hub.records import PHANTOM, SPLIT
from holdfast_hub.tokens.exchange import GARBAGE, NO_RIGHT
from testkit.hub_tokens import SEALED, SIGNED, World, body
from testkit.sealing import FRIDGE, HUB, PUMP, change_hub


def refused_code(world, held, audience=FRIDGE, name="nurse"):
    with pytest.raises(Refused) as refused:
        world.open(held, audience, name)
    return refused.value.code


# --- with the real server ---


def test_a_stranger_is_refused_as_a_device_refuses(story):
    world = World(story)
    for _ in range(3):
        answer = world.post(body(b"x" * 16))
        assert (answer.code, answer.payload, answer.options) == (L.CODE_UNAUTHORIZED, b"", [])
    assert world.authz.asked == 1  # a refusal is remembered for a while
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == FRIDGE]
    world.wait(31)
    world.post(body(b"x" * 16))
    assert world.authz.asked == 2


@pytest.mark.parametrize("tokens", [PHANTOM, SPLIT])
def test_a_token_of_another_device_is_refused_unseen_by_the_device(story, tokens):
    world = World(story)
    mine, other = (FRIDGE, PUMP) if tokens == PHANTOM else (PUMP, FRIDGE)
    assert refused_code(world, world.token(other)[1], mine) == L.CODE_UNAUTHORIZED
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == mine]
    assert world.read(world.open(world.token(mine)[1], mine)) == b"4.5"


def test_an_expired_reference_is_refused(story):
    world = World(story, token_lifetime_s=30)
    answer, held = world.token()
    world.open(held)
    world.wait(31)
    assert world.post(body(answer["access_token"])).code == L.CODE_UNAUTHORIZED


def test_a_hub_without_the_right_gets_nothing_and_says_nothing(story):
    world = World(story)
    _, held = world.token()
    change_hub(story, scopes={PUMP: ("read", "set")})
    assert refused_code(world, held) == L.CODE_UNAUTHORIZED
    assert world.desk.counts[NO_RIGHT] == 1
    assert story.store.audit_rows(limit=1)[0].reason.endswith("this hub serves no such audience")


def test_a_locked_hub_gets_nothing(story):
    world = World(story)
    _, held = world.token()
    change_hub(story, disabled=True)
    assert refused_code(world, held) in (L.CODE_UNAUTHORIZED, L.CODE_SERVICE_UNAVAILABLE)
    assert story.store.client(HUB).disabled


def test_a_server_that_is_away_is_said_soon_and_left_alone(story):
    world = World(story)
    world.authz.silent = True
    begun_ms = world.link.now_ms
    answer = world.post(body(world.token()[0]["access_token"]))
    assert answer.code == L.CODE_SERVICE_UNAVAILABLE
    assert world.link.now_ms - begun_ms < 9000
    assert 0 < answer.uint(L.OPT_MAX_AGE) <= 15
    sent = len([1 for _, _, receiver, _ in world.link.log if receiver == "as"])
    assert world.post(body(world.token()[0]["access_token"])).code == L.CODE_SERVICE_UNAVAILABLE
    asked = len([1 for _, _, receiver, _ in world.link.log if receiver == "as"])
    assert asked == sent  # nothing new was asked
    world.authz.silent = False
    world.wait(120)
    assert world.read(world.open(world.token()[1])) == b"4.5"


def test_an_answer_that_comes_late_is_kept_for_the_next_try(story):
    world = World(story)
    _, held = world.token()
    world.authz.silent = True
    assert refused_code(world, held) == L.CODE_SERVICE_UNAVAILABLE
    world.authz.silent = False
    world.wait(40)
    asked = world.authz.asked
    assert asked == 1
    assert world.read(world.open(held)) == b"4.5"
    assert world.authz.asked == asked


@pytest.mark.parametrize(
    "fields",
    [
        b"\xff",
        {},
        {L.ACE_ACCESS_TOKEN: SEALED},
        {L.ACE_ACCESS_TOKEN: b"x" * 16, L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: 0},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: -1},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: True},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: 60, L.ACE_CNF: {L.CNF_KID: b"k"}},
        {L.ACE_ACCESS_TOKEN: SEALED, L.ACE_EXPIRES_IN: 60, L.ACE_SCOPE: "read"},
        {L.ACE_ACCESS_TOKEN: SEALED[:-1], L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SIGNED, L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SEALED[:9] + b"\x59\x04\x00" + bytes(1024), L.ACE_EXPIRES_IN: 60},
        {L.ACE_ACCESS_TOKEN: SEALED[:9] + b"\x59\x20\x00" + bytes(8192), L.ACE_EXPIRES_IN: 60},
    ],
)
def test_nonsense_of_the_server_reaches_nobody_and_is_not_kept(story, fields):
    world = World(story)
    _, held = world.token()
    payload = fields if isinstance(fields, bytes) else cbor.encode(fields)
    world.authz.override = response(L.CODE_CREATED, payload, L.CF_ACE_CBOR)
    assert refused_code(world, held) == L.CODE_BAD_GATEWAY
    assert (len(world.kept), world.desk.counts[GARBAGE]) == (0, 1)
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == FRIDGE]
    world.authz.override = None
    world.wait(20)
    assert world.read(world.open(held)) == b"4.5"


@pytest.mark.parametrize("audience", [FRIDGE, PUMP])
def test_a_thief_of_all_that_the_hub_handles_gets_no_session(story, audience):
    """Whoever has heard the client's post, or has the hub's disk, can post; only the holder of the key can speak."""
    world = World(story)
    answer, held = world.token(audience)
    world.open(held, audience)
    thief = {**answer, "cnf": {L.CNF_OSC: {**answer["cnf"][L.CNF_OSC], L.OSC_MS: bytes(16)}}}
    world.client("thief", seed=9)
    session = world.open(world.held(thief), audience, "thief")
    with pytest.raises(RequestFailed, match="unprotected"):  # the device cannot open what the thief says
        world.read(session, "thief")
    assert world.read(world.open(held, audience)) == b"4.5"


def test_a_device_posts_to_no_other_device(story):
    """No desk is a way from one device to another."""
    world = World(story)
    answer, _ = world.token(PUMP)
    message = request(L.CODE_POST, "/authz-info", body(answer["access_token"]), L.CF_ACE_CBOR)
    message.add(L.OPT_URI_HOST, PUMP)
    message.mtype, message.mid, message.token = L.TYPE_CON, 7, b"t"
    world.link.send(FRIDGE, "south", encode(message))
    world.wait(5)
    assert not [receiver for _, _, receiver, _ in world.link.log if receiver == PUMP]
    assert world.authz.asked == 0


def test_a_flood_of_invented_references_is_bounded(story):
    world = World(story)
    for number in range(60):
        answer = world.post(body(number.to_bytes(16, "big")), name=f"flood-{number % 2}")
        assert answer.code in (L.CODE_UNAUTHORIZED, L.CODE_TOO_MANY_REQUESTS)
    assert world.authz.asked <= 2 * 8 + world.link.now_ms // 500 + 2
    assert world.desk.counts["limited"] > 30
    assert world.read(world.open(world.token()[1])) == b"4.5"
