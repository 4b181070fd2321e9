"""Run a command as MemoryDenyWriteExecute= of systemd does: no memory that is written and run. x86-64 only.

A program of its own, so that it also runs in a bare system: no_executable_memory.py COMMAND...
"""

import ctypes
import os
import struct
import sys

X86_64, MMAP, MPROTECT = 0xC000003E, 9, 10
NUMBER, ARCHITECTURE, PROTECTION = (
    0,
    4,
    32,
)  # offsets in what the kernel shows a filter; the third argument of both calls
WRITE_AND_RUN, RUN = 6, 4
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # EPERM
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2


def load(offset):
    return struct.pack("HBBI", 0x20, 0, 0, offset)


def mask(bits):
    return struct.pack("HBBI", 0x54, 0, 0, bits)


def if_equal(value, then, otherwise):
    """Skip so many instructions."""
    return struct.pack("HBBI", 0x15, then, otherwise, value)


def answer(what):
    return struct.pack("HBBI", 0x06, 0, 0, what)


PROGRAM = [
    *(load(ARCHITECTURE), if_equal(X86_64, 0, 10), load(NUMBER), if_equal(MMAP, 0, 3)),
    *(load(PROTECTION), mask(WRITE_AND_RUN), if_equal(WRITE_AND_RUN, 4, 5)),
    *(if_equal(MPROTECT, 0, 4), load(PROTECTION), mask(RUN), if_equal(RUN, 0, 1)),
    *(answer(REFUSE), answer(ALLOW)),
]


def refuse_executable_memory():
    """Put the filter over this process and all that it starts."""
    code = ctypes.create_string_buffer(b"".join(PROGRAM))
    filters = ctypes.create_string_buffer(struct.pack("HP", len(PROGRAM), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SECCOMP, FILTER, ctypes.addressof(filters), 0, 0)):
        if libc.prctl(*map(ctypes.c_ulong, call)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    refuse_executable_memory()
    os.execvp(sys.argv[1], sys.argv[1:])
