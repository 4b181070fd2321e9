/* Any bytes as a token, as a claims set that is protected here, or as a COSE message inside one: the answer is one of the
 * statuses that hf_token.h lists, and a grant keeps its promises. First byte: what the rest is, and what the RS knows.
 *
 * fuzz_rules.h (made by the test, from tests/vectors) defines FUZZ_RULES, FUZZ_MAC_KEY, FUZZ_ENCRYPT_KEY and the
 * protected headers FUZZ_MAC_HEADER and FUZZ_ENCRYPT_HEADER, the latter with an IV of 13 zeros.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_rules.h"
#include "hf_aes_ccm.h"
#include "hf_hmac.h"
#include "hf_token.h"

#define MAX_INPUT 900
#define NOW 1800000000

static const uint8_t rules_bytes[] = FUZZ_RULES;
static const uint8_t mac_key[] = FUZZ_MAC_KEY;
static const uint8_t encrypt_key[] = FUZZ_ENCRYPT_KEY;
static const uint8_t mac_header[] = FUZZ_MAC_HEADER;
static const uint8_t encrypt_header[] = FUZZ_ENCRYPT_HEADER;

void fuzz_failed(const char *condition)
{
    fprintf(stderr, "failed: %s\n", condition);
    abort();
}

struct out {
    uint8_t bytes[MAX_INPUT + 200];
    size_t len;
};

static void put(struct out *out, const void *bytes, size_t len)
{
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

/* Append the head of a byte string, shortest form. */
static void put_head(struct out *out, size_t len)
{
    uint8_t head[3] = {0x59, (uint8_t)(len >> 8), (uint8_t)len};
    if (len < 24) {
        head[0] = (uint8_t)(0x40 | len);
        put(out, head, 1);
    } else if (len < 256) {
        head[1] = 0x58;
        put(out, head + 1, 2);
    } else {
        put(out, head, 3);
    }
}

static void put_string(struct out *out, const void *bytes, size_t len)
{
    put_head(out, len);
    put(out, bytes, len);
}

/* A token with a good MAC around the payload. */
static void make_mac0(const uint8_t *payload, size_t len, struct out *token)
{
    struct out maced = {{0}, 0};
    uint8_t tag[HF_HMAC_LEN];
    put(&maced, "\x84\x64MAC0", 6);
    put_string(&maced, mac_header, sizeof mac_header);
    put(&maced, "\x40", 1);
    put_string(&maced, payload, len);
    hf_hmac_sha256(mac_key, sizeof mac_key, maced.bytes, maced.len, tag);
    put(token, "\xd8\x3d\xd1\x84", 4);
    put_string(token, mac_header, sizeof mac_header);
    put(token, "\xa0", 1);
    put_string(token, payload, len);
    put_string(token, tag, sizeof tag);
}

/* A token that decrypts to the plaintext. */
static void make_encrypt0(const uint8_t *plaintext, size_t len, struct out *token)
{
    static const uint8_t nonce[HF_AES_CCM_NONCE_LEN];
    struct hf_aes_ccm ccm;
    struct out aad = {{0}, 0};
    uint8_t sealed[MAX_INPUT + 8];
    put(&aad,
        "\x83\x68"
        "Encrypt0",
        10);
    put_string(&aad, encrypt_header, sizeof encrypt_header);
    put(&aad, "\x40", 1);
    FUZZ_ASSERT(hf_aes_ccm_init(&ccm, encrypt_key, sizeof encrypt_key, 8) == HF_OK);
    FUZZ_ASSERT(hf_aes_ccm_seal(&ccm, nonce, aad.bytes, aad.len, plaintext, len, sealed) == HF_OK);
    put(token, "\xd8\x3d\xd0\x83", 4);
    put_string(token, encrypt_header, sizeof encrypt_header);
    put(token, "\xa0", 1);
    put_string(token, sealed, len + 8);
}

static bool is_fresh(void *context, const uint8_t *cnonce, size_t cnonce_len)
{
    (void)context;
    return cnonce_len > 0 && cnonce[0] == 'a';
}

static void check_grant(const struct hf_grant *grant, const struct hf_rules *rules, const struct hf_moment *moment)
{
    const struct hf_slice path = {(const uint8_t *)"/result", 7};
    unsigned allowed = 0;
    for (unsigned code = 0; code < 256; code++) {
        allowed += hf_permissions_check(grant, rules, path, (uint8_t)code) == HF_OK;
    }
    FUZZ_ASSERT(allowed <= 7);
    FUZZ_ASSERT((grant->claims.has & (HF_HAS_EXP | HF_HAS_EXI)) != 0);
    bool is_new = moment->clock == HF_CLOCK_FLOOR && grant->claims.cnonce.p != NULL; /* then exp is the caller's */
    bool has_exp = (grant->claims.has & HF_HAS_EXP) != 0;
    FUZZ_ASSERT(moment->clock == HF_CLOCK_UNKNOWN || is_new || !has_exp || grant->claims.exp_s > NOW);
    FUZZ_ASSERT(grant->claims.aud.p != NULL && grant->claims.scope.p != NULL && grant->claims.cnf.p != NULL);
    FUZZ_ASSERT(grant->detail == HF_DETAIL_NONE && grant->issuer.p != NULL);
    FUZZ_ASSERT(grant->cnf.method == 1 || grant->cnf.method == 3 || grant->cnf.method == 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
    static struct hf_rules rules; /* read once: their keys are points to check */
    const struct hf_slice encoded = {rules_bytes, sizeof rules_bytes};
    struct hf_grant grant;
    struct out token = {{0}, 0};
    if (input_len == 0 || input_len > MAX_INPUT) {
        return 0;
    }
    struct hf_moment moment = {NOW, 5, input[0] & 4 ? is_fresh : NULL, NULL, (input[0] >> 3) % 3, (input[0] >> 5) % 3};
    if (rules.formats == 0) {
        FUZZ_ASSERT(hf_rules_read(encoded, &rules) == HF_OK);
    }
    if ((input[0] & 3) == 0) {
        put(&token, input + 1, input_len - 1);
    } else if ((input[0] & 3) == 1) {
        make_mac0(input + 1, input_len - 1, &token);
    } else {
        make_encrypt0(input + 1, input_len - 1, &token);
    }
    uint8_t *exact = malloc(token.len + 1); /* its own memory, so that a sanitizer sees the byte behind it */
    uint8_t *scratch = malloc(HF_TOKEN_SCRATCH_LEN(token.len) + 1);
    FUZZ_ASSERT(exact != NULL && scratch != NULL);
    memcpy(exact + 1, token.bytes, token.len);
    enum hf_status status = hf_token_verify(&rules, &moment, exact + 1, token.len, scratch,
                                            HF_TOKEN_SCRATCH_LEN(token.len), &grant);
    if (status == HF_OK) {
        check_grant(&grant, &rules, &moment);
    } else {
        FUZZ_ASSERT(status >= HF_MALFORMED_CBOR && status <= HF_PROFILE_UNSUPPORTED);
        FUZZ_ASSERT(grant.detail != HF_DETAIL_NONE && grant.claims.aud.p == NULL && grant.cnf.osc.ms.p == NULL);
    }
    free(exact);
    free(scratch);
    return 0;
}
