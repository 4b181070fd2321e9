"""The parties of the token vectors: keys, rule sets of the resource servers, and tokens with one thing changed.

A rule set is what an RS is configured with; its rows go to token_rules.jsonl. The tokens are the AS's side.
"""

from vectors.gen import token_writer as w

NOW = 1_800_000_000
ISSUER = "https://as.example"
OTHER_ISSUER = "https://as.other.example"
TUBE = "connected_tube_123"
RS_ID = b"tube"
IV = bytes(range(1, 14))
MS = bytes(range(0xE0, 0xF0))
OSC_ID = b"\x01\x02"
SALT = bytes(range(0xD0, 0xD8))

# kid -> (role, alg, issuer); the key material follows from the kid, so colliding kids have a name for theirs.
SIGN = {"role": "sign", "kid": b"as-s1", "alg": -7, "issuer": ISSUER, "name": "as-s1"}
SIGN_NEXT = {"role": "sign", "kid": b"as-s2", "alg": -7, "issuer": ISSUER, "name": "as-s2"}
MAC = {"role": "mac", "kid": b"as-m1", "alg": 5, "issuer": ISSUER, "name": "as-m1"}
MAC_SHORT = {"role": "mac", "kid": b"as-m2", "alg": 4, "issuer": ISSUER, "name": "as-m2"}
ENC = {"role": "encrypt", "kid": b"as-e1", "alg": 10, "issuer": ISSUER, "name": "as-e1"}
ENC_11 = {"role": "encrypt", "kid": b"as-e11", "alg": 11, "issuer": ISSUER, "name": "as-e11"}
ENC_30 = {"role": "encrypt", "kid": b"as-e30", "alg": 30, "issuer": ISSUER, "name": "as-e30"}
ENC_31 = {"role": "encrypt", "kid": b"as-e31", "alg": 31, "issuer": ISSUER, "name": "as-e31"}
# A second AS that may issue for the same RS, with kids of the first; and roles that share one kid.
OTHER_SIGN = {"role": "sign", "kid": b"as-s1", "alg": -7, "issuer": OTHER_ISSUER, "name": "other-s1"}
OTHER_ENC = {"role": "encrypt", "kid": b"as-e1", "alg": 10, "issuer": OTHER_ISSUER, "name": "other-e1"}
OTHER_MAC = {"role": "mac", "kid": b"as-m1", "alg": 5, "issuer": OTHER_ISSUER, "name": "other-m1"}
SAME_KID_ENC = {"role": "encrypt", "kid": b"k", "alg": 10, "issuer": ISSUER, "name": "same-e"}
SAME_KID_MAC = {"role": "mac", "kid": b"k", "alg": 5, "issuer": ISSUER, "name": "same-m"}
SAME_KID_SIGN = {"role": "sign", "kid": b"k", "alg": -7, "issuer": ISSUER, "name": "same-s"}

SCOPES = {
    "read_result": [["/result", 1]],
    "calibrate": [["/calibration", 4]],
    "manage": [["/result", 8], ["/log", 3]],
}
ALL_KEYS = [SIGN, SIGN_NEXT, MAC, MAC_SHORT, ENC, ENC_11, ENC_30, ENC_31]
RULES = {
    "tube": {"formats": ["cwt-nested"], "keys": [SIGN, SIGN_NEXT, ENC]},
    "lean": {"formats": ["cwt-encrypted"], "keys": [ENC]},
    "any": {"formats": ["cwt-encrypted", "cwt-nested", "cwt-signed", "cwt-mac"], "keys": ALL_KEYS},
    "signed": {"formats": ["cwt-signed"], "keys": ALL_KEYS, "profiles": [2, 1]},
    "mac": {"formats": ["cwt-mac"], "keys": ALL_KEYS, "profiles": [2, 1]},
    "two-as": {
        "formats": ["cwt-encrypted", "cwt-nested", "cwt-signed", "cwt-mac"],
        "keys": [SIGN, ENC, MAC, OTHER_SIGN, OTHER_ENC, OTHER_MAC],
    },
    "same-kid": {
        "formats": ["cwt-encrypted", "cwt-nested", "cwt-signed", "cwt-mac"],
        "keys": [SAME_KID_ENC, SAME_KID_MAC, SAME_KID_SIGN],
    },
    "fresh": {"formats": ["cwt-nested"], "keys": [SIGN, ENC], "require_cnonce": True},
    "leeway": {"formats": ["cwt-nested"], "keys": [SIGN, ENC], "leeway_s": 30},
    "loose": {"formats": ["cwt-encrypted", "cwt-nested"], "keys": [SIGN, ENC], "token_shape": "rfc8392"},
    "loose-signed": {"formats": ["cwt-signed"], "keys": ALL_KEYS, "profiles": [2, 1], "token_shape": "rfc8392"},
    "loose-mac": {"formats": ["cwt-mac"], "keys": [MAC, MAC_SHORT], "profiles": [2, 1], "token_shape": "rfc8392"},
    "loose-any": {
        "formats": ["cwt-encrypted", "cwt-nested", "cwt-signed", "cwt-mac"],
        "keys": ALL_KEYS,
        "profiles": [2, 1],
        "token_shape": "rfc8392",
    },
    "loose-two-as": {
        "formats": ["cwt-encrypted", "cwt-nested"],
        "keys": [SIGN, ENC, OTHER_SIGN, OTHER_ENC],
        "token_shape": "rfc8392",
    },
    "group": {"formats": ["cwt-nested"], "keys": [SIGN, ENC], "audiences": [TUBE, "all_tubes"]},
}


def material(key):
    """The public x||y, or the symmetric key, of a key above."""
    if key["role"] == "sign":
        return w.public_xy(key["name"])
    return w.symmetric(key["name"], 32 if key["role"] == "mac" else w.KEY_LENS[key["alg"]])


def rule_rows():
    for name, rules in RULES.items():
        keys = [
            {
                "role": key["role"],
                "kid": key["kid"].hex(),
                "alg": key["alg"],
                "issuer": key["issuer"],
                "key": material(key).hex(),
            }
            for key in rules["keys"]
        ]
        row = {"keys": name, "audiences": [TUBE], "profiles": [2], "rs_id": RS_ID.hex(), "scopes": SCOPES}
        yield (
            row
            | {"leeway_s": 0, "require_cnonce": False, "token_shape": "strict"}
            | rules
            | {"trusted": keys, "keys": name}
        )


# --- claims ---

CNF_OSC = w.mapping((4, w.mapping((0, w.bstr(OSC_ID)), (2, w.bstr(MS)), (5, w.bstr(SALT)))))
CNF_KID = w.mapping((3, w.bstr(OSC_ID)))
CLAIMS = {
    1: w.tstr(ISSUER),
    2: w.tstr("doctor"),
    3: w.tstr(TUBE),
    4: w.integer(NOW + 3600),
    6: w.integer(NOW - 10),
    7: w.bstr(b"\x11\x22\x33\x44"),
    8: CNF_OSC,
    9: w.tstr("read_result"),
    38: w.integer(2),
}


def claims(changes=None, extra=()):
    """The claims set of a good token, with claims replaced, or left out where the change is None."""
    merged = CLAIMS | (changes or {})
    return w.mapping(*[(label, merged[label]) for label in merged if merged[label] is not None], *extra)


# --- tokens: payload in, message out; a header is replaced as a whole ---


def signed(payload, key=SIGN, header=None, **options):
    return w.sign1(payload, header or w.protected(key["alg"], key["kid"]), key["name"], **options)


def maced(payload, key=MAC, header=None, **options):
    tag_len = 8 if key["alg"] == 4 else 32
    header = header or w.protected(key["alg"], key["kid"])
    return w.mac0(payload, header, material(key), options.pop("tag_len", tag_len), **options)


def encrypted(plaintext, key=ENC, header=None, iv=IV, **options):
    tag_len = options.pop("tag_len", w.TAG_LENS[key["alg"]])
    header = header or w.protected(key["alg"], key["kid"], iv)
    return w.encrypt0(plaintext, header, material(key), iv, tag_len, **options)


def nested_message(payload, key=ENC, sign_key=SIGN):
    return encrypted(w.tag(18, signed(payload, sign_key)), key)


def nested(changes=None, extra=()):
    """A good token for the tube but for the claims that change."""
    return w.cwt(16, nested_message(claims(changes, extra)))
