"""Token vectors about the wrapper: tags, headers, keys, algorithms, nesting. One thing is wrong in each.

Expectations are written from RFC 8392 section 7.2, RFC 9052 and RFC 9770 section 3, never taken from a run.
"""

from vectors.gen import story as s
from vectors.gen import token_writer as w
from vectors.gen.rows import malformed, ok, refused

GOOD = s.claims()
LONGEST = 1024  # bytes of a token that an RS takes
CLEAR = s.claims({8: s.CNF_KID})  # what may travel in the clear
HEADER = w.protected(10, b"as-e1", s.IV)
SIGNED = w.tag(18, s.signed(GOOD))


def rows():
    yield from good()
    yield from tags()
    yield from headers()
    yield from iv_and_kid()
    yield from keys()
    yield from colliding_keys()
    yield from algorithms()
    yield from nesting()
    yield from protection()
    yield from cbor()


def good():
    yield ok("good-nested", "8392 A.6", s.nested())
    yield ok("good-nested-next-key", "8392 A.6", w.cwt(16, s.nested_message(GOOD, sign_key=s.SIGN_NEXT)))
    yield ok("good-encrypted", "8392 A.5", w.cwt(16, s.encrypted(GOOD)), keys="lean")
    for key, name in ((s.ENC_11, "11"), (s.ENC_30, "30"), (s.ENC_31, "31")):
        yield ok("good-encrypted-alg-" + name, "9053 4.2", w.cwt(16, s.encrypted(GOOD, key)), keys="any")
    yield ok("good-signed", "8392 A.3", w.cwt(18, s.signed(CLEAR)), keys="signed")
    yield ok("good-mac", "8392 A.4", w.cwt(17, s.maced(CLEAR)), keys="mac")
    yield ok("good-mac-256-64", "8392 A.4", w.cwt(17, s.maced(CLEAR, s.MAC_SHORT)), keys="mac")
    filler = s.claims(None, [(-9999, w.bstr(bytes(LONGEST - len(w.cwt(16, s.encrypted(GOOD))) - 7)))])
    yield ok("good-longest", "8392 3", w.cwt(16, s.encrypted(filler)), keys="lean")
    filler = s.claims(None, [(-9999, w.bstr(bytes(LONGEST - len(w.cwt(16, s.encrypted(GOOD))) - 6)))])
    yield malformed(
        "one-byte-too-long", "8392 3", "malformed-cose: too-long", w.cwt(16, s.encrypted(filler)), keys="lean"
    )
    order = w.mapping((4, w.bstr(b"as-s1")), (1, w.integer(-7)))
    yield ok("good-header-order", "9052 3", w.cwt(18, s.signed(CLEAR, header=order)), keys="signed")


def tags():
    message = s.encrypted(SIGNED)
    rfc = "9770 3"
    yield malformed("tag-none", rfc, "malformed-cose: tag", message)
    yield malformed("tag-only-cose", rfc, "malformed-cose: tag", w.tag(16, message))
    yield malformed("tag-only-cwt", "8392 6", "malformed-cose: tag", w.tag(61, message))
    yield malformed("tag-cwt-twice", rfc, "malformed-cose: tag", w.tag(61, w.cwt(16, message)))
    yield malformed("tag-cose-twice", rfc, "malformed-cose: structure", w.cwt(16, w.tag(16, message)))
    yield malformed("tag-order", rfc, "malformed-cose: tag", w.tag(16, w.tag(61, message)))
    yield malformed("tag-self-described", rfc, "malformed-cbor: tag", w.tag(55799, w.cwt(16, message)))
    yield malformed("tag-encrypt", rfc, "malformed-cbor: tag", w.cwt(96, message))
    yield malformed("tag-unknown", rfc, "malformed-cbor: tag", w.cwt(19, message))
    yield malformed("tag-mac0-over-encrypt0", rfc, "malformed-cose: structure", w.cwt(17, message))
    yield malformed("tag-sign1-over-encrypt0", rfc, "malformed-cose: structure", w.cwt(18, message))
    yield malformed("tag-encrypt0-over-sign1", rfc, "malformed-cose: structure", w.cwt(16, s.signed(GOOD)), keys="any")
    long = "malformed-cbor: not-shortest"
    for width in (2, 4, 8):
        yield malformed(f"tag-cwt-{width}-byte-form", rfc, long, w.tag(61, w.tag(16, message), width))
    for width in (1, 2, 4, 8):
        yield malformed(f"tag-cose-{width}-byte-form", rfc, long, w.tag(61, w.tag(16, message, width)))
    rest = w.array(w.bstr(HEADER), w.EMPTY_MAP, w.bstr(b"x" * 20))[1:]
    yield malformed("array-long-form", rfc, long, w.cwt(16, b"\x98\x03" + rest))
    yield malformed("array-indefinite", rfc, "malformed-cbor: indefinite", w.cwt(16, b"\x9f" + rest + b"\xff"))
    yield malformed(
        "array-short", "9052 5.2", "malformed-cose: structure", w.cwt(16, w.array(w.bstr(HEADER), w.EMPTY_MAP))
    )
    yield malformed("array-five", "9052 5.2", "malformed-cose: structure", w.cwt(16, b"\x84" + rest + w.bstr(b"")))
    for name, item in (("map", HEADER), ("text", w.tstr("x")), ("null", w.NULL)):
        parts = w.array(item, w.EMPTY_MAP, w.bstr(b"x" * 20))
        yield malformed("protected-" + name, "9052 5.2", "malformed-cose: structure", w.cwt(16, parts))
        parts = w.array(w.bstr(HEADER), item if name != "map" else w.bstr(b""), w.bstr(b"x" * 20))
        yield malformed("unprotected-not-map-" + name, "9052 5.2", "malformed-cose: structure", w.cwt(16, parts))
    detached = w.array(w.bstr(HEADER), w.EMPTY_MAP, w.NULL)
    yield malformed("ciphertext-detached", "9052 5.2", "malformed-cose: detached", w.cwt(16, detached))
    text = w.array(w.bstr(HEADER), w.EMPTY_MAP, w.tstr("x" * 20))
    yield malformed("ciphertext-text", "9052 5.2", "malformed-cose: structure", w.cwt(16, text))
    sig = w.array(w.bstr(w.protected(-7, b"as-s1")), w.EMPTY_MAP, w.bstr(CLEAR), w.NULL)
    yield malformed("signature-null", "9052 4.2", "malformed-cose: structure", w.cwt(18, sig), keys="signed")


def headers():
    rfc = "9770 3"
    why = "header-unprotected: unprotected"
    for name, pair in (
        ("unknown", (-70000, w.integer(1))),
        ("kid", (4, w.bstr(b"as-e1"))),
        ("text", ("x", w.integer(1))),
    ):
        header = w.protected(10, None, s.IV) if name == "kid" else HEADER
        token = w.cwt(16, s.encrypted(SIGNED, header=header, unprotected=w.mapping(pair)))
        yield refused("unprotected-" + name, rfc, why, token)
    iv = s.encrypted(SIGNED, header=w.protected(10, b"as-e1"), unprotected=w.mapping((5, w.bstr(s.IV))))
    yield refused("unprotected-iv", rfc, why, w.cwt(16, iv))
    alg = s.encrypted(SIGNED, header=w.protected(None, b"as-e1", s.IV), unprotected=w.mapping((1, w.integer(10))))
    yield refused("unprotected-alg", rfc, why, w.cwt(16, alg))
    inner = s.signed(GOOD, unprotected=w.mapping((4, w.bstr(b"as-s1"))), header=w.protected(-7))
    yield refused("inner-unprotected-kid", rfc, why, w.cwt(16, s.encrypted(w.tag(18, inner))))
    twice = s.encrypted(SIGNED, unprotected=w.mapping((4, w.bstr(b"as-e1"))))
    yield malformed("kid-in-both-headers", "9052 3", "malformed-cose: duplicate-header", w.cwt(16, twice))

    def protected(name, why, *more, fail=refused, rfc="8392 7.2"):
        return fail(name, rfc, why, w.cwt(16, s.encrypted(SIGNED, header=w.protected(10, b"as-e1", s.IV, *more))))

    yield protected(
        "crit-unknown", "crit-unknown: crit", (2, w.array(w.integer(99))), (99, w.integer(1)), rfc="9052 3.1"
    )
    yield protected("crit-known", "crit-unknown: crit", (2, w.array(w.integer(1))), rfc="9052 3.1")
    for name, crit in (
        ("empty", w.array()),
        ("absent-label", w.array(w.integer(99))),
        ("number", w.integer(99)),
        ("bytes-label", w.array(w.bstr(b"x"))),
    ):
        yield protected("crit-" + name, "malformed-cose: crit", (2, crit), fail=malformed, rfc="9052 3.1")
    crit = s.encrypted(SIGNED, unprotected=w.mapping((2, w.array(w.integer(99)))))
    yield malformed("crit-unprotected", "9052 3.1", "malformed-cose: crit", w.cwt(16, crit))
    parameter = "crit-unknown: parameter"
    yield protected("header-unknown", parameter, (99, w.integer(1)))
    yield protected("header-text-label", parameter, ("x", w.integer(1)))
    yield protected("header-content-type", parameter, (3, w.integer(61)))
    yield protected("header-kid-context", parameter, (10, w.bstr(b"c")))
    yield protected("header-cwt-claims", parameter, (15, w.mapping((3, w.tstr("all")))), rfc="9597 2")
    yield protected("header-typ", parameter, (16, w.tstr("application/cwt")))
    yield protected("header-partial-iv", "malformed-cose: iv", (6, w.bstr(b"\1")), fail=malformed, rfc="9052 3.1")
    yield protected(
        "header-duplicate", "malformed-cbor: duplicate-key", (4, w.bstr(b"x")), fail=malformed, rfc="9052 3"
    )
    yield protected("header-bytes-label", "malformed-cbor: key-type", (w.bstr(b""), w.NULL), fail=malformed)
    for name, header in (("array", w.array()), ("trailing", HEADER + b"\0"), ("garbage", b"\xff")):
        why = "malformed-cose: header" if name == "array" else "malformed-cbor: "
        why += {"trailing": "trailing", "garbage": "simple"}.get(name, "")
        yield malformed(
            "header-" + name,
            "9052 3",
            why.replace("simple", "indefinite"),
            w.cwt(16, s.encrypted(SIGNED, header=header)),
        )
    long = b"\xa3\x01\x18\x0a" + HEADER[3:]
    yield malformed(
        "header-long-integer", "9770 3", "malformed-cbor: not-shortest", w.cwt(16, s.encrypted(SIGNED, header=long))
    )
    signed = s.signed(CLEAR, header=w.protected(-7, b"as-s1", s.IV))
    yield refused("signed-with-iv", "8392 7.2", parameter, w.cwt(18, signed), keys="signed")


def iv_and_kid():
    def header(*fields):
        return w.cwt(16, s.encrypted(SIGNED, header=w.protected(*fields)))

    yield malformed("iv-missing", "9052 5.3", "malformed-cose: iv", header(10, b"as-e1"))
    yield malformed("iv-12-bytes", "9053 4.2", "malformed-cose: iv", header(10, b"as-e1", s.IV[:12]))
    yield malformed("iv-14-bytes", "9053 4.2", "malformed-cose: iv", header(10, b"as-e1", s.IV + b"\0"))
    yield malformed("iv-empty", "9053 4.2", "malformed-cose: iv", header(10, b"as-e1", b""))
    yield refused("iv-other", "9052 5.3", "bad-signature: no-key-fits", header(10, b"as-e1", bytes(13)))
    text = w.mapping((1, w.integer(10)), (4, w.bstr(b"as-e1")), (5, w.tstr("0123456789abc")))
    yield malformed("iv-text", "9052 3.1", "malformed-cose: header", w.cwt(16, s.encrypted(SIGNED, header=text)))
    yield refused("kid-missing", "9052 3.1", "unknown-key: missing", header(10, None, s.IV))
    yield refused("kid-unknown", "8392 7.2", "unknown-key: kid", header(10, b"as-e2", s.IV))
    yield refused("kid-empty", "8392 7.2", "unknown-key: kid", header(10, b"", s.IV))
    yield refused("kid-longer", "8392 7.2", "unknown-key: kid", header(10, b"as-e1\0", s.IV))
    yield refused("kid-shorter", "8392 7.2", "unknown-key: kid", header(10, b"as-e", s.IV))
    for name, kid in (("text", w.tstr("as-e1")), ("integer", w.integer(1)), ("null", w.NULL)):
        odd = w.mapping((1, w.integer(10)), (4, kid), (5, w.bstr(s.IV)))
        yield malformed("kid-" + name, "9052 3.1", "malformed-cose: header", w.cwt(16, s.encrypted(SIGNED, header=odd)))
    unknown = s.signed(GOOD, header=w.protected(-7, b"as-s9"))
    yield refused("inner-kid-unknown", "8392 7.2", "unknown-key: kid", w.cwt(16, s.encrypted(w.tag(18, unknown))))
    missing = s.signed(GOOD, header=w.protected(-7))
    yield refused("inner-kid-missing", "8392 7.2", "unknown-key: missing", w.cwt(16, s.encrypted(w.tag(18, missing))))


def keys():
    """A kid of the right role and the wrong key; a kid of another role."""
    stranger = s.SIGN | {"name": "stranger"}
    yield refused(
        "signed-by-stranger",
        "9200 5.10.1.1",
        "bad-signature: no-key-fits",
        w.cwt(18, s.signed(CLEAR, stranger)),
        keys="signed",
    )
    forged = s.nested_message(GOOD, sign_key=stranger)
    yield refused("inner-signed-by-stranger", "9200 5.10.1.1", "bad-signature: no-key-fits", w.cwt(16, forged))
    stranger = s.ENC | {"name": "stranger"}
    yield refused(
        "encrypted-by-stranger", "9200 5.10.1.1", "bad-signature: no-key-fits", w.cwt(16, s.encrypted(SIGNED, stranger))
    )
    stranger = s.MAC | {"name": "stranger"}
    yield refused(
        "maced-by-stranger",
        "9200 5.10.1.1",
        "bad-signature: no-key-fits",
        w.cwt(17, s.maced(CLEAR, stranger)),
        keys="mac",
    )
    why = "unknown-key: kid"
    enc_kid = s.maced(CLEAR, s.MAC | {"kid": b"as-e1"})
    yield refused("mac-names-encryption-key", "9052 7.1", why, w.cwt(17, enc_kid), keys="mac")
    mac_kid = s.signed(CLEAR, s.SIGN | {"kid": b"as-m1"})
    yield refused("signature-names-mac-key", "9052 7.1", why, w.cwt(18, mac_kid), keys="signed")
    sign_kid = s.encrypted(GOOD, s.ENC | {"kid": b"as-s1"})
    yield refused("encryption-names-signing-key", "9052 7.1", why, w.cwt(16, sign_kid), keys="any")
    # The classic: the public key's bytes as an HMAC key.
    public = w.public_xy("as-s1")
    for name, key in (("xy", public), ("x", public[:32]), ("point", b"\x04" + public)):
        message = w.mac0(CLEAR, w.protected(5, b"as-s1"), key)
        yield refused("mac-with-public-key-" + name, "9052 7.1", why, w.cwt(17, message), keys="any")


def colliding_keys():
    """One kid in three roles, and two ASes with the same kids: each key is tried only for its own role."""
    for role, key in (("encrypt", s.SAME_KID_ENC), ("mac", s.SAME_KID_MAC), ("sign", s.SAME_KID_SIGN)):
        write, tag, payload = {
            "encrypt": (s.encrypted, 16, GOOD),
            "mac": (s.maced, 17, CLEAR),
            "sign": (s.signed, 18, CLEAR),
        }[role]
        yield ok(f"same-kid-{role}", "8392 7.2", w.cwt(tag, write(payload, key)), keys="same-kid")
    swapped = w.mac0(CLEAR, w.protected(5, b"k"), w.public_xy("same-s")[:32])
    yield refused(
        "same-kid-mac-with-public-key", "9052 7.1", "bad-signature: no-key-fits", w.cwt(17, swapped), keys="same-kid"
    )
    swapped = w.mac0(CLEAR, w.protected(5, b"k"), s.material(s.SAME_KID_ENC))
    yield refused(
        "same-kid-mac-with-encryption-key",
        "9052 7.1",
        "bad-signature: no-key-fits",
        w.cwt(17, swapped),
        keys="same-kid",
    )
    other = s.claims({1: w.tstr(s.OTHER_ISSUER)})
    other_clear = s.claims({1: w.tstr(s.OTHER_ISSUER), 8: s.CNF_KID})
    yield ok("two-as-first-signed", "9200 5.10.1.1", w.cwt(18, s.signed(CLEAR)), keys="two-as")
    yield ok("two-as-second-signed", "9200 5.10.1.1", w.cwt(18, s.signed(other_clear, s.OTHER_SIGN)), keys="two-as")
    yield ok("two-as-second-maced", "9200 5.10.1.1", w.cwt(17, s.maced(other_clear, s.OTHER_MAC)), keys="two-as")
    yield ok("two-as-second-encrypted", "9200 5.10.1.1", w.cwt(16, s.encrypted(other, s.OTHER_ENC)), keys="two-as")
    both = s.nested_message(other, s.OTHER_ENC, s.OTHER_SIGN)
    yield ok("two-as-second-nested", "9200 5.10.1.1", w.cwt(16, both), keys="two-as")
    mixed = s.nested_message(GOOD, s.OTHER_ENC, s.SIGN)
    yield refused(
        "two-as-mixed-nesting", "9200 5.10.1.1", "bad-signature: no-key-fits", w.cwt(16, mixed), keys="two-as"
    )
    why = "wrong-issuer: iss"
    impostor = w.cwt(18, s.signed(CLEAR, s.OTHER_SIGN))
    yield refused("two-as-says-other-issuer", "9200 5.10.1.1", why, impostor, keys="two-as")
    impostor = w.cwt(16, s.encrypted(GOOD, s.OTHER_ENC))
    yield refused("two-as-encrypted-says-other-issuer", "9200 5.10.1.1", why, impostor, keys="two-as")
    unnamed = w.cwt(18, s.signed(s.claims({1: None, 8: s.CNF_KID}), s.OTHER_SIGN))
    yield ok("two-as-no-iss", "9200 5.10.1.1", unnamed, keys="two-as", iss=s.OTHER_ISSUER)


def algorithms():
    def signed(alg):
        return w.cwt(18, s.signed(CLEAR, header=w.protected(alg, b"as-s1")))

    yield refused("alg-missing", "9052 3.1", "unsupported-alg: missing", signed(None), keys="signed")
    for name, alg in (("0", 0), ("eddsa", -8), ("es384", -35), ("esp256", -9), ("hs256", 5), ("unknown", -70000)):
        yield refused("alg-" + name, "8392 7.2", "unsupported-alg: key", signed(alg), keys="signed")
    for name in ("none", "ES256", ""):
        yield refused(
            "alg-text-" + (name or "empty"), "8392 7.2", "unsupported-alg: key", signed(w.tstr(name)), keys="signed"
        )
    for name, item in (("bytes", w.bstr(b"")), ("float", w.f16(b"\xc7\x00")), ("true", w.TRUE), ("null", w.NULL)):
        yield malformed("alg-" + name, "9052 3.1", "malformed-cose: header", signed(item), keys="signed")
    unsigned = w.array(w.bstr(w.protected(w.tstr("none"), b"as-s1")), w.EMPTY_MAP, w.bstr(CLEAR), w.bstr(b""))
    yield refused("alg-none-no-signature", "8392 7.2", "unsupported-alg: key", w.cwt(18, unsigned), keys="signed")
    shorter = s.maced(CLEAR, s.MAC, header=w.protected(4, b"as-m1"), tag_len=8)
    yield refused("mac-key-with-shorter-tag", "9053 3.1", "unsupported-alg: key", w.cwt(17, shorter), keys="mac")
    longer = s.maced(CLEAR, s.MAC_SHORT, header=w.protected(5, b"as-m2"), tag_len=32)
    yield refused("mac-key-with-longer-tag", "9053 3.1", "unsupported-alg: key", w.cwt(17, longer), keys="mac")
    other = s.encrypted(GOOD, s.ENC, header=w.protected(30, b"as-e1", s.IV), tag_len=16)
    yield refused("ccm-key-with-other-tag-length", "9053 4.2", "unsupported-alg: key", w.cwt(16, other), keys="lean")
    gcm = s.encrypted(GOOD, s.ENC, header=w.protected(1, b"as-e1", s.IV[:12]))
    yield refused("gcm", "9053 4.1", "unsupported-alg: key", w.cwt(16, gcm), keys="lean")


def nesting():
    why = "unsupported-alg: format"
    yield refused("format-encrypted-where-nested", "9200 5.10.1.1", why, w.cwt(16, s.encrypted(GOOD)))
    yield refused("format-nested-where-encrypted", "9200 5.10.1.1", why, s.nested(), keys="lean")
    yield refused("format-signed-where-nested", "9200 5.10.1.1", why, w.cwt(18, s.signed(CLEAR)))
    yield refused("format-mac-where-signed", "9200 5.10.1.1", why, w.cwt(17, s.maced(CLEAR)), keys="signed")
    yield refused("format-signed-where-mac", "9200 5.10.1.1", why, w.cwt(18, s.signed(CLEAR)), keys="mac")
    yield refused("format-nested-where-signed", "9200 5.10.1.1", why, s.nested(), keys="signed")
    unknown = s.encrypted(GOOD, s.ENC | {"kid": b"nobody"})
    yield refused("format-encrypted-where-signed", "9200 5.10.1.1", why, w.cwt(16, unknown), keys="signed")
    mac_inside = s.encrypted(w.tag(17, s.maced(GOOD)))
    yield refused("nested-mac", "8392 7.1", why, w.cwt(16, mac_inside))
    yield malformed("nested-mac-where-any", "8392 7.2", "malformed-cbor: tag", w.cwt(16, mac_inside), keys="any")
    for name, inner in (
        ("cwt-tag-inside", w.cwt(18, s.signed(GOOD))),
        ("untagged-inside", s.signed(GOOD)),
        ("long-tag-inside", w.tag(18, s.signed(GOOD), 1)),
        ("empty-inside", b""),
    ):
        yield refused("nested-" + name, "8392 7.1", why, w.cwt(16, s.encrypted(inner)))
    twice = s.encrypted(w.tag(18, s.signed(w.tag(18, s.signed(GOOD)))))
    yield malformed("nested-signed-twice", "8392 7.2", "malformed-cbor: tag", w.cwt(16, twice))
    trailing = s.encrypted(SIGNED + b"\0")
    yield malformed("nested-trailing-inside", "8392 7.2", "malformed-cbor: trailing", w.cwt(16, trailing))
    cut = s.encrypted(SIGNED[:-1])
    yield malformed("nested-cut-inside", "8392 7.2", "malformed-cbor: truncated", w.cwt(16, cut))
    short = s.encrypted(w.tag(18, w.array(w.bstr(b""), w.EMPTY_MAP, w.bstr(b""))))
    yield malformed("nested-three-parts-inside", "8392 7.2", "malformed-cose: structure", w.cwt(16, short))
    es256 = s.signed(GOOD, header=w.protected(-8, b"as-s1"))
    yield refused("nested-alg-inside", "8392 7.2", "unsupported-alg: key", w.cwt(16, s.encrypted(w.tag(18, es256))))
    more = s.signed(GOOD, header=w.protected(-7, b"as-s1", None, (99, w.NULL)))
    yield refused(
        "nested-header-inside", "8392 7.2", "crit-unknown: parameter", w.cwt(16, s.encrypted(w.tag(18, more)))
    )


def protection():
    """Right key, wrong use of it: structures of another kind, another header, another aad, odd proofs."""
    bad = "bad-signature: no-key-fits"
    for name, options in (
        ("context", {"context": "Signature"}),
        ("mac-context", {"context": "MAC0"}),
        ("aad", {"aad": b"x"}),
    ):
        token = w.cwt(18, s.signed(CLEAR, **options))
        yield refused("signature-over-other-" + name, "9052 4.4", bad, token, keys="signed")
    token = w.cwt(17, s.maced(CLEAR, context="MAC"))
    yield refused("mac-over-other-context", "9052 6.3", bad, token, keys="mac")
    token = w.cwt(16, s.encrypted(SIGNED, context="Encrypt"))
    yield refused("encrypted-over-other-context", "9052 5.3", bad, token)
    yield refused("encrypted-with-aad", "9052 5.3", bad, w.cwt(16, s.encrypted(SIGNED, aad=b"x")))
    header = w.protected(-7, b"as-s1")

    def proof(signature, tag=18, header=header):
        return w.cwt(tag, w.array(w.bstr(header), w.EMPTY_MAP, w.bstr(CLEAR), w.bstr(signature)))

    whole = s.signed(CLEAR)[-64:]
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for name, signature in (
        ("empty", b""),
        ("zero", bytes(64)),
        ("63-bytes", whole[:-1]),
        ("65-bytes", whole + b"\0"),
        ("der", b"\x30\x44\x02\x20" + whole[:32] + b"\x02\x20" + whole[32:]),
        ("swapped", whole[32:] + whole[:32]),
        ("r-zero", bytes(32) + whole[32:]),
        ("s-zero", whole[:32] + bytes(32)),
        ("s-order", whole[:32] + n.to_bytes(32, "big")),
        ("ones", b"\xff" * 64),
        ("of-other-payload", s.signed(GOOD)[-64:]),
    ):
        yield refused("signature-" + name, "9053 2.1", bad, proof(signature), keys="signed")
    mac_header = w.protected(5, b"as-m1")
    mac = s.maced(CLEAR)[-32:]
    for name, tag in (
        ("empty", b""),
        ("zero", bytes(32)),
        ("31-bytes", mac[:-1]),
        ("8-bytes", mac[:8]),
        ("33-bytes", mac + b"\0"),
        ("of-other-payload", s.maced(GOOD)[-32:]),
    ):
        yield refused("mac-" + name, "9053 3.1", bad, proof(tag, 17, mac_header), keys="mac")
    for name, text in (("empty", b""), ("7-bytes", bytes(7)), ("8-bytes", bytes(8)), ("zero", bytes(99))):
        message = w.array(w.bstr(HEADER), w.EMPTY_MAP, w.bstr(text))
        yield refused("ciphertext-" + name, "9053 4.2", bad, w.cwt(16, message))


def cbor():
    good = s.nested()
    for name, token in (("trailing-zero", good + b"\0"), ("trailing-break", good + b"\xff"), ("twice", good + good)):
        yield malformed(name, "8949 5.3", "malformed-cbor: trailing", token)
    for name, token, why in (
        ("empty", b"", "cbor: truncated"),
        ("text-token", b"not a token at all", "cbor: trailing"),
        ("integer-token", b"\x01", "cose: tag"),
        ("map-token", b"\xa0", "cose: tag"),
        ("handle", bytes(range(0x10, 0x20)), "cbor: trailing"),
        ("huge-length", b"\xd8\x3d\xd0\x9b" + b"\xff" * 8, "cbor: truncated"),
        ("huge-bytes", b"\xd8\x3d\xd0\x83\x5b\x7f" + b"\xff" * 7, "cbor: truncated"),
        ("deep", b"\xd8\x3d\xd0" + b"\x81" * 200 + b"\x00", "cbor: depth"),
        ("tag-chain", b"\xd8\x3d" * 200 + b"\x00", "cbor: depth"),
        ("too-long", w.cwt(16, w.array(w.bstr(HEADER), w.EMPTY_MAP, w.bstr(bytes(1100)))), "cose: too-long"),
    ):
        yield malformed(name, "9200 5.10.1.1", "malformed-" + why, token)
    message = w.array(w.bstr(HEADER, 2), w.EMPTY_MAP, w.bstr(b"x" * 20))
    yield malformed("bytes-long-form", "9770 3", "malformed-cbor: not-shortest", w.cwt(16, message))
    chunks = w.array(w.bstr(HEADER), w.EMPTY_MAP, b"\x5f" + w.bstr(b"x" * 20) + b"\xff")
    yield malformed("bytes-indefinite", "9770 3", "malformed-cbor: indefinite", w.cwt(16, chunks))
    open_map = w.array(w.bstr(HEADER), b"\xbf\xff", w.bstr(b"x" * 20))
    yield malformed("map-indefinite", "9770 3", "malformed-cbor: indefinite", w.cwt(16, open_map))
