/* COSE_Sign1, COSE_Mac0 and COSE_Encrypt0 (RFC 9052), as holdfast_core/cose.py: reading, and checking the protection.
 *
 * The protected header enters the checked structures as the bytes received. The algorithm is the key's: the header must
 * agree, and never chooses. hf_token_open.c says what else a token may look like.
 */
#ifndef HF_COSE_H
#define HF_COSE_H

#include "hf_cbor.h"
#include "hf_p256.h"

#define HF_COSE_NO_ALG 0 /* reserved by the registry: stands for an algorithm that is a text or that no key has */
#define HF_COSE_NONCE_LEN 13 /* of the four AES-CCM algorithms, RFC 9053 section 4.2 */
#define HF_COSE_MAX_TAG_LEN 16

/* A provisioned key. material: x || y (sign), 32 bytes (mac), 16 or 32 bytes (encrypt), secret but for sign; table: of
 * hf_p256_table_make for a sign key, absent when there is none. */
struct hf_key {
    struct hf_slice kid;
    struct hf_slice issuer;
    struct hf_slice material;
    struct hf_slice table;
    int32_t alg;
    uint8_t role;
};

/* One decoded message, its protection not yet checked. protected_header: its content, empty for an empty map. alg, kid,
 * iv and partial_iv: from either header; crit: the encoded list. proof: signature or MAC tag, absent for COSE_Encrypt0. */
struct hf_cose {
    struct hf_slice protected_header;
    struct hf_slice kid;
    struct hf_slice iv;
    struct hf_slice partial_iv;
    struct hf_slice crit;
    struct hf_slice content;
    struct hf_slice proof;
    uint32_t protected_count; /* parameters */
    uint32_t unprotected_count;
    int32_t alg;
    uint8_t tag;
    bool has_alg;
    bool others_unprotected; /* the unprotected header has more than kid and IV */
};

/* Where plaintexts go, one behind the other. */
struct hf_space {
    uint8_t *p;
    size_t len; /* left from p on */
};

/* Read a message from its array.
 *   in:  tag: number of its COSE tag, any; parts: in bytes that hf_cbor_check accepted, fewer than 65536
 *   out: *message, its slices into the same bytes; unspecified on failure
 *   ret: 0 | HF_MALFORMED_CBOR (the protected header's content)
 *        | HF_MALFORMED_COSE with detail tag structure header detached duplicate-header crit iv
 */
hf_verdict_t hf_cose_read(uint32_t tag, struct hf_cbor parts, struct hf_cose *message);

/* Check the protection of a message by one key whose alg is the message's, and whose role is that of its tag; without
 * external AAD.
 *   in:  space: for what is decrypted, at least the message's plaintext, protected header and 20 bytes
 *   out: *payload: into the message, or into space, which then begins behind it; untouched on failure
 *   ret: 0 | HF_BAD_SIGNATURE | HF_MALFORMED_COSE (iv) | HF_CRIT_UNKNOWN (crit) | HF_LOCAL (space)
 *   time: never depends on the key's bytes
 */
hf_verdict_t hf_cose_open(const struct hf_cose *message, const struct hf_key *key, struct hf_space *space,
                          struct hf_slice *payload);

/* The role of the keys for a COSE tag; HF_ROLE_COUNT for any other tag. */
enum hf_role hf_cose_role(uint32_t tag);

#endif
