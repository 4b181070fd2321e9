"""Deep sleep: what a device must have to go on afterwards, in one snapshot for memory that sleep keeps and a cut loses.

    snapshot = CBOR array, then HMAC-SHA-256 under a key from the provisioned seed(16)

A session is its token, which is checked again at the present time by the rules that admitted it, the nonces and ids
from which its context is derived again, its replay window and its next sequence number.  Sessions of references are
left out: the AS has to be asked again, and the client posts again.  So are observations and unfinished exchanges.

No (key, nonce) pair repeats, and nothing is accepted twice, because
 * freeze() ends the device that it froze: what it does afterwards, it does without these contexts;
 * a snapshot names boot and generation of the flash's record, and is void once anything was saved after it;
 * a device that wakes wipes the memory before it acts on what that held (sleep_shell.py).
An attacker who can write this memory from outside can read its keys as well; nothing here defends against that.
Sans-IO; never reads a clock, never keeps a secret in it longer than the sleep (RFC 8613 section 7.5, RFC 9203).
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.ace_oscore import rs_context
from holdfast_core.coap_limits import DEVICE_LIMITS
from holdfast_core.confirmation import OscInput
from holdfast_core.crypto import equal, hmac_sha256
from holdfast_core.errors import HoldfastError
from holdfast_core.kinds import REFERENCE
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import MAX_SEQUENCE, SenderSequence
from holdfast_device.device import Device
from holdfast_device.frozen import Frozen
from holdfast_device.sessions import BOUND, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from holdfast_core.coap_limits import Limits
    from holdfast_core.provisioning import Provisioning
    from holdfast_device.slots import Flash

VERSION = 2
MEMBERS = 14
CHECK_LEN = 16
CARRIED_LEN = 32
ROOM = 2048  # of the RTC memory of an ESP32, as MicroPython is built
MAX_SLEEP_MS = 7 * 24 * 3600 * 1000  # a clock that says more was set meanwhile, and measures nothing


def freeze(device: Device, now_ms: int, clock_ms: int, until_ms: int, seed: Secret, room: int = ROOM) -> bytes:
    """Return the snapshot of a device that goes to sleep now, and end its sessions here.

    now_ms, until_ms: monotonic, now and when it is to wake.  clock_ms: of a clock that goes on in the sleep, from any
    epoch.  seed: of the provisioning.  room: bytes at most; sessions that do not fit are dropped, those first that
    were silent longest.  Raises StorageFailed: countdowns could not be made durable, and nothing has changed.
    """
    times, sequence = device.times, device.as_sequence
    exi = times.sleep(until_ms, now_ms)
    boot, generation = device.state.mark
    floor_s, floor_ms = times.clock.floor_s(now_ms), times.clock.floor_anchor_ms(now_ms)
    values: list[Any] = [VERSION, boot, generation, device.wakes + 1, now_ms, clock_ms, floor_s, floor_ms]
    values += [
        times.clock.step_s,
        times.clock.ahead_s,
        device.rng(CARRIED_LEN),
        device.freshness_key,
        sequence.next_value,
    ]
    sequence.next_value = sequence.reserved_until  # from here on a number costs a save, which voids the snapshot
    sessions: list[list[Any]] = []
    values.append([exi, sessions])
    # One byte more for the head of the list, which grows with it.
    left = room - CHECK_LEN - len(cbor.encode(values)) - 1
    for record in _records(device):
        length = len(cbor.encode(record[1:]))
        if length <= left:
            left -= length
            sessions.append(record)
    sessions.sort(key=_order)
    for index, record in enumerate(sessions):
        sessions[index] = record[1:]
    encoded = cbor.encode(values)
    return encoded + _check(seed, encoded)


def thaw(snapshot: bytes, clock_ms: int, seed: Secret) -> "Frozen | None":
    """Return what a snapshot says, None when it is none, or none of ours, or the clock cannot say how long ago it was.

    clock_ms: of the same clock as before the sleep.  The memory must have been wiped before this is acted on.
    """
    encoded, check = snapshot[:-CHECK_LEN], snapshot[-CHECK_LEN:]
    if len(check) < CHECK_LEN or not equal(_check(seed, encoded), check):
        return None
    try:
        values: Any = cbor.decode(encoded)
    except errors.MalformedCbor:
        return None
    if not isinstance(values, list) or len(values) != MEMBERS or values[0] != VERSION:
        return None  # of another version of this program
    slept_ms = clock_ms - values[5]
    return Frozen(values, slept_ms) if 0 <= slept_ms <= MAX_SLEEP_MS else None


def wake(
    frozen: Frozen,
    provisioning: "Provisioning",
    flash: "Flash",
    board_rng: "Callable[[int], bytes] | None",
    as_peer: "Hashable | None" = None,
    limits: "Limits" = DEVICE_LIMITS,
    trace: "Callable[..., None] | None" = None,
) -> Device:
    """Return the device, going on at frozen.now_ms with the sessions whose tokens still hold.

    Device.woke is False, and it has started as ever, when the flash says that the snapshot is an old one.
    """
    device = Device(provisioning, flash, board_rng, frozen.now_ms, as_peer, limits, trace, frozen)
    if device.woke:
        for record in frozen.sessions:
            try:
                _revive(device, record)
            except HoldfastError:
                continue  # its token is over, or no longer for us
    frozen.sessions = []
    return device


def _records(device: Device) -> "list[list[Any]]":
    """End the sessions of a device; return a record of each that may be kept, what matters most first."""
    if device.rs is None:
        return []
    records: list[list[Any]] = []
    for order, session in enumerate(device.rs.rights.sessions.all()):
        if session.grant.format != REFERENCE:
            records.append([order] + _record(session))
        session.context.sequence.next_value = MAX_SEQUENCE + 1  # observers and open requests still hold the context
        device.rs.rights.sessions.remove(session)
    records.sort(key=_silence)
    return records


def _record(session: Session) -> "list[Any]":
    context, (n1, n2), (highest, seen) = session.context, session.nonces, session.context.replay.export()
    return [
        session.token.reveal(),
        [n1, n2, context.sender_id, context.recipient_id],
        [highest, seen, context.sequence.next_value],
        [session.state == BOUND, session.used_ms, session.checked_ms],
        None if session.grant.cnf.osc is not None else _osc_record(session.osc),
    ]


def _osc_record(osc: OscInput) -> "list[Any]":
    """The key that a token which only updates rights names and does not hold."""
    return [osc.id, osc.ms.reveal(), osc.salt, osc.alg, osc.hkdf, osc.context_id, osc.version]


def _silence(record: "list[Any]") -> "tuple[bool, int]":
    bound, used_ms, _checked_ms = record[4]
    return not bound, -used_ms


def _order(record: "list[Any]") -> int:
    order: int = record[0]
    return order


def _revive(device: Device, record: "list[Any]") -> None:
    """Check a session's token again and derive its context anew.  Raises HoldfastError."""
    token, names, (highest, seen, next_value), (bound, used_ms, checked_ms), osc_record = record
    if device.rs is None:
        return
    grant, ends_ms = device.rs.rights.checker.verify_again(token)
    osc = grant.cnf.osc
    if osc is None:
        osc = _osc(osc_record)
        if grant.cnf.method != L.CNF_KID or grant.cnf.kid != osc.id:
            raise errors.KeyUnsuitable("kid")
    n1, n2, sender_id, recipient_id = names
    context = rs_context(osc, n1, n2, sender_id, recipient_id, SenderSequence(next_value))
    context.replay.resume(highest, seen)
    session = Session(context, grant, osc, Secret(token), ends_ms, used_ms, (n1, n2))
    if bound:
        session.bind()
    session.checked_ms = checked_ms
    device.rs.rights.sessions.add(session)


def _osc(record: "list[Any] | None") -> OscInput:
    if record is None:
        raise errors.KeyUnsuitable("osc")
    id_, ms, salt, alg, hkdf, context_id, version = record
    return OscInput(id_, Secret(ms), salt, alg, hkdf, context_id, version)


def _check(seed: Secret, encoded: bytes) -> bytes:
    return hmac_sha256(hmac_sha256(seed.reveal(), b"holdfast snapshot"), encoded)[:CHECK_LEN]
