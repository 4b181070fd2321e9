"""Forms as a browser reads them, JSON tokens, command lines, verdicts and reports."""

import pytest

from holdfast_core import labels as L
from holdfast_core.errors import MalformedRequest
from holdfast_server.process.config import render
from holdfast_sim.json_token import b64, members_of, unb64
from holdfast_sim.ladder import Line
from holdfast_sim.pages import forms_of
from holdfast_sim.report import document, line_text, summary, verdict_text
from holdfast_sim.topology import EKG, client_commands, operator_edits, rs_commands
from holdfast_sim.verdicts import Checks

PAGE = """
<form method="post" action="/login"><input type="hidden" name="form_token" value="a&amp;b">
<input name="username"><input name="password" type="password"><input type="checkbox" name="off" value="1">
<input type="checkbox" name="scope" value="read_ekg" checked><button name="decision" value="allow">Yes</button></form>
<input name="outside"><form action="/second"><button type="button" name="no">No</button></form>
"""


def test_a_form_has_what_a_browser_would_send_and_what_a_person_fills_in():
    login, second = forms_of(PAGE)
    assert (login.action, login.method) == ("/login", "post")
    assert login.fields == [("form_token", "a&b"), ("scope", "read_ekg")]
    assert login.blanks == ["username", "password"]
    assert login.buttons == [("decision", "allow")]
    assert (second.method, second.fields, second.blanks, second.buttons) == ("get", [], [], [])


def test_a_json_token_response_becomes_its_cbor_shape():
    osc = {"id": b64(b"\x01"), "ms": b64(b"m" * 16), "salt": b64(b"s" * 8)}
    answer = {"access_token": b64(b"handle"), "expires_in": 60, "token_type": "PoP", "ace_profile": "coap_oscore"}
    members = members_of({**answer, "cnf": {"osc": osc}, "unknown": 1})
    assert members == {
        L.ACE_ACCESS_TOKEN: b"handle",
        L.ACE_EXPIRES_IN: 60,
        L.ACE_TOKEN_TYPE: L.TOKEN_TYPE_POP,
        L.ACE_PROFILE: L.PROFILE_COAP_OSCORE,
        L.ACE_CNF: {L.CNF_OSC: {L.OSC_ID: b"\x01", L.OSC_MS: b"m" * 16, L.OSC_SALT: b"s" * 8}},
    }


@pytest.mark.parametrize("cnf", [{"jwk": {}}, {"osc": {"ms": 5}}, {"osc": {"other": "AA"}}, "text"])
def test_a_confirmation_of_another_shape_is_malformed(cnf):
    with pytest.raises(MalformedRequest):
        members_of({"cnf": cnf})


@pytest.mark.parametrize("text", [None, 5, "a", "====", "!!!!"])
def test_base64url_that_is_none_is_malformed(text):
    with pytest.raises(MalformedRequest):
        unb64(text)
    assert unb64(b64(b"\xff\xfe\xfd")) == b"\xff\xfe\xfd"


def test_the_operator_tells_devices_the_taps_address():
    text = operator_edits(render("http://127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:2"), "127.0.0.1:3")
    assert '\nadvertise = "127.0.0.1:3"\n' in text
    with pytest.raises(ValueError, match="advertise"):
        operator_edits(text, "127.0.0.1:3")


def test_each_story_registers_what_it_needs_and_no_more():
    with_tubes = rs_commands(tubes=True)
    assert [command[3] for command in with_tubes] == ["connected_tube_123", "connected_tube_456", EKG]
    assert [command[3] for command in rs_commands(tubes=False)] == [EKG, "ekg_device_DEF"]
    monitors = [command for command in client_commands(tubes=False, monitor_file="f") if "--oscore" in command]
    assert len(monitors) == 1
    assert not [command for command in client_commands(tubes=True, monitor_file="f") if "--oscore" in command]


def test_a_run_is_well_only_with_checks_that_all_held():
    checks = Checks()
    assert not checks.ok
    checks.same("a", "RFC", "4.01", "4.01")
    checks.one_of("b", "RFC", ["2.01", "4.01"], "2.01 Created")
    assert checks.ok
    checks.same("c", "RFC", "4.03", "2.05")
    assert not checks.ok
    assert [verdict.name for verdict in checks.failed] == ["c"]


def test_a_failed_check_shows_what_was_expected():
    checks = Checks()
    checks.same("wrong scope", "RFC 9200 5.10.2", "4.03", "2.05")
    text = verdict_text(checks.verdicts[0])
    assert "FAILED" in text
    assert "expected: 4.03" in text
    assert summary(checks.verdicts, 1.25) == "1 of 1 checks FAILED; 1.2 s"


def test_the_document_has_steps_with_their_chapter_sizes_and_verdicts():
    lines = [Line(None, "", "", "One", 0, "chapter"), Line(1, "app", "EKG", "GET /ekg  CON", 16)]
    lines += [Line(None, "", "", "a remark", 0, "note"), Line(2, "app", "EKG", "GET /ekg  CON", 4)]
    checks = Checks()
    checks.same("held", "RFC", "4.01", "4.01")
    made = document("ekg", lines, checks.verdicts, 2.04)
    assert (made["story"], made["ok"], made["seconds"]) == ("ekg", True, 2.0)
    assert made["steps"][1] == {
        "n": 2,
        "chapter": "One",
        "from": "app",
        "to": "EKG",
        "what": "GET /ekg  CON",
        "size": 4,
    }
    assert made["sizes"] == {"app -> EKG": {"messages": 2, "bytes": 20}}
    assert made["verdicts"][0]["ok"] is True
    assert "16 B  GET /ekg" in line_text(lines[1])
