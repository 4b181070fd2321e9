/* CWT claims sets (RFC 8392 section 3): holdfast_core/claims.py. A known claim of the wrong type is refused, an unknown
 * claim is ignored. Looks at types only, never at time, audience or scope. */
#include <stddef.h>

#include "hf_fields.h"
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_CLAIMS, detail)

/* The claims in the order of claims._READERS: the first of a wrong type names the verdict. */
enum { ISS, SUB, AUD, EXP, NBF, IAT, CTI, CNF, SCOPE, ACE_PROFILE, CNONCE, EXI, CLAIM_COUNT };

#define CLAIM(name, form, member) \
    {HF_L_CLAIM_##name, HF_FORM_##form, offsetof(struct hf_claims, member), HF_DETAIL_##name}

static const struct hf_field fields[CLAIM_COUNT] = {
    /* clang-format off */
    [ISS] = CLAIM(ISS, TEXT, iss),
    [SUB] = CLAIM(SUB, TEXT, sub),
    [AUD] = CLAIM(AUD, ITEM, aud),
    [EXP] = CLAIM(EXP, DATE, exp_s),
    [NBF] = CLAIM(NBF, DATE, nbf_s),
    [IAT] = CLAIM(IAT, DATE, iat_s),
    [CTI] = CLAIM(CTI, BYTES, cti),
    [CNF] = CLAIM(CNF, MAP, cnf),
    [SCOPE] = CLAIM(SCOPE, STRING, scope),
    [ACE_PROFILE] = CLAIM(ACE_PROFILE, INT64, ace_profile),
    [CNONCE] = CLAIM(CNONCE, BYTES, cnonce),
    [EXI] = CLAIM(EXI, UINT, exi_s), /* RFC 9200 section 5.10.3 */
    /* clang-format on */
};

/* The claim at each bit of hf_claims.has, from the lowest. */
static const uint8_t in_has[] = {EXP, NBF, IAT, EXI, ACE_PROFILE};

/* Whether aud is one name or an array of 1..MAX_AUDIENCES of them (RFC 8392 section 3.1.3). */
static bool is_audience(struct hf_cbor aud)
{
    uint32_t count = hf_list_len(aud, HF_FORM_TEXT);
    return hf_cbor_kind_at(aud) == HF_CBOR_TEXT || (count > 0 && count <= HF_MAX_AUDIENCES);
}

/* Whether act is a map with sub, and perhaps the actor before it in act (RFC 8693 section 4.1). */
static bool is_actor(struct hf_cbor actor)
{
    struct hf_slice sub;
    for (int i = 0; i < HF_MAX_ACTORS; i++) {
        if (!hf_cbor_text(hf_cbor_get(actor, HF_L_CLAIM_SUB), &sub)) { /* nor is it a map, then */
            return false;
        }
        actor = hf_cbor_get(actor, HF_L_PRIV_ACT);
        if (actor.p == NULL) {
            return true;
        }
    }
    return false;
}

hf_verdict_t hf_claims_read(struct hf_slice payload, struct hf_claims *claims)
{
    struct hf_met met = {0, 0, false};
    struct hf_cbor r = hf_cbor_at(payload);
    hf_memset(claims, 0, sizeof *claims);
    claims->nbf_s = claims->iat_s = INT64_MIN; /* absent: before any time */
    hf_verdict_t verdict = hf_cbor_check(payload, HF_CBOR_TAG_ENCRYPT0, HF_MAX_CBOR_DEPTH);
    if (verdict != HF_OK) {
        return verdict;
    }
    if (!hf_fields_read(r, HF_CBOR_MAP, fields, CLAIM_COUNT, claims, &met)) {
        return MALFORMED(MAP);
    }
    if (claims->aud.p != NULL && !is_audience(hf_cbor_at(claims->aud))) {
        met.wrong |= HF_FIELD_BIT(AUD);
    }
    for (unsigned i = 0; i < sizeof in_has; i++) {
        claims->has |= (uint8_t)((met.present >> in_has[i] & 1) << i);
    }
    claims->scope_is_text = hf_cbor_kind_at(hf_cbor_get(r, HF_L_CLAIM_SCOPE)) == HF_CBOR_TEXT;
    if (met.wrong != 0) {
        return hf_verdict_of(HF_MALFORMED_CLAIMS, hf_fields_detail(fields, met.wrong));
    }
    if (met.others) { /* our own label is too long for the table; its check comes last */
        struct hf_cbor act = hf_cbor_get(r, HF_L_PRIV_ACT);
        if (act.p != NULL && !is_actor(act)) {
            return MALFORMED(ACT);
        }
        claims->act = hf_cbor_take(&act);
    }
    return HF_OK;
}
