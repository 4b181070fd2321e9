"""The two slots as two files of a directory: the Flash port of slots.py on a file system.

Writes in place and syncs: the other slot is what survives a cut, so no temporary file and no rename are needed, and the
wear is one file's.  Mode 0600 where the system has modes.  Never reads back what it wrote, never retries.
"""

import os

from holdfast_device.slots import BEGUN, StorageFailed

NAMES = ("state.0", "state.1")
PIECE_LEN = 256
MAX_FILE_LEN = 8192  # twice the longest slot; a longer file is not ours


class FileFlash:
    """Flash port over the directory `directory`, which must exist."""

    __slots__ = ("_directory",)

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, slot: int) -> bytes:
        """Return the file's bytes, b"" when there is none, and BEGUN of one that is there and empty."""
        try:
            with open(self._path(slot), "rb") as file:
                return _read(file) or BEGUN
        except OSError as error:
            if error.args and error.args[0] in _ENOENT:
                return b""
            raise StorageFailed("read") from None

    def write(self, slot: int, encoded: bytes) -> None:
        """Replace the file's bytes and return when the system says that they are down."""
        path = self._path(slot)
        try:
            with _open_private(path) as file:
                file.write(encoded)
                file.flush()
                _sync(file)
        except OSError:
            raise StorageFailed("write") from None

    def _path(self, slot: int) -> str:
        return self._directory + "/" + NAMES[slot]


def _read(file: "Any") -> bytes:
    """Read in pieces: a board takes the room that it is asked to fill, not what comes."""
    encoded = b""
    while len(encoded) < MAX_FILE_LEN:
        piece = file.read(PIECE_LEN)
        if not piece:
            break
        encoded += piece
    return encoded


_ENOENT = (2, 44)  # 44 where MicroPython is WebAssembly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_os: "Any" = os  # boards have neither open() nor its flags


def _open_private(path: str) -> "Any":
    if hasattr(os, "open"):
        descriptor = os.open(path, _os.O_WRONLY | _os.O_CREAT | _os.O_TRUNC, 0o600)
        return os.fdopen(descriptor, "wb")
    return open(path, "wb")


def _sync(file: "Any") -> None:
    if hasattr(os, "fsync"):
        os.fsync(file.fileno())
    elif hasattr(os, "sync"):
        os.sync()
