/* AES-CCM with a 13-byte nonce and a 2-byte length field (RFC 3610; RFC 9053 section 4.2: AES-CCM-16-{64,128}-{128,256}).
 *
 * AES is bitsliced, or on x86-64 the processor's own. No table and no branch depends on key, text or nonce, so time
 * depends on lengths only.
 */
#ifndef HF_AES_CCM_H
#define HF_AES_CCM_H

#include <stddef.h>
#include <stdint.h>

#include "hf_status.h"

#define HF_AES_CCM_NONCE_LEN 13
#define HF_AES_CCM_MAX_TEXT_LEN 65535 /* what the 2-byte length field can say */
#define HF_AES_CCM_MAX_TAG_LEN 16
#define HF_AES_KEY_WORDS 60 /* of AES-256: 15 round keys of 4 words */

/* An expanded key. As secret as the key: hf_aes_ccm_wipe it. */
struct hf_aes_ccm {
    uint32_t round_keys[HF_AES_KEY_WORDS];
    uint8_t rounds;
    uint8_t tag_len;
};

/* Expand a key.
 *   in:  key[key_len], 16 or 32 bytes, secret; tag_len 8 or 16
 *   ret: HF_OK | HF_LOCAL (lengths)
 *   stack: <= 0.5 KB
 */
enum hf_status hf_aes_ccm_init(struct hf_aes_ccm *ccm, const uint8_t *key, size_t key_len, size_t tag_len);

/* Overwrite an expanded key. */
void hf_aes_ccm_wipe(struct hf_aes_ccm *ccm);

/* Encrypt and authenticate.
 *   in:  nonce[13], never used twice with this key; aad[aad_len], NULL iff empty; text[text_len], secret, NULL iff empty
 *   out: sealed[text_len + tag_len], ciphertext || tag; may be text itself, overlaps nothing otherwise
 *   ret: HF_OK | HF_LOCAL (text_len above HF_AES_CCM_MAX_TEXT_LEN, aad_len above 2^32 - 1); then sealed is untouched
 *   stack: <= 0.5 KB
 */
enum hf_status hf_aes_ccm_seal(const struct hf_aes_ccm *ccm, const uint8_t nonce[HF_AES_CCM_NONCE_LEN],
                               const uint8_t *aad, size_t aad_len, const uint8_t *text, size_t text_len,
                               uint8_t *sealed);

/* Verify and decrypt.
 *   in:  nonce[13], aad[aad_len], sealed[sealed_len] = ciphertext || tag, all public
 *   out: text[sealed_len - tag_len]; may be sealed itself, overlaps nothing otherwise; all zeros if not authentic
 *   ret: HF_OK | HF_NOT_AUTHENTIC (also an impossible sealed_len; then text is untouched) | HF_LOCAL (aad_len)
 *   stack: <= 0.5 KB
 */
enum hf_status hf_aes_ccm_open(const struct hf_aes_ccm *ccm, const uint8_t nonce[HF_AES_CCM_NONCE_LEN],
                               const uint8_t *aad, size_t aad_len, const uint8_t *sealed, size_t sealed_len,
                               uint8_t *text);

/* The COSE algorithms of this kind (RFC 9053 section 4.2), and the lengths that they have. */
struct hf_ccm_alg {
    uint8_t alg;
    uint8_t key_len;
    uint8_t tag_len;
};

/* An algorithm by its label; all zero when it is none of them. Never NULL. */
const struct hf_ccm_alg *hf_ccm_alg(int32_t label);

#endif
