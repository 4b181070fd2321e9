"""A server whose clock lies: what it refuses, what it keeps, what it says, and how it comes back."""

import time

import httpx
import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.oscore import SecurityContext
from holdfast_server.authz.authorization_server import AuthorizationServer
from holdfast_server.authz.clock_guard import AHEAD, BEHIND, CATCH_UP, SETTLE_S
from holdfast_server.authz.errors import CodeReplayed, ServiceUnavailable
from holdfast_server.cli.serve import DAY_S, sweep_by
from holdfast_server.coap.site import CoapSite
from holdfast_server.process.clock_watch import WatchedClock
from holdfast_server.store.sqlite import Store
from testkit.authz import NOW_S, CountingRng, code_params
from testkit.serve import holdfast, serving
from testkit.web import opened_web

YEAR_S = 365 * DAY_S


class Watched:
    """The story's server behind a watched clock. wall_s, counting_ms: what its two clocks say."""

    def __init__(self, story):
        self.story = story
        self.wall_s = NOW_S
        self.counting_ms = 5_000
        story.store.keep_clock(NOW_S, NOW_S, 0)
        self.start()

    def start(self):
        """Start, or start again: what was not kept is forgotten."""
        self.clock = WatchedClock(self.story.store, self.story.settings, self.wall, lambda: int(self.counting_ms))
        self.server = AuthorizationServer(
            self.story.store, self.story.keyring, self.story.settings, CountingRng(b"again"), self.clock.guard
        )

    def wall(self):
        return int(self.wall_s)

    def wait(self, seconds):
        """Let time pass on both clocks, watching and sweeping as a server does."""
        for _ in range(4):
            self.wall_s += seconds / 4
            self.counting_ms += seconds * 250
            self.clock.watch()
            while sweep_by(self.clock.guard, self.story.store, 365):
                pass

    def jump(self, seconds):
        self.wall_s += seconds
        self.wait(0)

    def token(self, code):
        return self.server.token(code_params(code), self.story.doctor_app, self.clock.now_s())

    def rows(self):
        return [(row.event, row.reason) for row in self.story.store.audit_rows(10_000) if row.event.startswith("clock")]


@pytest.fixture
def watched(story):
    made = Watched(story)
    made.wait(SETTLE_S)
    return made


@pytest.mark.parametrize(("jump_s", "doubt"), [(2 * YEAR_S, AHEAD), (-200 * DAY_S, BEHIND), (DAY_S, AHEAD)])
def test_after_a_jump_nothing_is_issued_or_swept_until_the_clock_agrees_again(watched, jump_s, doubt):
    story = watched.story
    used, fresh = story.code(now_s=watched.clock.now_s()), story.code(now_s=watched.clock.now_s())
    token = watched.token(used)["access_token"]
    before = (len(story.store.audit_rows(10_000)), len(story.store.tokens()))
    watched.jump(jump_s)
    watched.wait(60)
    for refused in (
        lambda: watched.token(fresh),
        lambda: watched.server.introspect({"token": token}, story.ekg, watched.clock.now_s()),
    ):
        with pytest.raises(ServiceUnavailable, match=doubt):
            refused()
    assert len(story.store.tokens()) == before[1]
    assert watched.rows() == [("clock-doubted", doubt)]
    assert len(story.store.audit_rows(10_000)) == before[0] + 1
    watched.jump(-jump_s)
    assert watched.rows() == [("clock-agrees", ""), ("clock-doubted", doubt)]
    assert watched.token(fresh)["access_token"]
    with pytest.raises(CodeReplayed):
        watched.token(used)
    assert not watched.server.introspect({"token": token}, story.ekg, watched.clock.now_s())["active"]


def test_in_doubt_a_token_can_be_withdrawn_and_is_when_time_is_right_again(watched):
    token = watched.token(watched.story.code(now_s=watched.clock.now_s()))["access_token"]
    watched.jump(2 * YEAR_S)
    watched.server.revoke({"token": token}, watched.story.doctor_app, watched.clock.now_s())
    watched.jump(-2 * YEAR_S)
    assert not watched.server.introspect({"token": token}, watched.story.ekg, watched.clock.now_s())["active"]
    assert all(abs(row.at - NOW_S) < DAY_S for row in watched.story.store.audit_rows(10_000))


def test_over_coap_a_doubt_is_5_03(watched):
    watched.jump(2 * YEAR_S)
    opened = SecurityContext(b"m" * 16, b"", b"AS", b"\x01")
    opened.owner = watched.story.ekg
    asked = request(L.CODE_POST, "/token", b"\xa0", L.CF_ACE_CBOR)
    answer = CoapSite(watched.server).answer(asked, opened, watched.clock.now_s())
    assert answer.code == L.CODE_SERVICE_UNAVAILABLE


def test_a_start_with_a_clock_that_is_ahead_by_months_issues_and_deletes_next_to_nothing(watched):
    for age in range(365):
        watched.story.store.audit(NOW_S - age * DAY_S, "old")
    watched.clock.keep()
    watched.wall_s += 90 * DAY_S
    watched.start()
    watched.wait(600)
    assert watched.token(watched.story.code(now_s=watched.clock.now_s()))
    rows = [row for row in watched.story.store.audit_rows(10_000) if row.event == "old"]
    assert len(rows) >= 364  # ten minutes may cost what is CATCH_UP times ten minutes older than a year
    assert CATCH_UP * 600 < DAY_S


def test_the_operators_word_is_learnt_and_only_for_the_clock_that_was_accepted(watched):
    watched.jump(2 * YEAR_S)
    watched.story.store.accept_clock(NOW_S)
    watched.wait(10)
    assert watched.clock.guard.doubt == AHEAD
    watched.story.store.accept_clock(int(watched.wall_s))
    watched.wait(10)
    assert watched.clock.guard.doubt == ""
    assert watched.token(watched.story.code(now_s=watched.clock.now_s()))
    watched.start()
    assert watched.clock.guard.doubt == ""
    watched.jump(-2 * YEAR_S)
    assert watched.clock.guard.doubt == BEHIND


def test_nobody_logs_in_by_a_clock_in_doubt(tmp_path):
    with opened_web(tmp_path / "state") as web:
        clock = Watched(web.story).clock
        web.story.server._clock = clock.guard
        browser = web.browser()
        page = browser.authorize()
        clock.guard.doubt = AHEAD
        assert browser.log_in(page).status_code == 503
        clock.guard.doubt = ""
        assert browser.log_in(page).status_code == 200


def test_a_clock_that_is_set_back_locks_nobody_out(tmp_path):
    with opened_web(tmp_path / "state") as web:
        web.browser().consent_page()
        web.now_s -= 1_000
        assert "Allow access?" in web.browser().consent_page().text


def test_a_served_clock_that_was_two_years_off_is_accepted_by_a_command(state, run):
    run("rs", "add", "ekg", "--scope", "read=GET:/ekg")
    with Store(state) as store:
        kept = store.kept_clock()
        store.keep_clock(kept.seen_s - 2 * YEAR_S, kept.swept_s - 2 * YEAR_S, 0)
    assert AHEAD in run("check", code=1).stdout
    assert AHEAD in run("rs", "export", "ekg", "--out", state.parent / "x", code=2).stderr
    assert AHEAD in run("clock", "show").stdout
    said = run("clock", "accept").stdout
    assert "730 days" in said
    assert run("check").returncode == 0
    run("rs", "export", "ekg", "--out", state.parent / "x")
    assert "clock-accepted" in run("audit").stdout


def test_a_running_server_says_why_it_is_not_ready_and_goes_on_once_its_clock_is_accepted(state):
    with Store(state) as store:
        kept = store.kept_clock()
        store.keep_clock(kept.seen_s + DAY_S, kept.swept_s, 0)
    with serving(state) as process, httpx.Client(base_url=f"http://127.0.0.1:{process.ready['http']}") as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, f"not ready: {BEHIND}\n")
        assert holdfast("clock", "accept", "--state", state).returncode == 0
        until = time.monotonic() + 20
        while client.get("/readyz").status_code != 200 and time.monotonic() < until:
            time.sleep(0.1)
        assert client.get("/readyz").text == "ready\n"
