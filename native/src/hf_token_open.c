/* CWTs, strict or as RFC 8392 has them (section 7.2, RFC 9770 section 3): cwt.py says why each check is here.
 * From token bytes to an authenticated payload. Never reads a claim. */
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define SIGN1_HEAD (HF_CBOR_TAG << 5 | HF_L_TAG_COSE_SIGN1)
#define TOKEN_TAGS (HF_CBOR_TAG_CWT | HF_CBOR_TAG_ENCRYPT0 | HF_CBOR_TAG_MAC0 | HF_CBOR_TAG_SIGN1)
#define MESSAGE_TAGS (HF_CBOR_TAG_ENCRYPT0 | HF_CBOR_TAG_MAC0 | HF_CBOR_TAG_SIGN1)

static bool is_strict(const struct hf_rules *rules)
{
    return (rules->flags & HF_RULE_RFC8392) == 0;
}

/* Check that the header is the profile's: cwt._checked_kid. */
static hf_verdict_t check_header(const struct hf_rules *rules, const struct hf_cose *message)
{
    bool encrypted = message->tag == HF_L_TAG_COSE_ENCRYPT0;
    bool strict = is_strict(rules);
    if (strict ? message->unprotected_count > 0 : message->others_unprotected) {
        return HF_VERDICT(HF_HEADER_UNPROTECTED, UNPROTECTED);
    }
    if (message->crit.p != NULL) {
        return HF_VERDICT(HF_CRIT_UNKNOWN, CRIT);
    }
    if (encrypted && message->iv.p == NULL) {
        return HF_VERDICT(HF_MALFORMED_COSE, IV);
    }
    if (!message->has_alg) {
        return HF_VERDICT(HF_UNSUPPORTED_ALG, MISSING);
    }
    bool has_kid = message->kid.p != NULL;
    if (!has_kid && strict) {
        return HF_VERDICT(HF_UNKNOWN_KEY, MISSING);
    }
    /* In a token every parameter counts as critical (RFC 8392 section 7.2 step 4). */
    uint32_t allowed = 1u + has_kid + encrypted;
    return message->protected_count + message->unprotected_count != allowed ? HF_VERDICT(HF_CRIT_UNKNOWN, PARAMETER)
                                                                            : (hf_verdict_t)HF_OK;
}

/* Whether a message can mean a key: the key has its role, its kid if it has one, and this issuer (any if absent). */
static bool is_meant(const struct hf_key *key, const struct hf_cose *message, struct hf_slice issuer)
{
    return key->role == hf_cose_role(message->tag) &&
           (message->kid.p == NULL || hf_slice_equal(key->kid, message->kid)) &&
           (issuer.p == NULL || hf_slice_equal(key->issuer, issuer));
}

/* Whether several keys may open a message, before any is tried. */
static bool is_ambiguous(const struct hf_rules *rules, const struct hf_cose *message, struct hf_slice issuer)
{
    struct hf_cbor keys = hf_cbor_at(rules->keys);
    struct hf_key key;
    uint32_t count;
    unsigned fitting = 0;
    (void)hf_cbor_array(&keys, &count);
    for (; count > 0; count--) {
        hf_rules_next_key(&keys, &key);
        fitting += is_meant(&key, message, issuer) && key.alg == message->alg;
    }
    return fitting > 1;
}

/* Try the keys of the message's role: all those that its kid names (all of the role when it has none), of one issuer
 * (any when that is absent), with its alg. The first that fits wins.
 *   out: *payload, *by: that key
 *   ret: 0 | HF_UNKNOWN_KEY (kid) | HF_UNSUPPORTED_ALG (key) | HF_BAD_SIGNATURE (no-key-fits) | others of hf_cose_open
 */
static hf_verdict_t open_with_any(const struct hf_rules *rules, const struct hf_cose *message, struct hf_slice issuer,
                                  struct hf_space *space, struct hf_slice *payload, struct hf_key *by)
{
    struct hf_cbor keys = hf_cbor_at(rules->keys);
    uint32_t count;
    hf_verdict_t verdict = HF_VERDICT(HF_UNKNOWN_KEY, KID);
    (void)hf_cbor_array(&keys, &count);
    for (; count > 0; count--) {
        hf_rules_next_key(&keys, by);
        if (!is_meant(by, message, issuer)) {
            continue;
        }
        if (by->alg != message->alg) {
            if (hf_verdict_status(verdict) == HF_UNKNOWN_KEY) {
                verdict = HF_VERDICT(HF_UNSUPPORTED_ALG, KEY);
            }
            continue;
        }
        verdict = hf_cose_open(message, by, space, payload);
        if (hf_verdict_status(verdict) != HF_BAD_SIGNATURE) { /* two ASes may use the same kid */
            return verdict;
        }
        verdict = HF_VERDICT(HF_BAD_SIGNATURE, NO_KEY_FITS);
    }
    return verdict;
}

static hf_verdict_t open_token_message(const struct hf_rules *rules, const struct hf_cose *message,
                                       struct hf_slice issuer, struct hf_space *space, struct hf_slice *payload,
                                       struct hf_key *by)
{
    hf_verdict_t verdict = check_header(rules, message);
    if (verdict == HF_OK && message->kid.p == NULL && is_ambiguous(rules, message, issuer)) {
        verdict = HF_VERDICT(HF_UNKNOWN_KEY, MISSING);
    }
    return verdict != HF_OK ? verdict : open_with_any(rules, message, issuer, space, payload, by);
}

/* Read a message without any tag: cwt._tag_of.
 *   in:  array: a CBOR array
 */
static hf_verdict_t read_untagged(const struct hf_rules *rules, struct hf_cbor array, struct hf_cose *message)
{
    struct hf_cbor parts = array;
    uint32_t count;
    (void)hf_cbor_array(&parts, &count);
    uint8_t clear = rules->formats & (HF_CWT_SIGNED | HF_CWT_MAC);
    uint32_t tag = count == 3               ? HF_L_TAG_COSE_ENCRYPT0
                   : clear == HF_CWT_SIGNED ? HF_L_TAG_COSE_SIGN1
                   : clear == HF_CWT_MAC    ? HF_L_TAG_COSE_MAC0
                                            : 0u;
    return hf_cose_read(tag, array, message); /* which knows no tag 0 */
}

/* Read tag 61 around one COSE tag around the message (RFC 9770 section 3); in the shape of RFC 8392 with fewer tags:
 * cwt._decode_token. */
static hf_verdict_t read_token(const struct hf_rules *rules, struct hf_slice token, struct hf_cose *message)
{
    struct hf_cbor r = hf_cbor_at(token);
    struct hf_cbor whole = r;
    struct hf_cbor_item item;
    if (token.len > HF_MAX_ACCESS_TOKEN_LEN) {
        return HF_VERDICT(HF_MALFORMED_COSE, TOO_LONG);
    }
    hf_verdict_t verdict = hf_cbor_check(token, TOKEN_TAGS, HF_MAX_CBOR_DEPTH);
    if (verdict != HF_OK) {
        return verdict;
    }
    (void)hf_cbor_next(&r, &item);
    if (item.kind == HF_CBOR_TAG && item.lo == HF_L_TAG_CWT) {
        (void)hf_cbor_next(&r, &item);
    } else if (is_strict(rules)) {
        return HF_VERDICT(HF_MALFORMED_COSE, TAG);
    } else if (item.kind == HF_CBOR_ARRAY) {
        return read_untagged(rules, whole, message);
    }
    if (item.kind != HF_CBOR_TAG) {
        return HF_VERDICT(HF_MALFORMED_COSE, TAG);
    }
    return hf_cose_read(item.lo, r, message);
}

/* Read the COSE_Sign1 inside a nested token: cose.decode_message. Its tag is what made the token nested. */
static hf_verdict_t read_nested(struct hf_slice encoded, struct hf_cose *message)
{
    struct hf_cbor r = hf_cbor_at(encoded);
    struct hf_cbor_item item;
    hf_verdict_t verdict = hf_cbor_check(encoded, MESSAGE_TAGS, HF_MAX_CBOR_DEPTH);
    if (verdict != HF_OK) {
        return verdict;
    }
    (void)hf_cbor_next(&r, &item);
    return hf_cose_read(item.lo, r, message);
}

/* The formats that a message can be before it is decrypted. */
static uint8_t formats_of(const struct hf_cose *message)
{
    return message->tag == HF_L_TAG_COSE_SIGN1  ? HF_CWT_SIGNED
           : message->tag == HF_L_TAG_COSE_MAC0 ? HF_CWT_MAC
                                                : HF_CWT_ENCRYPTED | HF_CWT_NESTED;
}

hf_verdict_t hf_token_open(const struct hf_rules *rules, struct hf_slice token, struct hf_space *space,
                           struct hf_opened *opened)
{
    struct hf_cose message;
    struct hf_key key;
    struct hf_slice any = {NULL, 0};
    hf_verdict_t verdict = read_token(rules, token, &message);
    if (verdict != HF_OK) {
        return verdict;
    }
    opened->format = formats_of(&message);
    if ((rules->formats & opened->format) == 0) {
        return HF_VERDICT(HF_UNSUPPORTED_ALG, FORMAT);
    }
    verdict = open_token_message(rules, &message, any, space, &opened->payload, &key);
    if (verdict != HF_OK) {
        return verdict;
    }
    opened->issuer = key.issuer;
    if (message.tag != HF_L_TAG_COSE_ENCRYPT0) {
        return HF_OK;
    }
    bool nested = opened->payload.len > 0 && opened->payload.p[0] == SIGN1_HEAD;
    opened->format = nested ? HF_CWT_NESTED : HF_CWT_ENCRYPTED;
    if ((rules->formats & opened->format) == 0) {
        return HF_VERDICT(HF_UNSUPPORTED_ALG, FORMAT);
    }
    if (nested) {
        verdict = read_nested(opened->payload, &message);
        if (verdict == HF_OK) {
            verdict = open_token_message(rules, &message, opened->issuer, space, &opened->payload, &key);
        }
    }
    return verdict;
}

hf_verdict_t hf_token_open_key(const struct hf_rules *rules, struct hf_slice issuer, struct hf_cbor value,
                               struct hf_space *space, struct hf_slice *encoded)
{
    struct hf_cose message;
    struct hf_key key;
    struct hf_cbor r = value;
    struct hf_cbor_item item;
    (void)hf_cbor_next(&r, &item);
    /* hf_claims_read allows one tag, that of COSE_Encrypt0. */
    hf_verdict_t verdict = hf_cose_read(HF_L_TAG_COSE_ENCRYPT0, item.kind == HF_CBOR_TAG ? r : value, &message);
    return verdict != HF_OK ? verdict : open_with_any(rules, &message, issuer, space, encoded, &key);
}
