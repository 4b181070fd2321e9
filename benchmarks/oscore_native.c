/* Protect and unprotect requests with hf_oscore in a loop, for the benchmark: no Python between two messages. */
#include <string.h>

#include "hf_oscore.h"

#define SIZE 512

static struct hf_oscore_ctx contexts[2]; /* client, server */
static uint8_t buffer[SIZE];

/* New contexts of both ends: `secret` of 16 bytes, `salt` of 8, IDs of one byte. 0 or an enum hf_status. */
int bench_oscore_derive(const uint8_t *secret, const uint8_t *salt, const uint8_t *client, const uint8_t *server)
{
    struct hf_oscore_input input = {secret, 16, salt, 8, client, 1, server, 1, NULL, 0, 10};
    int status = hf_oscore_derive(&contexts[0], &input);
    input.sender_id = server;
    input.recipient_id = client;
    return status ? status : (int)hf_oscore_derive(&contexts[1], &input);
}

/* Protect `count` requests, one after the other in `messages`; results likewise in `out` unless that is NULL. */
int bench_oscore_protect(const uint8_t *messages, const size_t *lens, size_t count, uint8_t *out, size_t *out_lens)
{
    struct hf_oscore_exchange exchange;
    for (size_t i = 0; i < count; messages += lens[i], i++) {
        size_t len = lens[i];
        memcpy(buffer, messages, len);
        int status = hf_oscore_protect_request(&contexts[0], i, buffer, &len, SIZE, &exchange);
        if (status) {
            return status;
        }
        if (out) {
            memcpy(out, buffer, len);
            out += len;
            out_lens[i] = len;
        }
    }
    return 0;
}

/* Unprotect likewise. */
int bench_oscore_unprotect(const uint8_t *messages, const size_t *lens, size_t count, uint8_t *out, size_t *out_lens)
{
    struct hf_oscore_exchange exchange;
    for (size_t i = 0; i < count; messages += lens[i], i++) {
        size_t len = lens[i];
        memcpy(buffer, messages, len);
        int status = hf_oscore_unprotect_request(&contexts[1], buffer, &len, &exchange);
        if (status) {
            return status;
        }
        if (out) {
            memcpy(out, buffer, len);
            out += len;
            out_lens[i] = len;
        }
    }
    return 0;
}
