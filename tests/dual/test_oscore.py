"""OSCORE against RFC 8613: appendix C byte for byte, the option, the context, option classes."""

from minitest import TestCase, unhex, vectors

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode, encode_options
from holdfast_core.crypto import hkdf_extract
from holdfast_core.errors import (
    DecryptionFailed,
    LocalError,
    MalformedOscore,
    ReplayDetected,
    UnsupportedAlg,
)
from holdfast_core.oscore import SecurityContext, derive, max_id_len
from holdfast_core.oscore_option import decode_option, encode_option, encode_piv
from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import MAX_SEQUENCE, SenderSequence
from testkit.oscore import ALGS, SALT, SECRET, Spy, client, content, get, server


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


class Malformed(TestCase):
    """A message that is authentic and makes no sense came all the same: its number is used (RFC 8613 section 8.2)."""

    INNERS = (
        b"",  # not even a code
        bytes((L.CODE_CONTENT,)),  # a response
        bytes((L.CODE_GET, 0xF0)),  # an option whose number is reserved
        bytes((L.CODE_GET, 0xB3)) + b"ek",  # an option that is cut off
        bytes((L.CODE_GET, 0xFF)),  # a payload that is none
        bytes((L.CODE_GET, 0x90)),  # an OSCORE option
    )

    def sealed(self, mine, inner):
        outer, state = mine.protect_request(get())
        outer.payload = mine._sealer.seal(state.nonce, state.aad, inner)
        return outer

    def test_it_is_refused_once_as_malformed_and_then_as_a_replay(self):
        for inner in self.INNERS:
            mine, peer = client(), server()
            outer = self.sealed(mine, inner)
            self.assertRaises(MalformedOscore, peer.unprotect_request, outer)
            self.assertRaises(ReplayDetected, peer.unprotect_request, outer)
            self.assertEqual(peer.unprotect_request(mine.protect_request(get())[0]).message.path(), "/ekg")


class Lacking(TestCase):
    """What a request must have, each for a reason of its own (RFC 8613 sections 2, 6.1 and 8.2)."""

    def test_a_request_has_one_option_with_a_partial_iv_and_a_kid_and_a_payload(self):
        good, _ = client().protect_request(get())
        option = good.get(L.OPT_OSCORE)
        for values, payload, reason in (
            ([b"\x08\x01"], good.payload, "no-piv"),
            ([b"\x01\x00"], good.payload, "no-kid"),
            ([], good.payload, "option-count"),
            ([option, option], good.payload, "option-count"),
            ([option], b"", "no-payload"),
        ):
            outer = Message(good.code, payload, [(L.OPT_OSCORE, value) for value in values])
            with self.assertRaises(MalformedOscore) as caught:
                server().unprotect_request(outer)
            self.assertEqual(caught.exception.detail, reason)


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
