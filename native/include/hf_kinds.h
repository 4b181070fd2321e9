/* Formats, key roles, shared lengths, and what the binding and its Python face say to each other: from
 * holdfast_core/kinds.py. Made by scripts/gen_kinds.py; not to be edited. */
#ifndef HF_KINDS_H
#define HF_KINDS_H

#include <stdint.h>

/* Token formats, as the AS's owner names them */
#define HF_CWT_ENCRYPTED 1u
#define HF_CWT_NESTED 2u
#define HF_CWT_SIGNED 4u
#define HF_CWT_MAC 8u

/* What a token may look like (cwt.py) */

/* What a key that an RS shares with its AS, or holds of it, is for: one of these */
enum hf_role { HF_ROLE_SIGN, HF_ROLE_MAC, HF_ROLE_ENCRYPT, HF_ROLE_COUNT };

/* Lengths in bytes */
#define HF_MAX_ACCESS_TOKEN_LEN 1024
#define HF_MAX_COAP_TOKEN_LEN 8
#define HF_EXI_SEQUENCE_LEN 8
#define HF_MIN_MS_LEN 16
#define HF_MAX_MS_LEN 64
#define HF_MIN_PSK_LEN 16
#define HF_MAC_KEY_LEN 32
#define HF_COORDINATE_LEN 32

/* Numbers of things, and times */
#define HF_MAX_CBOR_DEPTH 8
#define HF_MAX_CBOR_MAP_ITEMS 256
#define HF_MAX_AUDIENCES 16
#define HF_MAX_ACTORS 4
#define HF_MAX_PERMISSIONS 32
#define HF_MAX_TIME_S INT64_C(1099511627776)
#define HF_MAX_AHEAD_S 3600

/* Between verifier_hf.py and the C core: rules as hf_rules_read takes them */
#define HF_RULES_VERSION 2

/* Flags of the rules */
#define HF_RULE_REQUIRE_CNONCE 1u
#define HF_RULE_RFC8392 2u

/* Which claims a claims set has */
#define HF_HAS_EXP 1u
#define HF_HAS_NBF 2u
#define HF_HAS_IAT 4u
#define HF_HAS_EXI 8u
#define HF_HAS_PROFILE 16u

/* How much an RS knows about the time */
enum hf_clock {
    HF_CLOCK_UNKNOWN = 0,
    HF_CLOCK_FLOOR = 1,
    HF_CLOCK_EXACT = 2,
};

/* The sequence numbers of exi tokens that an RS takes (9200:5.10.3): none, any, those above a floor */
enum hf_exi {
    HF_EXI_REFUSED = 0,
    HF_EXI_ANY = 1,
    HF_EXI_ABOVE = 2,
};

/* Bytes of a moment; now_s and exi_floor have 8, little-endian */
#define HF_MOMENT_CLOCK 0
#define HF_MOMENT_EXI 1
#define HF_MOMENT_HAS_CNONCES 2
#define HF_MOMENT_NOW 3
#define HF_MOMENT_FLOOR 11
#define HF_MOMENT_LEN 19

/* What token_verify of hf_native returns; numbers, words and flags are several, in the order named */
enum hf_item {
    HF_ITEM_ISSUER = 0,
    HF_ITEM_SUB = 1,
    HF_ITEM_AUD = 2,
    HF_ITEM_SCOPE = 3,
    HF_ITEM_CTI = 4,
    HF_ITEM_CNONCE = 5,
    HF_ITEM_ACT = 6,
    HF_ITEM_KID = 7,
    HF_ITEM_OSC_ID = 8,
    HF_ITEM_OSC_MS = 9,
    HF_ITEM_OSC_SALT = 10,
    HF_ITEM_OSC_CONTEXT_ID = 11,
    HF_ITEM_KEY_X = 12,
    HF_ITEM_KEY_Y = 13,
    HF_ITEM_KEY_K = 14,
    HF_ITEM_KEY_OPS = 15,
    HF_ITEM_NUMBERS = 16,
    HF_ITEM_WORDS = 17,
    HF_ITEM_FLAGS = 18,
    HF_ITEM_TOKEN_HASH = 19,
    HF_ITEM_COUNT = 20,
};

#endif
