"""Token checks side by side in one run: ours, pycose, cbor2 and cryptography by hand, and the bare primitives.

    .venv/bin/python benchmarks/tokens.py [--json]

256 different tokens of each format are made by the server's own code; every contestant checks the same ones, in turns,
and process time counts. Read the ratios: absolute times are those of this machine in this minute. What each does:
  raw       the signature or the MAC or the decryption alone, through `cryptography`; no token library can be faster
  hand      cbor2 and cryptography put together by hand: parse, verify, parse the claims, look at exp and aud
  pycose    the same with pycose for the COSE part
  core      holdfast_core.verifier.verify_token: strict parsing, every check of RFC 9200 5.10.1.1, a Grant
  native    hf_token_verify through cffi: the same checks as core, in C, to a grant in C
"""

import argparse
import json
import secrets
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256

from holdfast_core import _native, cbor
from holdfast_core import labels as L
from holdfast_core.crypto import Es256Key
from holdfast_core.rules import Rules
from holdfast_core.scope import ScopeMap
from holdfast_core.secret import Secret
from holdfast_core.trust import ROLE_ENCRYPT, ROLE_SIGN, Trust, TrustedKey
from holdfast_core.verifier import verify_token
from holdfast_server.keyring import SigningKey
from holdfast_server.store_keys import STATE_CURRENT, KeyRecord
from holdfast_server.token_formats import encode_map, encrypt0, sign1

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies warn about their own age
    from pycose.keys import EC2Key, SymmetricKey
    from pycose.messages import Enc0Message, Sign1Message

Check = Callable[[bytes], object]
TOKENS = 256
ROUNDS = 5
NOW_S = 1_800_000_000
ISSUER, AUDIENCE, SCOPE = "https://as.example", "connected_tube_123", "read_result"
TABLE_TEETH, TABLE_BLOCKS = 8, 4
NATIVE_FORMATS = {"cwt-encrypted": 1, "cwt-nested": 2, "cwt-signed": 4}
CLOCK_EXACT = 2
ES256 = ec.ECDSA(SHA256())


class Party:
    """The keys of one AS and one RS, and tokens between them."""

    def __init__(self) -> None:
        self.signer = SigningKey(b"sign", Secret(secrets.token_bytes(31).rjust(32, b"\x01")))
        self.shared = KeyRecord(
            b"encr", "encrypt", "tube", L.ALG_AES_CCM_16_64_128, Secret(secrets.token_bytes(16)), STATE_CURRENT, 0
        )
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(self.signer.x, "big"), int.from_bytes(self.signer.y, "big"), ec.SECP256R1()
        )
        self.public = numbers.public_key()
        self.aes = AESCCM(self.shared.secret.reveal(), tag_length=8)

    def claims(self) -> bytes:
        """The claims of a token for the tube, different each time."""
        osc = {L.OSC_ID: secrets.token_bytes(8), L.OSC_MS: secrets.token_bytes(16), L.OSC_SALT: secrets.token_bytes(8)}
        return encode_map(
            {
                L.CLAIM_ISS: ISSUER,
                L.CLAIM_SUB: "doctor",
                L.CLAIM_AUD: AUDIENCE,
                L.CLAIM_EXP: NOW_S + 3600,
                L.CLAIM_IAT: NOW_S,
                L.CLAIM_CNF: {L.CNF_OSC: osc},
                L.CLAIM_SCOPE: SCOPE,
                L.CLAIM_ACE_PROFILE: L.PROFILE_COAP_OSCORE,
            }
        )

    def token(self, token_format: str) -> bytes:
        """One token of a format."""
        payload = self.claims()
        if token_format == "cwt-encrypted":
            return cbor2.dumps(cbor2.CBORTag(L.TAG_CWT, encrypt0(payload, self.shared, secrets.token_bytes(13))))
        inner = cbor2.dumps(sign1(payload, self.signer))
        return cbor2.dumps(cbor2.CBORTag(L.TAG_CWT, encrypt0(inner, self.shared, secrets.token_bytes(13))))


def contestants(party: Party, token_format: str) -> dict[str, Check]:
    """Every way to check a token of this format."""
    nested = token_format == "cwt-nested"
    return {
        "raw": raw(party, nested=nested),
        "hand": by_hand(party, nested=nested),
        "pycose": by_pycose(party, nested=nested),
        "core": by_core(party, token_format),
        "native": by_native(party, token_format),
    }


def decrypt(party: Party, message: Any) -> bytes:
    """The plaintext of a decoded token."""
    protected, _, ciphertext = message.value.value
    return party.aes.decrypt(cbor2.loads(protected)[L.HDR_IV], ciphertext, cbor2.dumps(["Encrypt0", protected, b""]))


def verify(party: Party, protected: bytes, payload: bytes, signature: bytes) -> None:
    """Check a COSE_Sign1 by OpenSSL."""
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    party.public.verify(der, cbor2.dumps(["Signature1", protected, b"", payload]), ES256)


def raw(party: Party, *, nested: bool) -> Check:
    """The cryptography alone, everything else done beforehand."""
    ready: dict[bytes, Callable[[], object]] = {}

    def prepared(token: bytes) -> Callable[[], object]:
        protected, _, ciphertext = cbor2.loads(token).value.value
        iv, aad = cbor2.loads(protected)[L.HDR_IV], cbor2.dumps(["Encrypt0", protected, b""])
        if not nested:
            return lambda: party.aes.decrypt(iv, ciphertext, aad)
        inner_protected, _, payload, signature = cbor2.loads(party.aes.decrypt(iv, ciphertext, aad)).value
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        message = cbor2.dumps(["Signature1", inner_protected, b"", payload])

        def both() -> None:
            party.aes.decrypt(iv, ciphertext, aad)
            party.public.verify(der, message, ES256)

        return both

    def check(token: bytes) -> object:
        if token not in ready:
            ready[token] = prepared(token)
        return ready[token]()

    return check


def by_hand(party: Party, *, nested: bool) -> Check:
    """cbor2 and cryptography."""

    def check(token: bytes) -> object:
        payload = decrypt(party, cbor2.loads(token))
        if nested:
            protected, _, payload, signature = cbor2.loads(payload).value
            verify(party, protected, payload, signature)
        return accepted(cbor2.loads(payload))

    return check


def by_pycose(party: Party, *, nested: bool) -> Check:
    """Pycose for COSE; cbor2 decodes for it, since its own decoder does not work with cbor2 6."""
    shared = SymmetricKey(k=party.shared.secret.reveal())
    public = EC2Key(crv="P_256", x=party.signer.x, y=party.signer.y)

    def check(token: bytes) -> object:
        protected, unprotected, ciphertext = cbor2.loads(token).value.value
        outer = Enc0Message.from_cose_obj([protected, dict(unprotected), ciphertext], True)
        outer.key = shared
        payload = outer.decrypt()
        if nested:
            protected, unprotected, payload, signature = cbor2.loads(payload).value
            inner = Sign1Message.from_cose_obj([protected, dict(unprotected), payload, signature], True)
            inner.key = public
            if not inner.verify_signature():
                raise ValueError("signature")
        return accepted(cbor2.loads(payload))

    return check


def accepted(claims: Any) -> Any:
    """What everybody who checks by hand looks at."""
    if claims[L.CLAIM_EXP] <= NOW_S or claims[L.CLAIM_AUD] != AUDIENCE:
        raise ValueError("claims")
    return claims


def by_core(party: Party, token_format: str) -> Check:
    """The core in Python."""
    trust = Trust(
        [
            TrustedKey(ROLE_SIGN, b"sign", L.ALG_ES256, ISSUER, Es256Key(party.signer.x, party.signer.y)),
            TrustedKey(ROLE_ENCRYPT, b"encr", L.ALG_AES_CCM_16_64_128, ISSUER, party.shared.secret),
        ]
    )
    rules = Rules((AUDIENCE,), trust, ScopeMap({SCOPE: [("/result", L.METHOD_GET)]}), (token_format,))
    return lambda token: verify_token(token, rules, NOW_S)


def by_native(party: Party, token_format: str) -> Check:
    """The core in C."""
    lib, ffi = _native.lib, _native.ffi
    point = party.signer.x + party.signer.y
    table = bytearray(4 + (TABLE_BLOCKS << (TABLE_TEETH - 1)) * 64)
    if lib.hf_p256_table_make(point, TABLE_TEETH, TABLE_BLOCKS, ffi.from_buffer("uint8_t[]", table), len(table)):
        raise ValueError("table")
    keys = [
        [0, b"sign", L.ALG_ES256, ISSUER, point, bytes(table)],
        [2, b"encr", L.ALG_AES_CCM_16_64_128, ISSUER, party.shared.secret.reveal(), None],
    ]
    scopes = [[SCOPE, [["/result", L.METHOD_GET]]]]
    formats = NATIVE_FORMATS[token_format]
    encoded = cbor.encode([1, formats, [L.PROFILE_COAP_OSCORE], b"tube", 0, False, [AUDIENCE], keys, scopes])
    held = ffi.from_buffer("uint8_t[]", encoded)
    rules, moment, grant = ffi.new("struct hf_rules *"), ffi.new("struct hf_moment *"), ffi.new("struct hf_grant *")
    if lib.hf_rules_read({"p": held, "len": len(encoded)}, rules):
        raise ValueError("rules")
    moment.now_s, moment.clock = NOW_S, CLOCK_EXACT
    scratch = ffi.new("uint8_t[]", 2048)

    def check(token: bytes) -> object:
        if lib.hf_token_verify(rules, moment, token, len(token), scratch, len(scratch), grant):
            raise ValueError("refused")
        return grant, held  # the rules point into what was encoded

    return check


def measure(checks: dict[str, Check], tokens: list[bytes]) -> dict[str, float]:
    """Microseconds of process time a check, the median of ROUNDS, everybody in turn in each round."""
    times: dict[str, list[float]] = {name: [] for name in checks}
    for _ in range(ROUNDS):
        for name, check in checks.items():
            began = time.process_time()
            for token in tokens:
                check(token)
            times[name].append((time.process_time() - began) / len(tokens) * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def refuses(checks: dict[str, Check], token: bytes) -> None:
    """A contestant that takes anything is not in the race: each must refuse a changed token."""
    changed = token[:-1] + bytes((token[-1] ^ 1,))
    for name, check in checks.items():
        try:
            check(changed)
        except Exception:  # noqa: BLE001 - each library refuses in its own words
            continue
        raise SystemExit(f"{name} takes a changed token")


def main() -> None:
    """Measure, print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    as_json = parser.parse_args().json
    party = Party()
    rows = {}
    for token_format in ("cwt-nested", "cwt-encrypted"):
        tokens = [party.token(token_format) for _ in range(TOKENS)]
        checks = contestants(party, token_format)
        refuses(checks, tokens[0])
        rows[token_format] = measure(checks, tokens)
    if as_json:
        json.dump(rows, sys.stdout, indent=2)
        return
    for token_format, row in rows.items():
        print(f"{token_format}: {TOKENS} different tokens")
        for name, microseconds in row.items():
            ratio = row["hand"] / microseconds
            print(f"  {name:<8} {microseconds:8.1f} us  {1e6 / microseconds:9.0f} /s  {ratio:6.2f} x hand")


if __name__ == "__main__":
    main()
