/* CWT claims sets (RFC 8392 section 3): holdfast_core/claims.py. A known claim of the wrong type is refused, an unknown
 * one ignored. Never looks at time, audience or scope, only at types. */
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define MAX_AUDIENCES 16 /* claims.MAX_AUDIENCES */
#define MAX_ACTORS 4     /* claims.MAX_ACTORS */

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_CLAIMS, detail)

/* The claims in the order in which they are read, which is that of claims._READERS. */
enum { ISS, SUB, AUD, EXP, NBF, IAT, CTI, CNF, SCOPE, ACE_PROFILE, CNONCE, EXI, ACT, CLAIM_COUNT };

/* The place of a label among them; CLAIM_COUNT for an unknown claim. */
static unsigned place_of(int32_t label)
{
    static const int32_t labels[CLAIM_COUNT] = {
        HF_L_CLAIM_ISS, HF_L_CLAIM_SUB, HF_L_CLAIM_AUD, HF_L_CLAIM_EXP,   HF_L_CLAIM_NBF,
        HF_L_CLAIM_IAT, HF_L_CLAIM_CTI, HF_L_CLAIM_CNF, HF_L_CLAIM_SCOPE, HF_L_CLAIM_ACE_PROFILE,
        HF_L_CLAIM_CNONCE, HF_L_CLAIM_EXI, HF_L_PRIV_ACT,
    };
    unsigned place = 0;
    while (place < CLAIM_COUNT && labels[place] != label) {
        place++;
    }
    return place;
}

/* Whether aud is one name or an array of 1..MAX_AUDIENCES of them (RFC 8392 section 3.1.3). */
static bool is_audience(struct hf_cbor aud)
{
    uint32_t count = 1;
    struct hf_slice name;
    if (hf_cbor_kind_at(aud) == HF_CBOR_ARRAY) {
        (void)hf_cbor_array(&aud, &count);
    }
    if (count == 0 || count > MAX_AUDIENCES) {
        return false;
    }
    for (; count > 0; count--) {
        if (!hf_cbor_text(aud, &name)) {
            return false;
        }
        hf_cbor_skip(&aud);
    }
    return true;
}

/* Whether act is a map with sub, and perhaps the actor before it in act (RFC 8693 section 4.1). */
static bool is_actor(struct hf_cbor actor)
{
    struct hf_slice sub;
    for (int i = 0; i < MAX_ACTORS; i++) {
        if (hf_cbor_kind_at(actor) != HF_CBOR_MAP || !hf_cbor_text(hf_cbor_get(actor, HF_L_CLAIM_SUB), &sub)) {
            return false;
        }
        actor = hf_cbor_get(actor, HF_L_PRIV_ACT);
        if (actor.p == NULL) {
            return true;
        }
    }
    return false;
}

/* Read text or bytes where the claim is present. */
static bool read_text(struct hf_cbor value, struct hf_slice *content)
{
    return value.p == NULL || hf_cbor_text(value, content);
}

static bool read_bytes(struct hf_cbor value, struct hf_slice *content)
{
    return value.p == NULL || hf_cbor_bytes(value, content);
}

/* Read a NumericDate, rounded up: now >= d and now >= ceil(d) are the same for whole now. */
static bool read_date(struct hf_cbor value, uint8_t bit, struct hf_claims *claims, int64_t *date)
{
    if (value.p == NULL) {
        return true;
    }
    claims->has |= bit;
    return hf_cbor_ceil(value, date);
}

static bool read_scope(struct hf_cbor value, struct hf_claims *claims)
{
    claims->scope_is_text = value.p != NULL && hf_cbor_text(value, &claims->scope);
    return claims->scope_is_text || read_bytes(value, &claims->scope);
}

static bool read_profile(struct hf_cbor value, struct hf_claims *claims)
{
    if (value.p == NULL) {
        return true;
    }
    claims->has |= HF_HAS_PROFILE;
    return hf_cbor_int64(value, &claims->ace_profile);
}

/* Read a duration: an unsigned integer (RFC 9200 section 5.10.3). */
static bool read_seconds(struct hf_cbor value, struct hf_claims *claims)
{
    if (value.p == NULL) {
        return true;
    }
    claims->has |= HF_HAS_EXI;
    return hf_cbor_int64(value, &claims->exi_s) && claims->exi_s >= 0;
}

/* Read every claim from its value, in order; the first of a wrong type gives the verdict. */
static hf_verdict_t read_all(const struct hf_cbor value[CLAIM_COUNT], struct hf_claims *claims)
{
    return !read_text(value[ISS], &claims->iss)                              ? MALFORMED(ISS)
           : !read_text(value[SUB], &claims->sub)                            ? MALFORMED(SUB)
           : value[AUD].p != NULL && !is_audience(value[AUD])                ? MALFORMED(AUD)
           : !read_date(value[EXP], HF_HAS_EXP, claims, &claims->exp_s)      ? MALFORMED(EXP)
           : !read_date(value[NBF], HF_HAS_NBF, claims, &claims->nbf_s)      ? MALFORMED(NBF)
           : !read_date(value[IAT], HF_HAS_IAT, claims, &claims->iat_s)      ? MALFORMED(IAT)
           : !read_bytes(value[CTI], &claims->cti)                           ? MALFORMED(CTI)
           : value[CNF].p != NULL && hf_cbor_kind_at(value[CNF]) != HF_CBOR_MAP ? MALFORMED(CNF)
           : !read_scope(value[SCOPE], claims)                               ? MALFORMED(SCOPE)
           : !read_profile(value[ACE_PROFILE], claims)                       ? MALFORMED(ACE_PROFILE)
           : !read_bytes(value[CNONCE], &claims->cnonce)                     ? MALFORMED(CNONCE)
           : !read_seconds(value[EXI], claims)                               ? MALFORMED(EXI)
           : value[ACT].p != NULL && !is_actor(value[ACT])                   ? MALFORMED(ACT)
                                                                             : (hf_verdict_t)HF_OK;
}

hf_verdict_t hf_claims_read(struct hf_slice payload, struct hf_claims *claims)
{
    struct hf_cbor value[CLAIM_COUNT];
    struct hf_cbor r = hf_cbor_at(payload);
    uint32_t pairs;
    hf_memset(claims, 0, sizeof *claims);
    hf_memset(value, 0, sizeof value);
    hf_verdict_t verdict = hf_cbor_check(payload, HF_CBOR_TAG_ENCRYPT0, HF_CBOR_MAX_DEPTH);
    if (verdict != HF_OK) {
        return verdict;
    }
    if (!hf_cbor_map(&r, &pairs)) {
        return MALFORMED(MAP);
    }
    for (; pairs > 0; pairs--) {
        int32_t label;
        unsigned place = hf_cbor_int32(r, &label) ? place_of(label) : CLAIM_COUNT;
        hf_cbor_skip(&r);
        struct hf_cbor here = r;
        struct hf_slice encoded = hf_cbor_take(&r);
        if (place == CLAIM_COUNT) {
            continue;
        }
        value[place] = here;
        if (place == AUD) {
            claims->aud = encoded;
        } else if (place == CNF) {
            claims->cnf = encoded;
        } else if (place == ACT) {
            claims->act = encoded;
        }
    }
    return read_all(value, claims);
}
