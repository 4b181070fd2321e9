"""A link that carries little, such as LoRa with 51 bytes: a token is posted and a result read through it, in blocks."""

from minitest import TestCase

from holdfast_core import coap_mtu
from holdfast_core import labels as L
from holdfast_core.coap_limits import DEVICE_LIMITS, Limits
from holdfast_core.coap_message import decode, response
from holdfast_core.coap_mtu import OVERHEAD_LEN, fitted
from holdfast_device.ble_shell import BleLink
from holdfast_device.endpoint import RequestFailed
from holdfast_device.loop_shell import limits_of
from holdfast_device.mqtt_shell import MqttLink
from holdfast_device.named_shell import NamedLink
from holdfast_device.serial_shell import SerialLink
from holdfast_device.udp_shell import UdpLink
from testkit import mint
from testkit.story import NOW_S, TUBE, World, get, held

LORA_LEN = 51  # of EU868 at its slowest
RESULT = bytes(range(100))


class Lora:
    """What a program would give to board_shell.run."""

    mtu = LORA_LEN


class SmallLink(TestCase):
    def served(self, of_tube, of_doctor):
        """A doctor's session with a tube, both with these limits, through a link of 51 bytes."""
        self.world = World(mtu=LORA_LEN)
        tube = self.world.boot_tube(limits=of_tube)
        tube.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, RESULT))
        doctor = self.world.client(limits=of_doctor)
        token = mint.nested(mint.claims(TUBE, "read_result", NOW_S))
        return self.world.run(doctor.open_session("tube", held(token, now_ms=self.world.now_ms)))

    def test_a_token_goes_in_and_a_result_comes_out_block_by_block(self):
        limits = limits_of(Lora)
        session = self.served(limits, limits)
        log = self.world.link.log
        self.assertLessEqual(max([len(entry[3]) for entry in log]), LORA_LEN)
        posts = [decode(entry[3]) for entry in log if entry[1] == "doctor"]
        self.assertGreater(len([post for post in posts if post.get(L.OPT_BLOCK1) is not None]), 10)
        self.world.link.log = []
        answer = self.world.run(session.request(get("/result")))
        self.assertEqual((answer.code, answer.payload), (L.CODE_CONTENT, RESULT))
        lengths = [len(entry[3]) for entry in self.world.link.log]
        self.assertLessEqual(max(lengths), LORA_LEN)
        self.assertEqual(len(lengths), 2 * -(-len(RESULT) // 16))

    def test_with_the_limits_of_other_links_nothing_comes_through(self):
        for of_doctor in (DEVICE_LIMITS, None):
            with self.assertRaises(RequestFailed):
                self.served(DEVICE_LIMITS, of_doctor)

    def test_what_is_longer_than_the_link_carries_is_not_looked_at(self):
        self.served(limits_of(Lora), limits_of(Lora))
        tube = self.world.devices["tube"]
        tube.feed(bytes(LORA_LEN + 1), "stranger", self.world.now_ms)
        self.assertEqual(tube.take_datagrams(), [])


class Fitted(TestCase):
    def test_a_block_fits_with_what_is_around_it(self):
        for mtu in (LORA_LEN, 16 + OVERHEAD_LEN, 127, 32 + OVERHEAD_LEN, 250, 500, 1279):
            limits = fitted(DEVICE_LIMITS, mtu)
            self.assertEqual(limits.max_datagram, mtu)
            for szx in (limits.szx, limits.nosec_szx):
                self.assertTrue(szx == 0 or (16 << szx) + OVERHEAD_LEN <= mtu)
                self.assertTrue(szx == DEVICE_LIMITS.szx or (32 << szx) + OVERHEAD_LEN > mtu)
        self.assertEqual(fitted(DEVICE_LIMITS, 2000).max_datagram, DEVICE_LIMITS.max_datagram)

    def test_all_else_stays(self):
        small, changed = fitted(DEVICE_LIMITS, LORA_LEN), ("max_datagram", "nosec_szx", "szx")
        names = [name for name in dir(Limits()) if not name.startswith("_")]
        self.assertEqual(sorted(coap_mtu._OTHERS + changed), sorted(names))
        for name in coap_mtu._OTHERS:
            self.assertIs(getattr(small, name), getattr(DEVICE_LIMITS, name))

    def test_each_link_of_ours_says_what_it_carries_and_leaves_a_device_its_limits(self):
        for link in (UdpLink, SerialLink, BleLink, MqttLink, NamedLink(UdpLink, [], None, None)):
            self.assertIs(limits_of(link), DEVICE_LIMITS)
        self.assertEqual(NamedLink(Lora, [], None, None).mtu, LORA_LEN)
