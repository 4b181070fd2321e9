"""Confirmations against RFC 8747 section 3: a key, a sealed key, a key by its name. Never whole tokens."""

from minitest import Rows, TestCase, unhex

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.claims import decode_claims
from holdfast_core.cnf import decode_cnf
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.cwt import open_encrypted_key
from holdfast_core.errors import MalformedClaims, UnknownKey
from holdfast_core.trust import Trust
from testkit.token_rules import trusted_key

RFC8747 = Rows("rfc8747", key="name")


def cnf_of(name):
    return decode_claims(unhex(RFC8747[name]["claims_hex"])).cnf


class Rfc8747(TestCase):
    def test_cose_key(self):
        cnf = decode_cnf(cnf_of("cnf_cose_key_ec2"))
        self.assertEqual((cnf.method, cnf.encrypted, cnf.kid), (L.CNF_COSE_KEY, False, None))
        self.assertEqual((cnf.key.x.hex()[:8], cnf.key.y.hex()[:8]), ("d7cc072d", "f95e1d4b"))
        self.assertIsNotNone(cnf.key.es256())

    def test_symmetric_cose_key(self):
        key = decode_cose_key(cbor.decode(unhex(RFC8747["symmetric_cose_key_plaintext"]["cose_key_hex"])))
        self.assertEqual((key.kty, key.alg, len(key.k)), (L.KTY_SYMMETRIC, L.ALG_HMAC_256_256, 32))

    def test_encrypted_cose_key(self):
        sealed_with = RFC8747["cnf_encrypted_cose_key"]["key_hex"]
        trust = Trust([trusted_key({"role": "encrypt", "kid": "00", "alg": 10, "issuer": "i", "key": sealed_with})])
        members = cnf_of("cnf_encrypted_cose_key")
        cnf = decode_cnf(members, lambda value: open_encrypted_key(value, trust, "i"))
        self.assertTrue(cnf.encrypted)
        self.assertEqual(cnf.key.k.reveal().hex()[:16], "6684523ab17337f1")
        with self.assertRaises(UnknownKey):
            decode_cnf(members, lambda value: open_encrypted_key(value, trust, "another AS"))
        with self.assertRaises(MalformedClaims):
            decode_cnf(members)

    def test_kid(self):
        cnf = decode_cnf(cnf_of("cnf_kid"))
        self.assertEqual((cnf.method, cnf.kid.hex()), (L.CNF_KID, "dfd1aa976d8d4575a0fe34b96de2bfad"))
        self.assertEqual((cnf.key, cnf.osc), (None, None))
