/* COSE messages: see hf_cose.h. */
#include "hf_cose.h"

#include "hf_aes_ccm.h"
#include "hf_hmac.h"
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_sha256.h"

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_COSE, detail)
#define CONTEXT_LEN(text) (sizeof(text) - 1)

enum hf_role hf_cose_role(uint32_t tag)
{
    return tag == HF_L_TAG_COSE_SIGN1      ? HF_ROLE_SIGN
           : tag == HF_L_TAG_COSE_MAC0     ? HF_ROLE_MAC
           : tag == HF_L_TAG_COSE_ENCRYPT0 ? HF_ROLE_ENCRYPT
                                           : HF_ROLE_COUNT;
}

/* --- reading --- */

static bool is_label(struct hf_cbor value)
{
    return hf_cbor_kind_at(value) == HF_CBOR_UINT || hf_cbor_kind_at(value) == HF_CBOR_NINT ||
           hf_cbor_kind_at(value) == HF_CBOR_TEXT;
}

/* Whether a map has a key with this encoding. Shortest forms: equal keys are equal bytes. */
static bool has_key(struct hf_cbor map, struct hf_slice key)
{
    uint32_t pairs;
    (void)hf_cbor_map(&map, &pairs);
    for (; pairs > 0; pairs--) {
        if (hf_slice_equal(hf_cbor_take(&map), key)) {
            return true;
        }
        hf_cbor_skip(&map);
    }
    return false;
}

static bool share_a_key(struct hf_cbor headers, struct hf_cbor unprotected)
{
    uint32_t pairs;
    (void)hf_cbor_map(&unprotected, &pairs);
    for (; pairs > 0; pairs--) {
        if (has_key(headers, hf_cbor_take(&unprotected))) {
            return true;
        }
        hf_cbor_skip(&unprotected);
    }
    return false;
}

/* Read the known parameters of one header map; a wrong type is refused (RFC 9052 section 3.1).
 *   out: alg, kid and iv of *message where they are present; *has_piv set when Partial IV is
 */
static hf_verdict_t read_headers(struct hf_cbor headers, struct hf_cose *message, bool *has_piv)
{
    struct hf_cbor alg = hf_cbor_get(headers, HF_L_HDR_ALG);
    struct hf_cbor kid = hf_cbor_get(headers, HF_L_HDR_KID);
    struct hf_cbor iv = hf_cbor_get(headers, HF_L_HDR_IV);
    struct hf_cbor piv = hf_cbor_get(headers, HF_L_HDR_PARTIAL_IV);
    struct hf_slice ignored;
    if ((alg.p != NULL && !is_label(alg)) || (kid.p != NULL && !hf_cbor_bytes(kid, &message->kid)) ||
        (iv.p != NULL && !hf_cbor_bytes(iv, &message->iv)) || (piv.p != NULL && !hf_cbor_bytes(piv, &ignored))) {
        return MALFORMED(HEADER);
    }
    if (alg.p != NULL) {
        message->has_alg = true;
        (void)hf_cbor_int32(alg, &message->alg);
    }
    *has_piv = *has_piv || piv.p != NULL;
    return HF_OK;
}

/* Whether crit is a list of labels, not empty, all in the protected header. */
static bool is_crit(struct hf_cbor crit, struct hf_cbor headers)
{
    uint32_t count;
    if (!hf_cbor_array(&crit, &count) || count == 0) {
        return false;
    }
    for (; count > 0; count--) {
        struct hf_cbor label = crit;
        if (!is_label(label) || !has_key(headers, hf_cbor_take(&crit))) {
            return false;
        }
    }
    return true;
}

/* Check both headers together, in the order of cose._check_headers. */
static hf_verdict_t check_headers(struct hf_cbor headers, struct hf_cbor unprotected, struct hf_cose *message)
{
    struct hf_cbor crit = hf_cbor_get(headers, HF_L_HDR_CRIT);
    bool has_piv = false;
    if (share_a_key(headers, unprotected)) {
        return MALFORMED(DUPLICATE_HEADER);
    }
    if (hf_cbor_get(unprotected, HF_L_HDR_CRIT).p != NULL) {
        return MALFORMED(CRIT);
    }
    hf_verdict_t verdict = read_headers(headers, message, &has_piv);
    if (verdict == HF_OK) {
        verdict = read_headers(unprotected, message, &has_piv);
    }
    if (verdict != HF_OK) {
        return verdict;
    }
    message->has_crit = crit.p != NULL;
    if (message->has_crit && !is_crit(crit, headers)) {
        return MALFORMED(CRIT);
    }
    return message->iv.p != NULL && has_piv ? MALFORMED(IV) : (hf_verdict_t)HF_OK;
}

/* Read content and, but for COSE_Encrypt0, the proof: both byte strings, the content not detached. */
static hf_verdict_t read_content(struct hf_cbor parts, struct hf_cose *message)
{
    struct hf_cbor content = parts;
    struct hf_cbor_item item;
    hf_cbor_skip(&parts);
    (void)hf_cbor_next(&content, &item);
    if (item.kind == HF_CBOR_SIMPLE && item.lo == HF_CBOR_NULL) {
        return MALFORMED(DETACHED);
    }
    if (item.kind != HF_CBOR_BYTES) {
        return MALFORMED(STRUCTURE);
    }
    message->content = item.content;
    if (message->tag != HF_L_TAG_COSE_ENCRYPT0 && !hf_cbor_bytes(parts, &message->proof)) {
        return MALFORMED(STRUCTURE);
    }
    return HF_OK;
}

/* Decode the protected header's content.
 *   out: *headers: its map, absent when it is empty; of an empty map, protected_header becomes the empty string: both
 *        forms are read, one enters the structures (RFC 9052 section 3)
 */
static hf_verdict_t decode_headers(struct hf_cose *message, struct hf_cbor *headers)
{
    struct hf_slice *encoded = &message->protected_header;
    headers->p = headers->end = NULL;
    if (encoded->len == 0) {
        return HF_OK;
    }
    hf_verdict_t verdict = hf_cbor_check(*encoded, 0, HF_CBOR_MAX_DEPTH);
    if (verdict != HF_OK) {
        return verdict;
    }
    struct hf_cbor map = hf_cbor_at(*encoded);
    if (!hf_cbor_map(&map, &message->protected_count)) {
        return MALFORMED(HEADER);
    }
    *headers = hf_cbor_at(*encoded);
    if (message->protected_count == 0) {
        encoded->len = 0;
    }
    return HF_OK;
}

hf_verdict_t hf_cose_read(uint32_t tag, struct hf_cbor parts, struct hf_cose *message)
{
    uint32_t count;
    struct hf_cbor headers;
    hf_memset(message, 0, sizeof *message);
    if (hf_cose_role(tag) == HF_ROLE_COUNT) {
        return MALFORMED(TAG);
    }
    message->tag = (uint8_t)tag;
    if (!hf_cbor_array(&parts, &count) || count != (tag == HF_L_TAG_COSE_ENCRYPT0 ? 3 : 4) ||
        !hf_cbor_bytes(parts, &message->protected_header)) {
        return MALFORMED(STRUCTURE);
    }
    hf_cbor_skip(&parts);
    struct hf_cbor unprotected = parts;
    if (!hf_cbor_map(&parts, &message->unprotected_count)) {
        return MALFORMED(STRUCTURE);
    }
    parts = unprotected;
    hf_cbor_skip(&parts);
    hf_verdict_t verdict = read_content(parts, message);
    if (verdict == HF_OK) {
        verdict = decode_headers(message, &headers);
    }
    return verdict != HF_OK ? verdict : check_headers(headers, unprotected, message);
}

/* --- opening --- */

/* Write the head of a byte string.
 *   out: head[3]
 *   ret: bytes written, 1..3; len is below 2^16, as every message here is
 */
static size_t bytes_head(size_t len, uint8_t *head)
{
    const uint8_t major = HF_CBOR_BYTES << 5;
    if (len < 24) {
        head[0] = (uint8_t)(major | len);
        return 1;
    }
    if (len < 256) {
        head[0] = major | 24;
        head[1] = (uint8_t)len;
        return 2;
    }
    head[0] = major | 25;
    head[1] = (uint8_t)(len >> 8);
    head[2] = (uint8_t)len;
    return 3;
}

/* The beginning of a Sig_, MAC_ or Enc_structure: array head, context string, head of the protected header. What comes
 * then is the header, and TAIL: no external AAD, and the head of the content. */
#define MAX_START_LEN (2 + CONTEXT_LEN("Signature1") + 3)
#define MAX_TAIL_LEN 4

static size_t start_of(uint8_t items, const char *context, size_t context_len, size_t protected_len,
                       uint8_t start[MAX_START_LEN])
{
    start[0] = (uint8_t)(HF_CBOR_ARRAY << 5 | items);
    start[1] = (uint8_t)(HF_CBOR_TEXT << 5 | context_len);
    hf_memcpy(start + 2, context, context_len);
    return 2 + context_len + bytes_head(protected_len, start + 2 + context_len);
}

static size_t tail_of(size_t content_len, uint8_t tail[MAX_TAIL_LEN])
{
    tail[0] = HF_CBOR_BYTES << 5;
    return 1 + bytes_head(content_len, tail + 1);
}

/* A function whose frame is gone while another one works: one frame for all would add up. */
#define APART __attribute__((noinline)) static

/* Hash the Sig_structure (RFC 9052 section 4.4). */
APART void hash_signed(const struct hf_cose *message, uint8_t digest[HF_SHA256_LEN])
{
    struct hf_sha256 hash;
    uint8_t piece[MAX_START_LEN];
    const struct hf_slice *protected_header = &message->protected_header;
    hf_sha256_init(&hash);
    hf_sha256_update(&hash, piece,
                     start_of(4, "Signature1", CONTEXT_LEN("Signature1"), protected_header->len, piece));
    hf_sha256_update(&hash, protected_header->p, protected_header->len);
    hf_sha256_update(&hash, piece, tail_of(message->content.len, piece));
    hf_sha256_update(&hash, message->content.p, message->content.len);
    hf_sha256_final(&hash, digest);
}

/* Verify an ES256 signature over the Sig_structure. */
APART hf_verdict_t open_sign1(const struct hf_cose *message, const struct hf_key *key)
{
    uint8_t digest[HF_SHA256_LEN];
    if (message->proof.len != HF_P256_SIG_LEN) {
        return HF_VERDICT(HF_BAD_SIGNATURE, NONE);
    }
    hash_signed(message, digest);
    enum hf_status status = key->table.p != NULL
                                ? hf_p256_verify_fixed(key->table.p, key->table.len, digest, message->proof.p)
                                : hf_p256_verify(key->material.p, digest, message->proof.p);
    return status == HF_OK ? (hf_verdict_t)HF_OK : HF_VERDICT(HF_BAD_SIGNATURE, NONE);
}

/* Verify an HMAC-SHA-256 tag, whole or cut to 64 bits, over the MAC_structure (RFC 9052 section 6.3). */
APART hf_verdict_t open_mac0(const struct hf_cose *message, const struct hf_key *key)
{
    struct hf_hmac mac;
    uint8_t tag[HF_HMAC_LEN];
    uint8_t piece[MAX_START_LEN];
    const struct hf_slice *protected_header = &message->protected_header;
    size_t tag_len = key->alg == HF_L_ALG_HMAC_256_64 ? 8 : HF_HMAC_LEN;
    if (message->proof.len != tag_len) {
        return HF_VERDICT(HF_BAD_SIGNATURE, NONE);
    }
    hf_hmac_init(&mac, key->material.p, key->material.len);
    hf_hmac_update(&mac, piece, start_of(4, "MAC0", CONTEXT_LEN("MAC0"), protected_header->len, piece));
    hf_hmac_update(&mac, protected_header->p, protected_header->len);
    hf_hmac_update(&mac, piece, tail_of(message->content.len, piece));
    hf_hmac_update(&mac, message->content.p, message->content.len);
    hf_hmac_final(&mac, tag);
    uint32_t differs = hf_memcmp_ct(tag, message->proof.p, tag_len);
    HF_CT_UNPOISON(&differs, sizeof differs); /* the verdict is public */
    hf_wipe(tag, sizeof tag);
    return differs == 0 ? (hf_verdict_t)HF_OK : HF_VERDICT(HF_BAD_SIGNATURE, NONE);
}

/* Decrypt AES-CCM with the Enc_structure as additional data (RFC 9052 section 5.3); it is built behind where the
 * plaintext goes. */
APART hf_verdict_t open_encrypt0(const struct hf_cose *message, const struct hf_key *key, struct hf_space *space,
                                 struct hf_slice *payload)
{
    struct hf_aes_ccm ccm;
    const struct hf_slice *protected_header = &message->protected_header;
    bool short_tag = key->alg == HF_L_ALG_AES_CCM_16_64_128 || key->alg == HF_L_ALG_AES_CCM_16_64_256;
    size_t tag_len = short_tag ? 8 : HF_COSE_MAX_TAG_LEN;
    if (message->iv.len != HF_COSE_NONCE_LEN) { /* absent, too */
        return MALFORMED(IV);
    }
    if (message->content.len < tag_len) {
        return HF_VERDICT(HF_BAD_SIGNATURE, NONE);
    }
    size_t plaintext_len = message->content.len - tag_len;
    if (space->len < plaintext_len + MAX_START_LEN + protected_header->len + 1) { /* never: hf_token.h sizes it */
        return HF_VERDICT(HF_LOCAL, SCRATCH);
    }
    uint8_t *aad = space->p + plaintext_len;
    size_t aad_len = start_of(3, "Encrypt0", CONTEXT_LEN("Encrypt0"), protected_header->len, aad);
    if (protected_header->len > 0) {
        hf_memcpy(aad + aad_len, protected_header->p, protected_header->len);
        aad_len += protected_header->len;
    }
    aad[aad_len++] = HF_CBOR_BYTES << 5;
    hf_aes_ccm_init(&ccm, key->material.p, key->material.len, tag_len);
    enum hf_status status = hf_aes_ccm_open(&ccm, message->iv.p, aad, aad_len, message->content.p,
                                            message->content.len, space->p);
    hf_wipe(&ccm, sizeof ccm);
    if (status != HF_OK) {
        return HF_VERDICT(HF_BAD_SIGNATURE, NONE);
    }
    HF_CT_UNPOISON(space->p, plaintext_len); /* authentic: its structure is read, and that takes the time it takes */
    payload->p = space->p;
    payload->len = plaintext_len;
    space->p += plaintext_len;
    space->len -= plaintext_len;
    return HF_OK;
}

hf_verdict_t hf_cose_open(const struct hf_cose *message, const struct hf_key *key, struct hf_space *space,
                          struct hf_slice *payload)
{
    if (message->has_crit) { /* nothing is understood here beyond what all understand (RFC 9052 section 3.1) */
        return HF_VERDICT(HF_CRIT_UNKNOWN, CRIT);
    }
    if (message->tag == HF_L_TAG_COSE_ENCRYPT0) {
        return open_encrypt0(message, key, space, payload);
    }
    hf_verdict_t verdict =
        message->tag == HF_L_TAG_COSE_SIGN1 ? open_sign1(message, key) : open_mac0(message, key);
    if (verdict == HF_OK) {
        *payload = message->content;
    }
    return verdict;
}
