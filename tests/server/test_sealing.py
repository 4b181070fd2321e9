"""What a hub gets for a client's reference or handle: never more than its right, and nothing that it could read."""

import json

import cbor2
import pytest

from holdfast_core import labels as L
from holdfast_core.errors import HoldfastError
from holdfast_core.kinds import CWT_ENCRYPTED, CWT_MAC, CWT_NESTED, CWT_SIGNED, REFERENCE, ROLE_ENCRYPT
from holdfast_core.moment import Moment
from holdfast_core.scope import encode_aif
from holdfast_core.token_split import CWT_HEAD, HANDLE_LEN, PROOF_LEN, REFERENCE_LEN, join_token, split_token
from holdfast_core.verifier import verify_token
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import OAuthError, TooManyRequests
from holdfast_server.authz.lint import rules_for
from holdfast_server.authz.quotas import Quotas
from holdfast_server.authz.settings import QuotaSettings
from holdfast_server.authz.token_formats import draw_handle
from holdfast_server.records import Client, RegistryError, ResourceServer
from testkit.authz import EKG, ISSUER, NOW_S, change_client, change_rs
from testkit.sealing import (
    FRIDGE,
    HUB,
    HUB_CALLER,
    NURSE,
    NURSE_CALLER,
    PUMP,
    SCOPES,
    add_hub,
    change_hub,
    nurse_token,
    seal,
    seal_params,
)


def grant_of(story, token, audience=FRIDGE, now_s=NOW_S):
    """What the device makes of a token by value."""
    rs = story.store.resource_server(audience)
    moment = Moment(now_s, exi_floor=0, cnonce_check=lambda cnonce: cnonce == b"fresh")
    return verify_token(token, rules_for(rs, story.keyring, ISSUER), moment)


def refusal(story, subject_token, now_s=NOW_S, caller=HUB_CALLER, **changes):
    """The error number of a request of the hub's that must be refused; nothing is issued."""
    before = len(story.store.tokens())
    with pytest.raises(OAuthError) as caught:
        story.server.token(seal_params(subject_token, **changes), caller, now_s)
    assert len(story.store.tokens()) == before
    return caught.value.ace_error


# --- phantom ---


@pytest.mark.parametrize("sealed_format", [CWT_NESTED, CWT_ENCRYPTED])
def test_a_reference_becomes_a_token_that_only_the_device_opens(story, sealed_format):
    add_hub(story, sealed_format)
    answer = nurse_token(story)
    assert len(answer["access_token"]) == REFERENCE_LEN
    sealed = seal(story, answer["access_token"])
    assert set(sealed) == {"access_token", "expires_in", "issued_token_type"}  # no cnf, no scope, no profile
    grant = grant_of(story, sealed["access_token"])
    osc = answer["cnf"][L.CNF_OSC]
    assert (grant.cnf.osc.id, grant.cnf.osc.ms.reveal()) == (osc[L.OSC_ID], osc[L.OSC_MS])
    assert (grant.sub, grant.scope, grant.aud, grant.act) == (NURSE, "read", (FRIDGE,), None)
    assert (grant.iat, grant.exp) == (NOW_S, NOW_S + 600)  # iat of the reference: its order among others stays
    for secret in (*osc.values(), NURSE.encode(), FRIDGE.encode(), b"read"):
        assert secret not in sealed["access_token"]
    other = ResourceServer("other", ("other",), SCOPES, sealed_format, connected=False, clock=True)
    story.registry.add_resource_server(other, NOW_S)
    with pytest.raises(HoldfastError):
        grant_of(story, sealed["access_token"], "other")


def test_the_device_of_references_is_told_the_sealed_format_and_its_keys(story):
    add_hub(story)
    told = story.exports.export_rs(FRIDGE, NOW_S)
    assert told.rs.formats == (CWT_NESTED,)
    assert told.as_context is None
    assert {key.role for key in told.keys} == {"sign", "encrypt"}


@pytest.mark.parametrize(("life_s", "end_s"), [(900, 600), (60, 60)])
def test_a_sealed_token_ends_with_the_reference_at_the_latest(story, life_s, end_s):
    add_hub(story, token_lifetime_s=life_s)
    sealed = seal(story, nurse_token(story)["access_token"])
    assert sealed["expires_in"] == end_s
    assert grant_of(story, sealed["access_token"]).exp == NOW_S + end_s


def test_late_in_the_life_of_a_reference_the_sealed_one_is_short(story):
    add_hub(story, token_lifetime_s=900)
    reference = nurse_token(story)["access_token"]
    assert seal(story, reference, NOW_S + 890)["expires_in"] == 10
    assert refusal(story, reference, NOW_S + 900) == L.ERR_INVALID_REQUEST


def test_what_the_device_wants_is_inside(story):
    add_hub(story, freshness=True, exi_lifetime_s=120)
    reference = nurse_token(story, cnonce=b"fresh")["access_token"]
    first, second = (seal(story, reference) for _ in range(2))
    assert first["expires_in"] == 120
    grants = [grant_of(story, sealed["access_token"]) for sealed in (first, second)]
    assert [(grant.cnonce, grant.exi) for grant in grants] == [(b"fresh", 120)] * 2
    assert grants[0].cti != grants[1].cti


def test_a_revoked_reference_takes_its_sealed_tokens_with_it(story):
    add_hub(story)
    reference = nurse_token(story)["access_token"]
    sealed = seal(story, reference)["access_token"]
    story.server.revoke({"token": reference}, NURSE_CALLER, NOW_S)
    assert story.store.token(sealed).revoked_at == NOW_S
    assert refusal(story, reference) == L.ERR_INVALID_REQUEST


@pytest.mark.parametrize("whom", [NURSE, HUB])
def test_a_locked_party_takes_them_too(story, whom):
    add_hub(story)
    reference = nurse_token(story)["access_token"]
    sealed = seal(story, reference)["access_token"]
    story.registry.set_disabled(True, NOW_S, client_id=whom)
    assert story.store.token(sealed).revoked_at == NOW_S
    assert refusal(story, reference) == (L.ERR_INVALID_REQUEST if whom == NURSE else L.ERR_INVALID_CLIENT)


def test_the_row_keeps_no_key_and_the_audit_names_the_hub(story):
    add_hub(story)
    sealed = seal(story, nurse_token(story)["access_token"])["access_token"]
    row = story.store.token(sealed)
    assert cbor2.loads(row.claims)[L.CLAIM_CNF] == {}
    assert (row.client_id, row.token_format) == (HUB, CWT_NESTED)
    event = story.store.audit_rows(limit=1)[0]
    assert (event.event, event.client_id, event.rs_id, event.address) == ("token-sealed", HUB, FRIDGE, "192.0.2.9")


def test_paths_are_sealed_as_they_were_granted(story):
    add_hub(story)
    aif = encode_aif([("/temperature", L.METHOD_GET)])
    reference = nurse_token(story, scope=aif)["access_token"]
    assert grant_of(story, seal(story, reference)["access_token"]).scope == aif
    change_client(story, NURSE, scopes={FRIDGE: ("set",)})
    assert refusal(story, reference) == L.ERR_INVALID_REQUEST


def test_a_right_that_was_taken_from_the_client_is_not_sealed(story):
    add_hub(story)
    reference = nurse_token(story, scope="read set")["access_token"]
    change_client(story, NURSE, scopes={FRIDGE: ("read",)})
    assert grant_of(story, seal(story, reference)["access_token"]).scope == "read"


# --- who may ---


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"audience": EKG}, L.ERR_UNAUTHORIZED_CLIENT),
        ({"audience": "nobody"}, L.ERR_UNAUTHORIZED_CLIENT),
        ({"audience": None}, L.ERR_INVALID_REQUEST),
        ({"audience": PUMP}, L.ERR_INVALID_REQUEST),  # a reference of another RS: as if there were none
        ({"subject_token": b"x" * 16}, L.ERR_INVALID_REQUEST),
        ({"subject_token": None}, L.ERR_INVALID_REQUEST),
        ({"scope": "read"}, L.ERR_INVALID_REQUEST),
        ({"cnonce": b"mine"}, L.ERR_INVALID_REQUEST),
        ({"ace_profile": None, "req_cnf": {L.CNF_KID: b"mine"}}, L.ERR_INVALID_REQUEST),
        ({"grant_type": L.GRANT_CLIENT_CREDENTIALS}, L.ERR_UNAUTHORIZED_CLIENT),
    ],
)
def test_a_hub_chooses_nothing(story, changes, error):
    add_hub(story)
    reference = nurse_token(story)["access_token"]
    params = {"subject_token": reference, **changes}
    assert refusal(story, params.pop("subject_token"), **params) == error
    assert seal(story, reference)


def test_a_hub_serves_what_it_was_allowed(story):
    add_hub(story)
    reference = nurse_token(story, scope="read set")["access_token"]
    change_hub(story, scopes={FRIDGE: ("read",)})
    assert refusal(story, reference) == L.ERR_INVALID_SCOPE
    change_hub(story, scopes={PUMP: ("read", "set")})
    assert refusal(story, reference) == L.ERR_UNAUTHORIZED_CLIENT
    change_hub(story, disabled=True)
    assert refusal(story, reference) == L.ERR_INVALID_CLIENT


def test_nobody_but_a_hub_seals(story):
    add_hub(story)
    reference = nurse_token(story)["access_token"]
    change_client(story, EKG, scopes={FRIDGE: ("read",)})
    assert refusal(story, reference, caller=story.ekg) == L.ERR_INVALID_REQUEST
    assert refusal(story, reference, caller=NURSE_CALLER) == L.ERR_UNAUTHORIZED_CLIENT
    second = Client("other_hub", (L.PRIV_GRANT_TOKEN_EXCHANGE,), {PUMP: ("read",)}, is_hub=True)
    story.registry.add_client(second, NOW_S)
    assert refusal(story, reference, caller=Caller("other_hub", authenticated=True)) == L.ERR_UNAUTHORIZED_CLIENT


def test_a_device_that_is_locked_or_is_behind_no_hub_gets_nothing(story):
    add_hub(story)
    reference = nurse_token(story)["access_token"]
    change_rs(story, FRIDGE, sealed_format="", connected=True)
    assert refusal(story, reference) == L.ERR_INVALID_REQUEST
    change_rs(story, FRIDGE, sealed_format=CWT_NESTED, disabled=True)
    assert refusal(story, reference) == L.ERR_INVALID_REQUEST


def test_a_hub_draws_on_its_own_quota(story):
    add_hub(story)
    reference = nurse_token(story)["access_token"]
    story.server._quotas = Quotas(QuotaSettings(live_tokens=2), lambda: 0)
    seal(story, reference)
    seal(story, reference)
    with pytest.raises(TooManyRequests):
        seal(story, reference)


def test_rights_behind_a_hub_are_not_updated_inside_oscore(story):
    add_hub(story)
    osc = nurse_token(story)["cnf"][L.CNF_OSC]
    with pytest.raises(OAuthError) as caught:
        nurse_token(story, req_cnf={L.CNF_KID: osc[L.OSC_ID]}, scope="set")
    assert caught.value.ace_error == L.ERR_INVALID_REQUEST


# --- split ---


@pytest.mark.parametrize("split_format", [CWT_NESTED, CWT_ENCRYPTED])
def test_the_halves_of_a_split_token_make_the_whole(story, split_format):
    add_hub(story, split_format=split_format)
    answer = nurse_token(story, PUMP)
    part = answer["access_token"]
    assert len(part) == HANDLE_LEN + PROOF_LEN[split_format]
    given = seal(story, part[:HANDLE_LEN], audience=PUMP)
    assert set(given) == {"access_token", "expires_in", "issued_token_type"}
    whole = join_token(part, given["access_token"])
    osc = answer["cnf"][L.CNF_OSC]
    assert grant_of(story, whole, PUMP).cnf.osc.ms.reveal() == osc[L.OSC_MS]
    assert osc[L.OSC_MS] not in given["access_token"]
    for half in (part, given["access_token"], given["access_token"] + bytes(PROOF_LEN[split_format])):
        with pytest.raises(HoldfastError):
            grant_of(story, half, PUMP)
    assert story.store.audit_rows(limit=1)[0].event == "token-rest-given"


def test_a_split_token_is_found_by_its_whole_and_by_its_part_alone(story):
    add_hub(story)
    part = nurse_token(story, PUMP)["access_token"]
    rest = seal(story, part[:HANDLE_LEN], audience=PUMP)["access_token"]
    assert story.store.token(join_token(part, rest)) == story.store.token(part) is not None
    assert story.store.token(part[:-1] + bytes([part[-1] ^ 1])) is None
    assert story.store.token(part[:HANDLE_LEN]) is None
    story.server.revoke({"token": part}, NURSE_CALLER, NOW_S)
    assert refusal(story, part[:HANDLE_LEN], audience=PUMP) == L.ERR_INVALID_REQUEST


def test_a_handle_is_for_its_audience_and_for_a_hub_that_may(story):
    add_hub(story)
    handle = nurse_token(story, PUMP)["access_token"][:HANDLE_LEN]
    assert refusal(story, handle) == L.ERR_INVALID_REQUEST
    assert refusal(story, bytes(HANDLE_LEN), audience=PUMP) == L.ERR_INVALID_REQUEST
    change_hub(story, scopes={PUMP: ("set",)})
    assert refusal(story, handle, audience=PUMP) == L.ERR_INVALID_SCOPE
    change_rs(story, PUMP, is_split=False)
    assert refusal(story, handle, audience=PUMP) == L.ERR_INVALID_REQUEST


def test_a_hub_asks_again_for_the_rest_after_its_lifetime(story):
    add_hub(story, hub_lifetime_s=30)
    handle = nurse_token(story, PUMP)["access_token"][:HANDLE_LEN]
    assert seal(story, handle, audience=PUMP)["expires_in"] == 30


@pytest.mark.parametrize("token_format", PROOF_LEN)
def test_every_format_is_cut_at_what_proves_it(token_format):
    token = CWT_HEAD + bytes(range(200))
    part, rest = split_token(token, token_format, b"handle-8")
    assert (part[HANDLE_LEN:], rest) == (token[-PROOF_LEN[token_format] :], token[: -PROOF_LEN[token_format]])
    assert join_token(part, rest) == token


def test_no_handle_looks_like_a_token():
    drawn = [CWT_HEAD + bytes(14), b"\x01" * 16]
    assert draw_handle(16, lambda _: drawn.pop(0)) == b"\x01" * 16


# --- what can be registered ---


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"sealed_format": CWT_SIGNED}, "could read"),
        ({"sealed_format": CWT_MAC}, "could read"),
        ({"sealed_format": REFERENCE}, "could read"),
        ({"sealed_format": CWT_NESTED, "token_format": CWT_NESTED}, "--format reference"),
        ({"is_split": True}, "no part that proves"),
        ({"sealed_format": CWT_NESTED, "hub_lifetime_s": 0}, "--hub-lifetime"),
    ],
)
def test_a_device_that_cannot_be(story, changes, word):
    with pytest.raises(RegistryError, match=word):
        story.registry.add_resource_server(ResourceServer("odd", ("odd",), SCOPES, **changes), NOW_S)


def test_a_hub_has_one_grant(story):
    for grants in ((L.GRANT_CLIENT_CREDENTIALS,), (L.PRIV_GRANT_TOKEN_EXCHANGE, L.GRANT_CLIENT_CREDENTIALS), ()):
        with pytest.raises(RegistryError, match="hub"):
            story.registry.add_client(Client("hub", grants, {}, is_hub=True), NOW_S)


def test_the_key_of_a_sealed_format_is_rotated_with_its_device_in_mind(story):
    add_hub(story)
    story.exports.export_rs(FRIDGE, NOW_S)
    assert story.registry.left_behind(FRIDGE) == []
    story.registry.rotate_key(NOW_S, FRIDGE)
    assert story.registry.left_behind(FRIDGE) == [FRIDGE]
    assert len(story.store.keys(ROLE_ENCRYPT, FRIDGE)) == 3


# --- the command line ---


def test_an_operator_registers_a_hub_and_its_devices(run, tmp_path):
    scope = ("--scope", "read=GET:/temperature", "--json")
    fridge = json.loads(
        run("rs", "add", "fridge", "--sealed-format", CWT_NESTED, "--hub-lifetime", "300", *scope).stdout
    )
    assert [fridge[name] for name in ("format", "sealed_format", "hub_lifetime_s", "connected", "exi_s")] == [
        REFERENCE,
        CWT_NESTED,
        300,
        False,
        3600,
    ]
    pump = json.loads(run("rs", "add", "pump", "--split", *scope).stdout)
    assert (pump["format"], pump["split"], pump["sealed_format"], pump["hub_lifetime_s"]) == (
        CWT_NESTED,
        True,
        None,
        600,
    )
    run("client", "add", "hub", "--hub", "--allow", "fridge=read", "--no-secret", "--oscore", tmp_path / "hub.prov")
    hub = json.loads(run("client", "show", "hub", "--json").stdout)
    assert (hub["hub"], hub["grants"], hub["secret"]) == (True, ["token_exchange"], False)
    plain = json.loads(run("rs", "set", "fridge", "--format", CWT_NESTED, "--json").stdout)
    assert json.loads(run("rs", "show", "fridge", "--json").stdout)["sealed_format"] is None, plain


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (("client", "add", "hub"), "--hub"),
        (("client", "add", "hub", "--hub", "--grant", "token_exchange"), "not both"),
        (("client", "set", "hub", "--grant", "client_credentials"), "one grant"),
        (("rs", "add", "x", "--scope", "a=GET:/a", "--format", REFERENCE, "--split"), "no part that proves"),
        (("rs", "add", "x", "--scope", "a=GET:/a", "--format", CWT_NESTED, "--sealed-format", CWT_NESTED), "--format"),
    ],
)
def test_an_operator_is_told_in_one_sentence(run, argv, word):
    if argv[1] == "set":
        run("client", "add", "hub", "--hub")
    done = run(*argv, code=2)
    assert word in done.stderr
    assert done.stderr.count("\n") == 1
