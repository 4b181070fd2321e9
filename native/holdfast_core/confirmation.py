"""What a decoded confirmation is: the key that a token's holder must prove (RFC 8747 section 3.1, RFC 9203 3.2).

Never decodes or checks one: cnf.py and cose_key.py do, or the C core, and a board with the C core loads only this.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.crypto import Es256Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.secret import Secret

OSCORE_VERSION = 1


class OscInput:
    """OSCORE_Input_Material: what both sides derive an OSCORE context from, with the nonces of the session.

    id: bytes, names this material.  ms: "Secret", the Master Secret and PoP key.  salt: bytes, None when it was absent.
    context_id: bytes or None.  alg, hkdf: COSE algorithms, defaults filled in.  version: OSCORE version.
    """

    __slots__ = ("alg", "context_id", "hkdf", "id", "ms", "salt", "version")

    def __init__(
        self,
        id: bytes,  # noqa: A002 - the RFC's word
        ms: "Secret",
        salt: "bytes | None" = None,
        alg: int = L.ALG_AES_CCM_16_64_128,
        hkdf: int = L.ALG_HMAC_256_256,
        context_id: "bytes | None" = None,
        version: int = OSCORE_VERSION,
    ) -> None:
        self.id = id
        self.ms = ms
        self.salt = salt
        self.alg = alg
        self.hkdf = hkdf
        self.context_id = context_id
        self.version = version

    def __repr__(self) -> str:
        return f"OscInput(id={self.id!r}, alg={self.alg}, ms={self.ms!r})"


class CoseKey:
    """One key: kty, kid, alg, key_ops, then crv/x/y (EC2) or k (Symmetric); what is absent is None.

    x, y: 32 bytes each.  k: Secret.  alg: int or text as received.  key_ops: tuple of int or text, None when absent.
    """

    __slots__ = ("alg", "crv", "k", "key_ops", "kid", "kty", "x", "y")

    def __init__(self, kty: int, kid: "bytes | None", alg: "int | str | None") -> None:
        self.kty = kty
        self.kid = kid
        self.alg = alg
        self.key_ops: tuple[int | str, ...] | None = None
        self.crv: int | None = None
        self.x: bytes | None = None
        self.y: bytes | None = None
        self.k: Secret | None = None

    def es256(self) -> Es256Key:
        """Return the point as a verification key; MalformedKey when it is no EC2 key or not on the curve."""
        if self.x is None or self.y is None:
            raise errors.MalformedKey("kty")
        return Es256Key(self.x, self.y)

    def __repr__(self) -> str:
        return f"CoseKey(kty={self.kty}, kid={self.kid!r})"


class Cnf:
    """A decoded confirmation: method (CNF_COSE_KEY, CNF_KID or CNF_OSC), and key, kid or osc.

    An Encrypted_COSE_Key shows as CNF_COSE_KEY with encrypted True.  kid: the reference, or the id of the key given.
    """

    __slots__ = ("encrypted", "key", "kid", "method", "osc")

    def __init__(
        self,
        method: int,
        kid: "bytes | None",
        key: "CoseKey | None" = None,
        osc: "OscInput | None" = None,
        encrypted: bool = False,
    ) -> None:
        self.method = method
        self.kid = kid
        self.key = key
        self.osc = osc
        self.encrypted = encrypted

    def __repr__(self) -> str:
        return f"Cnf(method={self.method}, kid={self.kid!r})"
