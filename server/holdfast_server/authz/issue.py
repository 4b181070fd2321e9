"""From a decision to a token: claims, key material, the token itself, its row, and the answer to the client.

Never decides.  Runs inside the caller's transaction, so that no token exists without its row, nor a row without its
token.
RFC 9200 section 5.8.2; RFC 9201 section 3.2; RFC 9203 section 3.2.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2

from holdfast_core import labels as L
from holdfast_core.kinds import EXI_SEQUENCE_LEN, REFERENCE
from holdfast_core.names import ACCESS_TOKEN_URN
from holdfast_core.token_split import HANDLE_LEN, split_token
from holdfast_server.authz.keyring import Keyring
from holdfast_server.authz.lint import lint
from holdfast_server.authz.policy import KEY_OSC, KEY_PUBLIC, Decision
from holdfast_server.authz.ports import IssueStore
from holdfast_server.authz.sealing import Sealing
from holdfast_server.authz.token_formats import draw_handle, encode_map, make_token
from holdfast_server.authz.token_request import TokenRequest
from holdfast_server.records import READABLE_FORMATS, ResourceServer, TokenRecord, token_hash_of

MATERIAL_ID_LEN = 8  # names the material; random, so that no RS ever sees one twice
MASTER_SECRET_LEN = 16
SALT_LEN = 8  # always sent: readers disagree on what an absent one contributes (RFC 9203 section 4.3)
CTI_LEN = 8


class Issuer:
    """Makes tokens.  issuer: the iss claim; rng: n -> n random bytes."""

    def __init__(self, store: IssueStore, keyring: Keyring, issuer: str, rng: Callable[[int], bytes]) -> None:
        self._store = store
        self._keyring = keyring
        self._issuer = issuer
        self._rng = rng

    def issue(self, decision: Decision, request: TokenRequest, now_s: int, address: str = "") -> dict[str, Any]:
        """Make the token and return the answer; raises IssuanceFailed when an audience's reader would refuse it.

        address: who asked, for the audit.
        """
        claims = self._claims(decision, request, now_s)
        token = make_token(decision.token_format, claims, self._keyring, decision.rs[0].rs_id, self._rng)
        for rs in decision.rs:
            lint(token, claims, decision.token_format, rs, self._keyring, now_s)
        token_id = self._store.add_token(_record(token, claims, decision, now_s))
        if decision.rs[0].is_split:
            handle = draw_handle(HANDLE_LEN, self._rng)
            token, rest = split_token(token, decision.token_format, handle)
            self._store.put_rest(token_id, handle, rest)
        if decision.authority.code_hash is not None:
            self._store.remember_code(decision.authority.code_hash, decision.exp)
        self._store.audit(
            now_s,
            "token-issued",
            client_id=decision.client.client_id,
            rs_id=decision.rs[0].rs_id,
            user_id=_user_id(decision),
            token_id=token_id,
            address=address,
        )
        return _answer(token, claims, decision, request, now_s)

    def seal(self, sealing: Sealing, now_s: int, address: str = "") -> dict[str, Any]:
        """Return the answer to a hub: a token for the device alone, or the rest of one.  Raises IssuanceFailed.

        No cnf, no scope, no profile: what is not inside the sealed token is not for the hub.
        """
        rs, original = sealing.rs, sealing.original
        token, token_id, lives_s = sealing.rest, original.token_id, sealing.end_s - now_s
        if not token:
            claims = cbor2.loads(original.claims) | {L.CLAIM_EXP: sealing.end_s, L.CLAIM_SCOPE: sealing.scope}
            if rs.exi_lifetime_s:
                lives_s = min(lives_s, rs.exi_lifetime_s)
                claims |= self._exi_claims(rs, lives_s)
            token = make_token(rs.sealed_format, claims, self._keyring, rs.rs_id, self._rng)
            lint(token, claims, rs.sealed_format, rs, self._keyring, now_s)
            token_id = self._store.add_token(_sealed_record(token, claims, sealing, now_s))
        self._store.audit(
            now_s,
            "token-sealed" if token_id != original.token_id else "token-rest-given",
            client_id=sealing.hub.client_id,
            rs_id=rs.rs_id,
            user_id=original.user_id,
            token_id=token_id,
            address=address,
        )
        return {"access_token": token, "expires_in": lives_s, "issued_token_type": ACCESS_TOKEN_URN}

    def _exi_claims(self, rs: ResourceServer, exi_s: int) -> dict[int, Any]:
        sequence = self._store.next_exi_sequence(rs.rs_id)
        return {L.CLAIM_EXI: exi_s, L.CLAIM_CTI: rs.rs_id.encode() + sequence.to_bytes(EXI_SEQUENCE_LEN, "big")}

    def _claims(self, decision: Decision, request: TokenRequest, now_s: int) -> dict[int, Any]:
        claims: dict[int, Any] = {
            L.CLAIM_ISS: self._issuer,
            L.CLAIM_SUB: decision.authority.sub,
            L.CLAIM_AUD: decision.audience,
            L.CLAIM_EXP: decision.exp,
            L.CLAIM_IAT: now_s,
            L.CLAIM_CNF: self._cnf(decision),
            L.CLAIM_SCOPE: decision.scope,
            L.CLAIM_ACE_PROFILE: decision.profile,
        }
        if decision.exi:
            claims |= self._exi_claims(decision.rs[0], decision.exi)
        elif decision.token_format in READABLE_FORMATS:  # nothing else in it is random, and no two tokens may be one
            claims[L.CLAIM_CTI] = self._rng(CTI_LEN)
        if request.cnonce is not None:
            claims[L.CLAIM_CNONCE] = request.cnonce
        if decision.authority.act is not None:
            claims[L.PRIV_ACT] = decision.authority.act
        return claims

    def _cnf(self, decision: Decision) -> dict[int, Any]:
        if decision.key == KEY_OSC:
            osc = {
                L.OSC_ID: self._rng(MATERIAL_ID_LEN),
                L.OSC_MS: self._rng(MASTER_SECRET_LEN),
                L.OSC_SALT: self._rng(SALT_LEN),
            }
            return {L.CNF_OSC: osc}
        if decision.key == KEY_PUBLIC:
            key = decision.public_key
            assert key is not None  # noqa: S101 - policy says KEY_PUBLIC only with a key
            return {
                L.CNF_COSE_KEY: {L.KEY_KTY: L.KTY_EC2, L.KEY_CRV: L.CRV_P256, L.KEY_X: key.x, L.KEY_Y: key.y},
            }
        return {L.CNF_KID: decision.kid}


def _record(token: bytes, claims: dict[int, Any], decision: Decision, now_s: int) -> TokenRecord:
    """Build the row.  Key material is kept only where introspection must tell it, in reference tokens."""
    cnf = claims[L.CLAIM_CNF]
    kept = claims if decision.token_format == REFERENCE else {**claims, L.CLAIM_CNF: {}}
    return TokenRecord(
        token_hash=token_hash_of(token),
        token_format=decision.token_format,
        client_id=decision.client.client_id,
        user_id=_user_id(decision),
        audience=decision.audience,
        scope=decision.scope,
        claims=encode_map(kept),
        pop_kid=cnf[L.CNF_OSC][L.OSC_ID] if L.CNF_OSC in cnf else cnf.get(L.CNF_KID),
        issued_at=now_s,
        expires_at=decision.exp,
        parent_id=decision.authority.parent_id,
        code_hash=decision.authority.code_hash,
    )


def _sealed_record(token: bytes, claims: dict[int, Any], sealing: Sealing, now_s: int) -> TokenRecord:
    """The row of a sealed token: the hub's, in the family of the reference, so it goes when that is revoked."""
    return replace(
        sealing.original,
        token_hash=token_hash_of(token),
        token_format=sealing.rs.sealed_format,
        client_id=sealing.hub.client_id,
        scope=sealing.scope,
        claims=encode_map({**claims, L.CLAIM_CNF: {}}),
        pop_kid=None,
        issued_at=now_s,
        expires_at=sealing.end_s,
        parent_id=sealing.original.token_id,
        code_hash=None,
    )


def _user_id(decision: Decision) -> str | None:
    user = decision.authority.user
    return None if user is None else user.user_id


def _answer(
    token: bytes, claims: dict[int, Any], decision: Decision, request: TokenRequest, now_s: int
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": token,
        "expires_in": decision.exi or decision.exp - now_s,
    }
    if decision.key == KEY_OSC:
        answer["cnf"] = claims[L.CLAIM_CNF]
    public_key = decision.rs[0].public_key
    if decision.key == KEY_PUBLIC and len(decision.rs) == 1 and public_key is not None:
        answer["rs_cnf"] = {L.CNF_COSE_KEY: cbor2.loads(public_key)}
    if decision.tells_scope:
        answer["scope"] = decision.scope
    if request.names_profile:
        answer["ace_profile"] = decision.profile
    if decision.authority.parent_id is not None:
        answer["issued_token_type"] = ACCESS_TOKEN_URN
    return answer
