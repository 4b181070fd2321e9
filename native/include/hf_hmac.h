/* HMAC-SHA256 (RFC 2104). Time depends on lengths only: keys and messages may be secret. */
#ifndef HF_HMAC_H
#define HF_HMAC_H

#include <stddef.h>
#include <stdint.h>

#include "hf_sha256.h"

#define HF_HMAC_LEN 32

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

#endif
