"""A disk that is full, read-only, another user's or damaged: told in one sentence, and nothing acknowledged is lost."""

import contextlib
import itertools
import os
import random
import resource
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from holdfast_hub.ports import FAILED, FULL, KEPT
from holdfast_hub.spool import database
from holdfast_hub.spool.bounds import Bounds
from holdfast_hub.spool.errors import SpoolAbsent, SpoolError, SpoolFailed, SpoolNewer
from holdfast_hub.spool.overview import Overview
from testkit.spool import played

DISK_LEN = 8 << 20
BODY = bytes(4000)


@contextlib.contextmanager
def files_at_most(octets):
    """No file of this process grows beyond; writing more fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    at = tmp_path / "disk"
    at.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_LEN}", "tmpfs", str(at)]
    if os.getuid() != 0 or subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a file system here")
    yield at
    subprocess.run(["umount", "-l", str(at)], check=True)


def test_on_a_full_disk_the_producer_is_told_and_what_was_kept_is_delivered_once(tmp_path):
    with played(tmp_path) as spool:
        kept, answers = [], set()
        for number in range(20):
            assert spool.put(b"%d" % number, body=BODY) == KEPT
            kept.append(b"%d" % number)
        longest = max(path.stat().st_size for path in tmp_path.iterdir())
        with files_at_most(longest + 10_000):
            for number in range(20, 1500):
                answer = spool.put(b"%d" % number, body=BODY)
                answers.add(answer)
                if answer == KEPT:
                    kept.append(b"%d" % number)
            assert FULL in answers | {FULL if FAILED in answers else ""}
            assert spool.spool.level.failed > 0
            assert "spool.db" in spool.spool.level.trouble
            assert spool.put(b"0") in {"duplicate", FAILED, FULL}
        lent = spool.take(10_000)
        assert [parcel.id for parcel in lent] == kept
        assert spool.spool.level.trouble == ""
        with files_at_most(100):
            assert not spool.delivered(*lent[:5])
            assert spool.take() == []
            assert not spool.give_back(*lent[5:], blame=False)
        again = spool.take(10_000)  # what has arrived was noted before anything is lent
        assert again == []
        assert spool.spool.level.counts["delivered"] == 5
        assert spool.spool._owed == []
        assert spool.give_back(*lent[5:], blame=False)
        spool.restart()
        assert spool.ids(10_000) == kept[5:]
        assert spool.recount()[0] == spool.recount()[1]


def test_a_part_of_the_disk_stays_free_so_that_deliveries_can_be_noted(disk):
    with played(disk / "state", Bounds(keep_free_len=2 << 20)) as spool:
        kept = []
        while spool.put(b"%d" % len(kept), body=BODY) == KEPT:
            kept.append(b"%d" % len(kept))
        assert len(kept) > 100
        assert spool.spool.level.failed == 0
        assert spool.put(b"x", body=BODY) == FULL
        free = shutil.disk_usage(disk).free
        while parcels := spool.take(50):
            assert spool.delivered(*parcels)
            spool.tick()
        for _ in range(50):
            spool.tick()
        assert shutil.disk_usage(disk).free > free
        assert (disk / "state" / database.NAME).stat().st_size < 1 << 19
        assert spool.put(b"x", body=BODY) == KEPT


def test_a_disk_that_another_has_filled_stops_nothing_for_good(disk):
    with played(disk / "state") as spool:
        for number in range(200):
            assert spool.put(b"%d" % number, body=BODY) == KEPT
        spool.tick()
        hog = disk / "hog"
        with contextlib.suppress(OSError), hog.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        refused = [spool.put(b"n%d" % number, body=BODY) for number in range(1000)]
        assert refused[-1] == FULL
        assert "is full" in spool.spool.level.trouble
        lent = spool.take(3)
        is_noted = bool(lent) and spool.delivered(*lent)
        hog.unlink()
        spool.tick()
        rest = []
        while parcels := spool.take(100):
            rest += [parcel.id for parcel in parcels]
            spool.delivered(*parcels)
        kept = 200 + refused.count(KEPT)
        assert len(set(rest)) == len(rest) == kept - len(lent)
        assert is_noted or spool.spool.level.counts["delivered"] == kept


def test_room_is_given_back_while_it_is_idle_a_step_at_a_time(tmp_path):
    path = tmp_path / database.NAME
    with played(tmp_path) as spool:
        assert spool.spool._connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
        assert spool.spool._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert spool.spool._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        spool.put_all([b"%d" % number for number in range(2000)], [BODY] * 2000)
        spool.tick()
        long = path.stat().st_size
        spool.delivered(*spool.take(2000))
        sizes = []
        for _ in range(40):
            spool.tick()
            sizes.append(path.stat().st_size)
        assert sizes[-1] < long / 10
        assert max(before - after for before, after in itertools.pairwise(sizes)) <= 1 << 21
        assert path.with_name(database.NAME + "-wal").stat().st_size <= database.WAL_LEN
    assert not path.with_name(database.NAME + "-wal").exists()


# --- damage ---


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A spool with something of everything in it, stopped."""
    state = tmp_path_factory.mktemp("sound") / "state"
    with played(state) as spool:
        for number in range(60):
            spool.put(b"%d" % number, body=bytes(500), box=("tube", "@out")[number % 2], lives_ms=10**8)
        spool.delivered(*spool.take(5))
    return state


@pytest.fixture
def state(sound, tmp_path):
    return Path(shutil.copytree(sound, tmp_path / "state"))


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_database(path):
    path.write_bytes(b"this is a text, and a long one" * 400)


def zeroes(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'parcels'").fetchone()[0]
    octets = bytearray(path.read_bytes())
    octets[(page - 1) * 4096 : page * 4096] = bytes(4096)
    path.write_bytes(octets)


def of_another_program(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA application_id = 77")


def without_an_index(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP INDEX by_end")


@pytest.mark.parametrize("damage", [truncated, no_database, zeroes, of_another_program, without_an_index])
def test_a_damaged_spool_is_set_aside_with_a_sentence_and_the_hub_goes_on(state, damage):
    damage(state / database.NAME)
    length = (state / database.NAME).stat().st_size
    with played(state) as spool:
        assert spool.spool.found.startswith(f"The spool {state / database.NAME} is damaged: ")
        assert "damaged-1-spool.db" in spool.spool.found
        assert "\n" not in spool.spool.found
        assert spool.put(b"a") == KEPT
        assert spool.recount()[0] == spool.recount()[1]
    assert (state / "damaged-1-spool.db").stat().st_size == length
    no_database(state / database.NAME)
    with played(state) as spool:
        assert "damaged-2-spool.db" in spool.spool.found
        spool.put(b"a")
    with played(state) as spool:
        assert spool.spool.found == ""
        assert spool.ids() == [b"a"]


def without_its_tables(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("DROP TABLE gone; DROP TABLE boxes; DROP TABLE clock")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_database, "0 parcels could be read in it and were kept: what else it held is lost."),
        (zeroes, "Of the 55 parcels in it 0 could be read and were kept: 55 are lost."),
        (of_another_program, "Of the 55 parcels in it 55 could be read and were kept: none is lost."),
        (without_an_index, "Of the 55 parcels in it 55 could be read and were kept: none is lost."),
        (without_its_tables, "55 parcels could be read in it and were kept: what else it held is lost."),
    ],
)
def test_what_can_be_read_of_a_damaged_spool_is_kept_and_the_rest_is_counted(state, damage, said):
    damage(state / database.NAME)
    with played(state) as spool:
        assert spool.spool.found.endswith(said)
        saved = spool.spool._connection.execute("SELECT count(*) FROM parcels").fetchone()[0]
        assert spool.recount()[0] == spool.recount()[1]
        if saved:
            assert spool.put(b"10") == "duplicate"
            (first,) = spool.take(1)
            assert (first.id, first.number) == (b"10", 11)
            assert 0 < first.lives_ms <= 10**8
            if damage is not without_its_tables:
                assert spool.put(b"0") == "duplicate"  # it was delivered
            assert spool.put(b"new", box="other") == KEPT
            assert spool.take(1, box="other")[0].number > 60


def test_a_start_that_is_killed_while_it_looks_for_what_can_be_read_does_it_again(state, monkeypatch):
    without_an_index(state / database.NAME)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("holdfast_hub.spool.store.salvage", killed)
        with pytest.raises(KeyboardInterrupt), played(state):
            pass
    with monkeypatch.context() as patch:  # and when all was done but that was not noted
        patch.setattr(database, "searched", killed)
        with pytest.raises(KeyboardInterrupt), played(state):
            pass
    with played(state) as spool:
        assert spool.spool.found.endswith("Of the 55 parcels in it 55 could be read and were kept: none is lost.")
        assert spool.recount()[0] == spool.recount()[1]
        assert spool.spool.level.count == 0 or len(spool.take(100)) == 25
    with played(state) as spool:
        assert spool.spool.found == ""


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_start_that_is_killed_while_it_sets_a_spool_aside_goes_on_with_it(sound, tmp_path, done):
    first, state = tmp_path / "first", tmp_path / "state"
    shutil.copytree(sound, first)
    with played(first) as spool:
        spool.put(b"in the log")
        spool.delivered(*spool.take(5))
        shutil.copytree(first, state)  # what a crash leaves: without its log it is an older spool, and sound
    (state / database.DAMAGED_NAME).write_text("damaged-1-spool.db")
    for rest in ("-shm", "-wal", "")[:done]:
        (state / f"spool.db{rest}").rename(state / f"damaged-1-spool.db{rest}")
    with played(state) as spool:
        assert spool.spool.found.endswith("Of the 51 parcels in it 51 could be read and were kept: none is lost.")
        ids = spool.ids(1000)
        assert (ids[0], ids[-1], len(ids)) == (b"20", b"in the log", 21)
        assert spool.put(b"10") == "duplicate"


@pytest.mark.parametrize("text", ["", "../other/spool.db", "damaged-x-spool.db", "damaged-7-spool.db"])
def test_a_note_of_a_damaged_spool_that_means_nothing_changes_nothing(state, text):
    (state / database.DAMAGED_NAME).write_text(text)
    if text == "damaged-7-spool.db":
        (state / text).mkdir()
    with played(state) as spool:
        assert len(spool.ids(1000)) == 25


def test_of_a_page_in_the_middle_only_its_parcels_are_lost(state):
    with played(state) as spool:
        spool.put_all([b"more%d" % number for number in range(300)], [BODY] * 300)
        held = spool.spool.level.count
    path = state / database.NAME
    octets = path.read_bytes()
    at = octets.index(b"more150" + b"reading") // 4096 * 4096
    path.write_bytes(octets[:at] + bytes(4096) + octets[at + 4096 :])
    with played(state) as spool:
        ids = [parcel.id for parcel in spool.take(1000)]
        assert f"Of the {held} parcels in it {spool.spool.level.count or held} could be read" in spool.spool.found
        assert b"more149" not in ids or b"more150" not in ids
        assert {b"more0", b"more299"} <= set(ids)
        assert ids == sorted(ids, key=lambda id_: int(id_.removeprefix(b"more")) + 1000 * id_.startswith(b"more"))


def test_of_many_flipped_bits_each_is_seen_or_harmless(sound, tmp_path):
    source, seen = random.Random(6), {"set aside": 0, "sound": 0}
    octets = (sound / database.NAME).read_bytes()
    for number in range(60):
        state = tmp_path / str(number)
        state.mkdir()
        at = source.randrange(len(octets))
        flipped = octets[:at] + bytes((octets[at] ^ 1 << source.randrange(8),)) + octets[at + 1 :]
        (state / database.NAME).write_bytes(flipped)
        with played(state) as spool:
            seen["set aside" if spool.spool.found else "sound"] += 1
            spool.delivered(*spool.take(1000))
            assert spool.put(b"new") == KEPT
    assert min(seen.values()) > 0, seen


def test_damage_that_a_running_hub_meets_is_looked_for_at_the_next_start(state, monkeypatch):
    monkeypatch.setattr(database, "WHOLE_CHECK_LEN", 0)
    zeroes(state / database.NAME)
    with played(state) as spool:  # it is too long to be read whole at each start
        assert spool.spool.found == ""
        assert spool.take() == []
        assert "is damaged" in spool.spool.level.trouble
    with played(state) as spool:
        assert "is damaged" in spool.spool.found
        assert spool.put(b"a") == KEPT
    with played(state) as spool:
        assert spool.spool.found == ""
        assert spool.ids() == [b"a"]


def test_a_spool_of_a_later_version_is_refused_and_left_alone(state):
    with contextlib.closing(sqlite3.connect(state / database.NAME, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    for opened in (played, Overview):
        with pytest.raises(SpoolNewer, match="later version"), opened(state):
            pass
    assert not list(state.glob("damaged-*"))


def test_a_place_that_cannot_be_used_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolFailed, match="file"), played(tmp_path / "file"):
        pass
    with pytest.raises(SpoolFailed, match="file"), played(tmp_path / "file" / "below"):
        pass
    (tmp_path / "state" / database.NAME).mkdir(parents=True)
    with pytest.raises(SpoolFailed, match=r"spool\.db"), played(tmp_path / "state"):
        pass
    with pytest.raises(SpoolAbsent, match="There is no spool"):
        Overview(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount, and become somebody else")
def test_a_read_only_disk_is_one_sentence(disk):
    with played(disk / "state") as spool:
        spool.put(b"a")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(SpoolFailed, match="Read-only file system"), played(disk / "state"):
        pass
    with pytest.raises(SpoolError, match="read-only"), Overview(disk / "state") as seen:
        seen.purge([1])


@pytest.mark.parametrize("name", [database.NAME, database.NAME + "-wal"])
def test_nothing_is_acknowledged_into_a_file_that_somebody_has_removed(tmp_path, name):
    with played(tmp_path) as spool:
        assert spool.put(b"a") == KEPT
        (tmp_path / name).rename(tmp_path / "moved")
        assert spool.put(b"b") == FAILED
        assert spool.take() == []
        assert "was removed or replaced" in spool.spool.level.trouble
        (tmp_path / "moved").rename(tmp_path / name)
        assert spool.put(b"b") == KEPT
    with played(tmp_path) as spool:
        assert spool.ids() == [b"a", b"b"]


def test_what_the_spool_makes_is_for_its_user_alone(tmp_path):
    with played(tmp_path / "state") as spool:
        spool.put(b"a")
        for path in (tmp_path / "state").iterdir():
            assert path.stat().st_mode & 0o077 == 0, path
        assert (tmp_path / "state").stat().st_mode & 0o077 == 0
