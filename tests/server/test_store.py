"""The store: files, lock, migrations, transactions, the sweep, and what is left after a failed write or a kill."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from holdfast_core.errors import PeerError
from holdfast_server.authz.errors import MigrationChanged, StoreFailed, StoreLocked
from holdfast_server.records import Client
from holdfast_server.store import sqlite as store_sqlite
from holdfast_server.store.sqlite import DATABASE_NAME, Store
from testkit.authz import NOW_S, build_story_as, code_params


class DiskFull(Exception):
    """What the fault-injecting store raises."""


class FailingStore(Store):
    """Fails the write number fail_at, counted from the moment it is set."""

    fail_at = None
    writes = 0

    def _execute(self, statement, values=()):
        if self.fail_at is not None and not statement.startswith(("SELECT", "ROLLBACK", "RELEASE", "SAVEPOINT")):
            self.writes += 1
            if self.writes == self.fail_at:
                raise DiskFull
        return super()._execute(statement, values)


def dump(store):
    """Return everything the database holds, as SQL text."""
    return list(store._connection.iterdump())


# --- files and lock ---


def test_everything_in_the_directory_belongs_to_the_owner_alone(tmp_path):
    path = tmp_path / "a" / "state"
    with Store(path) as store:
        store.put_client(Client("c", (), {}), NOW_S)
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.iterdir()}
    assert path.stat().st_mode & 0o777 == 0o700
    assert len(modes) >= 3
    assert set(modes.values()) == {0o600}


def test_a_loose_directory_is_left_as_it_is_and_what_is_made_in_it_is_private(tmp_path):
    """`holdfast server check` reports it; whoever has made it may have had a reason."""
    path = tmp_path / "state"
    path.mkdir(mode=0o755)
    with Store(path):
        assert path.stat().st_mode & 0o777 == 0o755
        assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


def test_a_second_server_is_told_clearly_and_may_start_when_the_first_has_stopped(tmp_path):
    first = Store(tmp_path)
    with pytest.raises(StoreLocked, match="another holdfast server uses this state directory"):
        Store(tmp_path)
    first.close()
    Store(tmp_path).close()


def test_an_operators_command_works_beside_the_server(tmp_path):
    with Store(tmp_path) as serving, Store(tmp_path, serving=False) as command:
        command.put_client(Client("c", (), {}), NOW_S)
        assert serving.client("c") is not None


def test_durability_settings_are_on(tmp_path):
    with Store(tmp_path) as store:
        pragmas = {name: store._one(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_what_is_deleted_is_not_left_in_the_database(tmp_path):
    """A row that is deleted was a secret often enough: its bytes are overwritten, not only given up."""
    secret = b"a secret that is over and gone"
    with Store(tmp_path) as store:
        store._execute("CREATE TABLE scratch (held BLOB)")
        store._execute("INSERT INTO scratch VALUES (?)", (secret,))
        store._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert secret in (tmp_path / DATABASE_NAME).read_bytes()
        store._execute("DELETE FROM scratch")
        store._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert secret not in (tmp_path / DATABASE_NAME).read_bytes()


# --- migrations ---


def test_a_database_is_migrated_once_and_opened_again(tmp_path):
    with Store(tmp_path, NOW_S) as store:
        store.put_client(Client("c", (), {}), NOW_S)
    with Store(tmp_path, NOW_S + 1) as store:
        assert store.client("c") is not None
        assert {row["applied_at"] for row in store._all("SELECT applied_at FROM migrations")} == {NOW_S}


def test_a_changed_migration_is_refused(tmp_path, monkeypatch):
    Store(tmp_path).close()
    shipped = store_sqlite._shipped_migrations()
    name, script = shipped[1]
    monkeypatch.setattr(store_sqlite, "_shipped_migrations", lambda: {**shipped, 1: (name, script + "-- edited\n")})
    with pytest.raises(MigrationChanged, match="0001_initial"):
        Store(tmp_path)


def test_a_newer_database_is_refused_and_the_lock_is_given_back(tmp_path, monkeypatch):
    shipped = store_sqlite._shipped_migrations()
    newer = {**shipped, 9000: ("9000_later.sql", "CREATE TABLE later (id INTEGER) STRICT;")}
    with monkeypatch.context() as patch:
        patch.setattr(store_sqlite, "_shipped_migrations", lambda: newer)
        Store(tmp_path).close()
    with pytest.raises(MigrationChanged, match="newer"):
        Store(tmp_path)
    with pytest.raises(MigrationChanged):  # and not StoreLocked
        Store(tmp_path)


def test_a_migration_that_fails_leaves_nothing_of_itself(tmp_path, monkeypatch):
    shipped = store_sqlite._shipped_migrations()
    broken = {**shipped, 9000: ("9000_broken.sql", "CREATE TABLE half (id INTEGER) STRICT;\nNONSENSE;")}
    with monkeypatch.context() as patch:
        patch.setattr(store_sqlite, "_shipped_migrations", lambda: broken)
        with pytest.raises(StoreFailed):
            Store(tmp_path)
    with Store(tmp_path) as store:
        assert store._one("SELECT name FROM sqlite_master WHERE name = 'half'") is None


# --- transactions ---


def add_and_fail(store, client_id):
    with store.transaction():
        store.put_client(Client(client_id, (), {}), NOW_S)
        raise DiskFull


def add_around(store, inside):
    with store.transaction():
        store.put_client(Client("outer", (), {}), NOW_S)
        inside()


def test_an_exception_undoes_its_savepoint_and_nothing_around_it(tmp_path):
    with Store(tmp_path) as store:
        with store.transaction():
            store.put_client(Client("kept", (), {}), NOW_S)
            with pytest.raises(DiskFull):
                add_and_fail(store, "inner")
            with store.transaction():
                store.put_client(Client("kept-too", (), {}), NOW_S)
        assert [client.client_id for client in store.clients()] == ["kept", "kept-too"]


def test_an_exception_undoes_the_whole_transaction_it_leaves(tmp_path):
    with Store(tmp_path) as store:
        with pytest.raises(DiskFull):
            add_around(store, lambda: add_and_fail(store, "inner"))
        add_and_keep = Client("later", (), {})
        store.put_client(add_and_keep, NOW_S)
        assert store.clients() == [add_and_keep]


def test_whichever_write_of_an_issuance_fails_nothing_of_it_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("testkit.authz.Store", FailingStore)
    story = build_story_as(tmp_path)
    code = story.code()
    before = dump(story.store)
    failures = 0
    while True:
        failures += 1
        story.store.writes, story.store.fail_at = 0, failures
        try:
            story.server.token(code_params(code), story.doctor_app, NOW_S)
        except DiskFull:
            story.store.fail_at = None
            assert dump(story.store) == before
            continue
        break
    story.store.fail_at = None
    assert failures > 4  # BEGIN, the code, the token, the audit row, COMMIT
    assert len(story.store.tokens()) == 1


def issue_many(story):
    for _ in range(1000):
        story.doctor_token()


def test_on_a_full_disk_each_issuance_is_whole_or_not_there_and_with_room_it_goes_on(story):
    """SQLite itself says here that there is no room, and has by then rolled back more than it was asked to."""
    pages = story.store._one("PRAGMA page_count")[0]
    story.store._execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFailed, match="full"):
        issue_many(story)
    tokens = story.store.tokens(limit=1000)
    assert 0 < len(tokens) < 1000
    assert [row.token_id for row in story.store.audit_rows(10_000) if row.event == "token-issued"] == [
        token.token_id for token in tokens
    ]
    story.store._execute(f"PRAGMA max_page_count = {2 * pages + 100}")
    assert story.doctor_token()["access_token"]


def test_a_batch_in_one_transaction_keeps_the_good_and_the_audit_of_the_bad(story):
    """What a shell does that answers many datagrams with one fsync."""
    codes = [story.code() for _ in range(3)]
    outcomes = []
    with story.store.transaction():
        for code in (codes[0], codes[0], codes[1]):
            try:
                story.server.token(code_params(code), story.doctor_app, NOW_S)
                outcomes.append("token")
            except PeerError:
                outcomes.append("refused")
    assert outcomes == ["token", "refused", "token"]
    assert [token.revoked_at for token in story.store.tokens()] == [None, NOW_S]
    assert [row.event for row in story.store.audit_rows(4)] == [
        "token-issued",
        "token-revoked",
        "token-refused",
        "token-issued",
    ]


def test_kill_in_the_middle_of_a_transaction_leaves_the_state_before_it(tmp_path):
    script = textwrap.dedent(
        """
        import os, pathlib, signal, sys
        from holdfast_server.records import (Client)
        from holdfast_server.store.sqlite import Store
        store = Store(sys.argv[1])
        store.put_client(Client("before", (), {}), 1)
        with store.transaction():
            store._connection.execute("PRAGMA cache_size = 1")  # so that pages reach the disk before COMMIT
            for number in range(500):
                store.put_client(Client(f"during{number}", (), {"a": ("x" * 500,)}), 1)
            assert (pathlib.Path(sys.argv[1]) / "holdfast.db-wal").stat().st_size > 100_000
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -9
    with Store(tmp_path) as store:
        assert [client.client_id for client in store.clients()] == ["before"]
        assert store._one("PRAGMA integrity_check")[0] == "ok"


def test_each_migration_has_a_number_of_its_own():
    """Two of one number: one of them would never run."""
    names = sorted(path.name for path in (Path(store_sqlite.__file__).parent / "migrations").glob("*.sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
