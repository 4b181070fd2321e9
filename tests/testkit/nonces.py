"""Every key and nonce that OSCORE of this process seals with: a pair belongs to one plaintext and one AAD for ever.

with Nonces() as nonces: ...        # RepeatedNonce where a pair comes again for something else
"""

from holdfast_core import oscore


class RepeatedNonce(AssertionError):
    """A (key, nonce) pair was used for two messages."""


class Nonces:
    """pairs: {(key, nonce): (plaintext, aad)} of all contexts made while it is entered."""

    def __init__(self):
        self.pairs = {}
        self._real = None

    def __enter__(self):
        pairs, real = self.pairs, oscore.Aead

        class Watched:
            """An Aead that tells what it seals."""

            def __init__(self, alg, key):
                self.key = bytes(key)
                self.aead = real(alg, key)

            def seal(self, nonce, aad, plaintext):
                pair, content = (self.key, bytes(nonce)), (bytes(plaintext), bytes(aad))
                if pairs.setdefault(pair, content) != content:
                    raise RepeatedNonce(repr(pair))
                return self.aead.seal(nonce, aad, plaintext)

            def open(self, nonce, aad, sealed):
                return self.aead.open(nonce, aad, sealed)

        self._real, oscore.Aead = real, Watched
        return self

    def __exit__(self, *_error):
        oscore.Aead = self._real
