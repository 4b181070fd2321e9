"""Every key and nonce that OSCORE of this process seals with: a pair belongs to one ciphertext for ever.

    with Nonces() as nonces: ...        # RepeatedNonce where a pair comes again for something else

A key is told by what is derived beside it from the same secret, salt and ID Context: its Common IV, and its Sender ID.
"""

from holdfast_core.oscore import SecurityContext


class RepeatedNonce(AssertionError):
    """A (key, nonce) pair was used for two messages."""


class Nonces:
    """pairs: {(key, nonce): ciphertext} of all that was sealed while it is entered."""

    def __init__(self):
        self.pairs = {}
        self._seal = None

    def __enter__(self):
        pairs, real = self.pairs, SecurityContext._seal

        def seal(context, message, inner, nonce, aad):
            sealed = real(context, message, inner, nonce, aad)
            pair = ((context.sender_id, context._sender_nonce), bytes(nonce))
            if pairs.setdefault(pair, bytes(sealed)) != sealed:
                raise RepeatedNonce(repr(pair))
            return sealed

        self._seal, SecurityContext._seal = real, seal
        return self

    def __exit__(self, *_error):
        SecurityContext._seal = self._seal
