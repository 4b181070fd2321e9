"""verify_token by the C core, where hf_native has it: the same verdicts and grants as verifier.py, check by check.

Holds no check of its own but the client-nonce's, which asks the RS.  Converts the rules once and each result; loads the
names of refusals when the first one is wanted.  Never imported by name except from token_check.py and tests.
"""

import struct

import hf_native
from holdfast_core import cbor, errors
from holdfast_core import labels as L
from holdfast_core.confirmation import Cnf, CoseKey, OscInput
from holdfast_core.errors import LocalError
from holdfast_core.grant import Grant
from holdfast_core.kinds import FORMATS, RFC8392, ROLES
from holdfast_core.scope import understand
from holdfast_core.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast_core.errors import HoldfastError
    from holdfast_core.rules import Rules

# As native/include has them: HF_HAS_, enum hf_clock, enum hf_exi.
_HAS_EXP, _HAS_NBF, _HAS_IAT, _HAS_EXI = 1, 2, 4, 8
_CLOCK_UNKNOWN, _CLOCK_FLOOR, _CLOCK_EXACT = 0, 1, 2
_EXI_REFUSED, _EXI_ANY, _EXI_ABOVE = 0, 1, 2
_RULES_VERSION = 2
_REQUIRE_CNONCE, _SHAPE_RFC8392 = 1, 2
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
        keys.append([ROLES.index(key.role), key.kid, key.alg, key.issuer, material, table])
    scopes = [[name, [list(pair) for pair in rules.scope_map.permissions(name)]] for name in rules.scope_map.names()]
    formats = 0
    for name in rules.formats:  # which may name one twice
        formats |= _bit(name)
    profiles = [profile for at, profile in enumerate(rules.profiles) if profile not in rules.profiles[:at]]
    leeway_s = min(rules.leeway_s, _MAX_LEEWAY_S)
    flags = (_REQUIRE_CNONCE if rules.require_cnonce else 0) | (_SHAPE_RFC8392 if rules.token_shape == RFC8392 else 0)
    numbers = [_RULES_VERSION, formats, profiles, rules.rs_id, leeway_s, flags]
    return cbor.encode(numbers + [list(rules.audiences), keys, scopes])


def _bit(token_format: str) -> int:
    """Return HF_CWT_ of a format: its place in FORMATS, without REFERENCE, which has none."""
    return 1 << FORMATS.index(token_format) >> 1


def verify_token(
    token: bytes,
    rules: "Rules",
    now_s: "int | None",
    cnonce_check: "Callable[[bytes], bool] | None" = None,
    exi_floor: "int | None" = None,
    now_is_floor: bool = False,
) -> Grant:
    """Verify a self-contained token: arguments, result and errors are those of verifier.verify_token."""
    if rules.prepared is None:
        rules.prepared = _Prepared(rules)
    moment = _moment(cnonce_check is not None, now_s, exi_floor, now_is_floor)
    result: Any = hf_native.token_verify(rules.prepared.rules, moment, token)
    verdict, cnonce = 0, None
    if isinstance(result, int):
        verdict = result
    elif len(result) == 2:
        verdict, cnonce = result
    else:
        cnonce = result[5]
    # The core took the nonce for fresh, and went on: whatever came after counts only if it is.
    if cnonce is not None and cnonce_check is not None and not cnonce_check(cnonce):
        raise errors.CnonceStale("stale")
    if verdict:
        raise error_of(verdict)
    return _grant(result, rules)


def _moment(fresh: bool, now_s: "int | None", exi_floor: "int | None", now_is_floor: bool) -> bytes:
    clock = _CLOCK_UNKNOWN if now_s is None else _CLOCK_FLOOR if now_is_floor else _CLOCK_EXACT
    exi = _EXI_REFUSED if exi_floor is None else _EXI_ANY if exi_floor < 0 else _EXI_ABOVE
    return struct.pack("<BBBqQ", clock, exi, fresh, now_s or 0, max(exi_floor or 0, 0))


class _Claims:
    """The claims that a Grant takes, by the names that claims.Claims has."""

    __slots__ = ("act", "aud", "client_id", "cnonce", "cti", "exi", "exp", "iat", "nbf", "scope", "sub")


def _grant(fields: "tuple[Any, ...]", rules: "Rules") -> Grant:
    """Make a Grant of what token_verify returns (hf_native.pyi says what is where)."""
    exp, nbf, iat, exi, exi_seq = struct.unpack("<qqqqQ", fields[16])
    has, scope_is_text, ace_profile, token_format = fields[18][:4]
    claims: Any = _Claims()
    claims.sub = _text(fields[1])
    aud: Any = cbor.decode(fields[2])
    claims.aud = (aud,) if isinstance(aud, str) else tuple(aud)
    claims.scope = _text(fields[3]) if scope_is_text else fields[3]
    claims.cti = fields[4]
    claims.cnonce = fields[5]
    claims.act = None if fields[6] is None else cbor.decode(fields[6], (L.TAG_COSE_ENCRYPT0,))
    claims.client_id = None
    claims.exp = exp if has & _HAS_EXP else None
    claims.nbf = nbf if has & _HAS_NBF else None
    claims.iat = iat if has & _HAS_IAT else None
    claims.exi = exi if has & _HAS_EXI else None
    name = next(name for name in FORMATS if _bit(name) == token_format)
    permissions = understand(claims.scope, rules.scope_map)
    sequence = exi_seq if has & _HAS_EXI else None
    return Grant(claims, str(fields[0], "utf-8"), _cnf(fields), permissions, ace_profile, name, fields[19], sequence)


def _cnf(fields: "tuple[Any, ...]") -> Cnf:
    kid, osc_id, ms, salt, context_id, x, y, k, key_ops = fields[7:16]
    osc_alg, kty, key_alg = struct.unpack("<iii", fields[17])
    method, encrypted, has_alg = fields[18][4:]
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
