"""Who checks tokens: the bare primitives, by hand, pycose, and ours in Python and in C.  `token_contestants.py NAME`.

raw       the signature, MAC or decryption alone, through `cryptography` (its OpenSSL); no token library can be faster
hand      cbor2 and cryptography put together by hand: parse, verify, parse the claims, look at exp and aud
pycose    the same with pycose for the COSE part
python    holdfast_core.verifier.verify_token: strict parsing, every check of RFC 9200 5.10.1.1, a Grant; where the C
          core is built its ES256 comes from there
core      verify_token as a program on CPython gets it where the C core is built: its check in C, its Grant in Python
cffi      hf_token_verify through cffi: the same checks as python, in C, to a grant in C
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from token_party import AUDIENCE, FORMATS, ISSUER, NOW_S, PROFILES, SCOPE
from worker import Setup, each, serve

from holdfast_core import labels as L
from holdfast_core.kinds import CLOCK_EXACT, RULES_VERSION

ES256 = ec.ECDSA(SHA256())
TABLE_TEETH, TABLE_BLOCKS = 8, 4
NATIVE_FORMATS = {name: 1 << at for at, name in enumerate(FORMATS)}  # HF_CWT_
Keys = dict[str, str]
Rows = dict[str, Setup]


class Primitives:
    """What opens a COSE message, through `cryptography`."""

    def __init__(self, keys: Keys) -> None:
        self.public = ec.EllipticCurvePublicNumbers(int(keys["x"], 16), int(keys["y"], 16), ec.SECP256R1()).public_key()
        self.aes = AESCCM(bytes.fromhex(keys["aes"]), tag_length=8)
        self.mac_key = bytes.fromhex(keys["mac"])

    def decryption(self, parts: Any) -> tuple[bytes, bytes, bytes]:
        """What is decrypted: IV, ciphertext, AAD."""
        protected, _, ciphertext = parts
        return cbor2.loads(protected)[L.HDR_IV], ciphertext, cbor2.dumps(["Encrypt0", protected, b""])

    def verification(self, parts: Any) -> tuple[bytes, bytes]:
        """What is verified: a DER signature and the message."""
        protected, _, payload, signature = parts
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        return der, cbor2.dumps(["Signature1", protected, b"", payload])

    def authentication(self, parts: Any) -> tuple[bytes, bytes]:
        """What is authenticated: a tag and the message."""
        protected, _, payload, tag = parts
        return tag, cbor2.dumps(["MAC0", protected, b"", payload])

    def decrypt(self, iv: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """AES-CCM."""
        return self.aes.decrypt(iv, ciphertext, aad)

    def verify(self, der: bytes, message: bytes) -> None:
        """ES256."""
        self.public.verify(der, message, ES256)

    def authenticate(self, tag: bytes, message: bytes) -> None:
        """HMAC."""
        mac = HMAC(self.mac_key, SHA256())
        mac.update(message)
        mac.verify(tag)


def raw(keys: Keys) -> Rows:
    """The cryptography alone, everything else done beforehand."""
    use = Primitives(keys)

    def encrypted(token: bytes) -> Callable[[], object]:
        what = use.decryption(cbor2.loads(token).value.value)
        return lambda: use.decrypt(*what)

    def signed(token: bytes) -> Callable[[], object]:
        what = use.verification(cbor2.loads(token).value.value)
        return lambda: use.verify(*what)

    def mac(token: bytes) -> Callable[[], object]:
        what = use.authentication(cbor2.loads(token).value.value)
        return lambda: use.authenticate(*what)

    def nested(token: bytes) -> Callable[[], object]:
        outer = use.decryption(cbor2.loads(token).value.value)
        inner = use.verification(cbor2.loads(use.decrypt(*outer)).value)

        def both() -> None:
            use.decrypt(*outer)
            use.verify(*inner)

        return both

    prepare = {"cwt-encrypted": encrypted, "cwt-nested": nested, "cwt-signed": signed, "cwt-mac": mac}
    return {name: each(lambda thunk: thunk(), prepare[name]) for name in FORMATS}


def accepted(claims: Any) -> Any:
    """What everybody who checks by hand looks at."""
    if claims[L.CLAIM_EXP] <= NOW_S or claims[L.CLAIM_AUD] != AUDIENCE:
        raise ValueError("claims")
    return claims


def opening(opened: Callable[[Any], bytes]) -> Rows:
    """Checks around what opens one COSE message: twice for a nested token; then the claims."""

    def check(token: bytes) -> object:
        return accepted(cbor2.loads(opened(cbor2.loads(token).value)))

    def check_nested(token: bytes) -> object:
        return accepted(cbor2.loads(opened(cbor2.loads(opened(cbor2.loads(token).value)))))

    return {name: each(check_nested if name == "cwt-nested" else check) for name in FORMATS}


def hand(keys: Keys) -> Rows:
    """cbor2 and cryptography."""
    use = Primitives(keys)

    def opened(message: Any) -> bytes:
        if message.tag == L.TAG_COSE_ENCRYPT0:
            return use.decrypt(*use.decryption(message.value))
        if message.tag == L.TAG_COSE_MAC0:
            use.authenticate(*use.authentication(message.value))
        else:
            use.verify(*use.verification(message.value))
        payload: bytes = message.value[2]
        return payload

    return opening(opened)


def pycose(keys: Keys) -> Rows:
    """Pycose for COSE; cbor2 decodes for it, since its own decoder does not work with cbor2 6."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies warn about their own age
        from pycose.keys import EC2Key, SymmetricKey  # noqa: PLC0415 - one contestant in a process
        from pycose.messages import Enc0Message, Mac0Message, Sign1Message  # noqa: PLC0415
    by_tag = {
        L.TAG_COSE_ENCRYPT0: (Enc0Message, SymmetricKey(k=bytes.fromhex(keys["aes"]))),
        L.TAG_COSE_MAC0: (Mac0Message, SymmetricKey(k=bytes.fromhex(keys["mac"]))),
        L.TAG_COSE_SIGN1: (Sign1Message, EC2Key(crv="P_256", x=bytes.fromhex(keys["x"]), y=bytes.fromhex(keys["y"]))),
    }

    def opened(item: Any) -> bytes:
        protected, unprotected, *rest = item.value
        kind, key = by_tag[item.tag]
        message = kind.from_cose_obj([protected, dict(unprotected), *rest], True)
        message.key = key
        if item.tag == L.TAG_COSE_ENCRYPT0:
            plaintext: bytes = message.decrypt()
            return plaintext
        authentic = message.verify_tag() if item.tag == L.TAG_COSE_MAC0 else message.verify_signature()
        if not authentic:
            raise ValueError("not authentic")
        payload: bytes = message.payload
        return payload

    return opening(opened)


def python(keys: Keys) -> Rows:
    """The core in Python."""
    from holdfast_core.verifier import verify_token  # noqa: PLC0415

    return _checked_by(verify_token, keys)


def core(keys: Keys) -> Rows:
    """What a program on CPython gets where the C core is built."""
    from holdfast_core.verifier_hf import verify_token  # noqa: PLC0415

    return _checked_by(verify_token, keys)


def _checked_by(verify_token: Callable[..., object], keys: Keys) -> Rows:
    from holdfast_core.crypto import Es256Key  # noqa: PLC0415
    from holdfast_core.kinds import ROLE_ENCRYPT, ROLE_MAC, ROLE_SIGN  # noqa: PLC0415
    from holdfast_core.moment import Moment  # noqa: PLC0415
    from holdfast_core.rules import Rules  # noqa: PLC0415
    from holdfast_core.scope import ScopeMap  # noqa: PLC0415
    from holdfast_core.secret import Secret  # noqa: PLC0415
    from holdfast_core.trust import Trust, TrustedKey  # noqa: PLC0415

    public = Es256Key(bytes.fromhex(keys["x"]), bytes.fromhex(keys["y"]))
    aes, mac = Secret(bytes.fromhex(keys["aes"])), Secret(bytes.fromhex(keys["mac"]))
    trust = Trust(
        [
            TrustedKey(ROLE_SIGN, b"sign", L.ALG_ES256, ISSUER, public),
            TrustedKey(ROLE_ENCRYPT, b"encr", L.ALG_AES_CCM_16_64_128, ISSUER, aes),
            TrustedKey(ROLE_MAC, b"mac", L.ALG_HMAC_256_256, ISSUER, mac),
        ]
    )
    scopes = ScopeMap({SCOPE: [("/result", L.METHOD_GET)]})
    moment = Moment(NOW_S)

    def checker(name: str) -> Callable[[bytes], object]:
        rules = Rules((AUDIENCE,), trust, scopes, (name,), (PROFILES[name],))
        return lambda token: verify_token(token, rules, moment)

    return {name: each(checker(name)) for name in FORMATS}


def cffi(keys: Keys) -> Rows:
    """The core in C."""
    from holdfast_core import _native, cbor  # noqa: PLC0415

    lib, ffi = _native.lib, _native.ffi
    point = bytes.fromhex(keys["x"]) + bytes.fromhex(keys["y"])
    table = bytearray(4 + (TABLE_BLOCKS << (TABLE_TEETH - 1)) * 64)
    if lib.hf_p256_table_make(point, TABLE_TEETH, TABLE_BLOCKS, ffi.from_buffer("uint8_t[]", table), len(table)):
        raise ValueError("table")
    trusted = [
        [0, b"sign", L.ALG_ES256, ISSUER, point, bytes(table)],
        [1, b"mac", L.ALG_HMAC_256_256, ISSUER, bytes.fromhex(keys["mac"]), None],
        [2, b"encr", L.ALG_AES_CCM_16_64_128, ISSUER, bytes.fromhex(keys["aes"]), None],
    ]
    scopes = [[SCOPE, [["/result", L.METHOD_GET]]]]
    moment, grant = ffi.new("struct hf_moment *"), ffi.new("struct hf_grant *")
    moment.now_s, moment.clock = NOW_S, CLOCK_EXACT
    scratch = ffi.new("uint8_t[]", 2048)

    def checker(name: str) -> Callable[[bytes], object]:
        given = [RULES_VERSION, NATIVE_FORMATS[name], [PROFILES[name]], b"tube", 0, 0, [AUDIENCE], trusted, scopes]
        encoded = cbor.encode(given)
        held, rules = ffi.from_buffer("uint8_t[]", encoded), ffi.new("struct hf_rules *")
        if lib.hf_rules_read({"p": held, "len": len(encoded)}, rules):
            raise ValueError("rules")

        def check(token: bytes) -> object:
            if lib.hf_token_verify(rules, moment, token, len(token), scratch, len(scratch), grant):
                raise ValueError("refused")
            return held  # the rules point into what was encoded

        return check

    return {name: each(checker(name)) for name in FORMATS}


if __name__ == "__main__":
    serve({"raw": raw, "hand": hand, "pycose": pycose, "python": python, "core": core, "cffi": cffi}[sys.argv[1]])
