"""The test-tube story, live: the EKG reads a tube that never talks to the AS (RFC 9200, disconnected flow; RFC 8693).

The tubes are MicroPython, as a process or on an emulated board, and run the device's files of the source tree.
"stand-in" is an EKG of our own with the EKG's credentials: it asks for what the EKG's program never would.
"""

import secrets
import time

from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info
from holdfast_core.coap_message import request
from holdfast_core.errors import HoldfastError
from holdfast_core.grant import Grant
from holdfast_core.moment import Moment
from holdfast_core.names import ACCESS_TOKEN_URN, TOKEN_EXCHANGE
from holdfast_core.provisioning import Provisioning
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.verifier import verify_token
from holdfast_device.client import AUTHZ_INFO_PATH
from holdfast_device.device import trust_of
from holdfast_device.token_response import TokenResponse
from holdfast_sim.attacks_shell import (
    Victim,
    call_code,
    code_of,
    flipped_bit,
    last_request,
    lost_answer,
    post_token,
    replayed_after_cut,
    replayed_post,
    replayed_request,
    still_lives,
    stolen_token,
    unprotected,
)
from holdfast_sim.doctor_shell import ask_token, doctors_token
from holdfast_sim.forgery import RANDOM_LEN, forged_token
from holdfast_sim.hub_story_shell import hub_fails, hub_is_hostile, line_is_down
from holdfast_sim.json_token import b64
from holdfast_sim.ladder import decoded
from holdfast_sim.stage_shell import Provisioned, Show, Stage, Stuck, nothing
from holdfast_sim.topology import (
    DOCTOR,
    DOCTOR_APP,
    EKG,
    EKG_PART,
    SHORT_LIFE_S,
    SPARE_TUBE,
    SPARE_TUBE_PART,
    TUBE,
    TUBE_PART,
)
from holdfast_sim.tubes_shell import AUTO, ON_THIS_MACHINE
from holdfast_sim.wire_shell import check_wire

RESULT = b"troponin negative"
SCOPE = "read_ekg read_result"


def run_tube(
    show: Show,
    provisioned: Provisioned = nothing,
    *,
    keep: bool = False,
    kind: str = ON_THIS_MACHINE,
    core: str = AUTO,
    hub: bool = False,
) -> Stage:
    """Play the story; returns the stage with its lines and checks, closed. Raises PartFailed.

    kind, core: what the tubes are (tubes_shell.py).
    """
    stage = Stage("tube", (TUBE_PART, SPARE_TUBE_PART, EKG_PART), show, provisioned, kind, core, hub)
    try:
        stage.start()
        try:
            _play(stage)
        except Stuck:
            stage.note("Without that, the story cannot go on.")
        stage.tell()
        check_wire(stage, DOCTOR, EKG, "read_ekg", "read_result", "calibrate", RESULT.decode())
        stage.check_parts()
    finally:
        stage.close(keep=keep)
    return stage


def _play(stage: Stage) -> None:
    stage.chapter("A stranger asks the tube")
    stage.note(f"The tubes are {stage.tubes.described}.")
    announced = stage.parts["tube"].announced
    happened = f"{announced.get('crypto')}, {announced.get('tokens')}"
    wanted = stage.tubes.announced
    stage.checks.same("tube: whose primitives it uses and who checks its tokens", "as asked for", wanted, happened)
    unprotected(stage, stage.app("nurse"), "tube", "/result", TUBE)
    stage.chapter("The doctor consents, and the app gets a token for the EKG")
    original, answer, _ = doctors_token(stage, SCOPE)
    _results(stage, original)
    subject = answer["access_token"]
    victim = _stand_in(stage, subject)
    _beyond(stage, victim, subject, answer)
    stage.chapter("The network loses and repeats")
    lost_answer(stage, victim)
    replayed_request(stage, victim)
    replayed_post(stage, victim)
    if stage.hub is not None:
        hub_fails(stage, victim)
    stage.chapter("A thief has the tube's token and not its key (RFC 9200 6.2)")
    stolen_token(stage, victim)
    _false_tokens(stage, victim, original)
    _power_cut(stage, victim)
    _expired(stage, subject)
    _revoked(stage, subject)
    if stage.hub is not None:
        line_is_down(stage)
        hub_is_hostile(stage)


def _results(stage: Stage, original: TokenResponse) -> None:
    """The doctor's request at the EKG, which becomes the EKG's request at the tube."""
    app, checks = stage.app("app"), stage.checks
    stage.chapter("The app posts its token to the EKG")
    peer = stage.fronts["EKG"].address
    session = stage.need(
        "EKG: session",
        "RFC 9203 4",
        lambda: app.run(app.client.open_session(peer, original), "The session with the EKG"),
    )
    stage.chapter("The app asks for results: the EKG exchanges the token (RFC 8693) and posts the new one to the tube")
    get = request(L.CODE_GET, "/results")
    read = stage.need(
        "EKG: result of the tube", "RFC 9200 5.10.2", lambda: app.run(session.request(get), "The results")
    )
    happened = f"{code_of(read)} {read.payload.decode(errors='replace')}".rstrip()
    checks.hold(
        "EKG: result of the tube",
        "RFC 9200 5.10.2, RFC 8693",
        f"2.05 {RESULT.decode()}",
        happened,
        ok=(read.code, read.payload) == (L.CODE_CONTENT, RESULT),
    )
    if read.code != L.CODE_CONTENT:
        raise Stuck
    _in_the_token(stage, original)
    stage.chapter("The app asks again: the EKG still has its session with the tube")
    mark = stage.recorder.mark()
    code = app.outcome(session.request(get), "The results again")
    asked = len(stage.recorder.datagrams("EKG", "AS", mark))
    checks.same("EKG: second result without the AS", "RFC 9200 5.8", "2.05, 0 datagrams", f"{code}, {asked} datagrams")


def _in_the_token(stage: Stage, original: TokenResponse) -> None:
    """Open the token that the tap saw with the tube's keys, and look at what the AS said in it."""
    token = _posted_token(stage)
    try:
        grant = open_with(stage.device_files["tube"], token)
    except HoldfastError as error:
        stage.checks.hold("tube's token: opens with the tube's keys", "RFC 8392 A.7", "it does", str(error), ok=False)
        return
    if grant.cnf.osc is not None:
        stage.secrets["PoP key of the EKG at the tube"] = grant.cnf.osc.ms.reveal()
    actor = (grant.act or {}).get(L.CLAIM_SUB)
    stage.checks.same(
        "tube's token: who acts for whom", "RFC 8693 4.1", f"{EKG} for {DOCTOR}", f"{actor} for {grant.sub}"
    )
    happened = f"{grant.format}, {grant.scope!s}"
    stage.checks.same("tube's token: no more than the tube's part", "RFC 8693 2.1", "cwt-nested, read_result", happened)
    latest_s = int(time.time()) + (original.ends_ms - time.monotonic_ns() // 1_000_000) // 1000 + 1
    over = (grant.exp or latest_s + 1) - latest_s
    stage.checks.hold(
        "tube's token: ends with the doctor's",
        "RFC 8693 1.1",
        "not later than the doctor's token",
        f"{over} s later" if over > 0 else "not later",
        ok=over <= 0,
    )


def _posted_token(stage: Stage) -> bytes:
    """The token in the EKG's post to the tube, as the tap saw it."""
    for datagram in stage.recorder.datagrams("EKG", "tube"):
        message = decoded(datagram.octets)
        if message is not None and message.code == L.CODE_POST and message.path() == AUTHZ_INFO_PATH:
            return decode_authz_info(message.payload).access_token
    raise Stuck


def open_with(device: Provisioning, token: bytes) -> Grant:
    """Verify a token as the device of this provisioning would. Raises Malformed, TokenRejected."""
    assert device.rs is not None  # noqa: S101 - tubes are RSs
    scopes = ScopeMap(dict(device.rs.scopes))
    rules = Rules(device.rs.audiences, trust_of(device), scopes, device.rs.formats, rs_id=device.rs.rs_id)
    return verify_token(token, rules, Moment(int(time.time()), exi_floor=-1))


# --- the stand-in ---


def exchange_form(stage: Stage, subject: str, scope: str, audience: str = TUBE, client: str = EKG) -> dict[str, str]:
    """A token exchange over HTTPS with the credentials of a client (RFC 8693 section 2.1)."""
    return {
        "grant_type": TOKEN_EXCHANGE,
        "client_id": client,
        "client_secret": stage.credentials[client],
        "subject_token": subject,
        "subject_token_type": ACCESS_TOKEN_URN,
        "audience": audience,
        "scope": scope,
        "ace_profile": "",
    }


def _stand_in(stage: Stage, subject: str) -> Victim:
    stage.chapter("An EKG of our own, with the EKG's credentials, gets its token over HTTPS and reads the tube")
    app, peer = stage.app("stand-in"), stage.fronts["tube"].address
    token, _ = ask_token(stage, exchange_form(stage, subject, "read_result"), "stand-in")
    session = stage.need(
        "tube: session",
        "RFC 9203 4",
        lambda: app.run(app.client.open_session(peer, token), "The session with the tube"),
    )
    code = app.outcome(session.request(request(L.CODE_GET, "/result")), "Reading the tube")
    stage.checks.same("tube: the EKG's request", "RFC 9200 5.10.2", "2.05", code)
    return Victim("tube", "/result", token, session, app)


def _beyond(stage: Stage, victim: Victim, subject: str, answer: dict[str, str]) -> None:
    stage.chapter("Neither the tube nor the AS gives more than the doctor had")
    app, session, checks = victim.app, victim.session, stage.checks
    put = request(L.CODE_PUT, "/calibration", b"9.9")
    checks.same("tube: resource outside the scope", "RFC 9200 5.10.2", "4.03", app.outcome(session.request(put), "PUT"))
    put = request(L.CODE_PUT, "/result", b"positive")
    checks.same("tube: method outside the scope", "RFC 9200 5.10.2", "4.05", app.outcome(session.request(put), "PUT"))
    refusals = {
        "more than the doctor's token": (exchange_form(stage, subject, "read_result calibrate"), "invalid_scope"),
        "a token that nobody issued": (exchange_form(stage, b64(bytes(16)), "read_result"), "invalid_request"),
        "by a client that may not": (
            exchange_form(stage, answer["access_token"], "read_result", client=DOCTOR_APP),
            "unauthorized_client",
        ),
    }
    for words, (form, expected) in refusals.items():
        _, refused = stage.web.post("/token", form, "stand-in")
        checks.same(f"AS: exchange, {words}", "RFC 8693 2.2.2, RFC 6749 5.2", expected, refused.get("error", "a token"))


def _false_tokens(stage: Stage, victim: Victim, original: TokenResponse) -> None:
    stage.chapter("Tokens that are not what they seem")
    nurse, rogue, checks = stage.app("nurse"), stage.app("rogue"), stage.checks
    token = victim.token.access_token.reveal()
    tube, spare, ekg = (stage.fronts[who].address for who in ("tube", "spare tube", "EKG"))
    flipped_bit(stage, nurse, "tube", token, "4.01", "RFC 9200 5.10.1.1 (protection does not verify)")
    section = "RFC 9200 5.10.1.1 (it cannot be decrypted: each tube has its own key)"
    checks.same("tube's token at the spare tube", section, "4.01", code_of(post_token(nurse, spare, token)))
    section = "RFC 9200 5.10.1.1 (no key of the EKG's opens it)"
    checks.same("tube's token at the EKG", section, "4.01", code_of(post_token(nurse, ekg, token)))
    handle = original.access_token.reveal()
    section = "RFC 9200 5.10.1.1 (it does not parse: no claims can be obtained)"
    checks.same("EKG's token at the tube", section, "4.00", code_of(post_token(nurse, tube, handle)))
    forged = forged_token(stage.device_files["tube"], "calibrate", int(time.time()), secrets.token_bytes(RANDOM_LEN))
    section = "RFC 9200 5.10.1.1, 6.1 (signed by another AS, encrypted with a stolen tube's key)"
    checks.same("tube: token of a rogue AS", section, "4.01", code_of(post_token(rogue, tube, forged)))


def _power_cut(stage: Stage, victim: Victim) -> None:
    stage.chapter("The tube loses power and comes back with what its flash has kept")
    app, peer = victim.app, stage.fronts["tube"].address
    asked = last_request(stage, victim)
    stage.parts["tube"].kill()
    stage.note("The tube is killed, and started again.")
    stage.start_device(TUBE_PART)
    code = call_code(app, peer, request(L.CODE_GET, "/result"), victim.session.context)
    section = "RFC 8613 8.2 (security context not found)"
    stage.checks.same("tube: old session after a power cut", section, "4.01", code)
    replayed_after_cut(stage, victim, asked)
    session = stage.need(
        "tube: token posted again after a power cut",
        "RFC 9203 4.1, 6",
        lambda: app.run(app.client.open_session(peer, victim.token), "The session after the cut"),
    )
    again = Victim(victim.who, victim.path, victim.token, session, app)
    still_lives(stage, again, "tube: new session after a power cut")
    replayed_post(stage, again, " after a power cut")


def _expired(stage: Stage, subject: str) -> None:
    stage.chapter(f"A token for the spare tube lives {SHORT_LIFE_S} s (RFC 9200 5.10.3)")
    app, peer, checks = stage.app("nurse"), stage.fronts["spare tube"].address, stage.checks
    token, _ = ask_token(stage, exchange_form(stage, subject, "read_result", SPARE_TUBE), "nurse")
    session = stage.need(
        "spare tube: session",
        "RFC 9203 4",
        lambda: app.run(app.client.open_session(peer, token), "The spare tube's session"),
    )
    get = request(L.CODE_GET, "/result")
    checks.same(
        "spare tube: while the token lives", "RFC 9200 5.10.2", "2.05", call_code(app, peer, get, session.context)
    )
    # An emulated board's clock falls behind this machine's where that has other things to do.
    time.sleep(max(0.0, token.ends_ms / 1000 - time.monotonic()) + 3)
    code = call_code(app, peer, get, session.context)
    checks.same("spare tube: request after the token's end", "RFC 9200 5.10.3", "4.01", code)
    code = code_of(post_token(app, peer, token.access_token.reveal()))
    checks.same("spare tube: expired token posted", "RFC 9200 5.10.1.1", "4.01", code)


def _revoked(stage: Stage, subject: str) -> None:
    stage.chapter("The doctor's app gives its token back; nothing more is exchanged for it (RFC 7009, RFC 8693)")
    form = {"token": subject, "client_id": DOCTOR_APP, "client_secret": stage.credentials[DOCTOR_APP]}
    status, _ = stage.web.post("/revoke", form)
    stage.checks.same("AS: revocation", "RFC 7009 2.2", "200", str(status))
    _, refused = stage.web.post("/token", exchange_form(stage, subject, "read_result"), "stand-in")
    section = "RFC 8693 2.2.2, RFC 7009"
    stage.checks.same("AS: exchange, a revoked token", section, "invalid_request", refused.get("error", "a token"))
    stage.note("The tube is offline: a token that it has already ends at its exp, so such tokens live short.")
