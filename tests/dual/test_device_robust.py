"""What must hold whatever arrives and whenever the power goes: no nonce twice, no growth, no exception."""

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.ace_oscore import encode_authz_info
from holdfast_core.coap_limits import DEVICE_LIMITS
from holdfast_core.coap_message import decode, encode, request, response
from holdfast_device.sessions import MAX_PENDING
from testkit import mint
from testkit.flash import PowerCut
from testkit.link import Random
from testkit.nonces import Nonces
from testkit.story import NOW_S, TUBE, FakeAs, World, get, held


class EveryNonce(TestCase):
    """The EKG and its AS never seal two messages with one pair of key and nonce."""

    def test_power_cut_at_every_byte_of_every_write_while_introspecting(self):
        with Nonces() as nonces:
            asked = [self.life(World() if cut == 0 else self.world, cut) for cut in range(0, 330, 2)]
        self.assertGreater(len(nonces.pairs), 30)
        self.assertGreater(len([count for count in asked if count]), 30)

    def life(self, world, cut):
        """Start with the flash of the life before, and lose power at that byte; return how often the AS was asked."""
        self.world = world
        fake = FakeAs(cut)
        world.link.add("as", fake)
        flash = world.flash.get("ekg")
        try:
            if flash is not None:
                flash.cut(cut, keep_tail=bool(cut & 2))
            world.boot("ekg")
            doctor = world.client(seed=cut + 1)
            post = encode_authz_info(b"handle" + bytes([cut & 255]), b"n" * 8, b"\x01")
            message = request(L.CODE_POST, "/authz-info", post, L.CF_ACE_CBOR)
            doctor.endpoint.call("ekg", message)
            world.link.run(for_ms=3000)
        except PowerCut:
            pass
        if flash is not None:
            flash.power_on()
        world.link.endpoints.pop("ekg", None)
        world.link.run(for_ms=60000)
        return len(fake.asked)


class Mutations(TestCase):
    def setUp(self):
        self.world = World()
        self.tube = self.world.boot_tube()
        self.doctor = self.world.client()
        self.session = self.open(b"osc-1")
        self.world.run(self.session.request(get("/result")))

    def open(self, key):
        token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S, key=key))
        return self.world.run(self.doctor.open_session("tube", held(token, key, self.world.now_ms)))

    def test_mutated_datagrams_raise_nothing_and_end_no_session(self):
        good = [datagram for _, sender, _, datagram in self.world.link.log if sender == "doctor"]
        random = Random(11)
        for number in range(1500):
            datagram = bytearray(good[number % len(good)])
            for _ in range(1 + random.below(3)):
                datagram[random.below(len(datagram))] = random.below(256)
            if random.below(4) == 0:
                datagram = datagram[: random.below(len(datagram))]
            self.tube.feed(bytes(datagram), f"attacker{random.below(20)}", self.world.now_ms)
            for answer, _peer in self.tube.take_datagrams():
                self.assertNotEqual(answer[1] >> 5, 5)
        self.world.wait(30)
        self.assertEqual(self.world.run(self.session.request(get("/result"))).code, L.CODE_CONTENT)

    def test_replayed_requests_have_no_second_effect(self):
        counted = []
        self.tube.rs.resource("/result", get=lambda asked: counted.append(1) or response(L.CODE_CONTENT))
        self.world.run(self.session.request(get("/result")))
        captured = [datagram for _, sender, _, datagram in self.world.link.log if sender == "doctor"]
        for mid, datagram in enumerate(captured):
            message = decode(datagram)
            message.mid = 60000 + mid
            self.world.link.send("attacker", "tube", encode(message))
        self.world.wait(5)
        self.assertEqual(len(counted), 1)

    def test_after_a_restart_captured_traffic_is_nothing(self):
        captured = [datagram for _, sender, _, datagram in self.world.link.log if sender == "doctor"]
        served = []
        self.world.boot_tube().rs.resource("/result", get=lambda asked: served.append(1) or response(L.CODE_CONTENT))
        for mid, datagram in enumerate(captured):
            message = decode(datagram)
            message.mid = 60000 + mid
            self.world.link.send("attacker", "tube", encode(message))
        self.world.wait(5)
        self.assertEqual(served, [])

    def test_every_table_stays_within_its_bound(self):
        token = mint.encrypted(mint.claims(TUBE, "read_result", NOW_S, key=b"flood"))
        body = encode_authz_info(token, b"n" * 8, b"\x01")
        for number in range(3000):
            message = request(L.CODE_POST, "/authz-info", body, L.CF_ACE_CBOR)
            message.mtype, message.mid, message.token = number & 1, number & 0xFFFF, b"t"
            self.tube.feed(encode(message), f"port{number}", self.world.now_ms + number)
            self.tube.take_datagrams()
            self.assertLessEqual(len(self.tube.rs.rights.sessions.contexts), 8 + MAX_PENDING)
        stack = self.tube.endpoint._stack
        self.assertLessEqual(len(stack._messages._exchanges), DEVICE_LIMITS.max_exchanges)
        self.assertLessEqual(len(self.tube.rs.answers._open), 8)
        self.world.link.now_ms += 3000
        self.world.wait(20)
        self.assertEqual(self.world.run(self.session.request(get("/result"))).code, L.CODE_CONTENT)
