"""Token vectors of the other shape: what RFC 8392 leaves open, for an RS that takes it, and what even it refuses.

Expectations are written from RFC 8392 sections 6 and 7.2, RFC 9052 section 3 and RFC 9203 figure 11, never taken from
a run.
"""

from vectors.gen import story as s
from vectors.gen import token_writer as w
from vectors.gen.rows import malformed, ok, refused

GOOD = s.claims()
CLEAR = s.claims({8: s.CNF_KID})  # what may travel in the clear
KID, IV = (4, w.bstr(b"as-e1")), (5, w.bstr(s.IV))
RFC = "8392 7.2"


def sealed(content, protected, *unprotected, key=s.ENC):
    """COSE_Encrypt0 with these headers."""
    return s.encrypted(content, key, header=protected, unprotected=w.mapping(*unprotected))


def inner(protected, *unprotected, key=s.SIGN):
    """COSE_Sign1 with its tag, for a nested token."""
    return w.tag(18, s.signed(GOOD, key, header=protected, unprotected=w.mapping(*unprotected)))


def rows():
    yield from taken()
    yield from without_kid()
    yield from untagged()
    yield from never()


def taken():
    alg = w.protected(10)
    as_published = w.tag(16, sealed(GOOD, alg, KID, IV))
    yield ok("shape-encrypted-a5", "8392 A.5", as_published, keys="loose")
    yield malformed("shape-encrypted-a5-strict", "9770 3", "malformed-cose: tag", as_published, keys="lean")
    for name, protected, unprotected in (
        ("both-inside", w.protected(10, b"as-e1", s.IV), ()),
        ("kid-outside", w.protected(10, None, s.IV), (KID,)),
        ("iv-outside", w.protected(10, b"as-e1"), (IV,)),
        ("both-outside", alg, (KID, IV)),
        ("other-order", alg, (IV, KID)),
    ):
        message = sealed(GOOD, protected, *unprotected)
        yield ok("shape-tag-61-" + name, "9052 3", w.cwt(16, message), keys="loose")
        yield ok("shape-" + name, "8392 6", w.tag(16, message), keys="loose")
        if unprotected:
            why = "header-unprotected: unprotected"
            yield refused(f"shape-tag-61-{name}-strict", "9770 3", why, w.cwt(16, message), keys="lean")
    sign_kid = (4, w.bstr(b"as-s1"))
    nested = sealed(inner(w.protected(-7), sign_kid), alg, KID, IV)
    yield ok("shape-nested-a6", "8392 A.6", w.tag(16, nested), keys="loose")
    yield malformed("shape-nested-a6-strict", "9770 3", "malformed-cose: tag", w.tag(16, nested))
    tagged = sealed(inner(w.protected(-7), sign_kid), w.protected(10, b"as-e1", s.IV))
    yield refused("shape-inner-kid-strict", "9770 3", "header-unprotected: unprotected", w.cwt(16, tagged))
    signed = s.signed(CLEAR, header=w.protected(-7), unprotected=w.mapping(sign_kid))
    yield ok("shape-signed-a3", "8392 A.3", w.tag(18, signed), keys="loose-signed")
    maced = s.maced(CLEAR, s.MAC_SHORT, header=w.protected(4), unprotected=w.mapping((4, w.bstr(b"as-m2"))))
    yield ok("shape-maced-a4", "8392 A.4", w.cwt(17, maced), keys="loose-mac")
    yield ok("shape-strict-token", "9770 3", w.cwt(16, s.encrypted(GOOD)), keys="loose")


def without_kid():
    one = sealed(GOOD, w.protected(10, None, s.IV))
    yield ok("shape-no-kid", "8392 7.2", w.cwt(16, one), keys="loose")
    yield refused("shape-no-kid-strict", RFC, "unknown-key: missing", w.cwt(16, one), keys="lean")
    yield refused("shape-no-kid-two-as", RFC, "unknown-key: missing", w.cwt(16, one), keys="loose-two-as")
    # of the keys of a role only those of the header's algorithm can be meant
    yield ok("shape-no-kid-one-of-alg", RFC, w.cwt(16, one), keys="loose-any")
    other = sealed(GOOD, w.protected(11, None, s.IV), key=s.ENC_11)
    yield refused("shape-no-kid-none-of-alg", RFC, "unsupported-alg: key", w.cwt(16, other), keys="loose")
    signed = s.signed(CLEAR, header=w.protected(-7))
    yield refused("shape-no-kid-two-signers", RFC, "unknown-key: missing", w.tag(18, signed), keys="loose-signed")
    yield refused("shape-no-kid-no-key", RFC, "unsupported-alg: format", w.tag(18, signed), keys="loose")
    maced = s.maced(CLEAR, header=w.protected(5))
    yield ok("shape-no-kid-mac", RFC, w.tag(17, maced), keys="loose-mac")
    # the issuer of the outer key leaves one signer
    nested = sealed(inner(w.protected(-7)), w.protected(10, b"as-e1", s.IV))
    yield ok("shape-no-kid-inner", RFC, w.cwt(16, nested), keys="loose")
    yield ok("shape-no-kid-inner-two-as", RFC, w.cwt(16, nested), keys="loose-two-as")
    yield refused("shape-no-kid-inner-two-signers", RFC, "unknown-key: missing", w.cwt(16, nested), keys="loose-any")
    forged = sealed(GOOD, w.protected(10, None, s.IV), key=s.ENC | {"name": "stranger"})
    yield refused("shape-no-kid-forged", RFC, "bad-signature: no-key-fits", w.cwt(16, forged), keys="loose")


def untagged():
    rfc = "9203 figure 11"
    message = sealed(GOOD, w.protected(10), KID, IV)
    yield ok("shape-untagged", rfc, message, keys="loose")
    yield ok("shape-untagged-any", rfc, message, keys="loose-any")
    yield malformed("shape-untagged-strict", "9770 3", "malformed-cose: tag", message, keys="lean")
    yield malformed("shape-untagged-tag-61", "8392 6", "malformed-cose: tag", w.tag(61, message), keys="loose")
    signed = s.signed(CLEAR)
    yield ok("shape-untagged-signed", rfc, signed, keys="loose-signed")
    yield ok("shape-untagged-mac", rfc, s.maced(CLEAR), keys="loose-mac")
    for keys in ("loose", "loose-any"):  # four parts are no encrypted token, or may be one of two
        yield malformed("shape-untagged-four-" + keys, rfc, "malformed-cose: tag", signed, keys=keys)
    yield malformed("shape-untagged-empty", rfc, "malformed-cose: tag", w.array(), keys="loose")
    yield malformed(
        "shape-untagged-five", rfc, "malformed-cose: structure", w.array(*[w.bstr(b"")] * 5), keys="loose-mac"
    )
    yield refused("shape-untagged-other-format", rfc, "unsupported-alg: format", message, keys="loose-mac")


def never():
    full = w.protected(10, b"as-e1", s.IV)
    why = "header-unprotected: unprotected"
    for name, pair in (
        ("unknown", (-70000, w.integer(1))),
        ("text", ("x", w.integer(1))),
        ("partial-iv", (6, w.bstr(b"\x01"))),
    ):
        token = w.cwt(16, sealed(GOOD, w.protected(10, b"as-e1"), pair, IV))
        if name == "partial-iv":
            yield malformed("shape-outside-" + name, "9052 3.1", "malformed-cose: iv", token, keys="loose")
        else:
            yield refused("shape-outside-" + name, "9052 3", why, token, keys="loose")
    algless = sealed(GOOD, w.protected(None, b"as-e1", s.IV), (1, w.integer(10)))
    yield refused("shape-outside-alg", "9052 3", why, w.cwt(16, algless), keys="loose")
    twice = sealed(GOOD, full, KID)
    yield malformed("shape-kid-twice", "9052 3", "malformed-cose: duplicate-header", w.cwt(16, twice), keys="loose")
    for name, item in (("text", w.tstr("as-e1")), ("null", w.NULL)):
        typed = sealed(GOOD, w.protected(10, None, s.IV), (4, item))
        yield malformed("shape-kid-" + name, "9052 3.1", "malformed-cose: header", w.cwt(16, typed), keys="loose")
    more = sealed(GOOD, w.protected(10, b"as-e1", s.IV, (-70000, w.integer(1))))
    yield refused("shape-inside-unknown", RFC, "crit-unknown: parameter", w.cwt(16, more), keys="loose")
    with_iv = s.signed(CLEAR, unprotected=w.mapping(IV))
    yield refused("shape-signed-iv", RFC, "crit-unknown: parameter", w.cwt(18, with_iv), keys="loose-signed")
    no_iv = sealed(GOOD, w.protected(10), KID)
    yield malformed("shape-no-iv", "9052 5.3", "malformed-cose: iv", w.cwt(16, no_iv), keys="loose")
    crit = sealed(GOOD, w.protected(10, b"as-e1", s.IV, (2, w.array(w.integer(4)))))
    yield refused("shape-crit", "9052 3.1", "crit-unknown: crit", w.cwt(16, crit), keys="loose")
    no_alg = sealed(GOOD, w.protected(None, b"as-e1", s.IV))
    yield refused("shape-no-alg", "9052 3.1", "unsupported-alg: missing", w.cwt(16, no_alg), keys="loose")
    other_kid = sealed(GOOD, w.protected(10), (4, w.bstr(b"x")), IV)
    yield refused("shape-other-kid", RFC, "unknown-key: kid", w.cwt(16, other_kid), keys="loose")
    moved = s.encrypted(GOOD, header=w.protected(10), unprotected=w.mapping(KID, (5, w.bstr(bytes(13)))))
    yield refused("shape-iv-changed", "9052 5.3", "bad-signature: no-key-fits", w.cwt(16, moved), keys="loose")
    for name, token in (("integer", w.integer(1)), ("map", w.EMPTY_MAP), ("bytes", w.bstr(b"x"))):
        yield malformed("shape-" + name, "8392 6", "malformed-cose: tag", token, keys="loose")
    yield malformed(
        "shape-tag-61-twice", "8392 6", "malformed-cose: tag", w.tag(61, w.cwt(16, sealed(GOOD, full))), keys="loose"
    )
