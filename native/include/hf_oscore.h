/* OSCORE for whole CoAP messages, in place (RFC 8613); the C form of holdfast_core/oscore.py, with its verdicts.
 *
 * A message is a datagram (RFC 7252 section 3): header, token, options, payload. Protecting moves what
 * RFC 8613 figure 5 calls Class E, encrypted, into the payload; the rest stays outside. Unprotecting restores the
 * message. Of the outer message only type, message ID, token and the Class U options survive.
 *
 * Keys never affect time: see hf_aes_ccm.h. Lengths, IDs, numbers and options are public. Sequence numbers come from
 * the caller, who must have made their reservation durable before (RFC 8613 appendix B.1.1); no number may be used
 * twice. Group OSCORE, signalling and blockwise transfers are not supported; inner block options are ordinary options.
 */
#ifndef HF_OSCORE_H
#define HF_OSCORE_H

#include <stddef.h>
#include <stdint.h>

#include "hf_status.h"

#define HF_OSCORE_MAX_ID_LEN 7 /* nonce length - 6 (RFC 8613 section 3.3) */
#define HF_OSCORE_MAX_ID_CONTEXT_LEN 32
#define HF_OSCORE_MAX_KEY_LEN 32
#define HF_OSCORE_IV_LEN 13
#define HF_OSCORE_MAX_PIV_LEN 5
#define HF_OSCORE_NUMBER_END ((uint64_t)1 << 40) /* sequence numbers are below (RFC 8613 section 7.2.1) */
#define HF_OSCORE_WINDOW_SIZE 32 /* the default of RFC 8613 section 3.2.2 */
#define HF_OSCORE_MAX_OPTION_LEN (1 + HF_OSCORE_MAX_PIV_LEN + 1 + HF_OSCORE_MAX_ID_CONTEXT_LEN + HF_OSCORE_MAX_ID_LEN)

/* Protecting needs so many bytes behind the message, and as many more as its Uri-Host, Observe, Uri-Port and
 * Proxy-Scheme options have with their heads: tag, marker, code, and the OSCORE option with a head of 3. */
#define HF_OSCORE_ROOM (16 + 2 + 3 + HF_OSCORE_MAX_OPTION_LEN)

/* Which of the peer's requests were seen (RFC 8613 sections 3.2.2 and 7.4). */
struct hf_oscore_window {
    uint64_t next;       /* one above the highest number seen; 0: none */
    uint32_t seen;       /* bit i: next - 1 - i was seen; what is below the window counts as seen */
    uint8_t initialised; /* 0: after a restart, until a request is proven fresh by Echo (appendix B.1.2) */
};

/* The Sender or the Recipient Context (RFC 8613 section 3.1). Secret. */
struct hf_oscore_side {
    uint8_t key[HF_OSCORE_MAX_KEY_LEN];
    uint8_t id_len;
    uint8_t id[HF_OSCORE_MAX_ID_LEN];
};

/* One security context (RFC 8613 section 3). Secret. Made by hf_oscore_derive, which leaves an empty window: right for
 * keys that nobody has used before. Otherwise the caller sets window.initialised to 0. */
struct hf_oscore_ctx {
    struct hf_oscore_window window;
    struct hf_oscore_side sender;
    struct hf_oscore_side recipient;
    uint8_t common_iv[HF_OSCORE_IV_LEN];
    uint8_t alg; /* COSE number of the AEAD */
    uint8_t has_id_context;
    uint8_t id_context_len;
    uint8_t id_context[HF_OSCORE_MAX_ID_CONTEXT_LEN];
};

/* What a context is derived from. A pointer may be NULL iff its length is 0; id_context NULL: there is none. */
struct hf_oscore_input {
    const uint8_t *master_secret; /* secret */
    size_t master_secret_len;
    const uint8_t *master_salt;
    size_t master_salt_len;
    const uint8_t *sender_id;
    size_t sender_id_len;
    const uint8_t *recipient_id;
    size_t recipient_id_len;
    const uint8_t *id_context;
    size_t id_context_len;
    int alg;
};

/* What binds responses to their request, on either side (RFC 8613 section 7.1); kept until the last of them. */
struct hf_oscore_exchange {
    uint64_t number;       /* of the request */
    uint64_t last;         /* client: one above the Notification Number of the last response; 0: that had none */
    uint8_t ours;          /* we sent the request */
    uint8_t observe;       /* it registers an observation */
    uint8_t nonce_free;    /* server: one response may still use the request's nonce */
    uint8_t fresh;         /* server: 0 until hf_oscore_accept if the replay window is not initialised */
    uint8_t any;           /* client: a response has come */
    uint8_t done;          /* client: the last response has come */
};

/* The IDs that a message names: kid or kid_context is NULL when absent. They point into the message. */
struct hf_oscore_ids {
    const uint8_t *kid;
    size_t kid_len;
    const uint8_t *kid_context;
    size_t kid_context_len;
};

/* Derive a context (RFC 8613 section 3.2.1) with HKDF SHA-256.
 *   in:  input: alg AES-CCM-16-{64,128}-{128,256}; different IDs of 0..7 bytes; ID Context of 0..32 bytes
 *   out: *ctx, window empty and initialised; untouched on failure
 *   ret: HF_OK | HF_UNSUPPORTED_ALG | HF_LOCAL (the IDs)
 *   stack: <= 1.2 KB on cores of 32 bits (checked)
 */
enum hf_status hf_oscore_derive(struct hf_oscore_ctx *ctx, const struct hf_oscore_input *input);

/* Overwrite a context. */
void hf_oscore_wipe(struct hf_oscore_ctx *ctx);

/* Read the IDs that a message names, to find its context (RFC 8613 section 8.2 step 2).
 *   in:  message[message_len], any bytes
 *   out: *ids; untouched on failure
 *   ret: HF_OK | HF_MALFORMED_COAP | HF_MALFORMED_OSCORE (no option, several, not decodable, or no payload)
 */
enum hf_status hf_oscore_read_ids(const uint8_t *message, size_t message_len, struct hf_oscore_ids *ids);

/* Protect a request (RFC 8613 section 8.1).
 *   in:  message[*message_len], a request, in a buffer of size bytes: HF_OSCORE_ROOM says how many; number below
 *        HF_OSCORE_NUMBER_END, never used before with this context
 *   out: message, *message_len; *exchange, for its responses. All untouched on failure.
 *   ret: HF_OK | HF_LOCAL (no request, an option that cannot be protected, Observe twice, number, size)
 *   stack: <= 1.2 KB on cores of 32 bits, like all below (checked)
 */
enum hf_status hf_oscore_protect_request(const struct hf_oscore_ctx *ctx, uint64_t number, uint8_t *message,
                                         size_t *message_len, size_t size, struct hf_oscore_exchange *exchange);

/* Verify and open a request (RFC 8613 section 8.2 steps 1 to 7).
 * With an initialised window the request is recorded there and can never be opened again; otherwise exchange->fresh is
 * 0, and hf_oscore_accept must follow an Echo check before the request is acted on.
 *   in:  message[*message_len], any bytes
 *   out: message, *message_len; *exchange; untouched on failure, but for the payload, of which nothing is left if it
 *        was not authentic
 *   ret: HF_OK | HF_MALFORMED_COAP | HF_MALFORMED_OSCORE | HF_UNKNOWN_CONTEXT | HF_REPLAY_DETECTED |
 *        HF_DECRYPTION_FAILED
 */
enum hf_status hf_oscore_unprotect_request(struct hf_oscore_ctx *ctx, uint8_t *message, size_t *message_len,
                                           struct hf_oscore_exchange *exchange);

/* Take a request that Echo proved fresh into the replay window (RFC 8613 appendix B.1.2). The first one becomes the
 * window's lower limit.
 *   ret: HF_OK | HF_REPLAY_DETECTED (accepted before, or overtaken by the window since)
 */
enum hf_status hf_oscore_accept(struct hf_oscore_ctx *ctx, struct hf_oscore_exchange *exchange);

/* Protect a response to the request of an exchange (RFC 8613 section 8.3).
 *   in:  message as for requests; number NULL: use the request's nonce, which only the first response may, and only if
 *        exchange->nonce_free; otherwise a number never used before with this context
 *   out: message, *message_len, exchange->nonce_free; untouched on failure
 *   ret: HF_OK | HF_LOCAL (as for requests; no response; Observe without a registration; nonce used)
 */
enum hf_status hf_oscore_protect_response(const struct hf_oscore_ctx *ctx, struct hf_oscore_exchange *exchange,
                                          const uint64_t *number, uint8_t *message, size_t *message_len, size_t size);

/* Verify and open a response to the request of an exchange (RFC 8613 sections 8.4 and 7.4.1).
 * Each request has one response, or an observation, which goes on until a response without inner Observe. A
 * notification is opened only when its Partial IV is above those before.
 *   in, out, ret: as hf_oscore_unprotect_request; the exchange is not affected by a failure
 */
enum hf_status hf_oscore_unprotect_response(const struct hf_oscore_ctx *ctx, struct hf_oscore_exchange *exchange,
                                            uint8_t *message, size_t *message_len);

#endif
