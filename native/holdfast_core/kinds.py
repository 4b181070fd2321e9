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

# --- Between verifier_hf.py and the C core: rules as hf_rules_read takes them ---
RULES_VERSION = 2
# --- bits: flags of the rules ---
RULE_REQUIRE_CNONCE = 1
RULE_RFC8392 = 2  # rules.token_shape is RFC8392, not STRICT
# --- bits: which claims a claims set has ---
HAS_EXP = 1
HAS_NBF = 2
HAS_IAT = 4
HAS_EXI = 8
HAS_PROFILE = 16
# --- enum clock: how much an RS knows about the time ---
CLOCK_UNKNOWN = 0
CLOCK_FLOOR = 1
CLOCK_EXACT = 2
# --- enum exi: the sequence numbers of exi tokens that an RS takes (9200:5.10.3): none, any, those above a floor ---
EXI_REFUSED = 0
EXI_ANY = 1
EXI_ABOVE = 2
# --- Bytes of a moment; now_s and exi_floor have 8, little-endian ---
MOMENT_CLOCK = 0
MOMENT_EXI = 1
MOMENT_HAS_CNONCES = 2  # 1 if client-nonces are handed out
MOMENT_NOW = 3
MOMENT_FLOOR = 11
MOMENT_LEN = 19
# --- enum item: what token_verify of hf_native returns; numbers, words and flags are several, in the order named ---
ITEM_ISSUER = 0
ITEM_SUB = 1
ITEM_AUD = 2  # encoded
ITEM_SCOPE = 3
ITEM_CTI = 4
ITEM_CNONCE = 5
ITEM_ACT = 6  # encoded
ITEM_KID = 7
ITEM_OSC_ID = 8
ITEM_OSC_MS = 9
ITEM_OSC_SALT = 10
ITEM_OSC_CONTEXT_ID = 11
ITEM_KEY_X = 12
ITEM_KEY_Y = 13
ITEM_KEY_K = 14
ITEM_KEY_OPS = 15  # encoded
ITEM_NUMBERS = 16  # exp, nbf, iat, exi, exi_seq, of 8 bytes each, little-endian
ITEM_WORDS = 17  # alg of osc, kty, alg of the key, of 4 bytes each, little-endian
ITEM_FLAGS = 18  # has, whether scope is text, ace_profile, format, cnf's method, encrypted, whether the key has an alg
ITEM_TOKEN_HASH = 19
ITEM_COUNT = 20
