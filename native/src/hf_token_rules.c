/* The rules of an RS from their encoding (hf_token.h): this file refuses what the constructors of rules.Rules,
 * trust.TrustedKey and scope.ScopeMap refuse. It checks once, so that no token costs these checks again. */
#include <stddef.h>

#include "hf_aes_ccm.h"
#include "hf_fields.h"
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define RULES_DEPTH 5 /* rules, scopes, scope, permissions, permission */
#define ALL_FORMATS (HF_CWT_ENCRYPTED | HF_CWT_NESTED | HF_CWT_SIGNED | HF_CWT_MAC)
#define ALL_FLAGS (HF_RULE_REQUIRE_CNONCE | HF_RULE_RFC8392)

#define WRONG HF_VERDICT(HF_LOCAL, RULES)
#define ROW(place, form, type, member) {place, HF_FORM_##form, offsetof(struct type, member), HF_DETAIL_RULES}

/* Read an array of exactly these members, all of the right types. */
static bool read_array(struct hf_cbor array, const struct hf_field *fields, unsigned count, void *out)
{
    struct hf_met met = {0, 0, false};
    return hf_fields_read(array, HF_CBOR_ARRAY, fields, count, out, &met) && !met.others && met.wrong == 0 &&
           met.present == HF_FIELD_BIT(count) - 1;
}

/* --- scopes --- */

/* Whether permissions are a list of [absolute path, some methods of CoAP's]. */
static bool are_permissions(struct hf_cbor permissions)
{
    uint32_t count;
    (void)hf_cbor_array(&permissions, &count);
    for (; count > 0; count--) {
        struct hf_permission permission;
        if (hf_permission_next(&permissions, &permission) != HF_DETAIL_NONE || permission.methods == 0 ||
            permission.methods > HF_ALL_METHODS) {
            return false;
        }
    }
    return true;
}

static bool are_scopes(struct hf_cbor scopes)
{
    uint32_t count;
    (void)hf_cbor_array(&scopes, &count);
    if (count > HF_MAX_SCOPES) {
        return false;
    }
    for (; count > 0; count--) {
        struct hf_scope scope;
        if (!hf_scope_next(&scopes, &scope) || !hf_scope_is_token(scope.name) ||
            !are_permissions(hf_cbor_at(scope.permissions))) {
            return false;
        }
    }
    return true;
}

/* --- keys --- */

/* A key's members; table: null where there is none. */
struct key_members {
    struct hf_key key;
    struct hf_slice table;
    int32_t role;
};

enum { KEY_ROLE, KEY_KID, KEY_ALG, KEY_ISSUER, KEY_MATERIAL, KEY_TABLE, KEY_COUNT };

static const struct hf_field key_fields[KEY_COUNT] = {
    ROW(KEY_ROLE, INT, key_members, role),
    ROW(KEY_KID, BYTES, key_members, key.kid),
    ROW(KEY_ALG, INT, key_members, key.alg),
    ROW(KEY_ISSUER, TEXT, key_members, key.issuer),
    ROW(KEY_MATERIAL, BYTES, key_members, key.material),
    ROW(KEY_TABLE, ITEM, key_members, table),
};

/* Read one key's members, of the right types.
 *   ret: whether they are
 */
static bool take_key(struct hf_cbor *r, struct hf_key *key)
{
    struct key_members members;
    hf_memset(&members, 0, sizeof members);
    bool typed = read_array(*r, key_fields, KEY_COUNT, &members) && members.role >= 0 && members.role < HF_ROLE_COUNT;
    struct hf_cbor table = hf_cbor_at(members.table);
    typed = (hf_cbor_bytes(table, &members.key.table) || hf_cbor_kind_at(table) == HF_CBOR_SIMPLE) && typed;
    members.key.role = (uint8_t)members.role;
    *key = members.key;
    hf_cbor_skip(r);
    return typed;
}

void hf_rules_next_key(struct hf_cbor *keys, struct hf_key *key)
{
    (void)take_key(keys, key);
}

/* How long a secret key of this role and algorithm is; 0 for an algorithm that the role does not have. */
static size_t secret_len(const struct hf_key *key)
{
    if (key->role == HF_ROLE_MAC) {
        return key->alg == HF_L_ALG_HMAC_256_256 || key->alg == HF_L_ALG_HMAC_256_64 ? HF_MAC_KEY_LEN : 0;
    }
    return hf_ccm_alg(key->alg)->key_len;
}

hf_verdict_t hf_point_check(const uint8_t x[HF_COORDINATE_LEN], const uint8_t y[HF_COORDINATE_LEN])
{
    static const uint8_t p[HF_COORDINATE_LEN] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    };
    uint8_t point[HF_P256_POINT_LEN];
    if (hf_memcmp(x, p, sizeof p) >= 0 || hf_memcmp(y, p, sizeof p) >= 0) {
        return HF_VERDICT(HF_MALFORMED_KEY, COORDINATE_RANGE);
    }
    hf_memcpy(point, x, HF_COORDINATE_LEN);
    hf_memcpy(point + HF_COORDINATE_LEN, y, HF_COORDINATE_LEN);
    return hf_p256_check_point(point) == HF_OK ? (hf_verdict_t)HF_OK : HF_VERDICT(HF_MALFORMED_KEY, NOT_ON_CURVE);
}

/* Check one key as trust.TrustedKey and crypto.Es256Key do, and that its table is made of this key. */
static hf_verdict_t check_key(const struct hf_key *key)
{
    if (key->role != HF_ROLE_SIGN) {
        size_t len = secret_len(key);
        return len == 0 || key->table.p != NULL ? HF_VERDICT(HF_MALFORMED_KEY, ALG)
               : key->material.len != len       ? HF_VERDICT(HF_MALFORMED_KEY, LENGTH)
                                                : (hf_verdict_t)HF_OK;
    }
    if (key->alg != HF_L_ALG_ES256) {
        return HF_VERDICT(HF_MALFORMED_KEY, ALG);
    }
    if (key->material.len != HF_P256_POINT_LEN) {
        return HF_VERDICT(HF_MALFORMED_KEY, LENGTH);
    }
    hf_verdict_t verdict = hf_point_check(key->material.p, key->material.p + HF_COORDINATE_LEN);
    if (verdict == HF_OK && key->table.p != NULL &&
        hf_p256_table_check(key->table.p, key->table.len, key->material.p) != HF_OK) {
        return HF_VERDICT(HF_MALFORMED_KEY, TABLE);
    }
    return verdict;
}

static hf_verdict_t check_keys(struct hf_cbor keys)
{
    uint32_t count;
    hf_verdict_t verdict = HF_OK;
    (void)hf_cbor_array(&keys, &count);
    for (; count > 0 && verdict == HF_OK; count--) {
        struct hf_key key;
        verdict = take_key(&keys, &key) ? check_key(&key) : WRONG;
    }
    return verdict;
}

/* --- the rules --- */

/* Members that have another form in struct hf_rules. */
struct members {
    struct hf_rules rules;
    struct hf_slice profiles;
    int64_t leeway_s;
    int32_t version;
    int32_t formats;
    int32_t flags;
};

enum { VERSION, FORMATS, PROFILES, RS_ID, LEEWAY, FLAGS, AUDIENCES, KEYS, SCOPES, RULES_COUNT };

static const struct hf_field rules_fields[RULES_COUNT] = {
    ROW(VERSION, INT, members, version),
    ROW(FORMATS, INT, members, formats),
    ROW(PROFILES, ARRAY, members, profiles),
    ROW(RS_ID, BYTES, members, rules.rs_id),
    ROW(LEEWAY, UINT, members, leeway_s),
    ROW(FLAGS, INT, members, flags),
    ROW(AUDIENCES, ARRAY, members, rules.audiences),
    ROW(KEYS, ARRAY, members, rules.keys),
    ROW(SCOPES, ARRAY, members, rules.scopes),
};

/* Read one or two profiles. */
static bool read_profiles(struct hf_cbor list, uint8_t profiles[2])
{
    uint32_t count;
    (void)hf_cbor_array(&list, &count);
    for (uint32_t i = 0; i < count && i < 2; i++) {
        int32_t profile = -1;
        (void)hf_cbor_int32(list, &profile);
        if (profile != HF_L_PROFILE_COAP_OSCORE && profile != HF_L_PROFILE_COAP_DTLS) {
            return false;
        }
        profiles[i] = profiles[1] = (uint8_t)profile;
        hf_cbor_skip(&list);
    }
    return count == 1 || count == 2;
}

/* Whether all names of this RS are texts; there may be no names. */
static bool are_names(struct hf_cbor names)
{
    uint32_t count;
    struct hf_cbor r = names;
    (void)hf_cbor_array(&r, &count);
    return hf_list_len(names, HF_FORM_TEXT) == count;
}

hf_verdict_t hf_rules_read(struct hf_slice encoded, struct hf_rules *rules)
{
    struct members members;
    hf_memset(&members, 0, sizeof members);
    hf_memset(rules, 0, sizeof *rules);
    if (hf_cbor_check(encoded, 0, RULES_DEPTH) != HF_OK ||
        !read_array(hf_cbor_at(encoded), rules_fields, RULES_COUNT, &members) || members.version != HF_RULES_VERSION ||
        members.formats < 0 || members.formats > (int32_t)ALL_FORMATS ||
        !read_profiles(hf_cbor_at(members.profiles), members.rules.profiles) || members.leeway_s > UINT32_MAX ||
        members.flags < 0 || members.flags > (int32_t)ALL_FLAGS || !are_names(hf_cbor_at(members.rules.audiences))) {
        return WRONG;
    }
    members.rules.formats = (uint8_t)members.formats;
    members.rules.flags = (uint8_t)members.flags;
    members.rules.leeway_s = (uint32_t)members.leeway_s;
    *rules = members.rules;
    hf_verdict_t verdict = check_keys(hf_cbor_at(rules->keys));
    return verdict == HF_OK && !are_scopes(hf_cbor_at(rules->scopes)) ? WRONG : verdict;
}
