"""The UDP sockets of the hub: those that systemd has opened already, and those that are opened here.

With socket activation nothing that a client sends is lost while the hub starts, or starts again. What was handed over
is matched by its address: hub.toml says which sockets there are, and the unit repeats those that it opens.
"""

import os
import socket
from collections.abc import MutableMapping

from holdfast_hub.process.settings import Bind, ConfigError

FIRST_FD = 3
RECEIVE_BUFFER_LEN = 1 << 20


class Sockets:
    """What was handed over (sd_listen_fds(3)), taken out of the environment so that no child takes it for its own."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
        environment.pop("LISTEN_FDNAMES", None)
        self._given: list[socket.socket] = []
        if pid == str(os.getpid()) and count.isdecimal():
            for descriptor in range(FIRST_FD, FIRST_FD + int(count)):
                os.set_inheritable(descriptor, False)
                self._given.append(socket.socket(fileno=descriptor))

    def udp(self, key: str, bind: Bind) -> socket.socket:
        """Return a bound UDP socket that does not block. key: what named the address. Raises ConfigError."""
        for given in self._given:
            if given.type == socket.SOCK_DGRAM and given.getsockname()[:2] == (bind.host, bind.port):
                self._given.remove(given)
                given.setblocking(False)
                return given
        family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_LEN)
            bound.bind((bind.host, bind.port))
        except OSError as error:
            bound.close()
            raise ConfigError(f"{key} {bind} cannot be served: {error.strerror}.") from None
        return bound

    def close_others(self) -> list[str]:
        """Close what was handed over and nobody has asked for; return their addresses."""
        left = [str(Bind(*given.getsockname()[:2])) for given in self._given]
        for given in self._given:
            given.close()
        self._given = []
        return left
