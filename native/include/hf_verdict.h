/* A verdict: the status that says which class of error it is, and the detail that says which check found it.
 * Details are those of the exceptions in holdfast_core, text for text.
 */
#ifndef HF_VERDICT_H
#define HF_VERDICT_H

#include <stdint.h>

#include "hf_status.h"

/* Name and text of every detail; the order is that of the files of holdfast_core. */
/* clang-format off */
#define HF_DETAILS(D) \
    D(NONE, "") \
    /* cbor.py */ \
    D(TRUNCATED, "truncated") D(TRAILING, "trailing") D(INDEFINITE, "indefinite") D(RESERVED, "reserved") \
    D(NOT_SHORTEST, "not-shortest") D(DUPLICATE_KEY, "duplicate-key") D(KEY_TYPE, "key-type") D(DEPTH, "depth") \
    D(TAG, "tag") D(UTF8, "utf8") D(SIMPLE, "simple") D(FLOAT, "float") D(TOO_LONG, "too-long") \
    /* cose.py, cwt.py */ \
    D(STRUCTURE, "structure") D(HEADER, "header") D(DETACHED, "detached") D(DUPLICATE_HEADER, "duplicate-header") \
    D(CRIT, "crit") D(IV, "iv") D(UNPROTECTED, "unprotected") D(PARAMETER, "parameter") D(FORMAT, "format") \
    D(KEY, "key") D(KID, "kid") D(MISSING, "missing") D(NO_KEY_FITS, "no-key-fits") \
    /* claims.py */ \
    D(MAP, "map") D(ISS, "iss") D(SUB, "sub") D(AUD, "aud") D(EXP, "exp") D(NBF, "nbf") D(IAT, "iat") D(CTI, "cti") \
    D(CNF, "cnf") D(SCOPE, "scope") D(ACE_PROFILE, "ace_profile") D(CNONCE, "cnonce") D(EXI, "exi") D(ACT, "act") \
    /* cnf.py, cose_key.py, crypto.py */ \
    D(SEVERAL_KEYS, "several-keys") D(NO_KEY, "no-key") D(UNKNOWN, "unknown") D(ID, "id") D(MS, "ms") \
    D(VERSION, "version") D(HKDF, "hkdf") D(ALG, "alg") D(SALT, "salt") D(CONTEXT_ID, "context-id") D(KTY, "kty") \
    D(KEY_OPS, "key-ops") D(PRIVATE, "private") D(CRV, "crv") D(X, "x") D(Y, "y") D(K, "k") \
    D(COORDINATE_RANGE, "coordinate-range") D(NOT_ON_CURVE, "not-on-curve") \
    /* scope.py */ \
    D(NAME, "name") D(EMPTY, "empty") D(PATH, "path") D(METHOD, "method") D(CBOR, "cbor") D(ARRAY, "array") \
    D(ENTRY, "entry") D(METHODS, "methods") \
    /* verifier.py */ \
    D(ENDLESS, "endless") D(NO_CLOCK, "no-clock") D(NO_CTI, "no-cti") D(NO_FLOOR, "no-floor") \
    D(OTHER_RS, "other-rs") D(SEQUENCE, "sequence") D(STALE, "stale") D(PSK, "psk") D(IN_CLEAR, "in-clear") \
    /* ours: what a caller got wrong */ \
    D(RULES, "rules") D(LENGTH, "length") D(TABLE, "table") D(SCRATCH, "scratch")
/* clang-format on */

#define HF_DETAIL_NAME(name, text) HF_DETAIL_##name,
enum hf_detail { HF_DETAILS(HF_DETAIL_NAME) HF_DETAIL_COUNT };
#undef HF_DETAIL_NAME

/* enum hf_status in the low 8 bits, enum hf_detail above; 0 is HF_OK. */
typedef uint32_t hf_verdict_t;

#define HF_VERDICT(status, detail) ((hf_verdict_t)(status) | (hf_verdict_t)HF_DETAIL_##detail << 8)

static inline enum hf_status hf_verdict_status(hf_verdict_t verdict)
{
    return (enum hf_status)(verdict & 0xFF);
}

static inline enum hf_detail hf_verdict_detail(hf_verdict_t verdict)
{
    return (enum hf_detail)(verdict >> 8);
}

/* The verdict of a check whose failures all have one status; HF_OK when there is no detail. */
static inline hf_verdict_t hf_verdict_of(enum hf_status status, enum hf_detail detail)
{
    return detail == HF_DETAIL_NONE ? (hf_verdict_t)HF_OK : (hf_verdict_t)status | (hf_verdict_t)detail << 8;
}

/* The text of a detail, for logs and tests.
 *   in:  detail, any value
 *   ret: constant text, "" for HF_DETAIL_NONE and for any value that is no detail
 */
const char *hf_detail_text(enum hf_detail detail);

#endif
