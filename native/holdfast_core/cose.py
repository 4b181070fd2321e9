"""COSE_Sign1, COSE_Mac0 and COSE_Encrypt0 (RFC 9052): reading, and checking their protection.

The general layer: it takes unprotected header parameters, as RFC 9052 does.  What a token may look like on top of that
(tag 61, an empty unprotected header, which parameters) is cwt.py's business.
The protected header enters the checked structures as the bytes received; it is never encoded again.
Never chooses an algorithm from a header: the caller says which one its key is for, and the header must agree.
Never makes a message: the AS does, with other code.
"""

from holdfast_core import cbor, crypto, errors
from holdfast_core import labels as L
from holdfast_core.cose_key import is_label
from holdfast_core.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    Headers = dict[object, object]
    VerificationKey = crypto.Es256Key | Secret

MESSAGE_TAGS = (L.TAG_COSE_ENCRYPT0, L.TAG_COSE_MAC0, L.TAG_COSE_SIGN1)
_EMPTY_MAP = b"\xa0"
_EMPTY = b""


class CoseMessage:
    """One decoded message, its protection not yet checked.

    tag: which of MESSAGE_TAGS.  protected: the header bytes as received, empty for an empty map.  headers: the same,
    decoded.  unprotected: decoded.  content: payload, or ciphertext with its tag for COSE_Encrypt0.  proof: signature
    or MAC tag, empty for COSE_Encrypt0.
    """

    __slots__ = ("content", "headers", "proof", "protected", "tag", "unprotected")

    def __init__(
        self, tag: int, protected: bytes, headers: "Headers", unprotected: "Headers", content: bytes, proof: bytes
    ) -> None:
        self.tag = tag
        self.protected = protected
        self.headers = headers
        self.unprotected = unprotected
        self.content = content
        self.proof = proof

    def header(self, label: int) -> object:
        """Return the value of a header parameter from either header, None when it is absent."""
        if label in self.headers:
            return self.headers[label]
        return self.unprotected.get(label)

    def __repr__(self) -> str:
        return f"CoseMessage(tag={self.tag})"


def decode_message(encoded: bytes) -> CoseMessage:
    """Decode a message that has exactly its own COSE tag in front.

    Raises MalformedCbor, MalformedCose.
    """
    item = cbor.decode(encoded, MESSAGE_TAGS)
    if not isinstance(item, cbor.Tag):
        raise errors.MalformedCose("tag")
    return message_from(item.number, item.value)


def message_from(tag: int, parts: object) -> CoseMessage:
    """Build a message from its decoded array (RFC 9052 sections 4.2, 5.2, 6.2); tag is one of MESSAGE_TAGS.

    Raises MalformedCbor for the content of the protected header, MalformedCose with detail: tag structure header
    detached duplicate-header iv crit.
    """
    if tag not in MESSAGE_TAGS:
        raise errors.MalformedCose("tag")
    if not isinstance(parts, list) or len(parts) != (3 if tag == L.TAG_COSE_ENCRYPT0 else 4):
        raise errors.MalformedCose("structure")
    protected = parts[0]
    unprotected = parts[1]
    if not isinstance(protected, bytes) or not isinstance(unprotected, dict):
        raise errors.MalformedCose("structure")
    if parts[2] is None:
        raise errors.MalformedCose("detached")
    for part in parts[2:]:
        if not isinstance(part, bytes):
            raise errors.MalformedCose("structure")
    if protected == _EMPTY_MAP:  # both forms of an empty header are read, one enters the structures (section 3)
        protected = _EMPTY
    headers = _decode_headers(protected)
    _check_headers(headers, unprotected)
    proof = _EMPTY if tag == L.TAG_COSE_ENCRYPT0 else parts[3]
    return CoseMessage(tag, protected, headers, unprotected, parts[2], proof)


def _decode_headers(protected: bytes) -> "Headers":
    headers = cbor.decode(protected) if protected else {}
    if not isinstance(headers, dict):
        raise errors.MalformedCose("header")
    return headers


def _check_headers(headers: "Headers", unprotected: "Headers") -> None:
    """Refuse a label in both headers, and a known parameter of a wrong type (RFC 9052 sections 3 and 3.1)."""
    for label in unprotected:
        if label in headers:
            raise errors.MalformedCose("duplicate-header")
    if L.HDR_CRIT in unprotected:
        raise errors.MalformedCose("crit")
    for both in (headers, unprotected):
        if L.HDR_ALG in both and not is_label(both[L.HDR_ALG]):
            raise errors.MalformedCose("header")
        for label in (L.HDR_KID, L.HDR_IV, L.HDR_PARTIAL_IV):
            if label in both and not isinstance(both[label], bytes):
                raise errors.MalformedCose("header")
    if L.HDR_CRIT in headers:
        _check_crit(headers)
    has_iv = L.HDR_IV in headers or L.HDR_IV in unprotected
    if has_iv and (L.HDR_PARTIAL_IV in headers or L.HDR_PARTIAL_IV in unprotected):
        raise errors.MalformedCose("iv")


def _check_crit(headers: "Headers") -> None:
    """Refuse a crit that is no list of labels, is empty, or names what the protected header lacks."""
    crit = headers[L.HDR_CRIT]
    if not isinstance(crit, list) or not crit:
        raise errors.MalformedCose("crit")
    for label in crit:
        if not is_label(label) or label not in headers:
            raise errors.MalformedCose("crit")


def open_message(message: CoseMessage, alg: int, key: "VerificationKey", external_aad: bytes = b"") -> bytes:
    """Check a message's protection; return its payload or plaintext.

    alg: the one algorithm the key is for.  key: Es256Key for COSE_Sign1, Secret for the other two.
    Raises UnsupportedAlg (header and alg differ, or alg does not fit the message type), CritUnknown (any crit: nothing
    is understood here beyond what section 3.1 makes understood by all), MalformedCose (no IV, or of a wrong length),
    BadSignature.
    """
    if L.HDR_CRIT in message.headers:
        raise errors.CritUnknown("crit")
    header_alg = message.header(L.HDR_ALG)
    if header_alg is None or header_alg != alg:
        raise errors.UnsupportedAlg("header")
    try:
        if message.tag == L.TAG_COSE_SIGN1:
            return _verify_sign1(message, alg, key, external_aad)
        if message.tag == L.TAG_COSE_MAC0:
            return _verify_mac0(message, alg, key, external_aad)
        return _open_encrypt0(message, alg, key, external_aad)
    except errors.NotAuthentic:
        raise errors.BadSignature("cose") from None


def _verify_sign1(message: CoseMessage, alg: int, key: "VerificationKey", external_aad: bytes) -> bytes:
    """Verify an ES256 signature over the Sig_structure (RFC 9052 section 4.4)."""
    if alg != L.ALG_ES256 or isinstance(key, Secret):
        raise errors.UnsupportedAlg("sign1")
    to_be_signed = cbor.encode(["Signature1", message.protected, external_aad, message.content])
    key.verify(to_be_signed, message.proof)
    return message.content


def _verify_mac0(message: CoseMessage, alg: int, key: "VerificationKey", external_aad: bytes) -> bytes:
    """Verify an HMAC-SHA-256 tag, whole or cut to 64 bits, over the MAC_structure (RFC 9052 section 6.3)."""
    tag_len = crypto.MAC_TAG_LENS.get(alg)
    if tag_len is None or not isinstance(key, Secret):
        raise errors.UnsupportedAlg("mac0")
    to_be_maced = cbor.encode(["MAC0", message.protected, external_aad, message.content])
    expected = crypto.hmac_sha256(key.reveal(), to_be_maced)[:tag_len]
    if not crypto.equal(expected, message.proof):
        raise errors.BadSignature("mac")
    return message.content


def _open_encrypt0(message: CoseMessage, alg: int, key: "VerificationKey", external_aad: bytes) -> bytes:
    """Decrypt AES-CCM with the Enc_structure as additional data (RFC 9052 section 5.3)."""
    if not isinstance(key, Secret):
        raise errors.UnsupportedAlg("encrypt0")
    _, nonce_len, _ = crypto.aead_sizes(alg)
    nonce = message.header(L.HDR_IV)
    if not isinstance(nonce, bytes) or len(nonce) != nonce_len:
        raise errors.MalformedCose("iv")
    enc_structure = cbor.encode(["Encrypt0", message.protected, external_aad])
    return crypto.Aead(alg, key.reveal()).open(nonce, enc_structure, message.content)
