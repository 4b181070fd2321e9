"""The JSON endpoints for clients: codes redeemed once, clients authenticated, errors in their RFC's shape."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from holdfast_core import labels as L
from holdfast_server.base64url import b64
from holdfast_server.records import Client
from holdfast_server.wire.json_codec import unb64
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S, REDIRECT_URI, TUBE, code_params
from testkit.web import opened_web, query_of, redeem_fields


@pytest.fixture
def web(tmp_path):
    with opened_web(tmp_path) as made:
        yield made


@pytest.fixture
def app(web):
    return web.browser()


def error_of(answer):
    """The error name of a JSON refusal, whose shape is checked."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) <= {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"
    return body["error"]


# --- the code ---


def test_a_code_gives_a_token_with_its_key_in_the_json_of_rfc_9203(web, app):
    answer = app.token(redeem_fields(app.code(), ace_profile=""))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert (token["token_type"], token["expires_in"], token["ace_profile"]) == ("PoP", 3600, "coap_oscore")
    assert set(token["cnf"]) == {"osc"}
    assert {"id", "ms", "salt"} <= set(token["cnf"]["osc"])
    assert len(unb64(token["cnf"]["osc"]["ms"])) == 16
    assert len(unb64(token["access_token"])) >= 16


def test_a_partial_consent_is_told_with_the_token(app):
    page = app.consent_page()
    code = query_of(app.submit(page, scope=["read_ekg"], decision="allow").headers["location"])["code"]
    assert app.token(redeem_fields(code)).json()["scope"] == "read_ekg"


def test_a_code_works_once_and_its_second_use_withdraws_the_first_token(web, app):
    code = app.code()
    token = app.token(redeem_fields(code)).json()["access_token"]
    again = app.token(redeem_fields(code))
    assert (again.status_code, error_of(again)) == (400, "invalid_grant")
    (record,) = web.story.store.tokens()
    assert record.revoked_at == NOW_S
    assert token not in again.text


def test_of_fifty_redeems_at_once_one_succeeds(web, app):
    fields = redeem_fields(app.code())
    answers = web.together([app.token_call(fields) for _ in range(50)])
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert {error_of(answer) for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    assert len(web.story.store.tokens()) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "B" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": REDIRECT_URI + "/"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code": b64(b"\x00" * 32)}, "invalid_grant"),
        ({"code": "not base64url!"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"audience": TUBE}, "invalid_target"),
        ({"scope": "read_ekg calibrate"}, "invalid_scope"),
        ({"client_id": "ekg_device_ABC"}, "invalid_request"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"grant_type": "refresh_token"}, "unsupported_grant_type"),
        ({"ace_profile": "coap_dtls"}, "incompatible_ace_profiles"),
        ({"ace_profile": "tls_13"}, "invalid_request"),
        ({"req_cnf": "{"}, "invalid_request"),
        ({"req_cnf": '{"jwk":{"kty":"oct","k":"AQ"}}'}, "invalid_request"),
        ({"req_cnf": '{"jwk":{"kty":"OKP","crv":"X25519","x":"AQ"}}'}, "unsupported_pop_key"),
        ({"req_cnf": '{"jwk":{"kty":"EC","crv":"P-384","x":"AQ","y":"AQ"}}'}, "unsupported_pop_key"),
        ({"req_cnf": '{"jwk":{"kty":"EC","crv":["P-256"],"x":"AQ","y":"AQ"}}'}, "invalid_request"),
        ({"cnonce": "!"}, "invalid_request"),
    ],
)
def test_a_wrong_redeem_is_refused_and_burns_nothing(app, changes, error):
    code = app.code()
    refused = app.token(redeem_fields(code, **changes))
    assert refused.status_code in (400, 401)
    assert error_of(refused) == error
    assert app.token(redeem_fields(code)).status_code == 200


def test_a_code_ends_at_its_lifetime(web, app):
    early, late = app.code(), app.code()
    web.wait(119)
    assert app.token(redeem_fields(early)).status_code == 200
    web.wait(1)
    assert error_of(app.token(redeem_fields(late))) == "invalid_grant"


def test_another_client_gets_nothing_for_a_stolen_code_and_takes_nothing_away(web, app):
    record = Client("thief", (L.GRANT_AUTHORIZATION_CODE,), {EKG: ("read_ekg",)}, redirect_uris=(REDIRECT_URI,))
    secret = web.story.registry.add_client(record, NOW_S, with_secret=True)
    code = app.code()
    stolen = app.token(redeem_fields(code), auth=("thief", secret.reveal().decode()))
    assert error_of(stolen) == "invalid_grant"
    assert app.token(redeem_fields(code)).status_code == 200


# --- the client ---


def secret_of(web):
    return web.story.doctor_secret.reveal().decode()


def basic(*parts):
    return {"authorization": "Basic " + base64.b64encode(":".join(parts).encode()).decode()}


def test_a_client_shows_its_secret_in_the_header_or_in_the_form(web, app):
    in_form = {"client_id": DOCTOR_APP, "client_secret": secret_of(web)}
    assert app.token(redeem_fields(app.code(), **in_form), auth=()).status_code == 200
    assert app.token(redeem_fields(app.code(), client_id=DOCTOR_APP)).status_code == 200
    scheme = {"authorization": basic(DOCTOR_APP, secret_of(web))["authorization"].replace("Basic", "bAsIc")}
    assert app.token(redeem_fields(app.code()), auth=(), headers=scheme).status_code == 200


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"client_id": DOCTOR_APP}, {}),
        ({"client_id": DOCTOR_APP, "client_secret": "wrong"}, {}),
        ({"client_id": DOCTOR_APP, "client_secret": ""}, {}),
        ({"client_id": "nobody", "client_secret": "x"}, {}),
        ({"client_id": "ekg_device_ABC", "client_secret": ""}, {}),  # it has no secret at all
        ({}, basic(DOCTOR_APP, "wrong")),
        ({}, basic("nobody", "x")),
        ({}, basic(DOCTOR_APP)),
        ({}, {"authorization": "Bearer x"}),
        ({}, {"authorization": "Basic !!!"}),
        ({}, {"authorization": ""}),
        ({}, {"authorization": "Basic " + "A" * 2000}),
    ],
)
@pytest.mark.parametrize("endpoint", ["/token", "/introspect", "/revoke"])
def test_a_client_that_does_not_authenticate_gets_401_and_nothing_else(app, endpoint, fields, headers):
    refused = app.token(redeem_fields("AA", token="AA", **fields), auth=(), url=endpoint, headers=headers)
    assert refused.status_code == 401
    assert error_of(refused) == "invalid_client"
    assert refused.headers["www-authenticate"] == 'Basic realm="holdfast"'


def test_a_secret_shown_twice_or_two_ids_are_refused(web, app):
    both = redeem_fields("AA", client_id=DOCTOR_APP, client_secret=secret_of(web))
    assert error_of(app.token(both)) == "invalid_request"
    assert error_of(app.token(redeem_fields("AA", client_id="other"))) == "invalid_request"
    twice = [(b"authorization", basic(DOCTOR_APP, secret_of(web))["authorization"].encode())] * 2
    answer = web.runner.run(
        app.client.post("/token", data=redeem_fields("AA"), headers=[*twice, (b"accept", b"application/json")])
    )
    assert (answer.status_code, error_of(answer)) == (400, "invalid_request")


def test_a_locked_client_gets_nothing(web, app):
    code = app.code()
    web.story.registry.set_disabled(True, NOW_S, client_id=DOCTOR_APP)
    refused = app.token(redeem_fields(code))
    assert (refused.status_code, error_of(refused)) == (401, "invalid_client")


# --- the form ---


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"grant_type=authorization_code&grant_type=client_credentials", "application/x-www-form-urlencoded"),
        (b"grant_type=authorization_code&scope=a&scope=b", "application/x-www-form-urlencoded"),
        (b"scope=%ff", "application/x-www-form-urlencoded"),
        (b"scope=\xff", "application/x-www-form-urlencoded"),
        (b"scope=a%00", "application/x-www-form-urlencoded"),
        (b"&".join(b"x%d=1" % number for number in range(40)), "application/x-www-form-urlencoded"),
        (b'{"grant_type":"client_credentials"}', "application/json"),
        (b"\xa1\x18\x21\x02", "application/ace+cbor"),
        (b"grant_type=client_credentials", "text/plain"),
        (b"grant_type=client_credentials", ""),
        (b"--b\r\n\r\n--b--", "multipart/form-data; boundary=b"),
    ],
)
def test_a_body_that_is_no_form_is_invalid_request(web, app, body, content_type):
    answer = app.token(body, headers={"content-type": content_type})
    assert (answer.status_code, error_of(answer)) == (400, "invalid_request")


def test_the_content_type_may_have_a_charset_and_any_case(app):
    headers = {"content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}
    assert app.token(redeem_fields(app.code()), headers=headers).status_code == 200


def test_parameters_in_the_url_are_refused_so_that_no_log_gets_a_secret(web, app):
    answer = app.token(redeem_fields(app.code()), url="/token?client_id=doctor_app")
    assert (answer.status_code, error_of(answer)) == (400, "invalid_request")


@pytest.mark.parametrize("size", [17_000, 100_000])
def test_a_body_that_is_too_long_is_refused_unread(app, size):
    answer = app.token(b"scope=" + b"a" * size, headers={"accept": "application/json"})
    assert answer.status_code == 413
    assert error_of(answer) == "invalid_request"


# --- introspection and revocation ---


def ekg_auth(web):
    """The EKG, which is an RS, with a secret so that it may come over HTTPS."""
    return ("ekg_device_ABC", web.story.registry.new_client_secret("ekg_device_ABC", NOW_S).reveal().decode())


def test_an_rs_learns_of_its_token(web, app):
    token = app.token(redeem_fields(app.code())).json()
    answer = app.token({"token": token["access_token"], "token_type_hint": "x"}, ekg_auth(web), url="/introspect")
    assert answer.status_code == 200
    answered = answer.json()
    assert answered["active"] is True
    assert (answered["client_id"], answered["sub"], answered["aud"]) == (DOCTOR_APP, DOCTOR, EKG)
    assert (answered["scope"], answered["exp"]) == ("read_ekg read_result", NOW_S + 3600)
    assert answered["cnf"] == token["cnf"]


def test_what_is_no_live_token_of_this_rs_is_answered_with_the_same_bytes(web, app):
    auth = ekg_auth(web)
    mine = app.token(redeem_fields(app.code())).json()["access_token"]
    subject = web.story.server.token(code_params(web.story.code()), web.story.doctor_app, NOW_S)["access_token"]
    tube = b64(web.story.tube_token(subject)["access_token"])
    seen = set()
    for token in ("unknown", b64(b"\x00" * 16), "!!", tube, "A" * 1300):
        answer = app.token({"token": token}, auth, url="/introspect")
        seen.add((answer.status_code, answer.content, answer.headers["content-type"]))
    app.token({"token": mine}, url="/revoke")
    seen.add((200, app.token({"token": mine}, auth, url="/introspect").content, "application/json"))
    web.wait(3600)
    seen.add((200, app.token({"token": b64(subject)}, auth, url="/introspect").content, "application/json"))
    assert seen == {(200, b'{"active":false}', "application/json")}


def test_a_client_that_is_no_rs_may_not_introspect_and_learns_nothing(web, app):
    token = app.token(redeem_fields(app.code())).json()["access_token"]
    for text in (token, "unknown"):
        answer = app.token({"token": text}, url="/introspect")
        assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize("endpoint", ["/introspect", "/revoke"])
@pytest.mark.parametrize("fields", [{}, {"token": ""}, [("token", "a"), ("token", "b")]])
def test_a_token_must_be_named_once(web, app, endpoint, fields):
    answer = app.token(fields or b"", ekg_auth(web), url=endpoint)
    assert (answer.status_code, error_of(answer)) == (400, "invalid_request")


def test_a_client_revokes_its_token_and_nobody_elses(web, app):
    token = app.token(redeem_fields(app.code())).json()["access_token"]
    auth = ekg_auth(web)
    refused = app.token({"token": token}, auth, url="/revoke")  # RFC 7009 section 2.1
    assert (refused.status_code, error_of(refused)) == (400, "invalid_grant")
    for revoker, live in ((None, False), (None, False)):
        answer = app.token({"token": token}, revoker, url="/revoke")
        assert (answer.status_code, answer.content) == (200, b"")
        assert app.token({"token": token}, auth, url="/introspect").json()["active"] is live


def test_before_the_clock_is_set_no_token_is_issued(web, app):
    code = app.code()
    web.now_s = 5_000
    answer = app.token(redeem_fields(code))
    assert (answer.status_code, answer.content) == (503, b"")


# --- what the server says of itself ---


def test_the_metadata_names_what_is_there_and_nothing_that_is_not(web, app):
    answer = app.get("/.well-known/oauth-authorization-server")
    assert answer.headers["cache-control"] == "public, max-age=300"
    answered = answer.json()
    assert answered["issuer"] == web.issuer
    assert answered["response_types_supported"] == ["code"]
    assert answered["code_challenge_methods_supported"] == ["S256"]
    assert answered["authorization_response_iss_parameter_supported"] is True
    assert "authorization_code" in answered["grant_types_supported"]
    for name, url in answered.items():
        if name.endswith(("_endpoint", "_uri")):
            assert url.startswith(web.issuer + "/")
            assert app.send("OPTIONS", url).status_code == 405, name


def test_a_signature_of_this_server_verifies_with_the_published_keys(web, app):
    published = app.get("/jwks.json").json()["keys"]
    signer = web.story.keyring.signing_key()
    assert [key["kid"] for key in published] == [b64(key.kid) for key in web.story.keyring.public_keys()]
    assert {frozenset(key) for key in published} == {frozenset(("kty", "crv", "use", "alg", "kid", "x", "y"))}
    (jwk,) = [key for key in published if key["kid"] == b64(signer.kid)]
    x, y = (int.from_bytes(unb64(jwk[name]), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signature = signer.sign(b"a token")
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    public.verify(utils.encode_dss_signature(r, s), b"a token", ec.ECDSA(hashes.SHA256()))
