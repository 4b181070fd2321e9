"""A spool without a thread and with a clock that a test sets: what was asked for is written when the test says so."""

import os
from contextlib import contextmanager

from holdfast_hub.records import READING, Now, Parcel
from holdfast_hub.spool.bounds import Bounds
from holdfast_hub.spool.store import SqliteSpool

WALL_S = 1_800_000_000
ROOMY = Bounds(keep_free_len=0)


class Played:
    """A spool, its answers at once, and its time. wall_s: None while the clock is not believed."""

    def __init__(self, directory, bounds=ROOMY, *, boot="boot", ms=1000, wall_s=WALL_S):
        self.directory, self.bounds, self.boot, self.ms, self.wall_s = directory, bounds, boot, ms, wall_s
        self.open()

    def open(self):
        later = []
        self.later = later
        self.spool = SqliteSpool(
            self.directory, self.now, later.append, self.bounds, boot=self.boot, threaded=False, group=10_000
        )

    def restart(self, *, boot=None, ms=None):
        """A clean stop, and a start in this boot or in another."""
        self.spool.close()
        self.boot = boot or self.boot
        self.ms = self.ms if ms is None else ms
        self.open()

    def die(self):
        """As by kill -9."""
        self.spool._connection.close()
        self.spool.close = lambda: None
        os.close(self.spool._lock_fd)

    def crash(self, *, boot=None, ms=None):
        """A start after a stop in which nothing could be written."""
        self.die()
        self.boot = boot or self.boot
        self.ms = self.ms if ms is None else ms
        self.open()

    @property
    def now(self):
        return Now(self.ms, self.wall_s)

    def wait(self, seconds, *, wall=True):
        self.ms += round(seconds * 1000)
        if wall and self.wall_s is not None:
            self.wall_s += round(seconds)

    def _turn(self):
        while self.spool.waiting:
            self.spool.turn()
        while self.later:
            self.later.pop(0)()

    def _asked(self, method, *values, **named):
        got = []
        method(*values, got.append, **named)
        self._turn()
        (answer,) = got
        return answer

    def put(self, id_, box="tube", **members):
        members = {"kind": READING, "body": b"body of " + id_, **members}
        return self._asked(self.spool.put, Parcel(box, id_, **members), self.now)

    def put_all(self, ids, bodies, box="tube", **members):
        """In one commit."""
        answers = []
        for id_, body in zip(ids, bodies, strict=True):
            self.spool.put(Parcel(box, id_, READING, body, **members), self.now, answers.append)
        self._turn()
        return answers

    def take(self, limit=10, box="tube"):
        return self._asked(self.spool.take, box, limit, self.now)

    def ids(self, limit=10, box="tube"):
        return [parcel.id for parcel in self.take(limit, box)]

    def find(self, id_, box="tube"):
        return self._asked(self.spool.find, box, id_, self.now)

    def delivered(self, *parcels):
        return self._asked(self.spool.delivered, parcels)

    def give_back(self, *parcels, **named):
        return self._asked(self.spool.give_back, parcels, **named)

    def tick(self):
        self.spool.tick(self.now)
        self._turn()

    def one(self, statement, *values):
        return self.spool._connection.execute(statement, values).fetchone()[0]

    def found(self):
        """{(box, id): whether it has left} of all that the spool knows."""
        rows = self.spool._connection.execute("SELECT box, id, 0 FROM parcels UNION ALL SELECT box, id, 1 FROM gone")
        return {(box, id_): bool(is_gone) for box, id_, is_gone in rows}

    def recount(self):
        """What the rows themselves say: {box: (count, len, aside, gone)}, and the same by the counters."""
        rows = self.spool._connection.execute(
            "SELECT box, sum(n), sum(size), sum(aside), sum(gone) FROM "
            "(SELECT box, 1 AS n, size, state = 2 AS aside, 0 AS gone FROM parcels "
            "UNION ALL SELECT box, 0, 0, 0, 1 FROM gone) GROUP BY 1"
        ).fetchall()
        by_rows = {box: tuple(rest) for box, *rest in rows}
        if by_rows:
            by_rows[""] = tuple(map(sum, zip(*by_rows.values(), strict=True)))
        held = self.spool._connection.execute("SELECT box, count, len, aside, gone FROM boxes").fetchall()
        return by_rows, {box: tuple(rest) for box, *rest in held}


@contextmanager
def played(directory, *values, **named):
    """A spool that is closed at the end."""
    made = Played(directory, *values, **named)
    try:
        yield made
    finally:
        made.spool.close()
