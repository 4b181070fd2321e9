"""Small tasks: generators that wait for calls, resumed by events; no asyncio, no clock, no threads.

A task yields a Call and gets its value, or has its error raised at that place.  It may also yield another
generator, which runs first and whose return value it gets.  Nothing runs but inside spawn(), Call.done()
and Call.fail().
"""

from holdfast_core import errors
from holdfast_core.errors import HoldfastError, LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    Steps = Generator[Any, Any, Any]

# A handler that asks the AS and then another device is one task with two generators; more than this is a
# leak.
MAX_TASKS = 8
NO_MEMORY = LocalError("memory")  # what a task ends with; made while there is some


class Call:
    """Something that ends later, once: with a value or with an error.  One task may wait for it."""

    __slots__ = ("_error", "_resume", "_value", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._value: object = None
        self._error: HoldfastError | None = None
        self._resume: Callable[[object, HoldfastError | None], None] | None = None

    def done(self, value: object = None) -> None:
        """End with a value; a second end changes nothing."""
        self._end(value, None)

    def fail(self, error: HoldfastError) -> None:
        """End with an error, raised in the waiting task."""
        self._end(None, error)

    def _end(self, value: object, error: HoldfastError | None) -> None:
        if self.ended:
            return
        self.ended, self._value, self._error = True, value, error
        if self._resume is not None:
            self._resume(value, error)

    def when_ended(self, resume: "Callable[[object, HoldfastError | None], None]") -> None:
        """Call resume(value, error) at the end, at once when it has ended already."""
        self._resume = resume
        if self.ended:
            resume(self._value, self._error)


class Task(Call):
    """A running generator; itself a Call that ends with the generator's return value or error.

    bug: told of an error that is none of ours, which then ends the task with LocalError("bug"); None: it goes through.
    """

    __slots__ = ("_bug", "_stack", "_stepping", "_todo")

    def __init__(self, steps: "Steps", bug: "Callable[[Exception], object] | None" = None) -> None:
        Call.__init__(self)
        self._bug = bug
        self._stack = [steps]
        self._todo: list[tuple[object, HoldfastError | None]] = []
        self._stepping = False

    def step(self, value: object, error: HoldfastError | None) -> None:
        """Resume; a call that ends while the task runs is taken up by the loop, not by recursion.

        Without memory it ends, since nothing would resume it again.  Raises MemoryError all the same.
        """
        try:
            self._todo.append((value, error))
            if self._stepping:
                return
            self._stepping = True
            try:
                while self._todo and self._stack:
                    value, error = self._todo.pop(0)
                    self._advance(value, error)
            finally:
                self._stepping = False
        except MemoryError:
            if not self._stepping:
                while self._stack:
                    self._stack.pop().close()
                self.fail(NO_MEMORY)
            raise

    def _advance(self, value: object, error: HoldfastError | None) -> None:
        steps = self._stack[-1]
        try:
            waits_for = steps.send(value) if error is None else steps.throw(error)
        except StopIteration as stop:
            self._return(stop.value, None)
        except HoldfastError as raised:
            if self._bug is not None and raised is not error and isinstance(raised, LocalError):
                self._bug(raised)
            self._return(None, raised)
        except Exception as bug:
            if self._bug is None:
                raise
            if isinstance(bug, MemoryError):
                self._return(None, NO_MEMORY)
                return
            self._bug(bug)
            self._return(None, LocalError("bug"))
        else:
            if isinstance(waits_for, Call):
                waits_for.when_ended(self.step)
            else:
                self._stack.append(waits_for)
                self._todo.append((None, None))

    def _return(self, value: object, error: HoldfastError | None) -> None:
        self._stack.pop()
        if self._stack:
            self._todo.append((value, error))
        elif error is None:
            self.done(value)
        else:
            self.fail(error)


class Tasks:
    """At most `limit` running tasks."""

    __slots__ = ("_limit", "_running")

    def __init__(self, limit: int = MAX_TASKS) -> None:
        self._limit = limit
        self._running: list[Task] = []

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, steps: "Steps", bug: "Callable[[Exception], object] | None" = None) -> Task:
        """Start a generator and run it to its first wait.  Raises Overloaded when too many run already."""
        task = self.add(steps, bug)
        task.step(None, None)
        return task

    def add(self, steps: "Steps", bug: "Callable[[Exception], object] | None" = None) -> Task:
        """Return a task that begins when it is told to step(None, None): from there a board's stack is deepest."""
        self._running = [task for task in self._running if not task.ended]
        if len(self._running) >= self._limit:
            raise errors.Overloaded("tasks")
        task = Task(steps, bug)
        self._running.append(task)
        return task
