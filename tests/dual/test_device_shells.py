"""Files, ticks, addresses and traces: the parts of the device that touch the system, on both interpreters."""

import json
import os

from minitest import TestCase

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, request
from holdfast_core.errors import LocalError
from holdfast_core.trace import tracer
from holdfast_deploy.run_shell import parse, peer_of
from holdfast_device import ticks_shell
from holdfast_device.state import JUMP, State
from holdfast_device.store_flash import FileFlash
from holdfast_device.ticks_shell import Ticks, wall_s
from holdfast_device.udp_shell import bind, peer_text, resolve
from testkit import mint
from testkit.story import World, get, held

NAME = "/tmp/holdfast-test-flash"


class Files(TestCase):
    def setUp(self):
        self.clean()
        os.mkdir(NAME)

    def tearDown(self):
        self.clean()

    def clean(self):
        try:
            for name in os.listdir(NAME):
                os.remove(NAME + "/" + name)
            os.rmdir(NAME)
        except OSError:
            pass

    def test_state_lives_in_two_files(self):
        self.assertEqual(State(FileFlash(NAME), 5).boot, 1)
        self.assertEqual(State(FileFlash(NAME), 5).boot, 2)
        self.assertEqual(sorted(os.listdir(NAME)), ["state.0", "state.1"])
        for name in ("state.0", "state.1"):
            self.assertEqual(os.stat(NAME + "/" + name)[0] & 0o077, 0 if hasattr(os, "open") else os_mode(name))

    def test_a_torn_file_leaves_the_other(self):
        state = State(FileFlash(NAME), 5)
        for limit in (64, 128, 192):
            state.reserve_as_sequence(limit)
        with open(NAME + "/state.0", "rb") as file:
            first = file.read()
        for end in range(0, len(first), 7):
            with open(NAME + "/state.0", "wb") as file:
                file.write(first[:end])
            self.assertIn(State(FlashCopy(NAME), 5).as_sequence, (128 + JUMP, 192 + JUMP))

    def test_a_directory_that_is_not_there_is_a_failure(self):
        with self.assertRaises(LocalError):
            State(FileFlash(NAME + "/none"), 5)


def os_mode(name):
    """MicroPython has no os.open: the umask decides there."""
    return os.stat(NAME + "/" + name)[0] & 0o077


class FlashCopy(FileFlash):
    """Reads files, and forgets what is written."""

    def write(self, slot, encoded):
        pass


class Time(TestCase):
    def test_ticks_are_unwrapped(self):
        period = 1 << 30
        now = [period - 5]
        saved = ticks_shell._raw_ms, ticks_shell._diff_ms
        ticks_shell._raw_ms = lambda: now[0] % period
        ticks_shell._diff_ms = lambda later, earlier: (later - earlier + period // 2) % period - period // 2
        try:
            ticks = Ticks()
            for step in (3, 4, 1000, period // 3, period // 3, period // 3):
                now[0] += step
                ticks.now_ms()
            self.assertEqual(ticks.now_ms(), now[0] - period + 5)
        finally:
            ticks_shell._raw_ms, ticks_shell._diff_ms = saved

    def test_real_ticks_do_not_run_backwards(self):
        ticks = Ticks()
        seen = [ticks.now_ms() for _ in range(100)]
        self.assertEqual(seen, sorted(seen))

    def test_both_epochs_mean_the_same_second(self):
        class Fake:
            def __init__(self, year, now):
                self.year = year
                self.now = now

            def gmtime(self, _seconds):
                return (self.year, 1, 1)

            def time(self):
                return self.now

        saved = ticks_shell.time
        try:
            ticks_shell.time = Fake(1970, 1800000000)
            self.assertEqual(wall_s(), 1800000000)
            ticks_shell.time = Fake(2000, 1800000000 - 946684800)
            self.assertEqual(wall_s(), 1800000000)
        finally:
            ticks_shell.time = saved
        self.assertGreater(wall_s(), 1700000000)


class Addresses(TestCase):
    def test_a_peer_is_what_a_datagram_comes_from(self):
        server, client = bind("127.0.0.1", 57911), bind("127.0.0.1", 57912)
        from holdfast_device.udp_shell import _address, _peer

        client.sendto(b"x", _address(resolve("127.0.0.1", 57911)))
        server.setblocking(True)
        _, address = server.recvfrom(10)
        self.assertEqual(_peer(address), resolve("127.0.0.1", 57912))
        self.assertEqual(peer_text(_peer(address)), "127.0.0.1:57912")
        self.assertEqual({_peer(address): 1}[resolve("127.0.0.1", 57912)], 1)
        self.assertEqual(_peer(address)[0], resolve("127.0.0.1", 1)[0])
        server.close()
        client.close()

    def test_options(self):
        options = parse(["x.prov", "--port", "1", "--peer", "tube=127.0.0.1:2", "--trace", "--no-clock"])
        self.assertEqual((options.file, options.port, options.state), ("x.prov", 1, "x.prov.state"))
        self.assertEqual((options.trace, options.clock), (True, False))
        self.assertEqual(peer_text(options.peers["tube"]), "127.0.0.1:2")
        for wrong in ([], ["a", "b"], ["a", "--port"], ["a", "--port", "-1"], ["a", "--port", "65536"], ["a", "--x"]):
            with self.assertRaises(LocalError):
                parse(wrong)

    def test_what_is_not_said_is_as_it_was(self):
        options = parse(["x.prov"])
        self.assertEqual((options.host, options.port, options.recheck_ms), ("127.0.0.1", 5683, None))
        self.assertEqual((options.trace, options.clock, options.peers), (False, True, {}))
        self.assertEqual(parse(["x.prov", "--recheck", "5", "--state", "there"]).recheck_ms, 5000)
        self.assertEqual(parse(["x.prov", "--recheck", "5", "--state", "there"]).state, "there")

    def test_a_peer_is_an_audience_and_an_address(self):
        self.assertEqual(peer_of("tube=192.0.2.1:5683"), ("tube", ("192.0.2.1", 5683)))
        self.assertEqual(peer_of("tube=[2001:db8::1]:0"), ("tube", ("2001:db8::1", 0)))
        for wrong in (
            "x",
            "tube=",
            "=h:1",
            "tube=:1",
            "tube=h:65536",
            "tube=::1:1",
            "tube=h:+1",
            "tube=h:\xb2",
            "tube=h:",
        ):
            with self.assertRaises(LocalError):
                peer_of(wrong)


class Traces(TestCase):
    def rows(self):
        rows = []
        world = World()
        world.boot_tube(trace=tracer("tube", lambda line: rows.append(json.loads(line)), str))
        doctor = world.client()
        token = mint.encrypted(mint.claims("connected_tube_123", "read_result", 1800000000))
        session = world.run(doctor.open_session("tube", held(token)))
        world.run(session.request(get("/result")))
        return rows

    def test_every_datagram_is_a_row_and_what_was_opened_shows(self):
        rows = self.rows()
        self.assertTrue(len(rows) >= 4)
        self.assertEqual({row["dir"] for row in rows}, {"in", "out"})
        protected = [row for row in rows if row["oscore"]]
        self.assertEqual([row["inner"] for row in protected], ["0.01", "2.05"])
        self.assertEqual(protected[0]["path"], "/result")
        self.assertEqual(protected[0]["code"], "0.02")
        self.assertEqual(rows[0]["path"], "/authz-info")
        self.assertEqual(rows[0]["ct"], L.CF_ACE_CBOR)

    def test_no_payload_and_nothing_of_what_could_not_be_opened(self):
        lines = []
        trace = tracer("tube", lines.append, str)
        outer = request(L.CODE_POST, "/", b"ciphertext")
        outer.add(L.OPT_OSCORE, b"\x09\x01kid")
        trace("in", "peer", outer, None, 50, 0)
        row = json.loads(lines[0])
        self.assertNotIn("path", row)
        self.assertNotIn("inner", row)
        self.assertNotIn("ciphertext", lines[0])
        self.assertEqual((row["who"], row["peer"], row["payload_len"]), ("tube", "peer", 10))
        bad = Message(L.CODE_GET, b"", [(L.OPT_URI_PATH, b"\xff")])
        trace("in", "peer", bad, None, 5, 0)
        self.assertIsNone(json.loads(lines[1])["path"])
