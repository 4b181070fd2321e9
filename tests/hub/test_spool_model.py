"""Any order of what may be asked of a spool, against a simple model; and what one call costs, however much waits."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from holdfast_hub.ports import DUPLICATE, FULL, KEPT, MAX_TRIES
from holdfast_hub.spool.bounds import ALONE_FROM, LEASE_MS, Bounds
from testkit.spool import WALL_S, played
from testkit.sql import scans_of, statements_of, steps_of

BOXES = ("tube", "@out")
COUNT = 12
WAITS, ASIDE, GONE = "waits", "aside", "gone"


class Row:
    """What the model knows of a parcel. lent_until: None when it is not lent."""

    def __init__(self, number, priority, ends_s, dies_ms):
        self.number, self.priority, self.ends_s, self.dies_ms = number, priority, ends_s, dies_ms
        self.state, self.tries, self.lent_until = WAITS, 0, None


class SpoolMachine(RuleBasedStateMachine):
    """The clock goes on and never jumps here; test_spool_clock.py has the jumps."""

    lent = Bundle("lent")

    @initialize()
    def start(self):
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.context = played(Path(self.folder.name), Bounds(box_count=COUNT, keep_free_len=0))
        self.spool = self.context.__enter__()
        self.rows = {}
        self.numbers = 0

    def teardown(self):
        self.context.__exit__(None, None, None)
        self.folder.cleanup()

    def over(self, row):
        return (row.ends_s is not None and row.ends_s <= self.spool.wall_s) or (
            row.dies_ms is not None and row.dies_ms <= self.spool.ms
        )

    def settle_leases(self):
        for row in self.rows.values():
            if row.lent_until is not None and row.lent_until <= self.spool.ms:
                self.back(row)

    def back(self, row, blame=True):
        row.lent_until = None
        row.tries -= not blame
        row.state = ASIDE if row.tries >= MAX_TRIES else WAITS

    @rule(
        box=st.sampled_from(BOXES),
        id_=st.integers(0, 30),
        priority=st.integers(0, 3),
        ends=st.none() | st.integers(0, 400),
        lives=st.none() | st.integers(0, 400),
    )
    def put(self, box, id_, priority, ends, lives):
        key = (box, b"%d" % id_)
        ends_s = None if ends is None else self.spool.wall_s + ends
        answer = self.spool.put(
            key[1], box=box, priority=priority, ends_s=ends_s, lives_ms=None if lives is None else lives * 1000
        )
        if answer == KEPT:
            assert key not in self.rows
            self.numbers += 1
            dies_ms = None if lives is None else self.spool.ms + lives * 1000
            self.rows[key] = Row(self.numbers, priority, ends_s, dies_ms)
        elif answer == DUPLICATE:
            assert key in self.rows
        else:
            assert answer == FULL
            held = sum(row.state != GONE for (name, _), row in self.rows.items() if name == box)
            assert held >= COUNT * (100, 95, 90, 80)[priority] // 100

    @rule(target=lent, box=st.sampled_from(BOXES), limit=st.integers(1, 6))
    def take(self, box, limit):
        self.settle_leases()
        self.drop_dead()
        wanted = sorted(
            (
                (row.priority, row.number, key)
                for key, row in self.rows.items()
                if key[0] == box and row.state == WAITS and row.lent_until is None and not self.over(row)
            ),
        )[:limit]
        for at, (_, _, key) in enumerate(wanted):
            if self.rows[key].tries >= ALONE_FROM:
                wanted = wanted[: max(at, 1)]
                break
        parcels = self.spool.take(limit, box=box)
        assert [(parcel.box, parcel.id) for parcel in parcels] == [key for _, _, key in wanted]
        for parcel in parcels:
            row = self.rows[(parcel.box, parcel.id)]
            row.tries += 1
            row.lent_until = self.spool.ms + LEASE_MS
            assert parcel.tries == row.tries
        return multiple(*parcels)

    @rule(parcel=consumes(lent))
    def delivered(self, parcel):
        assert self.spool.delivered(parcel)
        row = self.rows[(parcel.box, parcel.id)]
        row.state, row.lent_until = GONE, None

    @rule(parcel=consumes(lent), blame=st.booleans())
    def give_back(self, parcel, blame):
        assert self.spool.give_back(parcel, blame=blame)
        row = self.rows[(parcel.box, parcel.id)]
        if row.state == WAITS and row.lent_until is not None and row.tries == parcel.tries:
            self.back(row, blame)

    @rule(seconds=st.sampled_from((1, 30, LEASE_MS // 1000, 400)))
    def wait(self, seconds):
        self.spool.wait(seconds)

    @rule()
    def tick(self):
        self.spool.tick()
        self.settle_leases()
        self.drop_dead()

    def drop_dead(self):
        """What a sweep drops whoever holds it: what has had its life."""
        for row in self.rows.values():
            if row.state != GONE and row.dies_ms is not None and row.dies_ms <= self.spool.ms:
                row.state, row.lent_until = GONE, None

    @rule(is_crash=st.booleans())
    def restart(self, is_crash):
        if is_crash:
            self.spool.crash()
        else:
            self.spool.restart()
        for row in self.rows.values():
            if row.lent_until is not None:
                self.back(row, blame=is_crash)

    @rule(box=st.sampled_from(BOXES), id_=st.integers(0, 30))
    def find(self, box, id_):
        row = self.rows.get((box, b"%d" % id_))
        found = self.spool.find(b"%d" % id_, box=box)
        assert (found is not None) == (row is not None and row.state != GONE and not self.over(row))

    @invariant()
    def counters_are_what_the_rows_say(self):
        by_rows, counted = self.spool.recount()
        assert by_rows == {box: held for box, held in counted.items() if any(held)}


SpoolMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = SpoolMachine.TestCase


# --- cost ---


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """Spools in which little and much waits: {count: Played}."""
    opened = {}
    try:
        for count in (100, 100_000):
            context = played(tmp_path_factory.mktemp("sized") / "state", Bounds(box_count=10**6, keep_free_len=0))
            opened[count] = context, context.__enter__()
            fill(opened[count][1], count)
        yield {count: spool for count, (_, spool) in opened.items()}
    finally:
        for context, _ in opened.values():
            context.__exit__(None, None, None)


def fill(spool, count):
    """Waiting parcels of four boxes, with and without an end, and as many ids of parcels that have left."""
    connection = spool.spool._connection
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    connection.execute("BEGIN")
    connection.execute(
        "INSERT INTO parcels (box, id, kind, state, rank, size, put_ms, ends_s, dies_ms, until_ms, about, body) "
        f"{numbers} SELECT 'box' || (i % 4), CAST('id' || i AS BLOB), 'reading', NOT i % 5, i % 3, 100, 0, "
        f"CASE WHEN i % 2 THEN {WALL_S * 2} END, CASE WHEN i % 3 THEN 1000000000000 END, "
        "CASE WHEN i % 5 THEN NULL ELSE 1000000000000 END, x'', x'00' FROM n"
    )
    connection.execute(
        f"INSERT INTO gone {numbers} SELECT 'box' || (i % 4), CAST('old' || i AS BLOB), 10000000000 + i FROM n"
    )
    connection.execute(
        "INSERT INTO boxes SELECT box, count(*), sum(size), 0, 0 FROM parcels GROUP BY 1 "
        "UNION ALL SELECT '', count(*), sum(size), 0, 0 FROM parcels WHERE true "
        "ON CONFLICT (box) DO UPDATE SET count = excluded.count, len = excluded.len"
    )
    connection.execute("COMMIT")


def calls_of(spool):
    """{name: what is asked for}, of everything that happens per message or per second."""
    (parcel,) = spool.take(1, box="box1")
    return {
        "put": lambda: spool.put(b"new", box="box1"),
        "again": lambda: spool.put(b"id5", box="box1"),
        "long ago": lambda: spool.put(b"old5", box="box1"),
        "take": lambda: spool.take(10, box="box2"),
        "find": lambda: spool.find(b"id6", box="box2"),
        "delivered": lambda: spool.delivered(parcel),
        "give back": lambda: spool.give_back(*spool.take(1, box="box1")),
        "tick": spool.tick,
    }


def test_no_call_costs_more_when_more_waits(sizes):
    steps = {}
    for count, spool in sizes.items():
        for name, call in calls_of(spool).items():
            with steps_of(spool.spool) as counted:
                call()
            steps[name, count] = counted[0]
    for (name, count), number in steps.items():
        assert number <= steps[name, 100] * 1.3 + 20, (name, count, number, steps[name, 100])
        assert number < 4000, (name, number)


def test_each_statement_goes_by_an_index_to_what_it_wants(sizes):
    spool = sizes[100]
    with statements_of(spool.spool) as statements:
        for call in calls_of(spool).values():
            call()
    assert len(set(statements)) > 20
    assert set(map(tuple, scans_of(spool.spool, statements).values())) <= {("counts",)}  # a row for each kind of event


def test_dropping_the_oldest_costs_the_same_too(tmp_path):
    steps = []
    for count in (50, 5000):
        bounds = Bounds(box_count=count, keep_free_len=0, drop_oldest=frozenset(["tube"]))
        with played(tmp_path / str(count), bounds) as spool:
            spool.put_all([b"%d" % number for number in range(count)], [b""] * count, priority=0)
            with steps_of(spool.spool) as counted:
                assert spool.put(b"new", priority=0) == KEPT
            steps.append(counted[0])
    assert steps[1] <= steps[0] * 1.3 + 20
