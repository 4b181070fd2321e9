"""COSE_Key maps (RFC 9052 section 7, RFC 9053 section 7): which members a key must have, and of what type.

Reads the two kinds a confirmation key can be here: EC2 on P-256, and Symmetric.  Never holds a private key: a map with
`d` is refused, since a key that arrives in a token is there to be checked against.  Unknown members are ignored.
"""

from holdfast_core import labels as L
from holdfast_core.crypto import Es256Key
from holdfast_core.errors import MalformedKey
from holdfast_core.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

P256_COORDINATE_LEN = 32


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
            raise MalformedKey("kty")
        return Es256Key(self.x, self.y)

    def __repr__(self) -> str:
        return f"CoseKey(kty={self.kty}, kid={self.kid!r})"


def decode_cose_key(members: object) -> CoseKey:
    """Decode a COSE_Key from its decoded CBOR map.

    Returns a CoseKey; the point is not yet checked to be on the curve (see CoseKey.es256).
    Raises MalformedKey with detail: map kty kid alg key-ops private crv x y k.
    """
    if not isinstance(members, dict):
        raise MalformedKey("map")
    kty = members.get(L.KEY_KTY)
    if type(kty) is not int or kty not in (L.KTY_EC2, L.KTY_SYMMETRIC):  # 2.0 == 2, and is another label
        raise MalformedKey("kty")
    kid = members.get(L.KEY_KID)
    if L.KEY_KID in members and not isinstance(kid, bytes):
        raise MalformedKey("kid")
    alg = members.get(L.KEY_ALG)
    if L.KEY_ALG in members and not is_label(alg):
        raise MalformedKey("alg")
    key = CoseKey(kty, kid, alg)
    if L.KEY_OPS in members:
        key.key_ops = _key_ops(members[L.KEY_OPS])
    if kty == L.KTY_EC2:
        _decode_ec2(key, members)
    else:
        _decode_symmetric(key, members)
    return key


def is_label(value: object) -> bool:
    """Whether value is an integer or text, the two types of COSE identifiers; bool is neither."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _key_ops(value: object) -> "tuple[int | str, ...]":
    if not isinstance(value, list) or not value:
        raise MalformedKey("key-ops")
    for operation in value:
        if not is_label(operation):
            raise MalformedKey("key-ops")
    return tuple(value)


def _decode_ec2(key: CoseKey, members: "dict[object, object]") -> None:
    """Read crv, x and y: P-256 with both coordinates whole (RFC 9053 section 7.1.1)."""
    if L.KEY_D in members:
        raise MalformedKey("private")
    crv = members.get(L.KEY_CRV)
    if type(crv) is not int or crv != L.CRV_P256:
        raise MalformedKey("crv")
    x = members.get(L.KEY_X)
    y = members.get(L.KEY_Y)
    if not isinstance(x, bytes) or len(x) != P256_COORDINATE_LEN:
        raise MalformedKey("x")
    # A compressed point has a bool here; RFC 9679 hashes the whole y, so only that is read.
    if not isinstance(y, bytes) or len(y) != P256_COORDINATE_LEN:
        raise MalformedKey("y")
    key.crv = L.CRV_P256
    key.x = x
    key.y = y


def _decode_symmetric(key: CoseKey, members: "dict[object, object]") -> None:
    k = members.get(L.KEY_K)
    if not isinstance(k, bytes) or not k:
        raise MalformedKey("k")
    key.k = Secret(k)
