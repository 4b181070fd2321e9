"""Two ends of one OSCORE context and a few messages, for the dual suites; runs on both interpreters (RFC 8613)."""

from minitest import unhex

from holdfast_core import labels as L
from holdfast_core.coap_message import Message
from holdfast_core.oscore import SecurityContext

SECRET = bytes(range(1, 17))
SALT = unhex("9e7ca92223786340")
ALGS = (
    (L.ALG_AES_CCM_16_64_128, 8),
    (L.ALG_AES_CCM_16_64_256, 8),
    (L.ALG_AES_CCM_16_128_128, 16),
    (L.ALG_AES_CCM_16_128_256, 16),
)


def client(**kwargs):
    return SecurityContext(SECRET, SALT, b"\x0c", b"\x05", **kwargs)


def server(**kwargs):
    return SecurityContext(SECRET, SALT, b"\x05", b"\x0c", **kwargs)


def get(observe=None, options=()):
    message = Message(L.CODE_GET, b"", None, L.TYPE_CON, 7, b"tk").add(L.OPT_URI_PATH, "ekg")
    if observe is not None:
        message.add(L.OPT_OBSERVE, observe)
    for number, value in options:
        message.add(number, value)
    return message


def content(payload=b"72 bpm", observe=None):
    message = Message(L.CODE_CONTENT, payload, None, L.TYPE_ACK, 7, b"tk")
    return message if observe is None else message.add(L.OPT_OBSERVE, observe)


class Spy:
    """Takes the place of a context's Aead, and notes the arguments of seal."""

    def __init__(self, aead):
        self.aead = aead
        self.sealed = []

    def seal(self, nonce, aad, plaintext):
        self.sealed.append((nonce, aad, plaintext))
        return self.aead.seal(nonce, aad, plaintext)
