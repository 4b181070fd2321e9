"""AES-CCM over a block cipher handed in by the caller (RFC 3610), with the parameters of RFC 9053 4.2.

Only the four COSE algorithms with L = 2 and a 13-byte nonce are here. It holds no AES itself: `aes` is
MicroPython's `cryptolib.aes`, or anything with the same signature. It never returns plaintext whose tag
it has not checked.
"""

from holdfast_core import errors
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Cipher(Protocol):
        """A keyed AES in one mode."""

        def encrypt(self, blocks: bytearray, out: bytearray) -> object:
            """Encrypt whole blocks; out may be blocks itself."""

    class Aes(Protocol):
        """cryptolib.aes: mode 1 is ECB, mode 2 is CBC with an initialisation vector."""

        def __call__(self, key: bytes, mode: int, iv: bytes | None = None) -> Cipher:
            """Key the cipher."""


MAX_TEXT_LEN = 65535  # what the two-byte length field of block B_0 can state (L = 2)
BLOCK_LEN = 16
_ECB = 1
_CBC = 2
_ZERO_BLOCK = bytes(BLOCK_LEN)


class AesCcm:
    """One key and tag length. aes: the block cipher; key: 16 or 32 bytes; tag_len: 8 or 16.

    Each call expands the key anew: 9 k instructions on a Cortex-M3, against 240 bytes a key if kept.
    """

    __slots__ = ("_aes", "_key", "_tag_len")

    def __init__(self, aes: "Aes", key: bytes, tag_len: int) -> None:
        self._aes = aes
        self._key = key
        self._tag_len = tag_len

    def __repr__(self) -> str:
        return "<AesCcm>"

    def seal(self, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """Return ciphertext || tag. Raises LocalError on a plaintext over 65535 bytes."""
        if len(plaintext) > MAX_TEXT_LEN:
            raise LocalError("aead-plaintext-length")
        stream = self._keystream(nonce, len(plaintext))
        tag = self._cbc_mac(nonce, aad, plaintext)
        return _xor(plaintext, stream[BLOCK_LEN:]) + _xor(tag, stream)

    def open(self, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of ciphertext || tag. Raises NotAuthentic, and then reveals nothing."""
        text_len = len(ciphertext) - self._tag_len
        if not 0 <= text_len <= MAX_TEXT_LEN:
            raise errors.NotAuthentic("aead-length")
        stream = self._keystream(nonce, text_len)
        plaintext = _xor(ciphertext[:text_len], stream[BLOCK_LEN:])
        tag = _xor(self._cbc_mac(nonce, aad, plaintext), stream)
        if not equal(tag, ciphertext[text_len:]):
            raise errors.NotAuthentic("aead-tag")
        return plaintext

    def _keystream(self, nonce: bytes, text_len: int) -> bytearray:
        """S_0 || S_1 || ... (RFC 3610 section 2.3): S_0 covers the tag, the rest the text."""
        count = (text_len + BLOCK_LEN - 1) // BLOCK_LEN
        blocks = bytearray((b"\x01" + nonce + b"\0\0") * (count + 1))  # flags (L - 1), nonce, counter
        for i in range(1, count + 1):
            blocks[BLOCK_LEN * i + 14] = i >> 8
            blocks[BLOCK_LEN * i + 15] = i & 0xFF
        self._aes(self._key, _ECB).encrypt(blocks, blocks)
        return blocks

    def _cbc_mac(self, nonce: bytes, aad: bytes, plaintext: bytes) -> bytearray:
        """T, the tag before its encryption (RFC 3610 section 2.2)."""
        head = self._flags(aad) + nonce + len(plaintext).to_bytes(2, "big") + _encode_aad(aad)
        text_at = len(head) + -len(head) % BLOCK_LEN
        text_end = text_at + len(plaintext)
        blocks = bytearray(text_end + -text_end % BLOCK_LEN)
        blocks[: len(head)] = head
        blocks[text_at:text_end] = plaintext
        self._aes(self._key, _CBC, _ZERO_BLOCK).encrypt(blocks, blocks)
        tag_at = len(blocks) - BLOCK_LEN
        return blocks[tag_at : tag_at + self._tag_len]

    def _flags(self, aad: bytes) -> bytes:
        return bytes((0x40 * bool(aad) | (self._tag_len - 2) // 2 << 3 | 0x01,))


def _encode_aad(aad: bytes) -> bytes:
    """The aad behind its length, in the form that each range of lengths has (RFC 3610 section 2.2)."""
    aad_len = len(aad)
    if not aad_len:
        return b""
    if aad_len < 0xFF00:
        return aad_len.to_bytes(2, "big") + aad
    return b"\xff\xfe" + aad_len.to_bytes(4, "big") + aad


def equal(a: "bytes | bytearray", b: "bytes | bytearray") -> bool:
    """Compare in a time that depends on the lengths only."""
    if len(a) != len(b):
        return False
    difference = 0
    for i in range(len(a)):  # an index, since zip would make a tuple for each byte
        difference |= a[i] ^ b[i]
    return difference == 0


def _xor(text: "bytes | bytearray", stream: bytearray) -> bytes:
    """Mix text with the first len(text) bytes of stream by XOR; as two integers, since a loop over bytes is slow."""
    length = len(text)
    mixed = int.from_bytes(text, "big") ^ int.from_bytes(stream[:length], "big")
    return mixed.to_bytes(length, "big")
