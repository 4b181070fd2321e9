"""The one thread that writes: it gathers what was asked for into one commit, and reports it when that has returned."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

Answer = Callable[[Any], None]
Work = tuple[Callable[..., Any], tuple[Any, ...], Answer | None, Any, int]
"""What to do, with what, whom to tell, what to tell when it cannot be done, and how many parcels it is about."""


class Writer:
    """Hands groups of work to commit, in order. commit never raises what an operator can mend.

    tend: called after each group was reported. call: runs a function later in the thread of those who asked, as a
    loop's call_soon_threadsafe does. gather_s: so long a group waits for more. threaded=False: turn() writes one group
    at once, for tests. group: so many parcels are a group.
    """

    def __init__(
        self,
        commit: Callable[[list[Work]], list[Callable[[], None]]],
        tend: Callable[[], None],
        call: Callable[[Callable[[], None]], object],
        *,
        group: int,
        gather_s: float,
        threaded: bool,
    ) -> None:
        self._commit = commit
        self._tend = tend
        self._call = call
        self._group = group
        self._gather_s = gather_s
        self._work: deque[Work] = deque()
        self._parcels = 0
        self._ready = threading.Condition()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="spool") if threaded else None
        if self._thread is not None:
            self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs, if there is to be one."""
        return self._thread is None or self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """How much has not been begun."""
        return len(self._work)

    def add(self, work: Work) -> None:
        """Do this with the next group."""
        with self._ready:
            self._work.append(work)
            self._parcels += work[4]
            if len(self._work) == 1 or self._parcels >= self._group:
                self._ready.notify()

    def end(self) -> None:
        """Write what was asked for so far, report it, and end."""
        if self._thread is None:
            while self._work:
                self.turn()
            return
        with self._ready:
            self._ends = True
            self._ready.notify()
        self._thread.join()

    def turn(self) -> None:
        """Write one group, if something waits."""
        group = self._next(0)
        if group:
            self._write(group)

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._work or self._ends)
                if not self._work:
                    return
            group = self._next(self._gather_s)
            try:
                self._write(group)
            except BaseException as error:  # noqa: BLE001 - a mistake of ours ends the hub, not only this thread
                self._call(partial(_raise, error))
                return

    def _next(self, gather_s: float) -> list[Work]:
        with self._ready:
            if gather_s and not self._ends:
                ends = time.monotonic() + gather_s
                while self._parcels < self._group and not self._ends:
                    left = ends - time.monotonic()
                    if left <= 0 or not self._ready.wait(left):
                        break
            group, parcels = [], 0
            while self._work and parcels < self._group:
                group.append(self._work.popleft())
                parcels += group[-1][4]
            self._parcels -= parcels
            return group

    def _write(self, group: list[Work]) -> None:
        reports = self._commit(group)
        if reports:
            self._call(partial(self._report, iter(reports)))
        self._tend()

    def _report(self, reports: Iterator[Callable[[], None]]) -> None:
        """Tell each of those who asked; what one of them does wrong is not kept from the loop, nor from the others."""
        try:
            for report in reports:
                report()
        except BaseException:
            self._call(partial(self._report, reports))
            raise


def _raise(error: BaseException) -> None:
    raise error
