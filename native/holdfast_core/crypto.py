"""The one door to cryptography: SHA-256, HMAC, HKDF, AES-CCM and ES256 verification.

Takes every primitive from the `cryptography` package where it can be imported; on MicroPython from
`hf_native`, the C core, where the firmware or a .mpy file has it; and otherwise from what MicroPython
carries (hashlib, cryptolib) plus our own arithmetic. A chip with AES and SHA-256 in hardware uses those, and
the C core for ES256. Verifying signatures is for the C core where that was built: it handles public data
only. Never draws randomness, never signs, and never holds keys beyond the Aead and Es256Key objects that its
callers keep.

SHA-256: FIPS 180-4. HMAC: RFC 2104. HKDF: RFC 5869. AES-CCM: RFC 3610 with the parameters of
RFC 9053 section 4.2. ECDSA with P-256 and SHA-256 (ES256): RFC 9053 section 2.1.
"""

from holdfast_core import labels as L
from holdfast_core.aead_sizes import aead_sizes
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from holdfast_core.crypto_cryptography import PROVIDER, Aead, Es256Key, equal, hmac_sha256, sha256
else:
    import sys

    try:
        from holdfast_core.crypto_cryptography import PROVIDER, Aead, Es256Key, equal, hmac_sha256, sha256
    except ImportError:
        try:
            from holdfast_core.crypto_hf import PROVIDER, Aead, Es256Key, equal, hmac_sha256, sha256

            # Of the chips that MicroPython's esp32 port is for, only the C2 has no AES in hardware.
            if sys.platform == "esp32" and "ESP32C2" not in sys.implementation._machine:  # noqa: SLF001 - its name
                from holdfast_core.crypto_firmware import Aead, hmac_sha256, sha256

                PROVIDER = "hf_native, and the firmware for AES and SHA-256"
        except ImportError:
            from holdfast_core.crypto_micropython import PROVIDER, Aead, Es256Key, equal, hmac_sha256, sha256
    try:
        from holdfast_core.crypto_cpython_native import PROVIDER, Es256Key
    except ImportError:
        pass  # not built, or not CPython

__all__ = (
    "MAC_TAG_LENS",
    "PROVIDER",
    "Aead",
    "Es256Key",
    "aead_sizes",
    "equal",
    "hkdf_expand",
    "hkdf_extract",
    "hkdf_sha256",
    "hmac_sha256",
    "sha256",
)

HASH_LEN = 32
# What a MAC algorithm leaves of the HMAC-SHA-256 output, in bytes (RFC 9053 section 3.1).
MAC_TAG_LENS = {L.ALG_HMAC_256_64: 8, L.ALG_HMAC_256_256: 32}
MAX_OKM_LEN = 255 * HASH_LEN  # RFC 5869 2.3: the block counter is one byte


def hkdf_extract(salt: bytes, ikm: bytes) -> bytes:
    """Return the 32-byte pseudorandom key (RFC 5869 section 2.2). An empty salt means 32 zero bytes."""
    return hmac_sha256(salt, ikm)  # HMAC pads a short key with zeros, so an empty salt needs no special case


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """Return `length` bytes of output keying material (RFC 5869 section 2.3).

    prk: 32 bytes from hkdf_extract. length: 0..8160. Raises LocalError on any other length.
    """
    if not 0 <= length <= MAX_OKM_LEN:
        raise LocalError("hkdf-length")
    okm = block = b""
    counter = 0
    while len(okm) < length:
        counter += 1
        block = hmac_sha256(prk, block + info + bytes((counter,)))
        okm += block
    return okm[:length]


def hkdf_sha256(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    """Extract, then expand (RFC 5869 section 2). length: 0..8160 bytes. Raises LocalError otherwise."""
    return hkdf_expand(hkdf_extract(salt, ikm), info, length)
