/* SHA-256 (FIPS 180-4), whole or in pieces. Time depends on lengths only, so messages may be secret. */
#ifndef HF_SHA256_H
#define HF_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define HF_SHA256_LEN 32
#define HF_SHA256_BLOCK_LEN 64

/* A hash under way. Holds the last unfinished block of the message: wiped by hf_sha256_final. */
struct hf_sha256 {
    uint32_t state[8];
    uint32_t len_low; /* bytes so far, in two words: no 64-bit shifts on small cores */
    uint32_t len_high;
    uint8_t block[HF_SHA256_BLOCK_LEN];
};

/* Begin a message. */
void hf_sha256_init(struct hf_sha256 *hash);

/* Append message[message_len]; NULL is fine for no bytes. */
void hf_sha256_update(struct hf_sha256 *hash, const uint8_t *message, size_t message_len);

/* End the message.
 *   out: digest[32]; *hash is wiped, and needs hf_sha256_init before it is used again
 */
void hf_sha256_final(struct hf_sha256 *hash, uint8_t digest[HF_SHA256_LEN]);

/* The digest of one message.
 *   in:  message[message_len], NULL iff message_len is 0
 *   out: digest[32], may overlap the message
 */
void hf_sha256(const uint8_t *message, size_t message_len, uint8_t digest[HF_SHA256_LEN]);

#endif
