"""The keys that an RS was given, and whose tokens each of them opens.

A key has one role and one algorithm, fixed when it is provisioned and never taken from a token.
Never opens anything: cwt.py does.
"""

from holdfast_core import crypto, errors
from holdfast_core import labels as L
from holdfast_core.kinds import MAC_KEY_LEN, ROLE_ENCRYPT, ROLE_MAC, ROLE_SIGN
from holdfast_core.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast_core.cose import VerificationKey


_ENCRYPT_ALGS = (
    L.ALG_AES_CCM_16_64_128,
    L.ALG_AES_CCM_16_64_256,
    L.ALG_AES_CCM_16_128_128,
    L.ALG_AES_CCM_16_128_256,
)


class TrustedKey:
    """A provisioned key of an AS, for one role and one algorithm.

    role: ROLE_SIGN (key: Es256Key), ROLE_MAC or ROLE_ENCRYPT (key: Secret).  kid: bytes.  alg: COSE algorithm.
    issuer: the AS's iss value.
    Raises MalformedKey with detail: role alg length.
    """

    __slots__ = ("alg", "issuer", "key", "kid", "role")

    def __init__(self, role: str, kid: bytes, alg: int, issuer: str, key: "VerificationKey") -> None:
        _check_trusted(role, alg, key)
        self.role = role
        self.kid = kid
        self.alg = alg
        self.issuer = issuer
        self.key = key

    def __repr__(self) -> str:
        return f"TrustedKey({self.role}, kid={self.kid!r}, alg={self.alg}, issuer={self.issuer!r})"


def _check_trusted(role: str, alg: int, key: "VerificationKey") -> None:
    """Refuse an algorithm that is not one of the role's, and a key that is not one of the algorithm's."""
    if role == ROLE_SIGN:
        if alg != L.ALG_ES256:
            raise errors.MalformedKey("alg")
        if isinstance(key, Secret):
            raise errors.MalformedKey("role")
        return
    if not isinstance(key, Secret):
        raise errors.MalformedKey("role")
    if role == ROLE_MAC:
        if alg not in crypto.MAC_TAG_LENS:
            raise errors.MalformedKey("alg")
        key_len = MAC_KEY_LEN
    elif role == ROLE_ENCRYPT:
        if alg not in _ENCRYPT_ALGS:
            raise errors.MalformedKey("alg")
        key_len = crypto.aead_sizes(alg)[0]
    else:
        raise errors.MalformedKey("role")
    if len(key) != key_len:
        raise errors.MalformedKey("length")


class Trust:
    """The provisioned keys of every AS that may issue tokens for this RS."""

    __slots__ = ("keys",)

    def __init__(self, keys: "Sequence[TrustedKey]") -> None:
        self.keys = tuple(keys)

    def find(self, role: str, kid: "bytes | None", issuer: "str | None" = None) -> "list[TrustedKey]":
        """Return the keys of a role with this kid (any kid for None), of one issuer when it is given."""
        return [
            key
            for key in self.keys
            if key.role == role and (kid is None or key.kid == kid) and (issuer is None or key.issuer == issuer)
        ]
