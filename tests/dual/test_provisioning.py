"""The provisioning record: what round-trips, what is refused, what never shows."""

from minitest import TestCase

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.errors import MalformedKey, MalformedProvisioning
from holdfast_core.p256_table import GEOMETRIES, table_len
from holdfast_core.provisioning import (
    AsContext,
    ProvisionedKey,
    Provisioning,
    RsProvisioning,
    decode_provisioning,
    encode_provisioning,
)
from holdfast_core.secret import Secret
from holdfast_core.trust import TrustedKey

KEY = bytes(range(100, 116))


def blank_table(teeth, blocks):
    """What has the shape of a table, and no points."""
    return bytes((1, teeth, blocks, 0)) + bytes(table_len(teeth, blocks) - 4)


def tube():
    return Provisioning(
        issuer="https://as.example",
        as_uri="coap://as.example/token",
        seed=Secret(bytes(range(32))),
        time_floor_s=1700000000,
        keys=(
            ProvisionedKey("sign", b"s1", L.ALG_ES256, "https://as.example", Secret(bytes(64))),
            ProvisionedKey("encrypt", b"e1", L.ALG_AES_CCM_16_64_128, "https://as.example", Secret(KEY)),
        ),
        rs=RsProvisioning(
            b"tube1", ("connected_tube_123",), {"read_result": [("/result", L.METHOD_GET)]}, ("cwt-nested",)
        ),
    )


def ekg():
    made = tube()
    made.as_peer = ("127.0.0.1", 5683)
    made.client_id = "ekg_device_ABC"
    made.as_context = AsContext(Secret(KEY), b"salt", b"\x01", b"\x02")
    return made


class Record(TestCase):
    def test_round_trip(self):
        for made in (tube(), ekg()):
            read = decode_provisioning(encode_provisioning(made))
            self.assertEqual(encode_provisioning(read), encode_provisioning(made))
            self.assertEqual(read.rs.scopes, {"read_result": [("/result", L.METHOD_GET)]})
            self.assertEqual(read.keys[1].material, Secret(KEY))
            self.assertEqual(read.as_peer, made.as_peer)
        self.assertEqual(read.as_context.sender_id, b"\x01")
        self.assertEqual(read.client_id, "ekg_device_ABC")

    def test_a_table_comes_back_and_rows_without_one_are_read(self):
        made = tube()
        self.assertIsNone(decode_provisioning(encode_provisioning(made)).keys[0].table)
        for size in sorted(GEOMETRIES):
            made.keys[0].table = blank_table(*GEOMETRIES[size])
            read = decode_provisioning(encode_provisioning(made))
            self.assertEqual(read.keys[0].table, made.keys[0].table)
            self.assertIsNone(read.keys[1].table)
            self.assertEqual(encode_provisioning(read), encode_provisioning(made))

    def test_what_is_no_table_is_refused(self):
        good = blank_table(6, 1)
        wrong = [b"", good[:3], good[:-1], good + b"\x00", None, "text", 5]
        for at, value in ((0, 0), (0, 2), (1, 5), (1, 2), (1, 9), (2, 0), (2, 2), (2, 9), (3, 1)):
            wrong.append(good[:at] + bytes((value,)) + good[at + 1 :])
        for role, table in [("sign", table) for table in wrong] + [("encrypt", good)]:
            record = cbor.decode(encode_provisioning(tube()))
            row = record[L.PROV_KEYS][0 if role == "sign" else 1]
            row.append(table)
            with self.assertRaises(MalformedProvisioning) as caught:
                decode_provisioning(cbor.encode(record))
            self.assertEqual(caught.exception.detail, "table")
            row.append(table)
            with self.assertRaises(MalformedProvisioning):
                decode_provisioning(cbor.encode(record))

    def test_an_exi_floor_comes_back_and_need_not_be_there(self):
        made = tube()
        self.assertEqual((made.rs.exi_floor, decode_provisioning(encode_provisioning(made)).rs.exi_floor), (-1, -1))
        for floor in (0, 5, (1 << 64) - 1):
            made.rs.exi_floor = floor
            self.assertEqual(decode_provisioning(encode_provisioning(made)).rs.exi_floor, floor)
        record = cbor.decode(encode_provisioning(made))
        for wrong in (-2, 1.5, True, None, b"", "1"):
            record[L.PROV_RS][L.PROV_RS_EXI_FLOOR] = wrong
            with self.assertRaises(MalformedProvisioning):
                decode_provisioning(cbor.encode(record))

    def test_every_member_is_needed_and_none_is_added(self):
        record = cbor.decode(encode_provisioning(tube()))
        for label in record:
            less = {k: record[k] for k in record if k != label}
            if label == L.PROV_RS:
                continue
            with self.subTest(label), self.assertRaises(MalformedProvisioning):
                decode_provisioning(cbor.encode(less))
        record[99] = 1
        with self.assertRaises(MalformedProvisioning):
            decode_provisioning(cbor.encode(record))

    def test_wrong_values(self):
        for label, value in (
            (L.PROV_VERSION, 2),
            (L.PROV_VERSION, True),
            (L.PROV_ISSUER, b"x"),
            (L.PROV_AS_URI, ""),
            (L.PROV_SEED, bytes(31)),
            (L.PROV_TIME_FLOOR, -1),
            (L.PROV_TIME_FLOOR, True),
            (L.PROV_MAX_SESSIONS, 0),
            (L.PROV_MAX_SESSIONS, 65),
            (L.PROV_KEYS, [["sign", b"k", -7, "i", bytes(63)]]),
            (L.PROV_KEYS, [["bearer", b"k", -7, "i", bytes(64)]]),
            (L.PROV_KEYS, [["mac", b"k", True, "i", bytes(64)]]),
            (L.PROV_KEYS, [["mac", b"k", 5, "i"]]),
            (L.PROV_AS_PEER, ["h", 0]),
            (L.PROV_AS_PEER, ["h", 65536]),
            (L.PROV_AS_CONTEXT, {1: KEY, 2: b"", 3: b"\x01", 4: b"\x01"}),
            (L.PROV_AS_CONTEXT, {1: KEY, 2: b"", 3: b"\x01", 4: bytes(8)}),
            (L.PROV_RS, {1: b"r"}),
            (L.PROV_RS, 1),
            (L.PROV_AS_CONTEXT, 1),
        ):
            record = cbor.decode(encode_provisioning(ekg()))
            record[label] = value
            with self.subTest(f"{label} {value!r}"), self.assertRaises(MalformedProvisioning):
                decode_provisioning(cbor.encode(record))

    def test_wrong_rs_values(self):
        for label, value in (
            (L.PROV_RS_ID, b""),
            (L.PROV_RS_AUDIENCES, []),
            (L.PROV_RS_SCOPES, {"a b": [["/x", 1]]}),
            (L.PROV_RS_SCOPES, {"a": [["x", 1]]}),
            (L.PROV_RS_SCOPES, {"a": [["/x", 0]]}),
            (L.PROV_RS_SCOPES, {"a": []}),
            (L.PROV_RS_SCOPES, [["/x", 1]]),
            (L.PROV_RS_SCOPES, {"a": [["/x", 1, 1]]}),
            (L.PROV_RS_FORMATS, ["jwt"]),
            (L.PROV_RS_CONNECTED, 1),
            (L.PROV_RS_FRESHNESS, None),
            (L.PROV_RS_EXI_FLOOR, -2),
            (L.PROV_RS_TOKEN_SHAPE, "loose"),
            (L.PROV_RS_TOKEN_SHAPE, True),
            (L.PROV_RS_TOKEN_SHAPE, ["rfc8392"]),
        ):
            record = cbor.decode(encode_provisioning(ekg()))
            record[L.PROV_RS][label] = value
            with self.subTest(f"{label} {value!r}"), self.assertRaises(MalformedProvisioning):
                decode_provisioning(cbor.encode(record))

    def test_each_bound_and_the_value_beside_it(self):
        text, octets = "x", b"x"

        def key(role, kid, material):
            return [[role, kid, -7, "i", material]]

        def context(secret, salt, sender_id, recipient_id=b""):
            return {1: secret, 2: salt, 3: sender_id, 4: recipient_id}

        def rows(count):
            return [key("mac", octets, bytes(16))[0]] * count

        def scopes(count, mask=1):
            return {"a": [["/x", mask]] * count}

        for label, good, bad in (
            (L.PROV_ISSUER, (text, text * 255), ("", text * 256)),
            (L.PROV_TIME_FLOOR, (0, 1 << 40), (-1, (1 << 40) + 1)),
            (L.PROV_MAX_SESSIONS, (1, 64), (0, 65)),
            (L.PROV_EDITION, (0, (1 << 64) - 1), (-1,)),
            (L.PROV_SEED, (bytes(32),), (bytes(31), bytes(33))),
            (L.PROV_AS_PEER, (["h", 1], ["h", 65535]), (["h", 0], ["h", 65536], ["h"], ["h", 1, 1])),
            (L.PROV_KEYS, (rows(0), rows(64)), (rows(65),)),
            (L.PROV_KEYS, (key("sign", b"", bytes(64)),), (key("sign", b"", bytes(63)), key("sign", b"", bytes(65)))),
            (L.PROV_KEYS, (key("mac", b"", bytes(16)),), (key("mac", b"", bytes(15)),)),
            (L.PROV_KEYS, (key("mac", bytes(64), bytes(64)),), (key("mac", bytes(65), bytes(64)),)),
            (L.PROV_KEYS, (), (key("mac", b"", bytes(65)), [key("mac", b"", bytes(16))[0] + [None, None]])),
            (L.PROV_AS_CONTEXT, (context(bytes(16), b"", bytes(7)),), (context(bytes(15), b"", bytes(7)),)),
            (L.PROV_AS_CONTEXT, (context(bytes(64), bytes(64), b"x"),), (context(bytes(65), b"", b"x"),)),
            (L.PROV_AS_CONTEXT, (context(KEY, b"", b"", bytes(7)),), (context(KEY, b"", b"", bytes(8)),)),
            (L.PROV_AS_CONTEXT, (), (context(KEY, bytes(65), b"x"), context(KEY, b"", bytes(8)))),
            ((L.PROV_RS, L.PROV_RS_ID), (octets, bytes(64)), (b"", bytes(65))),
            ((L.PROV_RS, L.PROV_RS_AUDIENCES), ([text], [text] * 64), ([], [text] * 65)),
            ((L.PROV_RS, L.PROV_RS_FORMATS), (["cwt-mac"], ["cwt-mac"] * 64), ([], ["cwt-mac"] * 65)),
            ((L.PROV_RS, L.PROV_RS_EXI_FLOOR), (-1, (1 << 64) - 1), (-2,)),
            ((L.PROV_RS, L.PROV_RS_SCOPES), (scopes(1), scopes(64)), (scopes(0), scopes(65))),
            ((L.PROV_RS, L.PROV_RS_SCOPES), (scopes(1, (1 << 64) - 1),), (scopes(1, 0),)),
        ):
            for value in good + bad:
                record = cbor.decode(encode_provisioning(ekg()))
                within = record if isinstance(label, int) else record[label[0]]
                within[label if isinstance(label, int) else label[1]] = value
                encoded = cbor.encode(record)
                with self.subTest(f"{label} {value!r}"):
                    if value in good:
                        decode_provisioning(encoded)
                    else:
                        with self.assertRaises(MalformedProvisioning):
                            decode_provisioning(encoded)

    def test_a_key_is_trusted_for_what_it_can_do_alone(self):
        ccm, tag, whole = L.ALG_AES_CCM_16_64_128, L.ALG_HMAC_256_64, L.ALG_HMAC_256_256
        for role, alg, length in (("encrypt", ccm, 16), ("mac", tag, 32), ("mac", whole, 32)):
            self.assertEqual(TrustedKey(role, b"k", alg, "i", Secret(bytes(length))).role, role)
            for wrong in (length - 1, length + 1):
                with self.assertRaises(MalformedKey):
                    TrustedKey(role, b"k", alg, "i", Secret(bytes(wrong)))
            with self.assertRaises(MalformedKey):
                TrustedKey(role, b"k", alg, "i", bytes(length))
        for role, alg, length in (
            ("sign", L.ALG_ES256, 64),
            ("sign", ccm, 16),
            ("encrypt", tag, 32),
            ("encrypt", L.ALG_ES256, 16),
            ("mac", ccm, 32),
            ("mac", L.ALG_ES256, 32),
            ("bearer", ccm, 16),
            ("", tag, 32),
        ):
            with self.subTest(f"{role} {alg}"), self.assertRaises(MalformedKey):
                TrustedKey(role, b"k", alg, "i", Secret(bytes(length)))

    def test_what_is_not_said(self):
        read = decode_provisioning(encode_provisioning(tube()))
        self.assertEqual((read.max_sessions, read.edition, read.rs.exi_floor), (8, 0, -1))

    def test_the_shape_of_tokens_is_strict_unless_it_says_otherwise(self):
        self.assertEqual(decode_provisioning(encode_provisioning(tube())).rs.token_shape, "strict")
        told = tube()
        told.rs.token_shape = "rfc8392"
        self.assertEqual(decode_provisioning(encode_provisioning(told)).rs.token_shape, "rfc8392")
        told.rs.token_shape = "loose"
        with self.assertRaises(MalformedProvisioning):
            encode_provisioning(told)

    def test_truncated_at_every_byte_and_extended(self):
        encoded = encode_provisioning(ekg())
        for end in range(len(encoded)):
            with self.assertRaises(MalformedProvisioning):
                decode_provisioning(encoded[:end])
        with self.assertRaises(MalformedProvisioning):
            decode_provisioning(encoded + b"\x00")

    def test_encoding_refuses_what_decoding_would(self):
        bad = tube()
        bad.time_floor_s = -1
        with self.assertRaises(MalformedProvisioning):
            encode_provisioning(bad)

    def test_no_secret_in_a_repr(self):
        made = ekg()
        shown = repr(made) + repr(made.keys) + repr(made.as_context) + repr(made.rs)
        for leak in (repr(KEY)[2:-1], "6465", "dump"):
            self.assertNotIn(leak, shown)
