"""The loop that joins a device to a link and to the clock; it moves datagrams and decides nothing.

A link is anything with three methods and an MTU: udp_, serial_, mqtt_ and ble_shell.py have one each.  A link that goes
away loses datagrams, as every network does; the timers of the CoAP stack see to the rest.  A MemoryError is such a loss
as well, and so is an OSError of a link, whatever it means on its port.
"""

import gc
import time

from holdfast_core.coap_limits import DEVICE_LIMITS
from holdfast_device.ticks_shell import Ticks, wall_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Protocol

    from holdfast_core.coap_limits import Limits
    from holdfast_device.device import Device

    class Link(Protocol):
        """Moves datagrams.  A peer is a tuple whose first item is the host.  mtu: bytes of the longest datagram."""

        mtu: int

        def wait(self, timeout_ms: int) -> bool:
            """Return whether something came, after timeout_ms at the latest."""

        def receive(self) -> "tuple[bytes, Hashable] | None":
            """Return (datagram, peer), None when there is no more for now; never waits."""

        def send(self, datagram: bytes, peer: "Hashable") -> None:
            """Send, or lose it without a word."""

    class Resolving(Link, Protocol):
        """A link that finds addresses."""

        def resolve(self, host: str, port: int) -> list[Hashable]:
            """Return the peers at a name; OSError or ValueError when there are none."""


MAX_WAIT_MS = 5000  # so often, at least, ticks are unwrapped and the clock is looked at
MAX_BATCH = 16  # datagrams taken before time passes and answers go out
PAUSE_S = 0.1  # after a link has failed: one that fails at once and always is no reason to spin
MAX_FAILED = 8  # times that memory ran out and no datagram was taken in between; more would bring nothing


def limits_of(link: "Link") -> "Limits":
    """Return the limits of a device behind a link: those of devices, or less when the link carries less."""
    if link.mtu >= DEVICE_LIMITS.max_datagram:
        return DEVICE_LIMITS
    from holdfast_core.coap_mtu import fitted

    return fitted(DEVICE_LIMITS, link.mtu)


class Loop:
    """device: what runs; link; ticks: Ticks; has_clock: whether the system's time may be believed.

    lost: called after each MemoryError that was survived.
    tidy: called when datagrams have been answered, and nobody waits.
    """

    __slots__ = ("_clock_due_ms", "_device", "_failed", "_has_clock", "_link", "_lost", "_ticks", "_tidy")

    def __init__(
        self,
        device: "Device",
        link: "Link",
        ticks: Ticks,
        has_clock: bool = True,
        lost: "Callable[[], object] | None" = None,
        tidy: "Callable[[], object] | None" = None,
    ) -> None:
        self._device = device
        self._link = link
        self._ticks = ticks
        self._has_clock = has_clock
        self._clock_due_ms = 0
        self._failed = 0
        self._lost = lost
        self._tidy = tidy

    def run(self) -> None:
        """Serve until the program ends, or until MemoryError."""
        while True:
            self.step()

    def step(self, max_wait_ms: int = MAX_WAIT_MS) -> None:
        """Wait for a datagram or a deadline, at most max_wait_ms, and do what is due.

        What is lost to a MemoryError is lost.  Raises MemoryError itself when all is (MAX_FAILED).
        """
        try:
            self._send()
            came = False
            try:
                came = self._link.wait(self._wait_ms(max_wait_ms))
            except OSError:
                time.sleep(PAUSE_S)
            for _ in range(MAX_BATCH if came else 0):  # here and not in a function: a Pico goes 30 calls deep
                try:
                    received = self._link.receive()
                except OSError:
                    time.sleep(PAUSE_S)
                    break
                if received is None:
                    break
                if not self._device.feed(received[0], received[1], self._ticks.now_ms()):
                    raise MemoryError  # noqa: TRY301
                self._failed = 0
            now_ms = self._ticks.now_ms()
            if self._has_clock and now_ms >= self._clock_due_ms:
                self._clock_due_ms = now_ms + MAX_WAIT_MS
                self._device.set_time(wall_s(), now_ms)
            deadline_ms = self._device.next_deadline_ms()
            if deadline_ms is not None and deadline_ms <= now_ms:
                self._device.tick(now_ms)
            self._send()
            if came and self._tidy is not None:
                self._tidy()
        except MemoryError:
            self._failed += 1
            if self._failed >= MAX_FAILED:
                raise
            gc.collect()
            if self._lost is not None:
                self._lost()

    def _wait_ms(self, max_wait_ms: int) -> int:
        deadline_ms = self._device.next_deadline_ms()
        if deadline_ms is None:
            return max_wait_ms
        return max(0, min(max_wait_ms, deadline_ms - self._ticks.now_ms()))

    def _send(self) -> None:
        for datagram, peer in self._device.take_datagrams():
            try:
                self._link.send(datagram, peer)
            except OSError:
                continue
