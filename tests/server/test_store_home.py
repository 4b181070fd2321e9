"""Databases and directories that were put back or copied: a start notices, and nothing repeats."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from holdfast_core.secret import Secret
from holdfast_core.sender_sequence import MAX_SEQUENCE
from holdfast_server.authz.errors import NotAtHome, StoreFailed
from holdfast_server.coap.party_contexts import RESERVE, PartyContexts
from holdfast_server.records import OscoreParty
from holdfast_server.store.home import CLEAN, CRASHED, EPOCH_JUMP, LIMIT_STEP, RESTORED
from holdfast_server.store.sqlite import DATABASE_NAME, Store
from testkit.authz import NOW_S, TUBE, build_story_as

KID = b"k"


@pytest.fixture
def home(tmp_path):
    """A state directory with one context and one RS, that was never served from."""
    path = tmp_path / "state"
    story = build_story_as(path)
    for party in story.store.oscore_parties():
        story.store.delete_oscore_party(party.recipient_id)
    story.store.add_oscore_party(
        OscoreParty(KID, Secret(b"s" * 16), b"salt", client_id="doctor_app", rederives=False), NOW_S
    )
    story.store.close()
    return path


def contexts_of(store):
    return PartyContexts(store, os.urandom, lambda: NOW_S)


class Life:
    """A server from its start to its end. numbers: the Partial IVs that it used; exi: its exi sequence numbers."""

    def __init__(self, path):
        self.store = Store(path, NOW_S, create=False)
        self.how = self.store.begin(NOW_S)
        self.contexts = contexts_of(self.store)
        self.context = self.contexts.find(KID)
        self.fresh = self.context.replay.initialised
        self.numbers, self.exi = [], []

    def use(self, count=3):
        with self.store.transaction():
            self.numbers += [self.context.sequence.take() for _ in range(count)]
            self.exi += [self.store.next_exi_sequence(TUBE) for _ in range(count)]
        return self

    def stop(self):
        self.store.end(self.contexts.windows())
        return self.kill()

    def kill(self):
        self.store._connection.close()
        self.store._unlock()
        return self


def backup(path, to):
    """A copy of the database alone, as SQLite's own tool makes it."""
    with closing(sqlite3.connect(path / DATABASE_NAME)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def put_back(file, path):
    for name in (DATABASE_NAME + "-wal", DATABASE_NAME + "-shm"):
        (path / name).unlink(missing_ok=True)
    shutil.copy(file, path / DATABASE_NAME)


def assert_no_repeats(*lives):
    numbers = [number for life in lives for number in life.numbers]
    exi = [number for life in lives for number in life.exi]
    assert len(numbers) == len(set(numbers)) > 0
    assert len(exi) == len(set(exi)) > 0


def test_a_clean_stop_keeps_numbers_and_windows_and_a_crash_neither_repeats_nor_believes(home):
    first = Life(home).use()
    assert (first.how, first.fresh) == (CLEAN, True)  # a context that nobody has used
    first.context.replay.record(7)
    first.stop()
    second = Life(home).use()
    assert (second.how, second.fresh) == (CLEAN, True)
    assert second.context.replay.export() == (7, 1)
    assert second.numbers[0] == RESERVE
    second.kill()
    third = Life(home).use()
    assert (third.how, third.fresh) == (CRASHED, False)
    assert third.numbers[0] <= RESERVE + 2 * LIMIT_STEP  # a crash costs little
    third.context.replay.initialise(9)
    third.stop()
    fourth = Life(home).use().stop()
    assert (fourth.how, fourth.context.replay.export()[0]) == (CLEAN, 9)
    assert_no_repeats(first, second, third, fourth)


def test_a_window_is_believed_once(home):
    Life(home).stop()
    with Store(home, NOW_S, create=False) as store:
        assert contexts_of(store).find(KID).replay.initialised
        assert not contexts_of(store).find(KID).replay.initialised


@pytest.mark.parametrize("when", ["stopped", "running", "just before the end"])
@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("lives_between", [0, 2])
def test_whatever_backup_is_put_back_nothing_repeats(home, tmp_path, when, end, lives_between):
    first = Life(home).use()
    if when == "running":
        saved = backup(home, tmp_path / "saved.db")
    first.use(3000)
    if when == "just before the end":
        saved = backup(home, tmp_path / "saved.db")
    first.stop()
    if when == "stopped":
        saved = backup(home, tmp_path / "saved.db")
    lives = [first]
    for _ in range(lives_between):
        life = Life(home).use()
        lives.append(life)
        getattr(life, end)()
    put_back(saved, home)
    after = Life(home).use()
    if lives_between:
        assert (after.how, after.fresh) == (RESTORED, False)
        assert after.numbers[0] >= EPOCH_JUMP
    elif when == "stopped":
        assert (after.how, after.fresh) == (CLEAN, True)  # it is the same database
    else:
        assert (after.how, after.fresh) == (CRASHED, False)
    assert_no_repeats(*lives, after, Life(home).use() if after.kill() else None)


def test_the_same_backup_put_back_twice_does_not_meet_itself(home, tmp_path):
    saved = backup(home, tmp_path / "saved.db")
    lives = [Life(home).use().stop()]
    for _ in range(3):
        put_back(saved, home)
        lives.append(Life(home).use().stop())
        assert lives[-1].how == RESTORED
    assert_no_repeats(*lives)


@pytest.mark.parametrize("flags", [["-r"], ["-a"]])
def test_a_copy_of_the_directory_is_refused_until_somebody_answers_for_it(home, tmp_path, flags):
    first = Life(home).use()
    copy = tmp_path / "copy"
    subprocess.run(["cp", *flags, home, copy], check=True)
    with pytest.raises(NotAtHome, match="holdfast server restored"):
        Life(copy)
    (copy / "lock").unlink()
    with Store(copy, NOW_S, create=False) as store:
        store.after_restore(NOW_S)
    second = Life(copy).use()
    assert (second.how, second.fresh) == (CLEAN, False)
    assert_no_repeats(first, second)
    second.stop()
    assert Life(first.kill().store.path).stop().how == CRASHED  # the original goes on


def test_a_directory_that_was_moved_is_no_copy_and_one_put_back_over_itself_is(home, tmp_path):
    Life(home).use().stop()
    moved = home.rename(tmp_path / "moved")
    subprocess.run(["cp", "-a", moved, tmp_path / "saved"], check=True)
    second = Life(moved).use().stop()
    assert second.how == CLEAN
    subprocess.run(["cp", "-a", f"{tmp_path}/saved/.", moved], check=True)  # in place: the database keeps its inode
    third = Life(moved).use().stop()
    assert third.how == RESTORED
    assert_no_repeats(second, third)


def test_a_database_of_another_server_or_without_its_file_is_refused(home, tmp_path):
    other = build_story_as(tmp_path / "other")
    other.store.close()
    put_back(other.store.path / DATABASE_NAME, home)
    with pytest.raises(NotAtHome):
        Life(home)
    for path in other.store.path.glob("start-*"):
        path.write_bytes(b'{"server": []}')
    with pytest.raises(NotAtHome):
        Life(other.store.path)


KILLED = """
import os, sys
from pathlib import Path
from holdfast_server.store import home as store_home
from holdfast_server.store.sqlite import Store
store = Store(Path(sys.argv[1]), 1, create=False)
step = int(sys.argv[2])
count = 0
def kill(*_):
    os.kill(os.getpid(), 9)
def step_of(cls, name):
    old = getattr(cls, name)
    def new(*args, **kwargs):
        global count
        count += 1
        if count > step:
            kill()
        return old(*args, **kwargs)
    setattr(cls, name, new)
for cls, name in ((Path, "replace"), (Path, "unlink"), (Store, "_execute"), (os, "fsync")):
    step_of(cls, name)
store.begin(1)
os._exit(0)
"""


@pytest.mark.parametrize("clean", [True, False])
def test_a_start_that_is_killed_at_any_step_locks_nobody_out(home, clean):
    first = Life(home).use()
    first.stop() if clean else first.kill()
    step, lives = 0, [first]
    while True:
        done = subprocess.run([sys.executable, "-c", KILLED, str(home), str(step)], check=False)
        life = Life(home).use()
        assert life.how in ((CLEAN, CRASHED) if clean else (CRASHED,))
        lives.append(life)
        life.stop() if clean else life.kill()
        if done.returncode == 0:
            break
        assert done.returncode == -9
        step += 1
    assert step > 8
    assert_no_repeats(*lives)
    assert len(list(home.glob("start*"))) == 1


def test_while_serving_the_limits_are_written_rarely_and_always_ahead(home, monkeypatch):
    life = Life(home)
    written = []
    write = Store._write
    monkeypatch.setattr(Store, "_write", lambda store, limits: written.append(limits) or write(store, limits))
    life.use(5000)
    assert written == []
    life.store.reserve_sender_sequence(KID, 3 * LIMIT_STEP)
    assert [limits.oscore for limits in written] == [4 * LIMIT_STEP]
    life.context.sequence.next_value = life.context.sequence.reserved_until = 3 * LIMIT_STEP
    life.use()
    saved = [*life.numbers]
    life.kill()
    assert Life(home).use().numbers[0] > max(saved)


def test_numbers_end_and_do_not_wrap(home):
    with Store(home, NOW_S, create=False) as store:
        for _ in range(300):
            store.after_restore(NOW_S)
        assert store.parties_near_their_end() == ["doctor_app"]
        assert store.oscore_parties()[0].sequence_reserved == MAX_SEQUENCE + 1


def test_a_file_that_cannot_be_written_stops_the_number_that_needs_it(home, monkeypatch):
    life = Life(home)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StoreFailed, match="No space") as refused, life.store.transaction():
        life.store.reserve_sender_sequence(KID, 2 * LIMIT_STEP)
    assert refused.value.is_unavailable
    assert life.store.oscore_parties()[0].sequence_reserved < LIMIT_STEP


def test_a_database_that_never_got_its_home_is_no_lock_out(home):
    with Store(home, NOW_S, create=False) as store:
        store._execute("DELETE FROM home")
        with pytest.raises(NotAtHome):
            store.begin(NOW_S)
        assert not store.is_at_home()
        store.after_restore(NOW_S)
        assert store.is_at_home()
    assert Life(home).use().how == CLEAN
