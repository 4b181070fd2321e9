"""One CoAP endpoint: the stack, the calls that wait for its responses, and the tasks that wait for the calls.

A device and a client application are both built on it.  Never decides anything about rights, never touches a socket or
a clock: datagrams and now_ms in, datagrams out (RFC 7252).
"""

from holdfast_core import labels as L
from holdfast_core.coap_events import FailureEvent, ObservationEnded, RequestEvent, ResponseEvent
from holdfast_core.coap_stack import CoapStack
from holdfast_core.errors import PeerError
from holdfast_device.tasks import Call, Tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, Protocol

    from holdfast_core.coap_events import Event, Incoming
    from holdfast_core.coap_limits import Limits
    from holdfast_core.coap_message import Message
    from holdfast_core.oscore import RequestContext, SecurityContext
    from holdfast_core.oscore_contexts import ContextTable
    from holdfast_device.tasks import Steps, Task

    class Site(Protocol):
        """What answers requests."""

        def serve(self, incoming: Incoming) -> None:
            """Answer, now or later."""

        def observation_ended(self, incoming: Incoming) -> None:
            """A client no longer observes."""


# Notifications that wait for their task; a newer state replaces an older one anyway (RFC 7641 section 1.3).
MAX_WAITING = 4


class RequestFailed(PeerError):
    """No response: .why is the stack's reason; .message is an unprotected response to a protected request, or None."""

    reason = "request-failed"
    coap_code = L.CODE_GATEWAY_TIMEOUT  # when it happens to a handler that asked on behalf of its own client

    def __init__(self, why: str, message: "Message | None" = None) -> None:
        PeerError.__init__(self, why)
        self.why = why
        self.message = message


class Watch:
    """An observation from the client's side: next() is a Call with the next message; a failure ends it."""

    __slots__ = ("_call", "_error", "_waiting", "request_id")

    def __init__(self) -> None:
        self.request_id = 0
        self._waiting: list[Message] = []
        self._error: PeerError | None = None
        self._call: Call | None = None

    def next(self) -> Call:
        """Return a Call that ends with the next message, or with RequestFailed when there will be none."""
        call = Call()
        if self._waiting:
            call.done(self._waiting.pop(0))
        elif self._error is not None:
            call.fail(self._error)
        else:
            self._call = call
        return call

    def take(self, message: "Message") -> None:
        """Hand over one message; the oldest waiting one is dropped when nobody asks for them."""
        call, self._call = self._call, None
        if call is not None:
            call.done(message)
            return
        self._waiting.append(message)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.pop(0)

    def end(self, error: PeerError) -> None:
        """No message will come any more."""
        self._error = error
        call, self._call = self._call, None
        if call is not None:
            call.fail(error)


def _unheard(_error: Exception) -> None:
    """What hears of failures of a program when nobody else does."""


class Endpoint:
    """What a device and an application stand on.

    rng: random bytes; contexts: OSCORE contexts that requests may come in; limits, trace, admission: of the stack.
    site: the object that answers requests, or None to answer none.
    before: called with now_ms before anything else happens, so that a datagram never meets what has expired.
    bug: called with the exception of a program that failed, no MemoryError; what it was doing ends, and nothing else.
    short: something ended for want of memory, and nothing else was harmed.
    torn: memory ran out in the midst of something, and begin_anew() is due before anything else.
    """

    __slots__ = ("_calls", "_stack", "_tasks", "before", "bug", "now_ms", "short", "site", "torn")

    def __init__(
        self,
        rng: "Callable[[int], bytes]",
        contexts: "ContextTable | None" = None,
        limits: "Limits | None" = None,
        trace: "Callable[..., None] | None" = None,
        admission: "Callable[[Hashable, int, int], bool] | None" = None,
    ) -> None:
        self._stack = CoapStack(rng, contexts, limits, trace, admission)
        self.short = False
        self.torn = False
        self.now_ms = 0
        self.site: Site | None = None
        self.bug: Callable[[Exception], object] = _unheard
        self.before: Callable[[int], None] | None = None
        self._calls: dict[int, Call | Watch] = {}
        self._tasks = Tasks()

    # --- the outside ---

    def feed(self, datagram: bytes, peer: "Hashable", now_ms: int) -> bool:
        """Take one datagram; return False when something ended short of memory.  now_ms: monotonic, never wraps."""
        self.short = False
        self._advance(now_ms)
        try:  # not by whole(): here begins the deepest that a device calls, and a Pico goes 30 calls deep and no more
            self._take(self._stack.feed(datagram, peer, now_ms))
        except MemoryError:
            self.torn = True
            raise
        return not self.short

    def tick(self, now_ms: int) -> None:
        """Let time pass."""
        self._advance(now_ms)
        self.whole(self._tick)

    def next_deadline_ms(self) -> int | None:
        """When tick is due, None for never."""
        return self._stack.next_deadline_ms()

    def take_datagrams(self) -> "list[tuple[bytes, Hashable]]":
        """Return what is to be sent, in order: (datagram, peer)."""
        return self._stack.take_datagrams()

    # --- answers ---

    def respond(self, incoming: "Incoming", message: "Message", observe: bool) -> bool:
        """Answer a request; return whether it is now an observation.  Raises SequenceExhausted."""
        try:  # not by whole(), here and below: a Pico goes 30 calls deep and no more
            return self._stack.respond(incoming, message, self.now_ms, observe)
        except MemoryError:
            self.torn = True
            raise

    def notify(self, incoming: "Incoming", message: "Message", last: bool) -> bool:
        """Send a notification, or the last one; return False when the stack does not know the observer any more."""
        try:
            step = self._stack.end_observation if last else self._stack.notify
            return step(incoming, message, self.now_ms) is not False
        except MemoryError:
            self.torn = True
            raise

    def forget(self, context: "SecurityContext", ended: bool) -> None:
        """Forget the blocks that clients have yet to fetch in a context, and with its end those that are coming in."""
        (self._stack.forget_context if ended else self._stack.forget_renderings)(context)

    # --- out of memory ---

    def whole(self, work: "Callable[..., Any]", *arguments: "Any") -> "Any":
        """Return work(*arguments), a step of the stack's.  When memory runs out in it, half a step is done: torn."""
        try:
            return work(*arguments)
        except MemoryError:
            self.torn = True  # also for a caller that catches the error
            raise

    def begin_anew(self) -> None:
        """Go on with a whole stack: what was under way is lost, as on a bad link, and what waits for it hears so."""
        self.torn = False
        self._stack.forget_all()
        for request_id in list(self._calls):
            self._fail(request_id, RequestFailed("memory"))

    # --- the inside ---

    def failed(self, error: Exception) -> None:
        """Take the failure of a program, which ends what it was doing and nothing else."""
        if isinstance(error, MemoryError):
            self.short = True
        else:
            self.bug(error)

    def spawn(self, steps: "Steps") -> "Task":
        """Run a task.  Raises Overloaded when too many run."""
        return self._tasks.spawn(steps)

    def guarded(self, steps: "Steps") -> "Task":
        """Return a task, which begins with step(None, None): a bug in it is its failure and no more.  Overloaded."""
        return self._tasks.add(steps, self.bug)

    def call(self, peer: "Hashable", message: "Message", context: "RequestContext | None" = None) -> Call:
        """Send a request; the Call ends with the response message or RequestFailed."""
        call = Call()
        self.whole(self._request, call, peer, message, context, False)
        return call

    def watch(self, peer: "Hashable", message: "Message", context: "RequestContext | None" = None) -> Watch:
        """Send a GET that registers as an observer; a response that is no notification ends the Watch after it."""
        watch = Watch()
        watch.request_id = self.whole(self._request, watch, peer, message, context, True)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Stop observing."""
        if self._calls.pop(watch.request_id, None) is not None:
            self.whole(self._stack.cancel, watch.request_id, self.now_ms)
            watch.end(RequestFailed("cancelled"))

    def _advance(self, now_ms: int) -> None:
        self.now_ms = now_ms
        if self.before is not None:
            self.before(now_ms)

    def _tick(self) -> None:
        self._take(self._stack.tick(self.now_ms))

    def _request(
        self,
        waiting: "Call | Watch",
        peer: "Hashable",
        message: "Message",
        context: "RequestContext | None",
        observe: bool,
    ) -> int:
        request_id = self._stack.request(peer, message, self.now_ms, context, observe)
        self._calls[request_id] = waiting
        return request_id

    def _take(self, events: "list[Event]") -> None:
        for event in events:
            if isinstance(event, RequestEvent):
                if self.site is not None:
                    self.site.serve(event.incoming)
            elif isinstance(event, ResponseEvent):
                self._respond(event)
            elif isinstance(event, FailureEvent):
                self._fail(event.request_id, RequestFailed(event.reason, event.message))
            elif isinstance(event, ObservationEnded) and self.site is not None:
                self.site.observation_ended(event.incoming)

    def _respond(self, event: ResponseEvent) -> None:
        waiting = self._calls.get(event.request_id)
        if isinstance(waiting, Watch):
            waiting.take(event.message)
            if not event.observing:
                self._fail(event.request_id, RequestFailed("ended"))
        elif waiting is not None:
            del self._calls[event.request_id]
            waiting.done(event.message)

    def _fail(self, request_id: int, error: RequestFailed) -> None:
        waiting = self._calls.pop(request_id, None)
        if isinstance(waiting, Watch):
            waiting.end(error)
        elif waiting is not None:
            waiting.fail(error)
