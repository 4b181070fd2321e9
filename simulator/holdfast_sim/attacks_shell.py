"""What a thief or an attacker on the path does, against any of the devices; each attack notes the verdicts it is for.

The attacker has what the tap has, every datagram, and what a thief can have, a token; never a key.
"""

import secrets
from dataclasses import dataclass

from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info_answer, encode_authz_info
from holdfast_core.coap_message import Message, code_text, request
from holdfast_core.errors import Malformed
from holdfast_core.oscore import SecurityContext
from holdfast_device.client import AUTHZ_INFO_PATH, ClientSession
from holdfast_device.endpoint import RequestFailed
from holdfast_device.hints import decode_hints
from holdfast_device.token_response import TokenResponse
from holdfast_sim.app_shell import App
from holdfast_sim.invariants import oscore_option
from holdfast_sim.ladder import decoded
from holdfast_sim.process_shell import PartFailed
from holdfast_sim.records import Datagram
from holdfast_sim.stage_shell import Stage

ANSWER_S = 5


@dataclass(frozen=True)
class Victim:
    """The device under attack, one of its protected resources, and the honest client's session with it."""

    who: str
    path: str
    token: TokenResponse
    session: ClientSession
    app: App


def post_token(app: App, peer: tuple[str, int], token: bytes, nonce: bytes = b"") -> Message:
    """Post a token to authz-info; returns the answer."""
    body = encode_authz_info(token, nonce or secrets.token_bytes(8), secrets.token_bytes(1))
    return app.call(peer, request(L.CODE_POST, AUTHZ_INFO_PATH, body, L.CF_ACE_CBOR), f"The post by {app.who}")


def code_of(answer: Message) -> str:
    """The code of an answer as the RFC writes it."""
    return code_text(answer.code)


def call_code(app: App, peer: tuple[str, int], message: Message, context: SecurityContext | None = None) -> str:
    """Send a request; returns the code of what came back, or why nothing did."""
    try:
        return code_of(app.call(peer, message, f"The request by {app.who}", context))
    except RequestFailed as failed:
        return failed.why


def unprotected(stage: Stage, app: App, who: str, path: str, audience: str) -> None:
    """Somebody without a token gets 4.01 and where to ask for one, and nothing else."""
    peer, checks = stage.fronts[who].address, stage.checks
    answer = app.call(peer, request(L.CODE_GET, path), f"The GET by {app.who}")
    checks.same(f"{who}: unprotected request", "RFC 9200 5.3, 5.10.2", "4.01", code_of(answer))
    try:
        hints = decode_hints(answer.payload)
        happened = f"AS {hints.as_uri}, audience {hints.audience}"
    except Malformed as error:
        happened = str(error)
    checks.same(
        f"{who}: AS Request Creation Hints", "RFC 9200 5.3", f"AS {stage.as_uri}, audience {audience}", happened
    )
    hidden = call_code(app, peer, request(L.CODE_GET, "/no-such-resource"))
    checks.same(f"{who}: unprotected request, unknown path", "RFC 9200 5.10.2", "4.01", hidden)


def stolen_token(stage: Stage, victim: Victim) -> None:
    """A thief posts the victim's token and has not its key."""
    peer, thief = stage.fronts[victim.who].address, stage.app("thief")
    get = request(L.CODE_GET, victim.path)
    answer = post_token(thief, peer, victim.token.access_token.reveal())
    name = f"{victim.who}: stolen token"
    stage.checks.one_of(f"{name}, posted", "RFC 9200 5.10.1", ["2.01", "4.01"], code_of(answer))
    stage.checks.same(f"{name}, then no key", "RFC 9200 5.10.2", "4.01", call_code(thief, peer, get))
    if answer.code == L.CODE_CREATED:
        _, server_id = decode_authz_info_answer(answer.payload)
        guessed = SecurityContext(secrets.token_bytes(16), b"", server_id, b"thief")
        code = call_code(thief, peer, get, guessed)
        stage.checks.same(f"{name}, then a guessed key", "RFC 8613 8.2 (decryption failed)", "4.00", code)
    unknown = SecurityContext(secrets.token_bytes(16), b"", b"nobody", b"thief")
    code = call_code(thief, peer, get, unknown)
    stage.checks.same(f"{name}, then an unknown context", "RFC 8613 8.2 (security context not found)", "4.01", code)
    still_lives(stage, victim, f"{name}: the owner's session lives on")


def still_lives(stage: Stage, victim: Victim, name: str) -> None:
    """The honest client's session answers as before."""
    code = victim.app.outcome(victim.session.request(request(L.CODE_GET, victim.path)), "The owner's request")
    stage.checks.same(name, "RFC 9203 4.2, 6", "2.05", code)


def replayed_request(stage: Stage, victim: Victim) -> None:
    """Send a captured OSCORE request again: as it was, and under another message ID."""
    asked = last_request(stage, victim)
    message = decoded(asked.octets)
    assert message is not None  # noqa: S101 - _last took it because it is one
    stage.note(f"The attacker on the path sends the last request of {victim.app.who} again, as it was.")
    again = send_again(stage, victim, asked.octets)
    same = again is not None and any(
        again.octets == earlier.octets for earlier in stage.recorder.datagrams(victim.who, victim.app.who)[:-1]
    )
    stage.checks.hold(
        f"{victim.who}: replayed datagram",
        "RFC 7252 4.5",
        "the remembered answer, byte for byte",
        "the remembered answer" if same else "silence" if again is None else "a new answer",
        ok=same or again is None,
    )
    stage.note("... and under a message ID of the attacker's own, so that only OSCORE can tell.")
    again = send_again(stage, victim, _renumbered(asked.octets, 0x5555))
    happened = "silence" if again is None else _outer_code(again)
    stage.checks.same(f"{victim.who}: replayed OSCORE request", "RFC 8613 8.2 (replay)", "4.01", happened)


def replayed_after_cut(stage: Stage, victim: Victim, asked: Datagram) -> None:
    """Send a request from before a power cut again: nothing of it may be answered as if it were new."""
    stage.note("The attacker on the path sends a request from before the power cut again.")
    # A hub, which has lost no power, answers a message ID that it knows with what it remembers (RFC 7252 4.5).
    again = send_again(stage, victim, asked.octets if stage.hub is None else _renumbered(asked.octets, 0x1111))
    happened = "silence" if again is None else _outer_code(again)
    name = f"{victim.who}: request replayed over a power cut"
    stage.checks.same(name, "RFC 8613 7.5, RFC 9203 6", "4.01", happened)


def replayed_post(stage: Stage, victim: Victim, words: str = "") -> None:
    """Send a captured authz-info post again, under another message ID: fresh nonces, and the live session stays.

    words: added to the names of the checks.
    """
    posted = _last(stage, victim, protected=False)
    old = [_nonces(datagram) for datagram in stage.recorder.datagrams(victim.who)]
    message = decoded(posted.octets)
    assert message is not None  # noqa: S101 - as above
    stage.note(f"The attacker on the path sends the post of {victim.app.who} to authz-info again.")
    again = send_again(stage, victim, _renumbered(posted.octets, 0x3333))
    answer = None if again is None else decoded(again.octets)
    nonces = None if again is None else _nonces(again)
    fresh = nonces is not None and all(known is None or known[0] != nonces[0] for known in old)
    happened = "silence" if again is None else f"{_outer_code(again)}, nonce2 {'fresh' if fresh else 'repeated'}"
    refused = answer is not None and answer.code >> 5 == 4
    stage.checks.hold(
        f"{victim.who}: replayed authz-info post{words}",
        "RFC 9203 4.2, 7",
        "a fresh nonce2, or a refusal",
        happened,
        ok=fresh or refused,
    )
    still_lives(stage, victim, f"{victim.who}: replayed authz-info post{words}, the session lives on")


def lost_answer(stage: Stage, victim: Victim) -> None:
    """The network loses an answer: the client asks again, and the device answers from memory."""
    mark = stage.recorder.mark()
    stage.tap.lose_next(victim.who, victim.app.who)
    stage.note("The network loses the next answer.")
    code = victim.app.outcome(
        victim.session.request(request(L.CODE_GET, victim.path)), "The request whose answer is lost"
    )
    asked = stage.recorder.datagrams(victim.app.who, victim.who, mark)
    answered = stage.recorder.datagrams(victim.who, victim.app.who, mark)
    same = len(answered) == 2 and answered[0].octets == answered[1].octets
    happened = f"{code}, asked {len(asked)} times, {'the same' if same else 'another'} answer"
    stage.checks.hold(
        f"{victim.who}: lost answer",
        "RFC 7252 4.2, 4.5",
        "2.05, asked 2 times, the same answer",
        happened,
        ok=code == "2.05" and len(asked) == 2 and same,
    )


def flipped_bit(stage: Stage, app: App, who: str, token: bytes, expected: str, section: str) -> None:
    """Post a token of which one bit has changed on the way."""
    changed = bytearray(token)
    changed[-9] ^= 0x10  # within the ciphertext's last block or the handle; never the CBOR around it
    code = code_of(post_token(app, stage.fronts[who].address, bytes(changed)))
    stage.checks.same(f"{who}: token with one bit changed", section, expected, code)


def last_request(stage: Stage, victim: Victim) -> Datagram:
    """The app's latest OSCORE request to the victim that the tap saw. Raises PartFailed."""
    return _last(stage, victim, protected=True)


def _last(stage: Stage, victim: Victim, *, protected: bool) -> Datagram:
    for datagram in reversed(stage.recorder.datagrams(victim.app.who, victim.who)):
        message = decoded(datagram.octets)
        if message is None or datagram.note or message.code == L.CODE_EMPTY:
            continue
        if (oscore_option(message) is not None) == protected and (protected or message.path() == AUTHZ_INFO_PATH):
            return datagram
    raise PartFailed(f"The tap saw no request of {victim.app.who} to {victim.who} that could be sent again.")


def send_again(stage: Stage, victim: Victim, octets: bytes) -> Datagram | None:
    """Send octets as the app; returns the device's answer, None when it stays silent."""
    mark = stage.recorder.mark()
    stage.tap.send(stage.fronts[victim.who], victim.app.address, octets)

    def answers() -> list[Datagram]:
        heard = stage.recorder.datagrams(victim.who, victim.app.who, mark)
        return [datagram for datagram in heard if not _is_empty(datagram)]

    found = stage.wait_for(answers, ANSWER_S)
    return found[0] if found else None


def _renumbered(octets: bytes, mask: int) -> bytes:
    """The same message under another message ID."""
    return octets[:2] + (int.from_bytes(octets[2:4], "big") ^ mask).to_bytes(2, "big") + octets[4:]


def _is_empty(datagram: Datagram) -> bool:
    message = decoded(datagram.octets)
    return message is None or message.code == L.CODE_EMPTY


def _nonces(datagram: Datagram) -> tuple[bytes, bytes] | None:
    message = decoded(datagram.octets)
    if message is None or message.code != L.CODE_CREATED:
        return None
    try:
        return decode_authz_info_answer(message.payload)
    except Malformed:
        return None


def _outer_code(datagram: Datagram) -> str:
    message = decoded(datagram.octets)
    return "no CoAP" if message is None else code_text(message.code)
