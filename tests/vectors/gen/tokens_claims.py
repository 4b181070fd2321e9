"""Token vectors about the claims of well protected tokens: types, issuer, audience, scope, freshness, order.

Expectations are written from RFC 9200 section 5.10.1.1 and the RFCs named in each row, never taken from a run.
"""

from vectors.gen import story as s
from vectors.gen import token_writer as w
from vectors.gen.rows import malformed, ok, refused
from vectors.gen.tokens_times import EXI_CTI, NONCE

NOW = s.NOW


def rows():
    yield from types()
    yield from issuer_and_unknown()
    yield from audience()
    yield from scope_names()
    yield from scope_aif()
    yield from cnonce()
    yield from profile()
    yield from order()


def payload(content):
    """A nested token around any bytes."""
    return w.cwt(16, s.nested_message(content))


def types():
    wrong = {
        "iss": (1, [w.bstr(b"https://as.example"), w.integer(1), w.NULL, w.array(w.tstr(s.ISSUER))]),
        "sub": (2, [w.bstr(b"doctor"), w.TRUE]),
        "aud": (
            3,
            [
                w.bstr(s.TUBE.encode()),
                w.array(),
                w.array(w.bstr(b"x")),
                w.mapping(),
                w.array(w.tstr(s.TUBE), w.integer(1)),
                w.array(w.array(w.tstr(s.TUBE))),
            ],
        ),
        "exp": (4, [w.tstr(str(NOW + 1)), w.NULL, w.TRUE, w.bstr(b"\x7f" * 4), w.array(w.integer(NOW + 9))]),
        "nbf": (5, [w.tstr("0"), w.NULL, w.FALSE]),
        "iat": (6, [w.tstr("0"), w.NULL, w.TRUE]),
        "cti": (7, [w.tstr("cti"), w.integer(1)]),
        "cnf": (8, [w.bstr(s.MS), w.array(), w.NULL, w.tstr("osc")]),
        "scope": (9, [w.integer(1), w.array(w.tstr("read_result")), w.NULL, w.TRUE]),
        "ace_profile": (38, [w.tstr("coap_oscore"), w.NULL, w.TRUE, w.f16(b"\x40\x00")]),
        "cnonce": (39, [w.tstr("nonce"), w.integer(1)]),
        "exi": (40, [w.integer(-1), w.tstr("60"), w.f16(b"\x53\x80"), w.TRUE]),
        "act": (-65544, [w.tstr("ekg"), w.mapping(), w.mapping((2, w.bstr(b"ekg"))), w.NULL]),
    }
    for name, (label, items) in wrong.items():
        for number, item in enumerate(items):
            token = payload(s.claims({label: item}))
            yield malformed(f"type-{name}-{number}", "8392 3.1", "malformed-claims: " + name, token)
    for name, label in (("exp", 4), ("nbf", 5), ("iat", 6)):
        dated = payload(s.claims({label: w.tag(1, w.integer(NOW + 3600))}))
        yield malformed(f"type-{name}-tagged-date", "8392 2", "malformed-cbor: tag", dated)
    tagged = payload(s.claims({8: w.tag(16, s.CNF_OSC)}))
    yield malformed("type-cnf-tagged", "8392 5", "malformed-claims: cnf", tagged)
    good = s.claims()
    yield malformed("claims-array", "8392 7.2", "malformed-claims: map", payload(w.array(good)))
    yield malformed("claims-integer", "8392 7.2", "malformed-claims: map", payload(w.integer(1)))
    yield malformed("claims-no-cbor", "8392 7.2", "malformed-cbor: truncated", payload(b"{"))
    yield malformed("claims-empty-bytes", "8392 7.2", "malformed-cbor: truncated", payload(b""))
    yield malformed("claims-trailing", "8392 7.2", "malformed-cbor: trailing", payload(good + b"\0"))
    yield malformed("claims-cut", "8392 7.2", "malformed-cbor: truncated", payload(good[:-1]))
    twice = payload(s.claims(None, [(3, w.tstr(s.TUBE))]))
    yield malformed("claims-duplicate", "8949 5.6", "malformed-cbor: duplicate-key", twice)
    as_true = payload(s.claims(None, [(w.TRUE, w.tstr(s.OTHER_ISSUER))]))
    yield malformed("claims-key-true", "8949 5.6", "malformed-cbor: key-type", as_true)
    as_float = payload(s.claims(None, [(w.f16(b"\x42\x00"), w.tstr("all"))]))
    yield malformed("claims-key-float", "8949 5.6", "malformed-cbor: key-type", as_float)
    long = payload(s.claims({3: None}, [(w.integer(3, 1), w.tstr(s.TUBE))]))
    yield malformed("claims-key-long", "8949 4.1", "malformed-cbor: not-shortest", long)
    nan = payload(s.claims({4: w.f16(b"\x7e\x00")}))
    yield malformed("exp-nan", "8392 2", "malformed-cbor: float", nan)
    infinite = payload(s.claims({4: w.f16(b"\x7c\x00")}))
    yield malformed("exp-infinite", "8392 2", "malformed-cbor: float", infinite)
    bignum = payload(s.claims({4: w.tag(2, w.bstr(b"\x01" + bytes(8)))}))
    yield malformed("exp-bignum", "8392 2", "malformed-cbor: tag", bignum)
    utf8 = payload(s.claims({2: w.tstr(b"\xc0\x80")}))
    yield malformed("sub-overlong-utf8", "3629 3", "malformed-cbor: utf8", utf8)


def issuer_and_unknown():
    why = "wrong-issuer: iss"
    for name, iss in (
        ("other", s.OTHER_ISSUER),
        ("prefix", "https://as.exampl"),
        ("longer", s.ISSUER + "/"),
        ("case", "https://AS.example"),
        ("http", "http://as.example"),
        ("empty", ""),
        ("unicode", "https://as.ex\u0430mple"),
    ):
        yield refused("iss-" + name, "9200 5.10.1.1", why, s.nested({1: w.tstr(iss)}))
    yield ok("iss-missing", "9200 5.10.1.1", s.nested({1: None}))
    yield ok("unknown-claim", "8392 3", s.nested(None, [(-9999, w.tstr("x"))]))
    yield ok("unknown-claim-text", "8392 3", s.nested(None, [("https://example.com/x", w.mapping((1, w.NULL)))]))
    yield ok("unknown-claim-big-label", "8392 3", s.nested(None, [((1 << 64) - 1, w.TRUE)]))
    yield ok("unknown-claim-named-exp", "8392 3", s.nested(None, [("exp", w.integer(0))]))
    yield ok("no-sub-iat-cti", "9200 5.10.1.1", s.nested({2: None, 6: None, 7: None}))
    yield ok("act", "8693 4.1", s.nested({-65544: w.mapping((2, w.tstr("ekg_device_ABC")))}))
    chain = w.mapping((2, w.tstr("c")), (-65544, w.mapping((2, w.tstr("b")))))
    yield ok("act-chain", "8693 4.1", s.nested({-65544: chain}))
    yield ok("iat-float", "8392 A.7", s.nested({6: w.f64(bytes.fromhex("41d584367c200000"))}))
    yield ok("iat-future", "8392 3.1.6", s.nested({6: w.integer(NOW + 100)}))


def audience():
    rfc = "9200 5.10.1.1"
    for name, aud in (
        ("other", "connected_tube_124"),
        ("prefix", "connected_tube_12"),
        ("longer", "connected_tube_1234"),
        ("case", "Connected_Tube_123"),
        ("space", "connected_tube_123 "),
        ("list-in-text", "connected_tube_123 all_tubes"),
        ("nul", "connected_tube_123\0"),
        ("unicode", "connected_tube_12\uff13"),
        ("combining", "connected_tube_123\u0301"),
        ("empty", ""),
        ("group", "all_tubes"),
    ):
        yield refused("aud-" + name, rfc, "wrong-audience: aud", s.nested({3: w.tstr(aud)}))
    yield refused("aud-missing", rfc, "wrong-audience: aud", s.nested({3: None}))
    yield ok("aud-array-one", "8392 3.1.3", s.nested({3: w.array(w.tstr(s.TUBE))}))
    yield ok("aud-array-second", "8392 3.1.3", s.nested({3: w.array(w.tstr("x"), w.tstr(s.TUBE))}))
    others = s.nested({3: w.array(w.tstr("x"), w.tstr("connected_tube_12"))})
    yield refused("aud-array-others", "8392 3.1.3", "wrong-audience: aud", others)
    yield ok("aud-group-member", "9200 6.9", s.nested({3: w.tstr("all_tubes")}), keys="group")
    many = s.nested({3: w.array(*[w.tstr("x")] * 17)})
    yield malformed("aud-array-many", "8392 3.1.3", "malformed-claims: aud", many)


def scope_names():
    rfc = "9200 5.10.1.1"
    yield ok("scope-two", "6749 3.3", s.nested({9: w.tstr("read_result calibrate")}))
    yield ok("scope-repeated", "6749 3.3", s.nested({9: w.tstr("read_result read_result")}))
    for name, scope in (
        ("unknown", "read_ekg"),
        ("partly", "read_result read_ekg"),
        ("partly-first", "read_ekg read_result"),
        ("prefix", "read"),
        ("longer", "read_results"),
        ("case", "Read_result"),
        ("path", "/result"),
    ):
        yield refused("scope-" + name, rfc, "scope-unknown: name", s.nested({9: w.tstr(scope)}))
    for name, scope in (
        ("empty", ""),
        ("leading-space", " read_result"),
        ("trailing-space", "read_result "),
        ("two-spaces", "read_result  calibrate"),
        ("tab", "read_result\tcalibrate"),
        ("quote", 'read"result'),
        ("backslash", "read\\result"),
        ("unicode", "read_resu\u013at"),
        ("nul", "read_result\0"),
    ):
        yield malformed("scope-" + name, "6749 3.3", "malformed-scope: name", s.nested({9: w.tstr(scope)}))
    many = s.nested({9: w.tstr(" ".join(["read_result"] * 33))})
    yield malformed("scope-many", "6749 3.3", "malformed-scope: too-long", many)
    yield refused("scope-missing", rfc, "scope-unknown: missing", s.nested({9: None}))


def scope_aif():
    def aif(*entries):
        return s.nested({9: w.bstr(w.array(*[w.array(w.tstr(path), w.integer(bits)) for path, bits in entries]))})

    def raw(content):
        return s.nested({9: w.bstr(content)})

    rfc = "9237 3"
    yield ok("aif", rfc, aif(("/result", 1)))
    yield ok("aif-two", rfc, aif(("/result", 1), ("/calibration", 4)))
    yield ok("aif-repeated-path", rfc, aif(("/result", 1), ("/result", 8)))
    yield ok("aif-all-methods", rfc, aif(("/result", 127)))
    for name, path in (
        ("other", "/ekg"),
        ("below", "/result/1"),
        ("above", "/"),
        ("case", "/Result"),
        ("slash", "/result/"),
    ):
        yield refused("aif-path-" + name, rfc, "scope-unknown: path", aif((path, 1)))
    yield refused("aif-path-partly", rfc, "scope-unknown: path", aif(("/result", 1), ("/ekg", 1)))
    for name, bits in (
        ("none", 0),
        ("unassigned", 128),
        ("dynamic-get", 1 << 32),
        ("get-and-dynamic", 1 | 1 << 32),
        ("high", 1 << 63),
    ):
        yield refused("aif-methods-" + name, rfc, "scope-unknown: method", aif(("/result", bits)))
    yield refused("aif-empty", rfc, "scope-unknown: empty", raw(w.array()))
    good = w.array(w.array(w.tstr("/result"), w.integer(1)))
    for name, why, content in (
        ("empty-bytes", "cbor", b""),
        ("text-names", "cbor", b"read_result"),
        ("cut", "cbor", good[:-1]),
        ("trailing", "cbor", good + b"\0"),
        ("deep", "cbor", w.array(good)),
        ("map", "array", w.mapping()),
        ("flat", "entry", w.array(w.tstr("/result"), w.integer(1))),
        ("one", "entry", w.array(w.array(w.tstr("/result")))),
        ("three", "entry", w.array(w.array(w.tstr("/result"), w.integer(1), w.integer(1)))),
        ("no-slash", "path", w.array(w.array(w.tstr("result"), w.integer(1)))),
        ("path-bytes", "path", w.array(w.array(w.bstr(b"/result"), w.integer(1)))),
        ("methods-negative", "methods", w.array(w.array(w.tstr("/result"), w.integer(-2)))),
        ("methods-true", "methods", w.array(w.array(w.tstr("/result"), w.TRUE))),
        ("methods-text", "methods", w.array(w.array(w.tstr("/result"), w.tstr("GET")))),
        ("many", "too-long", w.array(*[w.array(w.tstr("/result"), w.integer(1))] * 33)),
    ):
        yield malformed("aif-" + name, rfc, "malformed-scope: " + why, raw(content))


def cnonce():
    def token(nonce):
        return s.nested({39: w.bstr(nonce)})

    rfc = "9200 5.3.1"
    nonces = [NONCE.hex(), "c0ffee0000000002"]
    yield ok("cnonce-fresh", rfc, token(NONCE), keys="fresh", cnonces=nonces)
    yield ok("cnonce-fresh-no-clock", rfc, token(NONCE), keys="fresh", cnonces=nonces, now=None)
    yield refused("cnonce-missing", rfc, "cnonce-stale: missing", s.nested(), keys="fresh", cnonces=nonces)
    yield refused("cnonce-stale", rfc, "cnonce-stale: stale", token(b"\xc0\xff\xee"), keys="fresh", cnonces=nonces)
    yield refused("cnonce-empty", rfc, "cnonce-stale: stale", token(b""), keys="fresh", cnonces=nonces)
    yield refused("cnonce-none-outstanding", rfc, "cnonce-stale: stale", token(NONCE), keys="fresh", cnonces=[])
    yield refused("cnonce-rs-gives-none", rfc, "cnonce-stale: stale", token(NONCE))
    yield refused("cnonce-no-clock-stale", rfc, "cnonce-stale: stale", token(b"x"), now=None, cnonces=nonces)
    yield ok("cnonce-not-required", rfc, s.nested(), cnonces=nonces)


def profile():
    why = "profile-unsupported: ace_profile"
    for value in (0, 1, 3, 4, -2, 1 << 40):
        yield refused(f"profile-{value}", "9200 6.8", why, s.nested({38: w.integer(value)}))
    yield ok("profile-missing", "9200 5.8.2", s.nested({38: None}))


def order():
    """Two defects: the earlier check of RFC 9200 section 5.10.1.1 names the answer."""
    defects = [
        ("iss", "wrong-issuer: iss", {1: w.tstr(s.OTHER_ISSUER)}),
        ("exp", "token-expired: exp", {4: w.integer(NOW)}),
        ("aud", "wrong-audience: aud", {3: w.tstr("x")}),
        ("scope", "scope-unknown: name", {9: w.tstr("x")}),
        ("cnonce", "cnonce-stale: stale", {39: w.bstr(b"x")}),
        ("profile", "profile-unsupported: ace_profile", {38: w.integer(1)}),
        ("cnf", "key-unsuitable: missing", {8: None}),
    ]
    for at, (first, why, change) in enumerate(defects):
        for second, _, other in defects[at + 1 :]:
            yield refused(f"order-{first}-{second}", "9200 5.10.1.1", why, s.nested(change | other))
        forged = s.nested_message(s.claims(change), sign_key=s.SIGN | {"name": "stranger"})
        yield refused("order-signature-" + first, "9200 5.10.1.1", "bad-signature: no-key-fits", w.cwt(16, forged))
        typed = s.nested(change | {2: w.integer(1)})
        yield malformed("order-type-" + first, "9200 5.10.1.1", "malformed-claims: sub", typed)
    replayed = {40: w.integer(60), 7: w.bstr(EXI_CTI)}
    yield refused(
        "order-exi-aud", "9200 5.10.1.1", "replayed: sequence", s.nested(replayed | {3: w.tstr("x")}), exi_floor=5
    )
    early = {5: w.integer(NOW + 1)}
    yield refused("order-nbf-aud", "9200 5.10.1.1", "not-yet-valid: nbf", s.nested(early | {3: w.tstr("x")}))
