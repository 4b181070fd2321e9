"""Where an answer will be: `.later/<device>/<id>`, and how requests and answers are written into parcels.

An id is 144 bits of HMAC-SHA-256 under a key that the hub drew once and keeps. So it cannot be guessed, and the same
request of the same client gets the same place, also from a hub that was killed in between.
"""

import base64
import binascii

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode_options, encode_options
from holdfast_core.crypto import hmac_sha256
from holdfast_hub.records import NAME, REQUEST, TOKEN, Device

PLACE = b".later"
ID_LEN = 18
KEY_LEN = 32
# Where a request goes is not what it says; a repeat that takes another way is the same request.
_OF_THE_WAY = (L.OPT_URI_HOST, L.OPT_URI_PORT, L.OPT_PROXY_URI, L.OPT_PROXY_SCHEME, L.OPT_HOP_LIMIT)


def pack(message: Message) -> bytes:
    """Write what a device gets, or has said: code, options and payload, without token, message ID and the way."""
    options = [option for option in message.options if option[0] not in _OF_THE_WAY]
    return bytes((message.code,)) + encode_options(options, message.payload)


def unpack(body: bytes) -> Message:
    """Read what pack wrote.  Raises MalformedCoap."""
    options, payload = decode_options(body, 1)
    return Message(body[0], payload, options)


def kind_of(message: Message) -> str | None:
    """TOKEN or REQUEST for what may wait, else None.

    What waits has to carry its own proof of who asks, and of being asked once. That is an OSCORE message, by its
    sender sequence number, and a token, by its signature and its end. An observation cannot wait: what comes of it is
    no single answer.
    """
    if message.get(L.OPT_OBSERVE) is not None:
        return None
    if message.get(L.OPT_OSCORE) is not None:
        return REQUEST
    is_post = message.code == L.CODE_POST and message.get_all(L.OPT_URI_PATH) == [b"authz-info"]
    return TOKEN if is_post else None


class Places:
    """key: KEY_LEN random octets that this hub alone has, the same after every start."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_LEN:
            raise ValueError("key")
        self._key = key

    def id_of(self, client: tuple[object, ...], device: Device, body: bytes) -> bytes:
        """The id of a packed request. Another client that sends the same octets gets another one."""
        asked = repr(client).encode()
        names = len(asked).to_bytes(4, "big") + asked + device.name.encode() + b"\0"
        return hmac_sha256(self._key, names + body)[:ID_LEN]

    @staticmethod
    def path(device: Device, id_: bytes) -> list[bytes]:
        """The segments of Location-Path."""
        return [PLACE, device.name.encode(), base64.urlsafe_b64encode(id_)]

    @staticmethod
    def read(path: list[bytes]) -> tuple[str, bytes] | None:
        """(name of a device, id) of what may be a location, else None."""
        if len(path) != 3 or path[0] != PLACE:
            return None
        try:
            name, id_ = path[1].decode(), base64.b64decode(path[2], b"-_", validate=True)
        except (UnicodeDecodeError, binascii.Error):
            return None
        return (name, id_) if len(id_) == ID_LEN and NAME.fullmatch(name) else None
