/* HMAC-SHA256 (RFC 2104) and HKDF-SHA256 (RFC 5869). Time depends on lengths only: keys and messages may be secret. */
#ifndef HF_HMAC_H
#define HF_HMAC_H

#include <stddef.h>
#include <stdint.h>

#include "hf_sha256.h"
#include "hf_status.h"

#define HF_HMAC_LEN 32
#define HF_HKDF_MAX_LEN (255 * (size_t)HF_HMAC_LEN) /* RFC 5869 section 2.3: the block counter is one byte */

/* A MAC under way. As secret as its key: wiped by hf_hmac_final. */
struct hf_hmac {
    struct hf_sha256 inner;
    uint32_t outer[8]; /* the state of the outer hash behind its key block */
};

/* Begin a MAC under key[key_len], of any length; NULL iff key_len is 0. */
void hf_hmac_init(struct hf_hmac *mac, const uint8_t *key, size_t key_len);

/* Append message[message_len]; NULL is fine for no bytes. */
void hf_hmac_update(struct hf_hmac *mac, const uint8_t *message, size_t message_len);

/* End the message.
 *   out: tag[32], of which a shorter tag is the beginning; compare tags with hf_memcmp_ct. *mac is wiped.
 */
void hf_hmac_final(struct hf_hmac *mac, uint8_t tag[HF_HMAC_LEN]);

/* The MAC of one message.
 *   in:  key[key_len], message[message_len]; each NULL iff its length is 0
 *   out: tag[32], may overlap key or message
 */
void hf_hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *message, size_t message_len,
                    uint8_t tag[HF_HMAC_LEN]);

/* HKDF-Extract (RFC 5869 section 2.2).
 *   in:  salt[salt_len], of which none means 32 zero bytes; ikm[ikm_len]
 *   out: prk[32], may overlap salt or ikm
 */
void hf_hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                     uint8_t prk[HF_HMAC_LEN]);

/* HKDF-Expand (RFC 5869 section 2.3).
 *   in:  prk[32], info[info_len]
 *   out: okm[okm_len], 0..HF_HKDF_MAX_LEN bytes, overlapping neither
 *   ret: HF_OK | HF_LOCAL (okm_len)
 */
enum hf_status hf_hkdf_expand(const uint8_t prk[HF_HMAC_LEN], const uint8_t *info, size_t info_len, uint8_t *okm,
                              size_t okm_len);

/* Extract, then expand. Parameters and statuses as above. */
enum hf_status hf_hkdf_sha256(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                              const uint8_t *info, size_t info_len, uint8_t *okm, size_t okm_len);

#endif
