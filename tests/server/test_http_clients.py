"""Clients of other people over HTTPS: public ones, ones that ask for too much, libraries with opinions of their own."""

import base64
import json

import pytest

from holdfast_core import labels as L
from holdfast_server.authz.grants import code_challenge_of
from holdfast_server.base64url import b64
from holdfast_server.records import Client, RegistryError, ResourceServer
from testkit.authz import DOCTOR_APP, EKG, NOW_S, REDIRECT_URI, TUBE, VERIFIER, change_client
from testkit.web import opened_web, redeem_fields

PUBLIC = "ward_tablet"


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        record = Client(
            PUBLIC,
            (L.GRANT_AUTHORIZATION_CODE,),
            {EKG: ("read_ekg", "read_result")},
            redirect_uris=(REDIRECT_URI,),
            public=True,
        )
        made.story.registry.add_client(record, NOW_S)
        yield made


@pytest.fixture
def app(web):
    return web.browser()


def error_of(answer):
    return answer.json()["error"]


# --- public clients ---


def test_a_public_client_redeems_its_code_by_pkce_and_withdraws_its_token(web, app):
    code = app.code(client_id=PUBLIC)
    answer = app.token(redeem_fields(code, client_id=PUBLIC), auth=())
    assert answer.status_code == 200
    token = answer.json()
    assert (token["token_type"], set(token["cnf"])) == ("PoP", {"osc"})
    (record,) = web.story.store.tokens()
    assert (record.client_id, record.revoked_at) == (PUBLIC, None)
    assert error_of(app.token({"token": token["access_token"]}, auth=(), url="/revoke")) == "invalid_client"
    other = app.token({"token": token["access_token"]}, url="/revoke")
    assert (other.status_code, error_of(other)) == (400, "invalid_grant")
    named = {"token": token["access_token"], "client_id": PUBLIC}
    assert app.token(named, auth=(), url="/revoke").status_code == 200
    assert web.story.store.tokens()[0].revoked_at == NOW_S


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "B" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"client_id": None}, "invalid_client"),
        ({"client_id": DOCTOR_APP}, "invalid_client"),  # which has a secret
        ({"client_id": EKG}, "invalid_client"),  # which has none, and an OSCORE context
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_secret": "x"}, "invalid_client"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}, "unauthorized_client"),
    ],
)
def test_a_public_client_has_nothing_but_its_code_and_verifier(web, app, changes, error):
    code = app.code(client_id=PUBLIC)
    refused = app.token({**redeem_fields(code, client_id=PUBLIC), **changes}, auth=())
    assert error_of(refused) == error
    assert not web.story.store.tokens()
    assert app.token(redeem_fields(code, client_id=PUBLIC), auth=()).status_code == 200


def test_a_code_of_a_public_client_is_nobody_elses(web, app):
    stolen = app.token(redeem_fields(app.code(client_id=PUBLIC)))
    assert error_of(stolen) == "invalid_grant"


def test_no_code_without_s256(web, app):
    for changes in ({"code_challenge": None, "code_challenge_method": None}, {"code_challenge_method": "plain"}):
        assert "error=invalid_request" in app.authorize(client_id=PUBLIC, **changes).headers["location"]
    assert app.authorize(client_id=PUBLIC, code_challenge=code_challenge_of(VERIFIER)).status_code == 200


def test_a_public_client_introspects_nothing(app):
    refused = app.token({"token": "AA", "client_id": PUBLIC}, auth=(), url="/introspect")
    assert refused.status_code in (401, 403)


def test_strangers_fill_no_audit_in_a_public_clients_name(web, app):
    before = len(web.story.store.audit_rows(1000))
    for _ in range(5):
        assert error_of(app.token(redeem_fields("AA", client_id=PUBLIC), auth=())) == "invalid_grant"
    assert len(web.story.store.audit_rows(1000)) == before
    code = app.code(client_id=PUBLIC)
    for expected in (200, 400):
        assert app.token(redeem_fields(code, client_id=PUBLIC), auth=()).status_code == expected
    assert "code-replayed" in {row.reason for row in web.story.store.audit_rows(1000)}


def test_a_locked_public_client_is_not_known(web, app):
    code = app.code(client_id=PUBLIC)
    web.story.registry.set_disabled(True, NOW_S, client_id=PUBLIC)
    assert error_of(app.token(redeem_fields(code, client_id=PUBLIC), auth=())) == "invalid_client"


def test_who_gets_a_secret_or_a_context_is_public_no_more(web):
    registry, store = web.story.registry, web.story.store
    registry.new_client_secret(PUBLIC, NOW_S)
    assert not store.client(PUBLIC).public
    change_client(web.story, PUBLIC, public=True, secret_hash=None)
    registry.add_oscore_party(NOW_S, client_id=PUBLIC)
    assert not store.client(PUBLIC).public


@pytest.mark.parametrize(
    "grants", [(L.GRANT_CLIENT_CREDENTIALS,), (L.GRANT_AUTHORIZATION_CODE, L.PRIV_GRANT_TOKEN_EXCHANGE), ()]
)
def test_only_a_client_that_redeems_codes_alone_can_be_public(web, grants):
    with pytest.raises(RegistryError, match="public client"):
        web.story.registry.add_client(Client("x", grants, {EKG: ("read_ekg",)}, public=True), NOW_S)


def test_a_record_that_went_wrong_gives_a_public_client_no_other_grant(web, app):
    """Whatever wrote it: the endpoint itself lets a client that has shown nothing redeem codes only."""
    change_client(web.story, PUBLIC, grant_types=(L.GRANT_CLIENT_CREDENTIALS,))
    fields = {"client_id": PUBLIC, "scope": "read_ekg", "audience": EKG}
    assert error_of(app.token(fields, auth=())) == "unauthorized_client"
    assert not web.story.store.tokens()


def test_the_metadata_says_that_there_may_be_public_clients(app):
    answered = app.get("/.well-known/oauth-authorization-server").json()
    assert "none" in answered["token_endpoint_auth_methods_supported"]
    assert "none" in answered["revocation_endpoint_auth_methods_supported"]
    assert "none" not in answered["introspection_endpoint_auth_methods_supported"]


# --- narrowing ---


def test_a_scope_that_is_allowed_in_part_is_refused_unless_the_client_is_one_that_narrows(web, app):
    code = app.code()
    asked = redeem_fields(code, scope="fly read_ekg")
    assert error_of(app.token(asked)) == "invalid_scope"
    change_client(web.story, DOCTOR_APP, narrows=True)
    assert app.token(asked).json()["scope"] == "read_ekg"
    for scope in ("fly", "fly swim", 'read_ekg "'):
        assert error_of(app.token(redeem_fields(app.code(), scope=scope))) == "invalid_scope"
    whole = app.token(redeem_fields(app.code(), scope="read_result")).json()
    assert "scope" not in whole


def test_paths_are_narrowed_to_the_methods_that_are_allowed(web):
    story = web.story
    scopes = {"read": (("/temp", L.METHOD_GET),), "write": (("/led", L.METHOD_GET | L.METHOD_PUT),)}
    story.registry.add_resource_server(ResourceServer("sensor", ("sensor",), scopes, "cwt-encrypted"), NOW_S)
    record = Client("panel", (L.GRANT_CLIENT_CREDENTIALS,), {"sensor": ("read", "write")}, narrows=True)
    story.registry.add_client(record, NOW_S)
    caller = story.registry.add_oscore_party(NOW_S, client_id="panel").caller()
    asked = bytes.fromhex("8382652f74656d700f82642f6c65640c82642f64697201")  # /temp 15, /led 12, /dir 1
    granted = bytes.fromhex("8282652f74656d700182642f6c656404")  # /temp GET, /led PUT
    assert story.server.token({"scope": asked}, caller, NOW_S)["scope"] == granted
    assert "scope" not in story.server.token({"scope": granted}, caller, NOW_S)


# --- libraries with opinions ---


def test_token_type_is_left_out_for_a_client_whose_library_refuses_it(web, app):
    assert app.token(redeem_fields(app.code())).json()["token_type"] == "PoP"
    change_client(web.story, DOCTOR_APP, tells_token_type=False)
    assert "token_type" not in app.token(redeem_fields(app.code())).json()


@pytest.mark.parametrize("kid", ["1", "", "any text at all", "a+b/c="])
def test_the_kid_of_a_key_is_any_text(web, app, kid):
    """RFC 7517 section 4.5; the key itself is none that this client has proven."""
    point = b64(bytes.fromhex(P256_X)), b64(bytes.fromhex(P256_Y))
    jwk = json.dumps({"jwk": {"kty": "EC", "crv": "P-256", "x": point[0], "y": point[1], "kid": kid}})
    assert error_of(app.token(redeem_fields(app.code(), req_cnf=jwk))) == "unsupported_pop_key"
    number = jwk.replace(json.dumps(kid) + "}", "1}")
    assert error_of(app.token(redeem_fields(app.code(), req_cnf=number))) == "invalid_request"


P256_X = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
P256_Y = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"


@pytest.mark.parametrize("blanks", [" ", "  ", "    "])
def test_the_credentials_may_stand_behind_more_than_one_blank(web, app, blanks):
    pair = f"{DOCTOR_APP}:{web.story.doctor_secret.reveal().decode()}".encode()
    headers = {"authorization": "Basic" + blanks + base64.b64encode(pair).decode()}
    assert app.token(redeem_fields(app.code()), auth=(), headers=headers).status_code == 200


def test_a_resource_is_an_audience_by_another_name(app):
    assert app.token(redeem_fields(app.code(), resource=EKG)).status_code == 200
    assert app.token(redeem_fields(app.code(), audience=None, resource=EKG)).status_code == 200
    assert error_of(app.token(redeem_fields(app.code(), resource=TUBE))) == "invalid_target"
