/* Strict CBOR: see hf_cbor.h. Arguments stay in two words, since armv6m has no 64-bit shift of its own. */
#include "hf_cbor.h"

#include "hf_labels.h"

#define MAJOR_SIMPLE 7u
#define FALSE 20u
#define INFO_INLINE 24u /* arguments below it stand in the initial byte */
#define INFO_INDEFINITE 31u

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_CBOR, detail)

static size_t left(const struct hf_cbor *r)
{
    return (size_t)(r->end - r->p);
}

/* Whether hi:lo is more than there are bytes. */
static bool exceeds(const struct hf_cbor_item *item, size_t bytes)
{
    return item->hi != 0 || item->lo > bytes;
}

/* out: hi:lo = the next `width` bytes, 1, 2, 4 or 8 of them. */
static hf_verdict_t take_number(struct hf_cbor *r, unsigned width, struct hf_cbor_item *item)
{
    if (left(r) < width) {
        return MALFORMED(TRUNCATED);
    }
    for (unsigned i = 0; i < width; i++) {
        item->hi = item->hi << 8 | item->lo >> 24;
        item->lo = item->lo << 8 | *r->p++;
    }
    return HF_OK;
}

/* Read the argument after an initial byte with this additional information, 24..31. */
static hf_verdict_t take_argument(struct hf_cbor *r, unsigned info, struct hf_cbor_item *item)
{
    if (info > 27) {
        return info == INFO_INDEFINITE ? MALFORMED(INDEFINITE) : MALFORMED(RESERVED);
    }
    unsigned width = 1u << (info - INFO_INLINE);
    hf_verdict_t verdict = take_number(r, width, item);
    if (verdict != HF_OK) {
        return verdict;
    }
    /* The shortest form holds nothing that half the width holds; one byte holds nothing below 24. */
    bool shortest = width == 1   ? item->lo >= INFO_INLINE
                    : width == 2 ? item->lo >> 8 != 0
                    : width == 4 ? item->lo >> 16 != 0
                                 : item->hi != 0;
    return shortest ? (hf_verdict_t)HF_OK : MALFORMED(NOT_SHORTEST);
}

/* Whether the bits of a float of item->width bytes are those of a number: no infinity, no NaN. */
static bool is_finite(const struct hf_cbor_item *item)
{
    if (item->width == 2) {
        return (item->lo >> 10 & 0x1F) != 0x1F;
    }
    if (item->width == 4) {
        return (item->lo >> 23 & 0xFF) != 0xFF;
    }
    return (item->hi >> 20 & 0x7FF) != 0x7FF;
}

/* Read what follows an initial byte of major type 7: false, true, null, or a finite float. */
static hf_verdict_t take_simple(struct hf_cbor *r, unsigned info, struct hf_cbor_item *item)
{
    if (info >= FALSE && info <= HF_CBOR_NULL) {
        item->lo = info;
        item->kind = HF_CBOR_SIMPLE;
        return HF_OK;
    }
    if (info < 25) { /* undefined, unassigned, and the two-byte form */
        return info == INFO_INLINE && left(r) == 0 ? MALFORMED(TRUNCATED) : MALFORMED(SIMPLE);
    }
    if (info > 27) {
        return info == INFO_INDEFINITE ? MALFORMED(INDEFINITE) : MALFORMED(RESERVED);
    }
    unsigned width = 1u << (info - INFO_INLINE);
    hf_verdict_t verdict = take_number(r, width, item);
    if (verdict != HF_OK) {
        return verdict;
    }
    item->width = (uint8_t)width;
    if (!is_finite(item)) {
        return MALFORMED(FLOAT);
    }
    item->kind = HF_CBOR_FLOAT;
    return HF_OK;
}

/* How many bytes follow the first of a UTF-8 character, and where the second must lie (RFC 3629 section 4). 0 bytes
 * when no character starts so. */
static unsigned utf8_followers(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    return first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
}

static bool is_utf8(struct hf_slice text)
{
    size_t at = 0;
    while (at < text.len) {
        uint8_t first = text.p[at++];
        if (first < 0x80) {
            continue;
        }
        uint8_t low;
        uint8_t high;
        unsigned followers = utf8_followers(first, &low, &high);
        if (followers == 0 || followers > text.len - at || text.p[at] < low || text.p[at] > high) {
            return false;
        }
        for (unsigned i = 1; i < followers; i++) {
            if (text.p[at + i] >> 6 != 2) {
                return false;
            }
        }
        at += followers;
    }
    return true;
}

static hf_verdict_t take_item(struct hf_cbor *r, struct hf_cbor_item *item)
{
    if (left(r) == 0) {
        return MALFORMED(TRUNCATED);
    }
    uint8_t initial = *r->p++;
    unsigned major = initial >> 5;
    unsigned info = initial & 31u;
    if (major == MAJOR_SIMPLE) {
        return take_simple(r, info, item);
    }
    item->lo = info;
    if (info >= INFO_INLINE) {
        item->lo = 0;
        hf_verdict_t verdict = take_argument(r, info, item);
        if (verdict != HF_OK) {
            return verdict;
        }
    }
    if (major == HF_CBOR_BYTES || major == HF_CBOR_TEXT) {
        if (exceeds(item, left(r))) {
            return MALFORMED(TRUNCATED);
        }
        item->content.p = r->p;
        item->content.len = item->lo;
        r->p += item->lo;
        if (major == HF_CBOR_TEXT && !is_utf8(item->content)) {
            return MALFORMED(UTF8);
        }
    }
    item->kind = (uint8_t)major;
    return HF_OK;
}

hf_verdict_t hf_cbor_next(struct hf_cbor *r, struct hf_cbor_item *item)
{
    item->hi = 0;
    item->lo = 0;
    item->content.p = NULL;
    item->content.len = 0;
    item->kind = HF_CBOR_NONE;
    item->width = 0;
    hf_verdict_t verdict = take_item(r, item);
    if (verdict != HF_OK) {
        r->p = r->end;
    }
    return verdict;
}

/* One open array, map or tag. */
struct level {
    const uint8_t *first;    /* a map's first key */
    struct hf_slice largest; /* the largest key so far, in the order of the encodings */
    uint32_t items;          /* still to come; keys and values each count */
    bool is_map;
};

/* Below 0, 0 or above 0, as the encoding a sorts before, with or after b. No item is the start of another one. */
static int compare(struct hf_slice a, struct hf_slice b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (a.p[i] != b.p[i]) {
            return a.p[i] < b.p[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Whether the key stands among the pairs from `first` up to it. Lengths are shortest, so equal keys are equal bytes. */
static bool is_repeated(const uint8_t *first, struct hf_slice key, const uint8_t *end)
{
    struct hf_cbor r = {first, end};
    while (r.p < key.p) {
        if (compare(hf_cbor_take(&r), key) == 0) {
            return true;
        }
        hf_cbor_skip(&r);
    }
    return false;
}

/* Check a map's key, integer or text, and that it is new. Sorted maps need no search. */
static hf_verdict_t check_key(struct hf_cbor *r, struct level *level)
{
    struct hf_slice key = {r->p, 0};
    struct hf_cbor_item item;
    if (left(r) > 0) {
        unsigned major = *r->p >> 5;
        if (major != HF_CBOR_UINT && major != HF_CBOR_NINT && major != HF_CBOR_TEXT) {
            return MALFORMED(KEY_TYPE);
        }
    }
    hf_verdict_t verdict = hf_cbor_next(r, &item);
    if (verdict != HF_OK) {
        return verdict;
    }
    key.len = (size_t)(r->p - key.p);
    if (level->largest.p == NULL || compare(level->largest, key) < 0) {
        level->largest = key;
    } else if (is_repeated(level->first, key, r->end)) {
        return MALFORMED(DUPLICATE_KEY);
    }
    return HF_OK;
}

static unsigned tag_bit(const struct hf_cbor_item *item)
{
    if (item->hi != 0) {
        return 0;
    }
    return item->lo == HF_L_TAG_COSE_ENCRYPT0 ? HF_CBOR_TAG_ENCRYPT0
           : item->lo == HF_L_TAG_COSE_MAC0   ? HF_CBOR_TAG_MAC0
           : item->lo == HF_L_TAG_COSE_SIGN1  ? HF_CBOR_TAG_SIGN1
           : item->lo == HF_L_TAG_CWT         ? HF_CBOR_TAG_CWT
                                              : 0;
}

/* Check the head of an array, map or tag against what is left.
 *   out: *level, open
 */
static hf_verdict_t open_level(const struct hf_cbor *r, const struct hf_cbor_item *item, unsigned tags,
                               struct level *level)
{
    level->first = r->p;
    level->largest.p = NULL;
    level->largest.len = 0;
    level->is_map = item->kind == HF_CBOR_MAP;
    level->items = item->lo;
    if (item->kind == HF_CBOR_TAG) {
        level->items = 1;
        return tag_bit(item) & tags ? (hf_verdict_t)HF_OK : MALFORMED(TAG);
    }
    if (exceeds(item, level->is_map ? left(r) / 2 : left(r))) { /* each item takes a byte or more */
        return MALFORMED(TRUNCATED);
    }
    if (level->is_map) {
        if (item->lo > HF_CBOR_MAX_MAP_ITEMS) {
            return MALFORMED(TOO_LONG);
        }
        level->items = item->lo * 2;
    }
    return HF_OK;
}

hf_verdict_t hf_cbor_check(struct hf_slice encoded, unsigned tags, unsigned max_depth)
{
    struct hf_cbor r = hf_cbor_at(encoded);
    struct level levels[HF_CBOR_MAX_DEPTH];
    unsigned depth = 0;
    do {
        struct level *level = depth > 0 ? &levels[depth - 1] : NULL;
        hf_verdict_t verdict = HF_OK;
        if (level != NULL && level->is_map && level->items % 2 == 0) {
            verdict = check_key(&r, level);
            level->items--;
        } else {
            struct hf_cbor_item item;
            verdict = hf_cbor_next(&r, &item);
            if (level != NULL) {
                level->items--;
            }
            if (verdict == HF_OK && item.kind >= HF_CBOR_ARRAY && item.kind <= HF_CBOR_TAG) {
                verdict = depth >= max_depth ? MALFORMED(DEPTH) : open_level(&r, &item, tags, &levels[depth]);
                depth++;
            }
        }
        if (verdict != HF_OK) {
            return verdict;
        }
        while (depth > 0 && levels[depth - 1].items == 0) {
            depth--;
        }
    } while (depth > 0);
    return left(&r) == 0 ? (hf_verdict_t)HF_OK : MALFORMED(TRAILING);
}

void hf_cbor_skip(struct hf_cbor *r)
{
    struct hf_cbor_item item;
    size_t pending = 1;
    while (pending > 0) {
        if (hf_cbor_next(r, &item) != HF_OK) {
            return;
        }
        pending--;
        if (item.kind == HF_CBOR_TAG) {
            pending++;
        } else if (item.kind == HF_CBOR_ARRAY || item.kind == HF_CBOR_MAP) {
            if (exceeds(&item, left(r))) { /* never in what was checked */
                r->p = r->end;
                return;
            }
            pending += item.kind == HF_CBOR_MAP ? (size_t)item.lo * 2 : item.lo;
        }
    }
}

struct hf_slice hf_cbor_take(struct hf_cbor *r)
{
    struct hf_slice encoded = {r->p, 0};
    hf_cbor_skip(r);
    encoded.len = (size_t)(r->p - encoded.p);
    return encoded;
}

struct hf_cbor hf_cbor_at(struct hf_slice encoded)
{
    struct hf_cbor r = {encoded.p, encoded.p == NULL ? NULL : encoded.p + encoded.len};
    return r;
}

static bool enter(struct hf_cbor *r, enum hf_cbor_kind kind, uint32_t *count)
{
    struct hf_cbor_item item;
    *count = 0;
    if (hf_cbor_next(r, &item) != HF_OK || item.kind != kind || exceeds(&item, left(r))) {
        r->p = r->end;
        return false;
    }
    *count = item.lo;
    return true;
}

bool hf_cbor_array(struct hf_cbor *r, uint32_t *count)
{
    return enter(r, HF_CBOR_ARRAY, count);
}

bool hf_cbor_map(struct hf_cbor *r, uint32_t *count)
{
    return enter(r, HF_CBOR_MAP, count);
}

enum hf_cbor_kind hf_cbor_kind_at(struct hf_cbor value)
{
    struct hf_cbor_item item;
    (void)hf_cbor_next(&value, &item);
    return (enum hf_cbor_kind)item.kind;
}

struct hf_cbor hf_cbor_get(struct hf_cbor map, int32_t label)
{
    uint32_t pairs;
    struct hf_cbor absent = {NULL, NULL};
    (void)hf_cbor_map(&map, &pairs);
    for (; pairs > 0; pairs--) {
        struct hf_cbor key = map;
        int32_t found;
        hf_cbor_skip(&map);
        if (hf_cbor_int32(key, &found) && found == label) {
            return map;
        }
        hf_cbor_skip(&map);
    }
    return absent;
}

static bool content_of(struct hf_cbor value, enum hf_cbor_kind kind, struct hf_slice *content)
{
    struct hf_cbor_item item;
    (void)hf_cbor_next(&value, &item);
    if (item.kind != kind) {
        return false;
    }
    *content = item.content;
    return true;
}

bool hf_cbor_bytes(struct hf_cbor value, struct hf_slice *content)
{
    return content_of(value, HF_CBOR_BYTES, content);
}

bool hf_cbor_text(struct hf_cbor value, struct hf_slice *content)
{
    return content_of(value, HF_CBOR_TEXT, content);
}

/* hi:lo as a number, or INT64_MAX when that is less. */
static int64_t number_of(uint32_t hi, uint32_t lo)
{
    return hi > INT32_MAX ? INT64_MAX : (int64_t)((uint64_t)hi << 32 | lo);
}

bool hf_cbor_int64(struct hf_cbor value, int64_t *number)
{
    struct hf_cbor_item item;
    (void)hf_cbor_next(&value, &item);
    if (item.kind != HF_CBOR_UINT && item.kind != HF_CBOR_NINT) {
        return false;
    }
    *number = number_of(item.hi, item.lo);
    if (item.kind == HF_CBOR_NINT) {
        *number = -1 - *number;
    }
    return true;
}

bool hf_cbor_int32(struct hf_cbor value, int32_t *number)
{
    int64_t wide;
    if (!hf_cbor_int64(value, &wide)) {
        return false;
    }
    *number = wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
    return true;
}

/* A float as significand times 2^exponent, its sign apart.
 *   in:  item: a finite float; out: its hi:lo becomes the significand
 *   ret: the exponent
 */
static int32_t split_float(struct hf_cbor_item *item, bool *negative)
{
    uint32_t *top = item->width == 8 ? &item->hi : &item->lo;
    unsigned fraction_bits = item->width == 2 ? 10 : item->width == 4 ? 23 : 20; /* in the top word */
    unsigned exponent_bits = item->width == 2 ? 5 : item->width == 4 ? 8 : 11;
    int32_t least = item->width == 2 ? -24 : item->width == 4 ? -149 : -1074; /* of the smallest float */
    uint32_t exponent = *top >> fraction_bits & ((1u << exponent_bits) - 1);
    *negative = (*top >> (fraction_bits + exponent_bits) & 1) != 0;
    *top &= (1u << fraction_bits) - 1;
    if (exponent == 0) {
        return least;
    }
    *top |= 1u << fraction_bits;
    return least + (int32_t)exponent - 1;
}

/* Multiply hi:lo by 2^exponent, to at most 2^63; whether that left bits behind. */
static bool scale(struct hf_cbor_item *item, int32_t exponent)
{
    bool inexact = false;
    for (; exponent > 0 && item->hi <= INT32_MAX; exponent--) { /* never zero: its exponent is the least */
        item->hi = item->hi << 1 | item->lo >> 31;
        item->lo <<= 1;
    }
    for (; exponent < 0 && (item->hi | item->lo) != 0; exponent++) {
        inexact |= (item->lo & 1) != 0;
        item->lo = item->lo >> 1 | item->hi << 31;
        item->hi >>= 1;
    }
    return inexact;
}

bool hf_cbor_ceil(struct hf_cbor value, int64_t *number)
{
    struct hf_cbor_item item;
    struct hf_cbor r = value;
    (void)hf_cbor_next(&r, &item);
    if (item.kind != HF_CBOR_FLOAT) {
        return hf_cbor_int64(value, number);
    }
    bool negative;
    int32_t exponent = split_float(&item, &negative);
    bool inexact = scale(&item, exponent);
    int64_t whole = number_of(item.hi, item.lo);
    if (negative) {
        *number = whole == INT64_MAX ? INT64_MIN : -whole; /* no float is 1 - 2^63 */
    } else {
        *number = whole + (inexact ? 1 : 0);
    }
    return true;
}

bool hf_slice_equal(struct hf_slice a, struct hf_slice b)
{
    return a.len == b.len && compare(a, b) == 0;
}
