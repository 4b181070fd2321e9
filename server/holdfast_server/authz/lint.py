"""Pre-issuance lint: no token leaves that its audience would not accept, or that says more than was decided.

The reader is holdfast_core's own, with the rules that the audience's registry record gives it; the writer is cbor2 and
cryptography.  Two implementations that share no code guard each other on every token.  Never issues and never repairs.
"""

from typing import Any

from holdfast_core import labels as L
from holdfast_core.errors import HoldfastError
from holdfast_core.grant import Grant
from holdfast_core.kinds import EXI_SEQUENCE_LEN, REFERENCE
from holdfast_core.moment import Moment
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.verifier import grant_from_introspection, verify_token
from holdfast_server.authz.errors import IssuanceFailed
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.token_formats import encode_map
from holdfast_server.records import ResourceServer


def rules_for(rs: ResourceServer, keyring: Keyring, issuer: str, token_format: str = "") -> Rules:
    """Return what this RS accepts, as its own device would be configured.

    token_format: of a token that its device never sees; "": what the device reads.
    """
    return Rules(
        audiences=rs.audiences,
        trust=keyring.trust_for(rs.rs_id, issuer),
        scope_map=ScopeMap({name: list(permissions) for name, permissions in rs.scope_map.items()}),
        formats=(token_format or rs.device_format,),
        profiles=rs.profiles,
        rs_id=rs.rs_id.encode(),
        require_cnonce=rs.freshness,
        token_shape=rs.token_shape,
    )


def lint(
    token: bytes, claims: dict[int, Any], token_format: str, rs: ResourceServer, keyring: Keyring, now_s: int
) -> None:
    """Read the token as the RS will; raises IssuanceFailed when it refuses or reads anything but these claims.

    claims: what was decided, by label.  A reference is linted through the introspection answer that it stands for.
    """
    rules = rules_for(rs, keyring, claims[L.CLAIM_ISS], token_format)

    def cnonce_check(cnonce: bytes) -> bool:
        return cnonce == claims.get(L.CLAIM_CNONCE)

    exi_floor = _exi_sequence(claims) - 1 if L.CLAIM_EXI in claims and token_format != REFERENCE else None
    moment = Moment(now_s, exi_floor=exi_floor, cnonce_check=cnonce_check)
    try:
        if token_format == REFERENCE:
            answer = {**claims, L.INTRO_ACTIVE: True}
            grant = grant_from_introspection(answer, rules, moment, claims[L.CLAIM_ISS], token)
        else:
            grant = verify_token(token, rules, moment)
    except HoldfastError as refusal:
        raise IssuanceFailed(refusal.reason) from refusal
    if not _says_the_same(grant, claims):
        raise IssuanceFailed("grant-differs")


def _exi_sequence(claims: dict[int, Any]) -> int:
    return int.from_bytes(claims[L.CLAIM_CTI][-EXI_SEQUENCE_LEN:], "big")


def _says_the_same(grant: Grant, claims: dict[int, Any]) -> bool:
    """Compare every field of the grant with the claims that were decided."""
    read = {
        L.CLAIM_ISS: grant.iss,
        L.CLAIM_SUB: grant.sub,
        L.CLAIM_AUD: grant.aud[0] if len(grant.aud) == 1 else grant.aud,
        L.CLAIM_EXP: grant.exp,
        L.CLAIM_IAT: grant.iat,
        L.CLAIM_CTI: grant.cti,
        L.CLAIM_SCOPE: grant.scope,
        L.CLAIM_ACE_PROFILE: grant.ace_profile,
        L.CLAIM_CNONCE: grant.cnonce,
        L.CLAIM_EXI: grant.exi,
        L.PRIV_ACT: grant.act,
    }
    if any(claims.get(label) != value for label, value in read.items()):
        return False
    return grant.nbf is None and _cnf_map(grant) == encode_map(claims[L.CLAIM_CNF])


def _cnf_map(grant: Grant) -> bytes:
    """Return the encoded cnf map that the reader's decoded cnf stands for."""
    cnf = grant.cnf
    if cnf.osc is not None:
        osc = {L.OSC_ID: cnf.osc.id, L.OSC_MS: cnf.osc.ms.reveal(), L.OSC_SALT: cnf.osc.salt}
        return encode_map({L.CNF_OSC: osc})
    if cnf.key is not None:
        key: dict[int, Any] = {L.KEY_KTY: cnf.key.kty, L.KEY_CRV: cnf.key.crv}
        return encode_map({L.CNF_COSE_KEY: {**key, L.KEY_X: cnf.key.x, L.KEY_Y: cnf.key.y}})
    return encode_map({L.CNF_KID: cnf.kid})
