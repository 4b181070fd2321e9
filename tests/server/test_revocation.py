"""Revocation by the client (RFC 7009), and the audit log."""

import pytest

from holdfast_core import labels as L
from holdfast_core.errors import PeerError
from holdfast_server.authz.administrator import ADMIN_RIGHTS
from holdfast_server.authz.caller import NOBODY, Caller
from holdfast_server.authz.errors import InvalidClient, NotAdministrator, OAuthError
from holdfast_server.records import User
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, refused

# --- revocation ---


def test_only_the_client_that_holds_a_token_revokes_it(story):
    token = story.doctor_token()["access_token"]
    with pytest.raises(OAuthError) as caught:  # RFC 7009 section 2.1
        story.server.revoke({"token": token}, story.ekg, NOW_S)
    assert caught.value.ace_error == L.ERR_INVALID_GRANT
    assert story.server.revoke({"token": b"unknown"}, story.doctor_app, NOW_S) is None
    assert story.server.introspect({"token": token}, story.ekg, NOW_S)["active"]
    assert story.server.revoke({"token": token}, story.doctor_app, NOW_S) is None
    assert story.server.introspect({"token": token}, story.ekg, NOW_S) == {"active": False}


@pytest.mark.parametrize("params", [{}, {"token": "text"}, {"token": b""}])
def test_a_revocation_without_a_token_is_an_invalid_request(story, params):
    with pytest.raises(OAuthError) as caught:
        story.server.revoke(params, story.doctor_app, NOW_S)
    assert caught.value.ace_error == L.ERR_INVALID_REQUEST


@pytest.mark.parametrize("caller", [NOBODY, Caller(DOCTOR_APP), Caller(rs_id=EKG, authenticated=True)])
def test_who_has_not_shown_to_be_the_client_revokes_nothing(story, caller):
    token = story.doctor_token()["access_token"]
    with pytest.raises(InvalidClient):
        story.server.revoke({"token": token}, caller, NOW_S)
    assert story.server.introspect({"token": token}, story.ekg, NOW_S)["active"]


@pytest.mark.parametrize("user_id", [DOCTOR, "nobody", "locked"])
def test_only_an_administrator_revokes_a_token_by_its_number(story, user_id):
    for name in ("admin", "locked"):
        story.registry.add_user(User(name, "", dict(ADMIN_RIGHTS)), NOW_S)
    story.registry.set_disabled(True, NOW_S, user_id="locked")
    tokens = [story.doctor_token()["access_token"]]
    tokens.append(story.tube_token(tokens[0])["access_token"])
    before = story.store.audit_rows(100)
    with pytest.raises(NotAdministrator) as caught:
        story.server.revoke_by_administrator(1, user_id, NOW_S, "192.0.2.1")
    assert (caught.value.http_status, caught.value.coap_code) == (403, L.CODE_FORBIDDEN)
    assert story.store.audit_rows(100) == before
    assert [story.store.token(token).revoked_at for token in tokens] == [None, None]
    story.server.revoke_by_administrator(1, "admin", NOW_S, "192.0.2.1")
    assert [story.store.token(token).revoked_at for token in tokens] == [NOW_S, NOW_S]
    rows = [row for row in story.store.audit_rows(100) if row.event == "admin-revoked"]
    assert [(row.user_id, row.token_id, row.address) for row in rows] == [("admin", 1, "192.0.2.1")]


# --- audit ---


def test_deeds_and_refusals_are_in_the_audit_log_in_order(story):
    token = story.doctor_token()["access_token"]
    assert refused(story, {"grant_type": 77}) == L.ERR_UNSUPPORTED_GRANT_TYPE
    story.server.revoke({"token": token}, story.doctor_app, NOW_S)
    rows = [(row.event, row.client_id, row.token_id) for row in story.store.audit_rows(4)]
    assert rows == [
        ("token-revoked", None, 1),
        ("token-refused", DOCTOR_APP, None),
        ("token-issued", DOCTOR_APP, 1),
        ("code-issued", DOCTOR_APP, None),
    ]


def test_an_unauthenticated_flood_writes_nothing(story):
    before = len(story.store.audit_rows(1000))
    for _ in range(20):
        with pytest.raises(PeerError):
            story.server.token({}, NOBODY, NOW_S)
    assert len(story.store.audit_rows(1000)) == before
