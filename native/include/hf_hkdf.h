/* HKDF-SHA256 (RFC 5869). Time depends on lengths only: everything may be secret. */
#ifndef HF_HKDF_H
#define HF_HKDF_H

#include "hf_hmac.h"
#include "hf_status.h"

#define HF_HKDF_MAX_LEN (255 * (size_t)HF_HMAC_LEN) /* RFC 5869 section 2.3: the block counter is one byte */

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
