"""Where a database was served last: how a start notices that it was put back from a backup, or copied.

Sequence numbers that a copy uses again break every key that it shares with the original, and SQLite cannot tell the two
apart.  So each start makes a new file `start-RANDOM` beside the database and writes its name into the database.  The
file says what no copy of it can have, its own inode number and time of birth, and limits above every number that the
running server has reserved, so that an older database is lifted above them.

    database names   files that are at home        the start
    a file           that file, alone or not       goes on; after anything but a clean stop, numbers go to the limits
    another          one at least                  a backup was put back: numbers jump, codes end, windows are unknown
    any              none                          refused: this directory, or the database, came from elsewhere

A start that is killed between its steps leaves the first row.  A snapshot of a whole machine or file system carries
the inode back as well, and cannot be noticed here: `holdfast server restored` is for that.
Costs nothing per request: the file is written at a start and once in LIMIT_STEP numbers.
"""

import ctypes
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast_core.sender_sequence import MAX_SEQUENCE
from holdfast_server.authz.errors import NotAtHome, StoreFailed
from holdfast_server.store.audit import AuditRows
from holdfast_server.store.secrets import SecretRows
from holdfast_server.store.tokens import TokenRows

PREFIX = "start-"
UNFINISHED = "start.part"
MARKER_LEN = 8
SERVER_LEN = 16
LIMIT_STEP = 1 << 20
"""Numbers between two writes of the file, and so the most that a crash costs: a million crashes fit in 40 bits."""
EPOCH_JUMP = 1 << 32
"""After a restore numbers jump by this and up to as much again, at random, so that two copies do not meet.

That is more than a context uses between two backups, and 170 restores fit in 40 bits.
"""

CLEAN = "clean"
CRASHED = "crashed"
RESTORED = "restored"

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_STATX_LEN = 256
_BTIME_AT = 80  # struct statx of linux/stat.h: seconds in 8 bytes, nanoseconds in 4


@dataclass(frozen=True, slots=True)
class Limits:
    """No OSCORE sequence number, and no sequence number of an exi token, at or above these was ever reserved."""

    oscore: int
    exi: int


class HomeRows(TokenRows, AuditRows, SecretRows):
    """The row in `home`, the files beside the database, and the numbers that depend on both."""

    path: Path

    _marker = ""
    _limits: Limits | None = None  # known while serving

    def is_at_home(self) -> bool:
        """Tell whether a start from here would be taken for one of this server, and not of a copy."""
        row = self._one("SELECT server FROM home")
        return row is not None and bool(_files_at_home(self.path, row["server"]))

    def begin(self, now_s: int) -> str:
        """Start to serve; returns CLEAN, CRASHED or RESTORED. Raises NotAtHome.

        Everything that a request relies on is durable when it returns.
        """
        home = self._home()
        at_home = _files_at_home(self.path, home["server"])
        if not at_home:
            raise NotAtHome(self.path)
        known = home["marker"] in at_home
        with self.transaction():
            if not known or not home["clean"]:
                self._lift(list(at_home.values()), now_s)
            if not known:
                self._jump(now_s)
            self._settle(clean=False)
        self._forget_other_files()
        return RESTORED if not known else CLEAN if home["clean"] else CRASHED

    def end(self, windows: list[tuple[bytes, int, int]]) -> None:
        """Stop to serve, cleanly. windows: Recipient ID, highest number and mask of each replay window that is known.

        The next start believes them, once.
        """
        with self.transaction():
            self._many(
                "UPDATE oscore_parties SET replay_highest = ?, replay_seen = ? WHERE recipient_id = ?",
                [(highest, seen, recipient_id) for recipient_id, highest, seen in windows],
            )
            self._execute("UPDATE home SET clean = 1")

    def after_restore(self, now_s: int) -> None:
        """Call when the database came from elsewhere: nothing that it ever gave out repeats, and it is at home here.

        Tokens revoked since the backup are unknown here; the person who restores must revoke them again.
        """
        with self.transaction():
            self._make_home()
            self._lift(list(_files_at_home(self.path, self._home()["server"]).values()), now_s)
            self._jump(now_s)
            self._settle(clean=True)
        self._forget_other_files()

    def parties_near_their_end(self) -> list[str]:
        """Return the clients and resource servers whose numbers do not last for another restore, nor come anew."""
        rows = self._all(
            "SELECT client_id, rs_id FROM oscore_parties WHERE sequence_reserved > ? AND NOT rederives ORDER BY 1, 2",
            (MAX_SEQUENCE - 2 * EPOCH_JUMP,),
        )
        return [row["rs_id"] or row["client_id"] for row in rows]

    def _home(self) -> Any:
        row = self._one("SELECT server, marker, clean FROM home")
        if row is None:
            raise NotAtHome(self.path)
        return row

    def _make_home(self) -> None:
        """Be a new server, in a database that has not been one; otherwise do nothing."""
        if self._one("SELECT 1 FROM home") is not None:
            return
        self._execute("INSERT INTO home VALUES (1, ?, '', 1)", (secrets.token_bytes(SERVER_LEN),))
        self._settle(clean=True)

    def _lift(self, limits: list[Limits], now_s: int) -> None:
        """Go on above whatever was reserved; what was received, and which codes were used, is not known."""
        self._void_codes(now_s)
        self._execute(
            "UPDATE oscore_parties SET replay_highest = NULL, replay_seen = NULL, "
            "sequence_reserved = max(sequence_reserved, ?)",
            (max((limit.oscore for limit in limits), default=0),),
        )
        self._execute(
            "UPDATE resource_servers SET exi_sequence = max(exi_sequence, ?)",
            (max((limit.exi for limit in limits), default=0),),
        )

    def _jump(self, now_s: int) -> None:
        jump = EPOCH_JUMP + secrets.randbelow(EPOCH_JUMP)
        self._execute(
            "UPDATE oscore_parties SET sequence_reserved = min(sequence_reserved + ?, ?)", (jump, MAX_SEQUENCE + 1)
        )
        # A party that rederives may have another context since, or makes one now (RFC 8613 appendix B.2).
        self._execute("UPDATE oscore_parties SET id_context = NULL WHERE rederives")
        self._execute("UPDATE resource_servers SET exi_sequence = exi_sequence + ?", (jump,))
        self._execute("UPDATE sequences SET last = last + ?", (jump,))
        self._forget_server_secrets()  # a login that was ended since then stays ended
        self.audit(now_s, "restored")

    def _settle(self, *, clean: bool) -> None:
        """Make a new file, and name it in the database."""
        highest = self._one(
            "SELECT ifnull((SELECT max(sequence_reserved) FROM oscore_parties), 0) AS oscore, "
            "ifnull((SELECT max(exi_sequence) FROM resource_servers), 0) AS exi"
        )
        assert highest is not None, "an aggregate has a row"  # noqa: S101
        limits = Limits(highest["oscore"] + LIMIT_STEP, highest["exi"] + LIMIT_STEP)
        self._marker = secrets.token_hex(MARKER_LEN)
        self._write(limits)
        self._execute("UPDATE home SET marker = ?, clean = ?", (self._marker, int(clean)))
        self._limits = None if clean else limits

    def _keep_limits(self, *, oscore: int = 0, exi: int = 0) -> None:
        """Make limits above these numbers durable, before the numbers are used."""
        limits = self._limits
        if limits is None or (oscore <= limits.oscore and exi <= limits.exi):
            return
        raised = Limits(max(limits.oscore, oscore + LIMIT_STEP), max(limits.exi, exi + LIMIT_STEP))
        try:
            self._write(raised)
        except OSError as error:  # refused as every other write that finds no room
            raise StoreFailed(f"{self.path}: {error.strerror}") from None
        self._limits = raised

    def _write(self, limits: Limits) -> None:
        """Write the file of this start, whole or not at all, with its own place in it."""
        unfinished = self.path / UNFINISHED
        unfinished.unlink(missing_ok=True)
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            place = _place_of(fd)
            server = self._home()["server"].hex()
            json.dump({"server": server, "place": place, "oscore": limits.oscore, "exi": limits.exi}, file)
            file.flush()
            os.fsync(fd)
        unfinished.replace(self.path / (PREFIX + self._marker))
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _forget_other_files(self) -> None:
        for path in self.path.glob(PREFIX + "*"):
            if path.name != PREFIX + self._marker:
                path.unlink()


def _files_at_home(directory: Path, server: bytes) -> dict[str, Limits]:
    """The marker and the limits of every file of this server that was written where it lies."""
    found = {}
    for path in directory.glob(PREFIX + "*"):
        with path.open("rb") as file:
            place = _place_of(file.fileno())
            octets = file.read()
        try:
            record = json.loads(octets)
            limits = Limits(int(record["oscore"]), int(record["exi"]))
            if record["server"] == server.hex() and _is_same(record["place"], place):
                found[path.name.removeprefix(PREFIX)] = limits
        except (ValueError, KeyError, TypeError):
            continue  # not a file of ours, or one that was damaged
    return found


def _place_of(fd: int) -> list[int]:
    """Inode number and time of birth in ns; 0 where the file system does not tell it."""
    return [os.fstat(fd).st_ino, _birth_ns(fd)]


def _is_same(written: list[int], found: list[int]) -> bool:
    return written[0] == found[0] and (written[1] == found[1] or 0 in (written[1], found[1]))


def _birth_ns(fd: int) -> int:
    statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)  # Python's os has none before 3.15
    answer = ctypes.create_string_buffer(_STATX_LEN)
    if statx is None or statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer) != 0:
        return 0
    if not int.from_bytes(answer.raw[:4], sys.byteorder) & _STATX_BTIME:
        return 0
    seconds, nanoseconds = answer.raw[_BTIME_AT : _BTIME_AT + 8], answer.raw[_BTIME_AT + 8 : _BTIME_AT + 12]
    return int.from_bytes(seconds, sys.byteorder) * 1_000_000_000 + int.from_bytes(nanoseconds, sys.byteorder)
