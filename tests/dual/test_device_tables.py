"""Another key's table of multiples in a device's provisioning: the device does not start, or leaves it alone."""

from minitest import TestCase, unhex, vectors

from holdfast_core import crypto
from holdfast_core import labels as L
from holdfast_core.errors import MalformedKey, NotAuthentic
from holdfast_core.provisioning import ProvisionedKey
from holdfast_core.secret import Secret
from holdfast_device.device import trust_of

CASE = next(iter(vectors("crypto_es256")))
X, Y = unhex(CASE["x"]), unhex(CASE["y"])
IN_PYTHON = crypto.PROVIDER in ("micropython", "cryptography")  # which leave tables alone


class Told:
    """As much of a provisioning record as its keys."""

    def __init__(self, point, table):
        self.keys = [ProvisionedKey("sign", b"as-1", L.ALG_ES256, "as", Secret(point), table)]


def key_at_device(point, table):
    return trust_of(Told(point, table)).keys[0].key


class AnAttackersTable(TestCase):
    """Of a key of his own, with which he signs, put into a provisioning file beside the key of the AS."""

    def setUp(self):
        rows = list(vectors("crypto_es256"))
        self.attacks = []
        for case in vectors("crypto_es256_tables"):
            signed = [row for row in rows if row["x"] + row["y"] == case["point"] != CASE["x"] + CASE["y"]]
            for row in signed:
                self.attacks.append((unhex(case["point"]), unhex(case["table"]), unhex(row["msg"]), unhex(row["sig"])))
        self.assertGreater(len(self.attacks), 1)

    def accepted(self, point, table, message, signature):
        try:
            key_at_device(point, table).verify(message, signature)
        except (MalformedKey, NotAuthentic):
            return False
        return True

    def test_it_verifies_his_signatures_beside_his_key_and_not_beside_ours(self):
        taken = [self.accepted(*attack) for attack in self.attacks]
        self.assertTrue(all(taken))
        for _, table, message, signature in self.attacks:
            self.assertFalse(self.accepted(X + Y, table, message, signature))
            self.assertFalse(self.accepted(X + Y, None, message, signature))

    def test_it_stops_the_start_or_is_left_alone(self):
        for _, table, _, _ in self.attacks:
            if IN_PYTHON:
                self.assertTrue(self.accepted(X + Y, table, unhex(CASE["msg"]), unhex(CASE["sig"])))
                continue
            with self.assertRaises(MalformedKey) as caught:
                key_at_device(X + Y, table)
            self.assertEqual(caught.exception.detail, "table")
