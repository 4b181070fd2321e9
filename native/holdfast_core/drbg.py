"""HMAC_DRBG with SHA-256: unpredictable bytes from one good seed (NIST SP 800-90A section 10.1.2).

Serves a device whose own generator is weak or absent: seeded with a provisioned secret, a persisted boot
counter and whatever the board offers. Never gathers entropy, never keeps a counter over a restart, never
shows its state.
"""

from holdfast_core.crypto import hmac_sha256
from holdfast_core.errors import LocalError

# 256-bit security strength needs as much entropy in the seed (SP 800-90A table 2).
MIN_ENTROPY_LEN = 32
# max_number_of_bits_per_request is 2^19 (SP 800-90A table 2).
MAX_REQUEST_LEN = 65536


class HmacDrbg:
    """A deterministic generator: the same seed material gives the same bytes, so no seed may come twice.

    entropy: 32 bytes or more that an attacker cannot guess; nonce and personalization: any bytes that
    differ per instantiation, such as a boot counter and a device id. LocalError when entropy is too short.
    The reseed interval of the standard (2^48 requests) is out of reach and not counted.
    """

    __slots__ = ("_key", "_value")

    def __init__(self, entropy: bytes, nonce: bytes = b"", personalization: bytes = b"") -> None:
        if len(entropy) < MIN_ENTROPY_LEN:
            raise LocalError("drbg-entropy")
        self._key = bytes(32)
        self._value = b"\x01" * 32
        self._update(entropy + nonce + personalization)

    def generate(self, n: int) -> bytes:
        """Return n bytes, 0..65536; LocalError beyond. Its state has moved on when it returns."""
        if not 0 <= n <= MAX_REQUEST_LEN:
            raise LocalError("drbg-length")
        out = bytearray()
        while len(out) < n:
            self._value = hmac_sha256(self._key, self._value)
            out += self._value
        self._update(b"")
        return bytes(out[:n])

    def _update(self, provided: bytes) -> None:
        """HMAC_DRBG_Update (SP 800-90A section 10.1.2.2)."""
        for separator in (b"\x00", b"\x01") if provided else (b"\x00",):
            self._key = hmac_sha256(self._key, self._value + separator + provided)
            self._value = hmac_sha256(self._key, self._value)

    def __repr__(self) -> str:
        return "HmacDrbg(<redacted>)"
