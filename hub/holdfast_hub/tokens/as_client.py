"""The hub as a client of its authorization server: CoAP in an OSCORE context of its own (RFC 9200 section 5.8).

Sans-IO. Its context begins anew at each start (RFC 8613 appendix B.2), so nothing of it must be remembered. Every
bound is the stack's, and a body that is longer than an answer can be is not taken in.
"""

from collections.abc import Callable, Hashable

from holdfast_core.coap_events import INCOMPLETE, TOO_LARGE, FailureEvent, ResponseEvent
from holdfast_core.coap_limits import Limits
from holdfast_core.coap_stack import CoapStack, Event
from holdfast_core.errors import Overloaded
from holdfast_core.provisioning import AsContext
from holdfast_core.rederive import RederivedContext
from holdfast_core.sender_sequence import SequenceExhausted
from holdfast_hub.tokens.exchange import AWAY, GARBAGE, Outcome, question, read_answer

MAX_UNDER_WAY = 32
MAX_ANSWER_LEN = 2048
"""Twice the longest token."""


class AsClient:
    """An Exchanger. context: of the hub's provisioning file; peer: where datagrams to the server go; rng: n -> n bytes.

    wake: called when there is something to send that came from outside of feed and tick.
    """

    def __init__(
        self,
        context: AsContext,
        peer: Hashable,
        rng: Callable[[int], bytes],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        limits = Limits(
            max_requests=MAX_UNDER_WAY, max_queue=MAX_UNDER_WAY, max_peers=1, max_exchanges=64, max_body=MAX_ANSWER_LEN
        )
        self._stack = CoapStack(rng, limits=limits)
        self._context = RederivedContext(context, rng)
        self._peer = peer
        self._wake = wake
        self._waiting: dict[int, Callable[[Outcome], None]] = {}

    @property
    def under_way(self) -> int:
        """Questions without an answer."""
        return len(self._waiting)

    def exchange(self, subject_token: bytes, audience: str, now_ms: int, done: Callable[[Outcome], None]) -> bool:
        """See Exchanger."""
        try:
            number = self._stack.request(self._peer, question(subject_token, audience), now_ms, self._context)
        except (Overloaded, SequenceExhausted):
            return False
        self._waiting[number] = done
        self._wake()
        return True

    def feed(self, datagram: bytes, peer: Hashable, now_ms: int) -> None:
        """Take in what came to the hub's port for the server."""
        if peer == self._peer:
            self._take(self._stack.feed(datagram, peer, now_ms))

    def tick(self, now_ms: int) -> None:
        """Do what is due."""
        self._take(self._stack.tick(now_ms))

    def next_deadline_ms(self) -> int | None:
        """When tick is due, None for never."""
        return self._stack.next_deadline_ms()

    def take_datagrams(self) -> list[tuple[bytes, Hashable]]:
        """Take what is to be sent."""
        return self._stack.take_datagrams()

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, ResponseEvent):
                self._waiting.pop(event.request_id)(read_answer(event.message))
            elif isinstance(event, FailureEvent):
                is_garbage = event.reason in (TOO_LARGE, INCOMPLETE)
                self._waiting.pop(event.request_id)(Outcome(GARBAGE if is_garbage else AWAY))
