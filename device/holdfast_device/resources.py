"""What a device serves, and what its handlers get: a path with its handlers, and one request for it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast_core.coap_events import Incoming
    from holdfast_core.grant import Grant
    from holdfast_core.secret import Secret
    from holdfast_device.sessions import Session
    from holdfast_device.tasks import Task

    Handler = Callable[["ResourceRequest"], Any]


class ResourceRequest:
    """What a handler gets: message, and the grant and raw token of the session (None on a public resource)."""

    __slots__ = ("incoming", "message", "session", "task")

    def __init__(self, incoming: "Incoming", session: "Session | None") -> None:
        self.incoming = incoming
        self.message = incoming.message
        self.session = session
        self.task: Task | None = None  # that will answer it

    @property
    def grant(self) -> "Grant | None":
        """What the client may do now."""
        return None if self.session is None else self.session.grant

    @property
    def token(self) -> "Secret | None":
        """The token that says so."""
        return None if self.session is None else self.session.token


class Resource:
    """One path: its handlers by method code."""

    __slots__ = ("handlers", "observable", "path", "public")

    def __init__(self, path: str, handlers: "dict[int, Handler]", observable: bool, public: bool) -> None:
        self.path = path
        self.handlers = handlers
        self.observable = observable
        self.public = public
