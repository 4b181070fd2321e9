"""Two models of both ends of an OSCORE context, Python's SecurityContext and hf_oscore, that must agree on everything.

Each method gives both models the same datagram. It compares verdicts, every byte of the results and what each model
remembers.
"""

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode
from holdfast_core.errors import HoldfastError, LocalError
from holdfast_core.oscore import SecurityContext
from holdfast_core.sender_sequence import SenderSequence
from testkit import symmetric_native as kit

SECRET, SALT = bytes(range(1, 17)), bytes.fromhex("9e7ca92223786340")
MINE, THEIRS = b"\x0c", b"\x05"


def outcome(function, *args):
    """("ok", datagram or None, rest) or (reason, None, None)."""
    try:
        result = function(*args)
    except LocalError:
        return "local", None, None
    except HoldfastError as error:
        return error.reason, None, None
    message, *rest = result if isinstance(result, tuple) else (result,)
    return "ok", encode(message), rest[0] if rest else None


class Ends:
    """Both ends of a context, in both languages; Python's Sender Sequence is told what C gets as an argument."""

    def __init__(self, lib, id_context=None, alg=L.ALG_AES_CCM_16_64_128, ids=(MINE, THEIRS), secret=SECRET, salt=SALT):
        mine, theirs = ids
        self.python = SecurityContext(secret, salt, mine, theirs, id_context, alg)
        self.python_peer = SecurityContext(secret, salt, theirs, mine, id_context, alg)
        self.native = kit.Oscore(lib, secret, salt, mine, theirs, id_context, alg)
        self.native_peer = kit.Oscore(lib, secret, salt, theirs, mine, id_context, alg)
        assert (self.native.status, self.native_peer.status) == ("ok", "ok")

    def ask(self, number, datagram):
        """Protect a request with both; returns (datagram, Python's state, exchange), None for what failed."""
        self.python.sequence = SenderSequence(number)
        said, outer, state = outcome(lambda: self.python.protect_request(decode(datagram)))
        status, protected, exchange = self.native.protect_request(number, datagram)
        assert status == said
        assert protected == (outer if said == "ok" else datagram)
        assert said != "ok" or (exchange.number, exchange.ours, exchange.any) == (number, 1, 0)
        return (outer, state, exchange) if said == "ok" else (None, None, None)

    def hear(self, datagram):
        """Unprotect a request with both; returns (verdict, AuthenticRequest or None, exchange)."""

        def opened():
            result = self.python_peer.unprotect_request(decode(datagram))
            return result.message, result

        said, inner, result = outcome(opened)
        status, plain, exchange = self.native_peer.unprotect_request(datagram)
        assert status == said, datagram.hex()
        if said == "ok":
            assert plain == inner
            assert (exchange.fresh, exchange.observe) == (result.fresh, result.state.observe)
            assert (exchange.number, exchange.nonce_free) == (result.state.number, result.state.nonce_free)
        self.same_window()
        return said, result, exchange

    def answer(self, state, exchange, datagram, number=None):
        self.python_peer.sequence = SenderSequence(0 if number is None else number)
        free = state.nonce_free
        said, outer, _ = outcome(
            lambda: (
                self.python_peer.protect_response(decode(datagram), state, number is not None)
                if free or number is not None
                else (_ for _ in ()).throw(LocalError("nonce"))
            )
        )
        status, protected = self.native_peer.protect_response(exchange, datagram, number)
        assert status == said
        assert protected == (outer if said == "ok" else datagram)
        assert exchange.nonce_free == state.nonce_free
        return outer

    def get(self, state, exchange, datagram):
        said, inner, _ = outcome(lambda: self.python.unprotect_response(decode(datagram), state))
        status, plain = self.native.unprotect_response(exchange, datagram)
        assert status == said, datagram.hex()
        if said == "ok":
            assert plain == inner
        assert exchange.done == state.done
        assert (exchange.last - 1 if exchange.any else None) == state.last
        return said, inner

    def same_window(self):
        window, ours = self.python_peer.replay, self.native_peer.ctx.window
        assert (ours.next, ours.seen, ours.initialised) == (window._highest + 1, window._seen, window.initialised)


def message(code, options=(), payload=b"", mtype=L.TYPE_CON, token=b"tk"):
    built = Message(code, payload, None, mtype, 7, token)
    for number, value in options:
        built.add(number, value)
    return encode(built)


REQUEST = message(L.CODE_GET, [(L.OPT_URI_PATH, b"ekg")])
CONTENT = message(L.CODE_CONTENT, payload=b"72 bpm")
