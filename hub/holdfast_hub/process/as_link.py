"""The way to the authorization server: one UDP socket around the sans-IO client of tokens/, without decisions."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable

from holdfast_core.errors import HoldfastError
from holdfast_core.provisioning import decode_provisioning
from holdfast_hub.process.config import Config, secret_file
from holdfast_hub.process.settings import ConfigError
from holdfast_hub.tokens.as_client import AsClient

BATCH = 16
MAX_DATAGRAM_LEN = 2048
KEY = "as.credentials_file"


class AsLink:
    """credentials and address: of the configuration. monotonic_ms: clock. wake: see AsClient. Raises ConfigError."""

    def __init__(self, config: Config, monotonic_ms: Callable[[], int], wake: Callable[[], None]) -> None:
        path = secret_file(KEY, config.text(KEY), config.path.parent)
        try:
            record = decode_provisioning(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{KEY}: {path} cannot be read: {error.strerror}.") from None
        except HoldfastError:
            raise ConfigError(f"{KEY}: {path} is not what `holdfast server client add --oscore` writes.") from None
        bind = config.bind("as.address")
        peer = (bind.host, bind.port) if bind is not None else record.as_peer
        if record.as_context is None or peer is None:
            raise ConfigError(f"{KEY}: {path} does not say how to reach an authorization server: set as.address.")
        self._monotonic_ms = monotonic_ms
        self._peer = peer
        self._socket: socket.socket | None = None
        self.client = AsClient(record.as_context, self._peer, secrets.token_bytes, wake)

    def turn(self) -> None:
        """Do what is due, and send what goes out."""
        now_ms = self._monotonic_ms()
        self.client.tick(now_ms)
        for datagram, _ in self.client.take_datagrams():
            with contextlib.suppress(OSError):  # unreachable for now: CoAP retransmits
                self._bound().send(datagram)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _bound(self) -> socket.socket:
        if self._socket is None:
            found = socket.getaddrinfo(*self._peer, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(found[0], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.connect(found[4])
            asyncio.get_running_loop().add_reader(self._socket, self._readable)
        return self._socket

    def _readable(self) -> None:
        for _ in range(BATCH):
            try:
                datagram = self._bound().recv(MAX_DATAGRAM_LEN)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of an earlier send
                continue
            self.client.feed(datagram, self._peer, self._monotonic_ms())
        self.turn()
