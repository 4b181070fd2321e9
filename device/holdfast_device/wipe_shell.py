"""Factory reset: nothing of what a device was told or remembered is left, where the flash can be written over.

A file system that copies on write (littlefs) keeps old bytes after a file is removed: in data blocks until they are
used again, and of small files in the blocks of its directories.  So the files are removed, then the directory's own log
is written round, then all free space is filled once.  What a flash chip moves behind our back (wear levelling of an SD
card) nobody can reach from here: then destroy the key, or the card (RFC 9200 section 6.3).
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FILLER = "filler"
CHUNK = bytes(512)
# A directory's log is a block or a few; each round writes a small file into it anew.
LOG_ROUNDS = 128
LOG_PIECE = bytes(128)
FILL_TOLD = 256  # chunks
# A board's flash is smaller; what is larger is a computer's disk, which must not be filled.
MAX_FREE = 32 << 20
_ENOSPC = 28


def wipe(directory: str, progress: "Callable[[str], object] | None" = None) -> None:
    """Remove every file of the directory, which holds nothing but the device's, and write over what they leave.

    progress: told what is being done, a word at a time.  OSError when the file system refuses; call it again then.
    """

    def tell(what: str) -> None:
        if progress is not None:
            progress(what)

    tell("files")
    for name in os.listdir(directory):
        _overwrite(directory + "/" + name)
        os.remove(directory + "/" + name)
    filler = directory + "/" + FILLER
    tell("log")
    for _ in range(LOG_ROUNDS):
        with open(filler, "wb") as file:
            file.write(LOG_PIECE)
        os.remove(filler)
    if _free(directory) <= MAX_FREE:
        _fill(filler, tell)
        os.remove(filler)
    _sync()
    tell("done")


def _overwrite(path: str) -> None:
    """Write zeros over a file in place, for file systems that write in place."""
    left = os.stat(path)[6]
    with open(path, "r+b") as file:
        while left > 0:
            file.write(CHUNK[:left])
            left -= len(CHUNK)
        file.flush()


def _free(directory: str) -> int:
    """Free bytes of the file system."""
    stat = os.statvfs(directory)
    return int(stat[0] * stat[3])


def _fill(path: str, tell: "Callable[[str], object]") -> None:
    """Write zeros until there is no room; report now and then, so that the computer knows that the board is alive."""
    chunks = 0
    try:
        with open(path, "wb") as file:
            while True:
                if chunks % FILL_TOLD == 0:
                    tell("free space")
                chunks += 1
                file.write(CHUNK)
                file.flush()
    except OSError as error:
        if error.args and error.args[0] != _ENOSPC:
            raise


def _sync() -> None:
    if hasattr(os, "sync"):
        os.sync()
