"""The tap: a UDP relay between the parties, which sees every datagram and can lose one or send one again.

Each party is told the address of a front instead of the other party's. For every address that a front hears from,
the tap keeps a socket of its own towards the far side, so that the far side tells its peers apart as ever. It never
changes what it passes on, and has no key: it is the hub, the access point, the attacker on the path.
"""

import selectors
import socket
import threading
from collections.abc import Callable

from holdfast_sim.recorder_shell import Recorder
from holdfast_sim.records import Datagram

Address = tuple[str, int]
Matches = Callable[[bytes], bool]
MAX_DATAGRAM_LEN = 2048
MAX_PATHS = 256  # sockets; a run has a dozen parties

REPLAYED = "sent again by the tap"
LOST = "lost by the tap"


class Front:
    """Where one far party is to be reached. address: what the near parties are told.

    near: the one party that speaks here, where that is not told by its address.
    """

    def __init__(self, far: str, near: str = "") -> None:
        self.far = far
        self.near = near
        self.far_address: Address | None = None
        self.socket = _bound("127.0.0.1")
        self.address: Address = self.socket.getsockname()


class _Path:
    """One near address at one front: the socket that speaks to the far side in its place."""

    def __init__(self, front: Front, near: Address) -> None:
        self.front = front
        self.near = near
        self.socket = _bound(near[0])


class Tap:
    """All fronts and paths, served by one thread until close()."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._paths: dict[tuple[int, Address], _Path] = {}
        self._names: dict[Address, str] = {}
        self._to_lose: list[tuple[str, str, Matches]] = []
        self._fronts: list[Front] = []
        self._wake_in, self._wake_out = socket.socketpair()
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)
        self._thread.start()

    def front(self, far: str, near: str = "") -> Front:
        """Make a front for a party that may be connected later."""
        front = Front(far, near)
        with self._lock:
            self._fronts.append(front)
            self._selector.register(front.socket, selectors.EVENT_READ, front)
        self._wake()
        return front

    def connect(self, front: Front, far_address: Address) -> None:
        """Say where the far party listens; what came before is lost."""
        with self._lock:
            front.far_address = far_address

    def name(self, address: Address, who: str) -> None:
        """Say who sends from an address."""
        with self._lock:
            self._names[address] = who

    def lose_next(self, src: str, dst: str, matches: Matches = lambda _: True) -> None:
        """Do not pass on the next datagram of src to dst that matches."""
        with self._lock:
            self._to_lose.append((src, dst, matches))

    def send(self, front: Front, near: Address, octets: bytes, note: str = REPLAYED) -> Datagram:
        """Send octets to the far side as if near had sent them; returns the record."""
        with self._lock:
            path = self._path(front, near)
            record = self._recorder.datagram(self._who(near), front.far, octets, note)
            if front.far_address is not None:
                path.socket.sendto(octets, front.far_address)
        return record

    def close(self) -> None:
        """Stop and close every socket; harmless when called again."""
        if not self._thread.is_alive():
            return
        self._wake_out.send(b"q")
        self._thread.join(timeout=5)
        for front in self._fronts:
            front.socket.close()
        for path in self._paths.values():
            path.socket.close()
        self._wake_in.close()
        self._wake_out.close()
        self._selector.close()

    def _wake(self) -> None:
        self._wake_out.send(b"w")

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    if b"q" in self._wake_in.recv(64):
                        return
                elif isinstance(key.data, Front):
                    self._take(key.data.socket, key.data, None)
                else:
                    self._take(key.data.socket, key.data.front, key.data)

    def _take(self, ready: socket.socket, front: Front, path: _Path | None) -> None:
        try:
            octets, source = ready.recvfrom(MAX_DATAGRAM_LEN)
        except OSError:  # an ICMP error of an earlier send: that party is not there now
            return
        with self._lock:
            if path is None:
                self._outward(front, source, octets)
            elif source == front.far_address:
                self._homeward(path, octets)

    def _outward(self, front: Front, near: Address, octets: bytes) -> None:
        src = front.near or self._who(near)
        lost = self._is_lost(src, front.far, octets) or front.far_address is None
        path = self._path(front, near)
        self._recorder.datagram(src, front.far, octets, LOST if lost else "")
        if not lost and front.far_address is not None:
            path.socket.sendto(octets, front.far_address)

    def _homeward(self, path: _Path, octets: bytes) -> None:
        dst = path.front.near or self._who(path.near)
        lost = self._is_lost(path.front.far, dst, octets)
        self._recorder.datagram(path.front.far, dst, octets, LOST if lost else "")
        if not lost:
            path.front.socket.sendto(octets, path.near)

    def _path(self, front: Front, near: Address) -> _Path:
        known = self._paths.get((id(front), near))
        if known is None:
            if len(self._paths) >= MAX_PATHS:
                raise RuntimeError("too many addresses speak through the tap")
            known = self._paths[id(front), near] = _Path(front, near)
            self._selector.register(known.socket, selectors.EVENT_READ, known)
            self._wake()
        return known

    def _who(self, address: Address) -> str:
        return self._names.get(address, f"{address[0]}:{address[1]}")

    def _is_lost(self, src: str, dst: str, octets: bytes) -> bool:
        for rule in self._to_lose:
            if (src, dst) == rule[:2] and rule[2](octets):
                self._to_lose.remove(rule)
                return True
        return False


def _bound(host: str) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((host, 0))
    return bound
