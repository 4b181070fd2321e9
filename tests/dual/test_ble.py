"""Bluetooth LE as a link: against a radio in memory, with two centrals, small pieces, full buffers, a lost link."""

from minitest import TestCase

from holdfast_core.framing import END, FrameReader, encode_frame
from holdfast_device.ble_shell import MAX_WAITING, RECEIVE, SEND, SERVICE, BleLink, advertisement
from holdfast_device.loop_shell import Loop
from testkit import mint
from testkit.loop_node import LoopNode
from testkit.story import NOW_S, TUBE, World, get, held

INNER = (b"\x0a\x00\x00\x01", 5683)  # what a central writes into its frames
DOCTOR, THIEF = b"doctor", b"thief!"  # addresses of six octets
RX, TX = 21, 18


class Clock:
    def __init__(self):
        self.ms = 0
        self.at = []  # (ms, what to do then)

    def now_ms(self):
        return self.ms

    def sleep_ms(self, ms):
        self.ms += ms
        for entry in [entry for entry in self.at if entry[0] <= self.ms]:
            self.at.remove(entry)
            entry[1]()


class Radio:
    """bluetooth.BLE's interface.  heard: what each connection was notified of; full: how many notifications fail."""

    def __init__(self):
        self.heard = {}
        self.full = 0
        self.advertised = 0
        self.written = b""
        self.registered = None
        self.buffer = None
        self.is_active = False

    def active(self, active):
        self.is_active = active

    def irq(self, handler):
        self.handler = handler

    def gatts_register_services(self, services):
        self.registered = services
        return ((TX, RX),)

    def gatts_set_buffer(self, handle, length, append):
        self.buffer = (handle, length, append)

    def gap_advertise(self, _interval_us, adv_data=None, resp_data=None):
        if len(self.heard) > 1:
            raise OSError(12)
        self.advertised += 1
        self.data = (adv_data, resp_data)

    def gatts_read(self, handle):
        assert handle == RX
        written, self.written = self.written, b""
        return written

    def gatts_notify(self, connection, handle, piece):
        assert handle == TX
        if self.full:
            self.full -= 1
            raise OSError(12)
        if connection not in self.heard:
            raise OSError(128)
        self.heard[connection].append(bytes(piece))

    # What happens on the air.
    def connects(self, connection, address):
        self.heard[connection] = []
        lent = bytearray(address)
        self.handler(1, (connection, 0, memoryview(lent)))
        lent[:] = bytes(len(address))  # the radio takes its buffer back

    def leaves(self, connection):
        del self.heard[connection]
        self.handler(2, (connection, 0, b""))

    def exchanges_mtu(self, connection, mtu):
        self.handler(21, (connection, mtu))

    def writes(self, connection, piece):
        self.written += piece
        self.handler(3, (connection, RX))


class WithRadio(TestCase):
    def setUp(self):
        self.radio, self.clock = Radio(), Clock()
        self.link = BleLink(self.radio, str, b"tube", self.clock.now_ms, self.clock.sleep_ms)

    def write(self, connection, datagram, size=20):
        frame = encode_frame(datagram, INNER)
        for at in range(0, len(frame), size):
            self.radio.writes(connection, frame[at : at + size])

    def taken(self):
        seen = []
        while True:
            received = self.link.receive()
            if received is None:
                return seen
            seen.append(received)


class Service(WithRadio):
    def test_what_is_registered_and_advertised(self):
        self.assertTrue(self.radio.is_active)
        self.assertEqual(self.radio.registered, ((SERVICE, ((SEND, 16), (RECEIVE, 12))),))
        self.assertEqual((self.radio.buffer[0], self.radio.buffer[2]), (RX, True))
        self.assertEqual(self.radio.advertised, 1)
        data, answer = self.radio.data
        self.assertEqual(data[:5], b"\x02\x01\x06\x11\x07")
        self.assertEqual(data[5:], bytes.fromhex("9ecadc240ee5a9e093f3a3b50100406e"))
        self.assertEqual(answer, b"\x05\x09tube")

    def test_a_long_name_is_cut_to_what_fits(self):
        data, answer = advertisement(b"n" * 99)
        self.assertLessEqual(len(data), 31)
        self.assertEqual(len(answer), 31)

    def test_advertises_again_after_each_central(self):
        self.radio.connects(1, DOCTOR)
        self.assertEqual(self.radio.advertised, 2)
        self.radio.connects(2, THIEF)  # as many as it takes: no error comes out
        self.assertEqual(self.radio.advertised, 2)
        self.radio.leaves(2)
        self.assertEqual(self.radio.advertised, 3)


class Frames(WithRadio):
    def test_pieces_of_any_size_both_ways(self):
        for mtu in (23, 24, 185, 517):
            with self.subTest(mtu=mtu):
                self.setUp()
                self.radio.connects(1, DOCTOR)
                if mtu != 23:
                    self.radio.exchanges_mtu(1, mtu)
                datagram = bytes(range(256)) * 4
                self.write(1, datagram, mtu - 3)
                self.assertEqual(self.taken(), [(datagram, (DOCTOR,) + INNER)])
                self.link.send(datagram, (DOCTOR,) + INNER)
                pieces = self.radio.heard[1]
                self.assertEqual(max([len(piece) for piece in pieces]), mtu - 3)
                self.assertEqual(FrameReader().feed(b"".join(pieces)), [(datagram, INNER)])

    def test_a_link_lost_in_a_frame_leaves_nothing_half_made(self):
        frame = encode_frame(b"a datagram that is cut", INNER)
        for end in range(2, len(frame) - 1):  # with the leading END alone, the rest is a frame
            self.setUp()
            self.radio.connects(1, DOCTOR)
            self.radio.writes(1, frame[:end])
            self.radio.leaves(1)
            self.radio.connects(1, DOCTOR)
            self.radio.writes(1, frame[end:])  # the rest alone is none
            self.assertEqual(self.taken(), [])
            self.write(1, b"next")
            self.assertEqual(self.taken(), [(b"next", (DOCTOR,) + INNER)])

    def test_two_centrals_have_frames_of_their_own(self):
        self.radio.connects(1, DOCTOR)
        self.radio.connects(2, THIEF)
        ours, theirs = encode_frame(b"ours", INNER), encode_frame(b"theirs", INNER)
        for at in range(max(len(ours), len(theirs))):
            self.radio.writes(1, ours[at : at + 1])
            self.radio.writes(2, theirs[at : at + 1])
        self.assertEqual(self.taken(), [(b"ours", (DOCTOR,) + INNER), (b"theirs", (THIEF,) + INNER)])
        self.link.send(b"for the doctor", (DOCTOR,) + INNER)
        self.assertEqual(self.radio.heard[2], [])
        self.assertEqual(FrameReader().feed(b"".join(self.radio.heard[1])), [(b"for the doctor", INNER)])

    def test_a_central_that_comes_back_gets_what_was_for_it(self):
        self.radio.connects(1, DOCTOR)
        self.radio.leaves(1)
        self.link.send(b"lost", (DOCTOR,) + INNER)
        self.radio.connects(7, DOCTOR)
        self.link.send(b"found", (DOCTOR,) + INNER)
        self.assertEqual(FrameReader().feed(b"".join(self.radio.heard[7])), [(b"found", INNER)])

    def test_full_buffers_are_waited_for_and_a_deaf_central_is_not(self):
        self.radio.connects(1, DOCTOR)
        self.radio.full = 3
        self.link.send(b"after a while", (DOCTOR,) + INNER)
        self.assertEqual(FrameReader().feed(b"".join(self.radio.heard[1])), [(b"after a while", INNER)])
        self.radio.full = 10**9
        before = self.clock.ms
        self.link.send(b"never", (DOCTOR,) + INNER)
        self.assertLessEqual(self.clock.ms - before, 200)

    def test_a_central_that_leaves_while_we_wait_ends_the_frame(self):
        self.radio.connects(1, DOCTOR)
        self.radio.full = 10**9
        self.clock.at.append((self.clock.ms + 10, lambda: self.radio.leaves(1)))
        self.link.send(b"x", (DOCTOR,) + INNER)
        self.assertLessEqual(self.clock.ms, 10)

    def test_what_waits_is_bounded(self):
        self.radio.connects(1, DOCTOR)
        for _ in range(MAX_WAITING + 2):
            self.write(1, b"x")
        self.assertEqual((len(self.taken()), self.link.dropped), (MAX_WAITING, 2))

    def test_noise_and_events_of_nobody_change_nothing(self):
        self.radio.writes(9, encode_frame(b"x", INNER))
        self.radio.handler(2, (9, 0, b""))
        self.radio.exchanges_mtu(9, 100)
        self.radio.handler(99, (1,))
        self.radio.connects(1, DOCTOR)
        self.radio.handler(3, (1, 77))  # another's characteristic
        self.radio.writes(1, bytes(range(256)) + END)
        self.assertEqual(self.taken(), [])


class Waiting(WithRadio):
    def test_until_something_comes_or_time_is_over(self):
        self.assertFalse(self.link.wait(12))
        self.assertEqual(self.clock.ms, 12)
        self.radio.connects(1, DOCTOR)
        self.clock.at.append((20, lambda: self.write(1, b"x")))
        self.assertTrue(self.link.wait(5000))
        self.assertLess(self.clock.ms, 30)


class Story(TestCase):
    """The doctor's phone reads the tube, is out of range for a while, and reads it again in the same session."""

    def test_a_session_outlives_the_connection(self):
        world, radio, clock = World(), Radio(), Clock()
        link = BleLink(radio, str, b"tube", clock.now_ms, clock.sleep_ms)
        loop = Loop(world.boot_tube(), link, clock, has_clock=False)
        phone = world.link.endpoints["tube"] = Phone(radio, loop, clock)
        radio.connects(1, DOCTOR)
        doctor = world.client()
        token = mint.nested(mint.claims(TUBE, "read_result", NOW_S))
        session = world.run(doctor.open_session("tube", held(token, now_ms=world.now_ms)))
        self.assertEqual(world.run(session.request(get("/result"))).payload, b"negative")
        phone.cut_after = 1  # the next frame breaks off after one piece, and the phone comes back
        self.assertEqual(world.run(session.request(get("/result"))).payload, b"negative")
        self.assertEqual((phone.cut_after, radio.advertised), (None, 4))


class Phone(LoopNode):
    """The far end of the radio, on the link of the story.  cut_after: the connection breaks after so many pieces."""

    def __init__(self, radio, loop, clock):
        LoopNode.__init__(self, loop, clock)
        self.radio = radio
        self.reader = FrameReader()
        self.cut_after = None
        self.peer = None

    def feed(self, datagram, peer, now_ms):
        self.peer = peer
        frame = encode_frame(datagram, INNER)
        for at in range(0, len(frame), 20):
            self.radio.writes(1, frame[at : at + 20])
            if self.cut_after is not None:
                self.cut_after = None
                self.radio.leaves(1)
                self.radio.connects(1, DOCTOR)
                break
        self.tick(now_ms)
        return ()

    def take_datagrams(self):
        heard = b"".join(self.radio.heard[1])
        self.radio.heard[1] = []
        return [(datagram, self.peer) for datagram, _ in self.reader.feed(heard)]
