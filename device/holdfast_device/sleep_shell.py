"""Run a device that is awake for a moment and then in deep sleep: what main.py of a board on a battery calls.

Deep sleep of an ESP32 ends in a reset: the program starts anew, and of its memory only what machine.RTC().memory()
holds is left; a power cut or the reset button takes that too, and the device starts as ever.  A board whose sleep keeps
its RAM (RP2) needs none of this: it sleeps inside its loop.
The memory is wiped before anything acts on what it held: with zeros first, since emptying alone leaves the bytes.
"""

import time

from holdfast_core.errors import HoldfastError
from holdfast_device.board_shell import show_bug, write
from holdfast_device.hibernation import ROOM, freeze, thaw, wake
from holdfast_device.loop_shell import Loop, limits_of
from holdfast_device.ticks_shell import Ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from holdfast_core.provisioning import Provisioning
    from holdfast_core.secret import Secret
    from holdfast_device.device import Device
    from holdfast_device.loop_shell import Link
    from holdfast_device.slots import Flash

    class Rtc(Protocol):
        """machine.RTC: memory() reads, memory(data) writes; ValueError beyond its size."""

        def memory(self, data: bytes = ...) -> Any:
            """Read or write."""


AWAKE_MS = 2000
PERIOD_MS = 60000
QUIET_MS = 500  # so long nothing must have come before it sleeps, which it does after twice its time in any case
STEP_MS = 100


class Sleeper:
    """rtc: machine.RTC(); deepsleep: machine.deepsleep, ms -> never returns; clock_ms: goes on in the sleep.

    room: bytes of the RTC memory that are ours.
    """

    __slots__ = ("_clock_ms", "_deepsleep", "_room", "_rtc")

    def __init__(
        self,
        rtc: "Rtc",
        deepsleep: "Callable[[int], Any]",
        clock_ms: "Callable[[], int] | None" = None,
        room: int = ROOM,
    ) -> None:
        self._rtc = rtc
        self._deepsleep = deepsleep
        self._clock_ms = _board_clock_ms if clock_ms is None else clock_ms
        self._room = room

    def start(
        self, provisioning: "Provisioning", flash: "Flash", board_rng: "Callable[[int], bytes] | None", **more: "Any"
    ) -> "tuple[Device, Ticks]":
        """Return the device and its ticks; after a sleep as it was before.  LocalError.

        more: as_peer, limits, trace.
        """
        frozen = thaw(self.take(), self._clock_ms(), provisioning.seed)
        if frozen is not None:
            ticks = Ticks(frozen.now_ms)
            return wake(frozen, provisioning, flash, board_rng, **more), ticks
        from holdfast_device.device import Device

        ticks = Ticks()
        return Device(provisioning, flash, board_rng, ticks.now_ms(), **more), ticks

    def take(self) -> bytes:
        """Return what the memory holds and leave nothing of it."""
        held = bytes(self._rtc.memory())
        self._rtc.memory(bytes(len(held)))
        self._rtc.memory(b"")
        return held

    def sleep(self, device: "Device", ticks: Ticks, for_ms: int, seed: "Secret") -> None:
        """Go to sleep; without its sessions when they cannot be kept."""
        now_ms = ticks.now_ms()
        try:
            self._rtc.memory(freeze(device, now_ms, self._clock_ms(), now_ms + for_ms, seed, self._room))
        except (HoldfastError, ValueError, MemoryError):
            self.take()
        self._deepsleep(for_ms)


def run_awake(device: "Device", link: "Link", ticks: Ticks, has_clock: bool = False, awake_ms: int = AWAKE_MS) -> None:
    """Serve for a while: at least awake_ms, at most twice that, until nothing has come for QUIET_MS."""
    heard = Heard(link, ticks)
    loop = Loop(device, heard, ticks, has_clock)
    start_ms = ticks.now_ms()
    while True:
        loop.step(STEP_MS)
        now_ms = ticks.now_ms()
        awake = now_ms - start_ms
        if awake >= 2 * awake_ms or (awake >= awake_ms and now_ms - heard.last_ms >= QUIET_MS):
            return


class Heard:
    """A link that remembers when something came last."""

    __slots__ = ("_link", "_ticks", "last_ms", "mtu")

    def __init__(self, link: "Link", ticks: Ticks) -> None:
        self._link = link
        self.mtu = link.mtu
        self._ticks = ticks
        self.last_ms = ticks.now_ms()

    def wait(self, timeout_ms: int) -> bool:
        """As the link does."""
        return self._link.wait(timeout_ms)

    def receive(self) -> "tuple[bytes, Any] | None":
        """As the link does."""
        received = self._link.receive()
        if received is not None:
            self.last_ms = self._ticks.now_ms()
        return received

    def send(self, datagram: bytes, peer: "Any") -> None:
        """As the link does."""
        self._link.send(datagram, peer)


def cycle(
    sleeper: Sleeper,
    setup: "Callable[[Device], object]",
    link: "Link",
    provisioning: "Provisioning",
    flash: "Flash",
    board_rng: "Callable[[int], bytes] | None",
    has_clock: bool = False,
    awake_ms: int = AWAKE_MS,
    period_ms: int = PERIOD_MS,
) -> None:
    """One life between two sleeps: start, serve, sleep.  What is wrong with this device is said by its start alone.

    setup(device) adds resources.  Raises LocalError: it cannot run.  period_ms: from one waking to the next.
    """
    device, ticks = sleeper.start(provisioning, flash, board_rng, limits=limits_of(link))
    start_ms = ticks.now_ms()
    device.endpoint.bug = show_bug
    setup(device)
    if provisioning.as_peer is not None:
        from holdfast_device.named_shell import named

        link = named(link, [provisioning.as_peer], ticks.now_ms, write)
    try:
        run_awake(device, link, ticks, has_clock, awake_ms)
    except (HoldfastError, OSError, MemoryError):
        pass  # a network that fails, or a full heap, is left for the next time; what the device is, it stays
    sleeper.sleep(device, ticks, max(STEP_MS, period_ms - (ticks.now_ms() - start_ms)), provisioning.seed)


def _board_clock_ms() -> int:
    return int(time.time_ns()) // 1000000
