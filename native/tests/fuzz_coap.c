/* Any bytes as a CoAP message: the walk over options ends inside them, and what was read can be written again, to the
 * same bytes but for lengths that were not the shortest. Input: a datagram.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hf_coap.h"

void fuzz_failed(const char *condition)
{
    fprintf(stderr, "failed: %s\n", condition);
    abort();
}

/* Walk to the end.
 *   out: *payload: where the payload begins
 *   ret: the last step
 */
static enum hf_coap_step walk(uint8_t *message, size_t len, uint8_t **payload, uint8_t *copy, size_t *copy_len)
{
    struct hf_coap_reader reader;
    struct hf_coap_option option;
    uint8_t *out = copy;
    uint32_t before = 0;
    if (hf_coap_open(&reader, message, len) != HF_OK) {
        return HF_COAP_MALFORMED;
    }
    FUZZ_ASSERT(reader.at > message && reader.at <= reader.end && reader.end == message + len);
    memcpy(out, message, (size_t)(reader.at - message));
    out += reader.at - message;
    for (;;) {
        const uint8_t *here = reader.at;
        enum hf_coap_step step = hf_coap_next(&reader, &option);
        if (step != HF_COAP_OPTION) {
            *payload = reader.at;
            *copy_len = (size_t)(out - copy);
            return step;
        }
        FUZZ_ASSERT(option.value > here && option.value + option.value_len == reader.at && reader.at <= reader.end);
        FUZZ_ASSERT(option.number >= before && option.number <= 65535);
        uint8_t *next = hf_coap_put(out, option.number - before, option.value, option.value_len);
        FUZZ_ASSERT((size_t)(next - out) ==
                    hf_coap_head_len(option.number - before, option.value_len) + option.value_len);
        FUZZ_ASSERT(next - out <= reader.at - here);
        out = next;
        before = option.number;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
    uint8_t *message = malloc(input_len + 1);
    uint8_t *copy = malloc(input_len + 1);
    uint8_t *again = malloc(input_len + 1);
    uint8_t *payload = NULL;
    size_t copy_len = 0;
    if (message == NULL || copy == NULL || again == NULL) {
        exit(2);
    }
    memcpy(message, input, input_len);
    if (walk(message, input_len, &payload, copy, &copy_len) == HF_COAP_END) {
        size_t second_len = 0;
        FUZZ_ASSERT(walk(copy, copy_len, &payload, again, &second_len) == HF_COAP_END);
        FUZZ_ASSERT(second_len == copy_len && memcmp(copy, again, copy_len) == 0);
    }
    FUZZ_ASSERT(memcmp(message, input, input_len) == 0);
    free(again);
    free(copy);
    free(message);
    return 0;
}
