/* The strict CBOR decoder (RFC 8949) of holdfast_core/cbor.py, for C: the same bytes accepted, the same details.
 *
 * There are two steps. hf_cbor_check reads untrusted bytes once and decides. The readers then find items in the bytes
 * that it accepted. In bytes that were never checked readers also stay inside, but what they return means nothing.
 * No recursion, no allocation. Everything is public: time depends on the bytes.
 */
#ifndef HF_CBOR_H
#define HF_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hf_kinds.h"
#include "hf_verdict.h"

#define HF_CBOR_TRUE 21 /* simple values */
#define HF_CBOR_NULL 22

/* Tags that a caller can allow: bits of `tags`. */
#define HF_CBOR_TAG_ENCRYPT0 1u
#define HF_CBOR_TAG_MAC0 2u
#define HF_CBOR_TAG_SIGN1 4u
#define HF_CBOR_TAG_CWT 8u

/* Bytes that another owner holds. p == NULL: absent, which differs from empty. */
struct hf_slice {
    const uint8_t *p;
    size_t len;
};

/* A place in CBOR: the next item is at p. p == NULL: no such item. */
struct hf_cbor {
    const uint8_t *p;
    const uint8_t *end;
};

enum hf_cbor_kind {
    HF_CBOR_UINT,
    HF_CBOR_NINT,
    HF_CBOR_BYTES,
    HF_CBOR_TEXT,
    HF_CBOR_ARRAY,
    HF_CBOR_MAP,
    HF_CBOR_TAG,
    HF_CBOR_SIMPLE,
    HF_CBOR_FLOAT,
    HF_CBOR_NONE
};

/* One head and what belongs to it. hi:lo: the argument of 64 bits (length, count, tag number, n of n and -1-n, bits of
 * a float of `width` bytes, number of a simple value). content: of a string. */
struct hf_cbor_item {
    uint32_t hi;
    uint32_t lo;
    struct hf_slice content;
    uint8_t kind;
    uint8_t width;
};

/* Check that the bytes are exactly one item of the profile.
 *   in:  encoded[encoded_len], not NULL; tags: allowed at any place; max_depth 0..HF_MAX_CBOR_DEPTH
 *   ret: 0 | HF_MALFORMED_CBOR with detail truncated trailing indefinite reserved not-shortest duplicate-key key-type
 *        depth tag utf8 simple float too-long
 *   time: quadratic in a map's keys unless they ascend; at most some 10^5 heads passed over for 1024 bytes
 */
hf_verdict_t hf_cbor_check(struct hf_slice encoded, unsigned tags, unsigned max_depth);

/* Read one head, and a string's content with it; of arrays, maps and tags the items follow.
 *   out: *item; r moves behind it. On failure item->kind is HF_CBOR_NONE and r stands at its end
 *   ret: whether there is a head
 */
bool hf_cbor_next(struct hf_cbor *r, struct hf_cbor_item *item);

/* Move behind one item and all that it holds. */
void hf_cbor_skip(struct hf_cbor *r);

/* Move behind one item; return its encoding. */
struct hf_slice hf_cbor_take(struct hf_cbor *r);

/* Stand at the start of an encoding; at no item when the slice is absent. */
struct hf_cbor hf_cbor_at(struct hf_slice encoded);

/* Read a head of one kind; true and r behind the head when it is that kind. *count: items of an array, pairs of a map.
 * Otherwise false, and r is at a place where no item is left. */
bool hf_cbor_enter(struct hf_cbor *r, enum hf_cbor_kind kind, uint32_t *count);

static inline bool hf_cbor_array(struct hf_cbor *r, uint32_t *count)
{
    return hf_cbor_enter(r, HF_CBOR_ARRAY, count);
}

static inline bool hf_cbor_map(struct hf_cbor *r, uint32_t *count)
{
    return hf_cbor_enter(r, HF_CBOR_MAP, count);
}

/* The value of the map at `map` under an integer label; an absent place when there is no value or no map. */
struct hf_cbor hf_cbor_get(struct hf_cbor map, int32_t label);

/* The kind of the item at a place; HF_CBOR_NONE when it is absent. */
enum hf_cbor_kind hf_cbor_kind_at(struct hf_cbor value);

/* Whether the item at a place is a byte string (text); its content. */
bool hf_cbor_bytes(struct hf_cbor value, struct hf_slice *content);
bool hf_cbor_text(struct hf_cbor value, struct hf_slice *content);

/* The value of an integer or, rounded up, of a float: the nearest that 64 bits hold.
 *   in:  *item of such a kind; it is used up
 */
int64_t hf_cbor_number(struct hf_cbor_item *item);

/* The nearest that 32 bits hold. */
int32_t hf_cbor_near32(int64_t number);

/* Whether the item at a place is an integer; its value, or the nearest that 32 bits hold. */
bool hf_cbor_int32(struct hf_cbor value, int32_t *number);

/* Whether two slices hold the same bytes; absent is like empty. For public bytes only: stops at a difference. */
bool hf_slice_equal(struct hf_slice a, struct hf_slice b);

#endif
