"""Every key and nonce that OSCORE of this process seals with: a pair belongs to one ciphertext for ever.

    with Nonces() as nonces: ...        # RepeatedNonce where a pair comes again for another ciphertext

The Common IV and the Sender ID stand for the key: the IV is derived from the same secret, salt and ID Context.
"""

from holdfast_core.oscore import SecurityContext


class RepeatedNonce(AssertionError):
    """A (key, nonce) pair was used for two messages."""


class Nonces:
    """pairs: {(key, nonce): ciphertext} of all that is sealed in the `with` block."""

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
