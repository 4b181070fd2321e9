/* A token's check as verifier_hf.py calls it; hf_native_token.h does this for MicroPython. Part of the cffi module. */
#include "../hf_token_items.h"

/* hf_token_verify, and its grant as bytes.
 *   in:  moment[HF_MOMENT_LEN]; room[room_len], overlaps nothing: HF_TOKEN_SCRATCH_LEN(token_len) + token_len to work in,
 *        and behind that room for the items
 *   out: the items one behind the other from room on, and the length of each, -1 for what is absent; of a refused token
 *        only the client-nonce, when it was taken for fresh. They are as secret as the token's; the rest of room is wiped.
 *   ret: the verdict; HF_LOCAL (scratch) when room is too short
 */
static hf_verdict_t hf_token_items(const struct hf_rules *rules, const uint8_t *moment, const uint8_t *token,
                                   size_t token_len, uint8_t *room, size_t room_len, int32_t lens[HF_ITEM_COUNT])
{
    size_t scratch_len = HF_TOKEN_SCRATCH_LEN(token_len);
    if (token_len > HF_MAX_ACCESS_TOKEN_LEN) { /* it is refused unread */
        scratch_len = 0;
    }
    size_t work_len = scratch_len + (scratch_len ? token_len : 0);
    if (room_len < work_len) {
        return HF_VERDICT(HF_LOCAL, SCRATCH);
    }
    uint8_t *out = room;
    size_t out_len = room_len - work_len;
    uint8_t *scratch = room + out_len;
    struct noted noted = {.cnonce = scratch + scratch_len};
    struct hf_moment now = {.is_fresh = note_cnonce, .context = &noted};
    struct hf_grant grant;
    struct items items = {.flags = {0}};
    moment_in(moment, &now);
    enum hf_status status = hf_token_verify(rules, &now, token, token_len, scratch, scratch_len, &grant);
    hf_verdict_t verdict = (hf_verdict_t)status | (hf_verdict_t)grant.detail << 8;
    if (status == HF_OK) {
        items_of(&grant, &items);
    } else if (noted.met) {
        items.slices[HF_ITEM_CNONCE] = (struct hf_slice){noted.cnonce, noted.len};
    }
    for (size_t i = 0; i < HF_ITEM_COUNT; i++) {
        const struct hf_slice *item = &items.slices[i];
        lens[i] = item->p == NULL ? -1 : (int32_t)item->len;
        if (item->p != NULL) {
            if (item->len > out_len) {
                verdict = HF_VERDICT(HF_LOCAL, SCRATCH);
                break;
            }
            hf_memcpy(out, item->p, item->len);
            out += item->len;
            out_len -= item->len;
        }
    }
    hf_wipe(scratch, work_len);
    hf_wipe(&grant, sizeof grant);
    return verdict;
}
