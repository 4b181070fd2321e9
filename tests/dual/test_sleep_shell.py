"""The loop of a board that sleeps, against a fake of its RTC memory, of deepsleep() and of its clock."""

from minitest import TestCase

from holdfast_core.secret import Secret
from holdfast_device import sleep_shell
from holdfast_device.sleep_shell import Sleeper, cycle
from holdfast_device.slots import StorageFailed
from testkit.flash import FlashFake
from testkit.sleep import RtcFake
from testkit.story import same_bytes, tube_provisioning


class Asleep(Exception):
    """What deepsleep() does to a program: it never returns."""


class BoardFake:
    """A clock that goes on in the sleep, and a radio that hears nothing, or `datagrams` one in each wait."""

    mtu = 1500

    def __init__(self, room=2048):
        self.rtc = RtcFake(room)
        self.flash = FlashFake()
        self.clock_ms = 10**6
        self.slept = []
        self.datagrams = []
        self.sent = []
        self.devices = []
        self.period_ms = 60000
        self.at_setup = []
        self.sleeper = Sleeper(self.rtc, self.deepsleep, lambda: self.clock_ms, 2048)

    def deepsleep(self, for_ms):
        self.slept.append(for_ms)
        self.clock_ms += for_ms
        raise Asleep

    def wait(self, timeout_ms):
        return bool(self.datagrams)

    def receive(self):
        return (self.datagrams.pop(0), "peer") if self.datagrams else None

    def send(self, datagram, peer):
        self.sent.append(datagram)

    def setup(self, device):
        self.devices.append(device)
        self.at_setup.append(bytes(self.rtc.cells).count(b"\x00"))

    def live(self, link=None):
        """One life, as short as can be; returns its device."""
        try:
            cycle(
                self.sleeper,
                self.setup,
                link or self,
                tube_provisioning(),
                self.flash,
                same_bytes,
                False,
                1,
                self.period_ms,
            )
        except Asleep:
            return self.devices[-1]
        raise AssertionError("awake")


class Shell(TestCase):
    def test_lives_follow_each_other_as_one(self):
        board = BoardFake()
        lives = [board.live() for _ in range(4)]
        self.assertEqual([life.woke for life in lives], [False, True, True, True])
        self.assertEqual([life.state.boot for life in lives], [1, 1, 1, 1])
        self.assertEqual(board.flash.writes, 2)
        times = [life.times.now_ms for life in lives]
        for index in range(3):
            self.assertGreaterEqual(times[index + 1] - times[index], 55000)
        for slept in board.slept:
            self.assertTrue(55000 < slept <= 60000, str(slept))

    def test_each_life_has_the_limits_of_its_link(self):
        board = BoardFake()
        sizes = []
        for mtu in (1500, 51, 51):
            board.mtu = mtu
            limits = board.live().endpoint._stack.limits
            sizes.append((limits.max_datagram, 16 << limits.szx))
        self.assertEqual(sizes, [(1280, 512), (51, 16), (51, 16)])
        self.assertTrue(board.devices[-1].woke)

    def test_the_memory_is_wiped_before_anything_acts_on_it_and_shows_no_key_afterwards(self):
        board = BoardFake()
        board.live()
        held = bytes(board.rtc.cells)
        self.assertNotEqual(held, bytes(2048))
        board.live()
        self.assertEqual(board.at_setup, [2048, 2048])

    def test_a_power_cut_in_the_sleep_is_a_restart(self):
        board = BoardFake()
        board.live()
        board.rtc.power_cut()
        life = board.live()
        self.assertFalse(life.woke)
        self.assertEqual(life.state.boot, 2)

    def test_a_memory_that_is_too_small_costs_the_sessions_and_no_more(self):
        board = BoardFake(room=16)
        board.live()
        self.assertEqual(board.rtc.memory(), b"")
        self.assertFalse(board.live().woke)

    def test_a_flash_that_refuses_to_charge_a_countdown_costs_the_sessions_and_no_more(self):
        board = BoardFake()

        def setup(device):
            board.devices.append(device)
            device.times._exi.start(1, 100, device.times.now_ms)
            board.flash.write = refuse

        def refuse(slot, encoded):
            raise StorageFailed("write")

        board.setup = setup
        board.period_ms = 90000  # beyond what a running countdown has charged
        board.live()
        self.assertEqual(len(board.slept), 1)
        self.assertEqual(board.rtc.memory(), b"")
        self.assertEqual(bytes(board.rtc.cells), bytes(2048))

    def test_a_countdown_that_fits_into_no_snapshot_costs_the_sessions_and_no_more(self):
        board = BoardFake()

        def setup(device):
            board.devices.append(device)
            device.times._exi.start(1, 1 << 60, device.times.now_ms)

        board.setup = setup
        board.live()
        self.assertEqual((len(board.slept), board.rtc.memory()), (1, b""))

    def test_a_full_heap_does_not_keep_it_awake_and_what_cannot_be_frozen_is_not_kept(self):
        class Full(BoardFake):
            def wait(self, timeout_ms):
                raise MemoryError

        board = Full()
        board.live()
        self.assertTrue(board.live().woke)
        kept = sleep_shell.freeze
        try:
            sleep_shell.freeze = lambda *arguments: board.wait(0)
            board.live()
        finally:
            sleep_shell.freeze = kept
        self.assertEqual((len(board.slept), board.rtc.memory()), (3, b""))
        self.assertFalse(board.live().woke)

    def test_a_network_that_fails_does_not_keep_the_device_from_sleeping(self):
        class Dead(BoardFake):
            def wait(self, timeout_ms):
                raise OSError(118)

        board = Dead()
        board.live()
        self.assertTrue(board.live().woke)

    def test_it_stays_awake_while_somebody_talks_but_not_for_ever(self):
        class Busy(BoardFake):
            def wait(self, timeout_ms):
                self.datagrams.append(b"\x40\x00\x00\x01")
                return True

        board = Busy()
        board.live()
        self.assertGreater(len(board.sent), 0)
        self.assertEqual(len(board.slept), 1)

    def test_what_another_provisioning_left_is_wiped_and_not_used(self):
        board = BoardFake()
        board.live()
        provisioning = tube_provisioning()
        provisioning.seed = Secret(b"\x09" * 32)
        device, _ticks = board.sleeper.start(provisioning, board.flash, same_bytes)
        self.assertFalse(device.woke)
        self.assertEqual(bytes(board.rtc.cells), bytes(2048))
