"""COSE_Key maps (RFC 9052 section 7, RFC 9053 section 7): which members a key must have, and of what type.

Reads the two kinds a confirmation key can be here: EC2 on P-256, and Symmetric.  Never holds a private key: a map with
`d` is refused, since a key that arrives in a token is there to be checked against.  Unknown members are ignored.
"""

from holdfast_core import errors
from holdfast_core import labels as L
from holdfast_core.confirmation import CoseKey
from holdfast_core.kinds import COORDINATE_LEN
from holdfast_core.secret import Secret


def decode_cose_key(members: object) -> CoseKey:
    """Decode a COSE_Key from its decoded CBOR map.

    Returns a CoseKey; the point is not yet checked to be on the curve (see CoseKey.es256).
    Raises MalformedKey with detail: map kty kid alg key-ops private crv x y k.
    """
    if not isinstance(members, dict):
        raise errors.MalformedKey("map")
    kty = members.get(L.KEY_KTY)
    if type(kty) is not int or kty not in (L.KTY_EC2, L.KTY_SYMMETRIC):  # 2.0 == 2, and is another label
        raise errors.MalformedKey("kty")
    kid = members.get(L.KEY_KID)
    if L.KEY_KID in members and not isinstance(kid, bytes):
        raise errors.MalformedKey("kid")
    alg = members.get(L.KEY_ALG)
    if L.KEY_ALG in members and not is_label(alg):
        raise errors.MalformedKey("alg")
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
        raise errors.MalformedKey("key-ops")
    for operation in value:
        if not is_label(operation):
            raise errors.MalformedKey("key-ops")
    return tuple(value)


def _decode_ec2(key: CoseKey, members: "dict[object, object]") -> None:
    """Read crv, x and y: P-256 with both coordinates whole (RFC 9053 section 7.1.1)."""
    if L.KEY_D in members:
        raise errors.MalformedKey("private")
    crv = members.get(L.KEY_CRV)
    if type(crv) is not int or crv != L.CRV_P256:
        raise errors.MalformedKey("crv")
    x = members.get(L.KEY_X)
    y = members.get(L.KEY_Y)
    if not isinstance(x, bytes) or len(x) != COORDINATE_LEN:
        raise errors.MalformedKey("x")
    # A compressed point has a bool here; RFC 9679 hashes the whole y, so only that is read.
    if not isinstance(y, bytes) or len(y) != COORDINATE_LEN:
        raise errors.MalformedKey("y")
    key.crv = L.CRV_P256
    key.x = x
    key.y = y


def _decode_symmetric(key: CoseKey, members: "dict[object, object]") -> None:
    k = members.get(L.KEY_K)
    if not isinstance(k, bytes) or not k:
        raise errors.MalformedKey("k")
    key.k = Secret(k)
