"""A spool in memory that is killed where a test says: each call is first done, and then told, as two steps."""

from collections import deque
from dataclasses import replace

from holdfast_hub.ports import DUPLICATE, FAILED, FULL, KEPT, MAX_TRIES


class FakeSpool:
    """The Spool of ports.py. rows: what a disk would hold, by box and id, also of a spool that was killed.

    room: parcels at most, None for no bound. broken: nothing can be written.
    """

    def __init__(self, rows=None):
        self.rows = {} if rows is None else rows
        self.room = None
        self.broken = False
        self._steps = deque()
        for row in self.rows.values():
            row["lent"] = False

    def put(self, parcel, now, done):
        self._add(self._put, parcel, now, done=done)

    def take(self, box, limit, now, done):
        self._add(self._take, box, limit, now, done=done)

    def find(self, box, id_, now, done):
        self._add(self._find, box, id_, now, done=done)

    def delivered(self, parcels, done):
        self._add(self._delivered, parcels, done=done)

    def give_back(self, parcels, done, *, why="", blame=True):
        self._add(self._give_back, parcels, blame, done=done)

    @property
    def waiting(self):
        return len(self._steps)

    def step(self):
        """Do what is next: a write, or the call that tells of one."""
        self._steps.popleft()()

    def run(self):
        while self._steps:
            self.step()

    def kill(self):
        """The spool that the next hub finds."""
        return FakeSpool(self.rows)

    def ids(self, box):
        """What waits in a box, in its order."""
        return [parcel.id for parcel in self._waiting(box)]

    # --- what is done ---

    def _add(self, method, *values, done):
        def write():
            answer = method(*values)
            self._steps.append(lambda: done(answer))

        self._steps.append(write)

    def _put(self, parcel, now):
        key = (parcel.box, parcel.id)
        if key in self.rows:
            return DUPLICATE
        if self.broken:
            return FAILED
        if self.room is not None and sum(not row["gone"] for row in self.rows.values()) >= self.room:
            return FULL
        ends_ms = None if parcel.lives_ms is None else now.ms + parcel.lives_ms
        kept = replace(parcel, number=len(self.rows) + 1)
        self.rows[key] = {"parcel": kept, "ends_ms": ends_ms, "lent": False, "gone": False}
        return KEPT

    def _waiting(self, box):
        rows = [row for row in self.rows.values() if row["parcel"].box == box and not row["gone"]]
        rows = [row for row in rows if not row["lent"] and row["parcel"].tries < MAX_TRIES]
        return sorted((row["parcel"] for row in rows), key=lambda parcel: (parcel.priority, parcel.number))

    def _take(self, box, limit, now):
        found = [parcel for parcel in self._waiting(box) if self._find(box, parcel.id, now)][:limit]
        return [self._set(parcel, parcel.tries + 1, True) for parcel in found]

    def _set(self, parcel, tries, lent):
        row = self.rows[(parcel.box, parcel.id)]
        row["parcel"], row["lent"] = replace(row["parcel"], tries=tries), lent
        return row["parcel"]

    def _find(self, box, id_, now):
        row = self.rows.get((box, id_))
        if row is None or row["gone"] or (row["ends_ms"] is not None and row["ends_ms"] <= now.ms):
            return None
        lives_ms = None if row["ends_ms"] is None else row["ends_ms"] - now.ms
        ends_s = row["parcel"].ends_s
        if now.wall_s is not None and ends_s is not None and ends_s <= now.wall_s:
            return None
        return replace(row["parcel"], lives_ms=lives_ms)

    def _delivered(self, parcels):
        for parcel in parcels:
            self.rows[(parcel.box, parcel.id)]["gone"] = True
        return True

    def _give_back(self, parcels, blame):
        for parcel in parcels:
            self._set(parcel, parcel.tries - (not blame), False)
        return True
