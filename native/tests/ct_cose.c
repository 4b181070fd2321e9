/* hf_cose_open under secret keys, for valgrind; see ct_symmetric.c. No signature is checked here: those are public.
 *
 *     valgrind -q --error-exitcode=9 ct_cose
 */
#include <stdio.h>
#include <stdlib.h>

#include "hf_aes_ccm.h"
#include "hf_cose.h"
#include "hf_hmac.h"
#include "hf_labels.h"
#include "hf_p256.h"
#include "hf_port.h"

#if !defined(HF_CT_TEST)
#error "built without HF_CT_TEST nothing is secret, and nothing is tested"
#endif

#define CHECK(condition) check((condition) != 0, #condition)
#define PAYLOAD_LEN 16

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(2);
    }
}

enum hf_status hf_p256_verify(const uint8_t point[64], const uint8_t hash[32], const uint8_t sig[64])
{
    (void)point, (void)hash, (void)sig;
    abort();
}

enum hf_status hf_p256_verify_fixed(const uint8_t *table, size_t table_len, const uint8_t hash[32],
                                    const uint8_t sig[64])
{
    (void)table, (void)table_len, (void)hash, (void)sig;
    abort();
}

/* A key of this length, secret from here on. */
static struct hf_key secret_key(uint8_t bytes[32], size_t len, int32_t alg)
{
    struct hf_key key = {.material = {bytes, len}, .alg = alg};
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(i * 7 + 1);
    }
    HF_CT_POISON(bytes, len);
    return key;
}

/* COSE_Mac0: a good tag by the MAC_structure of RFC 9052 section 6.3, and the same with its last bit wrong. */
static void mac0(int32_t alg, size_t tag_len)
{
    uint8_t bytes[32];
    uint8_t tag[32];
    uint8_t structure[] = "\x84\x64MAC0\x43\xa1\x01\x05\x40\x50"
                          "0123456789abcdef";
    struct hf_key key = secret_key(bytes, 32, alg);
    struct hf_slice payload;
    structure[9] = (uint8_t)alg;
    hf_hmac_sha256(bytes, 32, structure, sizeof structure - 1, tag);
    HF_CT_UNPOISON(tag, sizeof tag); /* it travels with the token */
    struct hf_cose message = {
        .tag = HF_L_TAG_COSE_MAC0,
        .protected_header = {structure + 7, 3},
        .content = {structure + 12, PAYLOAD_LEN},
        .proof = {tag, tag_len},
    };
    CHECK(hf_cose_open(&message, &key, NULL, &payload) == HF_OK && payload.len == PAYLOAD_LEN);
    tag[tag_len - 1] ^= 1;
    CHECK(hf_verdict_status(hf_cose_open(&message, &key, NULL, &payload)) == HF_BAD_SIGNATURE);
}

/* COSE_Encrypt0: the Enc_structure of RFC 9052 section 5.3. */
static void encrypt0(int32_t alg, size_t key_len, size_t tag_len)
{
    static const uint8_t NONCE[HF_AES_CCM_NONCE_LEN] = {0};
    uint8_t bytes[32];
    uint8_t sealed[PAYLOAD_LEN + HF_AES_CCM_MAX_TAG_LEN] = {1, 2, 3};
    uint8_t room[100];
    uint8_t structure[] = "\x83\x68"
                          "Encrypt0\x43\xa1\x01\x0a\x40";
    struct hf_key key = secret_key(bytes, key_len, alg);
    struct hf_space space = {room, sizeof room};
    struct hf_slice payload;
    struct hf_aes_ccm ccm;
    structure[13] = (uint8_t)alg; /* 10 or 11 */
    CHECK(hf_aes_ccm_init(&ccm, bytes, key_len, tag_len) == HF_OK);
    CHECK(hf_aes_ccm_seal(&ccm, NONCE, structure, sizeof structure - 1, sealed, PAYLOAD_LEN, sealed) == HF_OK);
    HF_CT_UNPOISON(sealed, sizeof sealed);
    struct hf_cose message = {
        .tag = HF_L_TAG_COSE_ENCRYPT0,
        .protected_header = {structure + 11, 3},
        .iv = {NONCE, sizeof NONCE},
        .content = {sealed, PAYLOAD_LEN + tag_len},
    };
    CHECK(hf_cose_open(&message, &key, &space, &payload) == HF_OK && payload.len == PAYLOAD_LEN);
    HF_CT_UNPOISON(room, PAYLOAD_LEN);
    CHECK(room[0] == 1 && room[2] == 3 && space.len == sizeof room - PAYLOAD_LEN);
    sealed[0] ^= 1;
    CHECK(hf_verdict_status(hf_cose_open(&message, &key, &space, &payload)) == HF_BAD_SIGNATURE);
}

int main(void)
{
    mac0(HF_L_ALG_HMAC_256_256, 32);
    mac0(HF_L_ALG_HMAC_256_64, 8);
    encrypt0(HF_L_ALG_AES_CCM_16_64_128, 16, 8);
    encrypt0(HF_L_ALG_AES_CCM_16_64_256, 32, 8);
    printf("cose\n");
    return 0;
}
