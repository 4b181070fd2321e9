"""Verdicts of the C core by name: which exception a status is, and the text of each detail.

Written by scripts/gen_verdicts.py from native/include/hf_status.h and hf_verdict.h; a test compares. Loaded when the
first refusal is raised.
"""

from holdfast_core import errors

ERRORS = (
    (0x10, errors.MalformedCbor),
    (0x11, errors.MalformedCose),
    (0x12, errors.MalformedClaims),
    (0x13, errors.MalformedScope),
    (0x14, errors.MalformedKey),
    (0x15, errors.MalformedOscore),
    (0x16, errors.MalformedCoap),
    (0x40, errors.BadSignature),
    (0x41, errors.UnknownKey),
    (0x42, errors.UnsupportedAlg),
    (0x43, errors.CritUnknown),
    (0x44, errors.HeaderUnprotected),
    (0x45, errors.WrongIssuer),
    (0x46, errors.TokenExpired),
    (0x47, errors.NotYetValid),
    (0x48, errors.WrongAudience),
    (0x49, errors.ScopeUnknown),
    (0x4A, errors.CnonceStale),
    (0x4B, errors.Replayed),
    (0x4C, errors.KeyUnsuitable),
    (0x4D, errors.ProfileUnsupported),
    (0x60, errors.ReplayDetected),
    (0x61, errors.DecryptionFailed),
    (0x62, errors.NotAuthentic),
    (0x63, errors.UnknownContext),
    (0x70, errors.ResourceForbidden),
    (0x71, errors.MethodForbidden),
    (0x80, errors.LocalError),
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
