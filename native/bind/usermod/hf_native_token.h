/* The token half of hf_native: reading an RS's rules, and verifying a token by them. Part of modhf_native.c. */
#include "../hf_token_items.h"

/* hf_rules_read on bytes. The result points into them, so the caller keeps both, and changes neither.
 *   ret: bytearray with a struct hf_rules, or the verdict when the rules are refused
 */
static mp_obj_t rules_read(mp_obj_t encoded)
{
    mp_buffer_info_t e = bytes_of(encoded);
    struct hf_slice slice = {e.buf, e.len};
    struct hf_rules *rules = m_malloc(sizeof *rules);
    hf_verdict_t verdict = hf_rules_read(slice, rules);
    return verdict == HF_OK ? mp_obj_new_bytearray_by_ref(sizeof *rules, rules) : MP_OBJ_NEW_SMALL_INT(verdict);
}
static MP_DEFINE_CONST_FUN_OBJ_1(rules_read_obj, rules_read);

/* A copy of a slice, None when it is absent; MP_OBJ_NULL when there is no memory, since a caller that holds secrets wipes
 * them before it raises. like: any bytes object. */
static mp_obj_t copy_of(struct hf_slice slice, const mp_obj_str_t *like)
{
    if (slice.p == NULL) {
        return mp_const_none;
    }
    mp_obj_str_t *copy = m_malloc_maybe(sizeof *copy);
    uint8_t *content = copy != NULL ? m_malloc_maybe(slice.len + 1) : NULL;
    if (content == NULL) {
        return MP_OBJ_NULL;
    }
    hf_memcpy(content, slice.p, slice.len);
    content[slice.len] = 0;
    *copy = *like;
    copy->hash = 0; /* made when it is wanted */
    copy->len = slice.len;
    copy->data = content;
    return MP_OBJ_FROM_PTR(copy);
}

/* Copy slices; returns whether there was memory for all of them. If not, no copy is left. */
static bool copy_all(mp_obj_t *copies, const struct hf_slice *slices, size_t count, const mp_obj_str_t *like)
{
    for (size_t i = 0; i < count; i++) {
        copies[i] = copy_of(slices[i], like);
        if (copies[i] == MP_OBJ_NULL) {
            while (i-- > 0) {
                if (copies[i] != mp_const_none) {
                    const mp_obj_str_t *copy = MP_OBJ_TO_PTR(copies[i]);
                    hf_wipe((void *)copy->data, copy->len);
                }
            }
            return false;
        }
    }
    return true;
}

/* hf_token_verify. rules: of rules_read.
 *   ret: the grant's tuple; (verdict, cnonce) when it was refused after its client-nonce was taken; or the verdict
 */
static mp_obj_t token_verify(mp_obj_t rules, mp_obj_t moment, mp_obj_t token)
{
    struct noted noted = {.met = false};
    struct hf_moment now = {.is_fresh = note_cnonce, .context = &noted};
    const struct hf_rules *r = (const struct hf_rules *)fixed(rules, sizeof *r);
    if ((uintptr_t)r % sizeof(void *) != 0) { /* a slice that lies askew */
        wrong_length();
    }
    const uint8_t *m = fixed(moment, HF_MOMENT_LEN);
    mp_buffer_info_t t = bytes_of(token);
    moment_in(m, &now);
    /* A longer token is refused unread, and must not cost memory. */
    size_t len = t.len <= HF_MAX_ACCESS_TOKEN_LEN ? t.len : 0;
    size_t scratch_len = HF_TOKEN_SCRATCH_LEN(len);
    size_t room = sizeof(struct hf_grant) + scratch_len + len;
    const mp_obj_str_t *like = MP_OBJ_TO_PTR(mp_obj_new_bytes(NULL, 0));
    /* Done before there are secrets, since it may fail. */
    mp_obj_tuple_t *fields = MP_OBJ_TO_PTR(mp_obj_new_tuple(HF_ITEM_COUNT, NULL));
    struct hf_grant *grant = m_malloc(room);
    uint8_t *scratch = (uint8_t *)(grant + 1);
    noted.cnonce = scratch + scratch_len;
    enum hf_status status = hf_token_verify(r, &now, t.buf, t.len, scratch, scratch_len, grant);
    mp_obj_t result = MP_OBJ_NEW_SMALL_INT(status | grant->detail << 8);
    bool fits = true;
    if (status == HF_OK) {
        struct items items;
        items_of(grant, &items);
        fits = copy_all(fields->items, items.slices, HF_ITEM_COUNT, like);
        result = MP_OBJ_FROM_PTR(fields);
    } else if (noted.met) {
        const struct hf_slice cnonce = {noted.cnonce, noted.len};
        fits = copy_all(fields->items + 1, &cnonce, 1, like);
        fields->items[0] = result;
        fields->len = 2;
        result = MP_OBJ_FROM_PTR(fields);
    }
    hf_wipe(grant, room);
    m_del(uint8_t, grant, room);
    if (!fits) {
        m_malloc_fail(room);
    }
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_3(token_verify_obj, token_verify);
