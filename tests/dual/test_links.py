"""Links that fail, peers that have names, both families of addresses: nothing of it ends a device."""

import json

from minitest import TestCase
from test_ble import Clock as BleClock
from test_ble import Radio
from test_mqtt import Broker, Client, Clock

from holdfast_core.framing import encode_frame, peer_of
from holdfast_device import loop_shell
from holdfast_device.ble_shell import BleLink
from holdfast_device.loop_shell import Loop
from holdfast_device.mqtt_shell import MqttLink
from holdfast_device.named_shell import FIRST_RETRY_MS, MAX_RETRY_MS, MAX_UNANSWERED, NamedLink, named
from holdfast_device.serial_shell import SerialLink
from holdfast_device.udp_shell import UdpLink, bind, listen, peer_text, resolve, resolve_all

PEER = (b"\x7f\x00\x00\x01", 5683)
# Of MicroPython's ports and of Linux (EPERM, EINTR, EIO, EBADF, EAGAIN, ENOMEM, ENODEV, EPIPE, ENETDOWN, ECONNRESET,
# ENOBUFS, ETIMEDOUT, EHOSTUNREACH and more); of lwIP as they are; of the ESP32's IDF and of its Bluetooth.
ERRNOS = (1, 2, 4, 5, 9, 11, 12, 13, 14, 16, 19, 22, 28, 32, 97, 99, 100, 101, 103, 104, 105, 107, 110, 111, 113, 114)
ERRNOS += (-1, -2, -3, -9, -16, -202, 116, 118, 119, 125, 128, 257, 261, 0x103, 0x3001, 0x5001)


class Broken:
    """Whatever is called raises the error, if any; otherwise does as little as can be done."""

    def __init__(self):
        self.error = None
        self.polls = True

    def fail(self, *_):
        if self.error is not None:
            raise self.error

    def poll(self, *_):
        if not self.polls:
            self.fail()
        return [] if self.error is None else [1]

    def read(self, *_):
        self.fail()

    def write(self, data):
        self.fail()
        return len(data)

    def recvfrom(self, *_):
        self.fail()
        raise OSError(11)

    sendto = sock = setblocking = fail


class BrokenClient(Client):
    """An MQTT client and its socket, all of whose methods fail when its time has come."""

    def __init__(self, broker):
        Client.__init__(self, broker)
        self.broken = Broken()

    def check_msg(self):
        self.broken.fail()

    def publish(self, *_):
        self.broken.fail()

    def ping(self):
        self.broken.fail()

    def close(self):
        self.broken.fail()

    def poll(self, _timeout_ms):
        return self.broken.poll()


class BrokenRadio(Radio):
    """A radio all of whose methods fail when its time has come."""

    def __init__(self):
        Radio.__init__(self)
        self.broken = Broken()

    def gatts_notify(self, *_):
        self.broken.fail()

    def gatts_read(self, _handle):
        self.broken.fail()
        return b""

    def gap_advertise(self, *_, **__):
        self.broken.fail()


def udp():
    broken = Broken()
    link = UdpLink(bind("127.0.0.1", 57913))
    real = link.sock
    link._socks = [(link._socks[0][0], broken)]
    link._poll = broken
    return link, broken, resolve("127.0.0.1", 57914), real.close


def serial():
    broken = Broken()
    return SerialLink(broken, broken), broken, PEER, int


def mqtt():
    clock = Clock()
    client = BrokenClient(Broker())
    link = MqttLink(client, b"hub/tube", clock.now_ms, clock.sleep_ms, poll=lambda sock: sock)
    link.wait(0)
    return link, client.broken, PEER, int


def ble():
    clock, radio = BleClock(), BrokenRadio()
    link = BleLink(radio, str, b"tube", clock.now_ms, clock.sleep_ms)
    radio.handler(1, (1, 0, b"doctor"))
    return link, radio.broken, (b"doctor", b"\x0a\x00\x00\x01", 5683), lambda: radio.handler(3, (1, 21))


class Now:
    def __init__(self):
        self.ms = 0

    def now_ms(self):
        return self.ms


class Sender:
    """A device that answers nothing and sends something all the time."""

    def __init__(self, peer):
        self.peer = peer
        self.fed = 0

    def next_deadline_ms(self):
        return None

    def feed(self, _datagram, _peer, _now_ms):
        self.fed += 1
        return True

    def take_datagrams(self):
        return [(b"x", self.peer)]


class Errors(TestCase):
    def setUp(self):
        self.pause_s, loop_shell.PAUSE_S = loop_shell.PAUSE_S, 0

    def tearDown(self):
        loop_shell.PAUSE_S = self.pause_s

    def test_no_error_of_a_link_ends_the_device(self):
        for make in (udp, serial, mqtt, ble):
            for errno, polls in [(errno, polls) for errno in ERRNOS for polls in (False, True)]:
                link, broken, peer, also = make()
                broken.polls = polls
                loop = Loop(Sender(peer), link, Now(), has_clock=False)
                loop.step(0)
                broken.error = OSError(errno)
                for _ in range(3):
                    loop.step(0)
                also()
                broken.error = None
                loop.step(0)
                if make is udp:
                    link.sock = None

    def test_a_link_of_somebody_else_may_raise_as_well(self):
        class Raising:
            def wait(self, _timeout_ms):
                raise OSError(5)

            send = receive = lambda self, *_: self.wait(0)

        Loop(Sender(PEER), Raising(), Now(), has_clock=False).step(0)

    def test_what_is_no_error_of_a_link_still_ends_it(self):
        link, broken, peer, _ = serial()
        broken.error = RuntimeError("bug")
        broken.polls = False
        with self.assertRaises(RuntimeError):
            Loop(Sender(peer), link, Now(), has_clock=False).step(0)

    def test_a_line_works_again_after_its_error(self):
        link, broken, peer, _ = serial()
        broken.error = OSError(110)
        sender = Sender(peer)
        loop = Loop(sender, link, Now(), has_clock=False)
        loop.step(0)
        broken.error = None
        frames = [encode_frame(b"again", PEER)]
        broken.read = lambda _n: frames.pop() if frames else None
        broken.poll = lambda _timeout_ms: frames
        loop.step(0)
        self.assertEqual(sender.fed, 1)


class Names:
    """A link whose resolver knows what a test says; sent: (datagram, address)."""

    mtu = 1500

    def __init__(self):
        self.known = {}
        self.asked = 0
        self.sent = []
        self.coming = []

    def resolve(self, host, _port):
        self.asked += 1
        if host not in self.known:
            raise OSError(-2)
        return self.known[host]

    def wait(self, _timeout_ms):
        return bool(self.coming)

    def receive(self):
        return self.coming.pop(0) if self.coming else None

    def send(self, datagram, peer):
        self.sent.append((datagram, peer))


AS = ("as.example", 5683)


class NamedPeers(TestCase):
    def setUp(self):
        self.link, self.now, self.unresolved = Names(), Now(), []
        self.named = named(self.link, [AS], self.now.now_ms, self.write)

    def write(self, line):
        self.unresolved.append(json.loads(line)["unresolved"])

    def test_what_goes_to_a_name_goes_to_its_address_and_comes_back_as_the_name(self):
        self.link.known["as.example"] = ["address"]
        self.named.send(b"question", AS)
        self.named.send(b"other", "stranger")
        self.assertEqual(self.link.sent, [(b"question", "address"), (b"other", "stranger")])
        self.link.coming = [(b"answer", "address"), (b"other", "stranger")]
        self.assertTrue(self.named.wait(0))
        self.assertEqual(self.named.receive(), (b"answer", AS))
        self.assertEqual(self.named.receive(), (b"other", "stranger"))
        self.assertIsNone(self.named.receive())
        self.assertEqual(self.link.asked, 1)

    def test_a_name_without_an_address_is_asked_for_more_and_more_seldom(self):
        for _ in range(300):
            self.named.send(b"question", AS)
            self.now.ms += 1000
        self.assertEqual(self.link.sent, [])
        self.assertEqual(set(self.unresolved), {"as.example"})
        self.assertTrue(5 <= self.link.asked <= 12)
        self.link.known["as.example"] = ["address"]
        self.now.ms += MAX_RETRY_MS
        self.named.send(b"question", AS)
        self.assertEqual(self.link.sent, [(b"question", "address")])

    def test_an_address_that_is_silent_is_looked_for_again_and_the_next_one_is_tried(self):
        self.link.known["as.example"] = ["old", "older"]
        for _ in range(MAX_UNANSWERED):
            self.named.send(b"question", AS)
        self.assertEqual(self.link.asked, 1)
        self.now.ms += FIRST_RETRY_MS
        self.named.send(b"question", AS)
        self.assertEqual(self.link.sent[-1], (b"question", "older"))
        self.link.known["as.example"] = ["new"]
        for _ in range(MAX_UNANSWERED):
            self.now.ms += MAX_RETRY_MS
            self.named.send(b"question", AS)
        self.assertEqual(self.link.sent[-1], (b"question", "new"))
        self.link.coming = [(b"late", "old"), (b"answer", "new")]
        self.assertEqual(self.named.receive(), (b"late", "old"))  # whoever has that address now
        self.assertEqual(self.named.receive(), (b"answer", AS))

    def test_one_that_answers_is_not_looked_for_again(self):
        self.link.known["as.example"] = ["address"]
        for _ in range(20):
            self.now.ms += MAX_RETRY_MS
            self.named.send(b"question", AS)
            self.link.coming = [(b"answer", "address")]
            self.named.receive()
        self.assertEqual(self.link.asked, 1)

    def test_a_failing_resolver_keeps_the_address(self):
        self.link.known["as.example"] = ["address"]
        self.named.send(b"question", AS)
        del self.link.known["as.example"]
        for _ in range(2 * MAX_UNANSWERED):
            self.now.ms += MAX_RETRY_MS
            self.named.send(b"question", AS)
        self.assertTrue(self.link.asked > 1)
        self.assertEqual(self.link.sent[-1], (b"question", "address"))

    def test_lines_know_addresses_and_no_names(self):
        link = named(serial()[0], [("127.0.0.1", 5683), AS], self.now.now_ms, self.write)
        self.assertIsInstance(link, NamedLink)
        link.send(b"x", ("127.0.0.1", 5683))
        self.assertEqual(self.unresolved, [])
        link.send(b"x", AS)
        self.assertEqual(self.unresolved, ["as.example"])
        self.assertEqual(mqtt()[0].resolve("127.0.0.1", 5683), [peer_of("127.0.0.1", 5683)])
        radio = ble()[0]
        self.assertTrue(named(radio, [AS], self.now.now_ms, print) is radio)


def exchange(link, other, host, port):
    """Whether a datagram to this address and its answer arrive."""
    peer = link.resolve(host, port)[0]
    link.send(b"question", peer)
    if not other.wait(1000):
        return False
    datagram, sender = other.receive()
    other.send(datagram, sender)
    return link.wait(1000) and link.receive() == (b"question", peer)


class Families(TestCase):
    def test_each_family_reaches_each(self):
        for at, (host, far) in enumerate(
            (("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "::1"), ("::1", "127.0.0.1"), ("::1", "::1"))
        ):
            link, other = listen(host, 57920 + 2 * at), listen(far, 57921 + 2 * at)
            self.assertTrue(exchange(link, other, far, 57921 + 2 * at))
            self.assertTrue(exchange(link, other, far, 57921 + 2 * at))
            for _, sock in link._socks + other._socks:
                sock.close()

    def test_a_flood_in_one_family_leaves_the_other_its_turn(self):
        link, other, four = listen("::1", 57930), listen("127.0.0.1", 57931), listen("::1", 57932)
        link.send(b"question", resolve("127.0.0.1", 57931))
        self.assertTrue(other.wait(1000))
        sender = other.receive()[1]
        for _ in range(20):
            four.send(b"flood", resolve("::1", 57930))
        other.send(b"answer", sender)
        self.assertIn(b"answer", [link.receive()[0] for _ in range(3) if link.wait(1000)])
        for _, sock in link._socks + other._socks + four._socks:
            sock.close()

    def test_addresses_read_as_people_write_them(self):
        self.assertEqual(peer_text(resolve("127.0.0.1", 5683)), "127.0.0.1:5683")
        self.assertIn(peer_text(resolve("::1", 5683)), ("[::1]:5683", "[0:0:0:0:0:0:0:1]:5683"))
        self.assertEqual(peer_text(("::1", 5683)), "[::1]:5683")
        self.assertEqual(peer_text("name"), "name")

    def test_a_name_is_each_address_once(self):
        peers = resolve_all("localhost", 5683)
        self.assertIn(resolve("127.0.0.1", 5683), peers)
        self.assertEqual(len(set(peers)), len(peers))
        with self.assertRaises(OSError):
            resolve("no-such-host.invalid", 1)
