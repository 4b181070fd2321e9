/* Every status that a function of the core returns: one enum, in ranges, so that callers can branch by class.
 * The names are those of the exceptions in holdfast_core/errors.py; a test keeps both lists the same.
 */
#ifndef HF_STATUS_H
#define HF_STATUS_H

enum hf_status {
    HF_OK = 0,

    /* 0x10: bytes that do not decode; answered 4.00 (RFC 9200 section 5.10.1) */
    HF_MALFORMED_CBOR = 0x10,
    HF_MALFORMED_COSE,
    HF_MALFORMED_CLAIMS,
    HF_MALFORMED_SCOPE,
    HF_MALFORMED_KEY,
    HF_MALFORMED_OSCORE,
    HF_MALFORMED_COAP,

    /* 0x40: tokens that decode and are refused (RFC 9200 section 5.10.1.1) */
    HF_BAD_SIGNATURE = 0x40,
    HF_UNKNOWN_KEY,
    HF_UNSUPPORTED_ALG,
    HF_CRIT_UNKNOWN,
    HF_HEADER_UNPROTECTED,
    HF_WRONG_ISSUER,
    HF_TOKEN_EXPIRED,
    HF_NOT_YET_VALID,
    HF_WRONG_AUDIENCE,
    HF_SCOPE_UNKNOWN,
    HF_CNONCE_STALE,
    HF_REPLAYED,
    HF_KEY_UNSUITABLE,
    HF_PROFILE_UNSUPPORTED,

    /* 0x60: OSCORE messages that decode and are refused (RFC 8613 section 8.2), and primitives */
    HF_REPLAY_DETECTED = 0x60,
    HF_DECRYPTION_FAILED,
    HF_NOT_AUTHENTIC,
    HF_UNKNOWN_CONTEXT,

    /* 0x70: requests without the right (RFC 9200 section 5.10.2) */
    HF_RESOURCE_FORBIDDEN = 0x70,
    HF_METHOD_FORBIDDEN,

    /* 0x80: the caller broke a documented condition */
    HF_LOCAL = 0x80
};

#endif
