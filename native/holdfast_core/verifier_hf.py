"""verify_token by the C core, through hf_native or cffi: the same verdicts and grants as verifier.py, check by check.

Holds no check of its own but the client-nonce's, which asks the RS.  Converts the rules once and each result; loads the
names of refusals when the first one is wanted.  Never imported by name except from token_check.py and tests.
"""

import struct

from holdfast_core import cbor, errors
from holdfast_core import kinds as K
from holdfast_core import labels as L
from holdfast_core.confirmation import Cnf, CoseKey, OscInput
from holdfast_core.errors import LocalError
from holdfast_core.grant import Grant
from holdfast_core.scope import understand
from holdfast_core.secret import Secret

try:
    import hf_native

    PATH = "hf_native"
except ImportError:
    from holdfast_core import token_cpython_native as hf_native  # type: ignore[no-redef]

    PATH = "the C core"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_core.errors import HoldfastError
    from holdfast_core.moment import Moment
    from holdfast_core.rules import Rules

_MAX_LEEWAY_S = 0xFFFFFFFF  # 136 years


class _Prepared:
    """Rules as the C core reads them: it points into `encoded`, so both live and die together."""

    __slots__ = ("encoded", "rules")

    def __init__(self, rules: "Rules") -> None:
        self.encoded = encode_rules(rules)
        self.rules = hf_native.rules_read(self.encoded)
        if isinstance(self.rules, int):
            raise error_of(self.rules)


def encode_rules(rules: "Rules") -> bytes:
    """Return the encoding that hf_rules_read takes (native/include/hf_token.h).  It holds the keys: secret."""
    keys: list[Any] = []
    for key in rules.trust.keys:
        held: Any = key.key
        secret = isinstance(held, Secret)
        material, table = (held.reveal(), None) if secret else (held.point, held.table)
        keys.append([K.ROLES.index(key.role), key.kid, key.alg, key.issuer, material, table])
    scopes = [[name, [list(pair) for pair in rules.scope_map.permissions(name)]] for name in rules.scope_map.names()]
    formats = 0
    for name in rules.formats:  # which may name one twice
        formats |= _bit(name)
    profiles = [profile for at, profile in enumerate(rules.profiles) if profile not in rules.profiles[:at]]
    leeway_s = min(rules.leeway_s, _MAX_LEEWAY_S)
    flags = K.RULE_REQUIRE_CNONCE if rules.require_cnonce else 0
    if rules.token_shape == K.RFC8392:
        flags |= K.RULE_RFC8392
    numbers = [K.RULES_VERSION, formats, profiles, rules.rs_id, leeway_s, flags]
    return cbor.encode(numbers + [list(rules.audiences), keys, scopes])


def _bit(token_format: str) -> int:
    """Return HF_CWT_ of a format: its place in K.FORMATS, without REFERENCE, which has none."""
    return 1 << K.FORMATS.index(token_format) >> 1


def verify_token(token: bytes, rules: "Rules", moment: "Moment") -> Grant:
    """Verify a self-contained token: arguments, result and errors are those of verifier.verify_token."""
    if rules.prepared is None:
        rules.prepared = _Prepared(rules)
    cnonce_check = moment.cnonce_check
    result: Any = hf_native.token_verify(rules.prepared.rules, _encoded(moment), token)
    verdict, cnonce = 0, None
    if isinstance(result, int):
        verdict = result
    elif len(result) == 2:
        verdict, cnonce = result
    else:
        cnonce = result[K.ITEM_CNONCE]
    # The core took the nonce for fresh, and went on: whatever came after counts only if it is.
    if cnonce is not None and cnonce_check is not None and not cnonce_check(cnonce):
        raise errors.CnonceStale("stale")
    if verdict:
        raise error_of(verdict)
    return _grant(result, rules)


def _encoded(moment: "Moment") -> bytes:
    now_s, exi_floor = moment.now_s, moment.exi_floor
    clock = K.CLOCK_UNKNOWN if now_s is None else K.CLOCK_FLOOR if moment.is_floor else K.CLOCK_EXACT
    exi = K.EXI_REFUSED if exi_floor is None else K.EXI_ANY if exi_floor < 0 else K.EXI_ABOVE
    return struct.pack("<BBBqQ", clock, exi, moment.cnonce_check is not None, now_s or 0, max(exi_floor or 0, 0))


class _Claims:
    """The claims that a Grant takes, by the names that claims.Claims has."""

    __slots__ = ("act", "aud", "client_id", "cnonce", "cti", "exi", "exp", "iat", "nbf", "scope", "sub")


def _grant(fields: "tuple[Any, ...]", rules: "Rules") -> Grant:
    """Make a Grant of what token_verify returns (kinds.py says what is where)."""
    exp, nbf, iat, exi, exi_seq = struct.unpack("<qqqqQ", fields[K.ITEM_NUMBERS])
    has, scope_is_text, ace_profile, token_format = fields[K.ITEM_FLAGS][:4]
    claims: Any = _Claims()
    claims.sub = _text(fields[K.ITEM_SUB])
    aud: Any = cbor.decode(fields[K.ITEM_AUD])
    claims.aud = (aud,) if isinstance(aud, str) else tuple(aud)
    claims.scope = _text(fields[K.ITEM_SCOPE]) if scope_is_text else fields[K.ITEM_SCOPE]
    claims.cti = fields[K.ITEM_CTI]
    claims.cnonce = fields[K.ITEM_CNONCE]
    claims.act = None if fields[K.ITEM_ACT] is None else cbor.decode(fields[K.ITEM_ACT], (L.TAG_COSE_ENCRYPT0,))
    claims.client_id = None
    claims.exp = exp if has & K.HAS_EXP else None
    claims.nbf = nbf if has & K.HAS_NBF else None
    claims.iat = iat if has & K.HAS_IAT else None
    claims.exi = exi if has & K.HAS_EXI else None
    name = next(name for name in K.FORMATS if _bit(name) == token_format)
    permissions = understand(claims.scope, rules.scope_map)
    sequence = exi_seq if has & K.HAS_EXI else None
    issuer, token_hash = str(fields[K.ITEM_ISSUER], "utf-8"), fields[K.ITEM_TOKEN_HASH]
    return Grant(claims, issuer, _cnf(fields), permissions, ace_profile, name, token_hash, sequence)


def _cnf(fields: "tuple[Any, ...]") -> Cnf:
    kid, osc_id, ms, salt, context_id, x, y, k, key_ops = fields[K.ITEM_KID : K.ITEM_NUMBERS]
    osc_alg, kty, key_alg = struct.unpack("<iii", fields[K.ITEM_WORDS])
    method, encrypted, has_alg = fields[K.ITEM_FLAGS][4:]
    if method == L.CNF_OSC:
        return Cnf(method, kid, osc=OscInput(osc_id, Secret(ms), salt, osc_alg, context_id=context_id))
    if method == L.CNF_KID:
        return Cnf(method, kid)
    key = CoseKey(kty, kid, key_alg if has_alg else None)
    key.x, key.y = x, y
    key.k = None if k is None else Secret(k)
    if x is not None:
        key.crv = L.CRV_P256
    if key_ops is not None:
        operations: Any = cbor.decode(key_ops)
        key.key_ops = tuple(operations)
    return Cnf(method, kid, key=key, encrypted=bool(encrypted))


def _text(octets: "bytes | None") -> "str | None":
    return None if octets is None else str(octets, "utf-8")


def error_of(verdict: int) -> "HoldfastError":
    """Return the exception that a verdict of the C core stands for: the status in the low byte, the detail above."""
    from holdfast_core.verdicts import DETAILS, ERRORS

    for status, kind in ERRORS:
        if status == verdict & 0xFF:
            refused: HoldfastError = getattr(errors, kind)(DETAILS[verdict >> 8])
            return refused
    return LocalError("verdict")
