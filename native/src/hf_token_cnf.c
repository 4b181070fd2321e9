/* Confirmation keys (RFC 8747 section 3.1, RFC 9203 section 3.2.1): cnf.py and cose_key.py, and what profiles ask of a
 * key. Unknown members of cnf and COSE_Key are ignored, unknown members of osc refused (RFC 9203 section 4.2). */
#include <stddef.h>

#include "hf_aes_ccm.h"
#include "hf_fields.h"
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define OSCORE_VERSION 1

#define ROW(label, form, type, member, detail) \
    {HF_L_##label, HF_FORM_##form, offsetof(struct type, member), HF_DETAIL_##detail}

/* --- OSCORE_Input_Material --- */

/* Members of osc in the order of their checks. */
enum { OSC_ID, OSC_MS, OSC_SALT, OSC_ALG, OSC_HKDF, OSC_CONTEXT_ID, OSC_VERSION, OSC_COUNT };

static const struct hf_field osc_fields[OSC_COUNT] = {
    [OSC_ID] = ROW(OSC_ID, BYTES, hf_osc, id, ID),
    [OSC_MS] = ROW(OSC_MS, BYTES, hf_osc, ms, MS),
    [OSC_SALT] = ROW(OSC_SALT, BYTES, hf_osc, salt, SALT),
    [OSC_ALG] = ROW(OSC_ALG, LABEL, hf_osc, alg, ALG),
    [OSC_HKDF] = ROW(OSC_HKDF, LABEL, hf_osc, hkdf, HKDF),
    [OSC_CONTEXT_ID] = ROW(OSC_CONTEXT_ID, BYTES, hf_osc, context_id, CONTEXT_ID),
    [OSC_VERSION] = ROW(OSC_VERSION, INT, hf_osc, version, VERSION),
};

#define OSC_REQUIRED (HF_FIELD_BIT(OSC_ID) | HF_FIELD_BIT(OSC_MS))

/* The registry's names for algorithms, which may stand instead of numbers (RFC 9203 section 3.2.1). */
struct alg_name {
    uint8_t alg;
    uint8_t len;
    char name[18];
};

static const struct alg_name alg_names[] = {
    {HF_L_ALG_AES_CCM_16_64_128, 17, "AES-CCM-16-64-128"},
    {HF_L_ALG_AES_CCM_16_64_256, 17, "AES-CCM-16-64-256"},
    {HF_L_ALG_AES_CCM_16_128_128, 18, "AES-CCM-16-128-128"},
    {HF_L_ALG_AES_CCM_16_128_256, 18, "AES-CCM-16-128-256"},
    {HF_L_ALG_HMAC_256_256, 12, "HMAC 256/256"},
};

enum { AEAD_NAMES = 4, ALG_NAMES = sizeof alg_names / sizeof alg_names[0] };

/* Read the name that a member is, when it is a text: one of alg_names[from..to).
 *   out: *alg, when it was a text
 *   ret: whether there is no text, or a known one
 */
static bool read_alg_name(struct hf_cbor value, unsigned from, unsigned to, int32_t *alg)
{
    struct hf_slice name;
    if (!hf_cbor_text(value, &name)) {
        return true;
    }
    for (const struct alg_name *known = alg_names + from; known < alg_names + to; known++) {
        struct hf_slice own = {(const uint8_t *)known->name, known->len};
        if (hf_slice_equal(name, own)) {
            *alg = known->alg;
            return true;
        }
    }
    return false;
}

static enum hf_detail read_osc(struct hf_cbor members, struct hf_osc *osc)
{
    struct hf_met met = {0, 0, false};
    osc->version = OSCORE_VERSION;
    osc->alg = HF_L_ALG_AES_CCM_16_64_128;
    osc->hkdf = HF_L_ALG_HMAC_256_256;
    if (!hf_fields_read(members, HF_CBOR_MAP, osc_fields, OSC_COUNT, osc, &met)) {
        return HF_DETAIL_MAP;
    }
    if (met.others) {
        return HF_DETAIL_UNKNOWN;
    }
    if (!read_alg_name(hf_cbor_get(members, HF_L_OSC_ALG), 0, AEAD_NAMES, &osc->alg)) {
        met.wrong |= HF_FIELD_BIT(OSC_ALG);
    }
    if (!read_alg_name(hf_cbor_get(members, HF_L_OSC_HKDF), AEAD_NAMES, ALG_NAMES, &osc->hkdf)) {
        met.wrong |= HF_FIELD_BIT(OSC_HKDF);
    }
    return hf_fields_detail(osc_fields, met.wrong | (OSC_REQUIRED & ~met.present));
}

/* --- COSE_Key --- */

/* Members of a COSE_Key in the order of their checks. CRV and K have the same label: kty says which is meant. */
enum { KEY_KTY, KEY_KID, KEY_ALG, KEY_OPS, KEY_D, KEY_CRV, KEY_X, KEY_Y, KEY_K, KEY_COUNT };

/* Those that only one kty has. */
#define EC2_ONLY (HF_FIELD_BIT(KEY_D) | HF_FIELD_BIT(KEY_CRV) | HF_FIELD_BIT(KEY_X) | HF_FIELD_BIT(KEY_Y))
#define SYMMETRIC_ONLY HF_FIELD_BIT(KEY_K)

struct key_members {
    struct hf_cose_key key;
    struct hf_slice kid;
    struct hf_slice d;
    int32_t crv;
};

static const struct hf_field key_fields[KEY_COUNT] = {
    [KEY_KTY] = ROW(KEY_KTY, INT, key_members, key.kty, KTY),
    [KEY_KID] = ROW(KEY_KID, BYTES, key_members, kid, KID),
    [KEY_ALG] = ROW(KEY_ALG, LABEL, key_members, key.alg, ALG), /* a text leaves HF_COSE_NO_ALG */
    [KEY_OPS] = ROW(KEY_OPS, ARRAY, key_members, key.key_ops, KEY_OPS),
    [KEY_D] = ROW(KEY_D, ITEM, key_members, d, PRIVATE),
    [KEY_CRV] = ROW(KEY_CRV, INT, key_members, crv, CRV),
    [KEY_X] = ROW(KEY_X, BYTES, key_members, key.x, X),
    [KEY_Y] = ROW(KEY_Y, BYTES, key_members, key.y, Y),
    [KEY_K] = ROW(KEY_K, BYTES, key_members, key.k, K),
};

static uint32_t bit_if(bool condition, unsigned place)
{
    return condition ? HF_FIELD_BIT(place) : 0;
}

/* The fault of an EC2 key beyond its types: it must be P-256 with both coordinates whole (RFC 9053 section 7.1.1). */
static uint32_t wrong_in_ec2(const struct key_members *members, uint32_t present)
{
    return (present & HF_FIELD_BIT(KEY_D)) | bit_if(members->crv != HF_L_CRV_P256, KEY_CRV) |
           bit_if(members->key.x.len != HF_COORDINATE_LEN, KEY_X) |
           bit_if(members->key.y.len != HF_COORDINATE_LEN, KEY_Y);
}

/* Decode a COSE_Key: cose_key.decode_cose_key.
 *   out: *key, *kid (absent when there is none)
 */
static enum hf_detail read_cose_key(struct hf_cbor value, struct hf_cose_key *key, struct hf_slice *kid)
{
    struct hf_met met = {0, 0, false};
    struct key_members members;
    const struct hf_slice absent = {NULL, 0};
    hf_memset(&members, 0, sizeof members);
    if (!hf_fields_read(value, HF_CBOR_MAP, key_fields, KEY_COUNT, &members, &met)) {
        return HF_DETAIL_MAP;
    }
    if (members.key.kty == HF_L_KTY_EC2) {
        met.wrong = (met.wrong & ~SYMMETRIC_ONLY) | wrong_in_ec2(&members, met.present);
    } else {
        met.wrong = (met.wrong & ~EC2_ONLY) | bit_if(members.key.k.len == 0, KEY_K) |
                    bit_if(members.key.kty != HF_L_KTY_SYMMETRIC, KEY_KTY);
        members.key.x = absent;
        members.key.y = absent;
    }
    if (members.key.key_ops.p != NULL && hf_list_len(hf_cbor_at(members.key.key_ops), HF_FORM_LABEL) == 0) {
        met.wrong |= HF_FIELD_BIT(KEY_OPS);
    }
    members.key.has_alg = (met.present & HF_FIELD_BIT(KEY_ALG)) != 0;
    *key = members.key;
    *kid = members.kid;
    return hf_fields_detail(key_fields, met.wrong);
}

/* --- cnf --- */

/* Refuse a kid beside a key that has another kid: these would be two keys (RFC 8747 section 3.1).
 *   in:  own: the key's id
 *   out: cnf->kid is own where it was absent
 */
static hf_verdict_t same_kid(struct hf_cnf *cnf, struct hf_slice own)
{
    if (cnf->kid.p == NULL) {
        cnf->kid = own;
    } else if (own.p != NULL && !hf_slice_equal(cnf->kid, own)) {
        return HF_VERDICT(HF_MALFORMED_CLAIMS, SEVERAL_KEYS);
    }
    return HF_OK;
}

/* Decrypt an Encrypted_COSE_Key.
 *   out: *key: the COSE_Key's encoding, checked
 */
static hf_verdict_t decrypt(const struct hf_rules *rules, struct hf_slice issuer, struct hf_space *space,
                            struct hf_cbor encrypted, struct hf_slice *key)
{
    hf_verdict_t verdict = hf_token_open_key(rules, issuer, encrypted, space, key);
    return verdict != HF_OK ? verdict : hf_cbor_check(*key, 0, HF_MAX_CBOR_DEPTH);
}

/* Members of cnf. */
enum { CNF_KID, CNF_COSE_KEY, CNF_ENCRYPTED, CNF_OSC, CNF_COUNT };

struct cnf_members {
    struct hf_slice kid;
    struct hf_slice key;
    struct hf_slice encrypted;
    struct hf_slice osc;
};

static const struct hf_field cnf_fields[CNF_COUNT] = {
    [CNF_KID] = ROW(CNF_KID, BYTES, cnf_members, kid, KID),
    [CNF_COSE_KEY] = ROW(CNF_COSE_KEY, ITEM, cnf_members, key, NONE),
    [CNF_ENCRYPTED] = ROW(CNF_ENCRYPTED_COSE_KEY, ITEM, cnf_members, encrypted, NONE),
    [CNF_OSC] = ROW(CNF_OSC, ITEM, cnf_members, osc, NONE),
};

hf_verdict_t hf_cnf_read(const struct hf_rules *rules, struct hf_slice issuer, struct hf_cbor value,
                         struct hf_space *space, struct hf_cnf *cnf)
{
    struct hf_met met = {0, 0, false};
    struct cnf_members members;
    struct hf_slice own = {NULL, 0};
    hf_verdict_t verdict = HF_OK;
    hf_memset(cnf, 0, sizeof *cnf);
    hf_memset(&members, 0, sizeof members);
    (void)hf_fields_read(value, HF_CBOR_MAP, cnf_fields, CNF_COUNT, &members, &met);
    uint32_t keys = met.present & ~HF_FIELD_BIT(CNF_KID);
    if ((keys & (keys - 1)) != 0) {
        return HF_VERDICT(HF_MALFORMED_CLAIMS, SEVERAL_KEYS);
    }
    if (met.wrong != 0) {
        return HF_VERDICT(HF_MALFORMED_CLAIMS, KID);
    }
    cnf->kid = members.kid;
    if (keys == 0) {
        cnf->method = HF_L_CNF_KID;
        return cnf->kid.p != NULL ? (hf_verdict_t)HF_OK : HF_VERDICT(HF_MALFORMED_CLAIMS, NO_KEY);
    }
    if (keys == HF_FIELD_BIT(CNF_OSC)) {
        cnf->method = HF_L_CNF_OSC;
        verdict = hf_verdict_of(HF_MALFORMED_KEY, read_osc(hf_cbor_at(members.osc), &cnf->osc));
        own = cnf->osc.id;
    } else {
        cnf->method = HF_L_CNF_COSE_KEY;
        cnf->encrypted = keys == HF_FIELD_BIT(CNF_ENCRYPTED);
        if (cnf->encrypted) {
            verdict = decrypt(rules, issuer, space, hf_cbor_at(members.encrypted), &members.key);
        }
        if (verdict == HF_OK) {
            verdict = hf_verdict_of(HF_MALFORMED_KEY, read_cose_key(hf_cbor_at(members.key), &cnf->key, &own));
        }
    }
    return verdict != HF_OK ? verdict : same_kid(cnf, own);
}

/* --- what profiles ask of a key --- */

/* Check OSCORE_Input_Material (RFC 9203 section 3.2): cnf.check_osc. */
static enum hf_detail check_osc(const struct hf_osc *osc)
{
    return osc->version != OSCORE_VERSION                               ? HF_DETAIL_VERSION
           : osc->hkdf != HF_L_ALG_HMAC_256_256                         ? HF_DETAIL_HKDF
           : hf_ccm_alg(osc->alg)->key_len == 0                         ? HF_DETAIL_ALG
           : osc->ms.len < HF_MIN_MS_LEN || osc->ms.len > HF_MAX_MS_LEN ? HF_DETAIL_MS
                                                                        : HF_DETAIL_NONE;
}

/* Whether key_ops has one of two operations, or is absent. */
static bool allows(struct hf_slice key_ops, int32_t one, int32_t other)
{
    struct hf_cbor ops = hf_cbor_at(key_ops);
    uint32_t count;
    if (key_ops.p == NULL) {
        return true;
    }
    (void)hf_cbor_array(&ops, &count);
    for (; count > 0; count--) {
        int32_t op;
        if (hf_cbor_int32(ops, &op) && (op == one || op == other)) {
            return true;
        }
        hf_cbor_skip(&ops);
    }
    return false;
}

/* Check a pre-shared key (RFC 9202 section 3.3). */
static enum hf_detail check_psk(const struct hf_cose_key *key)
{
    return key->k.len < HF_MIN_PSK_LEN                                            ? HF_DETAIL_PSK
           : key->has_alg && key->alg != HF_L_ALG_DIRECT_HKDF_SHA_256             ? HF_DETAIL_ALG
           : !allows(key->key_ops, HF_L_KEYOP_DERIVE_KEY, HF_L_KEYOP_DERIVE_BITS) ? HF_DETAIL_KEY_OPS
                                                                                  : HF_DETAIL_NONE;
}

/* Check a public key for the client's handshake (RFC 9202 section 3.2), whose point must be on the curve. */
static enum hf_detail check_rpk(const struct hf_cose_key *key)
{
    return key->has_alg && key->alg != HF_L_ALG_ES256                    ? HF_DETAIL_ALG
           : !allows(key->key_ops, HF_L_KEYOP_VERIFY, HF_L_KEYOP_VERIFY) ? HF_DETAIL_KEY_OPS
                                                                         : HF_DETAIL_NONE;
}

hf_verdict_t hf_cnf_check(const struct hf_cnf *cnf, uint8_t profile)
{
    bool oscore = profile == HF_L_PROFILE_COAP_OSCORE;
    const struct hf_cose_key *key = &cnf->key;
    enum hf_detail detail;
    if (cnf->method != (oscore ? HF_L_CNF_OSC : HF_L_CNF_COSE_KEY)) {
        detail = HF_DETAIL_METHOD;
    } else if (oscore) {
        detail = check_osc(&cnf->osc);
    } else if (key->k.p != NULL) {
        detail = check_psk(key);
    } else {
        hf_verdict_t verdict = hf_point_check(key->x.p, key->y.p);
        if (verdict != HF_OK) {
            return verdict;
        }
        detail = check_rpk(key);
    }
    return hf_verdict_of(HF_KEY_UNSUITABLE, detail);
}
