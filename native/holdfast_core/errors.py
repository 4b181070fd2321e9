"""The one tree of exceptions; whose fault it was, and what the wire may say about it.

    HoldfastError
    |- LocalError                        our own caller's mistake; never caught, never answered
    `- PeerError                         the fault of bytes from outside; answered with coap_code, ace_error
       |- Malformed                4.00  does not decode
       |  |- MalformedCbor MalformedCose MalformedClaims MalformedScope MalformedKey
       |  |- MalformedCoap MalformedRequest MalformedProvisioning
       |  `- MalformedOscore       4.02
       |- TokenRejected            4.01  decodes, and is refused (RFC 9200 section 5.10.1.1)
       |  |- BadSignature UnknownKey UnsupportedAlg CritUnknown HeaderUnprotected WrongIssuer
       |  |- TokenExpired NotYetValid CnonceStale Replayed Revoked ProfileUnsupported
       |  |- WrongAudience         4.03
       |  `- ScopeUnknown KeyUnsuitable  4.00
       |- AccessDenied             4.01  a request without the right (RFC 9200 section 5.10.2)
       |  `- ResourceForbidden 4.03  MethodForbidden 4.05
       |- OscoreRejected           4.01  (RFC 8613 section 8.2)
       |  `- UnknownContext ReplayDetected  DecryptionFailed 4.00
       |- NotAuthentic             4.00  a primitive found a wrong tag or signature; callers translate it
       |- TooLarge                 4.13
       |- Incomplete               4.08
       `- Overloaded               4.29

Every PeerError has three class attributes: reason, a stable short id for logs and tests; coap_code, the
code byte to answer with; ace_error, the value of the `error` parameter or None. Only the last two may
reach the wire. An instance adds detail, a short id that is constant text of our code and never bytes of the
peer.
"""

from holdfast_core import labels as L


class HoldfastError(Exception):
    """Root of everything Holdfast raises on purpose."""

    reason = "holdfast"

    def __init__(self, detail: str = "") -> None:
        super().__init__(self.reason + ": " + detail if detail else self.reason)
        self.detail = detail


class LocalError(HoldfastError):
    """The caller broke a documented condition; a bug to fix, not an answer to send."""

    reason = "local"


class PeerError(HoldfastError):
    """Bytes from outside are at fault."""

    reason = "peer"
    coap_code: int = L.CODE_BAD_REQUEST
    ace_error: int | None = None


# --- bytes that do not decode ---


class Malformed(PeerError):
    """Does not decode; the only thing a decoder raises."""

    reason = "malformed"
    ace_error = L.ERR_INVALID_REQUEST


class MalformedCbor(Malformed):
    """Not one item of the strict CBOR profile (cbor.py lists the details)."""

    reason = "malformed-cbor"


class MalformedCose(Malformed):
    """Not the COSE structure expected (RFC 9052)."""

    reason = "malformed-cose"


class MalformedClaims(Malformed):
    """Not a CWT claims set, or a known claim of the wrong type (RFC 8392 section 3)."""

    reason = "malformed-claims"


class MalformedScope(Malformed):
    """Not a scope this codec reads (RFC 9237, RFC 6749 section 3.3)."""

    reason = "malformed-scope"
    ace_error = L.ERR_INVALID_SCOPE


class MalformedKey(Malformed):
    """Not a COSE_Key or osc map that is usable (RFC 9052 section 7, RFC 9203 section 3.2.1)."""

    reason = "malformed-key"


class MalformedCoap(Malformed):
    """Not a CoAP message (RFC 7252 section 3)."""

    reason = "malformed-coap"


class MalformedOscore(Malformed):
    """Not an OSCORE option or plaintext (RFC 8613 sections 6.1 and 8.2)."""

    reason = "malformed-oscore"
    coap_code = L.CODE_BAD_OPTION


class MalformedRequest(Malformed):
    """A request whose parameters are missing, ill-typed or contradictory (RFC 9200 section 5.8.3)."""

    reason = "malformed-request"


class MalformedProvisioning(Malformed):
    """A provisioning record that does not decode or names impossible values."""

    reason = "malformed-provisioning"


# --- tokens that decode and are refused ---


class TokenRejected(PeerError):
    """The token decodes and is not accepted."""

    reason = "token-rejected"
    coap_code = L.CODE_UNAUTHORIZED
    ace_error = L.ERR_INVALID_GRANT


class BadSignature(TokenRejected):
    """Signature, MAC or decryption of the token failed."""

    reason = "bad-signature"


class UnknownKey(TokenRejected):
    """No key of the right role has the token's kid."""

    reason = "unknown-key"


class UnsupportedAlg(TokenRejected):
    """The algorithm is not the one that the key is configured for."""

    reason = "unsupported-alg"


class CritUnknown(TokenRejected):
    """A critical header parameter is not understood (RFC 9052 section 3.1)."""

    reason = "crit-unknown"


class HeaderUnprotected(TokenRejected):
    """The token has an unprotected header parameter, so its hash could be changed (RFC 9770)."""

    reason = "header-unprotected"


class WrongIssuer(TokenRejected):
    """iss is not the AS whose key protects the token."""

    reason = "wrong-issuer"


class TokenExpired(TokenRejected):
    """exp is not in the future, or exi has run out."""

    reason = "token-expired"


class NotYetValid(TokenRejected):
    """nbf is in the future."""

    reason = "not-yet-valid"


class WrongAudience(TokenRejected):
    """aud does not name this RS."""

    reason = "wrong-audience"
    coap_code = L.CODE_FORBIDDEN


class ScopeUnknown(TokenRejected):
    """The scope is not one that this RS understands."""

    reason = "scope-unknown"
    coap_code = L.CODE_BAD_REQUEST
    ace_error = L.ERR_INVALID_SCOPE


class CnonceStale(TokenRejected):
    """The client-nonce is required and is absent, unknown or too old (RFC 9200 section 5.3.1)."""

    reason = "cnonce-stale"


class Replayed(TokenRejected):
    """The exi sequence number is not above the highest expired one (RFC 9200 section 5.10.3)."""

    reason = "replayed"


class Revoked(TokenRejected):
    """The token's hash is on the revocation list (RFC 9770)."""

    reason = "revoked"


class KeyUnsuitable(TokenRejected):
    """The cnf key cannot serve the profile (RFC 9201 section 5)."""

    reason = "key-unsuitable"
    coap_code = L.CODE_BAD_REQUEST
    ace_error = L.ERR_UNSUPPORTED_POP_KEY


class ProfileUnsupported(TokenRejected):
    """ace_profile names a profile that this RS does not speak (RFC 9200 section 6.8)."""

    reason = "profile-unsupported"
    ace_error = L.ERR_INCOMPATIBLE_ACE_PROFILES


# --- requests without the right ---


class AccessDenied(PeerError):
    """The request is authentic or not, and in any case not allowed."""

    reason = "access-denied"
    coap_code = L.CODE_UNAUTHORIZED


class ResourceForbidden(AccessDenied):
    """A token is valid, and does not cover the resource."""

    reason = "resource-forbidden"
    coap_code = L.CODE_FORBIDDEN


class MethodForbidden(AccessDenied):
    """The resource is covered, and the method is not."""

    reason = "method-forbidden"
    coap_code = L.CODE_METHOD_NOT_ALLOWED


# --- OSCORE messages that decode and are refused ---


class OscoreRejected(PeerError):
    """The OSCORE message decodes and is not accepted."""

    reason = "oscore-rejected"
    coap_code = L.CODE_UNAUTHORIZED


class UnknownContext(OscoreRejected):
    """No security context has this kid and kid context."""

    reason = "unknown-context"


class ReplayDetected(OscoreRejected):
    """The Partial IV was seen before or lies below the window."""

    reason = "replay-detected"


class DecryptionFailed(OscoreRejected):
    """The ciphertext is not authentic."""

    reason = "decryption-failed"
    coap_code = L.CODE_BAD_REQUEST


# --- the rest ---


class NotAuthentic(PeerError):
    """A tag or signature is wrong. Raised by crypto primitives only; their callers say what it means."""

    reason = "not-authentic"


class TooLarge(PeerError):
    """More bytes than a named limit allows."""

    reason = "too-large"
    coap_code = L.CODE_REQUEST_ENTITY_TOO_LARGE


class Incomplete(PeerError):
    """A block of a blockwise request is missing (RFC 7959 section 2.9.2)."""

    reason = "incomplete"
    coap_code = L.CODE_REQUEST_ENTITY_INCOMPLETE


class Overloaded(PeerError):
    """Too many requests for now (RFC 8516)."""

    reason = "overloaded"
    coap_code = L.CODE_TOO_MANY_REQUESTS
