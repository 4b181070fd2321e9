"""What the hub says of itself: alive, ready (with a write to the spool), how it is, and numbers for Prometheus."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from holdfast_hub.process.http import UNAVAILABLE, Answer

TRIED_FOR_MS = 5_000
FAILED_FOR_MS = 1_000
WRITTEN_WITHIN_S = 5.0
UNWRITABLE = "the spool cannot keep anything: the disk is full or cannot be written"
DRAINING = "the hub has been told to stop"


class Health:
    """Of one process.

    check: writes to the spool and tells whether that went well. trouble: why the hub cannot do its work, beside that,
    or "". status: how it is, for people and programs. metrics: the text for Prometheus.
    """

    def __init__(
        self,
        check: Callable[[Callable[[bool], None]], None],
        trouble: Callable[[], str],
        status: Callable[[], dict[str, Any]],
        metrics: Callable[[], bytes],
        clock_ms: Callable[[], int],
    ) -> None:
        self._check = check
        self._trouble = trouble
        self._status = status
        self._metrics = metrics
        self._clock_ms = clock_ms
        self._written = False
        self._try_at_ms: int | None = None
        self._trying: asyncio.Future[bool] | None = None

    async def alive(self) -> Answer:
        """The process answers."""
        return Answer(b"ok\n")

    async def ready(self) -> Answer:
        """Whether the hub can do its work. However often this is asked, the spool is written every few seconds."""
        lacks = self._trouble() or ("" if await self._can_write() else UNWRITABLE)
        return _json({"ready": not lacks, "because": lacks or None}, UNAVAILABLE if lacks else 200)

    async def status(self) -> Answer:
        """How everything is."""
        return _json(self._status())

    async def metrics(self) -> Answer:
        """Numbers, in the text format of Prometheus."""
        return Answer(self._metrics(), kind="text/plain; version=0.0.4; charset=utf-8")

    async def _can_write(self) -> bool:
        now_ms = self._clock_ms()
        if self._try_at_ms is not None and now_ms < self._try_at_ms:
            return self._written
        if self._trying is None:
            self._trying = asyncio.get_running_loop().create_future()
            self._check(self._checked)
        try:
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                return await asyncio.shield(self._trying)
        except TimeoutError:
            return False

    def _checked(self, written: bool) -> None:
        self._written = written
        self._try_at_ms = self._clock_ms() + (TRIED_FOR_MS if written else FAILED_FOR_MS)
        trying, self._trying = self._trying, None
        if trying is not None and not trying.done():
            trying.set_result(written)


def _json(value: dict[str, Any], status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode() + b"\n", status, "application/json")
