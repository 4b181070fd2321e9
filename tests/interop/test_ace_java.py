"""Messages recorded from ace-java, another implementation of ACE: its client, RS and AS, replayed against ours.

tests/vectors/ace_java.jsonl; docs/interop.md says which switches the peers need. ace-java itself is not run here.
"""

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import client_context, decode_authz_info_answer, encode_authz_info
from holdfast_core.cnf import decode_cnf
from holdfast_core.coap_events import FailureEvent, ResponseEvent
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_core.coap_stack import CoapStack, RequestEvent
from holdfast_core.errors import MalformedRequest, PeerError
from holdfast_core.kinds import ROLE_ENCRYPT
from holdfast_core.moment import Moment
from holdfast_core.oscore import SecurityContext
from holdfast_core.oscore_option import decode_option, encode_option
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import SenderSequence
from holdfast_core.trust import Trust, TrustedKey
from holdfast_core.verifier import verify_token
from holdfast_device.hints import decode_hints
from holdfast_device.token_response import TokenRefused, read_token_response
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.coap.site import CoapSite
from holdfast_server.records import Client, ResourceServer
from testkit import mint
from testkit.authz import NOW_S, CountingRng, build_story_as, change_client
from testkit.serve import holdfast, init, serving
from testkit.story import TUBE, World

LINES = (Path(__file__).parents[1] / "vectors" / "ace_java.jsonl").read_text().splitlines()
TALKS = {talk["name"]: talk for talk in map(json.loads, LINES)}
PEER = ("192.0.2.1", 5683)
SCOPES = {
    "r_temp": (("/temp", L.METHOD_GET),),
    "rw_config": (("/config", L.METHOD_GET | L.METHOD_POST | L.METHOD_PUT),),
}


def context(keys, side, sequence=0):
    """The security context of one side of a conversation, with keys that nobody has used."""
    told = keys[side]
    id_context = None if told["id_context"] is None else bytes.fromhex(told["id_context"])
    octets = [bytes.fromhex(told[name]) for name in ("master_secret", "master_salt", "sender_id", "recipient_id")]
    return SecurityContext(*octets, id_context, told["alg"], sequence=SenderSequence(sequence))


def messages(talk, direction):
    return [decode(bytes.fromhex(row["hex"])) for row in TALKS[talk]["datagrams"] if row["dir"] == direction]


def inner(talk, direction, number=0):
    """The content of an OSCORE message of a conversation, opened before."""
    row = [row for row in TALKS[talk]["datagrams"] if row["dir"] == direction][number]
    return row["inner"]


def opened(message, told):
    """Whether a message has the code, the options and the payload that the recording tells."""
    major, minor = told["code"].split(".")
    shown = {number: value.hex() for number, value in message.options if number != L.OPT_OSCORE}
    return (message.code, shown, message.payload.hex()) == (
        int(major) << 5 | int(minor),
        dict(told["options"]),
        told["payload"],
    )


PROTECTED = [name for name, talk in TALKS.items() if any("inner" in row for row in talk["datagrams"])]


@pytest.mark.parametrize("name", PROTECTED)
def test_every_protected_message_opens_as_it_was_recorded_and_not_when_changed(name):
    talk = TALKS[name]
    client, server = (context(talk["keys"]["oscore"], side) for side in ("client", "server"))
    state, count = None, 0
    for row in talk["datagrams"]:
        if "inner" not in row:
            continue
        octets = bytes.fromhex(row["hex"])
        changed = decode(octets[:-1] + bytes((octets[-1] ^ 1,)))
        if row["dir"] == "request":
            with pytest.raises(PeerError):
                server.unprotect_request(changed)
            asked = server.unprotect_request(decode(octets))
            assert opened(asked.message, row["inner"]), row
            client.sequence = SenderSequence(asked.state.number)
            _, state = client.protect_request(asked.message)
        else:
            with pytest.raises(PeerError):
                client.unprotect_response(changed, state)
            assert opened(client.unprotect_response(decode(octets), state), row["inner"]), row
        count += 1
    assert count


# --- our AS, and its stock client ---


@pytest.fixture
def authz(tmp_path):
    """An AS that knows ace-java's client and RS, with the keys of the recording."""
    story = build_story_as(tmp_path / "state")
    rs = ResourceServer("rs1", ("aud1",), SCOPES, "reference")
    story.registry.add_resource_server(rs, NOW_S)
    record = Client("clientA", (L.GRANT_CLIENT_CREDENTIALS,), {"aud1": tuple(SCOPES)}, narrows=True, lenient=True)
    story.registry.add_client(record, NOW_S)
    add_party(story, "stock-token", client_id="clientA")
    add_party(story, "introspection", rs_id="rs1")
    story.stack = CoapStack(CountingRng(), PartyContexts(story.store, CountingRng(), lambda: NOW_S))
    yield story
    story.store.close()


def add_party(story, talk, **of):
    # An RS that is connected has one from the start.
    party = story.store.oscore_party(**of) or story.registry.add_oscore_party(NOW_S, **of)
    story.store.delete_oscore_party(party.recipient_id)
    told = TALKS[talk]["keys"]["oscore"]["server"]
    known = {
        "recipient_id": bytes.fromhex(told["recipient_id"]),
        "sender_id": bytes.fromhex(told["sender_id"]),
        "master_secret": Secret(bytes.fromhex(told["master_secret"])),
        "master_salt": bytes.fromhex(told["master_salt"]),
        "rederives": False,
    }
    story.store.add_oscore_party(replace(party, **known), NOW_S)


def ask_as(story, talk, number=0):
    """Put a recorded request to our AS, whole, and return what its client reads: the inner response."""
    row = [row for row in TALKS[talk]["datagrams"] if row["dir"] == "request"][number]
    with story.store.transaction():
        (event,) = story.stack.feed(bytes.fromhex(row["hex"]), PEER, 0)
        assert isinstance(event, RequestEvent)
        incoming = event.incoming
        story.stack.respond(incoming, CoapSite(story.server).answer(incoming.message, incoming.context, NOW_S), 0)
    ((datagram, _),) = story.stack.take_datagrams()
    asked = context(TALKS[talk]["keys"]["oscore"], "server").unprotect_request(decode(bytes.fromhex(row["hex"])))
    client = context(TALKS[talk]["keys"]["oscore"], "client", asked.state.number)
    _, state = client.protect_request(asked.message)
    return client.unprotect_response(decode(datagram), state)


def test_the_stock_client_gets_a_token_of_the_part_that_it_may_have(authz):
    """Its request has no Content-Format, no grant_type and one scope too many."""
    answer = ask_as(authz, "stock-token")
    assert (answer.code, answer.content_format) == (L.CODE_CREATED, L.CF_ACE_CBOR)
    answered = cbor.decode(answer.payload)
    assert set(answered) == {L.ACE_ACCESS_TOKEN, L.ACE_EXPIRES_IN, L.ACE_CNF, L.ACE_SCOPE}
    assert answered[L.ACE_SCOPE] == "r_temp rw_config"
    recorded = cbor.decode(bytes.fromhex(inner("stock-token", "response")["payload"]))
    assert set(answered) - {L.ACE_EXPIRES_IN} == set(recorded)  # what its AS says, and the lifetime
    assert set(answered[L.ACE_CNF][L.CNF_OSC]) <= set(recorded[L.ACE_CNF][L.CNF_OSC])


@pytest.mark.parametrize(("switch", "code"), [("lenient", "4.15"), ("narrows", "4.00")])
def test_the_stock_client_gets_nothing_without_each_of_its_switches(authz, switch, code):
    change_client(authz, "clientA", **{switch: False})
    major, minor = code.split(".")
    assert ask_as(authz, "stock-token").code == int(major) << 5 | int(minor)


def test_a_client_that_names_grant_and_format_needs_no_switch(authz):
    change_client(authz, "clientA", lenient=False, narrows=False)
    answered = cbor.decode(ask_as(authz, "aiocoap-token").payload)
    assert L.ACE_SCOPE not in answered
    assert cbor.decode(ask_as(authz, "token-unknown-scope").payload)[L.ACE_ERROR] == L.ERR_INVALID_SCOPE
    assert cbor.decode(ask_as(authz, "token-unknown-audience").payload)[L.ACE_ERROR] == L.ERR_INVALID_REQUEST


@pytest.mark.parametrize("talk", ["introspection", "introspection-token-wrapped-twice"])
def test_its_rs_may_introspect_and_learns_nothing_of_a_token_that_is_not_ours(authz, talk):
    answer = ask_as(authz, talk)
    assert (answer.code, cbor.decode(answer.payload)) == (L.CODE_CREATED, {L.INTRO_ACTIVE: False})


# --- our client, its AS and its RS ---


def response_of(talk, number=0):
    told = inner(talk, "response", number)
    keys = TALKS[talk]["keys"]["oscore"]
    row = [row for row in TALKS[talk]["datagrams"] if row["dir"] == "request"][number]
    asked = context(keys, "server").unprotect_request(decode(bytes.fromhex(row["hex"])))
    client = context(keys, "client", asked.state.number)
    _, state = client.protect_request(asked.message)
    answer = client.unprotect_response(messages(talk, "response")[number], state)
    assert opened(answer, told)
    return answer


@pytest.mark.parametrize("talk", ["stock-token", "aiocoap-token", "expiring-token"])
def test_its_as_names_no_lifetime_and_no_profile_so_both_are_configured(talk):
    answer = response_of(talk)
    read = read_token_response(answer, 5000, False, 30, True)
    assert (read.ends_ms, len(read.osc.ms), len(read.osc.salt), read.osc.context_id) == (35000, 16, 1, read.osc.id)
    for default_lifetime_s, profile_agreed in ((0, True), (30, False)):
        with pytest.raises(MalformedRequest):
            read_token_response(answer, 5000, False, default_lifetime_s, profile_agreed)


def test_its_as_gives_new_rights_for_a_key_that_is_there():
    assert read_token_response(response_of("update-token"), 0, True, 30, True).osc is None


@pytest.mark.parametrize("talk", ["token-unknown-scope", "token-unknown-audience"])
def test_a_refusal_of_its_as_is_one(talk):
    with pytest.raises(TokenRefused) as caught:
        read_token_response(response_of(talk), 0)
    assert (caught.value.code, caught.value.error) == (L.CODE_BAD_REQUEST, L.ERR_INVALID_SCOPE)


POSTS = ["stock-authz-info", "aiocoap-authz-info", "expiring-authz-info"]


@pytest.mark.parametrize("talk", POSTS)
def test_a_post_to_its_rs_has_the_octets_of_its_client_and_leads_to_the_same_keys(talk):
    token = bytes.fromhex(TALKS[talk]["tokens"][0]["token"])
    posted = cbor.decode(messages(talk, "request")[0].payload)
    n1, id1 = posted[L.ACE_NONCE1], posted[L.ACE_CLIENT_RECIPIENTID]
    assert encode_authz_info(token, n1, id1) == messages(talk, "request")[0].payload
    answer = next(message for message in messages(talk, "response") if message.content_format == L.CF_ACE_CBOR)
    n2, id2 = decode_authz_info_answer(answer.payload)
    token_talk = talk.replace("authz-info", "token")
    osc = read_token_response(response_of(token_talk), 0, False, 30, True).osc
    made = client_context(osc, n1, n2, id1, id2)
    theirs = context(TALKS[talk]["keys"]["oscore_derived"], "server")
    sealed, state = made.protect_request(request(L.CODE_GET, "/temp"))
    asked = theirs.unprotect_request(sealed)
    assert asked.message.path() == "/temp"
    answer = theirs.protect_response(response(L.CODE_CONTENT, b"0 C"), asked.state)
    assert made.unprotect_response(answer, state).payload == b"0 C"


@pytest.mark.parametrize("talk", ["stock-authz-info", "aiocoap-authz-info"])
def test_the_second_of_its_answers_to_a_post_is_rejected_and_nothing_more(talk):
    """ace-java answers a post twice, by two confirmable messages of one token; the second has no Content-Format."""
    stack = CoapStack(CountingRng())
    number = stack.request(PEER, request(L.CODE_POST, "/authz-info", b"post", L.CF_ACE_CBOR), 0)
    ((sent, _),) = stack.take_datagrams()
    ours = decode(sent)
    replies = []
    for message in messages(talk, "response"):
        message.token = ours.token
        if message.code == 0:
            message.mid, message.token = ours.mid, b""
        events = stack.feed(encode(message), PEER, 1)
        replies.append(
            ([type(event) for event in events], [decode(octets).mtype for octets, _ in stack.take_datagrams()])
        )
        for event in events:
            assert event.request_id == number
            assert not isinstance(event, FailureEvent)
            assert event.message.content_format == L.CF_ACE_CBOR
    assert replies == [([], []), ([ResponseEvent], [L.TYPE_ACK]), ([], [L.TYPE_RST])]


def test_its_hints_are_read():
    hints = decode_hints(messages("unprotected-hints", "response")[0].payload)
    assert (hints.as_uri, hints.audience, hints.scope) == ("coap://blah/authz-info/", None, None)


# --- our RS, and its stock client ---


@pytest.mark.parametrize("context_id", [None, b"\x00"], ids=["no-id-context", "id-context"])
def test_its_stock_client_is_served_by_our_rs(context_id):
    """Its own post and its own requests, with a token and a secret that our RS trusts.

    Its requests carry no kid context, also where the context has an ID Context.
    """
    world = World()
    tube = world.boot_tube()
    tube.rs.resource("/result", get=lambda _: response(L.CODE_CONTENT, b"0 C"))
    material = mint.osc(b"k") if context_id is None else {**mint.osc(b"k"), L.OSC_CONTEXT_ID: context_id}
    token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S, cnf={L.CNF_OSC: material}))
    post = messages("stock-authz-info", "request")[0]
    answered = cbor.decode(post.payload)
    post.payload = cbor.encode({**answered, L.ACE_ACCESS_TOKEN: token})
    answer = ask_rs(tube, encode(post))
    assert (answer.code, answer.content_format, answer.token) == (L.CODE_CREATED, L.CF_ACE_CBOR, post.token)
    n2, id2 = decode_authz_info_answer(answer.payload)
    osc = decode_cnf({L.CNF_OSC: material}).osc
    client = client_context(osc, answered[L.ACE_NONCE1], n2, answered[L.ACE_CLIENT_RECIPIENTID], id2)
    ours = messages("stock-protected-requests", "request")[1]
    sealed, state = client.protect_request(request(L.CODE_GET, "/result"))
    kid_only = decode_option(sealed.get(L.OPT_OSCORE))
    sealed.options = [
        (L.OPT_OSCORE, encode_option(kid_only.piv, kid_only.kid)) if number == L.OPT_OSCORE else (number, value)
        for number, value in sealed.options
    ]
    sealed.mtype, sealed.mid, sealed.token = ours.mtype, ours.mid, ours.token
    answer = client.unprotect_response(ask_rs(tube, encode(sealed)), state)
    assert (answer.code, answer.payload) == (L.CODE_CONTENT, b"0 C")


def ask_rs(tube, datagram):
    tube.feed(datagram, PEER, tube.endpoint.now_ms + 1)
    ((answer, _),) = tube.take_datagrams()
    return decode(answer)


# --- our RS, and the tokens of its AS ---

TOKENS = {
    row["token"]: cbor.decode(bytes.fromhex(row["claims_hex"]))
    for talk in TALKS.values()
    for row in talk.get("tokens", ())
}


def rules(token_shape):
    """What our RS is told to serve ace-java's demo: its name, its scopes, and the key that it shares with its AS."""
    key = TALKS["stock-token"]["keys"]["token_key"]
    trusted = TrustedKey(ROLE_ENCRYPT, b"", key["alg"], "AS", Secret(bytes.fromhex(key["k"])))
    scope_map = ScopeMap({name: list(permissions) for name, permissions in SCOPES.items()})
    return Rules(("aud1",), Trust([trusted]), scope_map, ("cwt-encrypted",), rs_id=b"rs1", token_shape=token_shape)


@pytest.mark.parametrize("encoded", TOKENS)
def test_a_token_of_its_as_is_taken_by_an_rs_of_the_open_shape(encoded):
    token, claims = bytes.fromhex(encoded), TOKENS[encoded]
    with pytest.raises(PeerError):
        verify_token(token, rules("strict"), Moment(NOW_S, exi_floor=0))
    grant = verify_token(token, rules("rfc8392"), Moment(NOW_S, exi_floor=0))
    assert (grant.scope, grant.exi, grant.exi_seq) == (claims[L.CLAIM_SCOPE], 30000, claims[L.CLAIM_CTI][-1])
    with pytest.raises(PeerError):
        verify_token(token, rules("rfc8392"), Moment(NOW_S, exi_floor=grant.exi_seq))
    with pytest.raises(PeerError):
        verify_token(token[:-1] + bytes((token[-1] ^ 1,)), rules("rfc8392"), Moment(NOW_S, exi_floor=0))


def test_numbers_in_digits_count_up():
    """Its sequence numbers are decimal text; as octets they are in the same order."""
    numbers = [int.from_bytes(str(number).encode(), "big") for number in (0, 1, 9, 10, 11, 99, 100, 12345678)]
    assert numbers == sorted(numbers)
    assert len({len(claims[L.CLAIM_CTI]) for claims in TOKENS.values()}) == 1


# --- as an operator does it ---


def test_the_documented_commands_serve_its_stock_client(tmp_path):
    """From `init` to the answer on a socket; the switches are those of docs/interop.md."""
    state, told = tmp_path / "state", TALKS["stock-token"]["keys"]["oscore"]["client"]
    init(state)
    material = tmp_path / "ace-java.diag"
    material.write_text(f"{{0: h'00', 2: h'{told['master_secret']}', 5: h''}}")
    for argv in (
        ("rs", "add", "rs1", "--audience", "aud1", "--format", "reference"),
        ("client", "add", "clientA", "--grant", "client_credentials", "--allow", "aud1=r_temp,rw_config"),
        ("context", "import", material, "--client", "clientA", "--form", "diag"),
    ):
        more = {
            "rs": ("--scope", "r_temp=GET:/temp", "--scope", "rw_config=GET,POST,PUT:/config"),
            "client": ("--no-secret", "--lenient", "--narrow-scope"),
            "context": ("--sender-id", "55", "--recipient-id", "00", "--start", "unused"),
        }[argv[0]]
        done = holdfast(*argv, *more, "--state", state)
        assert done.returncode == 0, done.stderr
    datagram = bytes.fromhex(TALKS["stock-token"]["datagrams"][0]["hex"])
    with serving(state) as process, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(20)
        peer.connect(("127.0.0.1", process.ready["coap"]))
        peer.send(datagram)
        answer = decode(peer.recv(2048))
    client = context(TALKS["stock-token"]["keys"]["oscore"], "client")
    asked = context(TALKS["stock-token"]["keys"]["oscore"], "server").unprotect_request(decode(datagram))
    client.sequence = SenderSequence(asked.state.number)
    _, state_of_it = client.protect_request(asked.message)
    inside = client.unprotect_response(answer, state_of_it)
    assert (inside.code, cbor.decode(inside.payload)[L.ACE_SCOPE]) == (L.CODE_CREATED, "r_temp rw_config")
