/* hf_hmac.h */
#include "hf_hmac.h"

#include "hf_port.h"

#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

/* Hash the key block, each byte mixed with pad. */
static void absorb_key(struct hf_sha256 *hash, uint8_t block[HF_SHA256_BLOCK_LEN], uint8_t pad)
{
    for (size_t i = 0; i < HF_SHA256_BLOCK_LEN; i++) {
        block[i] ^= pad;
    }
    hf_sha256_init(hash);
    hf_sha256_update(hash, block, HF_SHA256_BLOCK_LEN);
}

void hf_hmac_init(struct hf_hmac *mac, const uint8_t *key, size_t key_len)
{
    uint8_t block[HF_SHA256_BLOCK_LEN];
    hf_memset(block, 0, sizeof block);
    if (key_len > sizeof block) {
        hf_sha256(key, key_len, block);
    } else if (key_len) {
        hf_memcpy(block, key, key_len);
    }
    absorb_key(&mac->inner, block, OUTER_PAD);
    hf_memcpy(mac->outer, mac->inner.state, sizeof mac->outer);
    absorb_key(&mac->inner, block, OUTER_PAD ^ INNER_PAD);
    hf_wipe(block, sizeof block);
}

void hf_hmac_update(struct hf_hmac *mac, const uint8_t *message, size_t message_len)
{
    hf_sha256_update(&mac->inner, message, message_len);
}

void hf_hmac_final(struct hf_hmac *mac, uint8_t tag[HF_HMAC_LEN])
{
    hf_sha256_final(&mac->inner, tag);
    hf_memcpy(mac->inner.state, mac->outer, sizeof mac->outer);
    mac->inner.len_low = HF_SHA256_BLOCK_LEN;
    mac->inner.len_high = 0;
    hf_sha256_update(&mac->inner, tag, HF_SHA256_LEN);
    hf_sha256_final(&mac->inner, tag);
    hf_wipe(mac, sizeof *mac);
}

void hf_hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *message, size_t message_len,
                    uint8_t tag[HF_HMAC_LEN])
{
    struct hf_hmac mac;
    hf_hmac_init(&mac, key, key_len);
    hf_hmac_update(&mac, message, message_len);
    hf_hmac_final(&mac, tag);
}

void hf_hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                     uint8_t prk[HF_HMAC_LEN])
{
    hf_hmac_sha256(salt, salt_len, ikm, ikm_len, prk); /* HMAC pads a short key with zeros, and no key too */
}

enum hf_status hf_hkdf_expand(const uint8_t prk[HF_HMAC_LEN], const uint8_t *info, size_t info_len, uint8_t *okm,
                              size_t okm_len)
{
    struct hf_hmac mac;
    uint8_t block[HF_HMAC_LEN];
    size_t block_len = 0;
    if (okm_len > HF_HKDF_MAX_LEN) {
        return HF_LOCAL;
    }
    for (uint8_t counter = 1; okm_len; counter++) {
        hf_hmac_init(&mac, prk, HF_HMAC_LEN);
        hf_hmac_update(&mac, block, block_len);
        hf_hmac_update(&mac, info, info_len);
        hf_hmac_update(&mac, &counter, 1);
        hf_hmac_final(&mac, block);
        block_len = okm_len < sizeof block ? okm_len : sizeof block;
        hf_memcpy(okm, block, block_len);
        okm += block_len;
        okm_len -= block_len;
    }
    hf_wipe(block, sizeof block);
    return HF_OK;
}

enum hf_status hf_hkdf_sha256(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                              const uint8_t *info, size_t info_len, uint8_t *okm, size_t okm_len)
{
    uint8_t prk[HF_HMAC_LEN];
    hf_hkdf_extract(salt, salt_len, ikm, ikm_len, prk);
    enum hf_status status = hf_hkdf_expand(prk, info, info_len, okm, okm_len);
    hf_wipe(prk, sizeof prk);
    return status;
}
