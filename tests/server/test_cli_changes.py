"""`allow`, `deny`, `set` and `remove` on the command line: what stays, what ends, and who must be told."""

import asyncio
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from holdfast_core.provisioning import decode_provisioning
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.caller import Caller
from holdfast_server.authz.revocation import STEP
from holdfast_server.cli import change as change_command
from holdfast_server.cli import taking as taking_command
from holdfast_server.cli import token as token_command
from holdfast_server.cli.command import opened
from holdfast_server.cli.main import group
from holdfast_server.wire.readable import when
from testkit.as_peer import until
from testkit.authz import CountingRng
from testkit.serve import serving

TUBE = ["rs", "add", "tube", "--scope", "read=GET:/result", "--scope", "calibrate=PUT:/calibration"]


def tell(done):
    return json.loads(done.stdout)


@pytest.fixture
def ward(run):
    """A tube and a meter that may do everything with it; returns the function that makes the meter a token."""
    run(*TUBE)
    run("client", "add", "meter", "--grant", "client_credentials", "--allow", "tube=read,calibrate")
    return run


def issue(state, scope="read calibrate", audience="tube"):
    """Issue a token to the meter; returns its row."""
    with opened(state) as admin:
        server = AuthorizationServer(admin.store, admin.keyring, admin.config.settings, CountingRng())
        caller = Caller("meter", authenticated=True)
        server.token({"audience": audience, "scope": scope}, caller, admin.now_s)
        return admin.store.tokens()[0]


# --- rights ---


@pytest.mark.parametrize("kind", ["client", "user"])
def test_a_right_to_take_away_that_nobody_has_is_said(ward, kind):
    if kind == "user":
        ward("user", "add", "meter", "--allow", "tube=read,calibrate", "--generate")
    said = ward(kind, "deny", "meter", "tube=calibrte", "lung").stderr
    assert said.count("Note: ") == 2
    assert "meter was not allowed tube=calibrte, so nothing of it is taken away." in said
    assert "meter was not allowed lung, " in said
    assert tell(ward(kind, "show", "meter", "--json"))["allowed"] == {"tube": ["read", "calibrate"]}
    assert ward(kind, "deny", "meter", "tube=calibrate").stderr == ""
    assert ward(kind, "deny", "meter", "tube").stderr == ""


@pytest.mark.parametrize("kind", ["client", "user"])
def test_rights_are_added_and_taken_without_touching_the_rest(ward, kind):
    run = ward
    if kind == "user":
        run("user", "add", "meter", "--allow", "tube=read,calibrate", "--generate")
    before = tell(run(kind, "show", "meter", "--json"))
    told = tell(run(kind, "deny", "meter", "tube=calibrate", "--json"))
    assert told["allowed"] == {"tube": ["read"]}
    assert (told["tokens_narrowed"], told["tokens_revoked"], told["still_taken"]) == ([], [], [])
    assert told["provision_again"] == []
    assert tell(run(kind, "deny", "meter", "tube", "--json"))["allowed"] == {}
    run(kind, "allow", "meter", "tube=read", "tube=calibrate")
    assert tell(run(kind, "show", "meter", "--json")) == before
    rows = tell(run("audit", "--json", f"--{kind}", "meter"))
    assert [(row["event"], row["reason"]) for row in rows[:3]] == [
        (f"{kind}-allowed", "tube=read,calibrate"),
        (f"{kind}-denied", "tube=*"),
        (f"{kind}-denied", "tube=calibrate"),
    ]
    assert rows[0]["operator"]


def test_a_right_at_a_device_that_is_not_there_is_noted(ward):
    assert "has no scope fly" in ward("client", "allow", "meter", "tube=fly").stderr


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["client", "allow", "meter", "tube"], "A right must look like"),
        (["client", "deny", "meter", "tube="], "A right must look like"),
        (["client", "allow", "nobody", "tube=read"], "There is no client nobody"),
        (["user", "deny", "nobody", "tube=read"], "There is no user nobody"),
        (["client", "deny", "meter", "tu\x1bbe"], "cannot be printed"),
        (["client", "set", "nobody", "--title", "x"], "There is no client nobody"),
        (["rs", "set", "nobody", "--title", "x"], "There is no resource server nobody"),
        (["user", "set", "nobody", "--admin"], "There is no user nobody"),
        (["client", "set", "meter"], "Say what is to be changed"),
        (["rs", "set", "tube"], "Say what is to be changed"),
        (["client", "set", "meter", "--grant", "authorization_code"], "wants --redirect-uri"),
        (["client", "set", "meter", "--redirect-uri", "http://evil.example/"], "redirect_uri is neither"),
        (["client", "set", "meter", "--title", "a\x1bb"], "title has a character"),
        (["rs", "set", "tube", "--remove-scope", "fly"], "tube has no scope fly"),
        (["rs", "set", "tube", "--remove-scope", "read", "--remove-scope", "calibrate"], "has a scope at least"),
        (["rs", "set", "tube", "--scope", "read"], "--scope must look like"),
        (["rs", "set", "tube", "--scope-title", "read"], "--scope-title must look like"),
        (["rs", "set", "tube", "--scope-title", "fly=Fly"], "tube has no scope fly that a title could be for"),
        (["rs", "set", "tube", "--audience", "ekg"], "ekg has the audience ekg already"),
        (["rs", "set", "tube", "--audience", "holdfast:server"], "this server's own audience"),
        (["rs", "set", "tube", "--format", "reference"], "only when it is connected: say --connected too"),
        (["rs", "set", "tube", "--lifetime", "0"], "--lifetime must be 1 to 316224000 seconds"),
        (["rs", "set", "tube", "--exi", "-1"], "--exi must be 0 (none) to 316224000 seconds"),
        (["rs", "set", "tube", "--connected", "--format", "reference"], "say --exi 0 too"),
        (["rs", "set", "tube", "--client", "nobody"], "There is no client nobody"),
    ],
)
def test_a_change_that_cannot_be_is_one_sentence_and_changes_nothing(ward, argv, says):
    ward("rs", "add", "ekg", "--scope", "read=GET:/ekg", "--format", "reference")
    before = [tell(ward(kind, "list", "--json")) for kind in ("client", "rs", "user")]
    done = ward(*argv, code=2)
    assert says in done.stderr
    assert [tell(ward(kind, "list", "--json")) for kind in ("client", "rs", "user")] == before


# --- what a device must be told ---


def test_a_device_is_named_when_what_it_was_told_is_otherwise_by_now(ward, tmp_path):
    run = ward
    assert tell(run("rs", "set", "tube", "--scope", "read=GET,FETCH:/result", "--json"))["provision_again"] == []
    run("rs", "export", "tube", "--out", tmp_path / "first")
    told = tell(run("rs", "set", "tube", "--lifetime", "60", "--title", "Test tube", "--exi", "60", "--json"))
    assert told["provision_again"] == []
    assert "No device needs to be provisioned again." in run("rs", "set", "tube", "--lifetime", "90").stdout
    told = tell(run("rs", "set", "tube", "--scope", "read=GET:/result", "--freshness", "--json"))
    (row,) = told["provision_again"]
    assert (row["rs_id"], row["because"]) == ("tube", ["scopes", "freshness"])
    assert row["exported"].endswith("Z")
    done = run("rs", "set", "tube", "--no-freshness")
    assert "tube needs `holdfast device provision` again (scopes);" in done.stdout
    run("rs", "export", "tube", "--out", tmp_path / "second")
    assert tell(run("rs", "set", "tube", "--lifetime", "60", "--json"))["provision_again"] == []
    first, second = (decode_provisioning((tmp_path / name).read_bytes()) for name in ("first", "second"))
    assert [key.material.reveal() for key in first.keys] == [key.material.reveal() for key in second.keys]


def test_a_device_that_holds_no_key_of_today_is_named(ward, tmp_path):
    run = ward
    run("rs", "export", "tube", "--out", tmp_path / "tube")
    run("key", "rotate")
    assert (
        tell(run("rs", "set", "tube", "--lifetime", "60", "--json"))["provision_again"] == []
    )  # it holds the next one
    run("key", "rotate", "--force")
    assert tell(run("rs", "set", "tube", "--lifetime", "90", "--json"))["provision_again"][0]["because"] == ["keys"]


def test_rights_of_people_and_apps_need_no_device(ward, tmp_path):
    ward("rs", "export", "tube", "--out", tmp_path / "tube")
    assert "No device needs to be provisioned again." in ward("client", "deny", "meter", "tube=read").stdout


# --- what ends ---


def test_who_narrows_learns_what_a_device_may_still_take_and_until_when(ward, state):
    token = issue(state)
    done = tell(ward("client", "deny", "meter", "tube=calibrate", "--json"))
    assert done["tokens_revoked"] == [token.token_id]
    (row,) = done["still_taken"]
    assert row == {"audience": "tube", "tokens": [token.token_id], "until": when(token.expires_at), "exi_s": 3600}
    assert tell(ward("token", "list", "--json"))[0]["state"] == "revoked"


def interrupt(monkeypatch, run, *argv):
    """Run a command that is interrupted after its first step."""
    with monkeypatch.context() as patch:
        patch.setattr(taking_command, "go_through", lambda steps: None)
        patch.setattr(change_command, "go_through", lambda steps: None)
        patch.setattr(token_command, "go_through", next)
        run(*argv)


@pytest.mark.parametrize(
    ("narrower", "wider"),
    [
        (["client", "deny", "meter", "tube=calibrate"], ["client", "allow", "meter", "tube=calibrate"]),
        (["rs", "set", "tube", "--audience", "attic"], ["rs", "set", "tube", "--audience", "tube"]),
        (
            ["client", "set", "meter", "--grant", "token_exchange"],
            ["client", "set", "meter", "--grant", "client_credentials"],
        ),
    ],
)
def test_what_an_interrupted_change_took_no_other_change_gives_back(ward, state, monkeypatch, narrower, wider):
    issue(state)
    interrupt(monkeypatch, ward, *narrower)
    assert tell(ward("token", "list", "--json"))[0]["state"] == "live"  # its row, though it is worth nothing
    ward(*wider)
    assert tell(ward("token", "list", "--json"))[0]["state"] == "revoked"


@pytest.fixture
def interrupted(ward, state, monkeypatch):
    """The number of a token whose revocation, with that of the STEP + 30 exchanged for it, was interrupted."""
    token = issue(state)
    with opened(state) as admin, admin.store.transaction():
        for number in range(STEP + 30):
            admin.store.add_token(replace(token, token_hash=b"%032d" % number, parent_id=token.token_id))
    interrupt(monkeypatch, ward, "token", "revoke", str(token.token_id))
    return token.token_id


def left_of(state, token_id):
    with opened(state) as admin:
        return len(admin.store.live_family(token_id))


def test_a_revocation_that_was_interrupted_is_finished_by_saying_it_again(ward, state, interrupted):
    assert left_of(state, interrupted) == 30
    done = ward("token", "revoke", str(interrupted))
    assert done.stdout.splitlines()[0].endswith(" and 10 more.")
    assert "30 of them" in done.stdout
    assert left_of(state, interrupted) == 0
    assert "There is no live token" in ward("token", "revoke", str(interrupted), code=2).stderr


def test_a_server_finishes_a_revocation_that_was_interrupted(state, interrupted):
    assert left_of(state, interrupted) == 30
    with serving(state):
        asyncio.run(until(lambda: left_of(state, interrupted) == 0))


def test_a_token_of_which_everything_is_still_allowed_stays(ward, state):
    issue(state, "read")
    assert tell(ward("client", "deny", "meter", "tube=calibrate", "--json"))["tokens_revoked"] == []
    assert tell(ward("token", "list", "--json"))[0]["state"] == "live"


@pytest.mark.parametrize(
    "argv",
    [
        ["token", "revoke", "1"],
        ["client", "disable", "meter"],
        ["rs", "disable", "tube"],
        ["client", "remove", "meter", "--yes"],
        ["rs", "remove", "tube", "--yes"],
        ["client", "set", "meter", "--grant", "token_exchange"],
        ["rs", "set", "tube", "--remove-scope", "calibrate"],
    ],
)
def test_whatever_takes_a_token_away_says_until_when_its_device_may_take_it(ward, state, argv):
    token = issue(state)
    done = ward(*argv)
    assert f"may still take token 1 until {when(token.expires_at)}" in done.stdout
    assert "without a clock for 1 hour from the first use" in done.stdout


def test_a_reference_token_ends_here(ward, state):
    ward("rs", "set", "tube", "--connected", "--format", "reference", "--exi", "0")
    issue(state)
    assert tell(ward("token", "revoke", "1", "--json")) == {"revoked": [1], "still_taken": []}


# --- asking first ---


@pytest.mark.parametrize("argv", [["client", "remove", "meter"], ["rs", "remove", "tube"]])
def test_a_removal_wants_yes_where_nobody_can_be_asked(ward, argv):
    assert "say --yes" in ward(*argv, code=2).stderr
    assert len(tell(ward(argv[0], "list", "--json"))) == 1
    assert tell(ward(*argv, "--yes", "--json"))["removed"] is True
    assert tell(ward(argv[0], "list", "--json")) == []


def test_a_removal_of_what_is_not_there_asks_nothing(ward):
    assert "There is no client nobody" in ward("client", "remove", "nobody", code=2).stderr


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_a_removal_asks_on_a_terminal(ward, state, monkeypatch, answer, left):
    monkeypatch.setattr(taking_command, "is_terminal", lambda: True)
    done = CliRunner().invoke(group, ["client", "remove", "meter", "--state", str(state)], input=answer)
    assert "Remove meter? Its secret" in done.stderr
    assert done.exit_code == (1 if left else 0)
    assert len(tell(ward("client", "list", "--json"))) == left


# --- time of a device ---


def test_an_offline_device_counts_from_first_use_unless_it_has_another_idea_of_time(run):
    def added(*more):
        done = run("rs", "add", "tube", "--scope", "read=GET:/r", "--lifetime", "600", "--json", *more)
        run("rs", "remove", "tube", "--yes")
        return tell(done), done.stderr

    words, said = added()
    assert (words["exi_s"], words["connected"], said) == (600, False, "")
    for more in (["--clock"], ["--freshness"], ["--clock", "--freshness"]):
        words, said = added(*more)
        assert (words["exi_s"], said) == (0, "")
        assert (words["clock"], words["freshness"]) == ("--clock" in more, "--freshness" in more)
    words, said = added("--exi", "0")
    assert words["exi_s"] == 0
    assert "Warning: tube has neither --exi, nor --freshness, nor --clock" in said
    assert added("--connected")[1] == ""
    assert added("--format", "reference")[0]["exi_s"] == 0


def test_a_device_is_told_that_it_must_ask_for_freshness(ward, tmp_path):
    ward("rs", "set", "tube", "--freshness")
    ward("rs", "export", "tube", "--out", tmp_path / "tube")
    assert decode_provisioning((tmp_path / "tube").read_bytes()).rs.freshness is True
    assert "Warning" in ward("rs", "set", "tube", "--no-freshness", "--exi", "0").stderr


# --- set ---


def test_everything_that_add_takes_can_be_set(ward):
    run = ward
    told = tell(
        run(
            *("client", "set", "meter", "--grant", "authorization_code", "--grant", "client_credentials"),
            *("--redirect-uri", "https://app.example/cb", "--title", "Ward meter", "--no-secret", "--json"),
        )
    )
    assert told["grants"] == ["authorization_code", "client_credentials"]
    assert (told["redirect_uris"], told["title"], told["secret"]) == (["https://app.example/cb"], "Ward meter", False)
    told = tell(
        run(
            *("rs", "set", "tube", "--audience", "tube_7", "--remove-scope", "calibrate", "--scope", "look=GET:/look"),
            *("--format", "cwt-encrypted", "--lifetime", "60", "--exi", "30", "--clock", "--connected"),
            *("--title", "Tube 7", "--scope-title", "look=Look inside", "--client", "meter", "--json"),
        )
    )
    assert told["audiences"] == ["tube_7"]
    assert set(told["scopes"]) == {"read", "look"}
    assert told["scope_titles"] == {"look": "Look inside"}
    assert (told["format"], told["lifetime_s"], told["exi_s"], told["clock"]) == ("cwt-encrypted", 60, 30, True)
    assert (told["connected"], told["title"]) == (True, "Tube 7")
    assert "is a client too is connected" in run("rs", "set", "tube", "--disconnected", code=2).stderr
    run("user", "add", "chief", "--generate")
    assert tell(run("user", "set", "chief", "--admin", "--json"))["allowed"] == {"holdfast:server": ["admin"]}
    assert tell(run("user", "set", "chief", "--no-admin", "--json"))["allowed"] == {}


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_an_export_that_stops_a_device_asks_on_a_terminal(ward, state, tmp_path, monkeypatch, answer, code):
    ward("rs", "set", "tube", "--connected")
    ward("rs", "export", "tube", "--out", tmp_path / "first")
    monkeypatch.setattr(taking_command, "is_terminal", lambda: True)
    argv = ["rs", "export", "tube", "--out", str(tmp_path / "second"), "--state", str(state)]
    done = CliRunner().invoke(group, argv, input=answer)
    assert "stops working until it has the new file" in done.stderr
    assert (done.exit_code, (tmp_path / "second").exists()) == (code, code == 0)
    if code == 0:
        assert tell(ward("rs", "export", "tube", "--out", tmp_path / "third", "--yes", "--json"))["context"] is True


def test_what_a_person_has_approved_is_told(ward, state):
    ward("user", "add", "doctor", "--allow", "tube=read,calibrate", "--generate")
    assert ward("user", "consents", "doctor").stdout == "Nothing approved yet.\n"
    with opened(state) as admin, admin.store.transaction():
        for scope, now_s in (("read", 0), ("calibrate", 1)):
            admin.store.put_consent("doctor", "meter", "tube", scope, now_s)
    told = tell(ward("user", "consents", "doctor", "--json"))
    row = {"client": "meter", "audience": "tube", "scope": "calibrate", "approved": "1970-01-01T00:00:01Z"}
    assert told == [row]
    assert "There is no user nobody" in ward("user", "consents", "nobody", code=2).stderr
