"""What a hub adds to a story: it is killed, its disk fills, a line is down for an hour, and it is hostile.

The first two happen to the real process. The hour, and a year, are virtual time (virtual_shell.py). Checks say what the
two ends see, for neither of them trusts the hub.
"""

import resource
import secrets

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import code_text, decode, request
from holdfast_core.errors import HoldfastError
from holdfast_device.client import ClientSession
from holdfast_device.endpoint import RequestFailed
from holdfast_device.later import Ticket, ask_later, open_later
from holdfast_device.token_response import TokenResponse
from holdfast_sim.app_shell import App, reason_of
from holdfast_sim.attacks_shell import Victim, still_lives
from holdfast_sim.doctor_shell import ask_token
from holdfast_sim.hostile import Hostile, forged, readdressed, renumbered
from holdfast_sim.hub_shell import HUB, SLEEPER
from holdfast_sim.stage_shell import Stage
from holdfast_sim.topology import NIGHT_MONITOR, SLEEPER_LIFE_S, SLEEPING_TUBE
from holdfast_sim.virtual_shell import HUB_ADDRESS, RESULT, HubCore, Steps, Ward

BROUGHT_S, HOUR_S, YEAR_S = 10, 3600, 365 * 86400
NO_LIMIT = 1 << 40
TRIES = 20  # a hub whose disk was full tries it again after a second
WAITS = "it waits"
GET = "/result"


def hub_fails(stage: Stage, victim: Victim) -> None:
    """The hub is killed, and then its disk is full: what it has said holds, and what it cannot keep it refuses."""
    assert stage.hub is not None  # noqa: S101 - the story has looked
    checks, app = stage.checks, stage.app("monitor")
    stage.chapter("The hub is killed while a token waits in it for a tube that sleeps")
    token, _ = ask_token(stage, _night_form(stage), "monitor")
    ticket = stage.need("hub: a token for a tube that sleeps", "RFC 7252 5.9.3.4", lambda: _leave(stage, app, token))
    checks.same("hub: a token for a tube that sleeps", "RFC 7252 5.9.3.4", WAITS, _collected(app, ticket))
    stage.parts[HUB].kill()
    stage.start_hub()
    stage.note("The hub is killed, and started again.")
    checks.same("hub: what it kept when it was killed", "RFC 7252 5.9.3.4", WAITS, _collected(app, ticket))
    still_lives(stage, victim, f"{victim.who}: the session lives on when the hub is killed")
    stage.chapter("The disk of the hub is full")
    pid = stage.parts[HUB].pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, NO_LIMIT))
    happened = "ready" if stage.hub.is_ready() else "not ready"
    checks.same("hub: full disk", "a health check writes", "not ready", happened)
    checks.same("hub: what it cannot keep", "RFC 7252 5.9.3.4", "5.03, no location", _refusal(stage, app, token))
    still_lives(stage, victim, f"{victim.who}: the session lives on while the hub's disk is full")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (NO_LIMIT, NO_LIMIT))
    happened = "ready" if any(stage.hub.is_ready() for _ in range(TRIES)) else "not ready"
    checks.same("hub: room on the disk again", "a health check writes", "ready", happened)
    checks.same("hub: what it kept before", "RFC 7252 5.9.3.4", WAITS, _collected(app, ticket))


def line_is_down(stage: Stage) -> None:
    """The line to a tube is down for an hour, twice, and for longer than a token lives."""
    stage.chapter("The line to a tube is down for an hour (virtual time), and the hub is started again meanwhile")
    checks, key = stage.checks, secrets.token_bytes(32)
    ward, directory = _ward(stage, "line"), stage.directory / "line-spool"
    hub = ward.way = HubCore(directory, key, ward.now)
    token, _ = ask_token(stage, _night_form(stage), "monitor")
    hub.line(up=False)
    ticket = ward.run(open_later(ward.client, HUB_ADDRESS, token))
    ward.pass_s(HOUR_S)
    checks.same("line down: a token that was sent ahead", "RFC 7252 5.9.3.4", WAITS, _told(ward, ticket.collect()))
    _line_up(ward, hub)
    session = stage.need("line up again: session", "RFC 9203 4", lambda: _session(ward, ticket))
    hub.line(up=False)
    ticket = ward.run(ask_later(session, request(L.CODE_GET, GET)))
    ward.pass_s(HOUR_S)
    hub.spool.close()
    stage.note("An hour has passed. The hub is started again with what is on its disk.")
    hub = ward.way = HubCore(directory, key, ward.now)
    _line_up(ward, hub)
    happened = f"{_told(ward, ticket.collect())}, read {ward.reads} times"
    wanted = f"2.05 {RESULT.decode()}, read 1 times"
    checks.same("line up again: the answer to a request of an hour ago", "RFC 8613 8.4", wanted, happened)
    hub.line(up=False)
    ticket = ward.run(ask_later(session, request(L.CODE_GET, GET)))
    ward.pass_s(SLEEPER_LIFE_S)
    _line_up(ward, hub)
    happened = f"{_told(ward, ticket.collect())}, read {ward.reads} times"
    checks.same("line up again: the token is over", "RFC 9200 5.10.3", "session-lost, read 1 times", happened)
    hub.spool.close()


def hub_is_hostile(stage: Stage) -> None:
    """Whoever owns the hub tries what one can try without a key: no 2.xx that the tube's rules forbid."""
    stage.chapter("The hub is hostile: it replays, mixes, truncates, forges, and keeps for a year (virtual time)")
    ward = _ward(stage, "hostile")
    hub = ward.way = Hostile()
    token, _ = ask_token(stage, _night_form(stage), "monitor")
    session = ward.run(ward.client.open_session(HUB_ADDRESS, token))
    checks, get = stage.checks, request(L.CODE_GET, GET)

    def asked(name: str, section: str, wanted: str, reads: int) -> None:
        before = ward.reads
        happened = f"{_told(ward, session.request(get))}, read {ward.reads - before} times"
        checks.same(f"hostile hub: {name}", section, f"{wanted}, read {reads} times", happened)

    fine = f"2.05 {RESULT.decode()}"
    asked("nothing yet", "RFC 8613 8.2", fine, 1)
    hub.request = lambda octets: [octets, renumbered(octets)]
    asked("sends a request twice", "RFC 8613 7.4 (replay)", fine, 1)
    old_request, old_answer = hub.asked[-1], hub.answered[-2]
    hub.request = lambda octets: [renumbered(old_request), octets]
    asked("sends an old request first", "RFC 8613 7.4 (replay)", fine, 1)
    hub.request = lambda octets: [octets[:-1]]
    asked("truncates a request", "RFC 8613 8.2", "unprotected: 4.00", 0)
    hub.request = lambda octets: [octets]
    hub.answer = lambda _octets: [readdressed(old_answer, hub.asked[-1])]
    asked("answers with the answer to another request", "RFC 8613 8.4", "not-authentic", 1)
    hub.answer = lambda octets: [octets[:-1]]
    asked("truncates an answer", "RFC 8613 8.4", "not-authentic", 1)
    hub.answer = lambda _octets: [forged(hub.asked[-1], L.CODE_CONTENT, b"troponin positive")]
    asked("answers in the tube's place", "RFC 8613 8.4", "unprotected: 2.05", 1)
    hub.answer = lambda octets: [octets]
    asked("nothing any more", "RFC 8613 8.2", fine, 1)
    _forged_hints(stage, ward, hub)
    _kept_for_a_year(stage, ward, hub, session)


def _forged_hints(stage: Stage, ward: Ward, hub: Hostile) -> None:
    hints = cbor.encode({L.HINT_AS: "coap://203.0.113.1/token"})
    hub.answer = lambda _octets: [forged(hub.asked[-1], L.CODE_UNAUTHORIZED, hints, L.CF_ACE_CBOR)]
    happened = _told(ward, ward.client.ask_hints(HUB_ADDRESS, GET))
    stage.checks.same("hostile hub: names an AS of its own", "RFC 9200 6.9", "wrong-as", happened)
    hub.answer = lambda octets: [octets]


def _kept_for_a_year(stage: Stage, ward: Ward, hub: Hostile, session: ClientSession) -> None:
    before = ward.reads
    hub.request = lambda _octets: []
    happened = _told(ward, session.request(request(L.CODE_GET, GET)))
    stage.checks.same("hostile hub: keeps a request: the client sees it", "RFC 7252 4.2", "timeout", happened)
    ward.leap_s(YEAR_S)
    hub.answered.clear()
    hub.say_to_tube(hub.asked[-1])
    ward.pass_s(1)
    codes = ", ".join(code_text(decode(octets).code) for octets in hub.answered)
    happened = f"{codes}, read {ward.reads - before} times"
    stage.checks.same("hostile hub: brings it after a year", "RFC 9200 5.10.3", "4.01, read 0 times", happened)


def _line_up(ward: Ward, hub: HubCore) -> None:
    """The line is back: what waits is brought in moments."""
    hub.line(up=True)
    ward.pass_s(BROUGHT_S)


# --- the client of the night ---


def _night_form(stage: Stage) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": NIGHT_MONITOR,
        "client_secret": stage.credentials[NIGHT_MONITOR],
        "audience": SLEEPING_TUBE,
        "scope": "read_result",
        "ace_profile": "",
    }


def _leave(stage: Stage, app: App, token: TokenResponse) -> Ticket:
    left: Ticket = app.run(open_later(app.client, stage.fronts[SLEEPER].address, token), "Leaving a token")
    return left


def _refusal(stage: Stage, app: App, token: TokenResponse) -> str:
    try:
        _leave(stage, app, token)
    except HoldfastError as error:
        return f"{reason_of(error)}, no location"
    return WAITS


def _collected(app: App, ticket: Ticket) -> str:
    try:
        answer = app.run(ticket.collect(), "Collecting")
    except HoldfastError as error:
        return reason_of(error)
    return WAITS if answer is None else "it was answered"


def _ward(stage: Stage, name: str) -> Ward:
    """A tube that has just been provisioned: nothing of an earlier chapter's is in its flash."""
    return Ward(stage.directory / name, stage.provisioned_file(SLEEPING_TUBE, name), stage.as_uri)


def _session(ward: Ward, ticket: Ticket) -> ClientSession:
    session = ward.run(ticket.collect())
    assert isinstance(session, ClientSession)  # noqa: S101 - what it collects when it is there
    return session


def _told(ward: Ward, steps: Steps) -> str:
    """What a task of the client in the ward comes to: a code and what was said, or the reason of its error."""
    try:
        answer = ward.run(steps)
    except RequestFailed as failed:
        return failed.why if failed.message is None else f"{failed.why}: {code_text(failed.message.code)}"
    except HoldfastError as error:
        return error.reason
    if answer is None:
        return WAITS
    payload = answer.payload.decode(errors="replace")
    return f"{code_text(answer.code)} {payload}".rstrip()
