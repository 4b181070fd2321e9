"""The audit says who did what, from where and at whose command; no number in it ever means two things."""

import json
import os

import pytest

from holdfast_server import admin_shell, store_sqlite
from holdfast_server.admin_shell import operator_name
from holdfast_server.audit_shell import time_of
from holdfast_server.registry import Client, User
from holdfast_server.store_home import EPOCH_JUMP
from holdfast_server.store_sqlite import Store
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S


def events(run, *argv):
    return json.loads(run("audit", "--json", *argv).stdout)


def test_what_the_command_line_did_has_its_operator(run):
    run("user", "add", "doctor", "--generate")
    run("user", "disable", "doctor")
    assert {row["operator"] for row in events(run)} == {operator_name()}
    assert events(run, "--user", "doctor")[0]["event"] == "disabled"


def test_behind_sudo_the_operator_is_who_called_it(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "alice")
    assert operator_name() == "alice (sudo)"
    monkeypatch.setenv("SUDO_USER", "ali\x1bce")
    assert operator_name() == "root"
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.setenv("SUDO_USER", "alice")  # nobody can be somebody else by saying so
    monkeypatch.setattr(admin_shell.pwd, "getpwuid", lambda uid: {}[uid])
    assert operator_name() == "54321"


def test_a_request_has_no_operator(story):
    story.doctor_token()
    assert {row.operator for row in story.store.audit_rows()} == {""}


def test_the_rows_can_be_chosen(run):
    run("user", "add", "doctor", "--generate")
    run("rs", "add", "ekg", "--scope", "read=GET:/ekg", "--format", "reference")
    run("client", "add", "app", "--grant", "client_credentials")
    assert [row["event"] for row in events(run, "--client", "app")] == ["client-added"]
    assert [row["event"] for row in events(run, "--rs", "ekg")] == ["oscore-context-made", "rs-added"]
    assert [row["event"] for row in events(run, "--event", "rs-added", "--event", "client-added")] == [
        "client-added",
        "rs-added",
    ]
    assert events(run, "--client", "app", "--rs", "ekg") == []
    assert events(run, "--since", "2999-01-01") == []
    assert len(events(run, "--since", "1h")) == len(events(run))
    assert "Nothing of this kind" in run("audit", "--user", "nobody").stdout


def test_a_time_is_iso_or_an_age():
    assert time_of("1970-01-02", NOW_S) == 86400
    assert time_of("1970-01-02T00:00:01Z", NOW_S) == 86401
    assert time_of("1970-01-02T01:00:00+01:00", NOW_S) == 86400
    assert time_of("90m", NOW_S) == NOW_S - 5400


@pytest.mark.parametrize("text", ["yesterday", "2h ago", "-1h", "", "2026-13-01", "1w"])
def test_what_is_no_time_is_one_sentence(run, text):
    assert "--since must look like" in run("audit", "--since", text, code=2).stderr


def test_a_removed_name_that_comes_back_has_another_number(run):
    for _ in range(2):
        run("user", "add", "doctor", "--generate")
        run("user", "remove", "doctor", "--yes")
    numbers = [(row["event"], row["user_number"]) for row in reversed(events(run, "--user", "doctor"))]
    first, second = numbers[0][1], numbers[2][1]
    assert first < second
    assert [number for _, number in numbers] == [first, first, second, second]


def test_a_change_keeps_the_number(story):
    before = story.store._one("SELECT number FROM clients WHERE client_id = ?", (DOCTOR_APP,))[0]
    story.registry.new_client_secret(DOCTOR_APP, NOW_S)
    assert story.store._one("SELECT number FROM clients WHERE client_id = ?", (DOCTOR_APP,))[0] == before


def test_a_token_number_is_never_given_twice(story):
    story.doctor_token()
    (old,) = [record.token_id for record in story.store.tokens()]
    story.store.sweep(NOW_S + 10_000)
    assert story.store.tokens() == []
    story.doctor_token()
    assert [record.token_id for record in story.store.tokens()] == [old + 1]


def test_after_a_restore_numbers_go_on_beyond_those_that_the_backup_does_not_know(story):
    story.doctor_token()
    before = story.store.tokens()[0].token_id
    story.store.after_restore(NOW_S)
    story.doctor_token()
    assert story.store.tokens()[0].token_id > before + EPOCH_JUMP


def test_a_database_of_before_gets_its_numbers(tmp_path, monkeypatch):
    shipped = store_sqlite._shipped_migrations()
    with monkeypatch.context() as patch:
        patch.setattr(store_sqlite, "_shipped_migrations", lambda: {1: shipped[1]})
        patch.setattr(Store, "_make_home", lambda self: None)
        with Store(tmp_path, NOW_S, serving=False) as store:
            for name in ("app", "board"):
                store._execute("INSERT INTO clients VALUES (?, '{}', NULL, 0, 0)", (name,))
            store._execute("INSERT INTO audit (at, event, token_id) VALUES (0, 'token-issued', 41)")
    with Store(tmp_path, NOW_S, serving=False) as store:
        assert [row["number"] for row in store._all("SELECT number FROM clients")] == [1, 2]
        assert store._next_number("token") == 42
        store.put_client(Client("third", (), {}), NOW_S)
        assert store._one("SELECT number FROM clients WHERE client_id = 'third'")[0] == 3
        store.put_user(User("first"), NOW_S)
        assert store._one("SELECT number FROM users")[0] == 1


def test_a_row_names_everybody_by_number(story):
    story.store.audit(NOW_S, "seen", client_id=DOCTOR_APP, rs_id=EKG, user_id=DOCTOR)
    story.store.audit(NOW_S, "unseen", client_id="stranger")
    unseen, seen = story.store.audit_rows(2)
    assert None not in (seen.client_number, seen.rs_number, seen.user_number)
    assert unseen.client_number is None
