"""Whether a state directory is the one that this device has used last, or a copy of it, or an old one put back.

A computer's files are copied easily, and two devices that go on from one record repeat numbers.  So the lock file of
the directory holds its own inode, the computer's name and the time of writing, which is its time of change as well.  A
copy is another inode; files put back over these were changed later than they say, or say another time.  A state file
says a whole second, which only this program writes.  What nobody can notice from here is a whole machine that was
copied.
"""

import fcntl
import json
import os
import platform
import time

from holdfast_device.board_shell import CannotRun
from holdfast_device.slots import StorageFailed
from holdfast_device.store_flash import NAMES, FileFlash

NAME = "lock"
SLACK_NS = 2_000_000_000  # between the clock that we read and the one that the file system has
_SECOND_NS = 1_000_000_000


class Place:
    """Holds the directory alone until the process ends; two processes would repeat sequence numbers.

    is_copy: somebody else may go on from what lies here.  flash: the state files.  Raises CannotRun when another
    process has the directory.
    """

    def __init__(self, directory: str) -> None:
        self.flash = PlacedFlash(directory)
        self._path = os.path.join(directory, NAME)
        self._file = open(self._path, "a+")  # noqa: SIM115 - held until the process ends
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise CannotRun(f"another process runs with the state in {directory}") from None
        states = [path for path in (os.path.join(directory, name) for name in NAMES) if os.path.exists(path)]
        self.is_copy = bool(states) and not (self._is_ours() and all(_is_states(path) for path in states))

    def take(self) -> None:
        """Say that the device is here from now on; call it when what a copy must not go on with is given up."""
        now_ns = time.time_ns()
        self._file.seek(0)
        self._file.truncate()
        json.dump({"inode": self._inode(), "host": platform.node(), "at_ns": now_ns}, self._file)
        self._file.flush()
        os.utime(self._path, ns=(now_ns, now_ns))
        os.fsync(self._file.fileno())

    def _inode(self) -> int:
        return os.fstat(self._file.fileno()).st_ino

    def _is_ours(self) -> bool:
        self._file.seek(0)
        try:
            said = json.load(self._file)
            known = said["inode"], said["host"], said["at_ns"]
        except (ValueError, KeyError, TypeError):
            return False
        found = os.fstat(self._file.fileno())
        if known[:2] != (found.st_ino, platform.node()) or not isinstance(known[2], int):
            return False
        return abs(found.st_mtime_ns - known[2]) < SLACK_NS and _is_as_written(self._path)


class PlacedFlash(FileFlash):
    """The state files of a computer.  One that was written and not yet marked counts as put back, which is safe."""

    __slots__ = ()

    def write(self, slot: int, encoded: bytes) -> None:
        """Write as FileFlash does, and leave the mark of this program."""
        super().write(slot, encoded)
        written_ns = time.time_ns() // _SECOND_NS * _SECOND_NS
        try:
            with open(self._path(slot), "rb") as file:
                os.utime(file.fileno(), ns=(written_ns, written_ns))
                os.fsync(file.fileno())
        except OSError:
            raise StorageFailed("write") from None


def _is_states(path: str) -> bool:
    return _is_as_written(path) and os.stat(path).st_mtime_ns % _SECOND_NS == 0


def _is_as_written(path: str) -> bool:
    """Whether a file was last changed when it was last written: copies that keep times were changed later."""
    found = os.stat(path)
    return abs(found.st_ctime_ns - found.st_mtime_ns) < SLACK_NS
