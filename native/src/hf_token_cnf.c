/* Confirmation keys (RFC 8747 section 3.1, RFC 9203 section 3.2.1): cnf.py and cose_key.py, and what profiles ask of a
 * key. Unknown members of cnf and COSE_Key are ignored, those of osc refused (RFC 9203 section 4.2). */
#include "hf_labels.h"
#include "hf_port.h"
#include "hf_token_parts.h"

#define OSCORE_VERSION 1
#define MIN_MS_LEN 16 /* verifier.py says why */
#define MAX_MS_LEN 64
#define MIN_PSK_LEN 16
#define COORDINATE_LEN 32

#define MALFORMED(detail) HF_VERDICT(HF_MALFORMED_KEY, detail)
#define UNSUITABLE(detail) HF_VERDICT(HF_KEY_UNSUITABLE, detail)

static bool is_label(struct hf_cbor value)
{
    enum hf_cbor_kind kind = hf_cbor_kind_at(value);
    return kind == HF_CBOR_UINT || kind == HF_CBOR_NINT || kind == HF_CBOR_TEXT;
}

/* Whether a slice is this C text. */
static bool is_text(struct hf_slice text, const char *wanted)
{
    size_t at = 0;
    while (at < text.len && wanted[at] != '\0' && (uint8_t)wanted[at] == text.p[at]) {
        at++;
    }
    return at == text.len && wanted[at] == '\0';
}

/* --- OSCORE_Input_Material --- */

static bool has_only_osc_members(struct hf_cbor osc)
{
    uint32_t pairs;
    (void)hf_cbor_map(&osc, &pairs);
    for (; pairs > 0; pairs--) {
        int32_t label;
        if (!hf_cbor_int32(osc, &label) || label < HF_L_OSC_ID || label > HF_L_OSC_CONTEXT_ID) {
            return false;
        }
        hf_cbor_skip(&osc);
        hf_cbor_skip(&osc);
    }
    return true;
}

/* Read alg: an integer, or one of the registry's names for one (RFC 9203 section 3.2.1). */
static bool read_osc_alg(struct hf_cbor value, int32_t *alg)
{
    struct hf_slice name;
    *alg = HF_L_ALG_AES_CCM_16_64_128;
    if (value.p == NULL || hf_cbor_int32(value, alg)) {
        return true;
    }
    if (!hf_cbor_text(value, &name)) {
        return false;
    }
    *alg = is_text(name, "AES-CCM-16-64-128")    ? HF_L_ALG_AES_CCM_16_64_128
           : is_text(name, "AES-CCM-16-64-256")  ? HF_L_ALG_AES_CCM_16_64_256
           : is_text(name, "AES-CCM-16-128-128") ? HF_L_ALG_AES_CCM_16_128_128
           : is_text(name, "AES-CCM-16-128-256") ? HF_L_ALG_AES_CCM_16_128_256
                                                 : HF_COSE_NO_ALG;
    return *alg != HF_COSE_NO_ALG;
}

/* Read hkdf, as alg. */
static bool read_osc_hkdf(struct hf_cbor value, int32_t *hkdf)
{
    struct hf_slice name;
    *hkdf = HF_L_ALG_HMAC_256_256;
    return value.p == NULL || hf_cbor_int32(value, hkdf) ||
           (hf_cbor_text(value, &name) && is_text(name, "HMAC 256/256"));
}

static bool read_bytes(struct hf_cbor value, struct hf_slice *content)
{
    return value.p == NULL || hf_cbor_bytes(value, content);
}

static hf_verdict_t read_osc(struct hf_cbor members, struct hf_osc *osc)
{
    struct hf_cbor version = hf_cbor_get(members, HF_L_OSC_VERSION);
    if (hf_cbor_kind_at(members) != HF_CBOR_MAP) {
        return MALFORMED(MAP);
    }
    osc->version = OSCORE_VERSION;
    return !has_only_osc_members(members)                                         ? MALFORMED(UNKNOWN)
           : !hf_cbor_bytes(hf_cbor_get(members, HF_L_OSC_ID), &osc->id)          ? MALFORMED(ID)
           : !hf_cbor_bytes(hf_cbor_get(members, HF_L_OSC_MS), &osc->ms)          ? MALFORMED(MS)
           : !read_bytes(hf_cbor_get(members, HF_L_OSC_SALT), &osc->salt)         ? MALFORMED(SALT)
           : !read_osc_alg(hf_cbor_get(members, HF_L_OSC_ALG), &osc->alg)         ? MALFORMED(ALG)
           : !read_osc_hkdf(hf_cbor_get(members, HF_L_OSC_HKDF), &osc->hkdf)      ? MALFORMED(HKDF)
           : !read_bytes(hf_cbor_get(members, HF_L_OSC_CONTEXT_ID), &osc->context_id) ? MALFORMED(CONTEXT_ID)
           : version.p != NULL && !hf_cbor_int32(version, &osc->version)          ? MALFORMED(VERSION)
                                                                                  : (hf_verdict_t)HF_OK;
}

/* --- COSE_Key --- */

/* Whether key_ops is a list of labels, not empty. */
static bool is_key_ops(struct hf_cbor ops)
{
    uint32_t count;
    if (!hf_cbor_array(&ops, &count) || count == 0) {
        return false;
    }
    for (; count > 0; count--) {
        if (!is_label(ops)) {
            return false;
        }
        hf_cbor_skip(&ops);
    }
    return true;
}

/* Read crv, x and y: P-256 with both coordinates whole (RFC 9053 section 7.1.1). */
static hf_verdict_t read_ec2(struct hf_cbor members, struct hf_cose_key *key)
{
    int32_t crv;
    if (hf_cbor_get(members, HF_L_KEY_D).p != NULL) {
        return MALFORMED(PRIVATE);
    }
    if (!hf_cbor_int32(hf_cbor_get(members, HF_L_KEY_CRV), &crv) || crv != HF_L_CRV_P256) {
        return MALFORMED(CRV);
    }
    if (!hf_cbor_bytes(hf_cbor_get(members, HF_L_KEY_X), &key->x) || key->x.len != COORDINATE_LEN) {
        return MALFORMED(X);
    }
    if (!hf_cbor_bytes(hf_cbor_get(members, HF_L_KEY_Y), &key->y) || key->y.len != COORDINATE_LEN) {
        return MALFORMED(Y);
    }
    return HF_OK;
}

/* Decode a COSE_Key: cose_key.decode_cose_key.
 *   out: *key, *kid (absent when there is none)
 */
static hf_verdict_t read_cose_key(struct hf_cbor members, struct hf_cose_key *key, struct hf_slice *kid)
{
    struct hf_cbor alg = hf_cbor_get(members, HF_L_KEY_ALG);
    struct hf_cbor ops = hf_cbor_get(members, HF_L_KEY_OPS);
    if (hf_cbor_kind_at(members) != HF_CBOR_MAP) {
        return MALFORMED(MAP);
    }
    if (!hf_cbor_int32(hf_cbor_get(members, HF_L_KEY_KTY), &key->kty) ||
        (key->kty != HF_L_KTY_EC2 && key->kty != HF_L_KTY_SYMMETRIC)) {
        return MALFORMED(KTY);
    }
    if (!read_bytes(hf_cbor_get(members, HF_L_KEY_KID), kid)) {
        return MALFORMED(KID);
    }
    key->has_alg = alg.p != NULL;
    if (key->has_alg && !is_label(alg)) {
        return MALFORMED(ALG);
    }
    (void)hf_cbor_int32(alg, &key->alg); /* a text leaves HF_COSE_NO_ALG */
    if (ops.p != NULL) {
        if (!is_key_ops(ops)) {
            return MALFORMED(KEY_OPS);
        }
        key->key_ops = hf_cbor_take(&ops);
    }
    if (key->kty == HF_L_KTY_EC2) {
        return read_ec2(members, key);
    }
    if (!hf_cbor_bytes(hf_cbor_get(members, HF_L_KEY_K), &key->k) || key->k.len == 0) {
        return MALFORMED(K);
    }
    return HF_OK;
}

/* --- cnf --- */

/* Refuse a kid beside a key that has another one: that would be two keys (RFC 8747 section 3.1).
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

/* Decrypt the COSE_Key of an Encrypted_COSE_Key.
 *   out: *members: the decoded map's place
 */
static hf_verdict_t decrypt(const struct hf_rules *rules, struct hf_slice issuer, struct hf_space *space,
                            struct hf_cbor *members)
{
    struct hf_slice encoded;
    hf_verdict_t verdict = hf_token_open_key(rules, issuer, *members, space, &encoded);
    if (verdict == HF_OK) {
        verdict = hf_cbor_check(encoded, 0, HF_CBOR_MAX_DEPTH);
        *members = hf_cbor_at(encoded);
    }
    return verdict;
}

hf_verdict_t hf_cnf_read(const struct hf_rules *rules, struct hf_slice issuer, struct hf_cbor value,
                         struct hf_space *space, struct hf_cnf *cnf)
{
    struct hf_cbor key = hf_cbor_get(value, HF_L_CNF_COSE_KEY);
    struct hf_cbor encrypted = hf_cbor_get(value, HF_L_CNF_ENCRYPTED_COSE_KEY);
    struct hf_cbor osc = hf_cbor_get(value, HF_L_CNF_OSC);
    struct hf_slice own = {NULL, 0};
    hf_verdict_t verdict = HF_OK;
    hf_memset(cnf, 0, sizeof *cnf);
    if ((key.p != NULL) + (encrypted.p != NULL) + (osc.p != NULL) > 1) {
        return HF_VERDICT(HF_MALFORMED_CLAIMS, SEVERAL_KEYS);
    }
    if (!read_bytes(hf_cbor_get(value, HF_L_CNF_KID), &cnf->kid)) {
        return HF_VERDICT(HF_MALFORMED_CLAIMS, KID);
    }
    if (osc.p != NULL) {
        cnf->method = HF_L_CNF_OSC;
        verdict = read_osc(osc, &cnf->osc);
        own = cnf->osc.id;
    } else if (key.p != NULL || encrypted.p != NULL) {
        cnf->method = HF_L_CNF_COSE_KEY;
        cnf->encrypted = encrypted.p != NULL;
        if (cnf->encrypted) {
            verdict = decrypt(rules, issuer, space, &encrypted);
            key = encrypted;
        }
        if (verdict == HF_OK) {
            verdict = read_cose_key(key, &cnf->key, &own);
        }
    } else {
        cnf->method = HF_L_CNF_KID;
        return cnf->kid.p != NULL ? (hf_verdict_t)HF_OK : HF_VERDICT(HF_MALFORMED_CLAIMS, NO_KEY);
    }
    return verdict != HF_OK ? verdict : same_kid(cnf, own);
}

/* --- what profiles ask of a key --- */

hf_verdict_t hf_point_check(const uint8_t x[COORDINATE_LEN], const uint8_t y[COORDINATE_LEN])
{
    static const uint8_t p[COORDINATE_LEN] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    };
    uint8_t point[HF_P256_POINT_LEN];
    if (hf_memcmp(x, p, sizeof p) >= 0 || hf_memcmp(y, p, sizeof p) >= 0) {
        return MALFORMED(COORDINATE_RANGE);
    }
    hf_memcpy(point, x, COORDINATE_LEN);
    hf_memcpy(point + COORDINATE_LEN, y, COORDINATE_LEN);
    return hf_p256_check_point(point) == HF_OK ? (hf_verdict_t)HF_OK : MALFORMED(NOT_ON_CURVE);
}

/* Check OSCORE_Input_Material (RFC 9203 section 3.2): verifier.check_osc. */
static hf_verdict_t check_osc(const struct hf_osc *osc)
{
    if (osc->version != OSCORE_VERSION) {
        return UNSUITABLE(VERSION);
    }
    if (osc->hkdf != HF_L_ALG_HMAC_256_256) {
        return UNSUITABLE(HKDF);
    }
    if (osc->alg != HF_L_ALG_AES_CCM_16_64_128 && osc->alg != HF_L_ALG_AES_CCM_16_64_256 &&
        osc->alg != HF_L_ALG_AES_CCM_16_128_128 && osc->alg != HF_L_ALG_AES_CCM_16_128_256) {
        return UNSUITABLE(ALG);
    }
    if (osc->ms.len < MIN_MS_LEN || osc->ms.len > MAX_MS_LEN) {
        return UNSUITABLE(MS);
    }
    return HF_OK;
}

/* Whether key_ops, when there are any, have one of two operations. */
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

/* Check a pre-shared key, or a public key for the client's handshake (RFC 9202 sections 3.2 and 3.3). */
static hf_verdict_t check_dtls_key(const struct hf_cose_key *key)
{
    bool usable;
    if (key->k.p != NULL) {
        if (key->k.len < MIN_PSK_LEN) {
            return UNSUITABLE(PSK);
        }
        if (key->has_alg && key->alg != HF_L_ALG_DIRECT_HKDF_SHA_256) {
            return UNSUITABLE(ALG);
        }
        usable = allows(key->key_ops, HF_L_KEYOP_DERIVE_KEY, HF_L_KEYOP_DERIVE_BITS);
    } else {
        hf_verdict_t verdict = hf_point_check(key->x.p, key->y.p);
        if (verdict != HF_OK) {
            return verdict;
        }
        if (key->has_alg && key->alg != HF_L_ALG_ES256) {
            return UNSUITABLE(ALG);
        }
        usable = allows(key->key_ops, HF_L_KEYOP_VERIFY, HF_L_KEYOP_VERIFY);
    }
    return usable ? (hf_verdict_t)HF_OK : UNSUITABLE(KEY_OPS);
}

hf_verdict_t hf_cnf_check(const struct hf_cnf *cnf, uint8_t profile)
{
    if (cnf->method != (profile == HF_L_PROFILE_COAP_OSCORE ? HF_L_CNF_OSC : HF_L_CNF_COSE_KEY)) {
        return UNSUITABLE(METHOD);
    }
    return profile == HF_L_PROFILE_COAP_OSCORE ? check_osc(&cnf->osc) : check_dtls_key(&cnf->key);
}
