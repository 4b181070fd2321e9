"""The security contexts an endpoint can be addressed by: a bounded table by kid (RFC 8613 sections 3.3 and 8.2).

Never evicts: the caller that adds a context decides which other leaves.  A kid names one context only, so a kid
context can confirm the choice but never has to make it.
"""

from holdfast_core import errors
from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from holdfast_core.oscore import SecurityContext


class ContextTable:
    """At most `limit` contexts, found by their Recipient ID.

    refused: told the peer and the PeerError of a request that was not opened, or None.
    """

    __slots__ = ("_by_kid", "_limit", "refused")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.refused: Callable[[Hashable, errors.PeerError], None] | None = None
        self._by_kid: dict[bytes, SecurityContext] = {}

    def __len__(self) -> int:
        return len(self._by_kid)

    def __contains__(self, kid: bytes) -> bool:
        return kid in self._by_kid

    def contexts(self) -> "list[SecurityContext]":
        """All contexts, in no order."""
        return list(self._by_kid.values())

    def add(self, context: "SecurityContext") -> None:
        """Make a context findable.  Raises Overloaded when the table is full, LocalError when its kid is taken."""
        if context.recipient_id in self._by_kid:
            raise LocalError("kid-taken")
        if len(self._by_kid) >= self._limit:
            raise errors.Overloaded("contexts")
        self._by_kid[context.recipient_id] = context

    def remove(self, context: "SecurityContext") -> None:
        """Take a context out; nothing happens when it is not in."""
        if self._by_kid.get(context.recipient_id) is context:
            del self._by_kid[context.recipient_id]

    def find(self, kid: bytes | None, kid_context: bytes | None = None, *_sender: "Any") -> "SecurityContext":
        """Return the context a request names (RFC 8613 section 8.2 step 2).

        sender: (peer, now_ms), for tables that make contexts, which costs so much that they charge it.
        Raises UnknownContext: no such kid, or its context has another ID Context.  MalformedOscore: no kid at all.
        """
        if kid is None:
            raise errors.MalformedOscore("no-kid")
        context = self._by_kid.get(kid)
        if context is None or (kid_context is not None and kid_context != context.id_context):
            raise errors.UnknownContext
        return context
