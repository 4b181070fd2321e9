/* Any bytes as OSCORE messages: from outside, by a peer that holds the keys, and as messages of our own.
 *
 * First byte: what the rest is. 0: a datagram, as a request and as a response. 1: the outer options of a request up to
 * the first marker, then a plaintext, which are sealed. 2: a message of our own, which must come through unchanged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hf_coap.h"
#include "hf_labels.h"
#include "hf_oscore_parts.h"

#define ROOM 3000

static const uint8_t SECRET[16] = {1, 2, 3};
static const uint8_t MINE[1] = {0x0c};
static const uint8_t THEIRS[1] = {0x05};

void fuzz_failed(const char *condition)
{
    fprintf(stderr, "failed: %s\n", condition);
    abort();
}

static void derive(struct hf_oscore_ctx *client, struct hf_oscore_ctx *server)
{
    struct hf_oscore_input input = {SECRET, sizeof SECRET, NULL, 0, MINE, 1, THEIRS, 1, NULL, 0, 10};
    FUZZ_ASSERT(hf_oscore_derive(client, &input) == HF_OK);
    input.sender_id = THEIRS;
    input.recipient_id = MINE;
    FUZZ_ASSERT(hf_oscore_derive(server, &input) == HF_OK);
}

/* A message that came out is one, without an OSCORE option. */
static void well_formed(uint8_t *message, size_t message_len)
{
    struct hf_coap_reader reader;
    struct hf_coap_option option;
    enum hf_coap_step next;
    FUZZ_ASSERT(hf_coap_open(&reader, message, message_len) == HF_OK);
    while ((next = hf_coap_next(&reader, &option)) == HF_COAP_OPTION) {
        FUZZ_ASSERT(option.number != HF_L_OPT_OSCORE);
    }
    FUZZ_ASSERT(next == HF_COAP_END);
}

/* A message of our own goes out and comes in as it was, or cannot be protected and stays as it is. */
static void through(const uint8_t *message, size_t message_len)
{
    static const uint64_t NUMBER = 300;
    struct hf_oscore_ctx client;
    struct hf_oscore_ctx server;
    struct hf_oscore_exchange sent = {0};
    struct hf_oscore_exchange heard = {0};
    uint8_t *buffer = malloc(message_len + ROOM);
    size_t len = message_len;
    if (buffer == NULL) {
        exit(2);
    }
    derive(&client, &server);
    memcpy(buffer, message, message_len);
    if (hf_oscore_protect_request(&client, 1, buffer, &len, message_len + ROOM, &sent) == HF_OK) {
        FUZZ_ASSERT(hf_oscore_unprotect_request(&server, buffer, &len, &heard) == HF_OK);
        FUZZ_ASSERT(heard.observe == sent.observe && heard.fresh && heard.number == 1);
    }
    FUZZ_ASSERT(len == message_len && memcmp(buffer, message, len) == 0);
    sent.observe = heard.observe = 1;
    heard.ours = 0;
    sent.ours = 1;
    if (hf_oscore_protect_response(&server, &heard, &NUMBER, buffer, &len, message_len + ROOM) == HF_OK) {
        FUZZ_ASSERT(hf_oscore_unprotect_response(&client, &sent, buffer, &len) == HF_OK);
        FUZZ_ASSERT(len <= message_len); /* an Observe value stays outside */
        well_formed(buffer, len);
    }
    free(buffer);
}

/* A datagram from outside: what is refused keeps its length, what is opened is a message and shorter. */
static void from_outside(uint8_t *datagram, size_t datagram_len, bool authentic)
{
    struct hf_oscore_ctx client;
    struct hf_oscore_ctx server;
    struct hf_oscore_exchange exchange = {0};
    struct hf_oscore_ids ids;
    size_t len = datagram_len;
    derive(&client, &server);
    enum hf_status named = hf_oscore_read_ids(datagram, len, &ids);
    enum hf_status status = hf_oscore_unprotect_request(&server, datagram, &len, &exchange);
    FUZZ_ASSERT(named == HF_OK || status == named);
    FUZZ_ASSERT(status == HF_OK ? authentic && len < datagram_len : len == datagram_len);
    FUZZ_ASSERT(server.window.next == 0 || authentic);
    if (status == HF_OK) {
        well_formed(datagram, len);
        through(datagram, len);
    } else if (!authentic) {
        exchange.ours = 1;
        FUZZ_ASSERT(hf_oscore_unprotect_response(&client, &exchange, datagram, &len) != HF_OK);
        FUZZ_ASSERT(!exchange.any && len == datagram_len);
    }
}

/* What a peer that holds the keys may send: outer options, the OSCORE option behind them, any plaintext. */
static void by_a_peer(const uint8_t *input, size_t input_len)
{
    static const uint8_t HEAD[] = {0x40, HF_L_CODE_POST, 0, 7};
    static const uint8_t OPTION[] = {0x09, 0x14, 0x0c}; /* flags, Partial IV 20, kid */
    struct hf_oscore_ctx client;
    struct hf_oscore_ctx server;
    struct hf_oscore_binding binding = {20, 20, true, true};
    struct hf_coap_reader reader;
    struct hf_coap_option option;
    uint8_t *buffer = malloc(2 * input_len + ROOM);
    uint8_t *given = malloc(input_len + sizeof HEAD);
    if (buffer == NULL || given == NULL) {
        exit(2);
    }
    derive(&client, &server);
    memcpy(given, HEAD, sizeof HEAD);
    memcpy(given + sizeof HEAD, input, input_len);
    memcpy(buffer, HEAD, sizeof HEAD);
    uint8_t *at = buffer + sizeof HEAD;
    uint32_t before = 0;
    bool written = false;
    FUZZ_ASSERT(hf_coap_open(&reader, given, input_len + sizeof HEAD) == HF_OK);
    while (hf_coap_next(&reader, &option) == HF_COAP_OPTION) {
        if (!written && option.number > HF_L_OPT_OSCORE) {
            written = true;
            at = hf_coap_put(at, HF_L_OPT_OSCORE - before, OPTION, sizeof OPTION);
            before = HF_L_OPT_OSCORE;
        }
        if (option.number != HF_L_OPT_OSCORE) {
            at = hf_coap_put(at, option.number - before, option.value, option.value_len);
            before = option.number;
        }
    }
    if (!written) {
        at = hf_coap_put(at, HF_L_OPT_OSCORE - before, OPTION, sizeof OPTION);
    }
    *at++ = HF_COAP_MARKER;
    size_t text_len = (size_t)(reader.end - reader.at);
    memcpy(at, reader.at, text_len);
    FUZZ_ASSERT(hf_oscore_seal(&client, &binding, at, text_len) == HF_OK);
    size_t len = (size_t)(at - buffer) + text_len + hf_oscore_tag_len(&client);
    uint8_t *exact = malloc(len);
    if (exact == NULL) {
        exit(2);
    }
    memcpy(exact, buffer, len);
    from_outside(exact, len, true);
    free(exact);
    free(given);
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
    if (input_len == 0) {
        return 0;
    }
    if (input[0] % 3 == 1) {
        by_a_peer(input + 1, input_len - 1);
    } else if (input[0] % 3 == 2) {
        through(input + 1, input_len - 1);
    } else {
        uint8_t *exact = malloc(input_len);
        if (exact == NULL) {
            exit(2);
        }
        memcpy(exact, input + 1, input_len - 1);
        from_outside(exact, input_len - 1, false);
        free(exact);
    }
    return 0;
}
