"""`holdfast server client add`: the kinds of clients that other people's software is."""

import json
import os

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from holdfast_core import labels as L
from holdfast_core.moment import Moment
from holdfast_core.verifier import verify_token
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.errors import OAuthError
from holdfast_server.authz.lint import rules_for
from holdfast_server.cli.command import opened
from holdfast_server.cli.public_key import read_public_key

CODES = ("--grant", "authorization_code", "--redirect-uri", "http://127.0.0.1/cb", "--allow", "ekg=read_ekg")


def shown(run, client_id):
    return json.loads(run("client", "show", client_id, "--json").stdout)


def test_an_app_without_a_secret_is_a_public_client(run):
    done = run("client", "add", "app", *CODES, "--no-secret")
    assert "app is a public client: it has no secret, and redeems its codes by PKCE.\n" in done.stderr
    assert (shown(run, "app")["public"], shown(run, "app")["secret"]) == (True, False)
    assert json.loads(run("client", "new-secret", "app", "--json").stdout)["secret"]
    assert (shown(run, "app")["public"], shown(run, "app")["secret"]) == (False, True)


@pytest.mark.parametrize(
    "argv",
    [
        (*CODES,),
        (*CODES, "--no-secret", "--grant", "token_exchange"),
        ("--grant", "client_credentials", "--no-secret"),
        (*CODES, "--no-secret", "--oscore"),
    ],
)
def test_any_other_client_is_not_public(run, tmp_path, argv):
    more = [tmp_path / "app.prov"] if argv[-1] == "--oscore" else []
    done = run("client", "add", "app", *argv, *more)
    assert "public client" not in done.stderr
    assert shown(run, "app")["public"] is False


def test_a_device_that_was_public_is_so_no_more_when_it_gets_its_context(run):
    run("client", "add", "ekg", *CODES, "--no-secret")
    run("rs", "add", "ekg", "--scope", "read_ekg=GET:/ekg", "--client", "ekg")
    assert shown(run, "ekg")["public"] is False


def test_what_a_peer_needs_is_said_when_it_is_added(run):
    run("client", "add", "plain", "--grant", "client_credentials")
    run(
        *("client", "add", "odd", "--grant", "client_credentials"),
        *("--narrow-scope", "--lenient", "--no-token-type"),
    )
    names = ("narrow_scope", "lenient", "token_type")
    assert [shown(run, "plain")[name] for name in names] == [False, False, True]
    assert [shown(run, "odd")[name] for name in names] == [True, True, False]


# --- public keys, and tokens that anybody can read ---


@pytest.fixture
def pem(tmp_path):
    """Write a public key of this curve and return its path."""

    def write(curve=ec.SECP256R1, name="key.pem", private=False):
        key = ec.generate_private_key(curve())
        octets = (
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            if private
            else key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        (tmp_path / name).write_bytes(octets)
        return tmp_path / name

    return write


DOOR = ("rs", "add", "door", "--scope", "open=PUT:/lock")
FOB = ("client", "add", "fob", "--grant", "client_credentials", "--allow", "door=open", "--allow", "doors=open")


@pytest.mark.parametrize("token_format", ["cwt-signed", "cwt-mac"])
def test_a_format_that_anybody_can_read_is_for_public_keys_and_the_command_says_so(run, state, pem, token_format):
    refused = run(*DOOR, "--format", token_format, code=2)
    assert refused.stderr == (
        f"Error: {token_format} can be read by anybody on its way, so it never carries the secret key of coap_oscore: "
        "say --profile coap_dtls, whose tokens carry the client's public key "
        "(`holdfast server client add --public-key`).\n"
    )
    assert run("rs", "list").stdout == "No resource servers yet.\n"
    key = pem()
    run(*DOOR, "--format", token_format, "--profile", "coap_dtls", "--public-key", pem(name="door.pem"), "--clock")
    run(*FOB, "--public-key", key)
    assert shown(run, "fob")["public_keys"] == 1
    own = {L.CNF_COSE_KEY: cbor2.loads(read_public_key(key))}
    with opened(state) as admin:
        server = AuthorizationServer(admin.store, admin.keyring, admin.config.settings, os.urandom)
        asked = {"audience": "door", "scope": "open", "req_cnf": own}
        answer = server.token(asked, Caller("fob", authenticated=True), admin.now_s)
        assert set(answer) == {"access_token", "expires_in", "rs_cnf"}
        rules = rules_for(admin.store.resource_server("door"), admin.keyring, admin.config.settings.issuer)
        grant = verify_token(answer["access_token"], rules, Moment(admin.now_s))
        assert grant.cnf.key.x == own[L.CNF_COSE_KEY][L.KEY_X]
        with pytest.raises(OAuthError):
            server.token({"audience": "door", "scope": "open"}, Caller("fob", authenticated=True), admin.now_s)


def test_a_format_may_be_changed_when_the_profile_is_too(run):
    run(*DOOR)
    assert "say --profile coap_dtls" in run("rs", "set", "door", "--format", "cwt-mac", code=2).stderr
    run("rs", "set", "door", "--format", "cwt-mac", "--profile", "coap_dtls")
    assert json.loads(run("rs", "show", "door", "--json").stdout)["format"] == "cwt-mac"
    assert "mac" in {row["role"] for row in json.loads(run("key", "list", "--json").stdout)}


def test_an_audience_may_be_shared_by_those_that_take_signed_tokens(run):
    signed = ("--format", "cwt-signed", "--profile", "coap_dtls", "--audience", "doors")
    run(*DOOR, *signed)
    run("rs", "add", "gate", "--scope", "open=PUT:/gate", *signed)
    other = ("rs", "add", "shed", "--scope", "open=PUT:/shed", "--audience", "doors")
    assert "or let both take cwt-signed" in run(*other, code=2).stderr
    assert "or let both take cwt-signed" in run("rs", "set", "gate", "--format", "cwt-nested", code=2).stderr


def test_what_is_no_public_key_on_p256_is_one_sentence(run, pem, tmp_path):
    (tmp_path / "text.pem").write_text("no key")
    for path in (
        pem(ec.SECP384R1),
        pem(private=True, name="private.pem"),
        tmp_path / "text.pem",
        tmp_path / "none.pem",
    ):
        done = run(*FOB, "--public-key", path, code=2)
        assert done.stderr.startswith(f"Error: {path} ")
        assert done.stderr.count("\n") == 1
    assert run("client", "list").stdout == "No clients yet.\n"
