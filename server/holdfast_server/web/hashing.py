"""Runs the slow password checks in threads, in the order that login_limits.py says."""

from collections.abc import Callable

import anyio
import anyio.to_thread

from holdfast_server.web.login_limits import FairQueue, Lane, Waiting


class QueueFull(Exception):
    """This check was not made: others had to come first."""


class Turn:
    """A place in the queue: set when it has come up, or is lost."""

    def __init__(self) -> None:
        self.come = anyio.Event()
        self.lost = False


class Hashing:
    """The password checks of one server."""

    def __init__(self) -> None:
        self._queue: FairQueue[Turn] = FairQueue()

    async def run(self, lane: Lane, check: Callable[[], str]) -> str:
        """What the check returns or raises, after waiting for its turn. Raises QueueFull."""
        waiting = Waiting(lane, Turn())
        last = self._queue.enter(waiting)
        if last is not None:
            last.what.lost = True
            last.what.come.set()
        try:
            self._start()
            await waiting.what.come.wait()
            if waiting.what.lost:
                raise QueueFull
            return await anyio.to_thread.run_sync(check)
        finally:
            self._queue.leave(waiting)
            self._start()

    def _start(self) -> None:
        while (first := self._queue.start()) is not None:
            first.what.come.set()
