"""Tokens by value and by reference: what is in them, who can open them, and that no two share a secret."""

import itertools

import cbor2
import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.cwt import open_cwt
from holdfast_core.errors import LocalError, Malformed, TokenRejected
from holdfast_core.moment import Moment
from holdfast_core.verifier import verify_token
from holdfast_server.authz import authorization_server, issue, token_formats
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.errors import IssuanceFailed
from holdfast_server.authz.lint import rules_for
from holdfast_server.records import Client, ResourceServer, token_hash_of
from oracles import pycose_oracle, pycwt_oracle
from testkit.authz import (
    EKG,
    ISSUER,
    NOW_S,
    TUBE,
    CountingRng,
    change_client,
    change_rs,
    exchange_params,
    refused,
)

ENCRYPT = "encrypt"
SIGN = "sign"


def rules(story, rs_id):
    return rules_for(story.store.resource_server(rs_id), story.keyring, ISSUER)


def osc_of(answer):
    return answer["cnf"][L.CNF_OSC]


@pytest.fixture
def encrypted(story, sensor):
    return story.server.token({"cnonce": b"c1"}, sensor, NOW_S)


@pytest.fixture
def nested(story):
    return story.tube_token(story.doctor_token()["access_token"])


# --- what outside libraries make of them ---


def test_pycose_and_python_cwt_open_an_encrypted_token(story, encrypted, cwt_oracle):
    key = story.keyring.encryption_key("sensor")
    k = key.secret.reveal()
    tag, payload = pycose_oracle.open_message(encrypted["access_token"], pycose_oracle.symmetric(k))
    assert tag == L.TAG_COSE_ENCRYPT0
    row = {"kid": key.kid.hex(), "alg": key.alg, "k": k.hex()}
    assert pycwt_oracle.open_token(cwt_oracle, encrypted["access_token"], [row]) == payload
    claims = cbor2.loads(payload)
    assert claims == {
        L.CLAIM_ISS: ISSUER,
        L.CLAIM_SUB: "panel",
        L.CLAIM_AUD: "sensor",
        L.CLAIM_EXP: NOW_S + 600,
        L.CLAIM_IAT: NOW_S,
        L.CLAIM_CNF: encrypted["cnf"],
        L.CLAIM_SCOPE: "read",
        L.CLAIM_ACE_PROFILE: L.PROFILE_COAP_OSCORE,
        L.CLAIM_CNONCE: b"c1",
    }
    assert cbor.encode(cbor.decode(payload)) == payload  # deterministic order, by another encoder


def test_pycose_and_python_cwt_open_a_nested_token(story, nested, cwt_oracle):
    shared = story.keyring.encryption_key(TUBE)
    signer = story.keyring.signing_key()
    k = shared.secret.reveal()
    _, inner = pycose_oracle.open_message(nested["access_token"], pycose_oracle.symmetric(k))
    tag, payload = pycose_oracle.open_message(inner, pycose_oracle.public(signer.x + signer.y))
    assert tag == L.TAG_COSE_SIGN1
    rows = [
        {"kid": shared.kid.hex(), "alg": shared.alg, "k": k.hex()},
        {"kid": signer.kid.hex(), "alg": L.ALG_ES256, "x": signer.x.hex(), "y": signer.y.hex()},
    ]
    assert pycwt_oracle.open_token(cwt_oracle, nested["access_token"], rows) == payload
    claims = cbor2.loads(payload)
    assert claims[L.PRIV_ACT] == {L.CLAIM_SUB: EKG}
    assert claims[L.CLAIM_SUB] == "doctor"
    assert claims[L.CLAIM_CNF] == nested["cnf"]
    assert cbor.encode(cbor.decode(payload)) == payload


def test_the_audiences_own_reader_grants_exactly_this(story, nested):
    grant = verify_token(nested["access_token"], rules(story, TUBE), Moment(NOW_S))
    assert (grant.sub, grant.aud, grant.scope, grant.exp) == ("doctor", (TUBE,), "read_result", NOW_S + 3600)
    assert grant.permissions.entries() == [("/result", L.METHOD_GET)]
    assert grant.act == {L.CLAIM_SUB: EKG}
    assert grant.cnf.osc.ms.reveal() == osc_of(nested)[L.OSC_MS]


def test_the_header_is_the_strict_one(story, encrypted, nested):
    for answer, rs_id in ((encrypted, "sensor"), (nested, TUBE)):
        outer = cbor2.loads(answer["access_token"])
        assert answer["access_token"][:3] == b"\xd8\x3d\xd0"
        protected, unprotected, _ = outer.value.value
        assert unprotected == {}
        header = cbor2.loads(protected)
        assert list(header) == [L.HDR_ALG, L.HDR_KID, L.HDR_IV]
        assert header[L.HDR_KID] == story.keyring.encryption_key(rs_id).kid
        assert len(header[L.HDR_IV]) == 13


@pytest.mark.parametrize("shape", ["strict", "rfc8392"])
def test_tokens_are_strict_whatever_else_their_audience_takes(story, shape):
    change_rs(story, TUBE, token_shape=shape)
    token = story.tube_token(story.doctor_token()["access_token"])["access_token"]
    assert token[:3] == b"\xd8\x3d\xd0"
    assert verify_token(token, rules(story, TUBE), Moment(NOW_S)).aud == (TUBE,)
    assert rules(story, TUBE).token_shape == story.exports.for_rs(TUBE, NOW_S).rs.token_shape == shape
    if shape == "strict":
        with pytest.raises(Malformed):
            verify_token(token[2:], rules(story, TUBE), Moment(NOW_S))
    else:
        assert verify_token(token[2:], rules(story, TUBE), Moment(NOW_S)).aud == (TUBE,)


def test_no_secret_is_readable_in_a_token(encrypted, nested):
    for answer in (encrypted, nested):
        assert osc_of(answer)[L.OSC_MS] not in answer["access_token"]
        assert b"read" not in answer["access_token"]


def test_only_the_audience_can_open_a_token(story, encrypted, nested):
    with pytest.raises(TokenRejected):
        verify_token(nested["access_token"], rules(story, "sensor"), Moment(NOW_S))
    with pytest.raises(TokenRejected):
        verify_token(encrypted["access_token"], rules(story, TUBE), Moment(NOW_S))


def test_every_single_bit_of_a_token_counts(story, nested):
    token, accepted = nested["access_token"], rules(story, TUBE)
    for position, bit in itertools.product(range(0, len(token), 7), (0, 5)):
        flipped = bytearray(token)
        flipped[position] ^= 1 << bit
        with pytest.raises((Malformed, TokenRejected)):
            open_cwt(bytes(flipped), accepted.trust, accepted.formats)


# --- key material ---


def test_ten_thousand_tokens_share_no_secret_no_id_and_no_salt(story):
    """The material itself in bulk; that each token has its own draw is in the next test."""
    issuer = issue.Issuer(story.store, story.keyring, ISSUER, CountingRng(b"bulk"))
    decision = type("Decision", (), {"key": "osc"})
    seen = {label: set() for label in (L.OSC_ID, L.OSC_MS, L.OSC_SALT)}
    for _ in range(10_000):
        for label, value in issuer._cnf(decision)[L.CNF_OSC].items():
            seen[label].add(value)
    assert [len(values) for values in seen.values()] == [10_000] * 3


def test_every_token_has_its_own_material_handle_and_iv(story, sensor):
    answers = [story.server.token({}, sensor, NOW_S) for _ in range(20)]
    answers += [story.doctor_token() for _ in range(20)]
    for label in (L.OSC_ID, L.OSC_MS, L.OSC_SALT):
        assert len({osc_of(answer)[label] for answer in answers}) == 40
    assert len({answer["access_token"] for answer in answers}) == 40
    protected = [cbor2.loads(answer["access_token"]).value.value[0] for answer in answers[:20]]
    assert len({cbor2.loads(header)[L.HDR_IV] for header in protected}) == 20


def test_material_has_exactly_id_secret_and_salt(encrypted):
    osc = osc_of(encrypted)
    assert {label: len(value) for label, value in osc.items()} == {L.OSC_ID: 8, L.OSC_MS: 16, L.OSC_SALT: 8}


# --- rotation ---


def test_rotation_moves_to_a_key_that_devices_already_hold(story):
    before = story.exports.for_rs(TUBE, NOW_S)
    held = {key.kid for key in before.keys}
    original = story.doctor_token()["access_token"]
    old = story.tube_token(original)["access_token"]
    for role, rs_id in ((SIGN, None), (ENCRYPT, TUBE)):
        story.keyring.rotate(role, rs_id, NOW_S, overlap_s=100)
    new = story.tube_token(original)["access_token"]
    assert {story.keyring.signing_key().kid, story.keyring.encryption_key(TUBE).kid} <= held
    accepted = rules(story, TUBE)
    assert (
        verify_token(old, accepted, Moment(NOW_S)).token_hash != verify_token(new, accepted, Moment(NOW_S)).token_hash
    )
    assert cbor2.loads(old).value.value[0] != cbor2.loads(new).value.value[0]


def test_a_retired_key_goes_when_its_overlap_is_over(story):
    old_kid = story.keyring.encryption_key(TUBE).kid
    original = story.doctor_token()["access_token"]
    token = story.tube_token(original)["access_token"]
    story.keyring.rotate(ENCRYPT, TUBE, NOW_S, overlap_s=100)
    story.store.sweep(NOW_S + 99)
    assert old_kid in {key.kid for key in story.keyring.held_keys(ENCRYPT, TUBE)}
    story.store.sweep(NOW_S + 100)
    assert old_kid not in {key.kid for key in story.keyring.held_keys(ENCRYPT, TUBE)}
    with pytest.raises(TokenRejected):
        verify_token(token, rules(story, TUBE), Moment(NOW_S))
    assert story.tube_token(original)["access_token"]


# --- exi ---


def test_exi_tokens_carry_the_rs_and_a_rising_number_of_its_own(story, sensor):
    other = ResourceServer("other", ("other",), {"read": (("/temp", 1),)}, "cwt-encrypted", exi_lifetime_s=60)
    story.registry.add_resource_server(other, NOW_S)
    change_client(story, "panel", scopes={"sensor": ("read",), "other": ("read",)}, default_scopes={})
    change_rs(story, "sensor", exi_lifetime_s=300)
    numbers = {"sensor": [], "other": []}
    for rs_id in ("sensor", "other", "sensor", "sensor", "other"):
        answer = story.server.token({"audience": rs_id, "scope": "read"}, sensor, NOW_S)
        grant = verify_token(answer["access_token"], rules(story, rs_id), Moment(NOW_S, exi_floor=0))
        assert grant.cti == rs_id.encode() + grant.exi_seq.to_bytes(8, "big")
        assert answer["expires_in"] == grant.exi == (300 if rs_id == "sensor" else 60)
        numbers[rs_id].append(grant.exi_seq)
    assert numbers == {"sensor": [1, 2, 3], "other": [1, 2]}


def test_a_refused_request_gives_its_exi_number_back_and_never_twice(story, sensor, monkeypatch):
    change_rs(story, "sensor", exi_lifetime_s=300)
    with monkeypatch.context() as patch:
        patch.setattr(issue, "make_token", lambda *_: b"\xa0")
        with pytest.raises(IssuanceFailed):
            story.server.token({}, sensor, NOW_S)
    tokens = [story.server.token({}, sensor, NOW_S)["access_token"] for _ in range(2)]
    accepted = rules(story, "sensor")
    assert [verify_token(token, accepted, Moment(NOW_S, exi_floor=0)).exi_seq for token in tokens] == [1, 2]


def test_without_exi_there_is_no_cti(story, encrypted):
    moment = Moment(NOW_S, cnonce_check=lambda cnonce: cnonce == b"c1")
    grant = verify_token(encrypted["access_token"], rules(story, "sensor"), moment)
    assert (grant.exi, grant.cti, grant.cnonce) == (None, None, b"c1")


# --- updates of access rights ---


def test_an_update_refers_to_the_key_and_repeats_no_secret(story, sensor):
    first = story.server.token({}, sensor, NOW_S)
    kid = osc_of(first)[L.OSC_ID]
    update = story.server.token({"scope": "write", "req_cnf": {L.CNF_KID: kid}}, sensor, NOW_S + 1)
    assert set(update) == {"access_token", "expires_in"}
    grant = verify_token(update["access_token"], rules(story, "sensor"), Moment(NOW_S + 1))
    assert (grant.cnf.method, grant.cnf.kid, grant.cnf.osc) == (L.CNF_KID, kid, None)
    again = story.server.token({"req_cnf": {L.CNF_KID: kid}}, sensor, NOW_S + 599)
    assert again["access_token"] != update["access_token"]


def test_an_update_of_a_reference_token_is_introspected_as_kid(story):
    kid = osc_of(story.doctor_token())[L.OSC_ID]
    update = story.doctor_token(req_cnf={L.CNF_KID: kid})
    answer = story.server.introspect({"token": update["access_token"]}, story.ekg, NOW_S)
    assert answer["cnf"] == {L.CNF_KID: kid}
    assert "cnf" not in update


def test_a_key_of_another_client_audience_or_time_cannot_be_updated(story, sensor):
    kid = osc_of(story.server.token({}, sensor, NOW_S))[L.OSC_ID]
    foreign = osc_of(story.doctor_token())[L.OSC_ID]
    assert refused(story, {"req_cnf": {L.CNF_KID: foreign}}, sensor) == L.ERR_INVALID_REQUEST
    assert refused(story, {"req_cnf": {L.CNF_KID: b"unknown"}}, sensor) == L.ERR_INVALID_REQUEST
    assert refused(story, {"req_cnf": {L.CNF_KID: kid}}, sensor, NOW_S + 600) == L.ERR_INVALID_REQUEST
    change_client(story, EKG, scopes={"sensor": ("read",), TUBE: ("read_result",)})
    original = story.doctor_token()["access_token"]
    params = exchange_params(original, req_cnf={L.CNF_KID: kid})
    assert refused(story, params, story.ekg) == L.ERR_INVALID_REQUEST


# --- the lint ---


TAMPERED = {
    "longer life": {L.CLAIM_EXP: NOW_S + 10**6},
    "more scope": {L.CLAIM_SCOPE: "read write"},
    "other subject": {L.CLAIM_SUB: "admin"},
    "other audience": {L.CLAIM_AUD: TUBE},
    "second audience": {L.CLAIM_AUD: ["sensor", TUBE]},
    "other issuer": {L.CLAIM_ISS: "https://evil.example"},
    "an actor": {L.PRIV_ACT: {L.CLAIM_SUB: "x"}},
    "not before": {L.CLAIM_NBF: NOW_S},
    "unknown scope": {L.CLAIM_SCOPE: "fly"},
    "other key": {L.CLAIM_CNF: {L.CNF_OSC: {L.OSC_ID: b"1", L.OSC_MS: bytes(16), L.OSC_SALT: b""}}},
    "key without salt": {L.CLAIM_CNF: {L.CNF_OSC: {L.OSC_ID: b"1", L.OSC_MS: bytes(16)}}},
    "no key": {L.CLAIM_CNF: {}},
    "in the past": {L.CLAIM_EXP: NOW_S},
    "a nonce": {L.CLAIM_CNONCE: b"n"},
    "an exi": {L.CLAIM_EXI: 5, L.CLAIM_CTI: b"sensor" + bytes(8)},
    "other profile": {L.CLAIM_ACE_PROFILE: L.PROFILE_COAP_DTLS},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_a_token_that_says_anything_else_is_not_issued(story, sensor, monkeypatch, change):
    genuine = issue.make_token

    def mistaken(token_format, claims, *rest):
        return genuine(token_format, {**claims, **change}, *rest)

    monkeypatch.setattr(issue, "make_token", mistaken)
    with pytest.raises(IssuanceFailed) as caught:
        story.server.token({}, sensor, NOW_S)
    assert (caught.value.coap_code, caught.value.http_status) == (L.CODE_INTERNAL_SERVER_ERROR, 500)
    assert story.store.tokens() == []
    assert story.store.audit_rows(1)[0].event == "issuance-failed"


@pytest.mark.parametrize("token", [b"", b"\xa0", b"\xd8\x3d\xa0", bytes(300)])
def test_what_is_no_token_is_not_issued(story, sensor, monkeypatch, token):
    monkeypatch.setattr(issue, "make_token", lambda *_: token)
    with pytest.raises(IssuanceFailed):
        story.server.token({}, sensor, NOW_S)
    assert story.store.tokens() == []


def test_a_reference_that_its_rs_would_refuse_is_not_issued(story):
    change_rs(story, EKG, audiences=(EKG, "alias"))
    assert story.doctor_token()["access_token"]
    before = len(story.store.tokens())
    change_rs(story, EKG, profiles=(L.PROFILE_COAP_DTLS,))
    with pytest.raises(Exception, match="share no profile"):
        story.doctor_token()
    assert len(story.store.tokens()) == before


def test_a_token_too_long_for_a_device_is_not_issued(story, sensor):
    names = [f"scope-{number:02}-{'x' * 30}" for number in range(30)]
    change_rs(story, "sensor", scope_map=dict.fromkeys(names, (("/x", 1),)))
    change_client(story, "panel", scopes={"sensor": tuple(names)}, default_scopes={"sensor": " ".join(names)})
    with pytest.raises(IssuanceFailed):
        story.server.token({}, sensor, NOW_S)


# --- start-up self-test ---


def test_the_self_test_passes_here():
    assert token_formats.self_test() is None


@pytest.mark.parametrize("broken", ["dumps", "loads"])
def test_the_self_test_notices_a_changed_library(monkeypatch, broken):
    real = getattr(cbor2, broken)

    class Changed:
        CBORTag = cbor2.CBORTag
        dumps = staticmethod(cbor2.dumps)
        loads = staticmethod(cbor2.loads)

    def wrong(value):
        return real(value) + b"\0" if broken == "dumps" else {}

    setattr(Changed, broken, staticmethod(wrong))
    monkeypatch.setattr(token_formats, "cbor2", Changed)
    with pytest.raises((LocalError, AttributeError)):
        token_formats.self_test()


def test_no_server_starts_that_fails_it(story, monkeypatch):
    def failing():
        raise LocalError("self-test")

    monkeypatch.setattr(authorization_server, "self_test", failing)
    with pytest.raises(LocalError, match="self-test"):
        AuthorizationServer(story.store, story.keyring, story.settings, bytes)


# --- what is kept ---


def test_the_database_keeps_no_handle_and_no_key_of_a_self_contained_token(story, nested):
    dump = "\n".join(story.store._connection.iterdump()).lower()
    reference = story.doctor_token()
    assert osc_of(nested)[L.OSC_MS].hex() not in dump
    assert nested["access_token"].hex() not in dump
    dump = "\n".join(story.store._connection.iterdump()).lower()
    assert reference["access_token"].hex() not in dump
    assert osc_of(reference)[L.OSC_MS].hex() in dump  # introspection must tell it
    assert token_hash_of(reference["access_token"]).hex() in dump


def test_a_client_that_may_do_nothing_gets_nothing(story, sensor):
    story.registry.add_client(Client("idle", (), {}), NOW_S)
    change_client(story, "panel", scopes={})
    assert refused(story, {}, sensor) == L.ERR_INVALID_REQUEST
