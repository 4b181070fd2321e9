"""Datagrams between a device and its hub where there is no UDP: in a message of MQTT, or in a frame of a line.

    message = host(4) port(2, big-endian) datagram
    frame   = message crc32-of-the-message(4, big-endian), in SLIP framing (RFC 1055)

The address is that of the far end of the conversation, in both directions: it lets several clients share one line, and
lets limits per address count them.  A damaged frame is dropped, like a datagram that is lost; the check finds noise, no
attacker: OSCORE does that.  Messages go under PREFIX/DEVICE/down to the device, and under PREFIX/DEVICE/up from it.
Never touches a port: bytes in, datagrams out.
"""

from binascii import crc32

from holdfast_core.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    Peer = tuple[bytes, int]

END = b"\xc0"
ESC = b"\xdb"
ESC_END = b"\xdb\xdc"
ESC_ESC = b"\xdb\xdd"
HOST_LEN = 4
HEAD_LEN = 6
CHECK_LEN = 4
MAX_DATAGRAM_LEN = 1500
# A frame of a longest datagram in which every byte is escaped.
MAX_FRAME_LEN = 2 * (HEAD_LEN + MAX_DATAGRAM_LEN + CHECK_LEN)
UP, DOWN = b"/up", b"/down"


def peer_of(host: str, port: int) -> "Peer":
    """Return the peer of "a.b.c.d" and a port: there are no names on such links.  ValueError: it is no address."""
    octets = bytes([int(part) for part in host.split(".")])
    if len(octets) != 4:
        raise ValueError(host)
    return octets, port


def encode_message(datagram: bytes, peer: "Peer") -> bytes:
    """Return the message that carries a datagram to or from peer (4 bytes of IPv4 address, port)."""
    return peer[0] + peer[1].to_bytes(2, "big") + datagram


def decode_message(message: bytes) -> "tuple[bytes, Peer] | None":
    """Return (datagram, peer), None when it cannot be one."""
    if not HEAD_LEN <= len(message) <= HEAD_LEN + MAX_DATAGRAM_LEN:
        return None
    return message[HEAD_LEN:], (message[:HOST_LEN], int.from_bytes(message[HOST_LEN:HEAD_LEN], "big"))


def encode_frame(datagram: bytes, peer: "Peer") -> bytes:
    """Return the bytes for the line.

    datagram: 0..1500 bytes; peer: (4 bytes of IPv4 address, port).  An END at both ends lets the reader begin anew
    after noise between frames.  LocalError on other lengths.
    """
    if len(peer[0]) != HOST_LEN or len(datagram) > MAX_DATAGRAM_LEN:
        raise LocalError("frame-length")
    frame = encode_message(datagram, peer)
    frame += crc32(frame).to_bytes(CHECK_LEN, "big")
    return END + frame.replace(ESC, ESC_ESC).replace(END, ESC_END) + END


def decode_frame(frame: bytes) -> "tuple[bytes, Peer] | None":
    """Return (datagram, peer) of what stood between two ENDs, None when it is damaged."""
    if frame.count(ESC) != frame.count(ESC_END) + frame.count(ESC_ESC):
        return None
    frame = frame.replace(ESC_END, END).replace(ESC_ESC, ESC)
    message = frame[:-CHECK_LEN]
    if crc32(message) != int.from_bytes(frame[-CHECK_LEN:], "big"):
        return None
    return decode_message(message)


class FrameReader:
    """Collects what comes from the line; dropped counts damaged and oversized frames."""

    __slots__ = ("_held", "_skipping", "dropped")

    def __init__(self) -> None:
        self._held = b""
        self._skipping = False
        self.dropped = 0

    def feed(self, chunk: bytes) -> "list[tuple[bytes, Peer]]":
        """Return the (datagram, peer) of each frame that this chunk completes."""
        pieces = (self._held + chunk).split(END)
        self._held = pieces.pop()
        frames = []
        for piece in pieces:
            frame = None if self._skipping else decode_frame(piece)
            if frame is not None:
                frames.append(frame)
            elif piece or self._skipping:
                self.dropped += 1
            self._skipping = False
        if len(self._held) > MAX_FRAME_LEN:
            self._held = b""
            self._skipping = True
        return frames
