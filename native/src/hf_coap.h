/* CoAP messages as bytes: reading and writing options (RFC 7252 section 3), as coap_message.py does.
 * Part of hf_oscore. Everything is public: time depends on the bytes.
 */
#ifndef HF_COAP_H
#define HF_COAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hf_status.h"

#define HF_COAP_MARKER 0xff

/* A place between options; number: that of the option before it. */
struct hf_coap_reader {
    uint8_t *at;
    uint8_t *end;
    uint32_t number;
};

struct hf_coap_option {
    uint8_t *value;
    size_t value_len;
    uint32_t number;
};

enum hf_coap_step { HF_COAP_OPTION, HF_COAP_END, HF_COAP_MALFORMED };

static inline bool hf_coap_is_request(uint8_t code)
{
    return code > 0 && code < 32;
}

static inline bool hf_coap_is_response(uint8_t code)
{
    return code >> 5 == 2 || code >> 5 == 4 || code >> 5 == 5;
}

/* Read the header and token.
 *   out: *reader, before the first option; untouched on failure
 *   ret: HF_OK | HF_MALFORMED_COAP
 */
enum hf_status hf_coap_open(struct hf_coap_reader *reader, uint8_t *message, size_t message_len);

/* Read the next option.
 *   out: HF_COAP_OPTION: *option, and reader behind it.  HF_COAP_END: reader->at is where the payload begins, or
 *        reader->end without one.  HF_COAP_MALFORMED: a value beyond the end, a number above 65535, a reserved nibble,
 *        a marker without payload.
 */
enum hf_coap_step hf_coap_next(struct hf_coap_reader *reader, struct hf_coap_option *option);

/* Length of an option's head: delta, value_len <= 65535 + 269. */
size_t hf_coap_head_len(uint32_t delta, size_t value_len);

/* Write an option at `at`; its value may lie anywhere behind the head that is written.
 *   ret: where the next option goes
 */
uint8_t *hf_coap_put(uint8_t *at, uint32_t delta, const uint8_t *value, size_t value_len);

#endif
