"""The one notebook of a run: every thread writes into it, and it numbers what it gets.

Holds payloads in memory only.
"""

import threading
import time

from holdfast_sim.records import Chapter, Datagram, HttpMessage, Note, Record


class Recorder:
    """Records in order of arrival. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[Record] = []
        self._start_ns = time.monotonic_ns()

    def datagram(self, src: str, dst: str, octets: bytes, note: str = "") -> Datagram:
        """Note a datagram; returns its record."""
        with self._lock:
            record = Datagram(len(self._records), self._now_ms(), src, dst, octets, note)
            self._records.append(record)
        return record

    def http(self, src: str, dst: str, what: str, size: int) -> None:
        """Note one HTTP message."""
        with self._lock:
            self._records.append(HttpMessage(len(self._records), self._now_ms(), src, dst, what, size))

    def chapter(self, title: str) -> None:
        """Note that something new begins."""
        with self._lock:
            self._records.append(Chapter(len(self._records), title))

    def note(self, text: str) -> None:
        """Note what was no message."""
        with self._lock:
            self._records.append(Note(len(self._records), text))

    def records(self, since: int = 0) -> list[Record]:
        """Everything from number `since` on; a copy."""
        with self._lock:
            return self._records[since:]

    def datagrams(self, src: str = "", dst: str = "", since: int = 0) -> list[Datagram]:
        """The datagrams from one party to another; an empty name is anybody."""
        return [
            record
            for record in self.records(since)
            if isinstance(record, Datagram) and src in ("", record.src) and dst in ("", record.dst)
        ]

    def mark(self) -> int:
        """The number that the next record will have."""
        with self._lock:
            return len(self._records)

    def _now_ms(self) -> int:
        return (time.monotonic_ns() - self._start_ns) // 1_000_000
