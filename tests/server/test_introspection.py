"""Introspection: an RS learns of its own live reference tokens, and everything else looks the same (RFC 9200 5.9)."""

import dataclasses
import time

import pytest

from holdfast_core import labels as L
from holdfast_core.moment import Moment
from holdfast_core.verifier import grant_from_introspection
from holdfast_server.authz.caller import NOBODY, Caller
from holdfast_server.authz.errors import IntrospectionForbidden, InvalidClient, OAuthError, ServiceUnavailable
from holdfast_server.authz.lint import rules_for
from holdfast_server.records import Client, ResourceServer
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, ISSUER, NOW_S, TUBE, change_client, change_rs

INACTIVE = {"active": False}


def ask(story, token, caller=None, now_s=NOW_S):
    return story.server.introspect({"token": token}, caller or story.ekg, now_s)


def test_the_rs_learns_all_it_needs(story):
    answer = story.doctor_token(cnonce=b"n1")
    assert ask(story, answer["access_token"]) == {
        "active": True,
        "iss": ISSUER,
        "sub": DOCTOR,
        "aud": EKG,
        "exp": NOW_S + 3600,
        "iat": NOW_S,
        "client_id": DOCTOR_APP,
        "scope": "read_ekg read_result",
        "ace_profile": L.PROFILE_COAP_OSCORE,
        "cnonce": b"n1",
        "cnf": answer["cnf"],
    }


def test_what_is_told_makes_a_grant_on_the_rs(story):
    answer = story.doctor_token()
    told = ask(story, answer["access_token"])
    labels = {"iss": 1, "sub": 2, "aud": 3, "exp": 4, "iat": 6, "cnf": 8, "scope": 9, "active": 10, "client_id": 24}
    encoded = {labels.get(name, L.INTRO_ACE_PROFILE): value for name, value in told.items()}
    rules = rules_for(story.store.resource_server(EKG), story.keyring, ISSUER)
    grant = grant_from_introspection(encoded, rules, Moment(NOW_S), ISSUER, answer["access_token"])
    assert grant.client_id == DOCTOR_APP
    assert grant.cnf.osc.ms.reveal() == answer["cnf"][L.CNF_OSC][L.OSC_MS]


def test_an_exchanged_reference_says_who_acts(story):
    scopes = {"read_result": (("/log", L.METHOD_GET),)}
    story.registry.add_resource_server(ResourceServer("archive", ("archive",), scopes), NOW_S)
    change_client(story, EKG, scopes={"archive": ("read_result",)})
    token = story.tube_token(story.doctor_token()["access_token"], audience="archive")["access_token"]
    answer = ask(story, token, Caller(rs_id="archive", authenticated=True))
    assert (answer["sub"], answer["act"], answer["client_id"]) == (DOCTOR, {"sub": EKG}, EKG)


def test_before_the_clock_is_set_no_token_comes_back_to_life(story):
    token = story.doctor_token()["access_token"]
    assert ask(story, token, now_s=NOW_S + 3600) == INACTIVE
    with pytest.raises(ServiceUnavailable):
        ask(story, token, now_s=5000)


# --- everything else looks the same ---


def revoked(story):
    token = story.doctor_token()["access_token"]
    story.server.revoke({"token": token}, story.doctor_app, NOW_S)
    return token


def expired(story):
    return story.doctor_token(now_s=NOW_S - 3600)["access_token"]


def of_a_locked_user(story):
    token = story.doctor_token()["access_token"]
    story.store.put_user(dataclasses.replace(story.store.user(DOCTOR), disabled=True), NOW_S)
    return token


def of_a_locked_client(story):
    token = story.doctor_token()["access_token"]
    change_client(story, DOCTOR_APP, disabled=True)
    return token


def of_another_rs(story):
    scopes = {"read_ekg": (("/x", L.METHOD_GET),)}
    story.registry.add_resource_server(ResourceServer("other", ("other",), scopes), NOW_S)
    story.registry.add_client(Client("panel", (2,), {"other": ("read_ekg",)}, {"other": "read_ekg"}), NOW_S)
    return story.server.token({}, Caller("panel", authenticated=True), NOW_S)["access_token"]


def self_contained(story):
    return story.tube_token(story.doctor_token()["access_token"])["access_token"]


def unknown(_):
    return bytes(16)


def cut_short(story):
    return story.doctor_token()["access_token"][:-1]


@pytest.mark.parametrize(
    "make",
    [revoked, expired, of_a_locked_user, of_a_locked_client, of_another_rs, self_contained, unknown, cut_short],
)
def test_what_is_not_a_live_token_of_this_rs_is_inactive_and_no_more(story, make):
    token = make(story)
    assert ask(story, token) == INACTIVE
    assert ask(story, token, story.tube) == INACTIVE


@pytest.mark.parametrize(("late_s", "active"), [(3599, True), (3600, False), (3601, False)])
def test_a_token_ends_with_its_last_second(story, late_s, active):
    token = story.doctor_token()["access_token"]
    assert ask(story, token, now_s=NOW_S + late_s)["active"] is active


def test_an_rs_that_lost_its_audience_loses_its_tokens(story):
    token = story.doctor_token()["access_token"]
    change_rs(story, EKG, audiences=("renamed",))
    assert ask(story, token) == INACTIVE


def test_answers_for_strange_and_foreign_tokens_take_alike(story):
    """Samples in turn, so that a busy machine slows both; one more query would cost more than the bound."""
    samples = {bytes(16): [], of_another_rs(story): []}
    for _ in range(2000):
        for token, taken in samples.items():
            start = time.perf_counter_ns()
            ask(story, token)
            taken.append(time.perf_counter_ns() - start)
    unknown_ns, foreign_ns = (sorted(taken)[1000] for taken in samples.values())
    assert abs(unknown_ns - foreign_ns) < unknown_ns // 2


# --- who may ask ---


def test_the_unauthenticated_get_4_01(story):
    for caller in (NOBODY, Caller(rs_id=EKG, authenticated=False)):
        with pytest.raises(InvalidClient) as caught:
            ask(story, b"t", caller)
        assert (caught.value.coap_code, caught.value.ace_error) == (L.CODE_UNAUTHORIZED, L.ERR_INVALID_CLIENT)


def test_who_is_no_rs_gets_4_03_without_a_word(story):
    token = story.doctor_token()["access_token"]
    change_rs(story, TUBE, disabled=True)
    for caller in (story.doctor_app, story.tube, Caller(rs_id="stranger", authenticated=True)):
        with pytest.raises(IntrospectionForbidden) as caught:
            ask(story, token, caller)
        assert (caught.value.coap_code, caught.value.http_status) == (L.CODE_FORBIDDEN, 403)
        assert (caught.value.ace_error, caught.value.description) == (None, "")


@pytest.mark.parametrize("params", [{}, {"token": None}, {"token": "text"}, {"token": b""}])
def test_a_request_without_a_token_is_invalid(story, params):
    with pytest.raises(OAuthError) as caught:
        story.server.introspect(params, story.ekg, NOW_S)
    assert (caught.value.coap_code, caught.value.ace_error) == (L.CODE_BAD_REQUEST, L.ERR_INVALID_REQUEST)


def test_hints_are_ignored(story):
    token = story.doctor_token()["access_token"]
    for hint in (L.TOKEN_TYPE_POP, "access_token", None):
        assert story.server.introspect({"token": token, "token_type_hint": hint}, story.ekg, NOW_S)["active"]


def test_a_token_that_is_longer_than_any_is_inactive(story):
    assert story.server.introspect({"token": bytes(1025)}, story.ekg, NOW_S) == {"active": False}
