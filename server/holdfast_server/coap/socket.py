"""The CoAP socket of the authorization server: a loop around the sans-IO stack, without decisions.

One wake-up reads a batch of datagrams, answers them inside one transaction of the
store, and sends nothing before it is committed: a whole batch costs one fsync, and
no answer can leave whose state might be lost. When the store cannot be used, as on a
full disk, everything in the batch is undone and answered 5.03, and serving goes on.
Sender sequence numbers are reserved outside of that transaction, for themselves.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from holdfast_core import labels as L
from holdfast_core.coap_message import Message, response
from holdfast_core.coap_stack import CoapStack, Incoming, RequestEvent
from holdfast_server.authz.errors import StoreFailed
from holdfast_server.coap.site import CoapSite, unavailable

Address = Any
BATCH = 32
"""Datagrams read at one wake-up: enough to share a commit, few enough to let HTTPS breathe."""
MAX_DATAGRAM_LEN = 2048
RECEIVE_BUFFER_LEN = 1 << 20
Transaction = Callable[[], contextlib.AbstractContextManager[None]]


class CoapShell:
    """Serves one site on one UDP socket.

    transaction: makes the context manager around a batch. wall_s, monotonic_ms: clocks.
    on_error: told about a bug that one request met; it is undone and answered 5.00.
    on_unavailable: told about what the store failed by; the batch is undone and answered 5.03.
    on_fault: told about a bug of the stack, which ends the service (the caller stops the process).
    """

    def __init__(
        self,
        stack: CoapStack,
        site: CoapSite,
        transaction: Transaction,
        wall_s: Callable[[], int],
        monotonic_ms: Callable[[], int],
        on_error: Callable[[Exception], None],
        on_unavailable: Callable[[StoreFailed], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._stack = stack
        self._site = site
        self._transaction = transaction
        self._wall_s = wall_s
        self._monotonic_ms = monotonic_ms
        self._on_error = on_error
        self._on_unavailable = on_unavailable
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
        try:
            self._work(self._socket)
            self._send(self._socket)
        except Exception as fault:  # noqa: BLE001 - what the stack remembers may be torn, so nothing more is sent
            self.stop()
            self._on_fault(fault)
            return
        self._arm()

    def _work(self, bound: socket.socket) -> None:
        now_ms = self._monotonic_ms()
        events: list[Any] = []
        for datagram, peer in _received(bound):
            with self._store_failures():
                events += self._stack.feed(datagram, peer, now_ms)
        events += self._stack.tick(now_ms)
        asked = [event.incoming for event in events if isinstance(event, RequestEvent)]
        for incoming, answer in zip(asked, self._answers_to(asked), strict=True):
            with self._store_failures():
                self._stack.respond(incoming, answer, now_ms)

    @contextlib.contextmanager
    def _store_failures(self) -> Iterator[None]:
        """A context whose party needs new sequence numbers stays silent while none can be reserved; peers ask again."""
        try:
            yield
        except StoreFailed as error:
            self._on_unavailable(error)

    def _answers_to(self, asked: list[Incoming]) -> list[Message]:
        """An answer to each, all of them committed; or 5.03 to each, and nothing has happened."""
        if not asked:
            return []
        several = self._transaction() if len(asked) > 1 else contextlib.nullcontext()  # one has its own
        try:
            with several:
                return [self._answer_to(incoming) for incoming in asked]
        except StoreFailed as error:
            self._on_unavailable(error)
            return [unavailable() for _ in asked]

    def _answer_to(self, incoming: Incoming) -> Message:
        try:
            with self._transaction():
                return self._site.answer(incoming.message, incoming.context, self._wall_s(), address_of(incoming.peer))
        except Exception as error:  # one request's bug must not end the service for all
            if isinstance(error, StoreFailed) and error.is_unavailable:
                raise
            self._on_error(error)
            return response(L.CODE_INTERNAL_SERVER_ERROR)

    def _send(self, bound: socket.socket) -> None:
        for datagram, peer in self._stack.take_datagrams():
            address: Any = peer
            with contextlib.suppress(OSError):  # a full buffer or an unreachable peer: CoAP retransmits
                bound.sendto(datagram, address)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ms = self._stack.next_deadline_ms()
        if due_ms is not None:
            delay_s = max(0, due_ms - self._monotonic_ms()) / 1000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._turn)


def address_of(peer: Any) -> str:
    """The host of a socket's peer as text."""
    return str(peer[0]) if isinstance(peer, tuple) else str(peer)


def _received(bound: socket.socket) -> Iterator[tuple[bytes, Address]]:
    # recvfrom with a small buffer: asyncio's own datagram transport allocates 256 KiB for each.
    for _ in range(BATCH):
        try:
            yield bound.recvfrom(MAX_DATAGRAM_LEN)
        except BlockingIOError:
            return
        except OSError:  # an ICMP error of an earlier send
            continue
