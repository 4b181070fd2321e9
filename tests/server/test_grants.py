"""The grants: one decision for all of them, one-time codes, token exchange (RFC 6749 4.1, RFC 7636, RFC 8693)."""

import dataclasses

import pytest

from holdfast_core import labels as L
from holdfast_core.scope import encode_aif
from holdfast_server.authz import grants, policy
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import CodeReplayed, InvalidClient, OAuthError, ServiceUnavailable
from holdfast_server.authz.grants import code_challenge_of
from holdfast_server.authz.token_request import GRANT_TYPES, TokenRequest
from holdfast_server.records import Client, ResourceServer
from testkit.authz import (
    DOCTOR,
    DOCTOR_APP,
    EKG,
    NOW_S,
    REDIRECT_URI,
    TUBE,
    VERIFIER,
    authorize_params,
    change_client,
    change_rs,
    code_of,
    code_params,
    exchange_params,
    refused,
)

READ_RESULT = encode_aif([("/result", L.METHOD_GET)])

# --- one decision for all grants ---


def good_request(story, grant_type):
    """Return parameters and caller with which this grant succeeds."""
    if grant_type == L.GRANT_AUTHORIZATION_CODE:
        return code_params(story.code()), story.doctor_app
    if grant_type == L.GRANT_CLIENT_CREDENTIALS:
        change_client(story, DOCTOR_APP, grant_types=(1, 2), default_scopes={EKG: "read_ekg"})
        return {}, story.doctor_app
    if grant_type == L.PRIV_GRANT_TOKEN_EXCHANGE:
        return exchange_params(story.doctor_token()["access_token"]), story.ekg
    raise AssertionError("a new grant needs its row here")


def test_each_grant_type_that_is_served_has_a_rule():
    assert sorted(grants.GRANT_RULES) == sorted(GRANT_TYPES)


@pytest.mark.parametrize("grant_type", grants.GRANT_RULES)
def test_every_grant_goes_through_the_one_decision(story, grant_type, monkeypatch):
    params, caller = good_request(story, grant_type)
    decided = []

    def spy(request, *arguments):
        decided.append(request.grant_type)
        raise OAuthError(L.ERR_INVALID_SCOPE, "no to everything")

    with monkeypatch.context() as patch:
        patch.setattr(policy, "decide", spy)
        assert refused(story, params, caller) == L.ERR_INVALID_SCOPE
    assert decided == [grant_type]
    assert story.server.token(params, caller, NOW_S)["access_token"]


@pytest.mark.parametrize("grant_type", grants.GRANT_RULES)
def test_no_grant_helps_a_locked_client(story, grant_type):
    params, caller = good_request(story, grant_type)
    change_client(story, caller.client_id, disabled=True)
    assert refused(story, params, caller) == L.ERR_INVALID_CLIENT
    change_client(story, caller.client_id, disabled=False)
    assert story.server.token(params, caller, NOW_S)["access_token"]


def test_the_decision_refuses_a_client_that_was_locked_after_it_was_admitted(story):
    client = dataclasses.replace(story.store.client(DOCTOR_APP), disabled=True)
    with pytest.raises(InvalidClient):
        policy.decide(TokenRequest(), client, policy.Authority(sub=DOCTOR), story.store, NOW_S)


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        (L.GRANT_AUTHORIZATION_CODE, L.ERR_INVALID_GRANT),
        (L.PRIV_GRANT_TOKEN_EXCHANGE, L.ERR_INVALID_REQUEST),  # RFC 8693 section 2.2.2
    ],
)
def test_no_grant_helps_a_locked_user(story, grant_type, error):
    params, caller = good_request(story, grant_type)
    story.store.put_user(dataclasses.replace(story.store.user(DOCTOR), disabled=True), NOW_S)
    assert refused(story, params, caller) == error


@pytest.mark.parametrize("grant_type", grants.GRANT_RULES)
def test_no_grant_reaches_a_locked_resource_server(story, grant_type):
    params, caller = good_request(story, grant_type)
    change_rs(story, TUBE if caller is story.ekg else EKG, disabled=True)
    assert refused(story, params, caller) == L.ERR_INVALID_REQUEST


@pytest.mark.parametrize("grant_type", grants.GRANT_RULES)
def test_a_grant_not_in_the_clients_record_is_refused(story, grant_type):
    params, caller = good_request(story, grant_type)
    change_client(story, caller.client_id, grant_types=(99,))
    assert refused(story, params, caller) == L.ERR_UNAUTHORIZED_CLIENT


@pytest.mark.parametrize("grant_type", grants.GRANT_RULES)
def test_nothing_is_issued_before_the_clock_is_set(story, grant_type):
    params, caller = good_request(story, grant_type)
    with pytest.raises(ServiceUnavailable):
        story.server.token(params, caller, story.settings.clock_floor_s - 1)


# --- authorization code ---


def test_the_doctors_code_buys_one_token(story):
    answer = story.server.token(code_params(story.code()), story.doctor_app, NOW_S)
    assert set(answer) == {"access_token", "expires_in", "cnf"}
    assert len(answer["access_token"]) == 16
    assert answer["expires_in"] == 3600
    record = story.store.tokens()[0]
    assert (record.user_id, record.scope, record.audience) == (DOCTOR, "read_ekg read_result", EKG)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code": b"wrong"}, L.ERR_INVALID_GRANT),
        ({"redirect_uri": REDIRECT_URI + "/"}, L.ERR_INVALID_GRANT),
        ({"code_verifier": VERIFIER[:-1] + "x"}, L.ERR_INVALID_GRANT),
        ({"code_verifier": VERIFIER[:-1]}, L.ERR_INVALID_GRANT),
        ({"code_verifier": VERIFIER * 3}, L.ERR_INVALID_GRANT),
        ({"audience": TUBE}, L.ERR_INVALID_GRANT),
        ({"scope": "read_ekg calibrate"}, L.ERR_INVALID_SCOPE),
        ({"code": ...}, L.ERR_INVALID_REQUEST),
        ({"redirect_uri": ...}, L.ERR_INVALID_REQUEST),
        ({"code_verifier": ...}, L.ERR_INVALID_REQUEST),
    ],
)
def test_a_code_is_bound_to_everything_and_a_failed_attempt_does_not_burn_it(story, change, error):
    code = story.code()
    params = {name: value for name, value in {**code_params(code), **change}.items() if value is not ...}
    assert refused(story, params) == error
    assert story.server.token(code_params(code), story.doctor_app, NOW_S)["access_token"]


@pytest.mark.parametrize(("length", "good"), [(1, False), (42, False), (43, True), (128, True), (129, False)])
def test_a_code_verifier_has_the_length_of_rfc_7636_also_where_it_fits_its_challenge(story, length, good):
    verifier = "A" * length
    asked = story.server.authorize(authorize_params(code_challenge=code_challenge_of(verifier)), NOW_S)
    params = code_params(code_of(story.server.grant_code(asked, DOCTOR, "read_ekg", NOW_S)), code_verifier=verifier)
    if good:
        assert story.server.token(params, story.doctor_app, NOW_S)["access_token"]
    else:
        assert refused(story, params) == L.ERR_INVALID_GRANT


def test_a_code_is_bound_to_its_client(story):
    story.registry.add_client(
        Client("thief", (L.GRANT_AUTHORIZATION_CODE,), {EKG: ("read_ekg",)}, redirect_uris=(REDIRECT_URI,)), NOW_S
    )
    code = story.code()
    assert refused(story, code_params(code), Caller("thief", authenticated=True)) == L.ERR_INVALID_GRANT
    assert story.server.token(code_params(code), story.doctor_app, NOW_S)["access_token"]


@pytest.mark.parametrize(("late_s", "good"), [(119, True), (120, False), (121, False)])
def test_a_code_lives_as_long_as_the_settings_say(story, late_s, good):
    params = code_params(story.code())
    if good:
        assert story.server.token(params, story.doctor_app, NOW_S + late_s)["access_token"]
    else:
        assert refused(story, params, now_s=NOW_S + late_s) == L.ERR_INVALID_GRANT


def test_a_used_code_revokes_its_tokens_and_what_was_exchanged_for_them(story):
    code = story.code()
    first = story.server.token(code_params(code), story.doctor_app, NOW_S)["access_token"]
    story.tube_token(first)
    other = story.doctor_token()["access_token"]
    with pytest.raises(CodeReplayed):
        story.server.token(code_params(code), story.doctor_app, NOW_S + 1)
    assert story.server.introspect({"token": first}, story.ekg, NOW_S + 1) == {"active": False}
    assert story.server.introspect({"token": other}, story.ekg, NOW_S + 1)["active"]
    assert [record.revoked_at for record in story.store.tokens()] == [None, NOW_S + 1, NOW_S + 1]
    assert refused(story, code_params(code), now_s=NOW_S + 10**6) == L.ERR_INVALID_GRANT


def test_a_used_code_is_remembered_as_long_as_what_it_gave(story):
    """The code itself is over after two minutes; a replay is noticed as long as there is something to take back."""
    code = story.code()
    token = story.server.token(code_params(code), story.doctor_app, NOW_S)["access_token"]
    late_s = NOW_S + 3599
    story.store.sweep(late_s)
    with pytest.raises(CodeReplayed):
        story.server.token(code_params(code), story.doctor_app, late_s)
    assert story.server.introspect({"token": token}, story.ekg, late_s) == {"active": False}
    assert story.store.sweep(NOW_S + 3600) == 2
    assert refused(story, code_params(code), now_s=NOW_S + 3600) == L.ERR_INVALID_GRANT


def test_a_code_that_was_used_meanwhile_is_a_replay(story, monkeypatch):
    code = story.code()
    with monkeypatch.context() as patch:
        patch.setattr(story.store, "consume_code", lambda *_: False)
        with pytest.raises(CodeReplayed):
            story.server.token(code_params(code), story.doctor_app, NOW_S)
    assert not story.store.tokens()


def test_a_used_code_is_a_replay_also_when_it_is_over(story):
    code = story.code()
    story.server.token(code_params(code), story.doctor_app, NOW_S)
    with pytest.raises(CodeReplayed):
        story.server.token(code_params(code), story.doctor_app, NOW_S + 3600)


@pytest.mark.parametrize("change", [{"code_verifier": VERIFIER[:-1] + "x"}, {"redirect_uri": "http://127.0.0.1:1/"}])
def test_a_stolen_code_cannot_revoke_the_owners_token(story, change):
    code = story.code()
    token = story.server.token(code_params(code), story.doctor_app, NOW_S)["access_token"]
    assert refused(story, code_params(code, **change)) == L.ERR_INVALID_GRANT
    assert story.server.introspect({"token": token}, story.ekg, NOW_S)["active"]


def test_fifty_redemptions_through_the_server_give_one_token(story):
    code = story.code()
    outcomes = []
    for _ in range(50):
        try:
            story.server.token(code_params(code), story.doctor_app, NOW_S)
            outcomes.append("token")
        except CodeReplayed:
            outcomes.append("replay")
    assert outcomes == ["token"] + ["replay"] * 49


def test_what_the_user_did_not_approve_is_not_issued_and_the_client_is_told(story):
    code = story.code(scope="read_ekg read_result", approved="read_ekg")
    answer = story.server.token(code_params(code), story.doctor_app, NOW_S)
    assert answer["scope"] == "read_ekg"
    code = story.code(scope="read_ekg read_result", approved="read_ekg")
    assert refused(story, code_params(code, scope="read_result")) == L.ERR_INVALID_SCOPE


def test_rights_taken_from_the_user_after_consent_are_not_issued(story):
    code = story.code()
    story.store.put_user(dataclasses.replace(story.store.user(DOCTOR), scopes={EKG: ("read_ekg",)}), NOW_S)
    assert story.server.token(code_params(code), story.doctor_app, NOW_S)["scope"] == "read_ekg"


# --- token exchange ---


def test_the_ekg_gets_a_token_for_the_tube_in_the_doctors_name(story):
    answer = story.tube_token(story.doctor_token()["access_token"])
    assert set(answer) == {"access_token", "expires_in", "cnf", "issued_token_type"}
    assert answer["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    record = story.store.tokens()[0]
    assert (record.client_id, record.user_id, record.audience, record.parent_id) == (EKG, DOCTOR, TUBE, 1)


def test_an_exchanged_token_has_no_more_scopes_than_the_original(story):
    change_client(story, EKG, scopes={TUBE: ("read_result", "calibrate")})
    original = story.doctor_token(scope="read_ekg")["access_token"]
    assert refused(story, exchange_params(original), story.ekg) == L.ERR_INVALID_SCOPE
    original = story.doctor_token()["access_token"]
    assert refused(story, exchange_params(original, scope="calibrate"), story.ekg) == L.ERR_INVALID_SCOPE
    assert refused(story, exchange_params(original, scope="read_result calibrate"), story.ekg) == L.ERR_INVALID_SCOPE
    assert story.tube_token(original)["access_token"]
    params = exchange_params(original)
    del params["scope"]
    assert story.server.token(params, story.ekg, NOW_S)["scope"] == "read_result"


@pytest.mark.parametrize("late_s", [0, 1800, 3599])
def test_an_exchanged_token_never_outlives_the_original(story, late_s):
    change_rs(story, TUBE, token_lifetime_s=86400)
    original = story.doctor_token()["access_token"]
    assert story.tube_token(original, now_s=NOW_S + late_s)["expires_in"] == 3600 - late_s
    assert story.store.tokens()[0].expires_at == NOW_S + 3600
    assert refused(story, exchange_params(original), story.ekg, NOW_S + 3600) == L.ERR_INVALID_REQUEST


def test_only_the_rs_the_original_was_made_for_may_exchange_it(story, sensor):
    original = story.doctor_token()["access_token"]
    grant_types = (L.PRIV_GRANT_TOKEN_EXCHANGE,)
    story.registry.add_client(Client("gateway", grant_types, {TUBE: ("read_result",)}), NOW_S)
    for rs_id in (None, TUBE, "sensor"):
        caller = Caller("gateway", rs_id, authenticated=True)
        assert refused(story, exchange_params(original), caller) == L.ERR_INVALID_REQUEST
    assert story.server.token(exchange_params(original), Caller("gateway", EKG, authenticated=True), NOW_S)


def test_a_locked_rs_exchanges_nothing(story):
    original = story.doctor_token()["access_token"]
    change_rs(story, EKG, disabled=True)
    assert refused(story, exchange_params(original), story.ekg) == L.ERR_INVALID_REQUEST
    change_rs(story, EKG, disabled=False)
    assert story.tube_token(original)["access_token"]


@pytest.mark.parametrize("token", [b"unknown", bytes(16)])
def test_only_a_known_token_is_exchanged(story, token):
    assert refused(story, exchange_params(token), story.ekg) == L.ERR_INVALID_REQUEST
    assert refused(story, {"grant_type": L.PRIV_GRANT_TOKEN_EXCHANGE, "audience": TUBE}, story.ekg) == 1


def test_an_audience_outside_the_actors_record_is_refused(story):
    original = story.doctor_token()["access_token"]
    assert refused(story, exchange_params(original, audience=EKG), story.ekg) == L.ERR_INVALID_REQUEST


def test_paths_do_not_carry_over_to_another_audience(story):
    original = story.doctor_token()["access_token"]
    assert refused(story, exchange_params(original, scope=READ_RESULT), story.ekg) == L.ERR_INVALID_SCOPE


def test_a_token_whose_scope_is_paths_is_not_exchanged(story):
    change_client(story, EKG, grant_types=(L.GRANT_CLIENT_CREDENTIALS, L.PRIV_GRANT_TOKEN_EXCHANGE))
    asked = {"grant_type": L.GRANT_CLIENT_CREDENTIALS, "audience": TUBE, "scope": READ_RESULT}
    subject = story.server.token(asked, story.ekg, NOW_S)["access_token"]
    assert refused(story, exchange_params(subject), Caller(EKG, TUBE, authenticated=True)) == L.ERR_INVALID_REQUEST


def test_revoking_the_original_revokes_what_was_exchanged_for_it(story):
    original = story.doctor_token()["access_token"]
    story.tube_token(original)
    story.server.revoke({"token": original}, story.doctor_app, NOW_S + 5)
    assert [record.revoked_at for record in story.store.tokens()] == [NOW_S + 5, NOW_S + 5]
    assert refused(story, exchange_params(original), story.ekg, NOW_S + 5) == L.ERR_INVALID_REQUEST


def test_a_chain_of_actors_is_nested_and_bounded(story):
    """The tube's own client exchanges on: each step puts the one before inside."""
    scopes = {"read_result": (("/result", L.METHOD_GET),)}
    names = ["hop0", "hop1", "hop2", "hop3", "hop4"]
    for name in names:
        story.registry.add_resource_server(ResourceServer(name, (name,), scopes), NOW_S)
    everyone = dict.fromkeys(names, ("read_result",))
    story.registry.add_client(Client("walker", (L.PRIV_GRANT_TOKEN_EXCHANGE,), everyone), NOW_S)
    token = story.doctor_token()["access_token"]
    at = EKG
    for depth, name in enumerate(names, 1):
        caller = Caller("walker", at, authenticated=True)
        params = exchange_params(token, audience=name)
        if depth > grants.MAX_ACTORS:
            assert refused(story, params, caller) == L.ERR_INVALID_REQUEST
            return
        token, at = story.server.token(params, caller, NOW_S)["access_token"], name
        act = story.server.introspect({"token": token}, Caller(rs_id=name, authenticated=True), NOW_S)["act"]
        for _ in range(depth - 1):
            assert act["sub"] == "walker"
            act = act["act"]
        assert act == {"sub": "walker"}
    raise AssertionError("the chain was never refused")
