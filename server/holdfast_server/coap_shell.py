"""The CoAP socket of the authorization server: a loop around the sans-IO stack, without decisions.

One wake-up reads a batch of datagrams, answers them inside one transaction of the
store, and sends nothing before it is committed: a whole batch costs one fsync, and
no answer can leave whose state might be lost. When the commit fails the process
must end (what it remembers is ahead of what is stored), and a restart recovers. When
no transaction can be begun, nothing has happened yet, and it is tried again.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, response
from holdfast_core.coap_stack import CoapStack, Incoming, RequestEvent
from holdfast_server.coap_site import CoapSite

Address = Any
BATCH = 32
"""Datagrams read at one wake-up: enough to share a commit, few enough to let HTTPS breathe."""
MAX_DATAGRAM_LEN = 2048
RECEIVE_BUFFER_LEN = 1 << 20
RETRY_MS = 500
"""Until the database is asked again, when somebody else holds it: HTTPS breathes meanwhile, since asking waits too.

Devices retransmit after 2 s.
"""

Transaction = Callable[[], contextlib.AbstractContextManager[None]]


class CoapShell:
    """Serves one site on one UDP socket.

    transaction: makes the context manager around a batch. wall_s, monotonic_ms: clocks.
    on_error: told about a bug that one request met; it is undone and answered 5.00.
    on_fault: told about an exception that ends the service (the caller stops the process).
    """

    def __init__(
        self,
        stack: CoapStack,
        site: CoapSite,
        transaction: Transaction,
        wall_s: Callable[[], int],
        monotonic_ms: Callable[[], int],
        on_error: Callable[[Exception], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._stack = stack
        self._site = site
        self._transaction = transaction
        self._wall_s = wall_s
        self._monotonic_ms = monotonic_ms
        self._on_error = on_error
        self._on_fault = on_fault
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, host: str, port: int) -> tuple[str, int]:
        """Bind, and serve in the running event loop. Returns the address bound (port 0 chooses one)."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_LEN)
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
        self._socket = bound
        asyncio.get_running_loop().add_reader(bound, self._turn)
        name = bound.getsockname()
        return name[0], name[1]

    def stop(self) -> None:
        """Stop serving and close the socket."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _turn(self) -> None:
        """One wake-up: everything that has come or is due, one commit, then everything that goes out."""
        if self._socket is None:
            return
        begun = False
        try:
            with self._transaction():
                begun = True
                self._work(self._socket)
            self._send(self._socket)
        except Exception as fault:  # noqa: BLE001 - whatever broke the commit, nothing may be sent
            if begun:
                self.stop()
                self._on_fault(fault)
            else:
                self._on_error(fault)
                asyncio.get_running_loop().remove_reader(self._socket)  # what has come waits in it
                self._wait(RETRY_MS, self._turn_again)
            return
        self._arm()

    def _turn_again(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._turn)
            self._turn()

    def _work(self, bound: socket.socket) -> None:
        now_ms = self._monotonic_ms()
        for datagram, peer in _received(bound):
            self._answer(self._stack.feed(datagram, peer, now_ms), now_ms)
        self._answer(self._stack.tick(now_ms), now_ms)

    def _answer(self, events: list[Any], now_ms: int) -> None:
        for event in events:
            if isinstance(event, RequestEvent):
                self._stack.respond(event.incoming, self._answer_to(event.incoming), now_ms)

    def _answer_to(self, incoming: Incoming) -> Message:
        try:
            with self._transaction():
                return self._site.answer(incoming.message, incoming.context, self._wall_s())
        except Exception as error:  # noqa: BLE001 - one request's bug must not end the service for all
            self._on_error(error)
            return response(L.CODE_INTERNAL_SERVER_ERROR)

    def _send(self, bound: socket.socket) -> None:
        for datagram, peer in self._stack.take_datagrams():
            address: Any = peer
            with contextlib.suppress(OSError):  # a full buffer or an unreachable peer: CoAP retransmits
                bound.sendto(datagram, address)

    def _arm(self) -> None:
        due_ms = self._stack.next_deadline_ms()
        self._wait(None if due_ms is None else due_ms - self._monotonic_ms(), self._turn)

    def _wait(self, delay_ms: int | None, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay_ms is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0, delay_ms) / 1000, then)


def _received(bound: socket.socket) -> Iterator[tuple[bytes, Address]]:
    # recvfrom with a small buffer: asyncio's own datagram transport allocates 256 KiB for each.
    for _ in range(BATCH):
        try:
            yield bound.recvfrom(MAX_DATAGRAM_LEN)
        except BlockingIOError:
            return
        except OSError:  # an ICMP error of an earlier send
            continue
