"""Confirmation of a token: which key its holder must prove (RFC 8747 section 3.1, RFC 9203 section 3.2.1).

Exactly one key: a COSE_Key, an Encrypted_COSE_Key, an osc map, or only a kid that refers to a key known before.
Unknown members of cnf are ignored, unknown members of osc are refused (RFC 9203 section 4.2).
Never proves possession and never derives a context: sessions do.
"""

from holdfast_core import cbor, crypto, errors
from holdfast_core import labels as L
from holdfast_core.confirmation import OSCORE_VERSION, Cnf, OscInput
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.kinds import MAX_MS_LEN, MIN_MS_LEN
from holdfast_core.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


# The text forms RFC 9203 allows for alg and hkdf, as the COSE registry spells them.
_ALG_NAMES = {
    "AES-CCM-16-64-128": L.ALG_AES_CCM_16_64_128,
    "AES-CCM-16-64-256": L.ALG_AES_CCM_16_64_256,
    "AES-CCM-16-128-128": L.ALG_AES_CCM_16_128_128,
    "AES-CCM-16-128-256": L.ALG_AES_CCM_16_128_256,
}
_HKDF_NAMES = {"HMAC 256/256": L.ALG_HMAC_256_256}
_OSC_MEMBERS = (
    L.OSC_ID,
    L.OSC_VERSION,
    L.OSC_MS,
    L.OSC_HKDF,
    L.OSC_ALG,
    L.OSC_SALT,
    L.OSC_CONTEXT_ID,
)


def decode_osc(members: object) -> OscInput:
    """Decode OSCORE_Input_Material from its decoded CBOR map (RFC 9203 figure 10).

    Raises MalformedKey with detail: map unknown id ms version hkdf alg salt context-id.
    """
    if not isinstance(members, dict):
        raise errors.MalformedKey("map")
    for label in members:
        if label not in _OSC_MEMBERS:
            raise errors.MalformedKey("unknown")
    return OscInput(
        _required(members, L.OSC_ID, "id"),
        Secret(_required(members, L.OSC_MS, "ms")),
        _optional(members, L.OSC_SALT, "salt"),
        _algorithm(members.get(L.OSC_ALG, L.ALG_AES_CCM_16_64_128), _ALG_NAMES, "alg"),
        _algorithm(members.get(L.OSC_HKDF, L.ALG_HMAC_256_256), _HKDF_NAMES, "hkdf"),
        _optional(members, L.OSC_CONTEXT_ID, "context-id"),
        _algorithm(members.get(L.OSC_VERSION, OSCORE_VERSION), {}, "version"),
    )


def check_osc(osc: OscInput) -> None:
    """Check that a context can be derived here: version, algorithms and the Master Secret's length.

    Raises KeyUnsuitable with detail: version hkdf alg ms.
    """
    if osc.version != OSCORE_VERSION:
        raise errors.KeyUnsuitable("version")
    if osc.hkdf != L.ALG_HMAC_256_256:
        raise errors.KeyUnsuitable("hkdf")
    try:
        crypto.aead_sizes(osc.alg)
    except errors.UnsupportedAlg:
        raise errors.KeyUnsuitable("alg") from None
    if not MIN_MS_LEN <= len(osc.ms) <= MAX_MS_LEN:
        raise errors.KeyUnsuitable("ms")


def _required(members: "dict[object, object]", label: int, name: str) -> bytes:
    value = _optional(members, label, name)
    if value is None:
        raise errors.MalformedKey(name)
    return value


def _optional(members: "dict[object, object]", label: int, name: str) -> "bytes | None":
    if label not in members:
        return None
    value = members[label]
    if not isinstance(value, bytes):
        raise errors.MalformedKey(name)
    return value


def _algorithm(value: object, names: "dict[str, int]", name: str) -> int:
    """Read an integer, or one of the registry's names for one."""
    if isinstance(value, str):
        value = names.get(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise errors.MalformedKey(name)
    return value


def decode_cnf(value: object, open_encrypted: "Callable[[object], bytes] | None" = None) -> Cnf:
    """Decode a cnf claim or parameter from its decoded CBOR map.

    open_encrypted: decrypts the decoded COSE_Encrypt0 of an Encrypted_COSE_Key to an encoded COSE_Key; without it such
    a cnf is refused.
    Raises MalformedClaims with detail: map, several-keys (more than one of COSE_Key, Encrypted_COSE_Key, osc),
    no-key (no known member), kid, encrypted; MalformedKey; and what open_encrypted raises.
    """
    if not isinstance(value, dict):
        raise errors.MalformedClaims("map")
    keys = [method for method in (L.CNF_COSE_KEY, L.CNF_ENCRYPTED_COSE_KEY, L.CNF_OSC) if method in value]
    if len(keys) > 1:
        raise errors.MalformedClaims("several-keys")
    kid = value.get(L.CNF_KID)
    if L.CNF_KID in value and not isinstance(kid, bytes):
        raise errors.MalformedClaims("kid")
    if not keys:
        if kid is None:
            raise errors.MalformedClaims("no-key")
        return Cnf(L.CNF_KID, kid)
    if keys[0] == L.CNF_OSC:
        osc = decode_osc(value[L.CNF_OSC])
        return Cnf(L.CNF_OSC, _same_kid(kid, osc.id), osc=osc)
    encrypted = keys[0] == L.CNF_ENCRYPTED_COSE_KEY
    members = value[keys[0]]
    if encrypted:
        if open_encrypted is None:
            raise errors.MalformedClaims("encrypted")
        members = cbor.decode(open_encrypted(members))
    key = decode_cose_key(members)
    key.kid = _same_kid(kid, key.kid)
    return Cnf(L.CNF_COSE_KEY, key.kid, key=key, encrypted=encrypted)


def _same_kid(kid: "bytes | None", own: "bytes | None") -> "bytes | None":
    """Refuse a kid beside a key that has another one: that would be two keys (RFC 8747 section 3.1)."""
    if kid is None:
        return own
    if own is not None and own != kid:
        raise errors.MalformedClaims("several-keys")
    return kid
