/* The CBOR and token functions as a filter, for tests: records on standard input, one line of text for each on standard
 * output. Every field gets memory of exactly its length, so that a sanitizer sees any byte read beyond it.
 *
 * A record: operation (1 byte), number of fields (1 byte), then each field as length (4 bytes, little-endian) and bytes.
 *   C  tags and depth (2 bytes), encoded            hf_cbor_check
 *   R  encoded rules                                hf_rules_read; in force until the next R
 *   T  moment (18 bytes: clock, exi, now_s and exi_floor little-endian), token; one field more, of any bytes, when the
 *      RS hands out client-nonces, and then those that are fresh
 *   P  code (1 byte), path                          hf_permissions_check of the last T
 *   S  as T, with a scratch of exi_floor bytes
 *   W  encoded                                      every reader on bytes that were never checked; 0 when all end inside
 * A line: status, detail, and after an accepted T the grant as name=hex or name=number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hf_port.h"
#include "hf_token.h"

#define MAX_FIELDS 16

struct record {
    int operation;
    unsigned count;
    uint8_t *field[MAX_FIELDS];
    size_t len[MAX_FIELDS];
};

static void take(void *bytes, size_t len)
{
    if (len > 0 && fread(bytes, 1, len, stdin) != len) {
        exit(2);
    }
}

static bool read_record(struct record *record)
{
    uint8_t head[2];
    if (fread(head, 1, 2, stdin) != 2) {
        return false;
    }
    record->operation = head[0];
    record->count = head[1];
    for (unsigned i = 0; i < record->count; i++) {
        uint8_t len[4];
        take(len, 4);
        record->len[i] = (size_t)len[0] | (size_t)len[1] << 8 | (size_t)len[2] << 16 | (size_t)len[3] << 24;
        record->field[i] = malloc(record->len[i] > 0 ? record->len[i] : 1);
        take(record->field[i], record->len[i]);
    }
    return true;
}

static void forget(struct record *record)
{
    for (unsigned i = 0; i < record->count; i++) {
        free(record->field[i]);
    }
}

static struct hf_slice slice(const struct record *record, unsigned i)
{
    struct hf_slice s = {record->field[i], record->len[i]};
    return s;
}

static uint64_t number(const uint8_t *bytes)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) {
        n = n << 8 | bytes[i];
    }
    return n;
}

static bool is_fresh(void *context, const uint8_t *cnonce, size_t cnonce_len)
{
    const struct record *record = context;
    struct hf_slice asked = {cnonce, cnonce_len};
    for (unsigned i = 3; i < record->count; i++) {
        if (hf_slice_equal(slice(record, i), asked)) {
            return true;
        }
    }
    return false;
}

static void put(const char *name, struct hf_slice s)
{
    if (s.p != NULL) {
        printf(" %s=", name);
        for (size_t i = 0; i < s.len; i++) {
            printf("%02x", s.p[i]);
        }
    }
}

static void put_number(const char *name, int64_t n, bool present)
{
    if (present) {
        printf(" %s=%" PRId64, name, n);
    }
}

static void put_grant(const struct hf_grant *grant)
{
    const struct hf_claims *claims = &grant->claims;
    const struct hf_cnf *cnf = &grant->cnf;
    struct hf_slice hash = {grant->token_hash, sizeof grant->token_hash};
    put("iss", grant->issuer);
    put("sub", claims->sub);
    put("aud", claims->aud);
    put(claims->scope_is_text ? "scope_text" : "scope_bytes", claims->scope);
    put("cti", claims->cti);
    put("cnonce", claims->cnonce);
    put("act", claims->act);
    put_number("exp", claims->exp_s, claims->has & HF_HAS_EXP);
    put_number("nbf", claims->nbf_s, claims->has & HF_HAS_NBF);
    put_number("iat", claims->iat_s, claims->has & HF_HAS_IAT);
    put_number("exi", claims->exi_s, claims->has & HF_HAS_EXI);
    put_number("exi_seq", (int64_t)grant->exi_seq, claims->has & HF_HAS_EXI);
    put_number("profile", grant->ace_profile, true);
    put_number("format", grant->format, true);
    put("hash", hash);
    put_number("method", cnf->method, true);
    put_number("encrypted", cnf->encrypted, true);
    put("kid", cnf->kid);
    put("id", cnf->osc.id);
    put("ms", cnf->osc.ms);
    put("salt", cnf->osc.salt);
    put("context_id", cnf->osc.context_id);
    put_number("osc_alg", cnf->osc.alg, cnf->osc.id.p != NULL);
    put("x", cnf->key.x);
    put("y", cnf->key.y);
    put("k", cnf->key.k);
    put_number("key_alg", cnf->key.alg, cnf->key.has_alg);
    put("key_ops", cnf->key.key_ops);
}

static void verdict(hf_verdict_t v)
{
    printf("%d %s\n", (int)hf_verdict_status(v), hf_detail_text(hf_verdict_detail(v)));
}

/* Whether anything in the grant but its detail is not zero. */
static bool is_left(const struct hf_grant *grant)
{
    struct hf_grant copy = *grant;
    const uint8_t *bytes = (const uint8_t *)&copy;
    copy.detail = 0;
    for (size_t i = 0; i < sizeof copy; i++) {
        if (bytes[i] != 0) {
            return true;
        }
    }
    return false;
}

/* Whether anything in a scratch is not zero: it held what was decrypted. */
static bool is_dirty(const uint8_t *scratch, size_t scratch_len)
{
    for (size_t i = 0; i < scratch_len; i++) {
        if (scratch[i] != 0) {
            return true;
        }
    }
    return false;
}

static void token(struct record *record, const struct hf_rules *rules, uint8_t *scratch, size_t scratch_len,
                  struct hf_grant *grant)
{
    const uint8_t *at = record->field[0];
    struct hf_moment moment = {(int64_t)number(at + 2), number(at + 10), NULL, record, at[0], at[1]};
    if (record->count > 2) {
        moment.is_fresh = is_fresh;
    }
    memset(grant, 0xA5, sizeof *grant);
    memset(scratch, 0xA5, scratch_len);
    enum hf_status status = hf_token_verify(rules, &moment, record->field[1], record->len[1], scratch, scratch_len,
                                            grant);
    printf("%d %s", (int)status, hf_detail_text((enum hf_detail)grant->detail));
    if (status == HF_OK) {
        put_grant(grant);
    } else if (is_left(grant) || is_dirty(scratch, scratch_len)) {
        printf(" left");
    }
    printf("\n");
}

/* Whether every reader leaves its place inside the bytes. */
static bool walks(struct hf_slice encoded)
{
    struct hf_cbor start = hf_cbor_at(encoded);
    struct hf_cbor skipped = start;
    struct hf_cbor array = start;
    struct hf_cbor map = start;
    struct hf_slice content;
    uint32_t count;
    struct hf_cbor_item item;
    struct hf_cbor r = start;
    hf_cbor_skip(&skipped);
    (void)hf_cbor_array(&array, &count);
    (void)hf_cbor_map(&map, &count);
    (void)hf_cbor_kind_at(hf_cbor_get(start, 1));
    (void)hf_cbor_kind_at(hf_cbor_get(start, 2));
    (void)hf_cbor_bytes(start, &content);
    (void)hf_cbor_text(start, &content);
    if (hf_cbor_next(&r, &item)) {
        (void)hf_cbor_number(&item);
    }
    return skipped.p <= start.end && array.p <= start.end && map.p <= start.end &&
           *hf_detail_text(HF_DETAIL_COUNT) == '\0';
}

/* Mark the secret keys of the rules, for valgrind; nothing without HF_CT_TEST. */
static void poison_keys(const struct hf_rules *rules)
{
    struct hf_cbor keys = hf_cbor_at(rules->keys);
    uint32_t count;
    (void)hf_cbor_array(&keys, &count);
    for (; count > 0; count--) {
        struct hf_key key;
        hf_rules_next_key(&keys, &key);
        if (key.role != HF_ROLE_SIGN) {
            HF_CT_POISON(key.material.p, key.material.len);
        }
    }
}

int main(void)
{
    struct record record;
    struct record kept = {0, 0, {NULL}, {0}}; /* the rules and the token that a grant points into */
    struct record kept_token = {0, 0, {NULL}, {0}};
    struct hf_rules rules;
    struct hf_grant grant;
    uint8_t *scratch = NULL;
    memset(&rules, 0, sizeof rules);
    memset(&grant, 0, sizeof grant);
    while (read_record(&record)) {
        if (record.operation == 'C') {
            verdict(hf_cbor_check(slice(&record, 1), record.field[0][0], record.field[0][1]));
        } else if (record.operation == 'W') {
            verdict(walks(slice(&record, 0)) ? HF_OK : HF_VERDICT(HF_LOCAL, NONE));
        } else if (record.operation == 'P') {
            verdict((hf_verdict_t)hf_permissions_check(&grant, &rules, slice(&record, 1), record.field[0][0]));
        } else if (record.operation == 'R') {
            verdict(hf_rules_read(slice(&record, 0), &rules));
            poison_keys(&rules);
            forget(&kept);
            kept = record;
            continue;
        } else {
            size_t len = record.operation == 'S' ? (size_t)number(record.field[0] + 10) : 2 * record.len[1];
            free(scratch);
            scratch = malloc(len > 0 ? len : 1);
            token(&record, &rules, scratch, len, &grant);
            forget(&kept_token);
            kept_token = record;
            continue;
        }
        forget(&record);
    }
    forget(&kept);
    forget(&kept_token);
    free(scratch);
    return 0;
}
