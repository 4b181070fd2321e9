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
