"""PoP keys that are public: whose, for which RS, in which format; group audiences (RFC 9200 6.1, 6.9; RFC 9201 3)."""

import cbor2
import pytest

from holdfast_core import labels as L
from holdfast_core.errors import PeerError
from holdfast_core.moment import Moment
from holdfast_core.verifier import verify_token
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.lint import rules_for
from holdfast_server.records import Client, RegistryError, ResourceServer
from oracles import pycose_oracle
from testkit.authz import EKG, ISSUER, NOW_S, change_client, change_rs, cose_key, refused

SCOPES = {"read": (("/temp", L.METHOD_GET),)}
DTLS = (L.PROFILE_COAP_DTLS,)


OWN, OTHERS, SERVERS = cose_key(5), cose_key(6), cose_key(7)


def req_cnf(key, **changes):
    return {"req_cnf": {L.CNF_COSE_KEY: {**key, **changes}}}


@pytest.fixture
def door(story):
    """Register an RS that speaks DTLS with raw public keys, and a client of it."""
    rs = ResourceServer("door", ("door",), SCOPES, "cwt-signed", DTLS, public_key=cbor2.dumps(SERVERS))
    story.registry.add_resource_server(rs, NOW_S)
    client = Client(
        "key_fob",
        (L.GRANT_CLIENT_CREDENTIALS,),
        {"door": ("read",)},
        {"door": "read"},
        profiles=(L.PROFILE_COAP_DTLS, L.PROFILE_COAP_OSCORE),
        public_keys=(cbor2.dumps(OWN),),
    )
    story.registry.add_client(client, NOW_S)
    return Caller("key_fob", authenticated=True)


def test_a_registered_key_is_bound_in_a_signed_token(story, door):
    answer = story.server.token({**req_cnf(OWN), "ace_profile": None}, door, NOW_S)
    assert set(answer) == {"access_token", "expires_in", "rs_cnf", "scope", "ace_profile"}
    assert answer["rs_cnf"] == {L.CNF_COSE_KEY: SERVERS}
    assert answer["ace_profile"] == L.PROFILE_COAP_DTLS
    assert answer["access_token"][:3] == b"\xd8\x3d\xd2"
    rs = story.store.resource_server("door")
    grant = verify_token(answer["access_token"], rules_for(rs, story.keyring, ISSUER), Moment(NOW_S))
    assert (grant.cnf.key.x, grant.cnf.key.y) == (OWN[L.KEY_X], OWN[L.KEY_Y])
    signer = story.keyring.signing_key()
    _, payload = pycose_oracle.open_message(answer["access_token"], pycose_oracle.public(signer.x + signer.y))
    assert cbor2.loads(payload)[L.CLAIM_CNF] == {L.CNF_COSE_KEY: OWN}


def test_what_else_the_client_says_of_its_key_is_not_copied(story, door):
    answer = story.server.token(req_cnf(OWN) | {"scope": "read"}, door, NOW_S)
    named = {**OWN, L.KEY_KID: b"11", L.KEY_ALG: L.ALG_ES256}
    other = story.server.token({"req_cnf": {L.CNF_COSE_KEY: named}, "scope": "read"}, door, NOW_S)
    assert set(answer) == set(other)
    signer = story.keyring.signing_key()
    _, payload = pycose_oracle.open_message(other["access_token"], pycose_oracle.public(signer.x + signer.y))
    assert cbor2.loads(payload)[L.CLAIM_CNF] == {L.CNF_COSE_KEY: OWN}


def test_signed_tokens_of_one_second_differ(story, door):
    tokens = [story.server.token(req_cnf(OWN), door, NOW_S)["access_token"] for _ in range(3)]
    assert len(set(tokens)) == 3


def test_somebody_elses_key_is_refused(story, door):
    assert refused(story, req_cnf(OTHERS), door) == L.ERR_UNSUPPORTED_POP_KEY
    change_client(story, "key_fob", public_keys=(cbor2.dumps(OTHERS),))
    assert story.server.token(req_cnf(OTHERS), door, NOW_S)["access_token"]
    assert refused(story, req_cnf(OWN), door) == L.ERR_UNSUPPORTED_POP_KEY


BAD_KEYS = {
    "x25519": ({L.KEY_KTY: L.KTY_OKP, L.KEY_CRV: L.CRV_X25519, L.KEY_X: bytes(32)}, L.ERR_UNSUPPORTED_POP_KEY),
    "ed448": ({L.KEY_KTY: L.KTY_OKP, L.KEY_CRV: L.CRV_ED448, L.KEY_X: bytes(57)}, L.ERR_UNSUPPORTED_POP_KEY),
    "p384": ({**OWN, L.KEY_CRV: L.CRV_P384}, L.ERR_UNSUPPORTED_POP_KEY),
    "off the curve": ({**OWN, L.KEY_Y: bytes(32)}, L.ERR_INVALID_REQUEST),
    "private": ({**OWN, L.KEY_D: bytes(32)}, L.ERR_INVALID_REQUEST),
    "short": ({**OWN, L.KEY_X: b"x"}, L.ERR_INVALID_REQUEST),
    "symmetric": ({L.KEY_KTY: L.KTY_SYMMETRIC, L.KEY_K: bytes(16)}, L.ERR_INVALID_REQUEST),
    "no type": ({L.KEY_X: bytes(32)}, L.ERR_INVALID_REQUEST),
    "no map": (b"key", L.ERR_INVALID_REQUEST),
}


@pytest.mark.parametrize(("key", "error"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_keys_that_cannot_be_are_refused(story, door, key, error):
    assert refused(story, {"req_cnf": {L.CNF_COSE_KEY: key}}, door) == error


@pytest.mark.parametrize(
    "cnf",
    [
        {L.CNF_OSC: {L.OSC_ID: b"1", L.OSC_MS: bytes(16)}},
        {L.CNF_ENCRYPTED_COSE_KEY: [b"", {}, b""]},
        {L.CNF_COSE_KEY: OWN, L.CNF_OSC: {L.OSC_ID: b"1", L.OSC_MS: bytes(16)}},
        {L.CNF_COSE_KEY: {**OWN, L.KEY_KID: b"1"}, L.CNF_KID: b"2"},
        {99: b"?"},
    ],
)
def test_other_confirmations_are_invalid_requests(story, door, cnf):
    assert refused(story, {"req_cnf": cnf}, door) == L.ERR_INVALID_REQUEST


@pytest.fixture
def gate(story, door):
    """Register an RS that shares a MAC key with the server; the same client may use it."""
    story.registry.add_resource_server(ResourceServer("gate", ("gate",), SCOPES, "cwt-mac", DTLS), NOW_S)
    change_client(story, "key_fob", scopes={"gate": ("read",)}, default_scopes={"gate": "read"})
    return door


def test_a_registered_key_is_bound_in_a_maced_token(story, gate):
    """The key that makes it is the RS's own, which rotates with overlap, and another implementation reads it."""
    rs = story.store.resource_server("gate")
    tokens = [story.server.token(req_cnf(OWN), gate, NOW_S)["access_token"] for _ in range(2)]
    assert tokens[0] != tokens[1]
    first = story.keyring.mac_key("gate")
    story.registry.rotate_key(NOW_S, "gate")
    tokens.append(story.server.token(req_cnf(OWN), gate, NOW_S)["access_token"])
    for token, key in zip(tokens, (first, first, story.keyring.mac_key("gate")), strict=True):
        assert token[:3] == b"\xd8\x3d\xd1"
        grant = verify_token(token, rules_for(rs, story.keyring, ISSUER), Moment(NOW_S))
        assert (grant.cnf.key.x, grant.cnf.key.y) == (OWN[L.KEY_X], OWN[L.KEY_Y])
        _, payload = pycose_oracle.open_message(token, pycose_oracle.symmetric(key.secret.reveal()))
        assert cbor2.loads(payload)[L.CLAIM_CNF] == {L.CNF_COSE_KEY: OWN}
        other = story.store.resource_server("door")
        with pytest.raises(PeerError):
            verify_token(token, rules_for(other, story.keyring, ISSUER), Moment(NOW_S))
    exported = story.exports.for_rs("gate", NOW_S)
    assert {(key.role, key.alg, len(key.material)) for key in exported.keys} == {("mac", L.ALG_HMAC_256_256, 32)}
    assert first.kid in {key.kid for key in exported.keys}


@pytest.mark.parametrize("params", [{}, {"req_cnf": {L.CNF_KID: b"k"}}, req_cnf(OTHERS)])
def test_a_maced_token_never_carries_a_secret(story, gate, params):
    assert refused(story, params, gate) == L.ERR_UNSUPPORTED_POP_KEY
    with pytest.raises(RegistryError, match="can be read by anybody"):
        story.registry.add_resource_server(ResourceServer("bad", ("bad",), SCOPES, "cwt-mac"), NOW_S)


def test_a_signed_format_never_carries_a_secret(story, door):
    assert refused(story, {}, door) == L.ERR_UNSUPPORTED_POP_KEY
    assert refused(story, {"req_cnf": {L.CNF_KID: b"k"}}, door) == L.ERR_UNSUPPORTED_POP_KEY
    with pytest.raises(RegistryError, match="can be read by anybody"):
        story.registry.add_resource_server(ResourceServer("bad", ("bad",), SCOPES, "cwt-signed"), NOW_S)
    rs = ResourceServer("bad", ("bad",), SCOPES, "cwt-signed", (L.PROFILE_COAP_OSCORE,))
    story.store.put_resource_server(rs, NOW_S)  # past the registry's check, as an old database might
    change_client(story, "key_fob", scopes={"bad": ("read",)}, default_scopes={"bad": "read"})
    assert refused(story, {}, door) == L.ERR_UNSUPPORTED_POP_KEY


def test_an_oscore_rs_cannot_use_a_public_key(story, door, sensor):
    change_client(story, "panel", public_keys=(cbor2.dumps(OWN),))
    assert refused(story, req_cnf(OWN), sensor) == L.ERR_UNSUPPORTED_POP_KEY


def test_a_profile_that_does_not_go_with_the_key_is_refused(story, door):
    change_rs(story, "door", profiles=(L.PROFILE_COAP_DTLS, L.PROFILE_COAP_OSCORE))
    asked = req_cnf(OWN)
    assert refused(story, {**asked, "ace_profile": L.PROFILE_COAP_OSCORE}, door) == L.ERR_INCOMPATIBLE_ACE_PROFILES
    assert story.server.token({**asked, "ace_profile": L.PROFILE_COAP_DTLS}, door, NOW_S)["rs_cnf"]


def test_a_dtls_client_and_an_oscore_rs_share_no_profile(story, door, sensor):
    change_client(story, "panel", profiles=DTLS, public_keys=(cbor2.dumps(OWN),))
    assert refused(story, req_cnf(OWN), sensor) == L.ERR_INCOMPATIBLE_ACE_PROFILES


def test_a_public_key_in_an_encrypted_token_is_fine(story, door):
    change_rs(story, "door", token_format="cwt-encrypted")
    answer = story.server.token(req_cnf(OWN), door, NOW_S)
    rs = story.store.resource_server("door")
    grant = verify_token(answer["access_token"], rules_for(rs, story.keyring, ISSUER), Moment(NOW_S))
    assert grant.cnf.key.x == OWN[L.KEY_X]


def test_symmetric_answers_never_name_a_key_of_the_rs(story, door, sensor):
    change_rs(story, "sensor", public_key=cbor2.dumps(SERVERS))
    answer = story.server.token({}, sensor, NOW_S)
    assert "rs_cnf" not in answer
    assert L.CNF_OSC in answer["cnf"]


# --- group audiences ---


@pytest.fixture
def doors(story, door):
    """Make a second door and let both answer to `doors`."""
    change_rs(story, "door", audiences=("door", "doors"))
    other = ResourceServer("door2", ("door2", "doors"), SCOPES, "cwt-signed", DTLS, 60)
    story.registry.add_resource_server(other, NOW_S)
    change_client(story, "key_fob", scopes={"doors": ("read",)}, default_scopes={"doors": "read"})
    return door


def test_a_group_token_is_signed_and_every_member_takes_it(story, doors):
    answer = story.server.token(req_cnf(OWN), doors, NOW_S)
    assert answer["expires_in"] == 60
    assert not {"rs_cnf", "cnf"} & set(answer)
    for rs_id in ("door", "door2"):
        rs = story.store.resource_server(rs_id)
        grant = verify_token(answer["access_token"], rules_for(rs, story.keyring, ISSUER), Moment(NOW_S))
        assert grant.aud == ("doors",)


def test_a_group_gets_no_symmetric_key(story, doors):
    assert refused(story, {}, doors) == L.ERR_UNSUPPORTED_POP_KEY


@pytest.mark.parametrize("token_format", ["reference", "cwt-encrypted", "cwt-nested", "cwt-mac"])
def test_a_group_with_a_member_that_shares_keys_gets_nothing(story, doors, token_format):
    change_rs(story, "door2", token_format=token_format)
    assert refused(story, req_cnf(OWN), doors) == L.ERR_INVALID_REQUEST


@pytest.mark.parametrize("token_format", ["reference", "cwt-encrypted", "cwt-nested", "cwt-mac"])
def test_a_group_that_has_one_format_gets_nothing_either_when_its_members_share_keys(story, doors, token_format):
    """One format for all is not enough: a member that shares a key with the server could mint for the others."""
    for rs_id in ("door", "door2"):
        change_rs(story, rs_id, token_format=token_format)
    assert refused(story, req_cnf(OWN), doors) == L.ERR_INVALID_REQUEST


def test_a_group_gets_only_what_all_members_understand(story, doors):
    change_rs(story, "door2", scope_map={"other": (("/x", L.METHOD_GET),)})
    assert refused(story, {**req_cnf(OWN), "scope": "read"}, doors) == L.ERR_INVALID_SCOPE


def test_a_group_with_a_locked_member_gets_nothing(story, doors):
    change_rs(story, "door2", disabled=True)
    assert refused(story, req_cnf(OWN), doors) == L.ERR_INVALID_REQUEST


def test_the_same_secret_is_never_bound_to_two_audiences(story, door, sensor):
    change_client(story, "panel", scopes={"sensor": ("read",), EKG: ("read_ekg",)})
    kid = story.server.token({"audience": "sensor"}, sensor, NOW_S)["cnf"][L.CNF_OSC][L.OSC_ID]
    params = {"audience": EKG, "scope": "read_ekg", "req_cnf": {L.CNF_KID: kid}}
    assert refused(story, params, sensor) == L.ERR_INVALID_REQUEST
