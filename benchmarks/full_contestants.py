"""The server when it remembers nothing, and when its tables of the message layer are full.  `full_contestants.py NAME`.

One item is one introspection in OSCORE from an address that has never been seen: the datagram comes in, the store is
read, the datagram goes out. The store is a real one; what waits for the disk is not in it, as nothing is written.
An item is one byte: 1 asks about a token that is active, 0 about none, which is taken for a failure.
"""

import os
import sys
import tempfile
from pathlib import Path

from worker import Run, Setup, serve

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.coap_limits_server import SERVER_LIMITS
from holdfast_core.coap_message import encode, request
from holdfast_core.coap_reliability import Reliability
from holdfast_core.coap_stack import CoapStack, RequestEvent
from holdfast_server.coap.party_contexts import PartyContexts
from holdfast_server.coap.site import CoapSite
from testkit.as_peer import context_of
from testkit.authz import EKG, NOW_S, build_story_as, plain

ROW, EMPTY, FULL = "server-introspect", "an empty server", "a server that remembers 65,536 exchanges"
REPLY = bytes(64)  # as long as the answers that are remembered are
NOW_MS = 1000


class Server:
    """The story's server, and the EKG that asks it; requests: what it has made."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        story = build_story_as(Path(self._folder.name) / "state")
        party = plain(story, story.store.oscore_party(client_id=EKG))
        self.store = story.store
        self.stack = CoapStack(os.urandom, PartyContexts(story.store, os.urandom, lambda: NOW_S), SERVER_LIMITS)
        self._site = CoapSite(story.server)
        self._token = story.doctor_token()["access_token"]
        self._client = context_of(party)

    def remember(self, count: int) -> None:
        """Let it remember so many exchanges, from an address each."""
        messages: Reliability = self.stack._messages  # noqa: SLF001 - as many requests would take minutes to make
        for number in range(count):
            address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5683
            messages.remember(address, number & 0xFFFF, NOW_MS).reply = REPLY

    def datagram(self, item: bytes, number: int) -> bytes:
        """A request of the EKG."""
        token = self._token if item == b"\x01" else b"no such token at all"
        message = request(L.CODE_POST, "/introspect", cbor.encode({L.INTRO_TOKEN: token}), L.CF_ACE_CBOR)
        outer, self._state = self._client.protect_request(message)
        outer.mtype, outer.mid, outer.token = L.TYPE_CON, number, b"tokn"
        return encode(outer)

    def ask(self, datagram: bytes, peer: tuple[str, int]) -> int:
        """Answer one datagram; the length of the payload inside the answer."""
        length = 0
        for event in self.stack.feed(datagram, peer, NOW_MS):
            if isinstance(event, RequestEvent):
                answer = self._site.answer(event.incoming.message, event.incoming.context, NOW_S)
                self.stack.respond(event.incoming, answer, NOW_MS)
                length = len(answer.payload)
        if len(self.stack.take_datagrams()) != 1:
            raise ValueError("answered otherwise")
        return length


def introspect(exchanges: int) -> Setup:
    """A row with so many exchanges remembered."""

    def setup(items: list[bytes]) -> Run:
        server = Server()
        server.ask(server.datagram(b"\x00", 0), ("127.0.0.1", 1))  # which makes the context
        datagrams = [(server.datagram(item, n), (f"192.0.2.{n & 255}", 1024 + n)) for n, item in enumerate(items, 1)]
        server.remember(exchanges)

        def run() -> None:
            for datagram, peer in datagrams:
                if server.ask(datagram, peer) < len(REPLY):
                    raise ValueError("inactive")

        return run

    return setup


if __name__ == "__main__":
    count = {EMPTY: 0, FULL: SERVER_LIMITS.max_exchanges}[sys.argv[1]]
    serve(lambda _keys: {ROW: introspect(count)})
