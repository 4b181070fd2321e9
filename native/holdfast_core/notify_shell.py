"""Tell the service manager how this process is: one datagram to the socket that it names (sd_notify(3) of systemd).

Of CPython only. A process that no service manager asks sends nothing. A datagram that cannot be sent is dropped: the
manager then does what the unit says about a process that is silent.
"""

import os
import socket
from collections.abc import Mapping

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class Notifier:
    """What one process tells. watchdog_s: how often to tell ALIVE, in seconds; None when nobody waits for it.

    environment: where the manager's wishes stand; NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        asked = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        # Half of what the manager waits, as sd_watchdog_enabled(3) asks.
        self.watchdog_s = int(usec) / 2_000_000 if usec.isdecimal() and int(usec) and asked and self._address else None

    def tell(self, *facts: str) -> None:
        """Send facts, as READY or "STATUS=a line for people", in one datagram. Never waits, never raises OSError."""
        if self._address[:1] not in ("/", "@"):
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as out:
                out.sendto("\n".join(facts).encode(), address)
        except OSError:
            pass
