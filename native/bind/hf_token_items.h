/* What both bindings do with a token: the moment from its bytes, and the items of a grant. kinds.py says what is where. */
#ifndef HF_TOKEN_ITEMS_H
#define HF_TOKEN_ITEMS_H

#include "hf_port.h"
#include "hf_token.h"

/* A client-nonce that the check met. */
struct noted {
    uint8_t *cnonce; /* room for the longest nonce that a token can hold */
    size_t len;
    bool met;
};

/* Takes every client-nonce, and notes it. The caller judges the nonce before the grant counts. It also does so after a
 * refusal, since the nonce's check comes before those that may have refused. So no Python runs while secrets lie
 * about. */
static bool note_cnonce(void *context, const uint8_t *cnonce, size_t cnonce_len)
{
    struct noted *noted = context;
    hf_memcpy(noted->cnonce, cnonce, cnonce_len);
    noted->len = cnonce_len;
    noted->met = true;
    return true;
}

/* Read a moment of HF_MOMENT_LEN bytes; without client-nonces, now->is_fresh becomes NULL. */
static void moment_in(const uint8_t *m, struct hf_moment *now)
{
    now->clock = m[HF_MOMENT_CLOCK];
    now->exi = m[HF_MOMENT_EXI];
    if (!m[HF_MOMENT_HAS_CNONCES]) {
        now->is_fresh = NULL;
    }
    hf_memcpy(&now->now_s, m + HF_MOMENT_NOW, sizeof now->now_s);
    hf_memcpy(&now->exi_floor, m + HF_MOMENT_FLOOR, sizeof now->exi_floor);
}

/* What a grant holds. The slices point into the grant, into what the grant points into, and into this structure. */
struct items {
    int64_t numbers[5];
    int32_t words[3];
    uint8_t flags[7];
    struct hf_slice slices[HF_ITEM_COUNT];
};

static void items_of(const struct hf_grant *grant, struct items *items)
{
    const struct hf_claims *claims = &grant->claims;
    const struct hf_cnf *cnf = &grant->cnf;
    *items = (struct items){
        .numbers = {claims->exp_s, claims->nbf_s, claims->iat_s, claims->exi_s, (int64_t)grant->exi_seq},
        .words = {cnf->osc.alg, cnf->key.kty, cnf->key.alg},
        .flags = {claims->has, claims->scope_is_text, grant->ace_profile, grant->format, cnf->method, cnf->encrypted,
                  cnf->key.has_alg},
        .slices =
            {
                [HF_ITEM_ISSUER] = grant->issuer,
                [HF_ITEM_SUB] = claims->sub,
                [HF_ITEM_AUD] = claims->aud,
                [HF_ITEM_SCOPE] = claims->scope,
                [HF_ITEM_CTI] = claims->cti,
                [HF_ITEM_CNONCE] = claims->cnonce,
                [HF_ITEM_ACT] = claims->act,
                [HF_ITEM_KID] = cnf->kid,
                [HF_ITEM_OSC_ID] = cnf->osc.id,
                [HF_ITEM_OSC_MS] = cnf->osc.ms,
                [HF_ITEM_OSC_SALT] = cnf->osc.salt,
                [HF_ITEM_OSC_CONTEXT_ID] = cnf->osc.context_id,
                [HF_ITEM_KEY_X] = cnf->key.x,
                [HF_ITEM_KEY_Y] = cnf->key.y,
                [HF_ITEM_KEY_K] = cnf->key.k,
                [HF_ITEM_KEY_OPS] = cnf->key.key_ops,
                [HF_ITEM_NUMBERS] = {(const uint8_t *)items->numbers, sizeof items->numbers},
                [HF_ITEM_WORDS] = {(const uint8_t *)items->words, sizeof items->words},
                [HF_ITEM_FLAGS] = {items->flags, sizeof items->flags},
                [HF_ITEM_TOKEN_HASH] = {grant->token_hash, HF_TOKEN_HASH_LEN},
            },
    };
}

#endif
