"""Write coap_messages.jsonl and coap_reactions.jsonl: CoAP datagrams, and what an endpoint does with them.

    python tests/vectors/gen/coap.py

Every datagram is put together here by hand or by the few lines below, which may write what no encoder would; nothing of
holdfast_core is used.  Examples of RFC 7252 appendix A are marked as such.
"""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CON, NON, ACK, RST = range(4)
GET, POST, PUT, FETCH = 1, 2, 3, 5


def header(mtype, code, mid=0x7D34, token=b"", version=1, tkl=None):
    """Four bytes and the token; tkl may lie."""
    return (
        bytes((version << 6 | mtype << 4 | (len(token) if tkl is None else tkl), code)) + mid.to_bytes(2, "big") + token
    )


def option(delta, value=b"", length=None):
    """One option by its delta to the one before; length may lie."""
    size = len(value) if length is None else length
    nibbles, more = [], b""
    for number in (delta, size):
        if number < 13:
            nibbles.append(number)
        elif number < 269:
            nibbles.append(13)
            more += bytes((number - 13,))
        else:
            nibbles.append(14)
            more += (number - 269).to_bytes(2, "big")
    return bytes((nibbles[0] << 4 | nibbles[1],)) + more + value


def good(id_, rfc, mtype, code, options, payload=b"", token=b"", mid=0x7D34):
    """A well-formed datagram and what is in it; options as (number, value)."""
    datagram, previous = header(mtype, code, mid, token), 0
    for number, value in options:
        datagram += option(number - previous, value)
        previous = number
    if payload:
        datagram += b"\xff" + payload
    return {
        "id": id_,
        "rfc": rfc,
        "expect": "ok",
        "datagram": datagram.hex(),
        "type": mtype,
        "code": code,
        "mid": mid,
        "token": token.hex(),
        "options": [[number, value.hex()] for number, value in options],
        "payload": payload.hex(),
    }


def bad(id_, reason, datagram, reset, rfc="7252:3"):
    """A malformed datagram; reset says whether RFC 7252 section 4.2 wants it rejected by a Reset."""
    return {"id": id_, "rfc": rfc, "expect": "malformed", "reason": reason, "reset": reset, "datagram": datagram.hex()}


TEMPERATURE = [(11, b"temperature")]


def messages():
    """Rows of coap_messages.jsonl."""
    yield good("fig16-get", "7252:A fig 16", CON, GET, TEMPERATURE)
    yield good("fig16-content", "7252:A fig 16", ACK, 0x45, [], b"22.3 C")
    yield good("fig17-get", "7252:A fig 17", CON, GET, TEMPERATURE, token=b"\x20", mid=0x7D35)
    yield good("fig17-content", "7252:A fig 17", ACK, 0x45, [], b"22.3 C", token=b"\x20", mid=0x7D35)
    yield good("fig20-ack", "7252:A fig 20", ACK, 0, [], mid=0x7D38)
    yield good("fig20-separate", "7252:A fig 20", CON, 0x45, [], b"22.3 C", token=b"\x53", mid=0xAD7B)
    yield good("fig22-non", "7252:A fig 22", NON, GET, TEMPERATURE, token=b"\x75", mid=0x7D40)
    yield good("token-8", "7252:3", CON, GET, [], token=bytes(range(8)))
    yield good("mid-0", "7252:3", NON, POST, [], b"x", mid=0)
    yield good("mid-max", "7252:3", NON, POST, [], b"x", mid=0xFFFF)
    for length in (0, 1, 12, 13, 14, 268, 269, 270, 1000):
        yield good(f"option-length-{length}", "7252:3.1", CON, POST, [(11, b"p" * length)])
    for number in (1, 12, 13, 14, 268, 269, 270, 65535):
        yield good(f"option-number-{number}", "7252:3.1", CON, POST, [(number, b"v")])
    yield good("options-repeat", "7252:3.1", CON, GET, [(11, b"a"), (11, b""), (11, b"c"), (15, b"q=1"), (15, b"r")])
    yield good("options-far-apart", "7252:3.1", CON, GET, [(3, b"h"), (65001, b""), (65533, b"z")])
    yield good("payload-has-marker", "7252:3", CON, POST, [], b"\xff\xff")
    yield good("reset", "7252:4.3", RST, 0, [])
    yield good("ping", "7252:4.3", CON, 0, [])
    yield good("signalling-free", "7252:3", ACK, 0xA5, [], b"")
    yield bad("nothing", "short", b"", False)
    for cut in (1, 2, 3):
        yield bad(f"header-{cut}", "short", header(CON, GET)[:cut], False)
    for version in (0, 2, 3):
        yield bad(f"version-{version}", "version", header(CON, GET, version=version), False)
    for tkl in range(9, 16):
        yield bad(f"tkl-{tkl}", "token-length", header(CON, GET, tkl=tkl) + bytes(16), True)
    yield bad("tkl-9-non", "token-length", header(NON, GET, tkl=9) + bytes(16), False)
    yield bad("tkl-beyond-end", "truncated", header(CON, GET, tkl=4) + b"abc", True)
    for code in (0x20, 0x21, 0x3F, 0xC0, 0xE1, 0xFF):
        yield bad(f"code-{code >> 5}.{code & 31:02}", "code", header(CON, code), True)
    yield bad("code-7-ack", "code", header(ACK, 0xE1), False)
    yield bad("empty-with-token", "not-empty", header(CON, 0, token=b"t"), True, "7252:4.1")
    yield bad("empty-with-option", "not-empty", header(CON, 0) + option(11, b"a"), True, "7252:4.1")
    yield bad("empty-with-payload", "not-empty", header(CON, 0) + b"\xffx", True, "7252:4.1")
    yield bad("empty-ack-with-payload", "not-empty", header(ACK, 0) + b"\xffx", False, "7252:4.1")
    yield bad("empty-reset-with-payload", "not-empty", header(RST, 0) + b"\xffx", False, "7252:4.2")
    yield bad("marker-without-payload", "empty-payload", header(CON, GET) + b"\xff", True)
    yield bad("marker-after-option", "empty-payload", header(CON, GET) + option(11, b"a") + b"\xff", True)
    yield bad("delta-15", "option-reserved", header(CON, GET) + b"\xf0" + bytes(8), True, "7252:3.1")
    yield bad("length-15", "option-reserved", header(CON, GET) + b"\x0f" + bytes(32), True, "7252:3.1")
    yield bad("delta-15-non", "option-reserved", header(NON, GET) + b"\xf1a", False, "7252:3.1")
    yield bad("delta-13-missing", "truncated", header(CON, GET) + b"\xd0", True, "7252:3.1")
    yield bad("delta-14-missing", "truncated", header(CON, GET) + b"\xe0", True, "7252:3.1")
    yield bad("delta-14-half", "truncated", header(CON, GET) + b"\xe0\x00", True, "7252:3.1")
    yield bad("length-13-missing", "truncated", header(CON, GET) + b"\x0d", True, "7252:3.1")
    yield bad("length-14-half", "truncated", header(CON, GET) + b"\x0e\x00", True, "7252:3.1")
    yield bad("value-missing", "truncated", header(CON, GET) + option(11, b"abc", 4), True, "7252:3.1")
    yield bad("value-65804", "truncated", header(CON, GET) + b"\xbe\xff\xffabc", True, "7252:3.1")
    yield bad("number-65536", "option-number", header(CON, GET) + b"\xe0\xff\xff", True, "7252:3.1")
    yield bad("number-sum", "option-number", header(CON, GET) + b"\xe0\xfd\x00" + b"\xe0\xfd\x00", True, "7252:3.1")


def reaction(id_, rfc, datagrams, *replies):
    """What a server answers to each of the datagrams; its application answers 2.05 "ok" to every request."""
    return {
        "id": id_,
        "rfc": rfc,
        "expect": "ok",
        "datagrams": [datagram.hex() for datagram in datagrams],
        "replies": [None if reply is None else reply.hex() for reply in replies],
    }


def answer(code, mid=0x7D34, token=b"", rest=b""):
    """A piggybacked response."""
    return header(ACK, code, mid, token) + rest


OK = b"\xffok"
GET_A = header(CON, GET, token=b"t") + option(11, b"a")


def block(num, more, szx):
    """Value of a Block option."""
    value = num << 4 | more << 3 | szx
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def put(num, more, szx, payload, mid, path=b"a", extra=b""):
    """A PUT of one block."""
    return header(CON, PUT, mid) + option(11, path) + option(16, block(num, more, szx)) + extra + b"\xff" + payload


def reactions():
    """Rows of coap_reactions.jsonl."""
    reset = header(RST, 0)
    yield reaction("get", "7252:5.2.1", [GET_A], answer(0x45, token=b"t", rest=OK))
    yield reaction("duplicate", "7252:4.5", [GET_A, GET_A], *[answer(0x45, token=b"t", rest=OK)] * 2)
    yield reaction("ping", "7252:4.3", [header(CON, 0)], reset)
    yield reaction("empty-non", "7252:4.3", [header(NON, 0)], None)
    yield reaction("stray-ack", "7252:4.2", [header(ACK, 0)], None)
    yield reaction("stray-reset", "7252:4.2", [header(RST, 0)], None)
    yield reaction("stray-ack-response", "7252:4.2", [header(ACK, 0x45, token=b"t") + OK], None)
    yield reaction("ack-with-request", "7252:4.2", [header(ACK, GET, token=b"t")], None)
    yield reaction("reset-with-request", "7252:4.2", [header(RST, GET, token=b"t")], None)
    yield reaction("stray-con-response", "7252:4.2", [header(CON, 0x45, token=b"t") + OK], reset)
    yield reaction("stray-non-response", "7252:4.3", [header(NON, 0x45, token=b"t") + OK], None)
    yield reaction("malformed-con", "7252:4.2", [header(CON, GET) + b"\xff"], reset)
    yield reaction("malformed-non", "7252:4.3", [header(NON, GET) + b"\xff"], None)
    yield reaction("malformed-ack", "7252:4.2", [header(ACK, 0x45) + b"\xff"], None)
    yield reaction("malformed-version", "7252:3", [header(CON, GET, version=2)], None)
    yield reaction("code-class-7", "7252:4.2", [header(CON, 0xE1)], reset)
    critical = option(11, b"a") + option(65001 - 11, b"x")
    yield reaction("critical-con", "7252:5.4.1", [header(CON, GET) + critical], answer(0x82))
    yield reaction("critical-non", "7252:5.4.1", [header(NON, GET) + critical], None)
    elective = option(11, b"a") + option(65002 - 11, b"x")
    yield reaction("elective-con", "7252:5.4.1", [header(CON, GET) + elective], answer(0x45, rest=OK))
    yield reaction("length-critical", "7252:5.4.3", [header(CON, GET) + option(3, b"")], answer(0x82))
    yield reaction("length-elective", "7252:5.4.3", [header(CON, GET) + option(12, b"abc")], answer(0x45, rest=OK))
    twice = option(3, b"h") + option(0, b"i")
    yield reaction("repeated-critical", "7252:5.4.5", [header(CON, GET) + twice], answer(0x82))
    twice = option(12, b"\x3c") + option(0, b"\x3d")
    yield reaction("repeated-elective", "7252:5.4.5", [header(CON, GET) + twice], answer(0x45, rest=OK))
    for number in (1, 5):
        conditional = header(CON, PUT) + option(number) + option(11 - number, b"a")
        yield reaction(f"conditional-{number}", "7252:5.10.8", [conditional], answer(0x82))
    yield reaction("proxy-uri", "7252:5.10.2", [header(CON, GET) + option(35, b"coap://x")], answer(0xA5))
    yield reaction("proxy-scheme", "7252:5.10.2", [header(CON, GET) + option(39, b"coap")], answer(0xA5))
    for name, path in (("overlong", b"\xc0\x80"), ("surrogate", b"\xed\xa0\x80"), ("cut", b"\xe2\x82")):
        yield reaction("path-" + name, "7252:5.10.1", [header(CON, GET) + option(11, path)], answer(0x80))
    yield reaction("query-cut", "7252:5.10.1", [header(CON, GET) + option(15, b"\xff")], answer(0x80))
    no_oscore = answer(0x82, rest=option(14, b""))  # with Max-Age 0 (8613:8.2)
    yield reaction("oscore-no-contexts", "8613:8.2", [header(CON, POST) + option(9, b"\x09\x00c") + OK], no_oscore)
    sixteen = b"0123456789abcdef"
    continues = option(27, block(0, 1, 0))
    yield reaction(
        "block1-two",
        "7959:2.5",
        [put(0, 1, 0, sixteen, 1), put(1, 0, 0, b"end", 2)],
        answer(0x5F, 1, rest=continues),
        answer(0x45, 2, rest=option(27, block(1, 0, 0)) + OK),
    )
    yield reaction("block1-single", "7959:2.5", [put(0, 0, 0, b"x", 1)], answer(0x45, 1, rest=option(27, b"") + OK))
    lost = answer(0x88, 1, rest=option(27, block(1, 1, 0)))
    yield reaction("block1-starts-late", "7959:2.9.2", [put(1, 1, 0, sixteen, 1)], lost)
    yield reaction(
        "block1-gap",
        "7959:2.9.2",
        [put(0, 1, 0, sixteen, 1), put(2, 1, 0, sixteen, 2)],
        answer(0x5F, 1, rest=continues),
        answer(0x88, 2, rest=option(27, block(2, 1, 0))),
    )
    yield reaction(
        "block1-overlap",
        "7959:2.9.2",
        [put(0, 1, 0, sixteen, 1), put(1, 1, 0, sixteen, 2), put(1, 1, 0, sixteen, 3)],
        answer(0x5F, 1, rest=continues),
        answer(0x5F, 2, rest=option(27, block(1, 1, 0))),
        answer(0x88, 3, rest=option(27, block(1, 1, 0))),
    )
    yield reaction(
        "block1-smaller-in-between",
        "7959:2.5",
        [put(0, 1, 1, sixteen * 2, 1), put(2, 0, 0, b"end", 2)],
        answer(0x5F, 1, rest=option(27, block(0, 1, 1))),
        answer(0x45, 2, rest=option(27, block(2, 0, 0)) + OK),
    )
    yield reaction(
        "block1-other-path",
        "7959:2.5",
        [put(0, 1, 0, sixteen, 1), put(1, 0, 0, b"end", 2, path=b"b")],
        answer(0x5F, 1, rest=continues),
        answer(0x88, 2, rest=option(27, block(1, 0, 0))),
    )
    tag = option(292 - 27, b"\x01")
    yield reaction(
        "block1-other-request-tag",
        "9175:3.3",
        [put(0, 1, 0, sixteen, 1, extra=tag), put(1, 0, 0, b"end", 2)],
        answer(0x5F, 1, rest=continues),
        answer(0x88, 2, rest=option(27, block(1, 0, 0))),
    )
    yield reaction("block1-not-full", "7959:2.2", [put(0, 1, 0, b"short", 1)], answer(0x80, 1, rest=continues))
    yield reaction(
        "block1-over-full", "7959:2.2", [put(0, 0, 0, sixteen + b"!", 1)], answer(0x80, 1, rest=option(27, b""))
    )
    yield reaction("block1-szx-7", "7959:2.2", [put(0, 1, 7, sixteen, 1)], answer(0x80, 1))
    too_large = answer(0x8D, 1, rest=continues + option(33, b"\x20\x00"))
    size = option(33, b"\x20\x01")
    yield reaction("block1-size1", "7959:2.9.3", [put(0, 1, 0, sixteen, 1, extra=size)], too_large)
    beyond = answer(0x8D, 1, rest=option(27, block(512, 1, 0)) + option(33, b"\x20\x00"))
    yield reaction("block1-too-large", "7959:2.9.3", [put(512, 1, 0, sixteen, 1)], beyond)
    yield reaction("block2-szx-7", "7959:2.2", [header(CON, GET) + option(23, b"\x07")], answer(0x80))
    yield reaction("block2-beyond", "7959:2.4", [header(CON, GET) + option(23, b"\x16")], answer(0x80))
    yield reaction("block2-post", "7959:2.7", [header(CON, POST) + option(23, b"\x10")], answer(0x88))


def locations():
    """More rows of it: options that are kept for the future beside Location-Path and Location-Query."""
    for known in (8, 20):
        for later in (128, 132, 136, 140):
            numbers = sorted((known, 11, later))
            deltas = [number - before for number, before in zip(numbers, [0, *numbers], strict=False)]
            put_a = header(CON, PUT) + b"".join(option(delta, b"a") for delta in deltas)
            yield reaction(f"location-{known}-and-{later}", "7252:5.10.7", [put_a], answer(0x82))
    alone = header(CON, PUT) + option(11, b"a") + option(128 - 11, b"x")
    yield reaction("location-128-alone", "7252:5.4.1", [alone], answer(0x45, rest=OK))


def main():
    """Write both files."""
    for name, rows in (("coap_messages", messages()), ("coap_reactions", [*reactions(), *locations()])):
        lines = [json.dumps(row) + "\n" for row in rows]
        (HERE / f"{name}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
