/* One call for what an RS does with a token (RFC 9200 section 5.10.1.1): holdfast_core/verifier.py for C.
 *
 * It makes a grant of the bytes that came to /authz-info, or names the first check that failed. Verdict and detail are
 * those of the Python core on the same bytes. It keeps nothing between calls, allocates nothing, and has no clock.
 */
#ifndef HF_TOKEN_H
#define HF_TOKEN_H

#include "hf_cbor.h"
#include "hf_cose.h"

#define HF_MAX_SCOPES 256 /* names in the scope map of an RS: more than a device has resources */
#define HF_TOKEN_HASH_LEN 32

/* Room to decrypt in: the token's payload and, inside it, an Encrypted_COSE_Key. */
#define HF_TOKEN_SCRATCH_LEN(token_len) (2 * (token_len))

/* What one RS accepts: rules.Rules. All slices are into the encoded rules. */
struct hf_rules {
    struct hf_slice audiences;
    struct hf_slice keys;
    struct hf_slice scopes;
    struct hf_slice rs_id;
    uint32_t leeway_s;
    uint8_t formats;     /* HF_CWT_ bits */
    uint8_t profiles[2]; /* [0] is in force when a token names no profile; [1] may be the same */
    uint8_t flags;       /* HF_RULE_ bits */
};

/* Read the rules of an RS from their encoding, one CBOR item that outlives the struct:
 *   [HF_RULES_VERSION, formats, [profile, ..], rs_id bytes, leeway_s, flags, [audience text, ..],
 *    [[role, kid bytes, alg, issuer text, material bytes, table bytes or null], ..],
 *    [[scope name text, [[path text, methods], ..]], ..]]
 * formats and flags are bits, role is enum hf_role, the rest as in rules.Rules, trust.TrustedKey and scope.ScopeMap.
 * A table is checked against its key, which takes about as long as the check of a signature.
 *   in:  encoded: the caller's own configuration, full of secrets; trusted, yet every condition is checked
 *   ret: 0 | HF_LOCAL (rules) | HF_MALFORMED_KEY (alg length table coordinate-range not-on-curve)
 */
hf_verdict_t hf_rules_read(struct hf_slice encoded, struct hf_rules *rules);

/* Find keys by going through them all.
 *   in:  *keys: starts at hf_cbor_at(rules->keys) with the head read by hf_cbor_array
 *   out: *key; *keys moves on
 */
void hf_rules_next_key(struct hf_cbor *keys, struct hf_key *key);

/* What an RS knows at this moment.
 * now_s: seconds since 1970 UTC, within +-2^53, or with HF_CLOCK_FLOOR the earliest time it can be.
 * is_fresh: says whether a client-nonce is one the RS handed out, and still fresh; NULL when it hands out none. */
struct hf_moment {
    int64_t now_s;
    uint64_t exi_floor;
    bool (*is_fresh)(void *context, const uint8_t *cnonce, size_t cnonce_len);
    void *context;
    uint8_t clock; /* enum hf_clock */
    uint8_t exi;   /* enum hf_exi */
};

/* Claims; absent ones have absent slices or no bit in `has`. aud, cnf and act are encoded items; scope is content, of
 * a text or a byte string. An ace_profile beyond 64 bits is the nearest that fits. Absent nbf and iat are before
 * all times. */
struct hf_claims {
    struct hf_slice iss;
    struct hf_slice sub;
    struct hf_slice aud;
    struct hf_slice cti;
    struct hf_slice cnf;
    struct hf_slice scope;
    struct hf_slice cnonce;
    struct hf_slice act;
    int64_t exp_s;
    int64_t nbf_s;
    int64_t iat_s;
    int64_t exi_s;
    int64_t ace_profile;
    uint8_t has; /* HF_HAS_ bits */
    bool scope_is_text;
};

/* OSCORE_Input_Material (confirmation.OscInput): a grant's has version 1, HMAC 256/256 and one of the four AES-CCM
 * algorithms. */
struct hf_osc {
    struct hf_slice id;
    struct hf_slice ms; /* secret */
    struct hf_slice salt;
    struct hf_slice context_id;
    int32_t alg;
    int32_t hkdf;
    int32_t version;
};

/* A COSE_Key (confirmation.CoseKey). key_ops: the encoded array. */
struct hf_cose_key {
    struct hf_slice key_ops;
    struct hf_slice x;
    struct hf_slice y;
    struct hf_slice k; /* secret */
    int32_t kty;
    int32_t alg; /* HF_COSE_NO_ALG for a text */
    bool has_alg;
};

/* A confirmation (confirmation.Cnf). method: label CNF_COSE_KEY (also of an encrypted one), CNF_KID or CNF_OSC. */
struct hf_cnf {
    struct hf_slice kid;
    struct hf_osc osc;
    struct hf_cose_key key;
    uint8_t method;
    bool encrypted;
};

/* An accepted token. For a refused token every byte is zero except detail. Slices point into the token, the scratch or
 * the encoded rules, and live as long as those. */
struct hf_grant {
    struct hf_claims claims;
    struct hf_slice issuer; /* the AS whose key protected it */
    struct hf_cnf cnf;
    uint64_t exi_seq;                  /* when the claims have HF_HAS_EXI */
    uint8_t scopes[HF_MAX_SCOPES / 8]; /* for a text scope: one bit for each scope of the scope map */
    uint8_t token_hash[HF_TOKEN_HASH_LEN];
    uint8_t ace_profile; /* in force */
    uint8_t format;      /* one HF_CWT_ bit */
    uint8_t detail;      /* enum hf_detail: which check failed */
};

/* Verify a self-contained token.
 *   in:  token[token_len], public, untrusted, not NULL; rules of hf_rules_read; moment
 *        scratch[scratch_len], HF_TOKEN_SCRATCH_LEN(token_len) or more, overlaps nothing
 *   out: *grant; scratch holds plaintext while the grant is used, and is wiped on failure
 *   ret: HF_OK | HF_MALFORMED_{CBOR,COSE,CLAIMS,SCOPE,KEY} | HF_BAD_SIGNATURE | HF_UNKNOWN_KEY | HF_UNSUPPORTED_ALG
 *        | HF_CRIT_UNKNOWN | HF_HEADER_UNPROTECTED | HF_WRONG_ISSUER | HF_TOKEN_EXPIRED | HF_NOT_YET_VALID
 *        | HF_WRONG_AUDIENCE | HF_SCOPE_UNKNOWN | HF_CNONCE_STALE | HF_REPLAYED | HF_KEY_UNSUITABLE
 *        | HF_PROFILE_UNSUPPORTED | HF_LOCAL (scratch)
 *   time: never depends on the bytes of keys; depends on the token, and on its plaintext except the keys in it
 *   stack: <= 2 KB on cores of 32 bits when keys have tables, <= 2.7 KB by other keys (checked)
 */
enum hf_status hf_token_verify(const struct hf_rules *rules, const struct hf_moment *moment, const uint8_t *token,
                               size_t token_len, uint8_t *scratch, size_t scratch_len, struct hf_grant *grant);

/* Whether a grant allows the method with this CoAP code on path (RFC 9200 section 5.10.2).
 *   in:  grant and the rules it was made with; path: absolute, compared whole and byte by byte; code: any
 *   ret: HF_OK | HF_RESOURCE_FORBIDDEN (nothing is allowed there) | HF_METHOD_FORBIDDEN (something else is)
 */
enum hf_status hf_permissions_check(const struct hf_grant *grant, const struct hf_rules *rules, struct hf_slice path,
                                    uint8_t code);

#endif
