/* Every function of the core that handles secrets, run on secrets that valgrind's memcheck counts as undefined: it
 * reports each branch and each address that depends on one (and no arithmetic, which is the point).
 *
 *     valgrind -q --error-exitcode=9 ct_symmetric CASE...
 *
 * Without arguments, all honest cases. Cases that begin with "leak-" leak on purpose: the harness must catch them.
 * Exit: 0 all well; 2 a wrong result or no such case; 9 from valgrind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hf_aes_ccm.h"
#include "hf_hkdf.h"
#include "hf_hmac.h"
#include "hf_labels.h"
#include "hf_oscore.h"
#include "hf_port.h"
#include "hf_sha256.h"

#if !defined(HF_CT_TEST)
#error "built without HF_CT_TEST nothing is secret, and nothing is tested"
#endif

#define CHECK(condition) check((condition) != 0, #condition)

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(2);
    }
}

/* Bytes that are secret from here on. */
static void secret(uint8_t *bytes, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(first + i);
    }
    HF_CT_POISON(bytes, len);
}

static void publish(void *bytes, size_t len)
{
    HF_CT_UNPOISON(bytes, len);
}

static void sha256_case(void)
{
    uint8_t message[200];
    uint8_t digest[32];
    for (size_t len = 0; len <= sizeof message; len += 25) {
        secret(message, sizeof message, 1);
        hf_sha256(message, len, digest);
    }
    publish(digest, sizeof digest);
    CHECK(digest[0] != digest[1]);
}

static void hmac_case(void)
{
    uint8_t key[100];
    uint8_t message[100];
    uint8_t tag[32];
    uint8_t other[32];
    for (size_t len = 0; len <= sizeof key; len += 50) {
        secret(key, sizeof key, 2);
        secret(message, sizeof message, 3);
        hf_hmac_sha256(key, len, message, len, tag);
        hf_hmac_sha256(key, len, message, len, other);
        uint32_t difference = hf_memcmp_ct(tag, other, sizeof tag);
        publish(&difference, sizeof difference);
        CHECK(difference == 0);
    }
}

static void hkdf_case(void)
{
    uint8_t ikm[32];
    uint8_t okm[80];
    secret(ikm, sizeof ikm, 4);
    CHECK(hf_hkdf_sha256((const uint8_t *)"salt", 4, ikm, sizeof ikm, (const uint8_t *)"info", 4, okm, 80) == HF_OK);
    secret(ikm, sizeof ikm, 4);
    CHECK(hf_hkdf_sha256(ikm, sizeof ikm, ikm, sizeof ikm, ikm, sizeof ikm, okm, 33) == HF_OK);
}

static void ccm_case_of(size_t key_len, size_t tag_len, size_t text_len)
{
    uint8_t key[32];
    uint8_t nonce[HF_AES_CCM_NONCE_LEN];
    uint8_t aad[20];
    uint8_t text[64 + HF_AES_CCM_MAX_TAG_LEN];
    struct hf_aes_ccm ccm;
    secret(key, sizeof key, 5);
    secret(nonce, sizeof nonce, 6);
    secret(aad, sizeof aad, 7);
    secret(text, sizeof text, 8);
    CHECK(hf_aes_ccm_init(&ccm, key, key_len, tag_len) == HF_OK);
    CHECK(hf_aes_ccm_seal(&ccm, nonce, aad, sizeof aad, text, text_len, text) == HF_OK);
    CHECK(hf_aes_ccm_open(&ccm, nonce, aad, sizeof aad, text, text_len + tag_len, text) == HF_OK);
    publish(text, text_len);
    CHECK(text_len == 0 || text[text_len - 1] == (uint8_t)(8 + text_len - 1));
    CHECK(hf_aes_ccm_seal(&ccm, nonce, aad, sizeof aad, text, text_len, text) == HF_OK);
    text[0] ^= 1;
    CHECK(hf_aes_ccm_open(&ccm, nonce, aad, sizeof aad, text, text_len + tag_len, text) == HF_NOT_AUTHENTIC);
    hf_aes_ccm_wipe(&ccm);
}

static void ccm_case(void)
{
    for (size_t text_len = 0; text_len <= 64; text_len += 16 + text_len / 16) {
        ccm_case_of(16, 8, text_len);
        ccm_case_of(32, 16, text_len);
    }
}

/* Both ends of a context from a secret Master Secret; nothing else of them is told. */
static void derive(struct hf_oscore_ctx *client, struct hf_oscore_ctx *server, int alg)
{
    uint8_t master_secret[16];
    const uint8_t *mine = (const uint8_t *)"\x0c";
    const uint8_t *theirs = (const uint8_t *)"\x05";
    const uint8_t *ward = (const uint8_t *)"ward";
    struct hf_oscore_input input = {master_secret, sizeof master_secret, NULL, 0, mine, 1, theirs, 1, ward, 4, alg};
    secret(master_secret, sizeof master_secret, 9);
    CHECK(hf_oscore_derive(client, &input) == HF_OK);
    input.sender_id = theirs;
    input.recipient_id = mine;
    CHECK(hf_oscore_derive(server, &input) == HF_OK);
}

/* A request and two responses with secret payloads; what goes over the wire is public then. */
static void oscore_case_of(int alg)
{
    static const uint8_t GET[] = "\x42\x05\x00\x07tk\x34tube\x30\x53"
                                 "ekg\xff________________";
    static const uint8_t CONTENT[] = "\x42\x45\x00\x07tk\x60\xff________________";
    const size_t get_len = sizeof GET - 1;
    const size_t content_len = sizeof CONTENT - 1;
    const uint64_t number = 3;
    struct hf_oscore_ctx client;
    struct hf_oscore_ctx server;
    struct hf_oscore_exchange sent;
    struct hf_oscore_exchange heard;
    uint8_t message[256];
    size_t len = get_len;
    derive(&client, &server, alg);
    memcpy(message, GET, len);
    secret(message + len - 16, 16, 10);
    CHECK(hf_oscore_protect_request(&client, 1, message, &len, sizeof message, &sent) == HF_OK);
    publish(message, len);
    CHECK(hf_oscore_unprotect_request(&server, message, &len, &heard) == HF_OK);
    CHECK(len == get_len && memcmp(message, GET, len - 16) == 0 && message[len - 1] == 25);
    for (int i = 0; i < 2; i++) {
        len = content_len;
        memcpy(message, CONTENT, len);
        secret(message + len - 16, 16, 11);
        CHECK(hf_oscore_protect_response(&server, &heard, i ? &number : NULL, message, &len, 256) == HF_OK);
        publish(message, len);
        CHECK(hf_oscore_unprotect_response(&client, &sent, message, &len) == HF_OK);
        CHECK(len == content_len && message[len - 1] == 26);
    }
    len = content_len;
    memcpy(message, CONTENT, len);
    CHECK(hf_oscore_protect_response(&server, &heard, &number, message, &len, sizeof message) == HF_OK);
    publish(message, len);
    message[len - 1] ^= 1;
    sent.any = 0;
    CHECK(hf_oscore_unprotect_response(&client, &sent, message, &len) == HF_DECRYPTION_FAILED);
    hf_oscore_wipe(&client);
    hf_oscore_wipe(&server);
}

static void oscore_case(void)
{
    oscore_case_of(HF_L_ALG_AES_CCM_16_64_128);
    oscore_case_of(HF_L_ALG_AES_CCM_16_128_256);
}

/* --- what must be caught --- */

static volatile uint8_t sink;

/* A table indexed by a secret, as in AES with tables. */
static void leak_index_case(void)
{
    uint8_t key[32];
    uint8_t table[256] = {0};
    secret(key, sizeof key, 12);
    sink = table[key[5]];
}

/* A branch on a secret byte, as in a comparison that stops early. */
static void leak_branch_case(void)
{
    uint8_t tag[16];
    secret(tag, sizeof tag, 13);
    for (size_t i = 0; i < sizeof tag && tag[i] == 13 + i; i++) {
        sink = 1;
    }
}

/* A status made from keys that nobody declared public. */
static void leak_status_case(void)
{
    uint8_t key[16];
    uint8_t digest[32];
    secret(key, sizeof key, 14);
    hf_sha256(key, sizeof key, digest);
    CHECK(digest[0] != 0 || digest[1] != 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} CASES[] = {
/* clang-format off */
    {"sha256", sha256_case},         {"hmac", hmac_case},               {"hkdf", hkdf_case},
    {"ccm", ccm_case},               {"oscore", oscore_case},           {"leak-index", leak_index_case},
    {"leak-branch", leak_branch_case}, {"leak-status", leak_status_case},
/* clang-format on */
};

int main(int argc, char **argv)
{
    int run = 0;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int wanted = argc == 1 && strncmp(CASES[i].name, "leak-", 5) != 0;
        for (int j = 1; j < argc; j++) {
            wanted |= strcmp(argv[j], CASES[i].name) == 0;
        }
        if (wanted) {
            CASES[i].run();
            printf("%s\n", CASES[i].name);
            run++;
        }
    }
    return run ? 0 : 2;
}
