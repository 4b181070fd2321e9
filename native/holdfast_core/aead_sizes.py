"""The lengths that go with a COSE algorithm of AES-CCM (RFC 9053 table 5).

A file of its own: where the firmware or the C core has AES-CCM, nobody loads the one in Python. Never encrypts.
"""

from holdfast_core import errors
from holdfast_core import labels as L

NONCE_LEN = 13  # 15 - L

# alg: (key_len, nonce_len, tag_len), RFC 9053 table 5
_SIZES = {
    L.ALG_AES_CCM_16_64_128: (16, NONCE_LEN, 8),
    L.ALG_AES_CCM_16_64_256: (32, NONCE_LEN, 8),
    L.ALG_AES_CCM_16_128_128: (16, NONCE_LEN, 16),
    L.ALG_AES_CCM_16_128_256: (32, NONCE_LEN, 16),
}


def aead_sizes(alg: int) -> "tuple[int, int, int]":
    """Return (key_len, nonce_len, tag_len) in bytes of a COSE AEAD algorithm number.

    Raises UnsupportedAlg for every algorithm but AES-CCM-16-{64,128}-{128,256}.
    """
    sizes = _SIZES.get(alg)
    if sizes is None:
        raise errors.UnsupportedAlg("aead")
    return sizes
