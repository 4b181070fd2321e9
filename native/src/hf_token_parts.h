/* What the files behind hf_token.h share: each function is one module of holdfast_core. Not for callers of the core. */
#ifndef HF_TOKEN_PARTS_H
#define HF_TOKEN_PARTS_H

#include "hf_token.h"

/* An authenticated payload: cwt.Opened. */
struct hf_opened {
    struct hf_slice payload;
    struct hf_slice issuer;
    uint8_t format;
};

/* Check the protection of a token: cwt.open_cwt.
 *   out: *opened; space begins behind what was decrypted
 *   ret: 0 | HF_MALFORMED_CBOR | HF_MALFORMED_COSE | HF_UNSUPPORTED_ALG | HF_HEADER_UNPROTECTED | HF_CRIT_UNKNOWN
 *        | HF_UNKNOWN_KEY | HF_BAD_SIGNATURE
 */
hf_verdict_t hf_token_open(const struct hf_rules *rules, struct hf_slice token, struct hf_space *space,
                           struct hf_opened *opened);

/* Decrypt an Encrypted_COSE_Key with a key shared with this issuer: cwt.open_encrypted_key.
 *   in:  value: in checked bytes, tagged or not
 *   out: *encoded: the COSE_Key's bytes, in space; untouched on failure
 *   ret: 0 | HF_MALFORMED_CBOR | HF_MALFORMED_COSE | HF_UNKNOWN_KEY | HF_UNSUPPORTED_ALG | HF_CRIT_UNKNOWN
 *        | HF_BAD_SIGNATURE
 */
hf_verdict_t hf_token_open_key(const struct hf_rules *rules, struct hf_slice issuer, struct hf_cbor value,
                               struct hf_space *space, struct hf_slice *encoded);

/* Decode a claims set: claims.decode_claims.
 *   out: *claims, with slices into payload; unspecified on failure
 *   ret: 0 | HF_MALFORMED_CBOR | HF_MALFORMED_CLAIMS (map, or the claim's name)
 */
hf_verdict_t hf_claims_read(struct hf_slice payload, struct hf_claims *claims);

/* Decode a confirmation: cnf.decode_cnf, with cwt.open_encrypted_key to open an encrypted key.
 *   in:  value: the cnf map, in checked bytes
 *   out: *cnf; unspecified on failure
 *   ret: 0 | HF_MALFORMED_CLAIMS (several-keys kid no-key) | HF_MALFORMED_KEY | what hf_token_open_key returns
 */
hf_verdict_t hf_cnf_read(const struct hf_rules *rules, struct hf_slice issuer, struct hf_cbor value,
                         struct hf_space *space, struct hf_cnf *cnf);

/* Check that a confirmation key serves a profile: the _CNF_RULES of verifier.py.
 *   in:  cnf whose method is not CNF_KID; profile: one of those of hf_rules
 *   ret: 0 | HF_KEY_UNSUITABLE (method version hkdf alg ms psk key-ops) | HF_MALFORMED_KEY (coordinate-range not-on-curve)
 */
hf_verdict_t hf_cnf_check(const struct hf_cnf *cnf, uint8_t profile);

/* Check a P-256 point: crypto.Es256Key.
 *   in:  x, y: 32 bytes each
 *   ret: 0 | HF_MALFORMED_KEY (coordinate-range not-on-curve)
 */
hf_verdict_t hf_point_check(const uint8_t x[32], const uint8_t y[32]);

/* Turn a scope into permissions: scope.understand.
 *   in:  claims with a scope
 *   out: scopes: set bits for a text scope, zeros for an AIF; unspecified on failure
 *   ret: 0 | HF_MALFORMED_SCOPE (name too-long cbor array entry path methods) | HF_SCOPE_UNKNOWN (name empty path method)
 */
hf_verdict_t hf_scope_understand(const struct hf_claims *claims, const struct hf_rules *rules,
                                 uint8_t scopes[HF_MAX_SCOPES / 8]);

/* Whether text is a scope-token: printable ASCII but for space, quote and backslash, not empty (RFC 6749 3.3). */
bool hf_scope_is_token(struct hf_slice text);

/* One [path, methods], of a scope or of the scope map. */
struct hf_permission {
    struct hf_slice path;
    int32_t methods; /* the nearest that fits */
};

/* Read one permission of a list and move behind it.
 *   out: *permission: all zero where it is not [absolute path, number]
 *   ret: HF_DETAIL_NONE, ENTRY, PATH or METHODS
 */
enum hf_detail hf_permission_next(struct hf_cbor *permissions, struct hf_permission *permission);

/* One [name, permissions] of the scope map; permissions: the encoded array. */
struct hf_scope {
    struct hf_slice name;
    struct hf_slice permissions;
};

/* Read one scope of the map and move behind it; whether it is a pair of these types. */
bool hf_scope_next(struct hf_cbor *scopes, struct hf_scope *scope);

/* The methods of an AIF that have a bit in CoAP. */
#define HF_ALL_METHODS 0x7F

#endif
