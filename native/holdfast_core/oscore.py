"""OSCORE: protecting CoAP messages end to end with a security context (RFC 8613).

One SecurityContext holds the keys of both directions and turns whole messages inside out: what RFC 8613 figure 5 calls
Class E goes encrypted into the payload, the rest stays outside.  The inner message alone counts; of the outer one only
type, message ID, token and the Class U options survive.
On a board with hf_native the same Python runs over its AES-CCM. On an emulated Cortex-M3 the stack answered a protected
GET in 500 k instructions with 3.0 KB of garbage; a prototype that gave whole messages to the C core's hf_oscore, which
means decoding and encoding each once more, took 488 k with 3.2 KB, and 482 k with 3.0 KB where datagrams were kept:
not worth a second replay window.
Never draws randomness, never shows a key, never uses a (key, nonce) pair twice, never handles Group OSCORE, signalling
messages or blockwise transfers (inner blocks are ordinary options here; outer ones are put together before).
"""

from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode_options, encode_options, is_request, is_response
from holdfast_core.crypto import Aead, aead_sizes, hkdf_expand, hkdf_extract
from holdfast_core.errors import LocalError
from holdfast_core.oscore_option import MAX_PIV_LEN, OscoreOption, decode_option, encode_option, encode_piv
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import SenderSequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    Options = list[tuple[int, bytes]]

    class RequestContext(Protocol):
        """What a client protects requests with: a SecurityContext, or one that makes another (rederive.py)."""

        def protect_request(self, message: Message) -> "tuple[Message, RequestState]":
            """As SecurityContext does."""

        def unprotect_response(self, message: Message, state: "RequestState") -> Message | None:
            """As SecurityContext does; None: send the request again."""


OSCORE_VERSION = 1  # RFC 8613 section 5.4
# RFC 8613 figure 5: Class U only, and no Class E.  Everything else, known or not, is Class E (section 4.1).
_OUTER = (L.OPT_URI_HOST, L.OPT_URI_PORT, L.OPT_PROXY_SCHEME)
_UNPROTECTABLE = (L.OPT_OSCORE, L.OPT_PROXY_URI)  # nested; and section 4.1.3.3, which we do not do
_OSCORE = L.OPT_OSCORE
_AAD_START = b"\x83hEncrypt0@"  # ["Encrypt0", h'', and before the third: the AAD array (RFC 8613 section 5.4)
_CBOR_BYTES = 0x40  # head of a byte string of less than 24 bytes: an AAD array has 19 at most
_SPECIAL = (L.OPT_URI_HOST, L.OPT_OBSERVE, L.OPT_URI_PORT, L.OPT_OSCORE, L.OPT_PROXY_URI, L.OPT_PROXY_SCHEME)


def max_id_len(alg: int) -> int:
    """Longest Sender or Recipient ID in bytes: nonce length - 6 (RFC 8613 section 3.3). Raises UnsupportedAlg."""
    return aead_sizes(alg)[1] - 6


def derive(prk: bytes, id_: bytes, id_context: bytes | None, alg: int, kind: str, length: int) -> bytes:
    """Expand one key or the Common IV (RFC 8613 section 3.2.1).

    prk: 32 bytes, HKDF-Extract of Master Salt and Master Secret.  id_: empty for the IV.  kind: "Key" or "IV".
    """
    return hkdf_expand(prk, cbor.encode([id_, id_context, alg, kind, length]), length)


class RequestState:
    """What binds responses to their request, on either side (RFC 8613 section 7.1); kept until the last of them.

    context: whose request it is.  number: its Partial IV as an integer.  observe: it registers an observation.  The
    rest is the context's: nonce and aad of the request, and which of its responses have been.
    """

    __slots__ = ("aad", "context", "done", "last", "nonce", "nonce_free", "number", "observe")

    def __init__(
        self, context: "SecurityContext", number: int, nonce: bytes, aad: bytes, observe: bool, nonce_free: bool
    ) -> None:
        self.context = context
        self.number = number
        self.observe = observe
        self.nonce = nonce
        self.aad = aad
        self.nonce_free = nonce_free  # server: one response may still use the request's nonce
        self.done = False  # client: the last response has come
        self.last: int | None = None  # client: Notification Number; -1 after one without Partial IV


class AuthenticRequest:
    """An authentic request. fresh=False: the replay window is lost, and only Echo can show that it is no replay."""

    __slots__ = ("fresh", "message", "state")

    def __init__(self, message: Message, state: RequestState, fresh: bool) -> None:
        self.message = message
        self.state = state
        self.fresh = fresh


class SecurityContext:
    """One security context (RFC 8613 section 3).

    master_secret, master_salt: bytes of any length; not kept.  sender_id, recipient_id: 0..max_id_len(alg) bytes,
    different.  id_context: bytes or None.  alg: COSE AEAD number.  hkdf: L.ALG_HMAC_256_256 means HKDF SHA-256.
    sequence, replay: None only for keys that nobody has used before; after a restart the caller brings both.
    owner: free for the application.  challenge: the server's, while its replay window is lost (coap_echo.py).
    Raises UnsupportedAlg; LocalError on IDs that RFC 8613 section 3.3 forbids.
    """

    __slots__ = (
        "_aad_head",
        "_opener",
        "_peer_aad_head",
        "_peer_nonce",
        "_sealer",
        "_sender_nonce",
        "alg",
        "challenge",
        "id_context",
        "owner",
        "recipient_id",
        "replay",
        "sender_id",
        "sequence",
    )

    def __init__(
        self,
        master_secret: Secret | bytes,
        master_salt: bytes,
        sender_id: bytes,
        recipient_id: bytes,
        id_context: bytes | None = None,
        alg: int = L.ALG_AES_CCM_16_64_128,
        hkdf: int = L.ALG_HMAC_256_256,
        sequence: SenderSequence | None = None,
        replay: ReplayWindow | None = None,
    ) -> None:
        if hkdf != L.ALG_HMAC_256_256:
            raise errors.UnsupportedAlg("hkdf")
        key_len, nonce_len, _ = aead_sizes(alg)
        if sender_id == recipient_id or max(len(sender_id), len(recipient_id)) > max_id_len(alg):
            raise LocalError("oscore-ids")
        self.sender_id = sender_id
        self.recipient_id = recipient_id
        self.id_context = id_context
        self.alg = alg
        self.sequence = SenderSequence() if sequence is None else sequence
        self.replay = ReplayWindow() if replay is None else replay
        self.owner: object = None
        self.challenge: Any = None
        secret = master_secret.reveal() if isinstance(master_secret, Secret) else master_secret
        prk = hkdf_extract(master_salt, secret)
        self._sealer = Aead(alg, derive(prk, sender_id, id_context, alg, "Key", key_len))
        self._opener = Aead(alg, derive(prk, recipient_id, id_context, alg, "Key", key_len))
        common_iv = derive(prk, b"", id_context, alg, "IV", nonce_len)
        self._sender_nonce = _nonce_base(common_iv, sender_id)
        self._peer_nonce = _nonce_base(common_iv, recipient_id)
        self._aad_head = _aad_head(alg, sender_id)
        self._peer_aad_head = _aad_head(alg, recipient_id)

    def __repr__(self) -> str:
        return f"<SecurityContext sender={self.sender_id!r} recipient={self.recipient_id!r}>"

    # --- requests ---

    def protect_request(self, message: Message) -> "tuple[Message, RequestState]":
        """Return the OSCORE message and what its responses are bound to (RFC 8613 section 8.1).

        Raises LocalError: not a request, or an option that cannot be protected.  SequenceExhausted.
        """
        if not is_request(message.code):
            raise LocalError("not-a-request")
        inner, outer, observe = _split(message)
        number = self.sequence.take()
        piv = encode_piv(number)
        nonce = _nonce(self._sender_nonce, number)
        aad = _aad(self._aad_head, piv)
        state = RequestState(self, number, nonce, aad, _registers(observe), False)
        code = L.CODE_POST
        if observe is not None:
            code = L.CODE_FETCH
            _insert(inner, L.OPT_OBSERVE, observe)
        _insert(outer, L.OPT_OSCORE, encode_option(piv, self.sender_id, self.id_context))
        sealed = self._seal(message, inner, nonce, aad)
        return Message(code, sealed, outer, message.mtype, message.mid, message.token), state

    def unprotect_request(self, message: Message) -> AuthenticRequest:
        """Verify and open a request (RFC 8613 section 8.2 steps 1 to 7).

        With an initialised replay window the request is recorded there and can never be opened again; otherwise
        AuthenticRequest.fresh is False and accept() must follow an Echo check before the request is acted on.
        Raises MalformedOscore, UnknownContext, ReplayDetected, DecryptionFailed.
        """
        option = _option_of(message)
        if not option.piv or option.kid is None:
            raise errors.MalformedOscore("no-piv" if not option.piv else "no-kid")
        self._check_ids(option)
        number = int.from_bytes(option.piv, "big")
        fresh = self.replay.initialised
        if fresh:
            self.replay.check(number)
        nonce = _nonce(self._peer_nonce, number)
        aad = _aad(self._peer_aad_head, option.piv)
        plaintext = self._open(message, nonce, aad)
        try:
            inner = _join(message, plaintext)
            # An old request that comes again after a restart was answered under its nonce before: not a second time.
            state = RequestState(self, number, nonce, aad, _registers(inner.get(L.OPT_OBSERVE)), fresh)
            authentic = AuthenticRequest(inner, state, fresh)
        except errors.MalformedOscore:
            if fresh:
                self.replay.record(number)
            raise
        if fresh:  # last of all: a request that is lost before this for want of memory may come again
            self.replay.record(number)
        if not is_request(inner.code):
            raise errors.MalformedOscore("code")
        return authentic

    def accept(self, state: RequestState) -> None:
        """Take a request that Echo proved fresh into the replay window (RFC 8613 appendix B.1.2).

        The first one becomes the window's lower limit.  Raises ReplayDetected: accepted before, or overtaken by the
        window since.
        """
        self._check_state(state)
        if self.replay.initialised:
            self.replay.record(state.number)
        else:
            self.replay.initialise(state.number)
        state.nonce_free = True

    # --- responses ---

    def protect_response(self, message: Message, state: RequestState, with_piv: bool = False) -> Message:
        """Protect a response to the request of `state` (RFC 8613 section 8.3).

        The first response uses the request's nonce unless with_piv asks otherwise; every later one, and any to a
        request that is not accepted yet, has a Partial IV of its own.
        Raises LocalError: not a response, Observe without a registration.  SequenceExhausted.
        """
        self._check_state(state)
        inner, outer, observe = _split(message)
        if not is_response(message.code) or (observe is not None and not state.observe):
            raise LocalError("not-a-response" if observe is None else "no-observation")
        piv = b""
        nonce = state.nonce
        if with_piv or not state.nonce_free:
            number = self.sequence.take()
            piv = encode_piv(number)
            nonce = _nonce(self._sender_nonce, number)
        state.nonce_free = False
        code = L.CODE_CHANGED
        if observe is not None:
            code = L.CODE_CONTENT
            _insert(inner, L.OPT_OBSERVE, b"")  # RFC 8613 section 4.1.3.5.2: the inner value is empty
        _insert(outer, L.OPT_OSCORE, encode_option(piv))
        sealed = self._seal(message, inner, nonce, state.aad)
        return Message(code, sealed, outer, message.mtype, message.mid, message.token)

    def unprotect_response(self, message: Message, state: RequestState) -> Message:
        """Verify and open a response to the request of `state` (RFC 8613 sections 8.4 and 7.4.1).

        One response is opened for a request; an observation goes on until a response without inner Observe.  Of
        notifications only those with a growing Partial IV are opened, so their order of arrival is their order.
        Raises MalformedOscore, UnknownContext, ReplayDetected, DecryptionFailed; the observation is not affected.
        """
        self._check_state(state)
        option = _option_of(message)
        self._check_ids(option)
        number = int.from_bytes(option.piv, "big") if option.piv else -1
        last = state.last
        if state.done or (last is not None and number <= last):
            raise errors.ReplayDetected
        nonce = _nonce(self._peer_nonce, number) if option.piv else state.nonce
        inner = _join(message, self._open(message, nonce, state.aad))
        observed = inner.get(L.OPT_OBSERVE) is not None
        if not is_response(inner.code) or (observed and not state.observe):
            raise errors.MalformedOscore("observe" if observed else "code")
        state.last = number
        state.done = not observed
        return inner

    # --- the parts ---

    def _check_ids(self, option: OscoreOption) -> None:
        """Refuse a message that names another context than this."""
        if option.kid is not None and option.kid != self.recipient_id:
            raise errors.UnknownContext
        if option.kid_context is not None and option.kid_context != self.id_context:
            raise errors.UnknownContext

    def _check_state(self, state: RequestState) -> None:
        if state.context is not self:
            raise LocalError("state-of-another-context")

    def _seal(self, message: Message, inner: "Options", nonce: bytes, aad: bytes) -> bytes:
        return self._sealer.seal(nonce, aad, bytes((message.code,)) + encode_options(inner, message.payload))

    def _open(self, message: Message, nonce: bytes, aad: bytes) -> bytes:
        try:
            return self._opener.open(nonce, aad, message.payload)
        except errors.NotAuthentic:
            raise errors.DecryptionFailed from None


def _nonce_base(common_iv: bytes, id_: bytes) -> "tuple[bytes, int]":
    """All of RFC 8613 section 5.2 that does not depend on the Partial IV: leading bytes, and the last five as int."""
    padded = bytes((len(id_),)) + bytes(len(common_iv) - 6 - len(id_)) + id_
    head = bytes([a ^ b for a, b in zip(padded, common_iv)])  # noqa: B905 - no strict= on MicroPython
    return head, int.from_bytes(common_iv[-MAX_PIV_LEN:], "big")


def _nonce(base: "tuple[bytes, int]", number: int) -> bytes:
    return base[0] + (base[1] ^ number).to_bytes(MAX_PIV_LEN, "big")


def _aad_head(alg: int, kid: bytes) -> bytes:
    """AAD arrays of requests by `kid` up to their Partial IV (RFC 8613 section 5.4).

    Two AADs of one context differ in nothing but that Partial IV, which is followed by one byte; encoding them anew
    cost more than the AEAD itself.
    """
    return cbor.encode([OSCORE_VERSION, [alg], kid, b"", b""])[:-2]


def _aad(head: bytes, piv: bytes) -> bytes:
    array_len = len(head) + len(piv) + 2
    lengths = bytes((_CBOR_BYTES | array_len, _CBOR_BYTES | len(piv)))
    # The last item: the Class I options, none of which are defined.
    return b"".join((_AAD_START, lengths[:1], head, lengths[1:], piv, b"\x40"))


def _registers(observe: bytes | None) -> bool:
    return observe is not None and int.from_bytes(observe, "big") == L.OBSERVE_REGISTER


def _option_of(message: Message) -> OscoreOption:
    """Decode the one OSCORE option of a message that has a payload (RFC 8613 section 2)."""
    values = [value for number, value in message.options if number == _OSCORE]
    if len(values) != 1 or not message.payload:
        raise errors.MalformedOscore("option-count" if len(values) != 1 else "no-payload")
    return decode_option(values[0])


def _insert(options: "Options", number: int, value: bytes) -> None:
    """Put an option where its number belongs."""
    at = len(options)
    while at and options[at - 1][0] > number:
        at -= 1
    options.insert(at, (number, value))


def _split(message: Message) -> "tuple[Options, Options, bytes | None]":
    """Sort options into inner and outer (RFC 8613 figure 5); Observe is among the outer ones, and the third value."""
    inner: Options = []
    outer: Options = []
    observe = None
    for option in message.options:
        number = option[0]
        if number not in _SPECIAL:
            inner.append(option)
            continue
        if number in _UNPROTECTABLE:
            raise LocalError("option-unprotectable")
        outer.append(option)
        if number == L.OPT_OBSERVE:
            observe = option[1]
    return inner, outer, observe


def _join(outer: Message, plaintext: bytes) -> Message:
    """Rebuild the original message: inner code, options and payload, the outer header, Class U options of the outer.

    Every other outer option is dropped, as anyone could have put it there; where both have one, the inner wins.
    Raises MalformedOscore.
    """
    if not plaintext:
        raise errors.MalformedOscore("plaintext")
    try:
        options, payload = decode_options(plaintext, 1)
    except errors.MalformedCoap:
        raise errors.MalformedOscore("plaintext") from None
    numbers = [option[0] for option in options]
    if _OSCORE in numbers:
        raise errors.MalformedOscore("nested")
    for number, value in outer.options:
        if number in _OUTER and number not in numbers:
            _insert(options, number, value)
    return Message(plaintext[0], payload, options, outer.mtype, outer.mid, outer.token)
