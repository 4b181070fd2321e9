"""Random messages and damaged ones: hf_oscore and the Python core agree on every verdict and every byte."""

import random

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode_options
from holdfast_core.errors import MalformedCoap
from testkit import symmetric_native as kit
from testkit.oscore_native import CONTENT, REQUEST, Ends, message

NUMBERS = (1, 3, 3, 4, 6, 7, 8, 11, 11, 12, 15, 23, 27, 39, 39, 60, 252, 258, 292, 2048, 2049, 65001, 65535)


@pytest.fixture(params=kit.NAMES_TO_TEST)
def lib(request):
    return kit.library(request.param)


def random_options(rng, numbers=NUMBERS):
    chosen = sorted(rng.sample(numbers, rng.randrange(min(9, len(numbers)))))
    if chosen.count(L.OPT_OBSERVE) > 1:
        chosen.remove(L.OPT_OBSERVE)
    return [(number, rng.randbytes(rng.choice((0, 1, 2, 7, 12, 13, 14, 100, 268, 269, 300)))) for number in chosen]


def random_message(rng, codes):
    payload = rng.randbytes(rng.choice((0, 1, 15, 16, 17, 200)))
    return message(rng.choice(codes), random_options(rng), payload, token=rng.randbytes(rng.randrange(9)))


def test_random_exchanges(lib):
    rng = random.Random(8613)
    counts = {}
    for round_ in range(250):
        if round_ % 50 == 0:
            ends = Ends(lib, rng.choice((None, b"ctx")), rng.choice((10, 11, 30, 31)))
        outer, state, exchange = ends.ask(round_, random_message(rng, (1, 2, 3, 4, 5, 6, 7)))
        _, opened, heard = ends.hear(outer)
        for number in (None, 1000 + round_):
            answer = ends.answer(opened.state, heard, random_message(rng, (0x41, 0x44, 0x45, 0x84, 0xA0)), number)
            said = ends.get(state, exchange, answer)[0] if answer else "local"
            counts[said] = counts.get(said, 0) + 1
    assert counts["ok"] > 150
    assert counts["local"] > 20
    assert counts["replay-detected"] > 50


def test_outer_options_of_an_attacker(lib):
    """Anyone may add outer options, of any number and any size; Class U only are kept, in order."""
    rng = random.Random(41)
    for number in range(300):
        ends = Ends(lib)
        inner = random_message(rng, (1, 2, 3))
        plain = decode(ends.ask(number, inner)[0])
        for option in random_options(rng, (1, 3, 3, 6, 7, 8, 11, 39, 39, 300)):
            plain.add(*option)
        status = ends.hear(message(plain.code, plain.options, plain.payload))[0]
        assert status == "ok"


def test_inner_options_of_a_misbehaving_peer(lib):
    """Plaintexts that no honest peer makes: Class U inside, which win; no code; nested; cut anywhere."""
    rng = random.Random(42)
    counts = {}
    ends = Ends(lib)
    for number in range(400):
        options = random_options(rng, (3, 3, 6, 7, 9, 11, 39, 39, 300))
        inner = bytes((rng.choice((0, 1, 1, 1, 1, 2, 0x45, 0xE1)),)) + encode_options(
            options, rng.randbytes(number % 3)
        )
        if number % 4 == 0:
            inner = inner[: rng.randrange(len(inner) + 1)]
        elif number % 4 == 1:
            at = rng.randrange(len(inner))
            inner = inner[:at] + rng.randbytes(1) + inner[at + 1 :]
        datagram = reseal(ends, number, inner, random_options(rng, (3, 7, 7, 39)))
        said = ends.hear(datagram)[0]
        counts[said] = counts.get(said, 0) + 1
    assert set(counts) == {"ok", "malformed-oscore"}
    assert min(counts.values()) > 50


def test_every_code_inside(lib):
    """What was sealed by a peer that holds the keys: a request's code in a request, a response's in a response."""
    verdicts = set()
    for code in range(256):
        ends = Ends(lib)
        verdicts.add(ends.hear(reseal(ends, 2 * code, bytes((code,)), []))[0])
        outer, state, exchange = ends.ask(2 * code + 1, REQUEST)
        _, opened, _ = ends.hear(outer)
        sealed = ends.python_peer._sealer.seal(opened.state.nonce, opened.state.aad, bytes((code,)))
        verdicts.add(ends.get(state, exchange, message(0x44, [(L.OPT_OSCORE, b"")], sealed))[0])
    assert verdicts == {"ok", "malformed-oscore"}


def test_class_u_options_inside_win(lib):
    """Each set of them inside, with all of them outside: an outer one stays only where none is inside."""
    options = [(L.OPT_URI_HOST, b"in"), (L.OPT_URI_PORT, b"\1"), (L.OPT_PROXY_SCHEME, b"in")]
    outer = [(L.OPT_URI_HOST, b"out"), (L.OPT_URI_PORT, b"\2"), (L.OPT_PROXY_SCHEME, b"out")]
    for chosen in range(8):
        inside = [option for place, option in enumerate(options) if chosen >> place & 1]
        ends = Ends(lib)
        said, result, _ = ends.hear(reseal(ends, 1, b"\1" + encode_options(inside), outer))
        assert said == "ok"
        assert len(result.message.options) == 3


def reseal(ends, number, plaintext, outer_options):
    """A request whose plaintext is this, by a peer that holds the keys."""
    outer, state, _ = ends.ask(number, REQUEST)
    parsed = decode(outer)
    for option in outer_options:
        parsed.add(*option)
    sealed = ends.python._sealer.seal(state.nonce, state.aad, plaintext)
    return message(parsed.code, parsed.options, sealed)


def test_responses_with_odd_plaintexts(lib):
    rng = random.Random(43)
    verdicts = set()
    for number in range(150):
        ends = Ends(lib)
        observe = [(L.OPT_OBSERVE, b"")] if number % 2 else []
        outer, state, exchange = ends.ask(number, message(L.CODE_GET, observe))
        _, opened, _ = ends.hear(outer)
        inner = bytes((rng.choice((0x45, 0x45, 0x84, 1, 0)),)) + encode_options(random_options(rng, (3, 6, 9, 11, 39)))
        peer = ends.python_peer
        sealed = peer._sealer.seal(opened.state.nonce, opened.state.aad, inner)
        answer = message(0x44, [(L.OPT_OSCORE, b"")], sealed)
        verdicts.add(ends.get(state, exchange, answer)[0])
    assert verdicts == {"ok", "malformed-oscore"}


@pytest.mark.parametrize("which", ["request", "response"])
def test_every_truncation_and_flip(lib, which):
    counts = {}
    for id_context in (None, b"ctx"):
        ends = Ends(lib, id_context)
        host = [(L.OPT_URI_HOST, b"tube"), (L.OPT_URI_PATH, b"ekg")]
        outer, state, exchange = ends.ask(300, message(L.CODE_GET, host))
        whole = outer
        if which == "response":
            _, opened, heard = ends.hear(outer)
            whole = ends.answer(opened.state, heard, CONTENT, 7)
        bad = [whole[:end] for end in range(len(whole))] + [whole + b"\0"]
        for bit in range(8 * len(whole)):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            bad.append(bytes(flipped))
        for datagram in bad:
            said = ends.get(state, exchange, datagram)[0] if which == "response" else ends.hear(datagram)[0]
            if said == "ok":  # outside of the protection: header, token, Uri-Host; the window or the state has it now
                ends = Ends(lib, id_context)
                outer, state, exchange = ends.ask(300, message(L.CODE_GET, host))
            counts[said] = counts.get(said, 0) + 1
    assert set(counts) >= {"ok", "malformed-coap", "malformed-oscore", "unknown-context", "decryption-failed"}


def test_any_bytes(lib):
    """Random datagrams, most of them with the right beginning: a verdict, the same one, and nothing outside."""
    rng = random.Random(44)
    ends = Ends(lib)
    verdicts = set()
    heads = (b"", b"\x41", b"\x42\x02\0\x07tk", b"\x42\x02\0\x07tk\x93\x09\x14\x0c\xff", REQUEST[:-3] + b"\x91\0")
    for _ in range(3000):
        datagram = rng.choice(heads) + rng.randbytes(rng.randrange(24))
        verdicts.add(ends.hear(datagram)[0])
        try:
            decode(datagram)
        except MalformedCoap:
            assert kit.read_ids(lib, datagram)[0] == "malformed-coap"
    assert verdicts >= {"malformed-coap", "malformed-oscore", "decryption-failed"}


def test_option_numbers_beyond_16_bits(lib):
    """65535 is the last one, outside and inside, with a payload or without."""
    ends = Ends(lib)
    oscore = message(L.CODE_POST, [(L.OPT_OSCORE, b"\x09\x14\x0c"), (65535, b"")])
    for number, (tail, payload) in enumerate((tail, payload) for tail in (b"", b"\x10") for payload in (b"", b"\xffx")):
        inner = ends.hear(reseal(ends, number, b"\x01\xe0" + (65535 - 269).to_bytes(2, "big") + tail + payload, []))[0]
        assert inner == ("malformed-oscore" if tail else "ok")
        outer = ends.hear(oscore + tail + payload)[0]
        assert outer == ("malformed-coap" if tail else "decryption-failed" if payload else "malformed-oscore")
