"""The EKG story, live: a doctor reads an EKG machine, and everybody else does not (RFC 9200, connected flow).

Every step is real: the AS, the EKG and its twin are processes of their own, the app and the browser are in this one.
"""

import time

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.errors import HoldfastError
from holdfast_device.client import ClientSession
from holdfast_device.endpoint import Watch
from holdfast_device.token_response import TokenResponse
from holdfast_sim.app_shell import App, reason_of
from holdfast_sim.attacks_shell import (
    Victim,
    call_code,
    code_of,
    flipped_bit,
    lost_answer,
    post_token,
    replayed_post,
    replayed_request,
    stolen_token,
    unprotected,
)
from holdfast_sim.doctor_shell import Consent, ask_token, authorization_request, consent, doctors_token, token_form
from holdfast_sim.hub_story_shell import hub_fails
from holdfast_sim.json_token import b64
from holdfast_sim.stage_shell import Provisioned, Show, Stage, Stuck, nothing
from holdfast_sim.topology import DOCTOR_APP, EKG, EKG_PART, SHORT_LIFE_S, SPARE_EKG, SPARE_EKG_PART, WARD_MONITOR
from holdfast_sim.wire_shell import check_wire

BEATS = 2  # notifications to wait for; the EKG has a new one each second


def run_ekg(show: Show, provisioned: Provisioned = nothing, *, keep: bool = False, hub: bool = False) -> Stage:
    """Play the story; returns the stage with its lines and checks, closed. Raises PartFailed."""
    stage = Stage("ekg", (EKG_PART, SPARE_EKG_PART), show, provisioned, hub=hub)
    try:
        stage.start()
        try:
            _play(stage)
        except Stuck:
            stage.note("Without that, the story cannot go on.")
        stage.tell()
        check_wire(stage, "doctor", "read_ekg", "read_result")
        stage.check_parts()
    finally:
        stage.close(keep=keep)
    return stage


def _play(stage: Stage) -> None:
    victim, given = _doctor_reads(stage)
    _beyond_its_rights(stage, victim)
    _network(stage, victim)
    if stage.hub is not None:
        hub_fails(stage, victim)
    _strangers(stage, victim)
    _at_the_server(stage)
    _revoked(stage)
    _over_coap(stage)
    _code_twice(stage, victim, given)


def _doctor_reads(stage: Stage) -> tuple[Victim, Consent]:
    app, peer, checks = stage.app("app"), stage.fronts["EKG"].address, stage.checks
    stage.chapter("The app asks the EKG, which says where to get a token")
    unprotected(stage, app, "EKG", "/ekg", EKG)
    stage.chapter("The doctor logs in and consents (RFC 6749 section 4.1, RFC 7636 S256)")
    given = consent(stage, "read_ekg")
    ok = given.returned.get("state") == given.state and given.returned.get("iss") == stage.issuer
    checks.hold(
        "AS: consent brings code, state and iss back",
        "RFC 6749 4.1.2, RFC 9207",
        "the app's state, the AS's issuer",
        "they are" if ok else "they are not",
        ok=ok,
    )
    stage.chapter("The app gets a token by reference and the key that goes with it (RFC 9200 5.8, RFC 9203 3.2)")
    token, answer = ask_token(stage, token_form(stage, given))
    happened = f"{answer.get('token_type')}, {answer.get('ace_profile')}, cnf with {', '.join(answer.get('cnf', {}))}"
    checks.same("AS: token response", "RFC 9200 5.8.2, RFC 9203 3.2", "PoP, coap_oscore, cnf with osc", happened)
    stage.chapter("The app posts the token; the EKG asks the AS what it means (RFC 9200 5.10.1, 5.9)")
    session = stage.need(
        "EKG: session", "RFC 9203 4", lambda: app.run(app.client.open_session(peer, token), "The session with the EKG")
    )
    stage.chapter("The app reads the EKG inside OSCORE; its first request proves the key (RFC 9203 4.4)")
    beat = app.run(session.request(request(L.CODE_GET, "/ekg")), "Reading the EKG")
    checks.same("EKG: the doctor's request", "RFC 9200 5.10.2", "2.05", f"{code_of(beat)} {len(beat.payload)} B")
    _observe(stage, app, session)
    return Victim("EKG", "/ekg", token, session, app), given


def _observe(stage: Stage, app: App, session: ClientSession) -> None:
    watch = session.observe(request(L.CODE_GET, "/ekg"))
    beats = [app.next_of(watch, "Observing the EKG") for _ in range(BEATS + 1)]
    app.endpoint.unwatch(watch)
    app.outcome(session.request(request(L.CODE_GET, "/ekg")), "Reading after the observation")
    codes = {code_of(beat) for beat in beats}
    stage.checks.hold(
        "EKG: observation",
        "RFC 7641, RFC 8613 4.1.3.5",
        f"{BEATS + 1} times 2.05",
        f"{len(beats)} times {', '.join(sorted(codes))}",
        ok=codes == {"2.05"},
    )


def _beyond_its_rights(stage: Stage, victim: Victim) -> None:
    stage.chapter("The doctor's token does not reach further than its scope (RFC 9200 5.10.2)")
    app, session = victim.app, victim.session
    code = app.outcome(session.request(request(L.CODE_GET, "/results")), "Reading results")
    stage.checks.same("EKG: resource outside the scope", "RFC 9200 5.10.2", "4.03", code)
    code = app.outcome(session.request(request(L.CODE_PUT, "/ekg", b"\x00")), "Writing the EKG")
    stage.checks.same("EKG: method outside the scope", "RFC 9200 5.10.2", "4.05", code)


def _network(stage: Stage, victim: Victim) -> None:
    stage.chapter("The network loses and repeats")
    lost_answer(stage, victim)
    replayed_request(stage, victim)
    replayed_post(stage, victim)


def _strangers(stage: Stage, victim: Victim) -> None:
    stage.chapter("A thief has the token and not the key (RFC 9200 6.2)")
    stolen_token(stage, victim)
    stage.chapter("Tokens that are not what they seem")
    nurse = stage.app("nurse")
    flipped_bit(
        stage,
        nurse,
        "EKG",
        victim.token.access_token.reveal(),
        "4.00",
        "RFC 9200 5.10.1.1 (the AS does not know it: no claims can be obtained)",
    )
    answer = post_token(nurse, stage.fronts["spare EKG"].address, victim.token.access_token.reveal())
    section = "RFC 9200 5.10.1.1, 6.5 (the AS tells no RS about another's token: no claims can be obtained)"
    stage.checks.same("EKG's token at the spare EKG", section, "4.00", code_of(answer))


def _at_the_server(stage: Stage) -> None:
    stage.chapter("The AS gives nothing to clients that cannot show what they must")
    checks = stage.checks
    thief = stage.app("thief")
    ask = request(L.CODE_POST, "/token", b"\xa0", L.CF_ACE_CBOR)
    code = call_code(thief, stage.fronts["AS"].address, ask)
    checks.same("AS: token request without OSCORE", "RFC 9200 5.8, 6.1", "4.01", code)
    ask = request(L.CODE_POST, "/introspect", b"\xa0", L.CF_ACE_CBOR)
    code = call_code(thief, stage.fronts["AS"].address, ask)
    checks.same("AS: introspection without OSCORE", "RFC 9200 5.9", "4.01", code)
    given = consent(stage, "read_ekg")
    form = token_form(stage, given)
    _, answer = stage.web.post("/token", {**form, "code_verifier": "x" * 43}, "thief")
    checks.same("AS: code with a wrong verifier", "RFC 7636 4.6", "invalid_grant", answer.get("error", "a token"))
    _, answer = stage.web.post("/token", {**form, "client_secret": "guessed"}, "thief")
    checks.same("AS: code with a wrong client secret", "RFC 6749 5.2", "invalid_client", answer.get("error", "a token"))
    page = stage.web.authorize({**authorization_request("read_ekg", "s", "plain"), "code_challenge_method": "plain"})
    happened = (
        "invalid_request" if "error=invalid_request" in page.headers.get("location", "") else str(page.status_code)
    )
    checks.same("AS: PKCE without S256", "RFC 9700 2.1.1", "invalid_request", happened)
    elsewhere = {**authorization_request("read_ekg", "s", "x" * 43), "redirect_uri": "http://127.0.0.1:7777/back/.."}
    page = stage.web.authorize(elsewhere)
    happened = f"{page.status_code}, {'a redirect' if 'location' in page.headers else 'no redirect'}"
    checks.same("AS: redirect_uri that is not registered", "RFC 9700 2.1", "400, no redirect", happened)


def _revoked(stage: Stage) -> None:
    stage.chapter("The doctor's app gives a token back (RFC 7009)")
    token, answer, _ = doctors_token(stage, "read_ekg")
    nurse, peer = stage.app("nurse"), stage.fronts["EKG"].address
    form = {
        "token": answer["access_token"],
        "client_id": DOCTOR_APP,
        "client_secret": stage.credentials[DOCTOR_APP],
    }
    status, _ = stage.web.post("/revoke", form)
    stage.checks.same("AS: revocation", "RFC 7009 2.2", "200", str(status))
    code = code_of(post_token(nurse, peer, token.access_token.reveal()))
    section = "RFC 9200 5.10.1.1, 5.9.2 (active is false: no claims can be obtained)"
    stage.checks.same("EKG: revoked token", section, "4.00", code)


def _over_coap(stage: Stage) -> None:
    """A ward monitor, whose tokens come over CoAP and end while it watches: one is withdrawn, one expires."""
    title = "A ward monitor gets its token over CoAP and OSCORE (RFC 9200 5.8); it is withdrawn while it is used"
    stage.chapter(title)
    monitor, checks = stage.app("monitor", from_file=WARD_MONITOR), stage.checks
    token, session = _monitor_session(stage, monitor)
    watch = session.observe(request(L.CODE_GET, "/ekg"))
    beat = monitor.next_of(watch, "Observing the spare EKG")
    form = {"token": b64(token.access_token.reveal()), "client_id": WARD_MONITOR}
    stage.web.post("/revoke", {**form, "client_secret": stage.credentials[WARD_MONITOR]}, "monitor")
    codes = [code_of(beat), *_until_the_end(monitor, watch)]
    early = time.monotonic() * 1000 < token.ends_ms
    happened = f"{codes.count('2.05')} times 2.05, then {codes[-1]}, {'before' if early else 'after'} its expiry"
    name = "spare EKG: token is revoked while it is observed"
    ok = codes[-1] == "4.01" and early
    checks.hold(name, "RFC 9200 5.9, 6.10", "2.05, then 4.01, before its expiry", happened, ok=ok)

    stage.chapter(f"Its next token ends by itself, after {SHORT_LIFE_S} s (RFC 9200 5.10.3)")
    token, session = _monitor_session(stage, monitor)
    codes = _until_the_end(monitor, session.observe(request(L.CODE_GET, "/ekg")))
    happened = f"{codes.count('2.05')} times 2.05, then {codes[-1]}"
    ok = codes[0] == "2.05" and codes[-1] == "4.01"
    name = "spare EKG: token ends while it is observed"
    checks.hold(name, "RFC 9200 5.10.3", "2.05 while it lives, then 4.01", happened, ok=ok)
    peer = stage.fronts["spare EKG"].address
    code = call_code(monitor, peer, request(L.CODE_GET, "/ekg"), session.context)
    checks.same("spare EKG: request after the token's end", "RFC 9200 5.10.3", "4.01", code)
    code = code_of(post_token(monitor, peer, token.access_token.reveal()))
    checks.same("spare EKG: expired token posted", "RFC 9200 5.10.1.1, 5.9.2", "4.00", code)


def _monitor_session(stage: Stage, monitor: App) -> tuple[TokenResponse, ClientSession]:
    wanted = {L.ACE_GRANT_TYPE: L.GRANT_CLIENT_CREDENTIALS, L.ACE_AUDIENCE: SPARE_EKG, L.ACE_SCOPE: "read_ekg"}
    asks = monitor.client.get_token
    token: TokenResponse = stage.need(
        "AS: token over CoAP", "RFC 9200 5.8", lambda: monitor.run(asks(wanted), "Asking for a token over CoAP")
    )
    if token.osc is not None:
        stage.secrets[f"PoP key {len(stage.secrets)} of the monitor"] = token.osc.ms.reveal()
    peer = stage.fronts["spare EKG"].address
    opens = monitor.client.open_session
    session = stage.need(
        "spare EKG: session", "RFC 9203 4", lambda: monitor.run(opens(peer, token), "The monitor's session")
    )
    return token, session


def _until_the_end(monitor: App, watch: Watch) -> list[str]:
    """The codes of an observation up to its end, the last of them being what ended it."""
    codes: list[str] = []
    try:
        while len(codes) < 3 * SHORT_LIFE_S:
            codes.append(code_of(monitor.next_of(watch, "Observing the spare EKG")))
    except HoldfastError as error:
        if not codes or codes[-1] == "2.05":
            codes.append(reason_of(error))
    return codes


def _code_twice(stage: Stage, victim: Victim, given: Consent) -> None:
    stage.chapter("The code is used a second time: it has leaked, so what it gave is taken back (RFC 6749 4.1.2)")
    _, answer = stage.web.post("/token", token_form(stage, given), "thief")
    stage.checks.same("AS: code used twice", "RFC 6749 4.1.2", "invalid_grant", answer.get("error", "a token"))
    nurse = stage.app("nurse")
    code = code_of(post_token(nurse, stage.fronts["EKG"].address, victim.token.access_token.reveal()))
    stage.checks.same("EKG: token of a code used twice", "RFC 6749 4.1.2, RFC 9200 5.9.2", "4.00", code)
