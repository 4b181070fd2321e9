"""Posts to authz-info from addresses that may be false, and what they cost clients that are there (RFC 9175 2.4)."""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_message import decode, encode, request
from holdfast_device.client import Refused
from testkit import mint
from testkit.link import Random
from testkit.story import NOW_S, TUBE, World, get, held

GARBAGE = encode_authz_info(
    bytes(mint.encrypted(mint.claims(TUBE, "read_result", NOW_S), bytes(16))), b"n" * 8, b"\x01"
)


class Floods(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube()
        self.doctor = self.world.client()
        self.random = Random(3)
        self.mid = 0

    def open(self, key=b"osc-1"):
        token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S + self.world.now_ms // 1000, key=key))
        return self.world.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms)))

    def post(self, peer, echo=None):
        """Post garbage from an address: the decoded answer."""
        message = request(L.CODE_POST, "/authz-info", GARBAGE, L.CF_ACE_CBOR)
        if echo is not None:
            message.add(L.OPT_ECHO, echo)
        self.mid = (self.mid + 1) & 0xFFFF
        message.mtype, message.mid, message.token = L.TYPE_CON, self.mid, b"t"
        self.tube.feed(encode(message), peer, self.world.now_ms)
        answers = [decode(raw) for raw, to in self.tube.take_datagrams() if to == peer]
        return answers[0] if answers else None

    def somewhere(self):
        return "10.0." + str(self.random.below(256)) + "." + str(self.random.below(256)), 5683

    def test_in_quiet_times_a_first_session_is_challenged_by_nobody(self):
        session = self.open()
        self.assertEqual(self.world.run(session.request(get("/result"))).code, L.CODE_CONTENT)
        self.assertEqual(len(self.world.link.log), 4)  # and the two before them, which told it of the AS

    def test_a_few_posts_are_looked_at_and_then_an_address_has_to_be_proven(self):
        answers = [self.post(self.somewhere()) for _ in range(8)]
        self.assertEqual([a.get(L.OPT_ECHO) is None for a in answers], [True] * 4 + [False] * 4)
        self.assertEqual([a.code for a in answers], [L.CODE_UNAUTHORIZED] * 8)
        self.world.wait(2)
        self.assertIsNone(self.post(self.somewhere()).get(L.OPT_ECHO))
        self.assertIsNotNone(self.post(self.somewhere()).get(L.OPT_ECHO))

    def test_a_challenge_is_no_larger_than_three_times_what_asked_for_it(self):
        for _ in range(8):
            answer = self.post(self.somewhere())
        self.assertLessEqual(len(encode(answer)), 3 * 20)
        self.assertEqual(answer.payload, b"")

    def test_an_echo_is_good_at_its_own_address_only(self):
        for _ in range(5):
            answer = self.post(("192.0.2.1", 1))
        echo = answer.get(L.OPT_ECHO)
        self.assertIsNotNone(self.post(("192.0.2.2", 1), echo).get(L.OPT_ECHO))
        self.assertIsNotNone(self.post(("192.0.2.1", 2), echo).get(L.OPT_ECHO))
        self.assertIsNone(self.post(("192.0.2.1", 1), echo).get(L.OPT_ECHO))

    def test_who_is_really_there_posts_as_often_as_an_address_may(self):
        for _ in range(5):
            answer = self.post(("192.0.2.1", 1))
        codes = [self.post(("192.0.2.1", 1), answer.get(L.OPT_ECHO)).code for _ in range(6)]
        self.assertEqual(codes, [L.CODE_UNAUTHORIZED] * 4 + [L.CODE_TOO_MANY_REQUESTS] * 2)
        self.open(b"osc-2")  # another address has its own allowance

    def test_posts_from_false_addresses_keep_no_client_out(self):
        for rate in (1, 3, 10, 40):
            kept_out = 0
            for number in range(8):
                for _ in range(7 * rate):
                    self.world.link.run(for_ms=1000 // rate)
                    self.post(self.somewhere())
                try:
                    session = self.open(b"osc-%d" % number)
                    self.world.run(session.request(get("/result")))
                    session.close()
                except Refused:
                    kept_out += 1
                self.world.wait(60)  # until the session may make room for another
            self.assertEqual(kept_out, 0, str(rate))
