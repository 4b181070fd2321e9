"""A serial line as a link: frames of framing.py over any stream that can be polled, such as a UART.

Never opens the port: the program that knows the board opens it, and passes an object with read() and write().
"""

import select

from holdfast_core.framing import MAX_DATAGRAM_LEN, FrameReader, encode_frame, peer_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast_core.framing import Peer

READ_LEN = 64  # a board takes the room that it asks to fill, in one piece, and a full heap has few large ones


def peer_text(peer: "Peer") -> str:
    """Return "host:port" for logs and traces."""
    return "{}.{}.{}.{}:{}".format(*peer[0], peer[1])


class SerialLink:
    """stream: read(n) -> bytes, b"" or None when there is nothing; write(bytes) -> count or None.

    poll: what has poll(timeout_ms) for it; that of the system when there is none.
    """

    __slots__ = ("_poll", "_reader", "_stream", "_waiting")

    mtu = MAX_DATAGRAM_LEN

    def __init__(self, stream: "Any", poll: "Any" = None) -> None:
        self._stream = stream
        self._reader = FrameReader()
        self._waiting: list[tuple[bytes, Peer]] = []
        if poll is None:
            poll = select.poll()
            poll.register(stream, select.POLLIN)
        self._poll = poll

    def wait(self, timeout_ms: int) -> bool:
        """Return whether something came, after timeout_ms at the latest."""
        return bool(self._waiting or self._poll.poll(timeout_ms))

    def receive(self) -> "tuple[bytes, Peer] | None":
        """Return the next (datagram, peer), None when there is no whole one yet."""
        while not self._waiting:
            chunk = self._stream.read(READ_LEN)
            if not chunk:
                return None
            self._waiting = self._reader.feed(chunk)
        return self._waiting.pop(0)

    def send(self, datagram: bytes, peer: "Peer") -> None:
        """Write a frame.  A line that takes no more loses the rest of it, and the far end drops what came."""
        frame = memoryview(encode_frame(datagram, peer))
        while frame:
            written = self._stream.write(frame)
            if not written:
                return
            frame = frame[written:]

    def resolve(self, host: str, port: int) -> "list[Peer]":
        """Return the peer at an address.  ValueError for a name."""
        return [peer_of(host, port)]
