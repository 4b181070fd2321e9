"""Which TCP connections may be, before anything is said on them: so many in all, so many from one network.

When all places are taken, a newcomer from a network that has few takes the place of the connection that has waited
longest without a whole request: one that waits for its answer is never cut off for another. The operator's own
proxies are one network each, without a bound of their own.
Sans-IO. A dictionary look-up or two for each connection, however many there are.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

MAX_CONNECTIONS = 512
RESERVED_FILES = 64
"""Of the files that a process may have open: the database, its log, the listeners, CoAP and the standard streams."""
LEAST_CONNECTIONS = 8
SHARE = 4
"""A network may have one in so many of all places: a ward behind one address has 128."""

FEW = 8
"""What one browser opens at a time."""

C = TypeVar("C")


def most_connections(files: int) -> int:
    """How many connections a process that may have so many files can hold without running out of them."""
    return max(LEAST_CONNECTIONS, min(MAX_CONNECTIONS, files - RESERVED_FILES))


class Connections(Generic[C]):
    """The connections of one listener. most: in all; unbounded: networks that only the whole bounds."""

    def __init__(self, most: int, unbounded: frozenset[str] = frozenset()) -> None:
        self.most = most
        self.most_of_one = max(1, most // SHARE)
        self._unbounded = unbounded
        self._networks: dict[C, str] = {}
        self._counts: dict[str, int] = {}
        self._silent: OrderedDict[C, None] = OrderedDict()  # without a whole request to answer, the oldest first

    def __len__(self) -> int:
        return len(self._networks)

    def enter(self, connection: C, network: str) -> C | None:
        """Take it in; returns the one to be cut off, which is the newcomer when it may not be; None: there is room."""
        count = self._counts.get(network, 0)
        if count >= self.most_of_one and network not in self._unbounded:
            return connection
        cut_off = None
        if len(self._networks) >= self.most:
            if count >= FEW or not self._silent:
                return connection
            cut_off = next(iter(self._silent))
            self.leave(cut_off)
        self._networks[connection] = network
        self._counts[network] = self._counts.get(network, 0) + 1
        self._silent[connection] = None
        return cut_off

    def spoke(self, connection: C) -> None:
        """It has said what it wants, to the end."""
        self._silent.pop(connection, None)

    def answered(self, connection: C) -> None:
        """It has its answer, and is silent again from now on."""
        if connection in self._networks:
            self._silent.setdefault(connection, None)

    def leave(self, connection: C) -> None:
        """It is closed, or about to be; twice is no harm."""
        network = self._networks.pop(connection, None)
        if network is None:
            return
        self._silent.pop(connection, None)
        if self._counts[network] == 1:
            del self._counts[network]
        else:
            self._counts[network] -= 1
