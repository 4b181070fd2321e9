"""Verdicts of the C core by name: which exception a status is, and the text of each detail.

Written by scripts/gen_verdicts.py from native/include/hf_status.h and hf_verdict.h; a test compares. Loaded when the
first refusal is raised. Exceptions are names in errors.py: a board makes only those that it raises.
"""

ERRORS = (
    (0x10, "MalformedCbor"),
    (0x11, "MalformedCose"),
    (0x12, "MalformedClaims"),
    (0x13, "MalformedScope"),
    (0x14, "MalformedKey"),
    (0x15, "MalformedOscore"),
    (0x16, "MalformedCoap"),
    (0x40, "BadSignature"),
    (0x41, "UnknownKey"),
    (0x42, "UnsupportedAlg"),
    (0x43, "CritUnknown"),
    (0x44, "HeaderUnprotected"),
    (0x45, "WrongIssuer"),
    (0x46, "TokenExpired"),
    (0x47, "NotYetValid"),
    (0x48, "WrongAudience"),
    (0x49, "ScopeUnknown"),
    (0x4A, "CnonceStale"),
    (0x4B, "Replayed"),
    (0x4C, "KeyUnsuitable"),
    (0x4D, "ProfileUnsupported"),
    (0x60, "ReplayDetected"),
    (0x61, "DecryptionFailed"),
    (0x62, "NotAuthentic"),
    (0x63, "UnknownContext"),
    (0x70, "ResourceForbidden"),
    (0x71, "MethodForbidden"),
    (0x80, "LocalError"),
)
# fmt: off
DETAILS = (
    "", "truncated", "trailing", "indefinite", "reserved", "not-shortest", "duplicate-key", "key-type", "depth", "tag",
    "utf8", "simple", "float", "too-long", "structure", "header", "detached", "duplicate-header", "crit", "iv",
    "unprotected", "parameter", "format", "key", "kid", "missing", "no-key-fits", "map", "iss", "sub", "aud", "exp",
    "nbf", "iat", "cti", "cnf", "scope", "ace_profile", "cnonce", "exi", "act", "several-keys", "no-key", "unknown",
    "id", "ms", "version", "hkdf", "alg", "salt", "context-id", "kty", "key-ops", "private", "crv", "x", "y", "k",
    "coordinate-range", "not-on-curve", "name", "empty", "path", "method", "cbor", "array", "entry", "methods",
    "endless", "no-clock", "no-cti", "no-floor", "other-rs", "sequence", "stale", "psk", "in-clear", "rules", "length",
    "table", "scratch",
)
# fmt: on
