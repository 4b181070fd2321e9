/* The rules of an RS from their encoding (hf_token.h): what the constructors of verifier.Rules, cwt.TrustedKey and
 * scope.ScopeMap refuse is refused here, once, so that nothing is asked again for every token. */
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define RULES_VERSION 1
#define RULES_ITEMS 9
#define KEY_ITEMS 6
#define MAC_KEY_LEN 32
#define RULES_DEPTH 5 /* rules, scopes, scope, permissions, permission */

#define WRONG HF_VERDICT(HF_LOCAL, RULES)

/* Read an unsigned integer of at most `most`, and move behind it. */
static bool take_number(struct hf_cbor *r, uint32_t most, uint32_t *number)
{
    int64_t wide;
    if (!hf_cbor_int64(*r, &wide) || wide < 0 || wide > most) {
        return false;
    }
    *number = (uint32_t)wide;
    hf_cbor_skip(r);
    return true;
}

static bool take_bool(struct hf_cbor *r, bool *value)
{
    struct hf_cbor_item item;
    (void)hf_cbor_next(r, &item);
    *value = item.lo == HF_CBOR_TRUE;
    return item.kind == HF_CBOR_SIMPLE && item.lo != HF_CBOR_NULL;
}

static bool is_profile(uint32_t profile)
{
    return profile == HF_L_PROFILE_COAP_OSCORE || profile == HF_L_PROFILE_COAP_DTLS;
}

/* Read one or two profiles. */
static bool take_profiles(struct hf_cbor *r, struct hf_rules *rules)
{
    uint32_t count;
    if (!hf_cbor_array(r, &count) || count == 0 || count > 2) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t profile;
        if (!take_number(r, UINT8_MAX, &profile) || !is_profile(profile)) {
            return false;
        }
        rules->profiles[i] = (uint8_t)profile;
    }
    rules->profiles[1] = rules->profiles[count - 1];
    return true;
}

static bool take_audiences(struct hf_cbor *r, struct hf_slice *audiences)
{
    struct hf_cbor names = *r;
    uint32_t count;
    struct hf_slice name;
    *audiences = hf_cbor_take(r);
    if (!hf_cbor_array(&names, &count)) {
        return false;
    }
    for (; count > 0; count--) {
        if (!hf_cbor_text(names, &name)) {
            return false;
        }
        hf_cbor_skip(&names);
    }
    return true;
}

/* Whether permissions are a list of [absolute path, some methods of CoAP's]. */
static bool are_permissions(struct hf_cbor permissions)
{
    uint32_t count;
    if (!hf_cbor_array(&permissions, &count)) {
        return false;
    }
    for (; count > 0; count--) {
        uint32_t two;
        uint32_t methods;
        struct hf_slice path;
        if (!hf_cbor_array(&permissions, &two) || two != 2 || !hf_cbor_text(permissions, &path) || path.len == 0 ||
            path.p[0] != '/') {
            return false;
        }
        hf_cbor_skip(&permissions);
        if (!take_number(&permissions, HF_ALL_METHODS, &methods) || methods == 0) {
            return false;
        }
    }
    return true;
}

static bool take_scopes(struct hf_cbor *r, struct hf_slice *scopes)
{
    struct hf_cbor here = *r;
    uint32_t count;
    *scopes = hf_cbor_take(r);
    if (!hf_cbor_array(&here, &count) || count > HF_MAX_SCOPES) {
        return false;
    }
    for (; count > 0; count--) {
        uint32_t two;
        struct hf_slice name;
        if (!hf_cbor_array(&here, &two) || two != 2 || !hf_cbor_text(here, &name) || !hf_scope_is_token(name)) {
            return false;
        }
        hf_cbor_skip(&here);
        if (!are_permissions(here)) {
            return false;
        }
        hf_cbor_skip(&here);
    }
    return true;
}

/* --- keys --- */

/* Read one key's members, of the right types.
 *   ret: whether they are
 */
static bool take_key(struct hf_cbor *r, struct hf_key *key)
{
    uint32_t count;
    uint32_t role;
    hf_memset(key, 0, sizeof *key);
    if (!hf_cbor_array(r, &count) || count != KEY_ITEMS || !take_number(r, HF_ROLE_COUNT - 1, &role)) {
        return false;
    }
    key->role = (uint8_t)role;
    bool typed = hf_cbor_bytes(*r, &key->kid);
    hf_cbor_skip(r);
    typed = hf_cbor_int32(*r, &key->alg) && typed;
    hf_cbor_skip(r);
    typed = hf_cbor_text(*r, &key->issuer) && typed;
    hf_cbor_skip(r);
    typed = hf_cbor_bytes(*r, &key->material) && typed;
    hf_cbor_skip(r);
    typed = (hf_cbor_bytes(*r, &key->table) || hf_cbor_kind_at(*r) == HF_CBOR_SIMPLE) && typed;
    hf_cbor_skip(r);
    return typed;
}

void hf_rules_next_key(struct hf_cbor *keys, struct hf_key *key)
{
    (void)take_key(keys, key);
}

/* How long a secret key of this role and algorithm is; 0 for an algorithm that is not the role's. */
static size_t secret_len(const struct hf_key *key)
{
    if (key->role == HF_ROLE_MAC) {
        return key->alg == HF_L_ALG_HMAC_256_256 || key->alg == HF_L_ALG_HMAC_256_64 ? MAC_KEY_LEN : 0;
    }
    return key->alg == HF_L_ALG_AES_CCM_16_64_128 || key->alg == HF_L_ALG_AES_CCM_16_128_128   ? 16
           : key->alg == HF_L_ALG_AES_CCM_16_64_256 || key->alg == HF_L_ALG_AES_CCM_16_128_256 ? 32
                                                                                               : 0;
}

/* Check one key as cwt.TrustedKey and crypto.Es256Key do, and that its table is its own. */
static hf_verdict_t check_key(const struct hf_key *key)
{
    if (key->role != HF_ROLE_SIGN) {
        size_t len = secret_len(key);
        return len == 0 || key->table.p != NULL  ? HF_VERDICT(HF_MALFORMED_KEY, ALG)
               : key->material.len != len        ? HF_VERDICT(HF_MALFORMED_KEY, LENGTH)
                                                 : (hf_verdict_t)HF_OK;
    }
    if (key->alg != HF_L_ALG_ES256) {
        return HF_VERDICT(HF_MALFORMED_KEY, ALG);
    }
    if (key->material.len != HF_P256_POINT_LEN) {
        return HF_VERDICT(HF_MALFORMED_KEY, LENGTH);
    }
    hf_verdict_t verdict = hf_point_check(key->material.p, key->material.p + HF_P256_POINT_LEN / 2);
    if (verdict == HF_OK && key->table.p != NULL &&
        hf_p256_table_check(key->table.p, key->table.len, key->material.p) != HF_OK) {
        return HF_VERDICT(HF_MALFORMED_KEY, TABLE);
    }
    return verdict;
}

static hf_verdict_t take_keys(struct hf_cbor *r, struct hf_slice *keys)
{
    struct hf_cbor here = *r;
    uint32_t count;
    *keys = hf_cbor_take(r);
    if (!hf_cbor_array(&here, &count)) {
        return WRONG;
    }
    for (; count > 0; count--) {
        struct hf_key key;
        hf_verdict_t verdict = take_key(&here, &key) ? check_key(&key) : WRONG;
        if (verdict != HF_OK) {
            return verdict;
        }
    }
    return HF_OK;
}

hf_verdict_t hf_rules_read(struct hf_slice encoded, struct hf_rules *rules)
{
    struct hf_cbor r = hf_cbor_at(encoded);
    uint32_t count;
    uint32_t version;
    uint32_t formats;
    hf_memset(rules, 0, sizeof *rules);
    if (hf_cbor_check(encoded, 0, RULES_DEPTH) != HF_OK || !hf_cbor_array(&r, &count) || count != RULES_ITEMS ||
        !take_number(&r, RULES_VERSION, &version) || version != RULES_VERSION ||
        !take_number(&r, HF_FORMAT_ENCRYPTED | HF_FORMAT_NESTED | HF_FORMAT_SIGNED | HF_FORMAT_MAC, &formats) ||
        !take_profiles(&r, rules) || !hf_cbor_bytes(r, &rules->rs_id)) {
        return WRONG;
    }
    rules->formats = (uint8_t)formats;
    hf_cbor_skip(&r);
    if (!take_number(&r, UINT32_MAX, &rules->leeway_s) || !take_bool(&r, &rules->require_cnonce) ||
        !take_audiences(&r, &rules->audiences)) {
        return WRONG;
    }
    hf_verdict_t verdict = take_keys(&r, &rules->keys);
    return verdict == HF_OK && !take_scopes(&r, &rules->scopes) ? WRONG : verdict;
}
