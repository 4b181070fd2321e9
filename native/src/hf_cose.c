/* COSE messages: see hf_cose.h. */
#include "hf_cose.h"

#include <stddef.h>

#include "hf_aes_ccm.h"
#include "hf_fields.h"
#include "hf_hmac.h"
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_sha256.h"

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_COSE, detail)
#define CONTEXT_LEN(text) (sizeof(text) - 1)
#define CBOR_NULL (7u << 5 | HF_CBOR_NULL)

enum hf_role hf_cose_role(uint32_t tag)
{
    return tag == HF_L_TAG_COSE_SIGN1      ? HF_ROLE_SIGN
           : tag == HF_L_TAG_COSE_MAC0     ? HF_ROLE_MAC
           : tag == HF_L_TAG_COSE_ENCRYPT0 ? HF_ROLE_ENCRYPT
                                           : HF_ROLE_COUNT;
}

/* --- reading --- */

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

/* The parameters that are read; a wrong type is refused (RFC 9052 section 3.1). */
enum { ALG, CRIT, KID, IV, PARTIAL_IV, HEADER_COUNT };

#define PARAMETER(name, form, member) \
    [name] = {HF_L_HDR_##name, HF_FORM_##form, offsetof(struct hf_cose, member), HF_DETAIL_HEADER}

static const struct hf_field header_fields[HEADER_COUNT] = {
    PARAMETER(ALG, LABEL, alg),
    PARAMETER(CRIT, ITEM, crit),
    PARAMETER(KID, BYTES, kid),
    PARAMETER(IV, BYTES, iv),
    PARAMETER(PARTIAL_IV, BYTES, partial_iv),
};

/* Whether crit is a list of labels, not empty, all in the protected header. */
static bool is_crit(struct hf_cbor crit, struct hf_cbor headers)
{
    uint32_t count = hf_list_len(crit, HF_FORM_LABEL);
    if (count == 0) {
        return false;
    }
    for (hf_cbor_array(&crit, &count); count > 0; count--) {
        if (!has_key(headers, hf_cbor_take(&crit))) {
            return false;
        }
    }
    return true;
}

/* Read both headers, and check them together in the order of cose._check_headers.
 *   out: alg, crit, kid, iv and partial_iv of *message where they are present
 */
static enum hf_detail read_headers(struct hf_cbor headers, struct hf_cbor unprotected, struct hf_cose *message)
{
    struct hf_met inside = {0, 0, false};
    struct hf_met outside = {0, 0, false};
    (void)hf_fields_read(headers, HF_CBOR_MAP, header_fields, HEADER_COUNT, message, &inside);
    (void)hf_fields_read(unprotected, HF_CBOR_MAP, header_fields, HEADER_COUNT, message, &outside);
    if (share_a_key(headers, unprotected)) {
        return HF_DETAIL_DUPLICATE_HEADER;
    }
    if ((outside.present & HF_FIELD_BIT(CRIT)) != 0) {
        return HF_DETAIL_CRIT;
    }
    if ((inside.wrong | outside.wrong) != 0) {
        return HF_DETAIL_HEADER;
    }
    if (message->crit.p != NULL && !is_crit(hf_cbor_at(message->crit), headers)) {
        return HF_DETAIL_CRIT;
    }
    message->has_alg = ((inside.present | outside.present) & HF_FIELD_BIT(ALG)) != 0;
    message->others_unprotected = outside.others || (outside.present & ~(HF_FIELD_BIT(KID) | HF_FIELD_BIT(IV))) != 0;
    return message->iv.p != NULL && message->partial_iv.p != NULL ? HF_DETAIL_IV : HF_DETAIL_NONE;
}

/* Decode the protected header's content.
 *   out: *headers: its map, untouched when the content is empty. For an empty map protected_header becomes the empty
 *        string: both forms are read, and only the string enters the structures (RFC 9052 section 3)
 */
static hf_verdict_t decode_headers(struct hf_cose *message, struct hf_cbor *headers)
{
    struct hf_slice *encoded = &message->protected_header;
    if (encoded->len == 0) {
        return HF_OK;
    }
    hf_verdict_t verdict = hf_cbor_check(*encoded, 0, HF_MAX_CBOR_DEPTH);
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

/* The array of a message (RFC 9052 sections 4.2, 5.2 and 6.2); COSE_Encrypt0 has no proof. */
struct cose_parts {
    struct hf_slice protected_header;
    struct hf_slice unprotected;
    struct hf_slice content;
    struct hf_slice proof;
};

enum { PROTECTED, UNPROTECTED, CONTENT, PROOF, PART_COUNT };

#define PART(place, form, member) \
    [place] = {place, HF_FORM_##form, offsetof(struct cose_parts, member), HF_DETAIL_STRUCTURE}

static const struct hf_field part_fields[PART_COUNT] = {
    PART(PROTECTED, BYTES, protected_header),
    PART(UNPROTECTED, MAP, unprotected),
    PART(CONTENT, ITEM, content),
    PART(PROOF, BYTES, proof),
};

/* Take the array apart: everything but what is inside the headers. */
static enum hf_detail read_parts(struct hf_cbor array, struct hf_cose *message, struct hf_cbor *unprotected)
{
    struct hf_met met = {0, 0, false};
    struct cose_parts parts;
    unsigned count = message->tag == HF_L_TAG_COSE_ENCRYPT0 ? PROOF : PART_COUNT;
    hf_memset(&parts, 0, sizeof parts);
    if (!hf_fields_read(array, HF_CBOR_ARRAY, part_fields, count, &parts, &met) || met.others ||
        met.present != HF_FIELD_BIT(count) - 1 || (met.wrong & ~HF_FIELD_BIT(PROOF)) != 0) {
        return HF_DETAIL_STRUCTURE;
    }
    if (parts.content.p[0] == CBOR_NULL) {
        return HF_DETAIL_DETACHED;
    }
    message->protected_header = parts.protected_header;
    message->proof = parts.proof;
    *unprotected = hf_cbor_at(parts.unprotected);
    struct hf_cbor map = *unprotected;
    (void)hf_cbor_map(&map, &message->unprotected_count);
    return hf_cbor_bytes(hf_cbor_at(parts.content), &message->content) && met.wrong == 0 ? HF_DETAIL_NONE
                                                                                         : HF_DETAIL_STRUCTURE;
}

hf_verdict_t hf_cose_read(uint32_t tag, struct hf_cbor parts, struct hf_cose *message)
{
    struct hf_cbor headers = {NULL, NULL};
    struct hf_cbor unprotected;
    hf_memset(message, 0, sizeof *message);
    if (hf_cose_role(tag) == HF_ROLE_COUNT) {
        return MALFORMED(TAG);
    }
    message->tag = (uint8_t)tag;
    hf_verdict_t verdict = hf_verdict_of(HF_MALFORMED_COSE, read_parts(parts, message, &unprotected));
    if (verdict == HF_OK) {
        verdict = decode_headers(message, &headers);
    }
    return verdict != HF_OK ? verdict : hf_verdict_of(HF_MALFORMED_COSE, read_headers(headers, unprotected, message));
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

/* The beginning of a Sig_, MAC_ or Enc_structure: array head, context string, head of the protected header. The
 * header follows, then TAIL: no external AAD, and the head of the content. */
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

/* Not inlined, so that its frame is gone while another function works: the frames of all would add up in one. */
#define APART __attribute__((noinline)) static

/* Hash a Sig_structure (RFC 9052 section 4.4) or MAC_structure (section 6.3), which differ in the context string. */
static void hash_structure(struct hf_sha256 *hash, const struct hf_cose *message, const char *context,
                           size_t context_len)
{
    uint8_t piece[MAX_START_LEN];
    const struct hf_slice *protected_header = &message->protected_header;
    hf_sha256_update(hash, piece, start_of(4, context, context_len, protected_header->len, piece));
    hf_sha256_update(hash, protected_header->p, protected_header->len);
    hf_sha256_update(hash, piece, tail_of(message->content.len, piece));
    hf_sha256_update(hash, message->content.p, message->content.len);
}

APART void hash_signed(const struct hf_cose *message, uint8_t digest[HF_SHA256_LEN])
{
    struct hf_sha256 hash;
    hf_sha256_init(&hash);
    hash_structure(&hash, message, "Signature1", CONTEXT_LEN("Signature1"));
    hf_sha256_final(&hash, digest);
}

/* Verify an ES256 signature over the Sig_structure. */
APART bool open_sign1(const struct hf_cose *message, const struct hf_key *key)
{
    uint8_t digest[HF_SHA256_LEN];
    if (message->proof.len != HF_P256_SIG_LEN) {
        return false;
    }
    hash_signed(message, digest);
    return (key->table.p != NULL ? hf_p256_verify_fixed(key->table.p, key->table.len, digest, message->proof.p)
                                 : hf_p256_verify(key->material.p, digest, message->proof.p)) == HF_OK;
}

/* Verify an HMAC-SHA-256 tag, whole or cut to 64 bits, over the MAC_structure. */
APART bool open_mac0(const struct hf_cose *message, const struct hf_key *key)
{
    struct hf_hmac mac;
    uint8_t tag[HF_HMAC_LEN];
    size_t tag_len = key->alg == HF_L_ALG_HMAC_256_64 ? 8 : HF_HMAC_LEN;
    if (message->proof.len != tag_len) {
        return false;
    }
    hf_hmac_init(&mac, key->material.p, key->material.len);
    hash_structure(&mac.inner, message, "MAC0", CONTEXT_LEN("MAC0"));
    hf_hmac_final(&mac, tag);
    uint32_t differs = hf_memcmp_ct(tag, message->proof.p, tag_len);
    HF_CT_UNPOISON(&differs, sizeof differs); /* the verdict is public */
    hf_wipe(tag, sizeof tag);
    return differs == 0;
}

/* Decrypt AES-CCM with the Enc_structure as additional data (RFC 9052 section 5.3); the structure is built behind the
 * place of the plaintext. */
APART hf_verdict_t open_encrypt0(const struct hf_cose *message, const struct hf_key *key, struct hf_space *space,
                                 struct hf_slice *payload)
{
    struct hf_aes_ccm ccm;
    const struct hf_slice *protected_header = &message->protected_header;
    const struct hf_ccm_alg *alg = hf_ccm_alg(key->alg);
    if (message->iv.len != HF_COSE_NONCE_LEN) { /* absent, too */
        return MALFORMED(IV);
    }
    if (message->content.len < alg->tag_len) {
        return HF_VERDICT(HF_BAD_SIGNATURE, NONE);
    }
    size_t plaintext_len = message->content.len - alg->tag_len;
    size_t aad_room = MAX_START_LEN + protected_header->len + 1;
    if (space->len < plaintext_len + aad_room) { /* not covered: hf_token.h sizes it */
        return HF_VERDICT(HF_LOCAL, SCRATCH); /* not covered: as above */
    }
    uint8_t *aad = space->p + plaintext_len;
    size_t aad_len = start_of(3, "Encrypt0", CONTEXT_LEN("Encrypt0"), protected_header->len, aad);
    hf_memcpy(aad + aad_len, protected_header->p, protected_header->len);
    aad_len += protected_header->len;
    aad[aad_len++] = HF_CBOR_BYTES << 5;
    hf_aes_ccm_init(&ccm, key->material.p, key->material.len, alg->tag_len);
    enum hf_status status = hf_aes_ccm_open(&ccm, message->iv.p, aad, aad_len, message->content.p, message->content.len,
                                            space->p);
    hf_wipe(&ccm, sizeof ccm);
    if (status != HF_OK) {
        return HF_VERDICT(HF_BAD_SIGNATURE, NONE);
    }
    HF_CT_UNPOISON(space->p, plaintext_len); /* authentic: time may depend on its structure, which is read now */
    payload->p = space->p;
    payload->len = plaintext_len;
    space->p += plaintext_len;
    space->len -= plaintext_len;
    return HF_OK;
}

hf_verdict_t hf_cose_open(const struct hf_cose *message, const struct hf_key *key, struct hf_space *space,
                          struct hf_slice *payload)
{
    if (message->crit.p != NULL) { /* no label is understood here but those of RFC 9052 section 3.1 */
        return HF_VERDICT(HF_CRIT_UNKNOWN, CRIT);
    }
    if (message->tag == HF_L_TAG_COSE_ENCRYPT0) {
        return open_encrypt0(message, key, space, payload);
    }
    if (!(message->tag == HF_L_TAG_COSE_SIGN1 ? open_sign1(message, key) : open_mac0(message, key))) {
        return HF_VERDICT(HF_BAD_SIGNATURE, NONE);
    }
    *payload = message->content;
    return HF_OK;
}
