"""Verifying a token for one RS: every check of RFC 9200 section 5.10.1.1, in its order, ending in a Grant or a raise.

The first check that fails names the answer.  After the protection and the decoding of the claims:
  iss, exp (nbf, exi), aud, scope, then what profiles add: cnonce, ace_profile, cnf.
RFC 9200 checks a claim `if present`; a token without aud, scope, cnf or any end of life is refused here, because each
of them would be a right without a limit.  Never asks for proof of possession, stores nothing, and has no clock.
"""

from holdfast_core import crypto, errors
from holdfast_core import labels as L
from holdfast_core.claims import Claims, claims_from_introspection, decode_claims
from holdfast_core.cnf import check_osc, decode_cnf
from holdfast_core.confirmation import Cnf
from holdfast_core.cwt import Opened, open_cwt, open_encrypted_key
from holdfast_core.grant import Grant
from holdfast_core.kinds import CWT_MAC, CWT_SIGNED, EXI_SEQUENCE_LEN, MAX_AHEAD_S, MIN_PSK_LEN, REFERENCE, RFC8392
from holdfast_core.scope import Permissions, understand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast_core.moment import Moment
    from holdfast_core.rules import Rules
    from holdfast_core.trust import Trust


def verify_token(token: bytes, rules: "Rules", moment: "Moment") -> Grant:
    """Verify a self-contained token.  Raises Malformed* (4.00) and TokenRejected."""
    opened = open_cwt(token, rules.trust, rules.formats, rules.token_shape)
    claims = decode_claims(opened.payload)
    return _grant(claims, opened, token, rules, moment)


def grant_from_introspection(answer: object, rules: "Rules", moment: "Moment", issuer: str, token: bytes) -> Grant:
    """Verify what the AS said about a reference token (RFC 9200 section 5.9.2); the same checks, in the same order.

    answer: decoded CBOR map, received over the RS's secured channel with the AS.  issuer: that AS.  token: the
    reference itself, for its hash.  An exi here needs no sequence number: the AS remembers what it has called active.
    With moment.is_floor, exp is left to the caller: the AS has just compared it with its clock.
    Raises UnsupportedAlg when rules do not allow REFERENCE; MalformedClaims; Revoked with coap_code 4.00 when the token
    is not active; TokenRejected.
    """
    if REFERENCE not in rules.formats:
        raise errors.UnsupportedAlg("format")
    active = answer.get(L.INTRO_ACTIVE) if isinstance(answer, dict) else None
    if not isinstance(active, bool):
        raise errors.MalformedClaims("active")
    if not active:
        inactive = errors.Revoked("inactive")
        inactive.coap_code = L.CODE_BAD_REQUEST  # claims cannot be obtained (RFC 9200 section 5.10.1.1)
        raise inactive
    claims = claims_from_introspection(answer)
    opened = Opened(b"", issuer, REFERENCE)
    return _grant(claims, opened, token, rules, moment)


def _grant(
    claims: Claims,
    opened: Opened,
    token: bytes,
    rules: "Rules",
    moment: "Moment",
) -> Grant:
    """Check the claims in the order of RFC 9200 section 5.10.1.1; opened says who vouches for them, and how."""
    if claims.iss is not None and claims.iss != opened.issuer:
        raise errors.WrongIssuer("iss")
    _check_time(claims, rules, moment, opened.format == REFERENCE)
    exi_seq = None
    if claims.exi is not None and opened.format != REFERENCE:
        exi_seq = _check_exi(claims, rules, moment.exi_floor)
    permissions = _check_rights(claims, rules)
    _check_cnonce(claims, rules, moment.cnonce_check)
    profile = _profile(claims, rules)
    cnf = _check_cnf(claims, profile, opened, rules.trust)
    return Grant(claims, opened.issuer, cnf, permissions, profile, opened.format, crypto.sha256(token), exi_seq)


def _check_time(claims: Claims, rules: "Rules", moment: "Moment", is_reference: bool) -> None:
    """Check exp, nbf, iat and that the token ends at all; exp equal to now is over (RFC 7519 section 4.1.4)."""
    now_s = moment.now_s
    if claims.exp is None and claims.exi is None:
        raise errors.TokenExpired("endless")
    if claims.exi == 0:
        raise errors.TokenExpired("exi")
    if claims.exp is not None:
        # A floor can have been proven by an AS whose clock was wrong; what is new for certain is not old by a floor.
        is_new = moment.is_floor and (is_reference or claims.cnonce is not None)
        if now_s is not None and not is_new and now_s >= claims.exp + rules.leeway_s:
            raise errors.TokenExpired("exp")
        if claims.nbf is not None and claims.nbf >= claims.exp:
            raise errors.TokenExpired("nbf")
        if claims.iat is not None and claims.iat >= claims.exp:
            raise errors.TokenExpired("iat")
    if now_s is None:
        # Without any time only a countdown or a nonce of our own can show that the token is not an old one.
        if claims.exi is None and claims.cnonce is None:
            raise errors.TokenExpired("no-clock")
        return
    if moment.is_floor:
        return
    if claims.nbf is not None and now_s + rules.leeway_s < claims.nbf:
        raise errors.NotYetValid("nbf")
    if claims.iat is not None and now_s + rules.leeway_s + MAX_AHEAD_S < claims.iat:
        raise errors.NotYetValid("iat")


def _check_exi(claims: Claims, rules: "Rules", exi_floor: "int | None") -> int:
    """Check that an exi token is for this RS and above what has expired; return its sequence number.

    After the RS's identifier the cti has 8 octets.  RFC 9200 section 5.10.3 leaves that open, so the other shape has 1
    to 8, which may be decimal digits: as octets they count up too.
    """
    cti = claims.cti
    if cti is None or exi_floor is None:
        raise errors.Replayed("no-cti" if cti is None else "no-floor")
    rs_id_len = len(rules.rs_id)
    sequence_len = len(cti) - rs_id_len
    shortest = 1 if rules.token_shape == RFC8392 else EXI_SEQUENCE_LEN
    if cti[:rs_id_len] != rules.rs_id or not shortest <= sequence_len <= EXI_SEQUENCE_LEN:
        raise errors.Replayed("other-rs")
    sequence = int.from_bytes(cti[rs_id_len:], "big")
    if sequence <= exi_floor:
        raise errors.Replayed("sequence")
    return sequence


def _check_rights(claims: Claims, rules: "Rules") -> Permissions:
    """Check aud, then scope: whole strings, no folding and no normalisation."""
    for audience in claims.aud:
        if audience in rules.audiences:
            break
    else:
        raise errors.WrongAudience("aud")
    if claims.scope is None:
        raise errors.ScopeUnknown("missing")
    return understand(claims.scope, rules.scope_map)


def _check_cnonce(claims: Claims, rules: "Rules", cnonce_check: "Callable[[bytes], bool] | None") -> None:
    """Check the client-nonce whenever there is one, and that there is one when rules say so (RFC 9200 5.3.1)."""
    if claims.cnonce is None:
        if rules.require_cnonce:
            raise errors.CnonceStale("missing")
        return
    if cnonce_check is None or not cnonce_check(claims.cnonce):
        raise errors.CnonceStale("stale")


def _profile(claims: Claims, rules: "Rules") -> int:
    if claims.ace_profile is None:
        return rules.profiles[0]
    if claims.ace_profile not in rules.profiles:
        raise errors.ProfileUnsupported("ace_profile")
    return claims.ace_profile


def _check_cnf(claims: Claims, profile: int, opened: Opened, trust: "Trust") -> Cnf:
    """Decode cnf and check that its key serves the profile (RFC 9201 section 5) and came here unseen."""
    if claims.cnf is None:
        raise errors.KeyUnsuitable("missing")  # never a bearer token

    def open_encrypted(value: object) -> bytes:
        return open_encrypted_key(value, trust, opened.issuer)

    cnf = decode_cnf(claims.cnf, None if opened.format == REFERENCE else open_encrypted)
    if cnf.method == L.CNF_KID:  # a reference is checked where the key it names is kept
        return cnf
    _CNF_RULES[profile](cnf)
    is_secret = cnf.osc is not None or (cnf.key is not None and cnf.key.k is not None)
    if is_secret and not cnf.encrypted and opened.format in (CWT_SIGNED, CWT_MAC):
        raise errors.KeyUnsuitable("in-clear")  # everybody who saw the token pass has the key (RFC 8747 section 3.2)
    return cnf


def _check_oscore_cnf(cnf: Cnf) -> None:
    """Check OSCORE_Input_Material (RFC 9203 section 3.2)."""
    if cnf.osc is None:
        raise errors.KeyUnsuitable("method")
    check_osc(cnf.osc)


def _check_dtls_cnf(cnf: Cnf) -> None:
    """Check a pre-shared key, or a public key that verifies the client's handshake (RFC 9202 sections 3.2 and 3.3)."""
    key = cnf.key
    if key is None:
        raise errors.KeyUnsuitable("method")
    if key.k is not None:
        if len(key.k) < MIN_PSK_LEN:
            raise errors.KeyUnsuitable("psk")
        if key.alg is not None and key.alg != L.ALG_DIRECT_HKDF_SHA_256:
            raise errors.KeyUnsuitable("alg")
        operations: tuple[int, ...] = (L.KEYOP_DERIVE_KEY, L.KEYOP_DERIVE_BITS)
    else:
        key.es256()
        if key.alg is not None and key.alg != L.ALG_ES256:
            raise errors.KeyUnsuitable("alg")
        operations = (L.KEYOP_VERIFY,)
    if key.key_ops is not None and not [op for op in operations if op in key.key_ops]:
        raise errors.KeyUnsuitable("key-ops")


_CNF_RULES = {L.PROFILE_COAP_OSCORE: _check_oscore_cnf, L.PROFILE_COAP_DTLS: _check_dtls_cnf}
