"""Frames of a serial line: what goes in comes out, in any pieces; what is damaged is dropped and nothing else is."""

from binascii import crc32

from minitest import TestCase

from holdfast_core.errors import LocalError
from holdfast_core.framing import END, ESC, MAX_DATAGRAM_LEN, MAX_FRAME_LEN, FrameReader, decode_frame, encode_frame
from holdfast_device.loop_shell import Loop
from holdfast_device.serial_shell import SerialLink, peer_of, peer_text

PEER = (b"\x7f\x00\x00\x01", 5683)
NASTY = (b"", b"x", END, ESC, END + ESC, ESC + b"\xdc", ESC + b"\xdd\xdc", bytes(range(256)), END * MAX_DATAGRAM_LEN)


class Frames(TestCase):
    def test_every_datagram_comes_back_with_its_peer(self):
        for datagram in NASTY:
            for peer in (PEER, (END * 4, 0xC0DB), (ESC * 4, 0)):
                line = encode_frame(datagram, peer)
                self.assertEqual((line[:1], line[-1:], line[1:-1].count(END)), (END, END, 0))
                self.assertEqual(FrameReader().feed(line), [(datagram, peer)])

    def test_known_bytes(self):
        frame = b"\x7f\x00\x00\x01\x16\x33" + b"a\xc0"
        check = crc32(frame).to_bytes(4, "big")
        self.assertEqual(check.count(END) + check.count(ESC), 0)
        self.assertEqual(encode_frame(b"a\xc0", PEER), b"\xc0\x7f\x00\x00\x01\x16\x33a\xdb\xdc" + check + b"\xc0")

    def test_pieces_of_any_size(self):
        line = b"".join([encode_frame(datagram, PEER) for datagram in NASTY[:-1]])
        for size in (1, 2, 3, 7, 64):
            reader = FrameReader()
            seen = []
            for at in range(0, len(line), size):
                seen.extend(reader.feed(line[at : at + size]))
            self.assertEqual([datagram for datagram, _ in seen], list(NASTY[:-1]))
            self.assertEqual(reader.dropped, 0)

    def test_one_flipped_bit_anywhere_drops_that_frame_alone(self):
        line = encode_frame(b"one datagram", PEER)
        for at in range(1, len(line) - 1):
            for bit in (0, 3, 7):
                bad = bytearray(line)
                bad[at] ^= 1 << bit
                reader = FrameReader()
                seen = reader.feed(bytes(bad) + encode_frame(b"next", PEER))
                self.assertEqual(seen, [(b"next", PEER)])
                self.assertTrue(reader.dropped >= 1)

    def test_a_cut_frame_and_noise_cost_nothing_that_follows(self):
        line = encode_frame(b"one datagram", PEER)
        for end in range(1, len(line) - 1):
            reader = FrameReader()
            self.assertEqual(reader.feed(line[:end]), [])
            self.assertEqual(reader.feed(encode_frame(b"next", PEER)), [(b"next", PEER)])

    def test_wrong_escapes_are_refused(self):
        for frame in (b"abcdef\xdb0000", b"abcdef0000\xdb", b""):
            self.assertIsNone(decode_frame(frame))

    def test_a_frame_without_end_does_not_fill_the_memory(self):
        reader = FrameReader()
        for _ in range(40):
            self.assertEqual(reader.feed(b"x" * 256), [])
            self.assertTrue(len(reader._held) <= MAX_FRAME_LEN)
        self.assertEqual(reader.feed(END + encode_frame(b"next", PEER)), [(b"next", PEER)])
        self.assertEqual(reader.dropped, 1)

    def test_what_does_not_fit_is_our_own_mistake(self):
        for datagram, peer in ((bytes(MAX_DATAGRAM_LEN + 1), PEER), (b"", (b"abc", 1))):
            with self.assertRaises(LocalError):
                encode_frame(datagram, peer)


class Line:
    """A stream whose far end is a list; takes `room` bytes at a time."""

    def __init__(self, room=None):
        self.coming = []
        self.gone = b""
        self.room = room

    def read(self, _n):
        return self.coming.pop(0) if self.coming else None

    def write(self, data):
        data = bytes(data) if self.room is None else bytes(data)[: self.room]
        self.gone += data
        return len(data)


class Poll:
    def __init__(self, line):
        self.line = line

    def poll(self, _timeout_ms):
        return self.line.coming


def link_over(line):
    return SerialLink(line, Poll(line))


class Links(TestCase):
    def test_two_datagrams_in_one_read(self):
        line = Line()
        line.coming = [encode_frame(b"a", PEER) + encode_frame(b"b", PEER)]
        link = link_over(line)
        self.assertTrue(link.wait(0))
        self.assertEqual(link.receive(), (b"a", PEER))
        self.assertTrue(link.wait(0))  # the line is silent, and there is one more
        self.assertEqual([link.receive(), link.receive()], [(b"b", PEER), None])
        self.assertFalse(link.wait(0))

    def test_short_writes_are_continued_and_a_dead_line_is_given_up(self):
        line = Line(room=3)
        link_over(line).send(b"datagram", PEER)
        self.assertEqual(line.gone, encode_frame(b"datagram", PEER))
        dead = Line(room=0)
        link_over(dead).send(b"datagram", PEER)
        self.assertEqual(dead.gone, b"")

    def test_addresses(self):
        self.assertEqual(peer_of("127.0.0.1", 5683), PEER)
        self.assertEqual(peer_text(PEER), "127.0.0.1:5683")
        for wrong in ("localhost", "1.2.3", "1.2.3.256"):
            with self.assertRaises(ValueError):
                peer_of(wrong, 1)

    def test_the_loop_feeds_and_sends(self):
        line = Line()
        line.coming = [encode_frame(b"in", PEER)]
        loop = Loop(Echo(), link_over(line), Clock(), has_clock=False)
        loop.step()
        self.assertEqual(line.gone, encode_frame(b"in", PEER))


class Clock:
    def now_ms(self):
        return 0


class Echo:
    """Stands for a device: sends back what comes."""

    def __init__(self):
        self.going = []

    def feed(self, datagram, peer, _now_ms):
        self.going.append((datagram, peer))
        return True

    def next_deadline_ms(self):
        return None

    def take_datagrams(self):
        going, self.going = self.going, []
        return going
