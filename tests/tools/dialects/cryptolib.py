"""MicroPython's cryptolib.aes by its documented use, from node's crypto: whole blocks, ECB (1) or CBC (2) with an iv.

Browsers' MicroPython has no cryptolib.  Encrypts only, because AES-CCM asks for no more.
"""

import lent_by_node

BLOCK_LEN = 16
ECB, CBC = 1, 2


class aes:  # noqa: N801 - MicroPython's name
    """key: 16 or 32 bytes; the chain of CBC goes on from call to call."""

    def __init__(self, key, mode, iv=None):
        if len(key) not in (16, 32) or mode not in (ECB, CBC) or (iv is None) != (mode == ECB):
            raise ValueError("aes")
        self._key = bytes(key).hex()
        self._last = "" if iv is None else bytes(iv).hex()

    def encrypt(self, blocks, out):
        """Encrypt whole blocks into `out`, which may be the input itself."""
        if len(blocks) % BLOCK_LEN or len(out) < len(blocks):
            raise ValueError("blksize % 16")
        done = lent_by_node.aes(self._key, self._last, bytes(blocks).hex())
        if self._last:
            self._last = done[-2 * BLOCK_LEN :]
        out[: len(blocks)] = bytes.fromhex(done)
        return out
