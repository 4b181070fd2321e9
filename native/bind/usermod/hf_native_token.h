/* The token half of hf_native: reading an RS's rules, and verifying a token by them. Part of modhf_native.c. */
#include "hf_token.h"

/* hf_rules_read on bytes. The result points into them, so the caller keeps both, and changes neither.
 *   ret: bytearray with a struct hf_rules, or the verdict when they cannot be
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

static mp_obj_t slice_object(struct hf_slice slice)
{
    return slice.p == NULL ? mp_const_none : mp_obj_new_bytes(slice.p, slice.len);
}

/* A client-nonce that was met on the way. */
struct noted {
    uint8_t *cnonce; /* room for the longest that a token can hold */
    size_t len;
    bool met;
};

/* Takes every client-nonce, and notes it: the caller judges it before the grant counts, and after a refusal too, since
 * its check comes before those that may have refused. So no Python runs while secrets lie about. */
static bool note_cnonce(void *context, const uint8_t *cnonce, size_t cnonce_len)
{
    struct noted *noted = context;
    hf_memcpy(noted->cnonce, cnonce, cnonce_len);
    noted->len = cnonce_len;
    noted->met = true;
    return true;
}

/* What a grant holds, in the order that hf_native.pyi gives. */
static mp_obj_t grant_object(const struct hf_grant *grant)
{
    const struct hf_claims *claims = &grant->claims;
    const struct hf_cnf *cnf = &grant->cnf;
    const struct hf_slice slices[] = {
        grant->issuer,  claims->sub,  claims->aud,       claims->scope,  claims->cti,          claims->cnonce,
        claims->act,    cnf->kid,     cnf->osc.id,       cnf->osc.ms,    cnf->osc.salt,        cnf->osc.context_id,
        cnf->key.x,     cnf->key.y,   cnf->key.k,        cnf->key.key_ops,
    };
    enum { SLICES = sizeof slices / sizeof slices[0] };
    const int64_t numbers[] = {claims->exp_s, claims->nbf_s, claims->iat_s, claims->exi_s, (int64_t)grant->exi_seq};
    const int32_t words[] = {cnf->osc.alg, cnf->key.kty, cnf->key.alg};
    const uint8_t flags[] = {claims->has, claims->scope_is_text, grant->ace_profile, grant->format,
                             cnf->method, cnf->encrypted,        cnf->key.has_alg};
    mp_obj_t items[SLICES + 4];
    for (size_t i = 0; i < SLICES; i++) {
        items[i] = slice_object(slices[i]);
    }
    items[SLICES] = mp_obj_new_bytes((const byte *)numbers, sizeof numbers);
    items[SLICES + 1] = mp_obj_new_bytes((const byte *)words, sizeof words);
    items[SLICES + 2] = mp_obj_new_bytes(flags, sizeof flags);
    items[SLICES + 3] = mp_obj_new_bytes(grant->token_hash, HF_TOKEN_HASH_LEN);
    return mp_obj_new_tuple(SLICES + 4, items);
}

/* Bytes of `moment`: clock, exi, whether client-nonces are handed out, now_s, exi_floor; both of 8 bytes, little-endian. */
#define MOMENT_LEN 19
#define MOMENT_NOW 3
#define MOMENT_FLOOR 11

/* hf_token_verify. rules: of rules_read.
 *   ret: the grant's tuple; (verdict, cnonce) when it was refused after its client-nonce was taken; the verdict else
 */
static mp_obj_t token_verify(mp_obj_t rules, mp_obj_t moment, mp_obj_t token)
{
    struct noted noted = {.met = false};
    struct hf_moment now = {.is_fresh = note_cnonce, .context = &noted};
    const struct hf_rules *r = (const struct hf_rules *)fixed(rules, sizeof *r);
    if ((uintptr_t)r % sizeof(void *) != 0) { /* a slice that lies askew */
        mp_raise_ValueError(MP_ERROR_TEXT("length"));
    }
    const uint8_t *m = fixed(moment, MOMENT_LEN);
    mp_buffer_info_t t = bytes_of(token);
    now.clock = m[0];
    now.exi = m[1];
    if (!m[2]) {
        now.is_fresh = NULL;
    }
    hf_memcpy(&now.now_s, m + MOMENT_NOW, sizeof now.now_s);
    hf_memcpy(&now.exi_floor, m + MOMENT_FLOOR, sizeof now.exi_floor);
    size_t len = t.len <= HF_TOKEN_MAX_LEN ? t.len : 0; /* what is longer is refused unread, and must not cost memory */
    size_t scratch_len = HF_TOKEN_SCRATCH_LEN(len);
    size_t room = sizeof(struct hf_grant) + scratch_len + len;
    struct hf_grant *grant = m_malloc(room);
    uint8_t *scratch = (uint8_t *)(grant + 1);
    noted.cnonce = scratch + scratch_len;
    enum hf_status status = hf_token_verify(r, &now, t.buf, t.len, scratch, scratch_len, grant);
    mp_obj_t result = MP_OBJ_NEW_SMALL_INT(status | grant->detail << 8);
    if (status == HF_OK) {
        result = grant_object(grant);
    } else if (noted.met) {
        mp_obj_t refused[] = {result, mp_obj_new_bytes(noted.cnonce, noted.len)};
        result = mp_obj_new_tuple(2, refused);
    }
    hf_wipe(grant, room);
    m_del(uint8_t, grant, room);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_3(token_verify_obj, token_verify);
