"""Token vectors about time: exp, nbf and iat at their edges, numbers that no clock shows, exi.

Expectations are written from RFC 9200 section 5.10.1.1 and the RFCs named in each row, never taken from a run.
"""

from vectors.gen import story as s
from vectors.gen import token_writer as w
from vectors.gen.rows import malformed, ok, refused

NOW = s.NOW
EXI_CTI = s.RS_ID + (5).to_bytes(8, "big")
NONCE = b"\xc0\xff\xee\x00\x00\x00\x00\x01"


def rows():
    yield from expiry()
    yield from extremes()
    yield from spans()
    yield from not_before()
    yield from exi()


def expiry():
    rfc = "9200 5.10.1.1"
    yield refused("exp-passed", rfc, "token-expired: exp", s.nested({4: w.integer(NOW - 1)}))
    yield refused("exp-now", "7519 4.1.4", "token-expired: exp", s.nested({4: w.integer(NOW)}))
    yield ok("exp-next", rfc, s.nested({4: w.integer(NOW + 1)}))
    yield refused("exp-zero", rfc, "token-expired: exp", s.nested({4: w.integer(0)}))
    yield refused("exp-negative", rfc, "token-expired: exp", s.nested({4: w.integer(-1)}))
    # 1800000000.5 = 41dad27480200000; 1800000000.0 = 41dad27480000000; half a second less ends in 7fe00000
    yield ok("exp-float-half-later", "8392 2", s.nested({4: w.f64(bytes.fromhex("41dad27480200000"))}))
    yield refused(
        "exp-float-now", "8392 2", "token-expired: exp", s.nested({4: w.f64(bytes.fromhex("41dad27480000000"))})
    )
    half = s.nested({4: w.f64(bytes.fromhex("41dad2747fe00000"))})
    yield refused("exp-float-half-before", "8392 2", "token-expired: exp", half)
    # 1800000000.25, which is 1800000000 in 32 bits
    yield ok("exp-float-quarter-later", "8392 2", s.nested({4: w.f64(bytes.fromhex("41dad27480100000"))}))
    yield refused("exp-float-small", "8392 2", "token-expired: exp", s.nested({4: w.f16(b"\x3c\x00")}))
    yield refused("exp-missing", "9200 5.10.3", "token-expired: endless", s.nested({4: None}))
    yield refused("leeway-over", "8392 3.1.4", "token-expired: exp", s.nested({4: w.integer(NOW - 30)}), keys="leeway")
    yield ok("leeway-just", "8392 3.1.4", s.nested({4: w.integer(NOW - 29), 6: w.integer(NOW - 60)}), keys="leeway")
    yield refused("no-clock", "9200 5.10.3", "token-expired: no-clock", s.nested(), now=None)
    yield refused("floor-passed", "9200 6.6", "token-expired: exp", s.nested({4: w.integer(NOW)}), floor=True)
    yield ok("floor-before", "9200 6.6", s.nested({4: w.integer(NOW + 1)}), floor=True)
    new = {39: w.bstr(NONCE), 4: w.integer(NOW)}
    old = {39: w.bstr(b"old"), 4: w.integer(NOW)}
    more = {"floor": True, "cnonces": [NONCE.hex()]}
    yield ok("floor-passed-new", "9200 5.3.1", s.nested(new), **more)
    yield refused("floor-passed-stale", "9200 5.3.1", "cnonce-stale: stale", s.nested(old), **more)
    yield refused("exp-passed-new", rfc, "token-expired: exp", s.nested(new), cnonces=[NONCE.hex()])


def extremes():
    """Numbers that no clock shows: the same verdict wherever integers or floats are short."""
    for name, label in (("exp", 4), ("nbf", 5), ("iat", 6)):
        why = "malformed-claims: " + name
        for kind, item in (
            ("2-63", w.integer(1 << 63)),
            ("most", w.integer((1 << 64) - 1)),
            ("least", w.integer(-(1 << 64))),
            ("minus-2-63", w.integer(-(1 << 63))),
            ("beyond", w.integer((1 << 40) + 1)),
            ("beyond-below", w.integer(-(1 << 40) - 1)),
            ("float-1e300", w.f64(bytes.fromhex("7e37e43c8800759c"))),
            ("float-minus-1e300", w.f64(bytes.fromhex("fe37e43c8800759c"))),
            ("float-2-63", w.f64(bytes.fromhex("43e0000000000000"))),
            ("float-greatest", w.f64(bytes.fromhex("7fefffffffffffff"))),
            ("float-32-greatest", w.f32(bytes.fromhex("7f7fffff"))),
            ("float-beyond", w.f64(bytes.fromhex("4270000000000001"))),
        ):
            yield malformed(f"{name}-{kind}", "8392 2", why, s.nested({label: item}))
        for kind, item in (
            ("nan-64", w.f64(bytes.fromhex("7ff8000000000000"))),
            ("nan-32", w.f32(bytes.fromhex("7fc00000"))),
            ("infinite-64", w.f64(bytes.fromhex("7ff0000000000000"))),
            ("minus-infinite-64", w.f64(bytes.fromhex("fff0000000000000"))),
        ):
            yield malformed(f"{name}-{kind}", "8392 2", "malformed-cbor: float", s.nested({label: item}))
        for kind, item in (
            ("minus-zero", w.f16(b"\x80\x00")),
            ("minus-zero-64", w.f64(bytes.fromhex("8000000000000000"))),
            ("minus-one", w.integer(-1)),
            ("float-negative", w.f64(bytes.fromhex("c1dad27480000000"))),
            ("float-least", w.f64(bytes.fromhex("0000000000000001"))),
            ("float-minus-least", w.f64(bytes.fromhex("8000000000000001"))),
        ):
            token = s.nested({label: item})
            if label == 4:
                yield refused(f"{name}-{kind}", "8392 2", "token-expired: exp", token)
            else:
                yield ok(f"{name}-{kind}", "8392 2", token)
    unknown = s.nested(None, [(-9999, w.f64(bytes.fromhex("7e37e43c8800759c")))])
    yield ok("unknown-claim-float-1e300", "8392 3", unknown)
    for kind, item in (
        ("float", w.f64(bytes.fromhex("41dad27480000000"))),
        ("float-1e300", w.f64(bytes.fromhex("7e37e43c8800759c"))),
        ("minus-zero", w.f16(b"\x80\x00")),
    ):
        token = s.nested({40: item, 7: w.bstr(EXI_CTI)})
        yield malformed("exi-" + kind, "9200 5.10.3", "malformed-claims: exi", token, exi_floor=4)


def spans():
    """A token that ends before it begins; an AS that is ahead of the RS."""
    rfc, later = "8392 3.1.4", NOW + 3600
    for name, label in (("nbf", 5), ("iat", 6)):
        why = "token-expired: " + name
        at_end = s.nested({label: w.integer(later), 4: w.integer(later)})
        for clock, more in (("", {}), ("-floor", {"floor": True}), ("-no-clock", {"now": None})):
            yield refused(f"span-{name}-at-exp{clock}", rfc, why, at_end, **more)
        after = s.nested({label: w.integer(later + 1), 4: w.integer(later)})
        yield refused(f"span-{name}-after-exp", rfc, why, after)
        yield ok(f"span-{name}-before-exp", rfc, s.nested({label: w.integer(NOW), 4: w.integer(NOW + 1)}))
    both = s.nested({5: w.integer(later), 6: w.integer(later), 4: w.integer(later)})
    yield refused("span-nbf-iat-at-exp", rfc, "token-expired: nbf", both)
    why, end = "not-yet-valid: iat", w.integer(NOW + 10**6)
    for name, ahead, keys in (("ahead", 3600, "tube"), ("leeway-ahead", 3630, "leeway")):
        yield ok("iat-" + name, "8392 3.1.6", s.nested({6: w.integer(NOW + ahead), 4: end}), keys=keys)
        beyond = s.nested({6: w.integer(NOW + ahead + 1), 4: end})
        yield refused(f"iat-{name}-beyond", "8392 3.1.6", why, beyond, keys=keys)
        yield ok(f"iat-{name}-beyond-floor", "9200 6.6", beyond, keys=keys, floor=True)


def not_before():
    yield refused("nbf-future", "8392 3.1.5", "not-yet-valid: nbf", s.nested({5: w.integer(NOW + 1)}))
    yield ok("nbf-now", "8392 3.1.5", s.nested({5: w.integer(NOW)}))
    yield ok("nbf-past", "8392 3.1.5", s.nested({5: w.integer(NOW - 1)}))
    half = s.nested({5: w.f64(bytes.fromhex("41dad27480200000"))})
    yield refused("nbf-float-half-later", "8392 2", "not-yet-valid: nbf", half)
    yield ok("nbf-float-now", "8392 2", s.nested({5: w.f64(bytes.fromhex("41dad27480000000"))}))
    yield ok("leeway-nbf-just", "8392 3.1.5", s.nested({5: w.integer(NOW + 30)}), keys="leeway")
    late = s.nested({5: w.integer(NOW + 31)})
    yield refused("leeway-nbf-over", "8392 3.1.5", "not-yet-valid: nbf", late, keys="leeway")
    yield ok("floor-nbf-later", "9200 6.6", s.nested({5: w.integer(NOW + 600)}), floor=True)


def exi():
    def token(seconds=60, cti=EXI_CTI, exp=None):
        changes = {
            40: w.integer(seconds),
            7: None if cti is None else w.bstr(cti),
            4: None if exp is None else w.integer(exp),
        }
        return s.nested(changes)

    rfc = "9200 5.10.3"
    yield ok("exi", rfc, token(), exi_floor=4)
    yield ok("exi-first-ever", rfc, token(cti=s.RS_ID + (1).to_bytes(8, "big")), exi_floor=0)
    yield ok("exi-far-ahead", rfc, token(cti=s.RS_ID + b"\xff" * 8), exi_floor=4)
    yield ok("exi-no-clock", rfc, token(), now=None, exi_floor=4)
    yield ok("exi-and-exp", rfc, token(exp=NOW + 1), exi_floor=4)
    for name, seconds in (("huge", (1 << 64) - 1), ("2-63", 1 << 63), ("beyond", (1 << 40) + 1)):
        yield malformed("exi-" + name, rfc, "malformed-claims: exi", token(seconds), exi_floor=4)
    yield ok("exi-longest", rfc, token(1 << 40), exi_floor=4)
    yield refused("exi-and-exp-passed", rfc, "token-expired: exp", token(exp=NOW), exi_floor=4)
    yield refused("exi-zero", rfc, "token-expired: exi", token(0), exi_floor=4)
    yield refused("exi-sequence-at-floor", rfc, "replayed: sequence", token(), exi_floor=5)
    yield refused("exi-sequence-below-floor", rfc, "replayed: sequence", token(), exi_floor=6)
    yield refused("exi-without-cti", rfc, "replayed: no-cti", token(cti=None), exi_floor=4)
    yield refused("exi-rs-keeps-no-state", rfc, "replayed: no-floor", token())
    for name, cti in (
        ("other-rs", b"tuba" + (9).to_bytes(8, "big")),
        ("longer-rs", b"tube2" + (9).to_bytes(8, "big")),
        ("shorter-rs", b"tub" + (9).to_bytes(8, "big")),
        ("no-rs", (9).to_bytes(8, "big")),
        ("no-sequence", s.RS_ID),
        ("short-sequence", s.RS_ID + (9).to_bytes(7, "big")),
        ("empty", b""),
    ):
        yield refused("exi-cti-" + name, rfc, "replayed: other-rs", token(cti=cti), exi_floor=4)
    for name, number in (("octet", b"\x05"), ("digits", b"10"), ("seven", b"\x00" * 6 + b"\x05")):
        yield refused(f"exi-cti-{name}-strict", rfc, "replayed: other-rs", token(cti=s.RS_ID + number), exi_floor=4)
        yield ok(f"exi-cti-{name}-loose", rfc, token(cti=s.RS_ID + number), keys="loose", exi_floor=4)
    for name, cti in (("nothing", s.RS_ID), ("nine", s.RS_ID + b"\x00" * 9), ("other", b"tuba\x09"), ("empty", b"")):
        yield refused(f"exi-cti-{name}-loose", rfc, "replayed: other-rs", token(cti=cti), keys="loose", exi_floor=4)
    at_floor = token(cti=s.RS_ID + b"9")
    yield refused("exi-cti-digits-at-floor", rfc, "replayed: sequence", at_floor, keys="loose", exi_floor=ord("9"))
