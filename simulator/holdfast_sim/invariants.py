"""What must hold over everything that the tap saw: no nonce twice, nothing secret in the clear, no amplification.

Knows no key: it tells OSCORE contexts apart by what is in the clear, the IDs in the answers at authz-info. Each
function returns sentences about what is wrong; none is what should come. RFC 8613 section 7.2, RFC 9203 section 4.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence

from holdfast_core import labels as L
from holdfast_core.ace_oscore import decode_authz_info_answer
from holdfast_core.coap_message import Message, is_request
from holdfast_core.errors import Malformed
from holdfast_core.oscore_option import OscoreOption, decode_option
from holdfast_sim.ladder import decoded, path_of
from holdfast_sim.records import Datagram

MIN_SECRET_LEN = 4  # what is shorter is found by chance
MAX_AMPLIFICATION = 3  # RFC 9000 section 8.1 and RFC 9175 section 2.4 call a factor of 3 harmless

HARMLESS_LEN = 136  # with all headers, three times an empty request (RFC 9175 section 2.4)

Nonce = tuple[object, ...]
Conversation = tuple[str, str, bytes]


def oscore_option(message: Message) -> OscoreOption | None:
    """The OSCORE option of a message, None when it has none that can be read."""
    value = message.get(L.OPT_OSCORE)
    if value is None:
        return None
    try:
        return decode_option(value)
    except Malformed:
        return None


class _Contexts:
    """Which context a kid means at a receiver: each answer at authz-info begins a new one for the ID in it.

    So does a kid context (RFC 8613 appendix B.2), until the sender names another.
    """

    def __init__(self) -> None:
        self._generation: dict[tuple[str, bytes], int] = {}
        self._named: dict[tuple[str, str, bytes], bytes] = {}

    def see(self, src: str, message: Message) -> None:
        if message.code != L.CODE_CREATED or message.content_format != L.CF_ACE_CBOR:
            return
        try:
            _, server_id = decode_authz_info_answer(message.payload)
        except Malformed:
            return
        self._generation[(src, server_id)] = self._generation.get((src, server_id), 0) + 1

    def of(self, sender: str, receiver: str, kid: bytes, kid_context: bytes | None) -> tuple[object, ...]:
        if kid_context is not None:
            self._named[(sender, receiver, kid)] = kid_context
        named = self._named.get((sender, receiver, kid))
        return (receiver, kid, self._generation.get((receiver, kid), 0), named)


def repeated_nonces(datagrams: Iterable[Datagram]) -> tuple[list[str], int]:
    """Find two different ciphertexts under one (key, nonce); returns findings and how many nonces were seen.

    A request's nonce is (context, Partial IV); a response's too when it has a Partial IV, else its request's. The same
    ciphertext again is a retransmission or a replay and no finding.
    """
    contexts = _Contexts()
    sealed: dict[Nonce, bytes] = {}
    asked: dict[Conversation, tuple[object, ...]] = {}
    findings = []
    for datagram in datagrams:
        message = decoded(datagram.octets)
        if message is None:
            continue
        option = oscore_option(message)
        if option is None:
            contexts.see(datagram.src, message)
            continue
        nonce = _nonce(datagram, message, option, contexts, asked)
        if nonce is not None and sealed.setdefault(nonce, message.payload) != message.payload:
            findings.append(f"{datagram.src} to {datagram.dst}: two ciphertexts under Partial IV {option.piv.hex()}")
    return findings, len(sealed)


def _nonce(
    datagram: Datagram,
    message: Message,
    option: OscoreOption,
    contexts: _Contexts,
    asked: dict[Conversation, tuple[object, ...]],
) -> Nonce | None:
    if is_request(message.code):
        if option.kid is None:
            return None
        context = contexts.of(datagram.src, datagram.dst, option.kid, option.kid_context)
        asked[(datagram.src, datagram.dst, message.token)] = (*context, option.piv)
        return ("request", *context, option.piv)
    request = asked.get((datagram.dst, datagram.src, message.token))
    if request is None:
        return None
    if not option.piv:
        return ("answer", *request)
    return ("response", *request[:-1], option.kid_context, option.piv)


def shapes_of(secret: bytes) -> set[bytes]:
    """The forms in which a secret may have got out: as it is, reversed, hex, base64."""
    plain, url = base64.b64encode(secret), base64.urlsafe_b64encode(secret)
    encoded = {text.rstrip(b"=") for text in (plain, url)}
    return {secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode()} | encoded


def leaks(datagrams: Iterable[Datagram], secrets: Mapping[str, bytes]) -> list[str]:
    """Find secrets in the datagrams, in any of their shapes.

    secrets: by what they are; those below MIN_SECRET_LEN are skipped. Tokens are no secrets (who has
    one can do nothing without its key), so they are not in it.
    """
    findings = []
    forms = {name: shapes_of(secret) for name, secret in secrets.items() if len(secret) >= MIN_SECRET_LEN}
    for datagram in datagrams:
        findings += [
            f"{name} in a datagram of {datagram.src} to {datagram.dst}"
            for name, shapes in forms.items()
            if any(shape in datagram.octets for shape in shapes)
        ]
    return findings


def amplification(datagrams: Sequence[Datagram], harmless_len: int = 0) -> tuple[float, str]:
    """The worst ratio of answer to unprotected request in bytes, and which it was (RFC 7252 section 11.3).

    harmless_len: answers up to this length are not looked at. A request with Echo has shown that its address is its
    own, so that nobody else gets the answer (RFC 9175 2.4).
    """
    asked: dict[Conversation, tuple[int, str]] = {}
    answered: dict[Conversation, int] = {}
    for datagram in datagrams:
        message = decoded(datagram.octets)
        if message is None or not message.token:
            continue
        if is_request(message.code) and not {L.OPT_OSCORE, L.OPT_ECHO} & {number for number, _ in message.options}:
            asked[(datagram.src, datagram.dst, message.token)] = (len(datagram.octets), path_of(message))
        conversation = (datagram.dst, datagram.src, message.token)
        if not is_request(message.code) and conversation in asked and len(datagram.octets) > harmless_len:
            answered[conversation] = max(answered.get(conversation, 0), len(datagram.octets))
    worst, words = 0.0, "no unprotected request was answered"
    for conversation, size in answered.items():
        ratio = size / asked[conversation][0]
        if ratio > worst:
            worst = ratio
            words = f"{conversation[1]} {asked[conversation][1]}: {asked[conversation][0]} B in, {size} B out"
    return worst, words


def unasked(datagrams: Iterable[Datagram], who: str) -> list[str]:
    """Find datagrams that `who` sent to somebody who had not asked it before, or as a request of its own."""
    askers: set[str] = set()
    findings = []
    for datagram in datagrams:
        if datagram.dst == who:
            askers.add(datagram.src)
        if datagram.src != who:
            continue
        message = decoded(datagram.octets)
        if datagram.dst not in askers:
            findings.append(f"{who} sent to {datagram.dst}, who had not asked")
        elif message is None or is_request(message.code):
            findings.append(f"{who} sent a request to {datagram.dst}")
    return findings
