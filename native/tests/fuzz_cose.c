/* Any bytes as a COSE message (RFC 9052), under a key of each role: whatever is said of them, every slice lies inside,
 * and what is opened is authentic, which bytes from outside are not but for the seeds. Input: COSE tag, then the array.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_rules.h"
#include "hf_cose.h"
#include "hf_labels.h"
#include "hf_token.h"

void fuzz_failed(const char *condition)
{
    fprintf(stderr, "failed: %s\n", condition);
    abort();
}

static bool inside(struct hf_slice part, struct hf_slice whole)
{
    return part.p == NULL || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

/* Try the message under every key of the rules that may be its. */
static void open_with_all(const struct hf_cose *message, struct hf_slice encoded)
{
    static const uint8_t RULES[] = FUZZ_RULES;
    static struct hf_rules rules;
    static bool read;
    uint32_t count;
    if (!read) {
        struct hf_slice slice = {RULES, sizeof RULES};
        FUZZ_ASSERT(hf_rules_read(slice, &rules) == HF_OK);
        read = true;
    }
    struct hf_cbor keys = hf_cbor_at(rules.keys);
    FUZZ_ASSERT(hf_cbor_array(&keys, &count));
    for (; count > 0; count--) {
        struct hf_key key;
        hf_rules_next_key(&keys, &key);
        if (key.role != hf_cose_role(message->tag) || !message->has_alg || key.alg != message->alg) {
            continue;
        }
        size_t room = encoded.len + 20;
        uint8_t *scratch = malloc(room);
        struct hf_slice payload = {NULL, 0};
        struct hf_space space = {scratch, room};
        if (scratch == NULL) {
            exit(2);
        }
        hf_verdict_t verdict = hf_cose_open(message, &key, &space, &payload);
        struct hf_slice decrypted = {scratch, room};
        if (verdict == HF_OK) {
            FUZZ_ASSERT(inside(payload, encoded) || inside(payload, decrypted));
            FUZZ_ASSERT(space.p >= scratch && space.p + space.len == scratch + room);
        } else {
            enum hf_status status = hf_verdict_status(verdict);
            FUZZ_ASSERT(payload.p == NULL);
            FUZZ_ASSERT(status == HF_BAD_SIGNATURE || status == HF_MALFORMED_COSE || status == HF_CRIT_UNKNOWN);
        }
        free(scratch);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
    struct hf_cose message;
    if (input_len == 0) {
        return 0;
    }
    struct hf_slice encoded = {input + 1, input_len - 1};
    if (hf_cbor_check(encoded, HF_CBOR_TAG_ENCRYPT0, HF_MAX_CBOR_DEPTH) != HF_OK) {
        return 0;
    }
    hf_verdict_t verdict = hf_cose_read(input[0], hf_cbor_at(encoded), &message);
    if (verdict != HF_OK) {
        enum hf_status status = hf_verdict_status(verdict);
        FUZZ_ASSERT(status == HF_MALFORMED_CBOR || status == HF_MALFORMED_COSE);
        FUZZ_ASSERT(*hf_detail_text(hf_verdict_detail(verdict)));
        return 0;
    }
    FUZZ_ASSERT(message.tag == input[0] && hf_cose_role(message.tag) != HF_ROLE_COUNT);
    FUZZ_ASSERT(inside(message.protected_header, encoded) && inside(message.kid, encoded));
    FUZZ_ASSERT(inside(message.iv, encoded) && inside(message.content, encoded) && inside(message.proof, encoded));
    open_with_all(&message, encoded);
    return 0;
}
