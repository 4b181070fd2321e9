"""What a disk may hold after a power cut: rebuilt from a log of what a process wrote and synced (hub/write_log.c)."""

import os
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SHIM = Path(__file__).parents[1] / "hub" / "write_log.c"
SECTOR_LEN = 512
_HEAD = struct.Struct("=c3Q")


def shim(folder):
    """The shared object to preload, built in folder."""
    out = folder / "write_log.so"
    flags = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared")
    subprocess.run(["gcc", *flags, str(SHIM), "-o", str(out), "-ldl"], check=True, timeout=60)
    return out


def preloaded(library, log, folder, fails=""):
    """The environment of a process whose writes under folder are logged; fails, FIRST-LAST:ERRNO, names some."""
    logged = {"LD_PRELOAD": str(library), "WRITE_LOG": str(log), "WRITE_LOG_OF": str(folder)}
    return {**os.environ, **logged, **({"FAIL_CALLS": fails} if fails else {})}


def events_of(log):
    """[(kind, path, offset, octets)] of a log."""
    octets, at, events = log.read_bytes(), 0, []
    while at < len(octets):
        kind, path_len, offset, length = _HEAD.unpack_from(octets, at)
        at += _HEAD.size
        path = octets[at : at + path_len].decode()
        at += path_len
        events.append((kind.decode(), path, offset, octets[at : at + length]))
        at += length
    return events


@dataclass
class Inode:
    """A file: what is on the disk for sure, and what was written since, in order."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)


class Disk:
    """A disk with a cache: only what was synced is there for sure, a name too (the sync of its directory)."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.names = {}
        self.kept_names = {}
        self.name_changes = []

    def feed(self, kind, path, offset, octets):
        """One event of the log."""
        if path == self.folder:
            if kind == "s":
                self.kept_names, self.name_changes = dict(self.names), []
            return
        if kind == "u":
            self.names.pop(path, None)
            self.name_changes.append((path, None))
            return
        if path not in self.names:
            self.names[path] = Inode()
            self.name_changes.append((path, self.names[path]))
        inode = self.names[path]
        if kind == "s":
            for change in inode.pending:
                _apply(inode.synced, *change)
            inode.pending = []
        elif kind in "wt":
            inode.pending.append((kind, offset, octets))

    def after_a_cut(self, source=None):
        """{path: octets} that a machine finds. source, a random one: of what was not synced any sectors are there."""
        names = dict(self.kept_names)
        changes = self.name_changes[: source.randrange(len(self.name_changes) + 1)] if source else []
        names |= dict(changes)
        return {path: bytes(_cut(inode, source)) for path, inode in names.items() if inode is not None}


def _cut(inode, source):
    octets = bytearray(inode.synced)
    if source is None:
        return octets
    share = source.choice((0.1, 0.5, 0.9, 1.0))
    for kind, offset, written in inode.pending:
        if kind == "t":
            if source.random() < share:
                _apply(octets, kind, offset, written)
            continue
        start = 0
        while start < len(written):
            end = min(len(written), start + SECTOR_LEN - (offset + start) % SECTOR_LEN)
            if source.random() < share:
                _apply(octets, kind, offset + start, written[start:end])
            start = end
    return octets


def _apply(octets, kind, offset, written):
    if kind == "t":
        del octets[offset:]
        octets.extend(bytes(offset - len(octets)))
        return
    if len(octets) < offset:
        octets.extend(bytes(offset - len(octets)))
    octets[offset : offset + len(written)] = written
