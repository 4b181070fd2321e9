/* Verifying a token for one RS: every check of RFC 9200 section 5.10.1.1, in its order (verifier.py says why).
 * The first check that fails names the answer. */
#include "hf_token.h"

#include "hf_labels.h"
#include "hf_port.h"
#include "hf_sha256.h"
#include "hf_token_parts.h"

/* Check that a token has not ended, and begins before it ends. */
static hf_verdict_t check_end(const struct hf_claims *claims, const struct hf_rules *rules,
                              const struct hf_moment *moment)
{
    if ((claims->has & HF_HAS_EXP) == 0) {
        return HF_OK;
    }
    /* A floor may come from an AS with a wrong clock. So a token that is certain to be new is not old by a floor. */
    bool is_new = moment->clock == HF_CLOCK_FLOOR && claims->cnonce.p != NULL;
    if (moment->clock != HF_CLOCK_UNKNOWN && !is_new && moment->now_s - rules->leeway_s >= claims->exp_s) {
        return HF_VERDICT(HF_TOKEN_EXPIRED, EXP);
    }
    return claims->nbf_s >= claims->exp_s   ? HF_VERDICT(HF_TOKEN_EXPIRED, NBF)
           : claims->iat_s >= claims->exp_s ? HF_VERDICT(HF_TOKEN_EXPIRED, IAT)
                                            : (hf_verdict_t)HF_OK;
}

/* Check exp, nbf, iat, and that the token ends at all. A token whose exp is now is over (RFC 7519 section 4.1.4). */
static hf_verdict_t check_time(const struct hf_claims *claims, const struct hf_rules *rules,
                               const struct hf_moment *moment)
{
    if ((claims->has & (HF_HAS_EXP | HF_HAS_EXI)) == 0) {
        return HF_VERDICT(HF_TOKEN_EXPIRED, ENDLESS);
    }
    if ((claims->has & HF_HAS_EXI) != 0 && claims->exi_s == 0) {
        return HF_VERDICT(HF_TOKEN_EXPIRED, EXI);
    }
    hf_verdict_t verdict = check_end(claims, rules, moment);
    if (verdict != HF_OK) {
        return verdict;
    }
    if (moment->clock == HF_CLOCK_UNKNOWN) {
        /* Without any time only a countdown or a nonce of our own can show that the token is not old. */
        bool fresh = (claims->has & HF_HAS_EXI) != 0 || claims->cnonce.p != NULL;
        return fresh ? (hf_verdict_t)HF_OK : HF_VERDICT(HF_TOKEN_EXPIRED, NO_CLOCK);
    }
    if (moment->clock == HF_CLOCK_FLOOR) {
        return HF_OK;
    }
    int64_t latest_s = moment->now_s + rules->leeway_s;
    return latest_s < claims->nbf_s                    ? HF_VERDICT(HF_NOT_YET_VALID, NBF)
           : latest_s + HF_MAX_AHEAD_S < claims->iat_s ? HF_VERDICT(HF_NOT_YET_VALID, IAT)
                                                       : (hf_verdict_t)HF_OK;
}

/* Check that an exi token is for this RS and above what has expired (RFC 9200 section 5.10.3).
 *   out: *sequence
 * A function of its own, so that its frame is no part of hf_token_verify's.
 */
__attribute__((noinline)) static hf_verdict_t check_exi(struct hf_slice cti, const struct hf_rules *rules,
                                                        const struct hf_moment *moment, uint64_t *sequence)
{
    if (cti.p == NULL) {
        return HF_VERDICT(HF_REPLAYED, NO_CTI);
    }
    if (moment->exi == HF_EXI_REFUSED) {
        return HF_VERDICT(HF_REPLAYED, NO_FLOOR);
    }
    struct hf_slice rs_id = {cti.p, rules->rs_id.len};
    size_t shortest = (rules->flags & HF_RULE_RFC8392) != 0 ? 1 : HF_EXI_SEQUENCE_LEN; /* verifier.py says why */
    if (cti.len < rs_id.len + shortest || cti.len > rs_id.len + HF_EXI_SEQUENCE_LEN ||
        !hf_slice_equal(rs_id, rules->rs_id)) {
        return HF_VERDICT(HF_REPLAYED, OTHER_RS);
    }
    uint32_t word[2] = {0, 0};
    for (size_t i = rs_id.len; i < cti.len; i++) {
        word[0] = word[0] << 8 | word[1] >> 24;
        word[1] = word[1] << 8 | cti.p[i];
    }
    *sequence = (uint64_t)word[0] << 32 | word[1];
    return moment->exi == HF_EXI_ABOVE && *sequence <= moment->exi_floor ? HF_VERDICT(HF_REPLAYED, SEQUENCE)
                                                                         : (hf_verdict_t)HF_OK;
}

static bool is_own_name(struct hf_slice name, const struct hf_rules *rules)
{
    struct hf_cbor audiences = hf_cbor_at(rules->audiences);
    uint32_t count;
    (void)hf_cbor_array(&audiences, &count);
    for (; count > 0; count--) {
        struct hf_slice own = {NULL, 0};
        (void)hf_cbor_text(audiences, &own);
        if (hf_slice_equal(own, name)) {
            return true;
        }
        hf_cbor_skip(&audiences);
    }
    return false;
}

/* Whether aud names this RS: whole strings, no folding and no normalisation. */
static bool is_audience(struct hf_slice aud, const struct hf_rules *rules)
{
    struct hf_cbor names = hf_cbor_at(aud);
    uint32_t count = aud.p != NULL ? 1 : 0;
    if (hf_cbor_kind_at(names) == HF_CBOR_ARRAY) {
        (void)hf_cbor_array(&names, &count);
    }
    for (; count > 0; count--) {
        struct hf_slice name = {NULL, 0};
        (void)hf_cbor_text(names, &name);
        if (is_own_name(name, rules)) {
            return true;
        }
        hf_cbor_skip(&names);
    }
    return false;
}

/* Check aud, then scope. */
static hf_verdict_t check_rights(const struct hf_rules *rules, struct hf_grant *grant)
{
    if (!is_audience(grant->claims.aud, rules)) {
        return HF_VERDICT(HF_WRONG_AUDIENCE, AUD);
    }
    if (grant->claims.scope.p == NULL) {
        return HF_VERDICT(HF_SCOPE_UNKNOWN, MISSING);
    }
    return hf_scope_understand(&grant->claims, rules, grant->scopes);
}

/* Check a client-nonce that is there, and refuse a token without one when rules say so (RFC 9200 5.3.1). */
static hf_verdict_t check_cnonce(struct hf_slice cnonce, const struct hf_rules *rules, const struct hf_moment *moment)
{
    if (cnonce.p == NULL) {
        bool required = (rules->flags & HF_RULE_REQUIRE_CNONCE) != 0;
        return required ? HF_VERDICT(HF_CNONCE_STALE, MISSING) : (hf_verdict_t)HF_OK;
    }
    if (moment->is_fresh == NULL || !moment->is_fresh(moment->context, cnonce.p, cnonce.len)) {
        return HF_VERDICT(HF_CNONCE_STALE, STALE);
    }
    return HF_OK;
}

static hf_verdict_t choose_profile(const struct hf_rules *rules, struct hf_grant *grant)
{
    int64_t named = grant->claims.ace_profile;
    grant->ace_profile = rules->profiles[0];
    if ((grant->claims.has & HF_HAS_PROFILE) == 0 || named == rules->profiles[0]) {
        return HF_OK;
    }
    grant->ace_profile = rules->profiles[1];
    return named == rules->profiles[1] ? (hf_verdict_t)HF_OK : HF_VERDICT(HF_PROFILE_UNSUPPORTED, ACE_PROFILE);
}

/* Decode cnf and check that its key serves the profile (RFC 9201 section 5) and came here unseen. */
static hf_verdict_t check_cnf(const struct hf_rules *rules, struct hf_space *space, struct hf_grant *grant)
{
    struct hf_cnf *cnf = &grant->cnf;
    if (grant->claims.cnf.p == NULL) {
        return HF_VERDICT(HF_KEY_UNSUITABLE, MISSING); /* never a bearer token */
    }
    hf_verdict_t verdict = hf_cnf_read(rules, grant->issuer, hf_cbor_at(grant->claims.cnf), space, cnf);
    if (verdict != HF_OK || cnf->method == HF_L_CNF_KID) { /* a reference is checked where its key is kept */
        return verdict;
    }
    verdict = hf_cnf_check(cnf, grant->ace_profile);
    if (verdict != HF_OK) {
        return verdict;
    }
    bool is_secret = cnf->method == HF_L_CNF_OSC || cnf->key.k.p != NULL;
    bool in_clear = !cnf->encrypted && (grant->format == HF_CWT_SIGNED || grant->format == HF_CWT_MAC);
    return is_secret && in_clear ? HF_VERDICT(HF_KEY_UNSUITABLE, IN_CLEAR) : (hf_verdict_t)HF_OK;
}

/* Check the claims in the order of RFC 9200 section 5.10.1.1. */
static hf_verdict_t check_claims(const struct hf_rules *rules, const struct hf_moment *moment, struct hf_space *space,
                                 struct hf_grant *grant)
{
    const struct hf_claims *claims = &grant->claims;
    if (claims->iss.p != NULL && !hf_slice_equal(claims->iss, grant->issuer)) {
        return HF_VERDICT(HF_WRONG_ISSUER, ISS);
    }
    hf_verdict_t verdict = check_time(claims, rules, moment);
    if (verdict == HF_OK && (claims->has & HF_HAS_EXI) != 0) {
        verdict = check_exi(claims->cti, rules, moment, &grant->exi_seq);
    }
    if (verdict == HF_OK) {
        verdict = check_rights(rules, grant);
    }
    if (verdict == HF_OK) {
        verdict = check_cnonce(claims->cnonce, rules, moment);
    }
    if (verdict == HF_OK) {
        verdict = choose_profile(rules, grant);
    }
    return verdict == HF_OK ? check_cnf(rules, space, grant) : verdict;
}

/* Open the token and decode its claims.
 *   out: claims, issuer and format of *grant; space begins behind what was decrypted
 */
static hf_verdict_t open_claims(const struct hf_rules *rules, struct hf_slice token, struct hf_space *space,
                                struct hf_grant *grant)
{
    struct hf_opened opened;
    hf_verdict_t verdict = hf_token_open(rules, token, space, &opened);
    if (verdict != HF_OK) {
        return verdict;
    }
    grant->issuer = opened.issuer;
    grant->format = opened.format;
    return hf_claims_read(opened.payload, &grant->claims);
}

enum hf_status hf_token_verify(const struct hf_rules *rules, const struct hf_moment *moment, const uint8_t *token,
                               size_t token_len, uint8_t *scratch, size_t scratch_len, struct hf_grant *grant)
{
    struct hf_slice encoded = {token, token_len};
    struct hf_space space = {scratch, scratch_len};
    hf_memset(grant, 0, sizeof *grant);
    hf_verdict_t verdict = token_len <= HF_MAX_ACCESS_TOKEN_LEN && scratch_len < HF_TOKEN_SCRATCH_LEN(token_len)
                               ? HF_VERDICT(HF_LOCAL, SCRATCH)
                               : open_claims(rules, encoded, &space, grant);
    if (verdict == HF_OK) {
        verdict = check_claims(rules, moment, &space, grant);
    }
    if (verdict != HF_OK) {
        hf_wipe(scratch, scratch_len);
        hf_wipe(grant, sizeof *grant);
        grant->detail = (uint8_t)hf_verdict_detail(verdict);
        return hf_verdict_status(verdict);
    }
    hf_sha256(token, token_len, grant->token_hash);
    return HF_OK;
}
