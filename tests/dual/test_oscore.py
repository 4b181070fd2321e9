"""OSCORE against RFC 8613: appendix C byte for byte, the option, option classes, Observe, replay and Echo."""

from minitest import TestCase, unhex, vectors

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode, encode_options
from holdfast_core.crypto import hkdf_extract
from holdfast_core.errors import (
    DecryptionFailed,
    LocalError,
    MalformedOscore,
    Overloaded,
    ReplayDetected,
    UnknownContext,
    UnsupportedAlg,
)
from holdfast_core.oscore import SecurityContext, derive, max_id_len
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.oscore_option import decode_option, encode_option, encode_piv
from holdfast_core.replay_window import ReplayWindow
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import MAX_SEQUENCE, SenderSequence, SequenceExhausted

SECRET = bytes(range(1, 17))
SALT = unhex("9e7ca92223786340")
ALGS = (
    (L.ALG_AES_CCM_16_64_128, 8),
    (L.ALG_AES_CCM_16_64_256, 8),
    (L.ALG_AES_CCM_16_128_128, 16),
    (L.ALG_AES_CCM_16_128_256, 16),
)


def client(**kwargs):
    return SecurityContext(SECRET, SALT, b"\x0c", b"\x05", **kwargs)


def server(**kwargs):
    return SecurityContext(SECRET, SALT, b"\x05", b"\x0c", **kwargs)


def get(observe=None, options=()):
    message = Message(L.CODE_GET, b"", None, L.TYPE_CON, 7, b"tk").add(L.OPT_URI_PATH, "ekg")
    if observe is not None:
        message.add(L.OPT_OBSERVE, observe)
    for number, value in options:
        message.add(number, value)
    return message


def content(payload=b"72 bpm", observe=None):
    message = Message(L.CODE_CONTENT, payload, None, L.TYPE_ACK, 7, b"tk")
    return message if observe is None else message.add(L.OPT_OBSERVE, observe)


class Spy:
    """Stands where a context keeps its Aead, and notes the arguments of seal."""

    def __init__(self, aead):
        self.aead = aead
        self.sealed = []

    def seal(self, nonce, aad, plaintext):
        self.sealed.append((nonce, aad, plaintext))
        return self.aead.seal(nonce, aad, plaintext)


class AppendixC(TestCase):
    """RFC 8613 appendix C."""

    def context(self, row, number=0):
        return SecurityContext(
            Secret(unhex(row["master_secret"])),
            unhex(row.get("master_salt", "")),
            unhex(row["sender_id"]),
            unhex(row["recipient_id"]),
            unhex(row["id_context"]) if "id_context" in row else None,
            sequence=SenderSequence(number),
        )

    def test_derivations(self):
        for row in vectors("rfc8613_contexts"):
            prk = hkdf_extract(unhex(row.get("master_salt", "")), unhex(row["master_secret"]))
            id_context = unhex(row["id_context"]) if "id_context" in row else None
            for role, id_, kind, length in (
                ("sender_key", unhex(row["sender_id"]), "Key", 16),
                ("recipient_key", unhex(row["recipient_id"]), "Key", 16),
                ("common_iv", b"", "IV", 13),
            ):
                info = cbor.encode([id_, id_context, 10, kind, length])
                self.assertEqual(info, unhex(row["info_for_" + role]), row["id"] + role)
                derived = derive(prk, id_, id_context, 10, kind, length)
                self.assertEqual(derived, unhex(row[role]), row["id"] + role)

    def test_first_nonces(self):
        for row in vectors("rfc8613_contexts"):
            mine = self.context(row)
            spy = mine._sealer = Spy(mine._sealer)
            mine.protect_request(get())
            self.assertEqual(spy.sealed[0][0], unhex(row["sender_nonce"]), row["id"])
            peer = dict(row)
            peer["sender_id"] = row["recipient_id"]
            peer["recipient_id"] = row["sender_id"]
            theirs = self.context(peer)
            spy = theirs._sealer = Spy(theirs._sealer)
            theirs.protect_request(get())
            self.assertEqual(spy.sealed[0][0], unhex(row["recipient_nonce"]), row["id"])

    def check_sealed(self, spy, row):
        nonce, aad, plaintext = spy.sealed[-1]
        self.assertEqual(nonce, unhex(row["nonce"]), row["id"])
        self.assertEqual(aad, unhex(row["aad"]), row["id"])
        self.assertEqual(plaintext, unhex(row["plaintext"]), row["id"])

    def test_messages(self):
        contexts = {row["id"]: row for row in vectors("rfc8613_contexts")}
        for row in vectors("rfc8613_messages"):
            own = contexts[row["context"]]
            peer = dict(own)
            peer["sender_id"] = own["recipient_id"]
            peer["recipient_id"] = own["sender_id"]
            plain = unhex(row["plain"])
            if row["id"] in ("C.4", "C.5", "C.6"):
                mine = self.context(own, row["sender_sequence_number"])
                spy = mine._sealer = Spy(mine._sealer)
                outer, _ = mine.protect_request(decode(plain))
                opened = self.context(peer).unprotect_request(decode(unhex(row["protected"]))).message
            else:
                theirs = self.context(peer, 20)
                request = decode(unhex("44015d1f00003974396c6f63616c686f737483747631"))
                protected, sent = theirs.protect_request(request)
                mine = self.context(own)
                spy = mine._sealer = Spy(mine._sealer)
                state = mine.unprotect_request(protected).state
                outer = mine.protect_response(decode(plain), state, row["id"] == "C.8")
                opened = theirs.unprotect_response(decode(unhex(row["protected"])), sent)
            self.check_sealed(spy, row)
            self.assertEqual(outer.get(L.OPT_OSCORE), unhex(row["option"]), row["id"])
            self.assertEqual(encode(outer), unhex(row["protected"]), row["id"])
            self.assertEqual(encode(opened), plain, row["id"])


class OptionValue(TestCase):
    """RFC 8613 section 6."""

    def test_vectors(self):
        for row in vectors("rfc8613_options"):
            value = unhex(row["value"])
            if row["expect"] == "malformed":
                with self.assertRaises(MalformedOscore) as caught:
                    decode_option(value)
                self.assertEqual(caught.exception.detail, row["reason"], row["id"])
                continue
            fields = [None if row[name] is None else unhex(row[name]) for name in ("piv", "kid", "kid_context")]
            option = decode_option(value)
            self.assertEqual([option.piv, option.kid, option.kid_context], fields, row["id"])
            self.assertEqual(encode_option(*fields), value, row["id"])

    def test_round_trips_and_truncations(self):
        for piv in (b"", b"\x00", b"\x01\x00", b"\xff\xff\xff\xff\xff"):
            for kid_context in (None, b"", b"c", bytes(255)):
                value = encode_option(piv, None, kid_context)
                self.assertEqual(decode_option(value).piv, piv)
                self.assertEqual(decode_option(value).kid_context, kid_context)
                for end in range(1, len(value)):
                    self.assertRaises(MalformedOscore, decode_option, value[:end])
                if value:
                    self.assertRaises(MalformedOscore, decode_option, value + b"\x00")
                for kid in (b"", b"\x00", bytes(7)):
                    option = decode_option(encode_option(piv, kid, kid_context))
                    self.assertEqual((option.piv, option.kid, option.kid_context), (piv, kid, kid_context))

    def test_piv_is_shortest(self):
        for number, piv in (
            (0, "00"),
            (1, "01"),
            (255, "ff"),
            (256, "0100"),
            (0xFFFF, "ffff"),
            (0x10000, "010000"),
            (1 << 32, "0100000000"),
            (MAX_SEQUENCE, "ffffffffff"),
        ):
            self.assertEqual(encode_piv(number), unhex(piv))
        self.assertRaises(LocalError, encode_piv, MAX_SEQUENCE + 1)
        self.assertRaises(LocalError, encode_piv, -1)

    def test_too_long_kid_context_is_our_own_fault(self):
        self.assertRaises(LocalError, encode_option, b"\x01", b"", bytes(256))


class Context(TestCase):
    """RFC 8613 sections 3.2 and 3.3."""

    def test_all_algorithms(self):
        for alg, tag_len in ALGS:
            outer, sent = client(alg=alg).protect_request(get())
            self.assertEqual(len(outer.payload), len(b"\x01\xb3ekg") + tag_len)
            peer = server(alg=alg)
            opened = peer.unprotect_request(outer)
            self.assertEqual(opened.message.path(), "/ekg")
            answer = peer.protect_response(content(), opened.state)
            self.assertEqual(sent.context.unprotect_response(answer, sent).payload, b"72 bpm")

    def test_algorithms_do_not_mix(self):
        for alg, _ in ALGS:
            outer, _ = client(alg=alg).protect_request(get())
            for other, _ in ALGS:
                if other != alg:
                    self.assertRaises(DecryptionFailed, server(alg=other).unprotect_request, outer)

    def test_other_algorithms_are_refused(self):
        for alg in (0, 1, 3, 12, 24, -7):
            self.assertRaises(UnsupportedAlg, client, alg=alg)
        for hkdf in (0, 4, 6, 7, -10, -11):
            self.assertRaises(UnsupportedAlg, client, hkdf=hkdf)

    def test_id_lengths(self):
        self.assertEqual(max_id_len(L.ALG_AES_CCM_16_64_128), 7)
        for one, other in ((b"", b"\x00"), (bytes(7), b""), (b"1234567", b"7654321")):
            mine = SecurityContext(SECRET, SALT, one, other)
            outer, _ = mine.protect_request(get())
            self.assertEqual(decode_option(outer.get(L.OPT_OSCORE)).kid, one)
            opened = SecurityContext(SECRET, SALT, other, one).unprotect_request(outer)
            self.assertEqual(opened.message.code, L.CODE_GET)
        for one, other in ((bytes(8), b""), (b"", bytes(8)), (b"", b""), (b"a", b"a")):
            self.assertRaises(LocalError, SecurityContext, SECRET, SALT, one, other)

    def test_every_input_changes_the_keys(self):
        outer, _ = client().protect_request(get())
        server().unprotect_request(outer)
        for other in (
            SecurityContext(b"\x00" + SECRET[1:], SALT, b"\x05", b"\x0c"),
            SecurityContext(SECRET, SALT + b"\x00" * 60, b"\x05", b"\x0c"),
            SecurityContext(SECRET, b"", b"\x05", b"\x0c"),
            SecurityContext(SECRET, SALT, b"\x05", b"\x0c", b""),
            SecurityContext(SECRET, SALT, b"\x05", b"\x0c", b"c"),
        ):
            self.assertRaises(DecryptionFailed, other.unprotect_request, outer)

    def test_keys_stay_inside(self):
        mine = client()
        prk = hkdf_extract(SALT, SECRET)
        outer, state = mine.protect_request(get())
        opened = server().unprotect_request(outer)
        shown = [repr(thing) for thing in (mine, state, opened, mine.sequence, mine.replay, outer, mine._sealer)]
        try:
            server().unprotect_response(outer, state)
        except LocalError as err:
            shown.append(repr(err) + str(err))
        try:
            outer.payload = bytes(len(outer.payload))
            server().unprotect_request(outer)
        except DecryptionFailed as err:
            shown.append(repr(err) + str(err))
        self.assertEqual(len(shown), 9)
        for id_, kind, length in ((b"\x0c", "Key", 16), (b"\x05", "Key", 16), (b"", "IV", 13)):
            key = derive(prk, id_, None, 10, kind, length)
            for form in (repr(key)[2:-1], key.hex(), repr(SECRET)[2:-1], SECRET.hex(), repr(prk)[2:-1], prk.hex()):
                self.assertNotIn(form, " ".join(shown))


class Classes(TestCase):
    """Which option goes where (RFC 8613 figure 5, section 4.1), and what an attacker gains by adding one."""

    INNER = (
        (L.OPT_IF_MATCH, b"e"),
        (L.OPT_ETAG, b"e"),
        (L.OPT_IF_NONE_MATCH, b""),
        (L.OPT_LOCATION_PATH, b"l"),
        (L.OPT_URI_PATH, b"p"),
        (L.OPT_CONTENT_FORMAT, b"\x13"),
        (L.OPT_MAX_AGE, b"\x3c"),
        (L.OPT_URI_QUERY, b"q"),
        (L.OPT_ACCEPT, b"\x13"),
        (L.OPT_LOCATION_QUERY, b"l"),
        (L.OPT_BLOCK2, b"\x06"),
        (L.OPT_BLOCK1, b"\x06"),
        (L.OPT_SIZE2, b"\x40"),
        (L.OPT_SIZE1, b"\x40"),
        (L.OPT_ECHO, b"echo"),
        (L.OPT_NO_RESPONSE, b"\x1a"),
        (L.OPT_REQUEST_TAG, b"tag"),
        (L.OPT_HOP_LIMIT, b"\x10"),
        (2048, b"unknown and elective"),
        (2049, b"unknown and critical"),
        (65001, b"unknown and critical"),
    )
    OUTER = ((L.OPT_URI_HOST, b"tube"), (L.OPT_URI_PORT, b"\x16\x34"), (L.OPT_PROXY_SCHEME, b"coap"))

    def opened(self, outer):
        return server().unprotect_request(decode(encode(outer))).message

    def test_inner_options_are_out_of_sight(self):
        for option in self.INNER:
            plain = get(options=(option,))
            outer, _ = client().protect_request(plain)
            self.assertEqual([number for number, _ in outer.options], [L.OPT_OSCORE])
            self.assertEqual(outer.code, L.CODE_POST)
            self.assertEqual(self.opened(outer).options, plain.options)

    def test_outer_options_stay_outside(self):
        for option in self.OUTER:
            plain = get(options=(option,))
            outer, _ = client().protect_request(plain)
            self.assertIn(option, outer.options)
            self.assertEqual(len(outer.options), 2)
            self.assertEqual(self.opened(outer).options, plain.options)

    def test_all_at_once_and_in_order(self):
        plain = get(options=self.INNER + self.OUTER)
        outer, _ = client().protect_request(plain)
        self.assertEqual([number for number, _ in outer.options], [3, 7, 9, 39])
        self.assertEqual(self.opened(outer).options, plain.options)

    def test_outer_inner_options_are_discarded(self):
        for number, value in self.INNER + ((L.OPT_OBSERVE, b""), (L.OPT_PROXY_URI, b"coap://x")):
            outer, _ = client().protect_request(get())
            outer.add(number, value)
            self.assertEqual(self.opened(outer).options, get().options)

    def test_response_options_from_outside_are_discarded(self):
        mine = client()
        peer = server()
        for number, value in self.INNER + ((L.OPT_OBSERVE, b"\x01"),):
            outer, sent = mine.protect_request(get())
            answer = peer.protect_response(content(), peer.unprotect_request(outer).state)
            answer.add(number, value)
            self.assertEqual(mine.unprotect_response(answer, sent).options, [])

    def test_inner_wins_over_outer(self):
        mine = client()
        for number, value in self.OUTER:
            outer, _ = mine.protect_request(get())
            spy = Spy(mine._sealer)
            inner = Message(L.CODE_GET, b"", [(number, b"inner")])
            outer.options = [(number, value)] + [(n, v) for n, v in outer.options if n != number]
            outer.options.sort()
            sealed = self.reseal(mine, outer, bytes((inner.code,)) + encode_options(inner.options), spy)
            self.assertEqual(self.opened(sealed).get_all(number), [b"inner"])

    def reseal(self, context, outer, plaintext, spy):
        """Replace what outer carries by plaintext, under the nonce outer names: a misbehaving but keyed peer."""
        context._sealer = spy
        again, _ = context.protect_request(get())
        context._sealer = spy.aead
        nonce, aad, _ = spy.sealed[-1]
        again.options = [(n, v) for n, v in outer.options if n != L.OPT_OSCORE] + [
            (L.OPT_OSCORE, again.get(L.OPT_OSCORE))
        ]
        again.options.sort()
        again.payload = spy.aead.seal(nonce, aad, plaintext)
        return again

    def test_outer_code_is_discarded(self):
        for code in (L.CODE_GET, L.CODE_DELETE, L.CODE_FETCH, L.CODE_PUT):
            outer, _ = client().protect_request(get())
            outer.code = code
            self.assertEqual(self.opened(outer).code, L.CODE_GET)

    def test_keyed_peer_sends_nonsense(self):
        mine = client()
        for plaintext in (
            b"",
            b"\x00",
            b"\x45",  # a response code in a request
            b"\xe2",  # signalling
            b"\x01\xff",  # payload marker without payload
            b"\x01\xf0",  # reserved option delta
            b"\x01\xb5ekg",  # option beyond the end
            b"\x01\x91\x00",  # OSCORE inside OSCORE
        ):
            outer, _ = mine.protect_request(get())
            outer = self.reseal(mine, outer, plaintext, Spy(mine._sealer))
            self.assertRaises(MalformedOscore, self.opened, outer)

    def test_nested_or_proxied_is_refused_before_a_number_is_used(self):
        mine = client()
        for option in ((L.OPT_OSCORE, b""), (L.OPT_PROXY_URI, b"coap://x/y")):
            self.assertRaises(LocalError, mine.protect_request, get(options=(option,)))
        self.assertRaises(LocalError, mine.protect_request, content())
        self.assertEqual(mine.sequence.next_value, 0)

    def test_header_passes_through(self):
        for mtype, mid, token in ((L.TYPE_CON, 1, b""), (L.TYPE_NON, 0xFFFF, b"12345678")):
            plain = Message(L.CODE_POST, b"body", None, mtype, mid, token)
            outer, _ = client().protect_request(plain)
            self.assertEqual((outer.mtype, outer.mid, outer.token), (mtype, mid, token))
            self.assertEqual(encode(self.opened(outer)), encode(plain))


class Requests(TestCase):
    """RFC 8613 section 8.2."""

    def test_forged_requests_change_nothing(self):
        mine = client(sequence=SenderSequence(0x1234))
        peer = server()
        outer, _ = mine.protect_request(get())
        payload = outer.payload
        for bit in range(8 * len(payload)):
            forged = bytearray(payload)
            forged[bit // 8] ^= 1 << bit % 8
            outer.payload = bytes(forged)
            self.assertRaises(DecryptionFailed, peer.unprotect_request, outer)
        for piv in (b"\x12\x35", b"\x34", b"\xff\xff\xff\xff\xff"):
            outer.payload = payload
            changed = outer.copy().set(L.OPT_OSCORE, encode_option(piv, b"\x0c"))
            self.assertRaises(DecryptionFailed, peer.unprotect_request, changed)
        for end in range(1, len(payload)):
            outer.payload = payload[:end]
            self.assertRaises(DecryptionFailed, peer.unprotect_request, outer)
        outer.payload = payload
        self.assertTrue(peer.unprotect_request(outer).fresh)

    def test_malformed_requests(self):
        outer, _ = client().protect_request(get())
        for value in (b"", b"\x01\x00", b"\x08\x0c", b"\x00", b"\x09"):
            changed = outer.copy().set(L.OPT_OSCORE, value)
            self.assertRaises(MalformedOscore, server().unprotect_request, changed)
        self.assertRaises(MalformedOscore, server().unprotect_request, outer.copy().add(L.OPT_OSCORE, b"\x09\x00\x0c"))
        self.assertRaises(MalformedOscore, server().unprotect_request, outer.copy().remove(L.OPT_OSCORE))
        outer.payload = b""
        self.assertRaises(MalformedOscore, server().unprotect_request, outer)

    def test_replay(self):
        mine = client()
        peer = server()
        outers = [mine.protect_request(get())[0] for _ in range(40)]
        for outer in (outers[39], outers[8], outers[20]):  # 39 - 31 is the window's last place
            self.assertTrue(peer.unprotect_request(outer).fresh)
        for outer in (outers[39], outers[8], outers[20], outers[7], outers[0]):
            self.assertRaises(ReplayDetected, peer.unprotect_request, outer)

    def test_kid_context(self):
        mine = client(id_context=b"ward")
        outer, _ = mine.protect_request(get())
        self.assertEqual(decode_option(outer.get(L.OPT_OSCORE)).kid_context, b"ward")
        peer = server(id_context=b"ward")
        self.assertTrue(peer.unprotect_request(outer).fresh)
        outer, _ = mine.protect_request(get())
        without = outer.copy().set(L.OPT_OSCORE, encode_option(b"\x01", b"\x0c"))
        self.assertTrue(peer.unprotect_request(without).fresh)
        for kid, kid_context in ((b"\x0c", b"ware"), (b"\x0c", b""), (b"\x0d", b"ward"), (b"", b"ward")):
            swapped = outer.copy().set(L.OPT_OSCORE, encode_option(b"\x02", kid, kid_context))
            self.assertRaises(UnknownContext, peer.unprotect_request, swapped)
        plain_peer = server()
        self.assertRaises(UnknownContext, plain_peer.unprotect_request, outer)

    def test_exhaustion(self):
        mine = client(sequence=SenderSequence(MAX_SEQUENCE))
        peer = server()
        outer, _ = mine.protect_request(get())
        self.assertEqual(outer.get(L.OPT_OSCORE), unhex("0dffffffffff0c"))
        self.assertTrue(peer.unprotect_request(outer).fresh)
        self.assertRaises(SequenceExhausted, mine.protect_request, get())
        self.assertRaises(SequenceExhausted, mine.protect_request, get())


class Responses(TestCase):
    """RFC 8613 sections 8.3 and 8.4: a response belongs to one request."""

    def exchange(self, **kwargs):
        mine = client()
        peer = server(**kwargs)
        outer, sent = mine.protect_request(get())
        return mine, peer, sent, peer.unprotect_request(outer).state

    def test_the_request_nonce_serves_one_response(self):
        _, peer, _, state = self.exchange()
        spy = peer._sealer = Spy(peer._sealer)
        first = peer.protect_response(content(), state)
        second = peer.protect_response(content(b"73 bpm"), state)
        third = peer.protect_response(content(b"74 bpm"), state)
        self.assertEqual([m.get(L.OPT_OSCORE) for m in (first, second, third)], [b"", b"\x01\x00", b"\x01\x01"])
        self.assertEqual(len({nonce for nonce, _, _ in spy.sealed}), 3)
        self.assertEqual(first.code, L.CODE_CHANGED)

    def test_one_response_is_opened(self):
        mine, peer, sent, state = self.exchange()
        first = peer.protect_response(content(), state)
        second = peer.protect_response(content(b"73 bpm"), state)
        self.assertEqual(mine.unprotect_response(first, sent).payload, b"72 bpm")
        self.assertRaises(ReplayDetected, mine.unprotect_response, first, sent)
        self.assertRaises(ReplayDetected, mine.unprotect_response, second, sent)

    def test_response_to_another_request(self):
        mine = client()
        peer = server()
        outer1, sent1 = mine.protect_request(get())
        outer2, sent2 = mine.protect_request(get())
        state1 = peer.unprotect_request(outer1).state
        state2 = peer.unprotect_request(outer2).state
        answers = [peer.protect_response(content(), state1), peer.protect_response(content(), state2, True)]
        for answer, wrong in ((answers[0], sent2), (answers[1], sent1)):
            self.assertRaises(DecryptionFailed, mine.unprotect_response, answer, wrong)
        self.assertEqual(mine.unprotect_response(answers[1], sent2).payload, b"72 bpm")
        self.assertEqual(mine.unprotect_response(answers[0], sent1).payload, b"72 bpm")

    def test_forged_response_leaves_the_exchange_open(self):
        mine, peer, sent, state = self.exchange()
        answer = peer.protect_response(content(), state)
        forged = answer.copy()
        forged.payload = answer.payload[:-1] + bytes((answer.payload[-1] ^ 1,))
        self.assertRaises(DecryptionFailed, mine.unprotect_response, forged, sent)
        self.assertRaises(DecryptionFailed, mine.unprotect_response, forged.set(L.OPT_OSCORE, b"\x01\x00"), sent)
        self.assertRaises(MalformedOscore, mine.unprotect_response, forged.set(L.OPT_OSCORE, b"\x00"), sent)
        self.assertRaises(MalformedOscore, mine.unprotect_response, forged.remove(L.OPT_OSCORE), sent)
        self.assertEqual(mine.unprotect_response(answer, sent).payload, b"72 bpm")

    def test_own_request_reflected_as_response(self):
        mine = client()
        outer, sent = mine.protect_request(get())
        for value in (b"", b"\x01\x00"):
            reflected = outer.copy().set(L.OPT_OSCORE, value)
            self.assertRaises(DecryptionFailed, mine.unprotect_response, reflected, sent)
        self.assertRaises(UnknownContext, mine.unprotect_response, outer, sent)

    def test_response_that_names_a_kid(self):
        mine, peer, sent, state = self.exchange()
        answer = peer.protect_response(content(), state)
        for kid, kid_context in ((b"\x06", None), (b"", None), (b"\x05", b"c")):
            named = answer.copy().set(L.OPT_OSCORE, encode_option(b"", kid, kid_context))
            self.assertRaises(UnknownContext, mine.unprotect_response, named, sent)
        named = answer.copy().set(L.OPT_OSCORE, encode_option(b"", b"\x05"))
        self.assertEqual(mine.unprotect_response(named, sent).payload, b"72 bpm")

    def test_states_do_not_change_hands(self):
        mine, peer, sent, state = self.exchange()
        answer = peer.protect_response(content(), state)
        other = client()
        self.assertRaises(LocalError, other.unprotect_response, answer, sent)
        self.assertRaises(LocalError, server().protect_response, content(), state)
        self.assertRaises(LocalError, server().accept, state)
        self.assertRaises(LocalError, peer.protect_response, get(), state)

    def test_server_may_answer_with_errors(self):
        for code in (L.CODE_BAD_REQUEST, L.CODE_FORBIDDEN, L.CODE_INTERNAL_SERVER_ERROR):
            mine, peer, sent, state = self.exchange()
            answer = peer.protect_response(Message(code), state)
            self.assertEqual(answer.code, L.CODE_CHANGED)
            self.assertEqual(mine.unprotect_response(answer, sent).code, code)


class Observations(TestCase):
    """RFC 8613 sections 4.1.3.5, 7.4.1, 8.3.1 and 8.4.2."""

    def observe(self, value=L.OBSERVE_REGISTER):
        mine = client()
        peer = server()
        outer, sent = mine.protect_request(get(value))
        return mine, peer, outer, sent, peer.unprotect_request(outer)

    def test_registration_and_cancellation(self):
        for value, encoded in ((L.OBSERVE_REGISTER, b""), (L.OBSERVE_DEREGISTER, b"\x01")):
            _, _, outer, sent, opened = self.observe(value)
            self.assertEqual(outer.code, L.CODE_FETCH)
            self.assertEqual(outer.get(L.OPT_OBSERVE), encoded)
            self.assertEqual(opened.message.get(L.OPT_OBSERVE), encoded)
            self.assertEqual((sent.observe, opened.state.observe), (value == 0, value == 0))

    def test_stripped_or_changed_outside(self):
        mine = client()
        for change in ("remove", "deregister"):
            outer, _ = mine.protect_request(get(0))
            outer.remove(L.OPT_OBSERVE)
            if change == "deregister":
                outer.add(L.OPT_OBSERVE, 1)
            opened = server().unprotect_request(outer)
            self.assertEqual(opened.message.get(L.OPT_OBSERVE), b"")
            self.assertTrue(opened.state.observe)

    def test_notifications(self):
        mine, peer, _, sent, opened = self.observe()
        for number in range(5):
            outer = peer.protect_response(content(b"%d" % number, observe=number + 10), opened.state)
            self.assertEqual(outer.code, L.CODE_CONTENT)
            self.assertEqual(outer.uint(L.OPT_OBSERVE), number + 10)
            piv = decode_option(outer.get(L.OPT_OSCORE)).piv
            self.assertEqual(piv, b"" if number == 0 else bytes((number - 1,)))
            outer.set(L.OPT_OBSERVE, 0xFFFFFF)
            inner = mine.unprotect_response(outer, sent)
            self.assertEqual((inner.payload, inner.get(L.OPT_OBSERVE)), (b"%d" % number, b""))
        ended = peer.protect_response(Message(L.CODE_UNAUTHORIZED), opened.state)
        self.assertEqual((ended.code, ended.get(L.OPT_OSCORE)), (L.CODE_CHANGED, b"\x01\x04"))
        self.assertEqual(mine.unprotect_response(ended, sent).code, L.CODE_UNAUTHORIZED)
        late = peer.protect_response(content(observe=99), opened.state)
        self.assertRaises(ReplayDetected, mine.unprotect_response, late, sent)

    def test_only_the_first_may_lack_a_piv_and_order_grows(self):
        mine, peer, _, sent, opened = self.observe()
        sent_out = [peer.protect_response(content(b"%d" % n, observe=n), opened.state) for n in range(5)]
        self.assertEqual(mine.unprotect_response(sent_out[2], sent).payload, b"2")
        for stale in (0, 1, 2):
            self.assertRaises(ReplayDetected, mine.unprotect_response, sent_out[stale], sent)
        self.assertEqual(mine.unprotect_response(sent_out[4], sent).payload, b"4")
        self.assertRaises(ReplayDetected, mine.unprotect_response, sent_out[3], sent)

    def test_first_without_piv_is_taken_once(self):
        mine, peer, _, sent, opened = self.observe()
        first = peer.protect_response(content(observe=1), opened.state)
        self.assertEqual(mine.unprotect_response(first, sent).payload, b"72 bpm")
        self.assertRaises(ReplayDetected, mine.unprotect_response, first, sent)

    def test_forged_notification_changes_nothing(self):
        mine, peer, _, sent, opened = self.observe()
        first = peer.protect_response(content(observe=1), opened.state, True)
        mine.unprotect_response(first, sent)
        forged = first.copy().set(L.OPT_OSCORE, b"\x05\xff\xff\xff\xff\xff")
        self.assertRaises(DecryptionFailed, mine.unprotect_response, forged, sent)
        second = peer.protect_response(content(b"73 bpm", observe=2), opened.state)
        self.assertEqual(mine.unprotect_response(second, sent).payload, b"73 bpm")

    def test_notifications_belong_to_their_registration(self):
        mine, peer, _, sent, opened = self.observe()
        outer, again = mine.protect_request(get(0))
        reopened = peer.unprotect_request(outer)
        old = peer.protect_response(content(observe=1), opened.state, True)
        new = peer.protect_response(content(observe=2), reopened.state, True)
        self.assertRaises(DecryptionFailed, mine.unprotect_response, old, again)
        self.assertRaises(DecryptionFailed, mine.unprotect_response, new, sent)
        self.assertEqual(mine.unprotect_response(new, again).payload, b"72 bpm")

    def test_observe_without_registration(self):
        for value in (None, L.OBSERVE_DEREGISTER):
            mine, peer, _, sent, opened = self.observe(value)
            self.assertRaises(LocalError, peer.protect_response, content(observe=1), opened.state)
            opened.state.observe = True  # a server that notifies who did not ask
            answer = peer.protect_response(content(observe=1), opened.state)
            self.assertRaises(MalformedOscore, mine.unprotect_response, answer, sent)

    def test_refused_registration_is_an_ordinary_response(self):
        mine, peer, _, sent, opened = self.observe()
        answer = peer.protect_response(content(), opened.state)
        self.assertEqual(mine.unprotect_response(answer, sent).payload, b"72 bpm")
        late = peer.protect_response(content(observe=1), opened.state)
        self.assertRaises(ReplayDetected, mine.unprotect_response, late, sent)


class Echo(TestCase):
    """Losing the replay window (RFC 8613 section 7.5 and appendix B.1.2)."""

    def restarted(self):
        return server(sequence=SenderSequence(64), replay=ReplayWindow(initialised=False))

    def test_recovery(self):
        mine = client()
        old = [mine.protect_request(get())[0] for _ in range(3)]
        peer = self.restarted()
        outer, sent = mine.protect_request(get())
        opened = peer.unprotect_request(outer)
        self.assertFalse(opened.fresh)
        challenge = peer.protect_response(Message(L.CODE_UNAUTHORIZED).add(L.OPT_ECHO, b"nonce"), opened.state)
        self.assertEqual(challenge.get(L.OPT_OSCORE), b"\x01\x40")  # its own number, never the request's nonce
        echo = mine.unprotect_response(challenge, sent).get(L.OPT_ECHO)
        outer, sent = mine.protect_request(get(options=((L.OPT_ECHO, echo),)))
        opened = peer.unprotect_request(outer)
        self.assertFalse(opened.fresh)
        self.assertEqual(opened.message.get(L.OPT_ECHO), b"nonce")
        peer.accept(opened.state)
        answer = peer.protect_response(content(), opened.state)
        self.assertEqual(answer.get(L.OPT_OSCORE), b"")
        self.assertEqual(mine.unprotect_response(answer, sent).payload, b"72 bpm")
        for replayed in old + [outer]:
            self.assertRaises(ReplayDetected, peer.unprotect_request, replayed)
        self.assertTrue(peer.unprotect_request(mine.protect_request(get())[0]).fresh)

    def test_replayed_traffic_is_never_fresh_and_never_answered_under_its_nonce(self):
        mine = client()
        first_life = server()
        captured = [mine.protect_request(get())[0] for _ in range(20)]
        spies = []
        for peer in (first_life, self.restarted()):
            spies.append(Spy(peer._sealer))
            peer._sealer = spies[-1]
            for outer in captured:
                opened = peer.unprotect_request(outer)
                self.assertEqual(opened.fresh, peer is first_life)
                peer.protect_response(content(), opened.state)
        nonces = [nonce for spy in spies for nonce, _, _ in spy.sealed]
        self.assertEqual((len(nonces), len(set(nonces))), (40, 40))

    def test_an_accepted_request_is_accepted_once(self):
        mine = client()
        peer = self.restarted()
        outer, _ = mine.protect_request(get())
        later, _ = mine.protect_request(get())
        twice = [peer.unprotect_request(outer).state, peer.unprotect_request(outer).state]
        waiting = peer.unprotect_request(later).state
        peer.accept(twice[0])
        self.assertRaises(ReplayDetected, peer.accept, twice[1])
        self.assertRaises(ReplayDetected, peer.accept, twice[0])
        peer.accept(waiting)
        self.assertRaises(ReplayDetected, peer.accept, waiting)

    def test_accepted_request_is_the_lower_limit(self):
        mine = client()
        peer = self.restarted()
        states = [peer.unprotect_request(mine.protect_request(get())[0]).state for _ in range(3)]
        peer.accept(states[1])
        self.assertRaises(ReplayDetected, peer.accept, states[0])
        peer.accept(states[2])

    def test_a_forgery_does_not_initialise(self):
        mine = client()
        peer = self.restarted()
        outer, _ = mine.protect_request(get())
        outer.payload = bytes(len(outer.payload))
        self.assertRaises(DecryptionFailed, peer.unprotect_request, outer)
        self.assertFalse(peer.replay.initialised)


class Window(TestCase):
    """RFC 8613 sections 3.2.2 and 7.4."""

    def test_edges(self):
        window = ReplayWindow(32)
        for number in (0, 31, 1, 30):
            window.record(number)
        window.record(32)  # 0 leaves
        for number in (0, 1, 30, 31, 32):
            self.assertRaises(ReplayDetected, window.check, number)
        for number in (2, 29, 33, MAX_SEQUENCE):
            window.check(number)
        window.record(63)
        self.assertRaises(ReplayDetected, window.record, 31)
        self.assertRaises(ReplayDetected, window.record, 32)
        window.record(33)
        self.assertRaises(ReplayDetected, window.record, 33)

    def test_far_jump(self):
        window = ReplayWindow()
        window.record(5)
        window.record(MAX_SEQUENCE)
        for number in (0, 5, 6, MAX_SEQUENCE - 32, MAX_SEQUENCE):
            self.assertRaises(ReplayDetected, window.record, number)
        window.record(MAX_SEQUENCE - 31)
        window.record(MAX_SEQUENCE - 1)

    def test_size_one_takes_growing_numbers_only(self):
        window = ReplayWindow(1)
        for number in (3, 4, 9):
            window.record(number)
            self.assertRaises(ReplayDetected, window.record, number)
            self.assertRaises(ReplayDetected, window.record, number - 1)

    def test_uninitialised(self):
        window = ReplayWindow(initialised=False)
        self.assertRaises(LocalError, window.check, 0)
        self.assertRaises(LocalError, window.record, 0)
        window.initialise(100)
        for number in (0, 69, 99, 100):
            self.assertRaises(ReplayDetected, window.record, number)
        window.record(101)
        self.assertRaises(LocalError, window.initialise, 200)
        self.assertRaises(LocalError, ReplayWindow().initialise, 0)
        self.assertRaises(LocalError, ReplayWindow, 0)


class Table(TestCase):
    """Finding a context by kid and kid context."""

    def test_find(self):
        table = ContextTable(3)
        one = SecurityContext(SECRET, SALT, b"a", b"")
        two = SecurityContext(SECRET, SALT, b"a", b"\x01", b"ward")
        table.add(one)
        table.add(two)
        self.assertIs(table.find(b""), one)
        self.assertIs(table.find(b"\x01"), two)
        self.assertIs(table.find(b"\x01", b"ward"), two)
        for kid, kid_context in ((b"\x02", None), (b"\x01", b"ware"), (b"\x01", b""), (b"", b""), (b"", b"ward")):
            self.assertRaises(UnknownContext, table.find, kid, kid_context)
        self.assertRaises(MalformedOscore, table.find, None, b"ward")
        self.assertTrue(b"" in table and b"\x01" in table and b"\x02" not in table)
        self.assertEqual(len(table.contexts()), 2)

    def test_bounds(self):
        table = ContextTable(2)
        contexts = [SecurityContext(SECRET, SALT, b"a", bytes((n,))) for n in range(3)]
        table.add(contexts[0])
        self.assertRaises(LocalError, table.add, contexts[0])
        self.assertRaises(LocalError, table.add, SecurityContext(SECRET, SALT, b"b", b"\x00"))
        table.add(contexts[1])
        self.assertRaises(Overloaded, table.add, contexts[2])
        table.remove(contexts[2])
        table.remove(SecurityContext(SECRET, SALT, b"b", b"\x00"))  # another context of that kid
        self.assertEqual(len(table), 2)
        table.remove(contexts[0])
        table.add(contexts[2])
        self.assertRaises(UnknownContext, table.find, b"\x00")
        self.assertIs(table.find(b"\x02"), contexts[2])
