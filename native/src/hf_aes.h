/* AES-128 and AES-256, forward direction only, two blocks at a time (FIPS 197). Constant time: bitsliced,
 * or the processor's own instructions.
 * Part of hf_aes_ccm, which is the interface.
 */
#ifndef HF_AES_H
#define HF_AES_H

#include <stddef.h>
#include <stdint.h>

#define HF_AES_BLOCK_LEN 16

/* Expand a key.
 *   in:  key[key_len], 16 or 32 bytes, secret
 *   out: round_keys[4 * (rounds + 1)] in the form that hf_aes_encrypt_pair takes
 *   ret: rounds, 10 or 14
 */
unsigned hf_aes_expand_key(uint32_t *round_keys, const uint8_t *key, size_t key_len);

/* Encrypt two blocks in place. In and out: a[16], b[16], which may be the same block or not overlap. */
void hf_aes_encrypt_pair(const uint32_t *round_keys, unsigned rounds, uint8_t a[HF_AES_BLOCK_LEN],
                         uint8_t b[HF_AES_BLOCK_LEN]);

/* Overwrite the stack that the functions above have used below the caller's frame: the compiler may have put values
 * there that depend on the key. Called once, after the last use of the cipher.  stack: FORGET_LEN in hf_aes.c */
void hf_aes_forget(void);

#endif
