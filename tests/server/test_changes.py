"""A record is changed without losing its keys; what is taken away is gone at once wherever this server decides."""

import dataclasses
from types import SimpleNamespace

import pytest

from holdfast_core import labels as L
from holdfast_core.scope import decode_aif, encode_aif
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.changes import Changes, with_more, without
from holdfast_server.authz.errors import AuthorizeError, OAuthError
from holdfast_server.records import RegistryError
from testkit.authz import (
    DOCTOR,
    DOCTOR_APP,
    EKG,
    NOW_S,
    TUBE,
    authorize_params,
    code_params,
    exchange_params,
    refused,
)


@pytest.fixture
def changes(story):
    """The changes of a record, each with all that becomes of its tokens."""
    made = Changes(story.store, story.registry, story.keyring)

    def whole(change):
        return lambda *words: change(*words).finish()

    return SimpleNamespace(
        client=whole(made.client), user=whole(made.user), resource_server=whole(made.resource_server)
    )


def looked_at(story, token, caller=None, now_s=NOW_S):
    answer = story.server.introspect({"token": token}, caller or story.ekg, now_s)
    return answer.get("scope") if answer["active"] else None


def client_without(story, client_id, less):
    record = story.store.client(client_id)
    return dataclasses.replace(record, scopes=without(record.scopes, less))


def user_without(story, less):
    record = story.store.user(DOCTOR)
    return dataclasses.replace(record, scopes=without(record.scopes, less))


def rs_with(story, rs_id, **more):
    return dataclasses.replace(story.store.resource_server(rs_id), **more)


LESS = {EKG: ("read_result",)}


def less_for_the_client(story, changes, less):
    return changes.client(client_without(story, DOCTOR_APP, less), NOW_S, "client-denied", "x")


def less_for_the_user(story, changes, less):
    return changes.user(user_without(story, less), NOW_S, "user-denied", "x")


def less_at_the_rs(story, changes, less):
    scope_map = story.store.resource_server(EKG).scope_map
    names = less[EKG] or tuple(scope_map)
    kept = {name: allowed for name, allowed in scope_map.items() if name not in names} or {"other": (("/o", 1),)}
    return changes.resource_server(rs_with(story, EKG, scope_map=kept), NOW_S, "rs-changed", "x")


EVERYWHERE = pytest.mark.parametrize("take", [less_for_the_client, less_for_the_user, less_at_the_rs])


@EVERYWHERE
def test_a_live_reference_token_says_only_what_is_still_allowed(story, changes, take):
    token = story.doctor_token()["access_token"]
    assert looked_at(story, token) == "read_ekg read_result"
    outcome = take(story, changes, LESS)
    assert looked_at(story, token) == "read_ekg"
    assert ([left.scope for left in outcome.narrowed], outcome.revoked) == (["read_ekg"], [])


@EVERYWHERE
def test_a_token_of_which_nothing_is_left_is_revoked_and_stays_so(story, changes, take):
    before = {name: getattr(story.store, name)() for name in ("clients", "users", "resource_servers")}
    token = story.doctor_token()["access_token"]
    outcome = take(story, changes, {EKG: ()})
    assert looked_at(story, token) is None
    assert [gone.client_id for gone in outcome.revoked] == [DOCTOR_APP]
    changes.client(next(c for c in before["clients"] if c.client_id == DOCTOR_APP), NOW_S, "client-changed", "x")
    changes.user(before["users"][0], NOW_S, "user-changed", "x")
    changes.resource_server(next(r for r in before["resource_servers"] if r.rs_id == EKG), NOW_S, "rs-changed", "x")
    assert looked_at(story, token) is None
    assert looked_at(story, story.doctor_token()["access_token"]) == "read_ekg read_result"


@EVERYWHERE
def test_a_code_that_is_on_its_way_gives_only_what_is_still_allowed(story, changes, take):
    code, other = story.code(), story.code()
    take(story, changes, LESS)
    assert story.server.token(code_params(code), story.doctor_app, NOW_S)["scope"] == "read_ekg"
    assert refused(story, code_params(other, scope="read_ekg read_result")) == L.ERR_INVALID_SCOPE


@EVERYWHERE
def test_a_consent_page_that_was_open_gives_no_more_than_is_allowed(story, changes, take):
    request = story.server.authorize(authorize_params(), NOW_S)
    take(story, changes, LESS)
    assert story.server.approvable_scope(request, DOCTOR) == ["read_ekg"]
    with pytest.raises(AuthorizeError):
        story.server.grant_code(request, DOCTOR, "read_ekg read_result", NOW_S)


@EVERYWHERE
def test_an_original_that_was_narrowed_is_exchanged_for_no_more_than_is_left(story, changes, take):
    token = story.doctor_token()["access_token"]
    take(story, changes, LESS)
    assert refused(story, exchange_params(token), story.ekg) == L.ERR_INVALID_SCOPE


@EVERYWHERE
def test_what_was_exchanged_for_it_goes_with_the_right(story, changes, take):
    """The tube's token is by value: it cannot be narrowed, so it is revoked, and the operator learns of it."""
    story.tube_token(story.doctor_token()["access_token"])
    outcome = take(story, changes, LESS)
    assert [gone.audience for gone in outcome.revoked] == [TUBE]
    events = [(row.event, row.reason) for row in story.store.audit_rows(4)]
    assert ("token-revoked", "not-allowed-any-more") in events
    assert {("tokens-narrowed", "1 that allowed more"), ("tokens-revoked", "1 that allowed more")} < set(events)


def test_what_is_still_allowed_is_left_alone(story, changes):
    token = story.doctor_token()["access_token"]
    story.tube_token(token)
    party = story.store.oscore_party(client_id=DOCTOR_APP)
    outcome = less_for_the_client(story, changes, {"elsewhere": ()})
    assert (outcome.narrowed, outcome.revoked) == ([], [])
    assert looked_at(story, token) == "read_ekg read_result"
    assert story.store.oscore_party(client_id=DOCTOR_APP) == party
    assert story.server.authenticate_client(DOCTOR_APP, story.doctor_secret.reveal().decode())


def test_a_narrowed_token_gets_nothing_back(story, changes):
    record = story.store.client(DOCTOR_APP)
    token = story.doctor_token()["access_token"]
    less_for_the_client(story, changes, LESS)
    changes.client(record, NOW_S, "client-allowed", "x")
    assert looked_at(story, token) == "read_ekg"


def test_a_scope_of_paths_loses_the_methods_that_are_gone(story, changes, sensor):
    changes.resource_server(
        rs_with(story, "sensor", token_format="reference", exi_lifetime_s=0), NOW_S, "rs-changed", "x"
    )
    scope = encode_aif([("/temp", L.METHOD_GET), ("/led", L.METHOD_GET | L.METHOD_PUT)])
    token = story.server.token({"audience": "sensor", "scope": scope}, sensor, NOW_S)["access_token"]
    at = Caller(rs_id="sensor", authenticated=True)
    scope_map = {"read": (("/temp", L.METHOD_GET),), "write": (("/led", L.METHOD_GET),)}
    changes.resource_server(rs_with(story, "sensor", scope_map=scope_map), NOW_S, "rs-changed", "x")
    assert decode_aif(looked_at(story, token, at)) == [("/temp", L.METHOD_GET), ("/led", L.METHOD_GET)]
    changes.client(client_without(story, "panel", {"sensor": ("write",)}), NOW_S, "client-denied", "x")
    assert decode_aif(looked_at(story, token, at)) == [("/temp", L.METHOD_GET)]


def test_a_way_to_ask_that_is_closed_ends_what_came_by_it(story, changes, sensor):
    story.server.token({"audience": "sensor"}, sensor, NOW_S)
    record = story.store.client("panel")
    assert not changes.client(record, NOW_S, "client-changed", "x").revoked
    closed = dataclasses.replace(record, grant_types=(L.PRIV_GRANT_TOKEN_EXCHANGE,))
    assert [gone.audience for gone in changes.client(closed, NOW_S, "client-changed", "x").revoked] == ["sensor"]
    with pytest.raises(OAuthError):
        story.server.token({"audience": "sensor"}, sensor, NOW_S)


def test_a_code_that_went_to_a_place_of_before_gives_nothing(story, changes):
    code = story.code()
    record = story.store.client(DOCTOR_APP)
    changes.client(dataclasses.replace(record, redirect_uris=("https://new.example/cb",)), NOW_S, "client-changed", "x")
    assert refused(story, code_params(code)) == L.ERR_INVALID_GRANT


def test_an_audience_that_a_device_answers_to_no_more_is_nothing_any_more(story, changes):
    token = story.doctor_token()["access_token"]
    changes.resource_server(rs_with(story, EKG, audiences=("ekg_in_the_attic",)), NOW_S, "rs-changed", "x")
    assert looked_at(story, token) is None


def test_a_shorter_lifetime_ends_reference_tokens_sooner(story, changes):
    token = story.doctor_token()["access_token"]
    changes.resource_server(rs_with(story, EKG, token_lifetime_s=60), NOW_S, "rs-changed", "x")
    assert story.server.introspect({"token": token}, story.ekg, NOW_S)["exp"] == NOW_S + 60
    assert looked_at(story, token, now_s=NOW_S + 59) == "read_ekg read_result"
    assert looked_at(story, token, now_s=NOW_S + 60) is None
    changes.resource_server(rs_with(story, EKG, token_lifetime_s=3600), NOW_S, "rs-changed", "x")
    assert looked_at(story, token, now_s=NOW_S + 60) is None  # and a longer one brings nothing back


def test_a_change_keeps_the_keys_of_a_device(story, changes):
    before = story.exports.for_rs(TUBE, NOW_S)
    changes.resource_server(rs_with(story, TUBE, token_lifetime_s=60), NOW_S, "rs-changed", "x")
    after = story.exports.for_rs(TUBE, NOW_S)
    assert [(key.kid, key.material.reveal()) for key in after.keys] == [
        (key.kid, key.material.reveal()) for key in before.keys
    ]


def test_another_format_comes_with_the_keys_that_it_wants(story, changes):
    before = {key.kid for key in story.exports.for_rs(TUBE, NOW_S).keys}
    changes.resource_server(rs_with(story, TUBE, token_format="cwt-encrypted"), NOW_S, "rs-changed", "x")
    assert {key.kid for key in story.exports.for_rs(TUBE, NOW_S).keys} < before
    changes.resource_server(rs_with(story, TUBE, token_format="reference", connected=True), NOW_S, "rs-changed", "x")
    assert story.exports.for_rs(TUBE, NOW_S).keys == ()
    changes.resource_server(rs_with(story, TUBE, token_format="cwt-nested"), NOW_S, "rs-changed", "x")
    assert {key.kid for key in story.exports.for_rs(TUBE, NOW_S).keys} == before


def test_a_device_gets_a_context_when_it_is_connected_and_loses_it_when_not(story, changes):
    assert story.store.oscore_party(rs_id=TUBE) is None
    changes.resource_server(rs_with(story, TUBE, connected=True), NOW_S, "rs-changed", "x")
    made = story.store.oscore_party(rs_id=TUBE)
    changes.resource_server(rs_with(story, TUBE, token_lifetime_s=60), NOW_S, "rs-changed", "x")
    assert story.store.oscore_party(rs_id=TUBE) == made
    changes.resource_server(rs_with(story, TUBE, connected=False), NOW_S, "rs-changed", "x")
    assert story.store.oscore_party(rs_id=TUBE) is None


@pytest.mark.parametrize(
    "wrong", [{"connected": False}, {"token_lifetime_s": 0}, {"audiences": ()}, {"token_format": "papyrus"}]
)
def test_a_record_that_cannot_be_changes_nothing(story, changes, wrong):
    before = story.store.resource_server(EKG)
    with pytest.raises(RegistryError):
        changes.resource_server(rs_with(story, EKG, **wrong), NOW_S, "rs-changed", "x")
    assert story.store.resource_server(EKG) == before


def test_who_is_not_there_is_not_made_by_a_change(story, changes):
    for change, record in (
        (changes.client, dataclasses.replace(story.store.client(DOCTOR_APP), client_id="stranger")),
        (changes.user, dataclasses.replace(story.store.user(DOCTOR), user_id="stranger")),
        (changes.resource_server, dataclasses.replace(story.store.resource_server(EKG), rs_id="stranger")),
    ):
        with pytest.raises(RegistryError):
            change(record, NOW_S, "changed", "x")


def test_rights_are_added_and_taken_by_name():
    has = {"ekg": ("a", "b"), "tube": ("c",)}
    assert with_more(has, {"ekg": ("b", "d"), "new": ("e",)}) == {"ekg": ("a", "b", "d"), "tube": ("c",), "new": ("e",)}
    assert without(has, {"ekg": ("a",), "tube": ()}) == {"ekg": ("b",)}
    assert without(has, {"ekg": ("a", "b"), "elsewhere": ()}) == {"tube": ("c",)}
