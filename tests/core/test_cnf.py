"""Confirmations and keys on their own: RFC 8747's examples, OSCORE input material both ways, and what never prints."""

import traceback

import cbor2
import pytest
from minitest import vectors

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.claims import decode_claims
from holdfast_core.cnf import decode_cnf, decode_osc
from holdfast_core.cose_key import decode_cose_key
from holdfast_core.cwt import open_encrypted_key
from holdfast_core.errors import (
    BadSignature,
    HoldfastError,
    MalformedClaims,
    MalformedCose,
    MalformedKey,
    UnknownKey,
    UnsupportedAlg,
)
from holdfast_core.moment import Moment
from holdfast_core.secret import Secret
from holdfast_core.trust import Trust
from holdfast_core.verifier import verify_token
from testkit.token_rules import load_rules, trusted_key
from vectors.gen import story as s
from vectors.gen import token_writer as w

RFC8747 = {row["name"]: row for row in vectors("rfc8747")}
RFC8392 = {row["id"]: bytes.fromhex(row["hex"]) for row in vectors("rfc8392")}
RULES = load_rules()


def cnf_of(name):
    return decode_claims(bytes.fromhex(RFC8747[name]["claims_hex"])).cnf


class TestRfc8747:
    def test_cose_key(self):
        cnf = decode_cnf(cnf_of("cnf_cose_key_ec2"))
        assert (cnf.method, cnf.encrypted, cnf.kid) == (L.CNF_COSE_KEY, False, None)
        assert cnf.key.x.hex().startswith("d7cc072d")
        assert cnf.key.y.hex().startswith("f95e1d4b")
        assert cnf.key.es256() is not None

    def test_symmetric_cose_key(self):
        key = decode_cose_key(cbor.decode(bytes.fromhex(RFC8747["symmetric_cose_key_plaintext"]["cose_key_hex"])))
        assert (key.kty, key.alg, len(key.k)) == (L.KTY_SYMMETRIC, L.ALG_HMAC_256_256, 32)

    def test_encrypted_cose_key(self):
        row = RFC8747["cnf_encrypted_cose_key"]
        trusted = {"role": "encrypt", "kid": "00", "alg": 10, "issuer": "i", "key": row["key_hex"]}
        trust = Trust([trusted_key(trusted)])
        members = cnf_of("cnf_encrypted_cose_key")
        cnf = decode_cnf(members, lambda value: open_encrypted_key(value, trust, "i"))
        assert cnf.encrypted
        assert cnf.key.k.reveal().hex().startswith("6684523ab17337f1")
        with pytest.raises(UnknownKey):
            decode_cnf(members, lambda value: open_encrypted_key(value, trust, "another AS"))
        with pytest.raises(MalformedClaims, match="encrypted"):
            decode_cnf(members)

    def test_kid(self):
        cnf = decode_cnf(cnf_of("cnf_kid"))
        assert (cnf.method, cnf.kid.hex()) == (L.CNF_KID, "dfd1aa976d8d4575a0fe34b96de2bfad")
        assert (cnf.key, cnf.osc) == (None, None)


class TestRfc8392Keys:
    def test_symmetric(self):
        key = decode_cose_key(cbor.decode(RFC8392["key_128_symmetric"]))
        assert (key.kid, key.alg, len(key.k)) == (b"Symmetric128", L.ALG_AES_CCM_16_64_128, 16)

    def test_private_key_is_refused_and_its_public_half_read(self):
        members = cbor.decode(RFC8392["key_ecdsa_p256"])
        with pytest.raises(MalformedKey, match="private"):
            decode_cose_key(members)
        del members[L.KEY_D]
        key = decode_cose_key(members)
        assert key.kid == b"AsymmetricECDSA256"
        assert key.es256() is not None

    def test_symmetric_key_is_no_point(self):
        with pytest.raises(MalformedKey, match="kty"):
            decode_cose_key(cbor.decode(RFC8392["key_128_symmetric"])).es256()


@pytest.mark.parametrize("value", [None, 1, True, b"", "", [], [1], 1.5])
def test_not_a_map(value):
    with pytest.raises(MalformedClaims, match="map"):
        decode_cnf(value)
    with pytest.raises(MalformedKey, match="map"):
        decode_osc(value)
    with pytest.raises(MalformedKey, match="map"):
        decode_cose_key(value)


class TestOsc:
    MS = bytes(range(16))

    def test_least_and_defaults(self):
        osc = decode_osc({0: b"\1", 2: self.MS})
        assert (osc.id, osc.ms.reveal(), osc.salt, osc.context_id) == (b"\1", self.MS, None, None)
        assert (osc.alg, osc.hkdf, osc.version) == (L.ALG_AES_CCM_16_64_128, L.ALG_HMAC_256_256, 1)

    def test_each_member_is_where_it_belongs(self):
        osc = decode_osc({0: b"\1", 1: 2, 2: self.MS, 3: 7, 4: 30, 5: b"s", 6: b""})
        assert (osc.id, osc.version, osc.ms.reveal(), osc.hkdf) == (b"\1", 2, self.MS, 7)
        assert (osc.alg, osc.salt, osc.context_id) == (30, b"s", b"")

    def test_an_empty_salt_is_no_absent_one(self):
        osc = decode_osc({0: b"", 2: self.MS, 5: b""})
        assert (osc.id, osc.salt, osc.context_id) == (b"", b"", None)

    def test_rfc9203_figure_9_in_cbor(self):
        ms = bytes.fromhex("f9af838368e353e78888e1426bd94e6f")
        osc = decode_osc({0: b"\1", 2: ms, 4: "AES-CCM-16-64-128"})
        assert (osc.alg, osc.ms.reveal()) == (10, ms)


class TestEncryptedKey:
    """open_encrypted_key below what a whole token can show."""

    TRUST = RULES["any"].trust
    KEY = w.mapping((1, w.integer(4)), (-1, w.bstr(bytes(16))))

    def value(self, **options):
        return cbor.decode(s.encrypted(self.KEY, **options))

    def test_tagged_or_not(self):
        for value in (self.value(), cbor.Tag(16, self.value())):
            assert open_encrypted_key(value, self.TRUST, s.ISSUER) == self.KEY

    def test_every_key_is_tried_when_there_is_no_kid(self):
        trust = RULES["two-as"].trust
        value = self.value(key=s.OTHER_ENC, header=w.protected(10, None, s.IV))
        assert open_encrypted_key(value, trust, s.OTHER_ISSUER) == self.KEY
        with pytest.raises(BadSignature):
            open_encrypted_key(value, trust, s.ISSUER)

    def test_refused(self):
        for value, error in (
            (cbor.Tag(17, self.value()), MalformedCose),
            (cbor.Tag(17, [b"", {}, b"", b""]), MalformedCose),
            (b"", MalformedCose),
            (self.value(header=w.protected(10, b"nobody", s.IV)), UnknownKey),
            (self.value(header=w.protected(12, b"as-e1", s.IV)), UnsupportedAlg),
            (self.value(key=s.ENC | {"name": "stranger"}), BadSignature),
        ):
            with pytest.raises(error):
                open_encrypted_key(value, self.TRUST, s.ISSUER)


def forms(secret):
    """How bytes show up when they leak: hex of either case, a bytes literal, a list of numbers, base64."""
    import base64

    for piece in (secret, secret[::-1]):
        yield from (piece.hex(), piece.hex().upper(), repr(piece)[2:-1], repr(list(piece))[1:-1])
        yield base64.b64encode(piece).decode().rstrip("=")
        yield base64.urlsafe_b64encode(piece).decode().rstrip("=")


def shown(value):
    return repr(value) + str(value) + f"{value!r:}" + f"{[value]}"


def test_no_object_prints_a_key():
    values = [*RULES["any"].trust.keys, RULES["any"].trust]
    secrets = [key.key.reveal() for key in RULES["any"].trust.keys if isinstance(key.key, Secret)]
    secrets += [s.MS, bytes(range(100, 132))]
    values += [
        decode_cnf({4: {0: b"id", 2: s.MS}}),
        decode_osc({0: b"id", 2: s.MS}),
        decode_cose_key({1: 4, -1: bytes(range(100, 132))}),
        decode_cnf({1: {1: 4, -1: bytes(range(100, 132))}}),
        decode_claims(s.claims()),
        verify_token(s.nested(), RULES["tube"], Moment(s.NOW)),
    ]
    for value in values:
        for secret in secrets:
            for form in forms(secret):
                assert form not in shown(value), type(value)


def test_no_error_and_no_traceback_prints_a_key():
    """Every refusal among the vectors, with its whole traceback: no key of the RS and no Master Secret."""
    secrets = [key.key.reveal() for key in RULES["any"].trust.keys if isinstance(key.key, Secret)] + [s.MS]
    needles = [form for secret in secrets for form in forms(secret)]
    refused = 0
    for row in vectors("tokens"):
        try:
            nonces = [bytes.fromhex(nonce) for nonce in row.get("cnonces", [])]
            check = nonces.__contains__
            verify_token(
                bytes.fromhex(row["token"]),
                RULES[row["keys"]],
                Moment(row["now"], exi_floor=row.get("exi_floor"), cnonce_check=check),
            )
        except HoldfastError as error:
            text = shown(error) + repr(error.args) + "".join(traceback.format_exception(error))
            assert not [needle for needle in needles if needle in text], row["id"]
            refused += 1
    assert refused > 400


def test_cbor2_and_our_decoder_read_the_same_osc():
    members = {0: b"\1", 2: s.MS, 5: b"salt", 4: 10}
    assert cbor.decode(cbor2.dumps(members, canonical=True)) == members
