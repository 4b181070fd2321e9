/* Strict CBOR: see hf_cbor.h. Arguments stay in two words, since armv6m has no 64-bit shift of its own. */
#include "hf_cbor.h"

#include "hf_labels.h"

#define MAJOR_SIMPLE 7u
#define FALSE 20u
#define INFO_INLINE 24u /* arguments below it stand in the initial byte */
#define INFO_INDEFINITE 31u

static size_t left(const struct hf_cbor *r)
{
    return (size_t)(r->end - r->p);
}

/* Whether hi:lo is more than there are bytes. */
static bool exceeds(const struct hf_cbor_item *item, size_t bytes)
{
    return item->hi != 0 || item->lo > bytes;
}

/* Whether an argument needs its width: the shortest form holds nothing that half the width holds, and one byte holds
 * nothing below 24. */
static bool is_shortest(const struct hf_cbor_item *item)
{
    return item->width == 1   ? item->lo >= INFO_INLINE
           : item->width == 2 ? item->lo >> 8 != 0
           : item->width == 4 ? item->lo >> 16 != 0
                              : item->hi != 0;
}

/* The floats of 2, 4 and 8 bytes: bits of the fraction in the word that holds the exponent, bits of the exponent, and
 * the binary exponent of the smallest one. */
struct float_form {
    uint8_t fraction_bits;
    uint8_t exponent_bits;
    int16_t least;
};

static const struct float_form float_forms[] = {{10, 5, -24}, {23, 8, -149}, {20, 11, -1074}};

static const struct float_form *form_of(const struct hf_cbor_item *item)
{
    return &float_forms[item->width >> 2];
}

/* The word of a float that holds its exponent. */
static uint32_t *top_of(struct hf_cbor_item *item)
{
    return item->width == 8 ? &item->hi : &item->lo;
}

static uint32_t biased_exponent(struct hf_cbor_item *item)
{
    const struct float_form *form = form_of(item);
    return *top_of(item) >> form->fraction_bits & ((1u << form->exponent_bits) - 1);
}

/* Whether the bits of a float are those of a number: no infinity, no NaN. */
static bool is_finite(struct hf_cbor_item *item)
{
    return (biased_exponent(item) + 1) >> form_of(item)->exponent_bits == 0;
}

/* RFC 3629 section 4: shortest forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(struct hf_slice text)
{
    const uint8_t *p = text.p;
    const uint8_t *end = p + text.len;
    while (p < end) {
        uint32_t c = *p++;
        if (c < 0x80) {
            continue;
        }
        unsigned followers = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
        if (c < 0xC2 || c > 0xF4 || followers > (size_t)(end - p)) {
            return false;
        }
        c &= 0x3Fu >> followers;
        for (unsigned i = 0; i < followers; i++) {
            if (*p >> 6 != 2) {
                return false;
            }
            c = c << 6 | (*p++ & 0x3Fu);
        }
        if (c < 1u << (5 * followers + 1) || c >> 11 == 0xD800 >> 11 || c > 0x10FFFF) {
            return false;
        }
    }
    return true;
}

/* Read the head of major type 7, its argument already read: false, true, null, or a finite float. */
static enum hf_detail take_simple(unsigned info, struct hf_cbor_item *item)
{
    if (info > INFO_INLINE) {
        item->kind = HF_CBOR_FLOAT;
        return is_finite(item) ? HF_DETAIL_NONE : HF_DETAIL_FLOAT;
    }
    if (info < FALSE || info > HF_CBOR_NULL) { /* undefined, unassigned, and the two-byte form */
        return HF_DETAIL_SIMPLE;
    }
    item->kind = HF_CBOR_SIMPLE;
    return HF_DETAIL_NONE;
}

/* Read a string's content, checked. */
static enum hf_detail take_content(struct hf_cbor *r, unsigned major, struct hf_cbor_item *item)
{
    if (exceeds(item, left(r))) {
        return HF_DETAIL_TRUNCATED;
    }
    item->content.p = r->p;
    item->content.len = item->lo;
    r->p += item->lo;
    return major == HF_CBOR_TEXT && !is_utf8(item->content) ? HF_DETAIL_UTF8 : HF_DETAIL_NONE;
}

static enum hf_detail take_item(struct hf_cbor *r, struct hf_cbor_item *item)
{
    if (left(r) == 0) {
        return HF_DETAIL_TRUNCATED;
    }
    uint8_t initial = *r->p++;
    unsigned major = initial >> 5;
    unsigned info = initial & 31u;
    enum hf_detail detail = HF_DETAIL_NONE;
    item->lo = info;
    if (info >= INFO_INLINE) {
        if (info > 27) {
            return info == INFO_INDEFINITE ? HF_DETAIL_INDEFINITE : HF_DETAIL_RESERVED;
        }
        item->lo = 0;
        item->width = (uint8_t)(1u << (info - INFO_INLINE));
        if (left(r) < item->width) {
            return HF_DETAIL_TRUNCATED;
        }
        for (unsigned i = 0; i < item->width; i++) {
            item->hi = item->hi << 8 | item->lo >> 24;
            item->lo = item->lo << 8 | *r->p++;
        }
        if (major != MAJOR_SIMPLE && !is_shortest(item)) {
            return HF_DETAIL_NOT_SHORTEST;
        }
    }
    if (major == MAJOR_SIMPLE) {
        return take_simple(info, item);
    }
    if (major == HF_CBOR_BYTES || major == HF_CBOR_TEXT) {
        detail = take_content(r, major, item);
    }
    item->kind = (uint8_t)major;
    return detail;
}

static enum hf_detail next(struct hf_cbor *r, struct hf_cbor_item *item)
{
    const struct hf_cbor_item none = {.kind = HF_CBOR_NONE};
    *item = none;
    enum hf_detail detail = take_item(r, item);
    if (detail != HF_DETAIL_NONE) {
        item->kind = HF_CBOR_NONE;
        r->p = r->end;
    }
    return detail;
}

bool hf_cbor_next(struct hf_cbor *r, struct hf_cbor_item *item)
{
    return next(r, item) == HF_DETAIL_NONE;
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
    size_t common = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < common; i++) {
        if (a.p[i] != b.p[i]) {
            return a.p[i] < b.p[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Move behind so many items. Reads heads only: the bytes were checked before. */
__attribute__((noinline)) static void skip(struct hf_cbor *r, size_t pending)
{
    const uint8_t *p = r->p;
    for (; pending > 0 && p < r->end; pending--) {
        unsigned initial = *p++;
        size_t n = initial & 31u;
        if (n >= INFO_INLINE) {
            unsigned width = 1u << (n - INFO_INLINE);
            for (n = 0; width > 0 && p < r->end; width--) {
                n = n << 8 | *p++;
            }
        }
        if (initial < HF_CBOR_BYTES << 5 || initial >= MAJOR_SIMPLE << 5) {
            continue;
        }
        initial >>= 5;
        if (initial < HF_CBOR_ARRAY) {
            p += n < (size_t)(r->end - p) ? n : (size_t)(r->end - p);
        } else {
            pending += initial == HF_CBOR_TAG ? 1 : n << (initial == HF_CBOR_MAP);
        }
    }
    r->p = p;
}

/* Whether the key stands among the pairs from `first` up to it. Lengths are shortest, so equal keys are equal bytes. */
static bool is_repeated(const uint8_t *first, struct hf_slice key)
{
    struct hf_cbor r = {first, key.p};
    while (r.p < key.p) {
        struct hf_slice other = {r.p, key.len}; /* or longer: then it is another one */
        if (compare(other, key) == 0) {
            return true;
        }
        skip(&r, 2);
    }
    return false;
}

/* Check a map's key, integer or text, and that it is new. Sorted maps need no search. */
static enum hf_detail check_key(struct hf_cbor *r, struct level *level)
{
    struct hf_slice key = {r->p, 0};
    struct hf_cbor_item item;
    unsigned major = left(r) > 0 ? *r->p >> 5 : HF_CBOR_UINT;
    if (major != HF_CBOR_UINT && major != HF_CBOR_NINT && major != HF_CBOR_TEXT) {
        return HF_DETAIL_KEY_TYPE;
    }
    enum hf_detail detail = next(r, &item);
    if (detail != HF_DETAIL_NONE) {
        return detail;
    }
    key.len = (size_t)(r->p - key.p);
    if (level->largest.p == NULL || compare(level->largest, key) < 0) {
        level->largest = key;
    } else if (is_repeated(level->first, key)) {
        return HF_DETAIL_DUPLICATE_KEY;
    }
    return HF_DETAIL_NONE;
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
static enum hf_detail open_level(const struct hf_cbor *r, const struct hf_cbor_item *item, unsigned tags,
                                 struct level *level)
{
    level->first = r->p;
    level->largest.p = NULL;
    level->largest.len = 0;
    level->is_map = item->kind == HF_CBOR_MAP;
    level->items = item->lo;
    if (item->kind == HF_CBOR_TAG) {
        level->items = 1;
        return (tag_bit(item) & tags) != 0 ? HF_DETAIL_NONE : HF_DETAIL_TAG;
    }
    if (exceeds(item, left(r) >> level->is_map)) { /* each item takes a byte or more */
        return HF_DETAIL_TRUNCATED;
    }
    if (level->is_map) {
        level->items *= 2;
        return item->lo > HF_MAX_CBOR_MAP_ITEMS ? HF_DETAIL_TOO_LONG : HF_DETAIL_NONE;
    }
    return HF_DETAIL_NONE;
}

static enum hf_detail check(struct hf_slice encoded, unsigned tags, unsigned max_depth)
{
    struct hf_cbor r = hf_cbor_at(encoded);
    struct level levels[HF_MAX_CBOR_DEPTH];
    unsigned depth = 0;
    do {
        enum hf_detail detail;
        struct level *level = depth > 0 ? &levels[depth - 1] : NULL;
        if (level != NULL && level->items-- % 2 == 0 && level->is_map) {
            detail = check_key(&r, level);
        } else {
            struct hf_cbor_item item;
            detail = next(&r, &item);
            if (item.kind >= HF_CBOR_ARRAY && item.kind <= HF_CBOR_TAG) {
                detail = depth >= max_depth ? HF_DETAIL_DEPTH : open_level(&r, &item, tags, &levels[depth++]);
            }
        }
        if (detail != HF_DETAIL_NONE) {
            return detail;
        }
        while (depth > 0 && levels[depth - 1].items == 0) {
            depth--;
        }
    } while (depth > 0);
    return left(&r) == 0 ? HF_DETAIL_NONE : HF_DETAIL_TRAILING;
}

hf_verdict_t hf_cbor_check(struct hf_slice encoded, unsigned tags, unsigned max_depth)
{
    return hf_verdict_of(HF_MALFORMED_CBOR, check(encoded, tags, max_depth));
}

void hf_cbor_skip(struct hf_cbor *r)
{
    skip(r, 1);
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

bool hf_cbor_enter(struct hf_cbor *r, enum hf_cbor_kind kind, uint32_t *count)
{
    struct hf_cbor_item item;
    *count = 0;
    if (!hf_cbor_next(r, &item) || item.kind != kind || exceeds(&item, left(r))) {
        r->p = r->end;
        return false;
    }
    *count = item.lo;
    return true;
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

/* A float as significand times 2^exponent, without its sign.
 *   in:  item: a finite float; out: its hi:lo becomes the significand
 *   ret: the exponent
 */
static int32_t split_float(struct hf_cbor_item *item, bool *negative)
{
    const struct float_form *form = form_of(item);
    uint32_t *top = top_of(item);
    uint32_t exponent = biased_exponent(item);
    *negative = (*top >> (form->fraction_bits + form->exponent_bits) & 1) != 0;
    *top &= (1u << form->fraction_bits) - 1;
    if (exponent == 0) {
        return form->least;
    }
    *top |= 1u << form->fraction_bits;
    return form->least + (int32_t)exponent - 1;
}

/* Multiply hi:lo by 2^exponent, to at most 2^63; returns whether that lost bits. */
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

int64_t hf_cbor_number(struct hf_cbor_item *item)
{
    bool negative = item->kind == HF_CBOR_NINT;
    bool away = negative; /* one further from zero: n stands for -1 - n, and positive floats are rounded up */
    if (item->kind == HF_CBOR_FLOAT) {
        int32_t exponent = split_float(item, &negative);
        away = scale(item, exponent) && !negative;
    }
    int64_t number = item->hi > INT32_MAX ? INT64_MAX : (int64_t)((uint64_t)item->hi << 32 | item->lo);
    if (negative) {
        return number == INT64_MAX ? INT64_MIN : -number - away; /* no float is 1 - 2^63 */
    }
    return number + away;
}

int32_t hf_cbor_near32(int64_t number)
{
    return number > INT32_MAX ? INT32_MAX : number < INT32_MIN ? INT32_MIN : (int32_t)number;
}

bool hf_cbor_int32(struct hf_cbor value, int32_t *number)
{
    struct hf_cbor_item item;
    (void)hf_cbor_next(&value, &item);
    if (item.kind != HF_CBOR_UINT && item.kind != HF_CBOR_NINT) {
        return false;
    }
    *number = hf_cbor_near32(hf_cbor_number(&item));
    return true;
}

bool hf_slice_equal(struct hf_slice a, struct hf_slice b)
{
    return a.len == b.len && compare(a, b) == 0;
}
