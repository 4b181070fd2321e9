"""MQTT as a link: against a broker in memory that goes away, comes back, refuses and says nonsense."""

from minitest import TestCase

from holdfast_core.framing import MAX_DATAGRAM_LEN, decode_message, encode_message
from holdfast_device.loop_shell import Loop
from holdfast_device.mqtt_shell import (
    FIRST_RETRY_MS,
    MAX_RETRY_MS,
    MAX_WAITING,
    PING_MS,
    SILENCE_MS,
    MqttLink,
)
from testkit import mint
from testkit.loop_node import LoopNode
from testkit.story import NOW_S, TUBE, World, get, held

PEER = (b"\x7f\x00\x00\x01", 5683)
UP, DOWN = b"hub/tube/up", b"hub/tube/down"


class Refused(Exception):
    """Stands for umqtt.simple.MQTTException."""


class Clock:
    def __init__(self):
        self.ms = 1000

    def now_ms(self):
        return self.ms

    def sleep_ms(self, ms):
        self.ms += ms


class Broker:
    """Holds what is published, and what waits for one client; `up` is whether it can be reached."""

    def __init__(self):
        self.up = True
        self.refuses = False
        self.published = []
        self.waiting = []
        self.connects = self.pings = self.closes = 0
        self.subscribed = []

    def deliver(self, datagram, peer=PEER, topic=DOWN):
        self.waiting.append((topic, encode_message(datagram, peer)))


class Client:
    """umqtt.simple's interface over a Broker; it is its own sock and poll as well."""

    def __init__(self, broker):
        self.broker = broker
        self.sock = self
        self.callback = None

    def set_callback(self, callback):
        self.callback = callback

    def _reach(self):
        if not self.broker.up:
            raise OSError(104)

    def connect(self):
        self.broker.connects += 1
        self._reach()
        if self.broker.refuses:
            raise Refused(5)

    def subscribe(self, topic):
        self._reach()
        self.broker.subscribed.append(topic)

    def publish(self, topic, payload):
        self._reach()
        self.broker.published.append((topic, payload))

    def ping(self):
        self._reach()
        self.broker.pings += 1

    def check_msg(self):
        self._reach()
        topic, payload = self.broker.waiting.pop(0)
        if topic is None:
            raise payload
        self.callback(topic, payload)

    def poll(self, _timeout_ms):
        return self.broker.waiting or not self.broker.up

    def close(self):
        self.broker.closes += 1


class WithBroker(TestCase):
    def setUp(self):
        self.broker, self.clock = Broker(), Clock()
        self.link = self.make()

    def make(self):
        client = Client(self.broker)
        return MqttLink(client, b"hub/tube", self.clock.now_ms, self.clock.sleep_ms, Refused, lambda sock: sock)


class Messages(TestCase):
    def test_known_bytes_and_back(self):
        self.assertEqual(encode_message(b"abc", PEER), b"\x7f\x00\x00\x01\x16\x33abc")
        for datagram in (b"", b"a", bytes(MAX_DATAGRAM_LEN)):
            self.assertEqual(decode_message(encode_message(datagram, PEER)), (datagram, PEER))

    def test_what_cannot_be_one(self):
        for payload in (b"", bytes(5), bytes(6 + MAX_DATAGRAM_LEN + 1)):
            self.assertIsNone(decode_message(payload))


class Connections(WithBroker):
    def test_connects_subscribes_and_carries_both_ways(self):
        self.assertFalse(self.link.wait(0))
        self.assertEqual((self.broker.connects, self.broker.subscribed), (1, [DOWN]))
        self.broker.deliver(b"in")
        self.broker.deliver(b"second")
        self.assertTrue(self.link.wait(100))
        self.assertEqual([self.link.receive() for _ in range(3)], [(b"in", PEER), (b"second", PEER), None])
        self.link.send(b"out", PEER)
        self.assertEqual(self.broker.published, [(UP, encode_message(b"out", PEER))])

    def test_without_a_connection_datagrams_are_lost_without_a_word(self):
        self.link.send(b"early", PEER)
        self.assertIsNone(self.link.receive())
        self.broker.up = False
        self.link.wait(0)
        self.link.send(b"late", PEER)
        self.assertEqual(self.broker.published, [])

    def test_comes_back_after_the_broker_does(self):
        self.link.wait(0)
        self.broker.up = False
        self.link.send(b"lost", PEER)
        self.assertFalse(self.link.connected)
        self.assertEqual(self.broker.closes, 1)
        self.broker.up = True
        self.assertFalse(self.link.wait(5000))  # waits for its time, no longer
        self.link.wait(0)
        self.assertTrue(self.link.connected)
        self.link.send(b"after", PEER)
        self.assertEqual(self.broker.published, [(UP, encode_message(b"after", PEER))])
        self.assertEqual(self.broker.subscribed, [DOWN, DOWN])

    def test_tries_are_further_and_further_apart_and_near_again_after_success(self):
        self.broker.up = False
        tried = []
        for _ in range(2000):
            before = self.broker.connects
            self.link.wait(500)
            if self.broker.connects > before:
                tried.append(self.clock.ms)
        gaps = [later - earlier for earlier, later in zip(tried, tried[1:])]  # noqa: B905, RUF007
        self.assertLess(gaps[0], 3 * FIRST_RETRY_MS)
        self.assertTrue(all(gap <= later for gap, later in zip(gaps, gaps[1:])))  # noqa: B905, RUF007
        self.assertLessEqual(MAX_RETRY_MS, gaps[-1])
        self.assertLess(gaps[-1], MAX_RETRY_MS + 1000)
        self.broker.up = True
        self.clock.ms += MAX_RETRY_MS
        self.link.wait(0)
        self.broker.up = False
        self.link.send(b"x", PEER)
        self.broker.up = True
        self.clock.ms += FIRST_RETRY_MS
        self.link.wait(0)
        self.assertTrue(self.link.connected)

    def test_never_waits_longer_than_it_may(self):
        self.broker.up = False
        self.link.wait(0)
        before = self.clock.ms
        self.link.wait(30)
        self.assertLessEqual(self.clock.ms - before, 30)

    def test_a_broker_that_refuses_is_asked_again(self):
        self.broker.refuses = True
        self.link.wait(0)
        self.assertFalse(self.link.connected)
        self.broker.refuses = False
        self.clock.ms += MAX_RETRY_MS
        self.link.wait(0)
        self.assertTrue(self.link.connected)

    def test_a_connection_that_ends_in_a_packet_leaves_what_came_whole_and_no_more(self):
        for ending in (OSError(-1), IndexError("bytes index out of range"), TypeError(), AssertionError()):
            with self.subTest(ending=ending):
                self.setUp()
                self.link.wait(0)
                self.broker.deliver(b"whole")
                self.broker.waiting.append((None, ending))
                self.assertEqual(self.link.receive(), (b"whole", PEER))
                self.assertIsNone(self.link.receive())
                self.assertFalse(self.link.connected)

    def test_an_error_of_our_own_is_no_loss_of_the_connection(self):
        self.link.wait(0)
        self.broker.waiting.append((None, ZeroDivisionError()))
        with self.assertRaises(ZeroDivisionError):
            self.link.receive()

    def test_pings_while_it_is_quiet_and_gives_a_silent_broker_up(self):
        self.link.wait(0)
        for _ in range((SILENCE_MS - 1) // 1000):
            self.clock.ms += 1000
            self.link.wait(0)
        self.assertEqual(self.broker.pings, (SILENCE_MS - 1) // PING_MS)
        self.assertTrue(self.link.connected)
        self.clock.ms += 1000
        self.link.wait(0)
        self.assertFalse(self.link.connected)

    def test_a_broker_that_answers_is_not_given_up(self):
        self.link.wait(0)
        for _ in range(10):
            self.clock.ms += PING_MS
            self.broker.deliver(b"alive")
            self.assertTrue(self.link.wait(0))
            self.assertEqual(self.link.receive(), (b"alive", PEER))
        self.assertEqual(self.broker.connects, 1)


class Rubbish(WithBroker):
    def test_other_topics_and_other_lengths_are_dropped(self):
        self.link.wait(0)
        self.broker.deliver(b"x", topic=b"hub/other/down")
        self.broker.waiting.append((DOWN, b"short"))
        self.broker.waiting.append((DOWN, bytes(2000)))
        self.broker.deliver(b"good")
        self.assertEqual(self.link.receive(), (b"good", PEER))
        self.assertIsNone(self.link.receive())
        self.assertEqual(self.link.dropped, 3)

    def test_messages_that_come_at_once_are_bounded(self):
        self.link.wait(0)
        for _ in range(MAX_WAITING + 3):
            self.link._take(DOWN, encode_message(b"x", PEER))
        taken = 0
        while self.link.receive():
            taken += 1
        self.assertEqual((taken, self.link.dropped), (MAX_WAITING, 3))


class Story(TestCase):
    """The doctor reads the tube through a broker that goes away in the middle of it."""

    def test_a_session_outlives_the_connection(self):
        world, broker, clock = World(), Broker(), Clock()
        tube = world.boot_tube()
        client = Client(broker)
        link = MqttLink(client, b"hub/tube", clock.now_ms, clock.sleep_ms, Refused, lambda sock: sock)
        loop = Loop(tube, link, clock, has_clock=False)
        clock.ms = 0
        world.link.endpoints["tube"] = Hub(broker, loop, clock)
        doctor = world.client()
        token = mint.nested(mint.claims(TUBE, "read_result", NOW_S))
        session = world.run(doctor.open_session("tube", held(token, now_ms=world.now_ms)))
        self.assertEqual(world.run(session.request(get("/result"))).payload, b"negative")
        broker.up = False
        loop.step(0)
        self.assertFalse(link.connected)
        broker.up = True
        self.assertEqual(world.run(session.request(get("/result"))).payload, b"negative")
        self.assertEqual(broker.connects, 2)


class Hub(LoopNode):
    """The far end of the broker, on the link of the story: its clients' names become addresses and back."""

    def __init__(self, broker, loop, clock):
        LoopNode.__init__(self, loop, clock)
        self.broker = broker
        self.names = {}

    def feed(self, datagram, peer, now_ms):
        address = (b"\x0a\x00\x00" + bytes([1 + len(self.names)]), 5683)
        for known, name in self.names.items():
            if name == peer:
                address = known
        self.names[address] = peer
        self.broker.deliver(datagram, address)
        self.tick(now_ms)
        return ()

    def take_datagrams(self):
        published, self.broker.published = self.broker.published, []
        going = []
        for topic, payload in published:
            assert topic == UP
            datagram, address = decode_message(payload)
            going.append((datagram, self.names[address]))
        return going
