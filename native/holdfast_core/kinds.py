"""What both ends and both languages call alike: token formats, key roles, and the lengths that they share.

Each stands here once. scripts/gen_kinds.py makes include/hf_kinds.h of it: the same names with HF_ in front.
Never holds a wire number of a registry (labels.py), nor a limit that only one file knows.
"""

# --- Token formats, as the AS's owner names them ---
REFERENCE = "reference"  # a handle that the AS introspects
CWT_ENCRYPTED = "cwt-encrypted"
CWT_NESTED = "cwt-nested"
CWT_SIGNED = "cwt-signed"
CWT_MAC = "cwt-mac"
FORMATS = (REFERENCE, CWT_ENCRYPTED, CWT_NESTED, CWT_SIGNED, CWT_MAC)

# --- What a token may look like (cwt.py) ---
STRICT = "strict"
RFC8392 = "rfc8392"
TOKEN_SHAPES = (STRICT, RFC8392)

# --- What a key that an RS shares with its AS, or holds of it, is for: one of these ---
ROLE_SIGN = "sign"
ROLE_MAC = "mac"
ROLE_ENCRYPT = "encrypt"
ROLES = (ROLE_SIGN, ROLE_MAC, ROLE_ENCRYPT)

# --- Lengths in bytes ---
# A nested token with osc material and a long AIF scope stays under 700 bytes; a board takes one in one block upload.
MAX_ACCESS_TOKEN_LEN = 1024
MAX_COAP_TOKEN_LEN = 8  # RFC 7252 section 3; longer ones (RFC 8974) are not spoken
# cti of a token with exi: the RS's identifier, then the AS's sequence number (RFC 9200 section 5.10.3; layout ours).
EXI_SEQUENCE_LEN = 8
# A Master Secret shorter than the AEAD key it makes would be the weakest link; longer than a SHA-256 block is odd.
MIN_MS_LEN = 16
MAX_MS_LEN = 64
MIN_PSK_LEN = 16
MAC_KEY_LEN = 32
COORDINATE_LEN = 32  # of P-256

# --- Numbers of things, and times ---
# Nothing Holdfast sends nests deeper than 5; 8 recursions fit the smallest stack (RP2040) and leave room.
MAX_CBOR_DEPTH = 8
# The largest map of the protocols has under 40 entries; the cap bounds the time of hash collisions.
MAX_CBOR_MAP_ITEMS = 256
# No RS has more names than this; it bounds the comparison.
MAX_AUDIENCES = 16
# `act` of an actor's actor: a chain longer than the depth the CBOR reader allows cannot arrive anyway.
MAX_ACTORS = 4
# An RS has fewer resources than this; it bounds the work on a scope.
MAX_PERMISSIONS = 32
# No date and no duration of ours lies beyond the year 36812; it bounds every sum of times, in C too.
MAX_TIME_S = 1 << 40
# How far the AS may be ahead of a clock: ten years of drift of a crystal, 20 millionths, are less than two hours, and
# nothing is proven beyond the clock by such a token (timekeeper.py of a device).
MAX_AHEAD_S = 3600
