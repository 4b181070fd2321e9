"""The keys of one AS and one RS, and tokens between them, each different, made by the server's own code."""

import secrets
from functools import cached_property

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from holdfast_core import kinds
from holdfast_core import labels as L
from holdfast_core.secret import Secret
from holdfast_server.authz.keyring import SigningKey
from holdfast_server.authz.token_formats import encode_map, encrypt0, sign1
from holdfast_server.records import STATE_CURRENT, KeyRecord

FORMATS = tuple(name for name in kinds.FORMATS if name != kinds.REFERENCE)
NOW_S, EXP_S = 1_800_000_000, 4_000_000_000
ISSUER, AUDIENCE, SCOPE = "https://as.example", "connected_tube_123", "read_result"
# Key material must not be readable on the way, so what is not encrypted carries the client's public key.
PROFILES = {
    kinds.CWT_ENCRYPTED: L.PROFILE_COAP_OSCORE,
    kinds.CWT_NESTED: L.PROFILE_COAP_OSCORE,
    kinds.CWT_SIGNED: L.PROFILE_COAP_DTLS,
    kinds.CWT_MAC: L.PROFILE_COAP_DTLS,
}


class Party:
    """An AS and an RS that share keys."""

    @cached_property
    def signer(self) -> SigningKey:
        """The AS's signing key."""
        return SigningKey(b"sign", Secret(secrets.token_bytes(31).rjust(32, b"\x01")))

    @cached_property
    def shared(self) -> KeyRecord:
        """The key that tokens are encrypted with."""
        material = Secret(secrets.token_bytes(16))
        return KeyRecord(b"encr", "encrypt", "tube", L.ALG_AES_CCM_16_64_128, material, STATE_CURRENT, 0)

    @cached_property
    def mac_key(self) -> bytes:
        """The key of MACs."""
        return secrets.token_bytes(32)

    def keys(self) -> dict[str, str]:
        """What an RS knows, for a contestant; in hex."""
        return {
            "x": self.signer.x.hex(),
            "y": self.signer.y.hex(),
            "aes": self.shared.secret.reveal().hex(),
            "mac": self.mac_key.hex(),
            "audience": AUDIENCE,
        }

    def _cnf(self, token_format: str) -> dict[int, object]:
        if PROFILES[token_format] == L.PROFILE_COAP_OSCORE:
            osc = {L.OSC_ID: secrets.token_bytes(8), L.OSC_MS: secrets.token_bytes(16)}
            return {L.CNF_OSC: {**osc, L.OSC_SALT: secrets.token_bytes(8)}}
        numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return {L.CNF_COSE_KEY: {L.KEY_KTY: L.KTY_EC2, L.KEY_CRV: L.CRV_P256, L.KEY_X: x, L.KEY_Y: y}}

    def _claims(self, token_format: str, audience: str, exp_s: int) -> bytes:
        return encode_map(
            {
                L.CLAIM_ISS: ISSUER,
                L.CLAIM_SUB: "doctor",
                L.CLAIM_AUD: audience,
                L.CLAIM_EXP: exp_s,
                L.CLAIM_IAT: NOW_S,
                L.CLAIM_CNF: self._cnf(token_format),
                L.CLAIM_SCOPE: SCOPE,
                L.CLAIM_ACE_PROFILE: PROFILES[token_format],
            }
        )

    def _mac0(self, payload: bytes) -> cbor2.CBORTag:
        protected = encode_map({L.HDR_ALG: L.ALG_HMAC_256_256, L.HDR_KID: b"mac"})
        mac = HMAC(self.mac_key, SHA256())
        mac.update(cbor2.dumps(["MAC0", protected, b"", payload]))
        return cbor2.CBORTag(L.TAG_COSE_MAC0, [protected, {}, payload, mac.finalize()])

    def token(self, token_format: str, audience: str = AUDIENCE, exp_s: int = EXP_S) -> bytes:
        """One token of a format."""
        payload = self._claims(token_format, audience, exp_s)
        if token_format == "cwt-mac":
            message = self._mac0(payload)
        elif token_format == "cwt-signed":
            message = sign1(payload, self.signer)
        else:
            if token_format == "cwt-nested":
                payload = cbor2.dumps(sign1(payload, self.signer))
            message = encrypt0(payload, self.shared, secrets.token_bytes(13))
        return cbor2.dumps(cbor2.CBORTag(L.TAG_CWT, message))

    def bad_tokens(self, token_format: str) -> dict[str, bytes]:
        """Tokens that must be refused: one that was changed, one for another RS, one of long ago, half a one."""
        good = self.token(token_format)
        return {
            "changed": good[:-1] + bytes((good[-1] ^ 1,)),
            "audience": self.token(token_format, "another"),
            "expired": self.token(token_format, exp_s=1_000_000_000),
            "truncated": good[: len(good) // 2],
        }
