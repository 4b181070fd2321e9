"""What a hostile hub does with a datagram: one function each, by name in TRICKS.

Each is called with (hub, client, way, message) and returns whether it has been played; then the datagram itself does
not go on. Forged answers are unprotected, because a hub has no key; what else it sends has passed it before.
"""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, encode
from holdfast_device.hints import Hints, encode_hints

TO_DEVICE, TO_CLIENT = "to-device", "to-client"
YEAR_MS = 365 * 86_400_000
LATER = b".later"
EVIL_AS = "coap://evil.example/token"


def _is_request(way, message):
    return way == TO_DEVICE and 1 <= message.code < 32


def _is_response(way, message):
    return way == TO_CLIENT and message.code >= 64


def drop(_hub, _client, _way, _message):
    return True


def delay(hub, client, way, message):
    hub.send(client, way, encode(message), 1 + hub.random.below(120_000))
    return True


def reorder(hub, client, way, message):
    hub.send(client, way, encode(message), 1 + hub.random.below(300))
    return True


def keep_a_year(hub, client, way, message):
    hub.send(client, way, encode(message), YEAR_MS + hub.random.below(86_400_000))
    return True


def double(hub, client, way, message):
    for after_ms in (0, hub.random.below(30_000), hub.random.below(300_000)):
        hub.send(client, way, encode(message), after_ms)
    return True


def replay(hub, client, way, message):
    """The same again as another CoAP message, now and much later; a request also under another token."""
    hub.send(client, way, encode(message))
    again = message.copy()
    again.mid, again.token = hub.mid(), message.token
    if message.code == L.CODE_EMPTY:
        return False
    again.mtype = L.TYPE_NON if way == TO_CLIENT else L.TYPE_CON
    if _is_request(way, message) and hub.random.below(2):
        again.token = hub.random.octets(4)
    for after_ms in (1 + hub.random.below(1000), hub.random.below(700_000), YEAR_MS):
        hub.send(client, way, encode(again), after_ms)
    return True


def replay_old(hub, client, way, message):
    """Something old in place of this: for a response, under the token that waits."""
    found = hub.some(hub.seen_as(way))
    if found is None or message.code == L.CODE_EMPTY:
        return False
    old = found[1].copy()
    old.mtype, old.mid, old.token = message.mtype, message.mid, message.token
    hub.send(client, way, encode(old))
    return True


def mix(hub, client, way, message):
    """The response to another request, or to another client."""
    found = hub.some(hub.seen_as(way, protected=True))
    if not _is_response(way, message) or found is None:
        return False
    other = found[1].copy()
    other.mtype, other.mid, other.token = message.mtype, message.mid, message.token
    hub.send(client, way, encode(other))
    return True


def other_leg(hub, client, way, message):
    """As another client: a request comes from another address, a response goes to another client."""
    other = hub.some([name for name in hub.legs if name != client])
    if other is None or message.code == L.CODE_EMPTY:
        return False
    hub.send(other, way, encode(message))
    if hub.random.below(2):
        hub.send(client, way, encode(message), 500)
    return True


def swap_tokens(hub, client, way, message):
    found = hub.some(hub.seen_as(way))
    if found is None or message.code == L.CODE_EMPTY:
        return False
    swapped = message.copy()
    swapped.mtype, swapped.mid, swapped.token = message.mtype, message.mid, found[1].token
    hub.send(client, way, encode(swapped))
    return True


def truncate(hub, client, way, message):
    octets = encode(message)
    hub.send(client, way, octets[: hub.random.below(len(octets))])
    return True


def flip(hub, client, way, message):
    octets = bytearray(encode(message))
    at = hub.random.below(len(octets))
    octets[at] ^= 1 << hub.random.below(8)
    hub.send(client, way, bytes(octets))
    return True


def change_payload(hub, client, way, message):
    if not message.payload:
        return False
    octets = bytearray(message.payload)
    at = hub.random.below(len(octets))
    octets[at] ^= 1 << hub.random.below(8)
    return _changed(hub, client, way, message, payload=bytes(octets))


def change_code(hub, client, way, message):
    """The outer code, which OSCORE does not protect."""
    codes = (1, 2, 3, 4, 5, 6, 7) if way == TO_DEVICE else (65, 66, 67, 68, 69, 95, 128, 129, 132, 163)
    return message.code != L.CODE_EMPTY and _changed(hub, client, way, message, code=hub.some(codes))


def outer_options(hub, client, way, message):
    """Options beside the OSCORE option, which are not the other end's word."""
    if message.code == L.CODE_EMPTY:
        return False
    changed = _copy(message)
    number, value = hub.some(
        (
            (L.OPT_OBSERVE, b""),
            (L.OPT_OBSERVE, b"\x01"),
            (L.OPT_OBSERVE, b"\xff\xff\xff"),
            (L.OPT_URI_PATH, b"calibration"),
            (L.OPT_URI_HOST, b"elsewhere"),
            (L.OPT_CONTENT_FORMAT, b"\x32"),
            (L.OPT_MAX_AGE, b"\xff\xff\xff\xff"),
            (L.OPT_ETAG, b"forged"),
            (L.OPT_BLOCK2, b"\x0e"),
            (L.OPT_BLOCK1, b"\x0e"),
            (L.OPT_LOCATION_PATH, b"calibration"),
            (L.OPT_ECHO, b"12345678"),
            (2053, b"critical"),
        )
    )
    if hub.random.below(4) == 0:
        changed.remove(number)
    changed.set(number, value)
    hub.send(client, way, encode(changed))
    return True


def change_oscore(hub, client, way, message):
    """kid and sequence number in the OSCORE option."""
    value = message.get(L.OPT_OSCORE)
    if value is None:
        return False
    octets = bytearray(value or b"\x01\x00")
    octets[hub.random.below(len(octets))] = hub.random.below(256)
    changed = _copy(message).set(L.OPT_OSCORE, bytes(octets))
    hub.send(client, way, encode(changed))
    return True


def strip(hub, client, way, message):
    """Downgrade: without the OSCORE option, as if none had been meant."""
    if message.get(L.OPT_OSCORE) is None:
        return False
    plain = _copy(message).remove(L.OPT_OSCORE)
    if way == TO_CLIENT:
        plain.code, plain.payload = L.CODE_CONTENT, b"forged"
    hub.send(client, way, encode(plain))
    return True


def ask_itself(hub, client, way, message):
    """A request of its own, unprotected, in place of a client's."""
    if not _is_request(way, message):
        return False
    code, path = hub.some(((L.CODE_PUT, b"calibration"), (L.CODE_GET, b"result"), (L.CODE_GET, b"state")))
    hub.send(
        client,
        TO_DEVICE,
        encode(Message(code, b"forged", [(L.OPT_URI_PATH, path)], message.mtype, message.mid, message.token)),
    )
    return True


def forge(hub, client, way, message):
    """An answer of its own; the device never sees the request."""
    if not _is_request(way, message):
        return False
    hub.answer(
        client,
        message,
        hub.some(
            (
                Message(L.CODE_CONTENT, b"forged"),
                Message(L.CODE_CHANGED),
                Message(L.CODE_CREATED, b"forged").add(L.OPT_LOCATION_PATH, "x"),
                Message(L.CODE_DELETED),
                Message(L.CODE_VALID),
                Message(L.CODE_CONTENT, b"forged").add(L.OPT_OBSERVE, 5),
                Message(L.CODE_CONTENT, b"forged").add(L.OPT_OSCORE),
                Message(L.CODE_CHANGED, hub.random.octets(20)).add(L.OPT_OSCORE, b"\x01\x00"),
                Message(L.CODE_NOT_FOUND),
                Message(L.CODE_TOO_MANY_REQUESTS).add(L.OPT_MAX_AGE, 5),
                Message(L.CODE_BAD_REQUEST),
                Message(L.CODE_GATEWAY_TIMEOUT),
            )
        ),
    )
    return True


def forge_hints(hub, client, way, message):
    """AS Request Creation Hints that name another server (RFC 9200 section 5.3)."""
    if not _is_request(way, message):
        return False
    hints = encode_hints(Hints(EVIL_AS, "tube", None, hub.random.octets(8)))
    hub.answer(client, message, Message(L.CODE_UNAUTHORIZED, hints).add(L.OPT_CONTENT_FORMAT, L.CF_ACE_CBOR))
    return True


def come_later(hub, client, way, message):
    """It asks in the client's place, and says where the answer will be; what it gives there is another thing."""
    if not _is_request(way, message) or message.get(L.OPT_OSCORE) is None:
        return False
    asked = _copy(message)
    asked.mid, asked.token = hub.mid(), hub.random.octets(5)
    hub.awaited.add(asked.token)
    hub.send(client, TO_DEVICE, encode(asked))
    hub.answer(client, message, hub.come_later())
    return True


def renumber(hub, client, way, message):
    """An old notification with the highest Observe number of all."""
    old = [found for _, found in hub.seen_as(TO_CLIENT, protected=True) if found.get(L.OPT_OBSERVE) is not None]
    if not _is_response(way, message) or not old or message.get(L.OPT_OBSERVE) is None:
        return False
    again = _copy(hub.some(old))
    again.mtype, again.mid, again.token = message.mtype, message.mid, message.token
    again.set(L.OPT_OBSERVE, b"\x7f\xff\xff")
    hub.send(client, TO_CLIENT, encode(again))
    if message.mtype == L.TYPE_CON:
        hub.send(client, TO_DEVICE, encode(Message(0, mtype=L.TYPE_ACK, mid=message.mid)))
    return True


def swallow(hub, client, way, message):
    """Acknowledge, as if it had arrived, and keep it."""
    if message.mtype != L.TYPE_CON:
        return False
    back = TO_CLIENT if way == TO_DEVICE else TO_DEVICE
    hub.send(client, back, encode(Message(0, mtype=L.TYPE_ACK, mid=message.mid)))
    return True


def reset(hub, client, way, message):
    if message.mtype not in (L.TYPE_CON, L.TYPE_NON):
        return False
    back = TO_CLIENT if way == TO_DEVICE else TO_DEVICE
    hub.send(client, back, encode(Message(0, mtype=L.TYPE_RST, mid=message.mid)))
    return True


def _copy(message):
    made = message.copy()
    made.mtype, made.mid, made.token = message.mtype, message.mid, message.token
    return made


def _changed(hub, client, way, message, **members):
    changed = _copy(message)
    for name, value in members.items():
        setattr(changed, name, value)
    hub.send(client, way, encode(changed))
    return True


TRICKS = {
    trick.__name__: trick
    for trick in (
        drop,
        delay,
        reorder,
        keep_a_year,
        double,
        replay,
        replay_old,
        mix,
        other_leg,
        swap_tokens,
        truncate,
        flip,
        change_payload,
        change_code,
        outer_options,
        change_oscore,
        strip,
        ask_itself,
        forge,
        forge_hints,
        come_later,
        renumber,
        swallow,
        reset,
    )
}
