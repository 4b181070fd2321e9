"""COSE messages against the working group's examples and RFC 8392 appendix A; these have unprotected headers."""

from minitest import Rows, TestCase, vectors

from holdfast_core import cbor, cose, crypto
from holdfast_core import labels as L
from holdfast_core.errors import BadSignature, CritUnknown, Malformed, MalformedCose, UnsupportedAlg
from holdfast_core.secret import Secret
from testkit.token_rules import outcome

RFC8392 = Rows("rfc8392", field="hex")
P256 = next(row["key"] for row in vectors("cose_examples") if row["tag"] == L.TAG_COSE_SIGN1)


def key_of(row):
    """A Secret, or the P-256 key; an example on another curve gets a P-256 key, its alg is refused before."""
    if row["tag"] == L.TAG_COSE_SIGN1:
        material = bytes.fromhex(row["key"] or P256)
        return crypto.Es256Key(material[:32], material[32:])
    return Secret(bytes.fromhex(row["key"]))


def open_example(row):
    encoded = bytes.fromhex(row["message"])
    untagged = row["untagged"]
    message = cose.message_from(row["tag"], cbor.decode(encoded)) if untagged else cose.decode_message(encoded)
    return cose.open_message(message, row["alg"], key_of(row), bytes.fromhex(row["aad"]))


def cose_key(name):
    return cbor.decode(RFC8392[name])


class Examples(TestCase):
    def test_every_example(self):
        passed = 0
        for row in vectors("cose_examples"):
            with self.subTest(row["id"]):
                expect, reason, _ = outcome(open_example, row)
                self.assertEqual((expect, reason.split(":")[0]), (row["expect"], row["reason"]))
                if expect == "ok":
                    self.assertEqual(open_example(row), bytes.fromhex(row["payload"]))
                    passed += 1
        self.assertEqual(passed, 14)

    def test_untagged_is_no_message(self):
        for row in vectors("cose_examples"):
            if row["untagged"]:
                with self.assertRaises(MalformedCose):
                    cose.decode_message(bytes.fromhex(row["message"]))

    def test_truncated_or_longer(self):
        for row in vectors("cose_examples"):
            if row["expect"] == "ok" and not row["untagged"]:
                encoded = bytes.fromhex(row["message"])
                for end in range(len(encoded)):
                    with self.assertRaises(Malformed):
                        cose.decode_message(encoded[:end])
                with self.assertRaises(Malformed):
                    cose.decode_message(encoded + b"\0")

    def test_other_external_aad(self):
        for row in vectors("cose_examples"):
            if row["expect"] == "ok":
                changed = dict(row)
                changed["aad"] = row["aad"] + "00"
                with self.assertRaises(BadSignature):
                    open_example(changed)


class Rfc8392(TestCase):
    def test_a3_signed(self):
        key = cose_key("key_ecdsa_p256")
        public = crypto.Es256Key(key[L.KEY_X], key[L.KEY_Y])
        message = cose.decode_message(RFC8392["signed_cwt"])
        self.assertEqual(cose.open_message(message, L.ALG_ES256, public), RFC8392["claims_set"])

    def test_a4_maced_and_a7_float(self):
        key = Secret(cose_key("key_256_symmetric")[L.KEY_K])  # the RFC's key says alg 10; what it is used with counts
        message = cose.decode_message(RFC8392["maced_cwt_with_tag"][2:])
        self.assertEqual(cose.open_message(message, L.ALG_HMAC_256_64, key), RFC8392["claims_set"])
        message = cose.decode_message(RFC8392["maced_cwt_float"])
        self.assertEqual(cbor.decode(cose.open_message(message, L.ALG_HMAC_256_64, key)), {6: 1443944944.5})

    def test_a5_encrypted_and_a6_nested(self):
        key = Secret(cose_key("key_128_symmetric")[L.KEY_K])
        message = cose.decode_message(RFC8392["encrypted_cwt"])
        self.assertEqual(cose.open_message(message, L.ALG_AES_CCM_16_64_128, key), RFC8392["claims_set"])
        message = cose.decode_message(RFC8392["nested_cwt"])
        inner = cose.open_message(message, L.ALG_AES_CCM_16_64_128, key)
        key = cose_key("key_ecdsa_p256")
        public = crypto.Es256Key(key[L.KEY_X], key[L.KEY_Y])
        signed = cose.decode_message(inner)
        self.assertEqual(signed.tag, L.TAG_COSE_SIGN1)
        self.assertEqual(cose.open_message(signed, L.ALG_ES256, public), RFC8392["claims_set"])


class Structure(TestCase):
    """Rules of RFC 9052 that no example breaks."""

    def message(self, protected, unprotected, tag=L.TAG_COSE_MAC0):
        header = cbor.encode(protected) if isinstance(protected, dict) else protected
        return cose.message_from(tag, [header, unprotected, b"payload", bytes(32)])

    def test_unknown_tag(self):
        with self.assertRaises(MalformedCose):
            self.message({}, {}, L.TAG_COSE_SIGN)

    def test_both_forms_of_an_empty_header(self):
        self.assertEqual(self.message(b"\xa0", {}).protected, b"")
        self.assertEqual(self.message(b"", {}).protected, b"")

    def test_received_header_bytes_are_kept(self):
        reordered = bytes.fromhex("a2044178") + bytes.fromhex("0105")
        message = self.message(reordered, {})
        self.assertEqual(message.protected, reordered)
        self.assertEqual(message.headers, {1: 5, 4: b"x"})

    def test_malformed_headers(self):
        for protected, unprotected in (
            ({4: b"x"}, {4: b"x"}),
            ({4: b"x"}, {4: b"y"}),
            ({}, {2: [1]}),
            ({2: []}, {}),
            ({2: [99]}, {}),
            ({2: 99, 99: 1}, {}),
            ({2: [True], 1: 5}, {}),
            ({5: b"x"}, {6: b"x"}),
            ({}, {5: b"x", 6: b"x"}),
            ({1: b"x"}, {}),
            ({1: True}, {}),
            ({}, {1: 1.5}),
            ({4: "x"}, {}),
            ({}, {5: "x"}),
            (b"\x80", {}),
            (b"\xa0", []),
        ):
            with self.assertRaises(Malformed):
                self.message(protected, unprotected)

    def test_crit_is_never_understood(self):
        message = self.message({1: 5, 2: [1]}, {})
        with self.assertRaises(CritUnknown):
            cose.open_message(message, L.ALG_HMAC_256_256, Secret(bytes(32)))

    def test_key_of_another_kind(self):
        public = crypto.Es256Key(bytes.fromhex(P256)[:32], bytes.fromhex(P256)[32:])
        for tag, alg, key in (
            (L.TAG_COSE_MAC0, L.ALG_HMAC_256_256, public),
            (L.TAG_COSE_SIGN1, L.ALG_ES256, Secret(bytes(32))),
            (L.TAG_COSE_SIGN1, L.ALG_HMAC_256_256, public),
            (L.TAG_COSE_MAC0, L.ALG_ES256, public),
            (L.TAG_COSE_MAC0, L.ALG_AES_CCM_16_64_128, Secret(bytes(16))),
        ):
            with self.assertRaises(UnsupportedAlg):
                cose.open_message(self.message({1: alg}, {}, tag), alg, key)
        header = cbor.encode({1: L.ALG_AES_CCM_16_64_128, 5: bytes(13)})
        message = cose.message_from(L.TAG_COSE_ENCRYPT0, [header, {}, bytes(20)])
        with self.assertRaises(UnsupportedAlg):
            cose.open_message(message, L.ALG_AES_CCM_16_64_128, public)

    def test_alg_absent(self):
        with self.assertRaises(UnsupportedAlg):
            cose.open_message(self.message({}, {}), L.ALG_HMAC_256_256, Secret(bytes(32)))

    def test_prints_no_content(self):
        self.assertEqual(repr(self.message({}, {})), "CoseMessage(tag=17)")
