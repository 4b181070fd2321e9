"""Whole OSCORE messages in C: RFC 8613 appendix C, and the Python core's verdicts on everything else.

What is compared, and how, is in testkit/oscore_native.py.
"""

import json
import random

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import decode, encode_options, is_request
from holdfast_core.errors import MalformedOscore
from holdfast_core.oscore_option import decode_option, encode_option
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.sender_sequence import MAX_SEQUENCE
from testkit import native_build
from testkit import symmetric_native as kit
from testkit.oscore_native import CONTENT, MINE, REQUEST, SALT, SECRET, THEIRS, Ends, message, outcome


@pytest.fixture(params=kit.NAMES_TO_TEST)
def lib(request):
    return kit.library(request.param)


def vectors(name):
    return [json.loads(line) for line in (native_build.ROOT / f"tests/vectors/{name}.jsonl").read_text().splitlines()]


# --- RFC 8613 appendix C ---


def test_derivations(lib):
    for row in vectors("rfc8613_contexts"):
        fields = {name: bytes.fromhex(row[name]) if name in row else None for name in row if name.endswith("_id")}
        id_context = bytes.fromhex(row["id_context"]) if "id_context" in row else None
        salt = bytes.fromhex(row.get("master_salt", ""))
        secret = bytes.fromhex(row["master_secret"])
        oscore = kit.Oscore(lib, secret, salt, fields["sender_id"], fields["recipient_id"], id_context)
        assert bytes(oscore.ctx.sender.key).hex() == row["sender_key"] + "00" * 16
        assert bytes(oscore.ctx.recipient.key).hex() == row["recipient_key"] + "00" * 16
        assert bytes(oscore.ctx.common_iv).hex() == row["common_iv"]


def test_appendix_c_messages(lib):
    contexts = {row["id"]: row for row in vectors("rfc8613_contexts")}
    seen = 0
    for row in vectors("rfc8613_messages"):
        own = contexts[row["context"]]
        ids = [bytes.fromhex(own[name]) for name in ("sender_id", "recipient_id")]
        id_context = bytes.fromhex(own["id_context"]) if "id_context" in own else None
        secret, salt = bytes.fromhex(own["master_secret"]), bytes.fromhex(own.get("master_salt", ""))
        plain, protected = bytes.fromhex(row["plain"]), bytes.fromhex(row["protected"])
        mine = kit.Oscore(lib, secret, salt, *ids, id_context)
        peer = kit.Oscore(lib, secret, salt, *reversed(ids), id_context)
        if is_request(plain[1]):
            assert mine.protect_request(20, plain)[:2] == ("ok", protected), row["id"]
            assert peer.unprotect_request(protected)[:2] == ("ok", plain), row["id"]
        else:
            request = bytes.fromhex("44015d1f00003974396c6f63616c686f737483747631")
            _, asked, sent = peer.protect_request(20, request)
            exchange = mine.unprotect_request(asked)[2]
            number = row["sender_sequence_number"] if "partial_iv" in row else None
            assert mine.protect_response(exchange, plain, number) == ("ok", protected), row["id"]
            assert peer.unprotect_response(sent, protected) == ("ok", plain), row["id"]
        seen += 1
    assert seen == 5


def test_option_values(lib):
    """The vectors of the option's value, as the option of a message."""
    for row in vectors("rfc8613_options"):
        value = bytes.fromhex(row["value"])
        status, kid, kid_context = kit.read_ids(lib, message(L.CODE_POST, [(L.OPT_OSCORE, value)], b"x"))
        if row["expect"] == "malformed":
            assert status == "malformed-oscore", row["id"]
        else:
            want = [None if row[name] is None else bytes.fromhex(row[name]) for name in ("kid", "kid_context")]
            assert [status, kid, kid_context] == ["ok", *want], row["id"]


def test_every_form_of_option_value(lib):
    """All flags, with bytes behind them that suffice or not: what Python's decode_option says."""
    for flags in range(256):
        for length in range(9):
            for content in (bytes(length), b"\1" * length, bytes(range(length))):
                value = bytes((flags,)) + content
                try:
                    option = decode_option(value)
                    want = ("ok", option.kid, option.kid_context)
                except MalformedOscore:
                    want = ("malformed-oscore", None, None)
                assert kit.read_ids(lib, message(L.CODE_POST, [(L.OPT_OSCORE, value)], b"x")) == want, value.hex()


def test_messages_without_the_option(lib):
    """An Empty message is a message, and no request; one with anything behind its header is none."""
    ends = Ends(lib)
    for datagram, verdict in (
        (bytes.fromhex("40000007"), "malformed-oscore"),
        (bytes.fromhex("4000000711"), "malformed-coap"),
        (bytes.fromhex("41000007aa"), "malformed-coap"),
        (REQUEST, "malformed-oscore"),
    ):
        assert ends.hear(datagram)[0] == verdict
        assert kit.read_ids(lib, datagram)[0] == verdict
    for end in range(4):
        assert ends.hear(bytes.fromhex("40000007")[:end])[0] == "malformed-coap"


def test_two_oscore_options(lib):
    """RFC 8613 section 2: the option occurs once. A second one is refused, whichever of the two would decrypt."""
    ends = Ends(lib)
    outer = decode(ends.ask(1, REQUEST)[0])
    (value,) = outer.get_all(L.OPT_OSCORE)
    for values in ((value, value), (value, b""), (b"", value), (value, value, value)):
        twice = message(outer.code, [(L.OPT_OSCORE, each) for each in values], outer.payload)
        assert ends.hear(twice)[0] == "malformed-oscore", values
        assert kit.read_ids(lib, twice)[0] == "malformed-oscore"
    assert ends.hear(message(outer.code, [(L.OPT_OSCORE, value)], outer.payload))[0] == "ok"


# --- contexts ---


def test_contexts_that_cannot_be(lib):
    for ids, id_context, alg, status in (
        ((bytes(7), b""), None, 10, "ok"),
        ((bytes(8), b""), None, 10, "local"),
        ((b"", bytes(8)), None, 10, "local"),
        ((b"", b""), None, 10, "local"),
        ((b"a", b"a"), None, 10, "local"),
        ((b"a", b"b"), b"", 10, "ok"),
        ((b"a", b"b"), bytes(32), 10, "ok"),
        ((b"a", b"b"), bytes(33), 10, "local"),
        *(((b"a", b"b"), None, alg, "unsupported-alg") for alg in (0, 1, 3, 12, 24, 32, 266, -10)),
    ):
        context = kit.Oscore(lib, SECRET, SALT, *ids, id_context, alg)
        assert context.status == status
        assert status == "ok" or bytes(context.ctx) == bytes(len(bytes(context.ctx)))


def test_every_kind_of_context(lib):
    for alg in (10, 11, 30, 31):
        for ids in ((MINE, THEIRS), (b"", b"\0"), (b"1234567", b"7654321"), (b"server", b"")):
            for id_context in (None, b"", b"c", bytes(range(32))):
                ends = Ends(lib, id_context, alg, ids)
                outer, state, exchange = ends.ask(0x1FF, REQUEST)
                _, opened, heard = ends.hear(outer)
                for number in (None, 0, MAX_SEQUENCE):
                    answer = ends.answer(opened.state, heard, CONTENT, number)
                    if number is None:
                        assert ends.get(state, exchange, answer) == ("ok", CONTENT)
                named = kit.read_ids(lib, outer)
                assert named == ("ok", ids[0], id_context)


@pytest.mark.parametrize("length", [22, 23, 24, 25])
def test_an_id_context_at_the_edge_of_a_short_head(lib, length):
    """In the info of the keys (RFC 8613 section 3.2.1), 24 bytes are the first with a head of two."""
    ends = Ends(lib, bytes(length))
    _, opened, heard = ends.hear(ends.ask(1, REQUEST)[0])
    assert ends.answer(opened.state, heard, CONTENT)


def test_a_context_in_memory_that_held_another_one(lib):
    context = kit.Oscore(lib, bytes(range(32)), SALT, b"1234567", b"7654321", bytes(32), L.ALG_AES_CCM_16_128_256)
    context.ctx.window.next, context.ctx.window.seen = 1 << 39, 0xFFFFFFFF
    fresh = kit.Oscore(lib, SECRET, SALT, MINE, THEIRS)
    assert fresh.derive(SECRET, SALT, MINE, THEIRS, into=context.ctx) == "ok"
    assert bytes(context.ctx) == bytes(fresh.ctx)
    assert (fresh.ctx.has_id_context, kit.Oscore(lib, SECRET, SALT, MINE, THEIRS, b"").ctx.has_id_context) == (0, 1)


def test_wipe_leaves_nothing(lib):
    context = kit.Oscore(lib, SECRET, SALT, MINE, THEIRS)
    lib.hf_oscore_wipe(kit.byref(context.ctx))
    assert bytes(context.ctx) == bytes(len(bytes(context.ctx)))


# --- numbers and windows ---


def test_sequence_numbers(lib):
    ends = Ends(lib)
    for number in (0, 1, 255, 256, 65535, 65536, (1 << 24) - 1, 1 << 24, (1 << 32) - 1, 1 << 32, MAX_SEQUENCE):
        outer, _, exchange = ends.ask(number, REQUEST)
        assert exchange.number == number
        assert ends.hear(outer)[0] == "ok"
        assert ends.hear(outer)[0] == "replay-detected"
    assert ends.native.protect_request(MAX_SEQUENCE + 1, REQUEST)[:2] == ("local", REQUEST)
    _, _, exchange = ends.native_peer.unprotect_request(ends.ask(0, REQUEST)[0])
    assert ends.native_peer.protect_response(exchange, CONTENT, MAX_SEQUENCE + 1)[0] == "local"


def test_replay_windows_agree(lib):
    rng = random.Random(74)
    for start in (0, (1 << 32) - 20, MAX_SEQUENCE - 300):
        ends = Ends(lib)
        at = start
        verdicts = set()
        for _ in range(250):
            at = min(max(start, at + rng.choice((1, 1, 1, 2, -1, -3, 31, 32, 33, -31, -32, 0))), MAX_SEQUENCE)
            verdicts.add(ends.hear(ends.ask(at, REQUEST)[0])[0])
        assert verdicts == {"ok", "replay-detected"}


def test_lost_window_and_echo(lib):
    """RFC 8613 appendix B.1.2."""
    ends = Ends(lib)
    ends.python_peer.replay = ReplayWindow(initialised=False)
    ends.native_peer.ctx.window.initialised = 0
    first, second = (ends.ask(number, REQUEST)[0] for number in (40, 41))
    _, opened, exchange = ends.hear(first)
    _, later, later_exchange = ends.hear(second)
    assert not exchange.fresh
    assert ends.answer(opened.state, exchange, CONTENT) is None, "the nonce is not free"
    assert ends.answer(opened.state, exchange, CONTENT, 3)
    for result, mine in ((later, later_exchange), (opened, exchange), (later, later_exchange)):
        said = outcome(lambda result=result: ends.python_peer.accept(result.state) or (decode(REQUEST), None))[0]
        assert ends.native_peer.accept(mine) == said
        assert said != "ok" or (mine.fresh, mine.nonce_free) == (1, 1)
        ends.same_window()
    assert ends.hear(ends.ask(42, REQUEST)[0])[0] == "ok"
    assert ends.hear(ends.ask(20, REQUEST)[0])[0] == "replay-detected"


def test_accepted_late(lib):
    """The window has come alive between an unproven request and its Echo check."""
    ends = Ends(lib)
    ends.python_peer.replay = ReplayWindow(initialised=False)
    ends.native_peer.ctx.window.initialised = 0
    heard = [ends.hear(ends.ask(number, REQUEST)[0])[1:] for number in (40, 41, 80, 40)]
    verdicts = []
    for result, mine in heard:
        said = outcome(lambda result=result: ends.python_peer.accept(result.state) or (decode(REQUEST), None))[0]
        assert ends.native_peer.accept(mine) == said
        ends.same_window()
        verdicts.append(said)
    assert verdicts == ["ok", "ok", "ok", "replay-detected"]


def test_names_of_others(lib):
    """Another kid, another kid context, one where there is none; and a request without a kid, or without a number."""
    option = encode_option
    for id_context in (None, b"ctx"):
        for value, verdict in (
            (option(b"\1", b"\x0d", id_context), "unknown-context"),
            (option(b"\1", MINE, b"other"), "unknown-context"),
            (option(b"\1", MINE, b""), "unknown-context"),
            (option(b"\1", MINE, id_context), "decryption-failed"),
            (option(b"\1", MINE), "decryption-failed"),
            (option(b"\1", None, id_context), "malformed-oscore"),
            (option(b"", MINE, id_context), "malformed-oscore"),
        ):
            ends = Ends(lib, id_context)
            assert ends.hear(message(L.CODE_POST, [(L.OPT_OSCORE, value)], bytes(16)))[0] == verdict


def test_observations(lib):
    for register in (b"", b"\0", b"\1"):
        ends = Ends(lib)
        request = message(L.CODE_GET, [(L.OPT_OBSERVE, register), (L.OPT_URI_PATH, b"ekg")])
        outer, state, exchange = ends.ask(5, request)
        assert outer[1] == L.CODE_FETCH
        _, opened, heard = ends.hear(outer)
        note = message(L.CODE_CONTENT, [(L.OPT_OBSERVE, b"\x07")], b"72 bpm")
        answers = [ends.answer(opened.state, heard, note, number) for number in (None, 1, 4, 2)]
        answers.append(ends.answer(opened.state, heard, CONTENT, 9))
        verdicts = [ends.get(state, exchange, answer)[0] for answer in answers if answer]
        if register == b"\1":
            assert verdicts == ["ok"]
        else:
            assert verdicts == ["ok", "ok", "ok", "replay-detected", "ok"]
        assert ends.get(state, exchange, answers[-1])[0] == "replay-detected"


def test_a_notification_that_comes_twice(lib):
    """Under the request's nonce or a number of its own: the second one is a replay, the next number is not."""
    for number in (None, 0, 7):
        ends = Ends(lib)
        outer, state, exchange = ends.ask(5, message(L.CODE_GET, [(L.OPT_OBSERVE, b"")]))
        _, opened, heard = ends.hear(outer)
        note = message(L.CODE_CONTENT, [(L.OPT_OBSERVE, b"\x07")], b"72 bpm")
        once = ends.answer(opened.state, heard, note, number)
        assert [ends.get(state, exchange, once)[0] for _ in range(3)] == ["ok", "replay-detected", "replay-detected"]
        assert ends.get(state, exchange, ends.answer(opened.state, heard, note, 8))[0] == "ok"
        assert exchange.any == 1


# --- what cannot be protected, and buffers ---


def test_local_mistakes(lib):
    ends = Ends(lib)
    for datagram in (
        CONTENT,
        message(L.CODE_GET, [(L.OPT_OSCORE, b"")]),
        message(L.CODE_GET, [(L.OPT_PROXY_URI, b"coap://x")]),
        bytes.fromhex("40000007"),
    ):
        assert ends.ask(1, datagram)[0] is None
    for datagram in (b"", b"\x40\x01\0", REQUEST + b"\xff", message(L.CODE_GET, [(L.OPT_OBSERVE, b"")] * 2)):
        assert ends.native.protect_request(1, datagram)[:2] == ("local", datagram)
    _, opened, heard = ends.hear(ends.ask(1, REQUEST)[0])
    assert ends.answer(opened.state, heard, REQUEST) is None
    assert ends.answer(opened.state, heard, message(L.CODE_CONTENT, [(L.OPT_OBSERVE, b"\1")])) is None
    ours = ends.ask(2, REQUEST)[2]
    assert ends.native.protect_response(ours, CONTENT, 3)[0] == "local", "it was we who asked"
    assert ends.native_peer.protect_response(heard, CONTENT[:7], 3) == ("local", CONTENT[:7]), "ends with a marker"
    assert ends.native_peer.protect_response(heard, CONTENT, room=9) == ("local", CONTENT), "no room"
    assert heard.nonce_free, "nothing was sent"
    assert ends.native_peer.protect_response(heard, CONTENT, room=99)[0] == "ok"
    assert ends.native_peer.protect_response(heard, CONTENT) == ("local", CONTENT), "the request's nonce was used"
    assert ends.native_peer.protect_response(heard, CONTENT, MAX_SEQUENCE + 1) == ("local", CONTENT), "no such number"
    assert ends.native_peer.protect_response(heard, CONTENT, MAX_SEQUENCE)[0] == "ok"


def test_a_buffer_shorter_than_its_message(lib):
    ends = Ends(lib)
    length = kit.c_size_t(len(REQUEST))
    function = lib.hf_oscore_protect_request
    exchange = kit.Exchange()
    args = (kit.byref(ends.native.ctx), kit.c_uint64(1), REQUEST, kit.byref(length), kit.c_size_t(len(REQUEST) - 1))
    assert function(*args, kit.byref(exchange)) == 0x80


def test_what_is_no_context(lib):
    """After a wipe, or with an algorithm that is none, nothing is protected, nothing opened, and nothing changed."""
    ends = Ends(lib)
    sealed = ends.native.protect_request(1, REQUEST)[1]
    _, _, heard = ends.native_peer.unprotect_request(sealed)
    ends.native_peer.ctx.alg = 0
    assert ends.native_peer.unprotect_request(sealed)[0] == "replay-detected"
    assert ends.native_peer.protect_response(heard, CONTENT)[:2] == ("local", CONTENT)
    assert heard.nonce_free
    another = ends.native.protect_request(2, REQUEST)[1]
    assert ends.native_peer.unprotect_request(another)[0] == "decryption-failed"
    lib.hf_oscore_wipe(kit.byref(ends.native.ctx))
    assert ends.native.protect_request(3, REQUEST)[:2] == ("local", REQUEST)
    text = kit.create_string_buffer(REQUEST)
    assert lib.hf_oscore_seal(kit.byref(ends.native.ctx), bytes(24), text, kit.c_size_t(len(REQUEST))) == 0x80
    assert text.value == REQUEST.split(b"\0")[0]


def test_observe_twice_inside(lib):
    """The first one counts."""
    ends = Ends(lib)
    outer, state, _ = ends.ask(1, REQUEST)
    parsed = decode(outer)
    sealed = ends.python._sealer.seal(state.nonce, state.aad, b"\x01\x60\x01\x01")
    said, result, exchange = ends.hear(message(parsed.code, parsed.options, sealed))
    assert (said, exchange.observe, len(result.message.get_all(L.OPT_OBSERVE))) == ("ok", 1, 2)


def test_exactly_the_room_it_takes(lib):
    """With less room nothing is touched; with the room that hf_oscore.h promises, it is done."""
    options = [(L.OPT_URI_HOST, b"tube.example"), (L.OPT_OBSERVE, b""), (L.OPT_PROXY_SCHEME, b"coap")]
    outer_len = 1 + 12 + 1 + 0 + 2 + 4
    promised = 16 + 2 + 3 + (1 + 5 + 1 + 32 + 7)
    for datagram, extra in ((REQUEST, 0), (message(L.CODE_GET, options, b"x" * 500), outer_len)):
        native = Ends(lib, bytes(32), 31).native
        done = [native.protect_request(1, datagram, room) for room in range(1, promised + extra + 1)]
        statuses = [status for status, *_ in done]
        assert statuses == sorted(statuses), "local, then ok from some room on"
        assert statuses[0] == "local"
        assert statuses[-1] == "ok"
        assert {result for status, result, _ in done if status == "local"} == {datagram}
        assert len({result for status, result, _ in done if status == "ok"}) == 1


@pytest.mark.parametrize("length", [0, 1, 12, 13, 14, 255, 268, 269, 270])
def test_the_room_for_outer_options_of_every_form(lib, length):
    """It is asked for before anything moves: marker, code, tag and the outer options, to the byte."""
    port = (L.OPT_URI_PORT, b"\x16\x33")
    for options in ([(L.OPT_URI_HOST, bytes(length)), port], [(L.OPT_PROXY_SCHEME, bytes(length))]):
        native = Ends(lib).native
        datagram = message(L.CODE_GET, options, b"x")
        status, protected, _ = native.protect_request(1, datagram)
        assert status == "ok"
        room = len(encode_options(decode(protected).options)) + 2 + 8
        assert native.protect_request(1, datagram, room - 1)[:2] == ("local", datagram)
        assert native.protect_request(1, datagram, room)[:2] == ("ok", protected)


def test_no_datagram_is_too_long_but_text_is(lib):
    ends = Ends(lib)
    longest = message(L.CODE_PUT, payload=bytes(65534 - 1))
    assert ends.ask(1, longest)[0] is not None
    assert ends.native.protect_request(2, longest + b"x")[:2] == ("local", longest + b"x")
