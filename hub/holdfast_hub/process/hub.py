"""The assembly: which rooms there are, and who is told what by whom. Decides nothing itself."""

import os
import resource
from collections.abc import Callable, Iterator
from typing import Any

from holdfast_hub.process.clock import HubClock
from holdfast_hub.process.config import Config
from holdfast_hub.process.health import DRAINING
from holdfast_hub.process.log import say, warn
from holdfast_hub.process.metrics import Metrics, Sample
from holdfast_hub.process.sockets import Sockets
from holdfast_hub.spool.store import SqliteSpool


class Hub:
    """All rooms of one hub. trace: writes a line for each datagram, None for no trace."""

    def __init__(
        self, config: Config, clock: HubClock, spool: SqliteSpool, trace: Callable[[str], None] | None
    ) -> None:
        self._config = config
        self._clock = clock
        self._spool = spool
        self._trace = trace
        self._drains = False
        self._doubt = clock.doubt
        self._spool_trouble = ""
        self.metrics = Metrics(self._samples).text

    async def start(self, sockets: Sockets) -> dict[str, Any]:
        """Bind and connect everything. Returns the ports. Raises ConfigError."""
        ports = [sockets.udp("coap.bind", bind) for bind in self._config.binds("coap.bind")]
        return {"coap": [bound.getsockname()[1] for bound in ports]}

    def reload(self) -> None:
        """Read devices and links again; what cannot be used leaves everything as it was."""

    def tick(self) -> None:
        """Once a second."""
        now = self._clock.now()
        self._spool.tick(now)
        self._tell()

    def drain(self) -> None:
        """Take nothing new."""
        self._drains = True

    def close(self) -> None:
        """Close every socket and line."""

    @property
    def under_way(self) -> int:
        """Requests that have not been answered."""
        return 0

    @property
    def trouble(self) -> str:
        """Why the hub cannot do its work, constant text, or ""."""
        return DRAINING if self._drains else ""

    @property
    def summary(self) -> str:
        """One line for the service manager."""
        return f"{self._spool.level.count} wait"

    def status(self) -> dict[str, Any]:
        """How everything is."""
        level = self._spool.level
        return {
            "name": self._config.text("name"),
            "clock": self._clock.doubt or "believed",
            "spool": {"waits": level.count, "bytes": level.len, "set_aside": level.aside, "trouble": level.trouble},
            "devices": [],
        }

    def _tell(self) -> None:
        """Say what has begun or ended since the last time."""
        if self._clock.doubt != self._doubt:
            self._doubt = self._clock.doubt
            if self._doubt:
                warn("clock-doubted", reason=self._doubt)
            else:
                say("clock-agrees")
        trouble = self._spool.level.trouble
        if trouble != self._spool_trouble:
            self._spool_trouble = trouble
            if trouble:
                warn("spool-failed", reason=trouble)
            else:
                say("spool-works")

    def _samples(self) -> Iterator[Sample]:
        level = self._spool.level
        yield "gauge", "spool_parcels", "What waits.", {}, level.count
        yield "gauge", "spool_bytes", "Octets of it.", {}, level.len
        yield "gauge", "spool_set_aside", "What was tried too often.", {}, level.aside
        for name, value in sorted(level.counts.items()):
            yield "counter", "spool", "What became of parcels.", {"became": name}, value
        yield "counter", "spool_failed_commits", "Commits that failed.", {}, level.failed
        yield "gauge", "clock_believed", "1 when the wall clock is believed.", {}, float(not self._clock.doubt)
        yield "gauge", "resident_bytes", "Memory in use.", {}, resident_len()
        yield "counter", "cpu_seconds", "Processor time.", {}, sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def resident_len() -> int:
    """Octets of memory that this process has, 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
