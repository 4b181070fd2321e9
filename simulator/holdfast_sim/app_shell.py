"""A client on the network: the doctor's app, or a thief. holdfast_device's client on a UDP socket of its own.

One thread: run() moves datagrams until a task has ended. Its address on loopback is its own, so that a device that
counts per address counts it alone.
"""

import secrets
import select
import socket
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from holdfast_core.coap_events import UNPROTECTED
from holdfast_core.coap_limits import Limits, Transmission
from holdfast_core.coap_message import Message, code_text
from holdfast_core.errors import HoldfastError
from holdfast_core.provisioning import Provisioning
from holdfast_core.rederive import RederivedContext
from holdfast_core.trace import tracer
from holdfast_device.client import AceClient
from holdfast_device.endpoint import Endpoint, RequestFailed, Watch
from holdfast_sim.process_shell import PartFailed
from holdfast_sim.tap_shell import Address, Tap

if TYPE_CHECKING:
    from holdfast_core.oscore import RequestContext

Steps = Generator[Any, Any, Any]
MAX_DATAGRAM_LEN = 2048
DEADLINE_S = 15
# Loopback loses nothing but what the tap loses, so a retransmission need not wait for RFC 7252's 2 s.
QUICK = Limits(transmission=Transmission(ack_timeout_ms=1000, response_timeout_ms=12_000))


class App:
    """who: its name in the ladder; host: its own address, 127.x.y.z. client: AceClient towards the AS's CoAP address.

    provisioning: what `holdfast server client add --oscore` wrote, for a client that asks for tokens over CoAP.
    trace: lines for the ladder.
    """

    def __init__(
        self,
        who: str,
        host: str,
        tap: Tap,
        as_uri: str,
        as_address: Address | None = None,
        provisioning: Provisioning | None = None,
    ) -> None:
        self.who = who
        self.trace: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.address: Address = self._socket.getsockname()
        tap.name(self.address, who)
        self.endpoint = Endpoint(secrets.token_bytes, None, QUICK, tracer(who, self.trace.append))
        self.endpoint.now_ms = _now_ms()
        as_context = None if provisioning is None else provisioning.as_context
        context = None if as_context is None else RederivedContext(as_context, secrets.token_bytes)
        self.client = AceClient(self.endpoint, secrets.token_bytes, as_uri, as_address, context)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def run(self, steps: Steps, what: str, deadline_s: float = DEADLINE_S) -> Any:
        """Run a task to its end; returns its value, raises its HoldfastError. PartFailed: it never ended."""
        task = self.endpoint.spawn(steps)
        ended: list[tuple[Any, HoldfastError | None]] = []
        task.when_ended(lambda value, error: ended.append((value, error)))
        end_ms = _now_ms() + int(deadline_s * 1000)
        self._send()
        while not ended:
            if _now_ms() >= end_ms:
                raise PartFailed(f"{what} did not end within {deadline_s:.0f} s.")
            self._turn(min(end_ms, self.endpoint.next_deadline_ms() or end_ms))
        value, error = ended[0]
        if error is not None:
            raise error
        return value

    def call(self, peer: Address, message: Message, what: str, context: "RequestContext | None" = None) -> Message:
        """Send one request, protected or not, and return what came back, protected or not. Raises RequestFailed."""

        def steps() -> Steps:
            try:
                return (yield self.endpoint.call(peer, message, context))
            except RequestFailed as failed:
                if failed.why == UNPROTECTED and failed.message is not None:
                    return failed.message
                raise

        answer = self.run(steps(), what)
        assert isinstance(answer, Message)  # noqa: S101 - what a call ends with
        return answer

    def next_of(self, watch: Watch, what: str, deadline_s: float = DEADLINE_S) -> Message:
        """Wait for the next message of an observation. Raises RequestFailed when there will be none."""

        def steps() -> Steps:
            return (yield watch.next())

        answer = self.run(steps(), what, deadline_s)
        assert isinstance(answer, Message)  # noqa: S101 - what a watch brings
        return answer

    def outcome(self, steps: Steps, what: str) -> str:
        """Run a task that answers with a message; returns the code, or the reason of the error that ended it."""
        try:
            answer = self.run(steps, what)
        except HoldfastError as error:
            return reason_of(error)
        return code_text(answer.code) if isinstance(answer, Message) else "done"

    def _turn(self, until_ms: int) -> None:
        wait_s = max(0, min(until_ms - _now_ms(), 200)) / 1000
        if select.select([self._socket], [], [], wait_s)[0]:
            try:
                octets, peer = self._socket.recvfrom(MAX_DATAGRAM_LEN)
            except OSError:
                return
            self.endpoint.feed(octets, peer, _now_ms())
        self.endpoint.tick(_now_ms())
        self._send()

    def _send(self) -> None:
        for octets, peer in self.endpoint.take_datagrams():
            address: Any = peer
            self._socket.sendto(octets, address)


def reason_of(error: HoldfastError) -> str:
    """What an error says: the CoAP code of a refusal, else its stable reason."""
    message = getattr(error, "message", None)
    if isinstance(message, Message):
        return code_text(message.code)
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code_text(code)
    return str(error)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
