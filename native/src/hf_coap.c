/* hf_coap.h */
#include "hf_coap.h"

#include "hf_kinds.h"
#include "hf_port.h"

#define HEADER_LEN 4

enum hf_status hf_coap_open(struct hf_coap_reader *reader, uint8_t *message, size_t message_len)
{
    if (message_len < HEADER_LEN) {
        return HF_MALFORMED_COAP;
    }
    size_t token_len = message[0] & 15;
    unsigned class = message[1] >> 5;
    if (message[0] >> 6 != 1 || token_len > HF_MAX_COAP_TOKEN_LEN || HEADER_LEN + token_len > message_len) {
        return HF_MALFORMED_COAP;
    }
    if (message[1] == 0 ? message_len > HEADER_LEN : class == 1 || class == 6 || class == 7) {
        return HF_MALFORMED_COAP;
    }
    reader->at = message + HEADER_LEN + token_len;
    reader->end = message + message_len;
    reader->number = 0;
    return HF_OK;
}

/* The extended part of a delta or length, if its nibble announces one. */
static bool extend(struct hf_coap_reader *reader, uint32_t *value)
{
    size_t left = (size_t)(reader->end - reader->at);
    if (*value == 13 && left >= 1) {
        *value = reader->at[0] + 13u;
        reader->at += 1;
    } else if (*value == 14 && left >= 2) {
        *value = ((uint32_t)reader->at[0] << 8 | reader->at[1]) + 269u;
        reader->at += 2;
    } else if (*value > 12) {
        return false;
    }
    return true;
}

enum hf_coap_step hf_coap_next(struct hf_coap_reader *reader, struct hf_coap_option *option)
{
    if (reader->at == reader->end) {
        return HF_COAP_END;
    }
    uint8_t first = *reader->at++;
    if (first == HF_COAP_MARKER) {
        return reader->at == reader->end ? HF_COAP_MALFORMED : HF_COAP_END;
    }
    uint32_t delta = first >> 4;
    uint32_t value_len = first & 15;
    if (!extend(reader, &delta) || !extend(reader, &value_len)) {
        return HF_COAP_MALFORMED;
    }
    if (value_len > (size_t)(reader->end - reader->at) || delta > 0xffff - reader->number) {
        return HF_COAP_MALFORMED;
    }
    reader->number += delta;
    option->number = reader->number;
    option->value = reader->at;
    option->value_len = value_len;
    reader->at += value_len;
    return HF_COAP_OPTION;
}

static size_t extension_len(size_t value)
{
    return value < 13 ? 0 : value < 269 ? 1 : 2;
}

size_t hf_coap_head_len(uint32_t delta, size_t value_len)
{
    return 1 + extension_len(delta) + extension_len(value_len);
}

/* Write the extended part of a delta or length.  ret: its nibble */
static unsigned put_extension(uint8_t **at, uint32_t value)
{
    if (value < 13) {
        return value;
    }
    if (value < 269) {
        *(*at)++ = (uint8_t)(value - 13);
        return 13;
    }
    *(*at)++ = (uint8_t)((value - 269) >> 8);
    *(*at)++ = (uint8_t)(value - 269);
    return 14;
}

uint8_t *hf_coap_put(uint8_t *at, uint32_t delta, const uint8_t *value, size_t value_len)
{
    uint8_t *head = at++;
    unsigned delta_nibble = put_extension(&at, delta);
    unsigned len_nibble = put_extension(&at, (uint32_t)value_len);
    *head = (uint8_t)(delta_nibble << 4 | len_nibble);
    if (value_len) {
        hf_memmove(at, value, value_len);
    }
    return at + value_len;
}
