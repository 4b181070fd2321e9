"""The checks over everything that the tap saw, the same for both stories."""

from holdfast_sim.hub_shell import HUB
from holdfast_sim.invariants import HARMLESS_LEN, MAX_AMPLIFICATION, amplification, leaks, repeated_nonces, unasked
from holdfast_sim.records import Datagram
from holdfast_sim.stage_shell import Stage


def check_wire(stage: Stage, *names: str) -> None:
    """Note the verdicts; names: scopes and people that may only travel encrypted."""
    datagrams = stage.recorder.datagrams()
    checks = stage.checks
    findings, seen = repeated_nonces(datagrams)
    checks.hold(
        "wire: no nonce is used twice",
        "RFC 8613 7.2",
        "one ciphertext for each (key, Partial IV)",
        findings[0] if findings else f"{seen} nonces, each once",
        ok=not findings and seen > 0,
    )
    secrets = {**stage.secrets, **{f"the word {name}": name.encode() for name in names}}
    found = leaks(datagrams, secrets)
    checks.hold(
        "wire: no key, password, scope or name in the clear",
        "RFC 9200 6.1, 7",
        "none",
        found[0] if found else f"none of {len(secrets)} in {len(datagrams)} datagrams",
        ok=not found and bool(datagrams),
    )
    _silent(stage, secrets)
    # A hub answers for devices that know it, and so lets the safe default of RFC 9175 pass.
    harmless_len = 0 if stage.hub is None else HARMLESS_LEN
    worst, words = amplification(datagrams, harmless_len)
    or_less = f", or {harmless_len} in all" if harmless_len else ""
    checks.hold(
        "wire: little for a stranger that shows nothing",
        "RFC 7252 11.3, RFC 9175 2.4",
        f"at most {MAX_AMPLIFICATION} bytes for each byte of an unprotected request{or_less}",
        f"{worst:.1f} ({words})",
        ok=worst <= MAX_AMPLIFICATION,
    )
    for who in ("tube", "spare tube"):
        if who in stage.fronts:
            _quiet(stage, who, datagrams)


def _silent(stage: Stage, secrets: dict[str, bytes]) -> None:
    """No part prints what nobody may know; names and scopes are no secrets there."""
    said = [Datagram(0, 0, who, "its output", part.said()) for who, part in stage.parts.items()]
    found = leaks(said, {what: secret for what, secret in secrets.items() if what in stage.secrets})
    stage.checks.hold(
        "outputs: no key or password in what the parts print",
        "RFC 9200 6.1",
        "none",
        found[0] if found else f"none in {sum(len(text.octets) for text in said)} bytes",
        ok=not found,
    )


def _quiet(stage: Stage, who: str, datagrams: list[Datagram]) -> None:
    """A tube answers who asked and speaks to nobody else: what it says it sent is what the tap saw it send."""
    findings = unasked(datagrams, who)
    # With a hub between, the tap sees an answer twice, and the device has sent the one to the hub.
    seen = sum(datagram.src == who and (stage.hub is None or datagram.dst == HUB) for datagram in datagrams)
    sent = sum(line["dir"] == "out" for line in stage.parts[who].trace)
    if not findings and sent != seen:
        findings = [f"{who} sent {sent} datagrams, of which the tap saw {seen}"]
    stage.checks.hold(
        f"{who}: speaks only when asked",
        "the disconnected flow",
        "an answer to each who asks, and not one datagram to the AS",
        findings[0] if findings else f"{seen} datagrams, each an answer",
        ok=not findings and not any(datagram.src == who and datagram.dst == "AS" for datagram in datagrams),
    )
