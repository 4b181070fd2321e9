"""Tables of multiples of a public key, computed ahead for the C core: how long they are, and what one looks like.

Provisioning makes a table once, on a host that has the C core; a device with the C core checks it against the key when
it loads it, so that a wrong table can only refuse, and verifies several times as fast from then on.  A device without
the C core leaves it alone.  Holds no arithmetic: native/include/hf_p256.h is the format.
"""

VERSION = 1
HEAD_LEN = 4  # version, teeth, blocks, 0
POINT_LEN = 64
MIN_TEETH, MAX_TEETH = 3, 8
MAX_BLOCKS = 8

# What a device may be given, by its size in flash: teeth and blocks.
GEOMETRIES = {"2k": (6, 1), "4k": (7, 1), "8k": (8, 1)}


def table_len(teeth: int, blocks: int) -> int:
    """Length of a table in bytes."""
    return HEAD_LEN + (blocks << teeth - 1) * POINT_LEN


def is_table(encoded: bytes) -> bool:
    """Whether this has the shape of a table; whose it is, only a check against the key says."""
    if len(encoded) < HEAD_LEN or encoded[0] != VERSION or encoded[3]:
        return False
    teeth, blocks = encoded[1], encoded[2]
    if not MIN_TEETH <= teeth <= MAX_TEETH or not 1 <= blocks <= MAX_BLOCKS:
        return False
    return len(encoded) == table_len(teeth, blocks)
