"""The OSCORE profile of ACE against RFC 9203: bodies at authz-info, Master Salt, whole contexts, identifiers."""

from minitest import TestCase, unhex, vectors

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.ace_oscore import (
    NONCE_LEN,
    choose_recipient_id,
    client_context,
    decode_authz_info,
    decode_authz_info_answer,
    encode_authz_info,
    encode_authz_info_answer,
    master_salt,
    rs_context,
)
from holdfast_core.cnf import decode_osc
from holdfast_core.coap_message import Message
from holdfast_core.confirmation import OscInput
from holdfast_core.crypto import hkdf_extract
from holdfast_core.errors import DecryptionFailed, KeyUnsuitable, MalformedRequest, Overloaded
from holdfast_core.oscore import SecurityContext, derive
from holdfast_core.oscore_contexts import ContextTable
from holdfast_core.secret import Secret

TOKEN = b"\xd8\x3d\xd2token"
MS = unhex("f9af838368e353e78888e1426bd94e6f")
N1 = unhex("018a278f7faab55a")
N2 = unhex("25a8991cd700ac01")
ID1 = unhex("1645")
ID2 = unhex("0000")


def osc(**kwargs):
    return OscInput(b"\x01", Secret(MS), **kwargs)


def exchange(client, rs):
    """One request and its response under the two contexts; returns what the client got."""
    outer, sent = client.protect_request(Message(L.CODE_GET).add(L.OPT_URI_PATH, "ekg"))
    opened = rs.unprotect_request(outer)
    return client.unprotect_response(rs.protect_response(Message(L.CODE_CONTENT, b"72"), opened.state), sent).payload


class Bodies(TestCase):
    """RFC 9203 sections 4.1 and 4.2."""

    def test_post(self):
        body = encode_authz_info(TOKEN, N1, ID1)
        self.assertEqual(cbor.decode(body), {1: TOKEN, 40: N1, 43: ID1})
        post = decode_authz_info(body)
        self.assertEqual((post.access_token, post.nonce1, post.client_recipientid), (TOKEN, N1, ID1))

    def test_what_is_missing_and_what_is_wrong_are_two_reasons(self):
        body = {1: TOKEN, 40: N1, 43: ID1}
        for nonce, reason in ((None, "missing"), (7, "type"), (b"", "nonce-length"), (bytes(65), "nonce-length")):
            wrong = dict(body)
            if nonce is None:
                del wrong[40]
            else:
                wrong[40] = nonce
            with self.assertRaises(MalformedRequest) as caught:
                decode_authz_info(cbor.encode(wrong))
            self.assertEqual(caught.exception.detail, reason)
        for length in (1, 64):
            body[40] = bytes(length)
            self.assertEqual(decode_authz_info(cbor.encode(body)).nonce1, bytes(length))
        self.assertEqual(NONCE_LEN, 8)

    def test_update(self):
        body = encode_authz_info(TOKEN)
        self.assertEqual(cbor.decode(body), {1: TOKEN})
        for sent in (body, encode_authz_info(TOKEN, N1, ID1), cbor.encode({1: TOKEN, 40: 7, 43: "x"})):
            post = decode_authz_info(sent, update=True)
            self.assertEqual((post.access_token, post.nonce1, post.client_recipientid), (TOKEN, None, None))
        self.assertRaises(MalformedRequest, decode_authz_info, body)

    def test_figure_12(self):
        row = next(row for row in vectors("rfc9203") if row["id"] == "fig-12")
        self.assertEqual(encode_authz_info_answer(N2, ID2), unhex(row["hex"]))
        self.assertEqual(decode_authz_info_answer(unhex(row["hex"])), (N2, ID2))

    def test_empty_ids_and_other_parameters_are_allowed(self):
        body = cbor.encode({1: TOKEN, 40: N1, 43: b"", 38: 2, 65000: None, "text": [1]})
        self.assertEqual(decode_authz_info(body).client_recipientid, b"")
        self.assertEqual(decode_authz_info_answer(cbor.encode({42: N2, 44: b"", 99: 1})), (N2, b""))

    def test_missing_or_wrong(self):
        good = {1: TOKEN, 40: N1, 43: ID1}
        for label in good:
            body = dict(good)
            del body[label]
            self.assertRaises(MalformedRequest, decode_authz_info, cbor.encode(body))
            for wrong in (None, True, 1, "text", [b""], {}):
                body[label] = wrong
                self.assertRaises(MalformedRequest, decode_authz_info, cbor.encode(body))
        for label, wrong in ((1, b""), (40, b""), (40, bytes(65))):
            body = dict(good)
            body[label] = wrong
            self.assertRaises(MalformedRequest, decode_authz_info, cbor.encode(body))
        for body in ({42: N2}, {44: ID2}, {42: b"", 44: ID2}, {42: N2, 44: 0}, {42: None, 44: ID2}):
            self.assertRaises(MalformedRequest, decode_authz_info_answer, cbor.encode(body))

    def test_not_a_map(self):
        body = encode_authz_info(TOKEN, N1, ID1)
        bodies = [body[:end] for end in range(len(body))]
        bodies += [body + b"\x00", b"\xbf" + body[1:] + b"\xff", TOKEN, b"\x80", b"\xf6", b"\x41\x00", b"\xff"]
        bodies.append(b"\xa4" + body[1:] + b"\x01\x41\x00")  # the token twice
        for malformed in bodies:
            for decoder in (decode_authz_info, decode_authz_info_answer):
                with self.assertRaises(MalformedRequest) as caught:
                    decoder(malformed)
                self.assertEqual(caught.exception.coap_code, L.CODE_BAD_REQUEST)


class Salt(TestCase):
    """RFC 9203 section 4.3."""

    def test_figure_13(self):
        row = next(row for row in vectors("rfc9203") if row["id"] == "fig-13")
        salt = master_salt(unhex(row["input_salt"]), unhex(row["nonce1"]), unhex(row["nonce2"]))
        self.assertEqual(salt, unhex(row["master_salt"]))

    def test_no_two_inputs_collide(self):
        parts = (b"", b"\x40", b"\x41", b"\x40\x40", bytes(24))
        salts = {master_salt(a, b, c) for a in parts for b in parts for c in parts}
        self.assertEqual(len(salts), len(parts) ** 3)

    def test_contexts(self):
        """The vectors' keys come out of our derivation, and our client context is the one of the literal reading."""
        for row in vectors("rfc9203"):
            if "client_sender_key" not in row:
                continue
            salt = unhex(row["master_salt"])
            sender, recipient = unhex(row["client_sender_id"]), unhex(row["client_recipient_id"])
            prk = hkdf_extract(salt, MS)
            self.assertEqual(derive(prk, sender, None, 10, "Key", 16), unhex(row["client_sender_key"]))
            self.assertEqual(derive(prk, recipient, None, 10, "Key", 16), unhex(row["client_recipient_key"]))
            self.assertEqual(derive(prk, b"", None, 10, "IV", 13), unhex(row["client_common_iv"]))
            present = unhex("f9af838368e353e78888e1426bd94e6f") if row["id"] == "salt-present" else None
            ours = client_context(osc(salt=present), N1, N2, ID1, ID2)
            theirs = SecurityContext(MS, salt, recipient, sender)
            if row["id"] == "salt-omitted-dropped":  # the other reading understands nothing
                self.assertRaises(DecryptionFailed, exchange, ours, theirs)
            else:
                self.assertEqual(exchange(ours, theirs), b"72")

    def test_an_empty_salt_is_an_omitted_one(self):
        one = client_context(osc(salt=b""), N1, N2, ID1, ID2)
        self.assertEqual(exchange(one, rs_context(osc(salt=None), N1, N2, ID1, ID2)), b"72")


class Contexts(TestCase):
    """RFC 9203 section 4.3: both ends derive the same context, and nobody else does."""

    def test_figure_6(self):
        row = next(row for row in vectors("rfc9203") if row["id"] == "fig-6")
        claims = cbor.decode(unhex(row["hex"]))
        material = decode_osc(claims[L.CLAIM_CNF][L.CNF_OSC])
        self.assertEqual((material.id, material.ms.reveal(), material.salt), (b"\x01", MS, None))
        one = client_context(material, N1, N2, ID1, ID2)
        self.assertEqual((one.sender_id, one.recipient_id, one.alg), (ID2, ID1, L.ALG_AES_CCM_16_64_128))
        self.assertEqual(exchange(one, rs_context(material, N1, N2, ID1, ID2)), b"72")

    def test_both_ends(self):
        for kwargs in (
            {},
            {"salt": b"salt"},
            {"alg": L.ALG_AES_CCM_16_64_256},
            {"alg": L.ALG_AES_CCM_16_128_128, "context_id": b"ward"},
            {"alg": L.ALG_AES_CCM_16_128_256, "context_id": b""},
        ):
            for id1, id2 in ((b"", b"\x00"), (b"\x00", b""), (b"1234567", b"7654321"), (ID1, ID2)):
                material = osc(**kwargs)
                one = client_context(material, N1, N2, id1, id2)
                other = rs_context(material, N1, N2, id1, id2)
                self.assertEqual((one.sender_id, one.recipient_id), (other.recipient_id, other.sender_id))
                self.assertEqual(exchange(one, other), b"72")

    def test_every_part_matters(self):
        other_n1, other_n2 = bytes(8), bytes(8)
        for rs in (
            rs_context(osc(), other_n1, N2, ID1, ID2),
            rs_context(osc(), N1, other_n2, ID1, ID2),
            rs_context(osc(), N2, N1, ID1, ID2),
            rs_context(osc(salt=b"s"), N1, N2, ID1, ID2),
            rs_context(osc(context_id=b"c"), N1, N2, ID1, ID2),
            rs_context(OscInput(b"\x01", Secret(bytes(16))), N1, N2, ID1, ID2),
        ):
            self.assertRaises(DecryptionFailed, exchange, client_context(osc(), N1, N2, ID1, ID2), rs)

    def test_the_osc_id_is_no_oscore_id(self):
        one = client_context(OscInput(b"anything", Secret(MS)), N1, N2, ID1, ID2)
        self.assertEqual(exchange(one, rs_context(osc(), N1, N2, ID1, ID2)), b"72")

    def test_equal_or_over_long_ids(self):
        for make in (client_context, rs_context):
            for id1, id2 in ((ID1, ID1), (b"", b""), (bytes(8), b""), (b"", bytes(8)), (b"", bytes(200))):
                self.assertRaises(MalformedRequest, make, osc(), N1, N2, id1, id2)

    def test_unsuitable_material(self):
        for kwargs in (
            {"alg": 1},
            {"alg": 24},
            {"alg": 12},
            {"hkdf": 6},
            {"hkdf": -10},
            {"version": 2},
            {"version": 0},
        ):
            for make in (client_context, rs_context):
                with self.assertRaises(KeyUnsuitable) as caught:
                    make(osc(**kwargs), N1, N2, ID1, ID2)
                self.assertEqual(caught.exception.coap_code, L.CODE_BAD_REQUEST)
                self.assertNotIn(MS.hex(), repr(caught.exception))


class Identifiers(TestCase):
    """RFC 9203 section 4.2: ID2 is unique among our Recipient IDs and not ID1."""

    def test_one_byte_until_all_are_taken(self):
        used = set()
        for _ in range(255):
            chosen = choose_recipient_id(lambda n: b"\xf0" * n, used, b"\x07")
            self.assertEqual(len(chosen), 1)
            self.assertFalse(chosen in used or chosen == b"\x07")
            used.add(chosen)
        self.assertEqual(choose_recipient_id(lambda n: b"\xf0" * n, used, b"\x07"), b"\xf0\xf0")
        self.assertEqual(choose_recipient_id(lambda n: b"\xf0" * n, used), b"\x07")

    def test_starts_at_random_and_skips(self):
        self.assertEqual(choose_recipient_id(lambda n: b"\x09", (), b""), b"\x09")
        self.assertEqual(choose_recipient_id(lambda n: b"\x09", (), b"\x09"), b"\x0a")
        self.assertEqual(choose_recipient_id(lambda n: b"\xff", (b"\xff", b"\x01"), b"\x00"), b"\x02")

    def test_a_table_is_a_set_of_used_ids(self):
        table = ContextTable(4)
        table.add(SecurityContext(MS, b"", b"a", b"\x05"))
        self.assertEqual(choose_recipient_id(lambda n: b"\x05", table), b"\x06")

    def test_all_taken(self):
        class Everything:
            def __contains__(self, kid):
                return True

        self.assertRaises(Overloaded, choose_recipient_id, bytes, Everything())


class Replay(TestCase):
    """An attacker who posts an old N1 again (RFC 9203 section 7): fresh N2 and ID2, so no key ever returns."""

    def test_replayed_n1_over_reboots(self):
        seen = set()
        for boot in range(20):
            table = ContextTable(10)  # a board with 256 KB of RAM has no room for many more of these
            for post in range(10):
                n2 = cbor.encode_head(0, (1 << 33) + boot * 1000 + post)[1:]  # what a DRBG gives: never twice
                id2 = choose_recipient_id(bytes, table, ID1)
                made = rs_context(osc(), N1, n2, ID1, id2)
                made._sealer = Fingerprint(made._sealer)
                table.add(made)
                outer, _ = made.protect_request(Message(L.CODE_GET))
                seen.add(outer.payload)
        self.assertEqual(len(seen), 200)  # one plaintext, one sequence number: distinct keys


class Fingerprint:
    """Seals everything under one nonce and AAD, so that equal keys show as equal ciphertexts."""

    def __init__(self, aead):
        self.aead = aead

    def seal(self, nonce, aad, plaintext):
        return self.aead.seal(bytes(13), b"", plaintext)
