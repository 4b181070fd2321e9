/* hf_hkdf.h */
#include "hf_hkdf.h"

#include "hf_port.h"

void hf_hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len, uint8_t prk[HF_HMAC_LEN])
{
    hf_hmac_sha256(salt, salt_len, ikm, ikm_len, prk); /* HMAC pads a short key with zeros, and an empty key too */
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
