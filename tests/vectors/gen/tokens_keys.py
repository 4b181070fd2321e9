"""Token vectors about the key a token confirms: cnf, OSCORE input material, COSE_Key, and which profile it can serve.

Expectations are written from RFC 8747 section 3, RFC 9203 section 3.2, RFC 9053 section 7 and RFC 9201 section 5.
"""

from vectors.gen import story as s
from vectors.gen import token_writer as w
from vectors.gen.rows import malformed, ok, refused

XY = w.public_xy("client")
EC2 = ((1, w.integer(2)), (-1, w.integer(1)), (-2, w.bstr(XY[:32])), (-3, w.bstr(XY[32:])))
PSK = ((1, w.integer(4)), (-1, w.bstr(s.MS)))


def rows():
    yield from cnf()
    yield from osc()
    yield from key_suitability()


def cnf():
    rfc = "8747 3.1"

    def token(*members):
        return s.nested({8: w.mapping(*members)})

    osc = (4, w.mapping((0, w.bstr(s.OSC_ID)), (2, w.bstr(s.MS))))
    ec2 = (1, w.mapping(*EC2))
    yield ok("cnf-kid", "9203 3.2", s.nested({8: s.CNF_KID}))
    yield ok("cnf-unknown-member", rfc, token(osc, (77, w.bstr(b""))))
    yield ok("cnf-osc-and-its-kid", rfc, token(osc, (3, w.bstr(s.OSC_ID))))
    yield refused("cnf-missing", "9200 5.10.1.1", "key-unsuitable: missing", s.nested({8: None}))
    yield refused("cnf-public-key-for-oscore", "9201 5", "key-unsuitable: method", token(ec2))
    for name, why, members in (
        ("empty", "no-key", ()),
        ("unknown-only", "no-key", ((77, w.bstr(b"")),)),
        ("thumbprint-only", "no-key", ((5, w.bstr(bytes(32))),)),
        ("two-keys", "several-keys", (osc, ec2)),
        ("key-and-encrypted", "several-keys", (ec2, (2, w.array()))),
        ("osc-and-other-kid", "several-keys", (osc, (3, w.bstr(b"x")))),
        ("kid-text", "kid", ((3, w.tstr("x")),)),
        ("osc-kid-text", "kid", (osc, (3, w.tstr("x")))),
    ):
        yield malformed("cnf-" + name, rfc, "malformed-claims: " + why, token(*members))
    yield malformed("cnf-key-not-map", "8747 3.2", "malformed-key: map", token((1, w.bstr(b""))))


def osc():
    rfc = "9203 3.2.1"
    base = {0: w.bstr(s.OSC_ID), 2: w.bstr(s.MS)}

    def token(**changes):
        members = base | {int(label[1:]): item for label, item in changes.items()}
        return s.nested({8: w.mapping((4, w.mapping(*[(k, v) for k, v in members.items() if v is not None])))})

    yield ok("osc-least", rfc, token())
    full = {"_1": w.integer(1), "_3": w.integer(5), "_4": w.integer(10), "_5": w.bstr(b""), "_6": w.bstr(b"ctx")}
    yield ok("osc-all", rfc, token(**full))
    yield ok("osc-names", rfc, token(_3=w.tstr("HMAC 256/256"), _4=w.tstr("AES-CCM-16-64-128")))
    for alg in (11, 30, 31):
        yield ok(f"osc-alg-{alg}", rfc, token(_4=w.integer(alg)))
    yield ok("osc-ms-16", rfc, token(_2=w.bstr(bytes(16))))
    yield ok("osc-ms-64", rfc, token(_2=w.bstr(bytes(64))))
    for name, why, changes in (
        ("ms-15", "ms", {"_2": w.bstr(bytes(15))}),
        ("ms-65", "ms", {"_2": w.bstr(bytes(65))}),
        ("ms-empty", "ms", {"_2": w.bstr(b"")}),
        ("version-2", "version", {"_1": w.integer(2)}),
        ("version-0", "version", {"_1": w.integer(0)}),
        ("hkdf-512", "hkdf", {"_3": w.integer(7)}),
        ("hkdf-direct", "hkdf", {"_3": w.integer(-10)}),
        ("alg-gcm", "alg", {"_4": w.integer(1)}),
        ("alg-es256", "alg", {"_4": w.integer(-7)}),
        ("alg-zero", "alg", {"_4": w.integer(0)}),
    ):
        yield refused("osc-" + name, "9201 5", "key-unsuitable: " + why, token(**changes))
    for name, why, changes in (
        ("ms-missing", "ms", {"_2": None}),
        ("id-missing", "id", {"_0": None}),
        ("unknown-field", "unknown", {"_7": w.NULL}),
        ("ms-text", "ms", {"_2": w.tstr("0123456789abcdef")}),
        ("id-integer", "id", {"_0": w.integer(1)}),
        ("salt-text", "salt", {"_5": w.tstr("salt")}),
        ("salt-null", "salt", {"_5": w.NULL}),
        ("context-integer", "context-id", {"_6": w.integer(1)}),
        ("alg-unknown-name", "alg", {"_4": w.tstr("aes-ccm-16-64-128")}),
        ("alg-true", "alg", {"_4": w.TRUE}),
        ("hkdf-unknown-name", "hkdf", {"_3": w.tstr("HMAC 256/64")}),
        ("hkdf-bytes", "hkdf", {"_3": w.bstr(b"\5")}),
        ("version-text", "version", {"_1": w.tstr("1")}),
    ):
        yield malformed("osc-" + name, rfc, "malformed-key: " + why, token(**changes))
    not_map = s.nested({8: w.mapping((4, w.array(w.bstr(s.MS))))})
    yield malformed("osc-array", rfc, "malformed-key: map", not_map)


def key_suitability():
    """The DTLS profile's keys, in signed tokens: public ones in the clear, secret ones encrypted."""

    def token(*members, method=1, profile=1):
        key = members[0] if method == 2 else w.mapping(*members)
        payload = s.claims({8: w.mapping((method, key)), 38: w.integer(profile)})
        return w.cwt(18, s.signed(payload))

    def sealed(*members, key=s.ENC, **options):
        message = s.encrypted(w.mapping(*members), key, **options)
        return token(message, method=2)

    def good(name, made, rfc="9202 3.2"):
        return ok("key-" + name, rfc, made, keys="signed")

    def unsuitable(name, why, made):
        return refused("key-" + name, "9201 5", "key-unsuitable: " + why, made, keys="signed")

    yield good("ec2", token(*EC2))
    yield good("ec2-alg-and-ops", token(*EC2, (2, w.bstr(b"kid")), (3, w.integer(-7)), (4, w.array(w.integer(2)))))
    yield good("ec2-unknown-member", token(*EC2, (-99, w.NULL)), "9052 7")
    yield good("psk-sealed", sealed(*PSK), "8747 3.3")
    bare = w.protected(10), w.mapping((5, w.bstr(s.IV)))
    yield good("psk-sealed-without-kid", sealed(*PSK, header=bare[0], unprotected=bare[1]), "8747 3.3")
    yield good("psk-sealed-and-tagged", token(w.tag(16, s.encrypted(w.mapping(*PSK))), method=2), "8747 3.3")
    yield good("psk-for-derivation", sealed(*PSK, (3, w.integer(-10)), (4, w.array(w.integer(7)))), "9202 3.3")
    yield unsuitable("psk-in-clear", "in-clear", token(*PSK))
    clear = w.cwt(18, s.signed(s.claims()))
    yield unsuitable("osc-in-clear-signed", "in-clear", clear)
    clear = w.cwt(17, s.maced(s.claims()))
    yield refused("key-osc-in-clear-maced", "9203 3.2", "key-unsuitable: in-clear", clear, keys="mac")
    yield unsuitable("psk-short", "psk", sealed((1, w.integer(4)), (-1, w.bstr(bytes(15)))))
    yield unsuitable("psk-alg-hmac", "alg", sealed(*PSK, (3, w.integer(5))))
    yield unsuitable("psk-ops-mac", "key-ops", sealed(*PSK, (4, w.array(w.integer(9), w.integer(10)))))
    yield unsuitable("ec2-alg-es384", "alg", token(*EC2, (3, w.integer(-35))))
    yield unsuitable("ec2-alg-text", "alg", token(*EC2, (3, w.tstr("ES256"))))
    yield unsuitable("ec2-ops-derive", "key-ops", token(*EC2, (4, w.array(w.integer(7)))))
    yield unsuitable("osc-for-dtls", "method", w.cwt(18, s.signed(s.claims({38: w.integer(1)}))))
    for name, why, members in (
        ("kty-missing", "kty", EC2[1:]),
        ("kty-okp", "kty", ((1, w.integer(1)), *EC2[1:])),
        ("kty-rsa", "kty", ((1, w.integer(3)), *EC2[1:])),
        ("kty-text", "kty", ((1, w.tstr("EC2")), *EC2[1:])),
        ("kty-true", "kty", ((1, w.TRUE), *EC2[1:])),
        ("kty-float", "kty", ((1, w.f16(b"\x40\x00")), *EC2[1:])),
        ("kty-float-symmetric", "kty", ((1, w.f16(b"\x44\x00")), PSK[1])),
        ("crv-float", "crv", (EC2[0], (-1, w.f16(b"\x3c\x00")), *EC2[2:])),
        ("crv-missing", "crv", (EC2[0], *EC2[2:])),
        ("crv-p384", "crv", (EC2[0], (-1, w.integer(2)), *EC2[2:])),
        ("crv-true", "crv", (EC2[0], (-1, w.TRUE), *EC2[2:])),
        ("x-missing", "x", (*EC2[:2], EC2[3])),
        ("x-31", "x", (*EC2[:2], (-2, w.bstr(XY[:31])), EC2[3])),
        ("x-33", "x", (*EC2[:2], (-2, w.bstr(b"\0" + XY[:32])), EC2[3])),
        ("y-missing", "y", EC2[:3]),
        ("y-sign-bit", "y", (*EC2[:3], (-3, w.TRUE))),
        ("y-31", "y", (*EC2[:3], (-3, w.bstr(XY[33:])))),
        ("off-curve", "not-on-curve", (*EC2[:3], (-3, w.bstr(XY[:32])))),
        ("private", "private", (*EC2, (-4, w.bstr(bytes(31) + b"\1")))),
        ("kid-text", "kid", (*EC2, (2, w.tstr("kid")))),
        ("alg-null", "alg", (*EC2, (3, w.NULL))),
        ("alg-bytes", "alg", (*EC2, (3, w.bstr(b"")))),
        ("ops-empty", "key-ops", (*EC2, (4, w.array()))),
        ("ops-integer", "key-ops", (*EC2, (4, w.integer(2)))),
        ("ops-bytes", "key-ops", (*EC2, (4, w.array(w.bstr(b""))))),
        ("k-missing", "k", (PSK[0],)),
        ("k-empty", "k", (PSK[0], (-1, w.bstr(b"")))),
        ("k-text", "k", (PSK[0], (-1, w.tstr("0123456789abcdef")))),
    ):
        yield malformed("key-" + name, "9053 7", "malformed-key: " + why, token(*members), keys="signed")
    stranger = sealed(*PSK, key=s.ENC | {"name": "stranger"})
    yield refused("key-sealed-by-stranger", "8747 3.3", "bad-signature: no-key-fits", stranger, keys="signed")
    unknown = sealed(*PSK, key=s.ENC | {"kid": b"nobody"})
    yield refused("key-sealed-kid-unknown", "8747 3.3", "unknown-key: kid", unknown, keys="signed")
    gcm = sealed(*PSK, header=w.protected(1, b"as-e1", s.IV))
    yield refused("key-sealed-alg", "8747 3.3", "unsupported-alg: key", gcm, keys="signed")
    yield malformed(
        "key-sealed-not-map", "8747 3.3", "malformed-key: map", token(s.encrypted(w.array()), method=2), keys="signed"
    )
    yield malformed(
        "key-sealed-no-message", "8747 3.3", "malformed-cose: structure", token(w.NULL, method=2), keys="signed"
    )
