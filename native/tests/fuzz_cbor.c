/* Any bytes as CBOR: whatever hf_cbor_check says, every reader ends inside the bytes; and what it accepts has no end but
 * its own. First byte: allowed tags and depth. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "hf_cbor.h"

void fuzz_failed(const char *condition)
{
    fprintf(stderr, "failed: %s\n", condition);
    abort();
}

/* Go through everything an item holds, as the callers of the core do. */
static void visit(struct hf_cbor *r)
{
    size_t pending = 1;
    while (pending-- > 0) {
        struct hf_cbor here = *r;
        struct hf_cbor_item item;
        FUZZ_ASSERT(hf_cbor_next(r, &item));
        struct hf_cbor_item number = item;
        FUZZ_ASSERT(r->p > here.p && r->p <= r->end);
        FUZZ_ASSERT(hf_cbor_kind_at(here) == item.kind);
        (void)hf_cbor_number(&number);
        pending += item.kind == HF_CBOR_TAG ? 1 : item.kind == HF_CBOR_ARRAY ? item.lo : 0;
        pending += item.kind == HF_CBOR_MAP ? (size_t)item.lo * 2 : 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_len)
{
    if (input_len == 0) {
        return 0;
    }
    struct hf_slice encoded = {input + 1, input_len - 1};
    unsigned depth = input[0] >> 4 > HF_MAX_CBOR_DEPTH ? HF_MAX_CBOR_DEPTH : input[0] >> 4;
    hf_verdict_t verdict = hf_cbor_check(encoded, input[0] & 15u, depth);
    struct hf_cbor r = hf_cbor_at(encoded);
    struct hf_cbor skipped = r;
    uint32_t count;
    hf_cbor_skip(&skipped);
    FUZZ_ASSERT(skipped.p <= skipped.end);
    (void)hf_cbor_kind_at(hf_cbor_get(r, 1));
    if (verdict == HF_OK) {
        FUZZ_ASSERT(skipped.p == skipped.end);
        visit(&r);
        FUZZ_ASSERT(r.p == r.end);
        FUZZ_ASSERT(hf_cbor_check(encoded, 15, HF_MAX_CBOR_DEPTH) == HF_OK);
        for (size_t len = 0; len < encoded.len; len++) { /* no item is the start of another one */
            struct hf_slice cut = {encoded.p, len};
            FUZZ_ASSERT(hf_cbor_check(cut, 15, HF_MAX_CBOR_DEPTH) != HF_OK);
            len += len / 4;
        }
    } else {
        FUZZ_ASSERT(hf_verdict_status(verdict) == HF_MALFORMED_CBOR && *hf_detail_text(hf_verdict_detail(verdict)));
        (void)hf_cbor_array(&r, &count);
        FUZZ_ASSERT(r.p <= r.end);
    }
    return 0;
}
