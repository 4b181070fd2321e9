"""The UDP sockets of the hub's clients: a loop around the proxy, without decisions.

One wake-up reads a batch of datagrams and sends what they made, to clients and over the devices' links.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from holdfast_hub.ports import CoapPeers
from holdfast_hub.records import Device

Far = tuple[bytes, int]
BATCH = 64
"""Datagrams read at one wake-up: enough to share a turn, few enough to let others breathe."""
MAX_DATAGRAM_LEN = 2048
BUFFER_LEN = 1 << 20


class NorthUdpShell:
    """Serves one proxy on UDP sockets.

    send: puts a datagram on a device's link. monotonic_ms: clock. on_fault: told about a bug, which ends the service.
    Links call received for each datagram of a device.
    """

    def __init__(
        self,
        proxy: CoapPeers,
        send: Callable[[bytes, Device, Far], object],
        monotonic_ms: Callable[[], int],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._proxy = proxy
        self._send = send
        self._monotonic_ms = monotonic_ms
        self._on_fault = on_fault
        self._sockets: dict[object, socket.socket] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: int | None = None
        self._is_called = False

    def start(self, host: str, port: int, tag: int = 0) -> tuple[str, int]:
        """Bind one more socket, and serve in the running event loop; returns the address bound (port 0 chooses one).

        tag: the port of the one device that it leads to, 0 for all.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_LEN)
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
        self.adopt(bound, tag)
        name = bound.getsockname()
        return name[0], name[1]

    def adopt(self, bound: socket.socket, tag: int = 0) -> None:
        """Serve a socket that is bound already, such as one that systemd has opened."""
        bound.setblocking(False)
        self._loop = loop = asyncio.get_running_loop()
        # A second socket of the same tag has a key of its own, and its clients are told apart by it.
        key = (tag, len(self._sockets)) if tag in self._sockets else tag
        self._sockets[key] = bound
        loop.add_reader(bound, self._readable, bound, tag, key)

    def stop(self) -> None:
        """Stop serving and close the sockets."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for bound in self._sockets.values():
            if self._loop is not None:
                self._loop.remove_reader(bound)
            bound.close()
        self._sockets.clear()

    def received(self, datagram: bytes, device: Device, far: Far) -> None:
        """Take in what a device sent; what follows is sent in the next turn of the loop."""
        try:
            self._proxy.feed_device(datagram, device, far, self._monotonic_ms())
        except Exception as fault:  # noqa: BLE001 - what the proxy remembers may be torn, so nothing more is sent
            self._fail(fault)
            return
        self.wake()

    def wake(self) -> None:
        """Have a turn soon; for what the proxy was asked from outside."""
        if not self._is_called and self._loop is not None:
            self._is_called = True
            self._loop.call_soon(self._turn)

    def _readable(self, bound: socket.socket, tag: int, key: object) -> None:
        now_ms = self._monotonic_ms()
        feed = self._proxy.feed_client
        receive = bound.recvfrom  # with a small buffer: asyncio's own datagram transport allocates 256 KiB for each
        for _ in range(BATCH):
            try:
                datagram, address = receive(MAX_DATAGRAM_LEN)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of an earlier send
                continue
            try:
                feed(datagram, (address[0], address if key == tag else (address, key), tag), now_ms)
            except Exception as fault:  # noqa: BLE001 - as above
                self._fail(fault)
                return
        self._turn()

    def _turn(self) -> None:
        """Do what is due, and send everything that goes out."""
        self._is_called = False
        try:
            self._proxy.tick(self._monotonic_ms())
            for datagram, device, far in self._proxy.take_for_devices():
                self._send(datagram, device, far)
            for datagram, client in self._proxy.take_for_clients():
                address: Any = client[1]
                key = client[2]
                if isinstance(address[0], tuple):
                    address, key = address
                bound = self._sockets.get(key)
                if bound is not None:
                    with contextlib.suppress(OSError):  # a full buffer or an unreachable peer: CoAP retransmits
                        bound.sendto(datagram, address)
        except Exception as fault:  # noqa: BLE001 - as above
            self._fail(fault)
            return
        self._arm()

    def _fail(self, fault: Exception) -> None:
        self.stop()
        self._on_fault(fault)

    def _arm(self) -> None:
        due_ms = self._proxy.next_deadline_ms()
        if self._timer is not None:
            if due_ms is not None and self._timer_ms is not None and due_ms >= self._timer_ms:
                return  # it wakes before, and looks again
            self._timer.cancel()
            self._timer = None
        if due_ms is not None and self._loop is not None and self._sockets:
            self._timer_ms = due_ms
            delay_s = max(0, due_ms - self._monotonic_ms()) / 1000
            self._timer = self._loop.call_later(delay_s, self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        self._turn()
