"""The audit says who did what, from where and at whose command; no number in it ever means two things."""

import dataclasses
import json
import os

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import encode, request
from holdfast_core.coap_stack import CoapStack
from holdfast_core.secret import Secret
from holdfast_server.authz.refusals import MAX_KINDS, Refusal, RefusalRows, Refusals
from holdfast_server.cli import command as admin_command
from holdfast_server.cli.audit import time_of
from holdfast_server.cli.command import operator_name
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.coap.site import CoapSite
from holdfast_server.coap.socket import address_of
from holdfast_server.records import Client, User
from holdfast_server.store import sqlite as store_sqlite
from holdfast_server.store.home import EPOCH_JUMP
from holdfast_server.store.sqlite import Store
from testkit.as_peer import context_of
from testkit.authz import DOCTOR, DOCTOR_APP, EKG, NOW_S
from testkit.web import opened_web, redeem_fields


def events(run, *argv):
    return json.loads(run("audit", "--json", *argv).stdout)


def test_what_a_row_does_not_have_is_null_for_a_program(run):
    run("rs", "add", "tube", "--scope", "read=GET:/r")
    row = json.loads(run("audit", "--json", "--event", "rs-added").stdout)[0]
    assert [name for name, value in row.items() if value is None] == [
        *("client", "user", "token", "reason", "address", "client_number", "user_number")
    ]


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
    monkeypatch.setattr(admin_command.pwd, "getpwuid", lambda uid: {}[uid])
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


def test_a_name_that_no_event_has_is_told_apart_from_what_never_happened(run):
    run("rs", "add", "ekg", "--scope", "read=GET:/ekg")
    typo = run("audit", "--event", "rs-aded")
    assert 'no event in this audit is called "rs-aded"' in typo.stderr
    assert "rs-added" in typo.stderr
    assert "Note" not in run("audit", "--event", "rs-added", "--rs", "nobody").stderr


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
        patch.setattr(store_sqlite, "_shipped_migrations", lambda: {number: shipped[number] for number in (1, 4)})
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


# --- refusals and addresses ---


def test_refusals_are_written_once_a_minute_and_counted():
    refusals, a, b = Refusals(), Refusal("a"), Refusal("b")
    assert [refusals.left_out(a, 600 + second) for second in range(5)] == [0, None, None, None, None]
    assert refusals.left_out(b, 604) == 0
    assert [refusals.left_out(a, 660), refusals.left_out(a, 661)] == [4, None]
    assert refusals.left_out(b, 661) == 0
    assert refusals.left_out(a, 7000) == 1


def test_kinds_without_number_take_no_more_memory_or_rows():
    refusals = Refusals()
    written = [refusals.left_out(Refusal(f"{number}"), 600) for number in range(5 * MAX_KINDS)]
    assert len([left_out for left_out in written if left_out is not None]) == 2 * MAX_KINDS + 1
    assert len(refusals._counts) == 2 * MAX_KINDS + 1
    assert refusals.left_out(Refusal("new"), 660) == 0
    assert len(refusals.unwritten(660)) == 1


def test_a_flood_from_many_networks_does_not_hide_whose_secret_is_tried():
    refusals = Refusals()
    flood = [Refusal("client-refused", network=f"n{number}") for number in range(5 * MAX_KINDS)]
    written = [refusals.left_out(kind, 600) for kind in flood]
    assert len([left_out for left_out in written if left_out is not None]) == MAX_KINDS + 1
    tried = Refusal("client-refused", client_id=DOCTOR_APP, network="n1")
    assert [refusals.left_out(kind, 600) for kind in (tried, tried._replace(network="n2"), tried)] == [0, None, None]
    assert refusals.unwritten(660) == {
        Refusal("client-refused"): 4 * MAX_KINDS - 1,
        Refusal("client-refused", client_id=DOCTOR_APP): 2,
    }


def test_the_counts_of_many_minutes_that_nobody_could_write_are_bounded_and_all_there():
    refusals = Refusals()
    for number in range(6 * MAX_KINDS):
        for _ in range(2):
            refusals.left_out(Refusal(f"{number}"), 600 + number // MAX_KINDS * 60)
    unwritten = refusals.unwritten(6000)
    assert len(unwritten) == 2 * MAX_KINDS + 1
    assert sum(unwritten.values()) == 6 * MAX_KINDS


def test_what_nobody_came_back_to_write_is_written_when_the_minute_is_over_or_the_server_stops(story):
    rows, kind = RefusalRows(story.store), Refusal("token-refused", "why", DOCTOR_APP, EKG)
    before = len(story.store.audit_rows(1000))
    for second in range(5):
        rows.note(kind, NOW_S - NOW_S % 60 + second, "192.0.2.1")
    rows.write_left_out(NOW_S - NOW_S % 60 + 59)
    assert len(story.store.audit_rows(1000)) == before + 1
    for _ in range(2):
        rows.write_left_out(NOW_S - NOW_S % 60 + 60)
    (row, *others) = story.store.audit_rows(1000)
    assert len(others) == before + 1
    assert (row.event, row.client_id, row.rs_id, row.reason) == (
        "token-refused",
        DOCTOR_APP,
        EKG,
        "why; 4 more since the row before",
    )
    for _ in range(3):
        rows.note(kind, NOW_S + 600, "192.0.2.1")
    rows.write_left_out(NOW_S + 600, all_periods=True)
    assert story.store.audit_rows(1)[0].reason == "why; 2 more since the row before"


def test_a_count_that_the_disk_had_no_room_for_is_written_later(story, monkeypatch):
    rows = RefusalRows(story.store)
    for _ in range(3):
        rows.note(Refusal("login-refused", user_id=DOCTOR, network="192.0.2.0/24"), NOW_S, "192.0.2.1")
    with monkeypatch.context() as patch:
        patch.setattr(story.store, "audit", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rows.write_left_out(NOW_S + 60)
    rows.write_left_out(NOW_S + 60)
    row = story.store.audit_rows(1)[0]
    assert (row.user_id, row.reason, row.address) == (DOCTOR, "2 more since the row before", "192.0.2.0/24")


def test_a_client_that_fails_to_authenticate_leaves_a_row_and_a_line(tmp_path, caplog):
    with opened_web(tmp_path) as web:
        browser = web.browser("198.51.100.7")
        for _ in range(3):
            assert browser.token({"grant_type": "client_credentials"}, (DOCTOR_APP, "wrong")).status_code == 401
        assert browser.token({"grant_type": "client_credentials"}, ("pasted-secret", "x")).status_code == 401
        rows = [row for row in web.story.store.audit_rows() if row.event == "client-refused"]
        assert [(row.client_id, row.address) for row in rows] == [
            (None, "198.51.100.7"),
            (DOCTOR_APP, "198.51.100.7"),
        ]
        lines = [line for line in caplog.messages if "client-refused" in line]
        assert lines == [
            f"event=client-refused client={DOCTOR_APP} from=198.51.100.7",
            "event=client-refused client=- from=198.51.100.7",
        ]
        assert "pasted-secret" not in caplog.text + repr(rows)
        web.wait(60)
        browser.token({"grant_type": "client_credentials"}, (DOCTOR_APP, "wrong"))
        assert web.story.store.audit_rows(1)[0].reason.endswith("; 2 more since the row before")


def test_what_a_browser_and_an_app_do_has_their_addresses(tmp_path):
    with opened_web(tmp_path) as web:
        person, app = web.browser("192.0.2.5"), web.browser("198.51.100.9")
        wrong = person.authorize()
        person.submit(wrong, username=DOCTOR, password="wrong")
        code = person.code()
        assert app.token(redeem_fields(code)).status_code == 200
        rows = {row.event: row.address for row in web.story.store.audit_rows()}
        assert {name: rows[name] for name in ("login-refused", "login", "code-issued", "token-issued")} == {
            "login-refused": "192.0.2.5",
            "login": "192.0.2.5",
            "code-issued": "192.0.2.5",
            "token-issued": "198.51.100.9",
        }


def test_what_comes_without_oscore_over_coap_leaves_a_row(story):
    asked = request(L.CODE_POST, "/token")
    for _ in range(2):
        assert CoapSite(story.server).answer(asked, None, NOW_S, "192.0.2.9").code == L.CODE_UNAUTHORIZED
    row, before = story.store.audit_rows(2)
    assert (row.event, row.reason, row.address) == ("client-refused", "no OSCORE", "192.0.2.9")
    assert before.event != "client-refused"


def test_what_no_context_opens_is_told_with_its_peer(story):
    """A kid that nobody has, and a good kid with another key."""
    seen = []
    contexts = PartyContexts(story.store, os.urandom, lambda: NOW_S)
    contexts.refused = lambda peer, error: seen.append((peer, error.reason))
    stack = CoapStack(os.urandom, contexts, SERVER_LIMITS)
    party = story.store.oscore_party(client_id=EKG)
    for number, changed in enumerate(({"recipient_id": b"none"}, {"master_secret": Secret(b"x" * 16)})):
        context = context_of(dataclasses.replace(party, rederives=False, **changed))
        outer, _ = context.protect_request(request(L.CODE_POST, "/token"))
        outer.mtype, outer.mid, outer.token = L.TYPE_CON, number, b"t"
        stack.feed(encode(outer), ("192.0.2.9", 5683), 1000 * number)
    assert [peer for peer, _ in seen] == [("192.0.2.9", 5683)] * 2
    assert seen[0][1] == "unknown-context"
    assert address_of(seen[0][0]) == "192.0.2.9"
