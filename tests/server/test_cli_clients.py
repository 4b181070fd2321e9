"""`holdfast server client add`: the kinds of clients that other people's software is."""

import json

import pytest

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
