"""The two ways to check a token give the same verdict, for the same reason, and the same grant.

Where the C core is there, verifier_hf.py against verifier.py; elsewhere the door must lead to verifier.py.
"""

from minitest import MICROPYTHON, TestCase, vectors

from holdfast_core import crypto, token_check, verifier
from holdfast_core.moment import Moment
from testkit.link import Random
from testkit.token_rules import load_rules, outcome, verify_row

RULES = load_rules()
HAS_CORE = crypto.PROVIDER == "hf_native" if MICROPYTHON else "C core" in crypto.PROVIDER
CORE = "hf_native" if MICROPYTHON else "the C core"
FORMATS = ("good-nested", "good-encrypted", "good-signed", "good-mac")
MUTANTS = 3000


def told(verify, row, token=None):
    """What a way says of a token: the verdict in the vectors' words, and the grant's fields."""
    grants = []
    verdict = outcome(lambda: grants.append(verify_row(row, RULES, verify, token)))
    return verdict, described(grants[0]) if grants else None


def described(grant):
    cnf, osc, key = grant.cnf, grant.cnf.osc, grant.cnf.key
    fields = [grant.iss, grant.sub, grant.client_id, grant.act, grant.aud, grant.scope, grant.permissions.entries()]
    times = (
        grant.exp,
        grant.nbf,
        grant.iat,
        grant.exi,
    )  # the core keeps what is beyond 64 bits as the nearest that fits
    fields += [time if time is None else max(-(1 << 63), min(time, (1 << 63) - 1)) for time in times]
    fields += [grant.exi_seq, grant.cti, grant.cnonce]
    fields += [grant.ace_profile, grant.format, grant.token_hash, cnf.method, cnf.kid, cnf.encrypted]
    fields.append(osc and [osc.id, osc.ms.reveal(), osc.salt, osc.context_id, osc.alg, osc.hkdf, osc.version])
    secret = key and key.k and key.k.reveal()
    fields.append(key and [key.kty, key.kid, key.alg, key.key_ops, key.crv, key.x, key.y, secret])
    return fields


class Door(TestCase):
    def test_it_leads_to_the_core_where_that_is(self):
        self.assertEqual(token_check.PATH, CORE if HAS_CORE else "python")
        self.assertEqual(token_check.verify_token is verifier.verify_token, not HAS_CORE)


class Agreement(TestCase):
    def same(self, row, token=None, name=None):
        self.assertEqual(told(token_check.verify_token, row, token), told(verifier.verify_token, row, token), name)

    def test_both_ways_on_every_vector(self):
        for row in vectors("tokens"):
            self.same(row, name=row["id"])

    def test_every_truncation_of_each_format(self):
        for row in vectors("tokens") if HAS_CORE else ():
            if row["id"] in FORMATS:
                token = bytes.fromhex(row["token"])
                for end in range(len(token)):
                    self.same(row, token[:end], (row["id"], end))

    def test_mutants(self):
        """Bytes changed, put in and taken out in tokens that verify and in tokens that do not."""
        rng = Random(23)
        rows = [row for row in vectors("tokens") if len(row["token"]) < 800 and "signed" not in row["id"]]
        for number in range(MUTANTS if HAS_CORE else 0):
            row = rows[rng.below(len(rows))]
            token = bytearray(bytes.fromhex(row["token"]))
            for _ in range(1 + rng.below(3)):
                at = rng.below(len(token) + 1)
                token = token[:at] + rng.octets(rng.below(3)) + token[at + rng.below(3) :]
            self.same(row, bytes(token), (number, row["id"]))

    def test_what_the_core_leaves_of_a_refused_nonce_is_the_rs_s_to_judge(self):
        asked = []
        for row in vectors("tokens"):
            if "cnonces" in row:
                for ways in (token_check.verify_token, verifier.verify_token):
                    seen = []
                    fresh = [bytes.fromhex(nonce) for nonce in row["cnonces"]]

                    def check(cnonce, seen=seen, fresh=fresh):
                        seen.append(cnonce)
                        return cnonce in fresh

                    outcome(
                        ways, bytes.fromhex(row["token"]), RULES[row["keys"]], Moment(row["now"], cnonce_check=check)
                    )
                    asked.append(seen)
        self.assertTrue(len(asked) >= 4)
        self.assertEqual(asked[::2], asked[1::2])
