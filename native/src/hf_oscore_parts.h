/* What the two halves of hf_oscore share: keys, nonces and AADs in hf_oscore.c, messages in hf_oscore_message.c. */
#ifndef HF_OSCORE_PARTS_H
#define HF_OSCORE_PARTS_H

#include <stdbool.h>

#include "hf_oscore.h"

/* A decoded option value (RFC 8613 section 6.1); piv in place, piv_len 0: none. */
struct hf_oscore_option {
    struct hf_oscore_ids ids;
    const uint8_t *piv;
    size_t piv_len;
};

/* Decode an option value.  ret: HF_OK | HF_MALFORMED_OSCORE */
enum hf_status hf_oscore_decode_option(const uint8_t *value, size_t value_len, struct hf_oscore_option *option);

/* Encode a sequence number without leading zeros (RFC 8613 section 5).  ret: length, 1..5 */
size_t hf_oscore_encode_piv(uint64_t number, uint8_t piv[HF_OSCORE_MAX_PIV_LEN]);

/* The number of a Partial IV of 1..5 bytes. */
uint64_t hf_oscore_decode_piv(const uint8_t *piv, size_t piv_len);

/* Whether a message with these IDs may belong to the context: each ID that it names is the context's. */
bool hf_oscore_names(const struct hf_oscore_ctx *ctx, const struct hf_oscore_ids *ids);

/* Check a number against an initialised window.  ret: HF_OK | HF_REPLAY_DETECTED */
enum hf_status hf_oscore_window_check(const struct hf_oscore_window *window, uint64_t number);

/* Record a number that hf_oscore_window_check accepts. */
void hf_oscore_window_record(struct hf_oscore_window *window, uint64_t number);

/* Length of the tag. */
size_t hf_oscore_tag_len(const struct hf_oscore_ctx *ctx);

/* Which keys and nonce. request: the number in the AAD; `ours`: whether we sent the request. The nonce is made of
 * number, a sequence number, and of our ID when `by_us`, else of the peer's. */
struct hf_oscore_binding {
    uint64_t request;
    uint64_t number;
    bool ours;
    bool by_us;
};

/* Encrypt text[text_len] in place under the Sender Key; the tag goes behind.  ret: HF_OK | HF_LOCAL (text_len) */
enum hf_status hf_oscore_seal(const struct hf_oscore_ctx *ctx, const struct hf_oscore_binding *binding, uint8_t *text,
                              size_t text_len);

/* Decrypt sealed[sealed_len] in place under the Recipient Key.  ret: HF_OK | HF_DECRYPTION_FAILED */
enum hf_status hf_oscore_open(const struct hf_oscore_ctx *ctx, const struct hf_oscore_binding *binding, uint8_t *sealed,
                              size_t sealed_len);

#endif
