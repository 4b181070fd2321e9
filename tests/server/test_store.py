"""The store: files, lock, migrations, transactions, the sweep, and what is left after a failed write or a kill."""

import hashlib
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from holdfast_server import store_sqlite
from holdfast_server.errors import MigrationChanged, StoreLocked
from holdfast_server.registry import Client, ResourceServer
from holdfast_server.store_sqlite import EPOCH_JUMP, Store
from holdfast_server.store_tokens import CodeRecord, TokenRecord
from testkit.authz import DOCTOR_APP, EKG, NOW_S, TUBE, build_story_as, code_params


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


def token_record(name, now_s=NOW_S, parent_id=None, **changes):
    values = {
        "token_hash": name.encode().ljust(32, b"\0"),
        "token_format": "reference",
        "client_id": DOCTOR_APP,
        "user_id": None,
        "audience": EKG,
        "scope": "read_ekg",
        "claims": b"\xa0",
        "pop_kid": None,
        "issued_at": now_s,
        "expires_at": now_s + 100,
        "parent_id": parent_id,
    }
    return TokenRecord(**{**values, **changes})


def code_record(name, expires_at=NOW_S + 100):
    return CodeRecord(name.encode(), DOCTOR_APP, "doctor", "http://x/", "c", EKG, "read_ekg", "read_ekg", expires_at)


# --- files and lock ---


def test_everything_in_the_directory_belongs_to_the_owner_alone(tmp_path):
    path = tmp_path / "a" / "state"
    with Store(path) as store:
        store.put_client(Client("c", (), {}), NOW_S)
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.iterdir()}
    assert path.stat().st_mode & 0o777 == 0o700
    assert len(modes) >= 3
    assert set(modes.values()) == {0o600}


def test_a_loose_directory_is_tightened(tmp_path):
    path = tmp_path / "state"
    path.mkdir(mode=0o755)
    (path / "holdfast.db").touch(mode=0o644)
    with Store(path):
        assert path.stat().st_mode & 0o777 == 0o700
        assert (path / "holdfast.db").stat().st_mode & 0o777 == 0o600


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


# --- migrations ---


def test_a_database_is_migrated_once_and_opened_again(tmp_path):
    with Store(tmp_path, NOW_S) as store:
        store.put_client(Client("c", (), {}), NOW_S)
    with Store(tmp_path, NOW_S + 1) as store:
        assert store.client("c") is not None
        assert [row["applied_at"] for row in store._all("SELECT applied_at FROM migrations")] == [NOW_S]


def test_a_changed_migration_is_refused(tmp_path, monkeypatch):
    Store(tmp_path).close()
    name, script = store_sqlite._shipped_migrations()[1]
    monkeypatch.setattr(store_sqlite, "_shipped_migrations", lambda: {1: (name, script + "-- edited\n")})
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
        with pytest.raises(sqlite3.OperationalError):
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


def test_kill_in_the_middle_of_a_transaction_leaves_the_state_before_it(tmp_path):
    script = textwrap.dedent(
        """
        import os, pathlib, signal, sys
        from holdfast_server.registry import Client
        from holdfast_server.store_sqlite import Store
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


# --- codes ---


def test_fifty_connections_redeem_one_code_and_one_succeeds(tmp_path):
    """Threads, each with a connection of its own to the same database, as other processes would have."""
    story = build_story_as(tmp_path)
    story.store.add_code(code_record("one"))
    start = threading.Barrier(50)
    won = []

    def redeem():
        with Store(tmp_path, serving=False) as store:
            start.wait()
            if store.consume_code(b"one", NOW_S):
                won.append(threading.get_ident())

    threads = [threading.Thread(target=redeem) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    story.store.close()


def test_a_code_is_consumed_once_and_an_unknown_one_never(story):
    story.store.add_code(code_record("one"))
    assert not story.store.consume_code(b"two", NOW_S)
    assert story.store.consume_code(b"one", NOW_S)
    assert not story.store.consume_code(b"one", NOW_S + 1)
    assert story.store.code(b"one").consumed_at == NOW_S


# --- tokens ---


def test_revoking_reaches_all_descendants_and_nobody_else(story):
    store = story.store
    root = store.add_token(token_record("root"))
    child = store.add_token(token_record("child", parent_id=root))
    grandchild = store.add_token(token_record("grandchild", parent_id=child))
    other = store.add_token(token_record("other"))
    assert sorted(store.revoke_token(child, NOW_S)) == [child, grandchild]
    assert sorted(store.revoke_token(root, NOW_S)) == [root]
    assert store.token_by_hash(token_record("other").token_hash).revoked_at is None
    assert other not in (root, child, grandchild)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"client_id": EKG}, ["b"]),
        ({"user_id": "doctor"}, ["c"]),
        ({"audience": TUBE}, ["b"]),
        ({"client_id": DOCTOR_APP, "audience": EKG}, ["a", "c"]),
        ({}, ["a", "b", "c"]),
        ({"client_id": "nobody"}, []),
    ],
)
def test_tokens_are_revoked_by_what_they_have_in_common(story, criteria, expected):
    records = {
        "a": token_record("a"),
        "b": token_record("b", client_id=EKG, audience=TUBE),
        "c": token_record("c", user_id="doctor"),
    }
    ids = {story.store.add_token(record): name for name, record in records.items()}
    assert sorted(ids[token_id] for token_id in story.store.revoke_tokens_of(NOW_S, **criteria)) == expected


def test_a_pop_key_counts_only_for_its_client_audience_and_while_its_token_lives(story):
    store = story.store
    token_id = store.add_token(token_record("a", pop_kid=b"k"))
    assert store.pop_key_issued(DOCTOR_APP, EKG, b"k", NOW_S)
    assert not store.pop_key_issued(EKG, EKG, b"k", NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, TUBE, b"k", NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, EKG, b"other", NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, EKG, b"k", NOW_S + 100)
    store.revoke_token(token_id, NOW_S)
    assert not store.pop_key_issued(DOCTOR_APP, EKG, b"k", NOW_S)


# --- sweep, restore, deletion ---


def test_the_sweep_is_bounded_and_takes_only_what_has_expired(story):
    for number in range(10):
        story.store.add_token(token_record(f"old{number}", now_s=NOW_S - 200))
    story.store.add_token(token_record("live"))
    story.store.add_code(code_record("old", expires_at=NOW_S))
    story.store.add_code(code_record("live", expires_at=NOW_S + 1))
    assert story.store.sweep(NOW_S, limit=4) == 5
    assert story.store.sweep(NOW_S, limit=100) == 6
    assert story.store.sweep(NOW_S) == 0
    assert len(story.store.tokens()) == 1
    assert story.store.code(b"live") is not None


def test_the_sweep_finds_its_rows_by_index(story):
    for table in ("tokens", "authorization_codes"):
        plan = story.store._all(f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE expires_at <= 1 LIMIT 5")
        assert "USING INDEX" in plan[0]["detail"]


def test_after_a_restore_no_counter_repeats_and_no_code_lives(story):
    code = story.code()
    before = {party.recipient_id: party.sequence_reserved for party in story.store.oscore_parties()}
    exi_before = story.store.next_exi_sequence(TUBE)
    story.store.after_restore(NOW_S)
    after = {party.recipient_id: party.sequence_reserved for party in story.store.oscore_parties()}
    assert after == {kid: reserved + EPOCH_JUMP for kid, reserved in before.items()}
    assert story.store.next_exi_sequence(TUBE) == exi_before + EPOCH_JUMP + 1
    assert not story.store.consume_code(hashlib.sha256(code).digest(), NOW_S)


def test_deleting_a_client_takes_its_codes_tokens_and_context_with_it(story):
    story.doctor_token()
    assert story.store.delete_client(DOCTOR_APP)
    assert not story.store.delete_client(DOCTOR_APP)
    assert story.store.tokens() == []
    assert story.store.oscore_party(client_id=DOCTOR_APP) is None
    assert story.store.oscore_party(client_id=EKG) is not None


def test_sender_sequence_reservations_never_go_back(story):
    kid = story.store.oscore_parties()[0].recipient_id
    story.store.reserve_sender_sequence(kid, 128)
    story.store.reserve_sender_sequence(kid, 64)
    assert story.store.oscore_party_by_kid(kid).sequence_reserved == 128
    assert story.store.oscore_party_by_kid(b"nobody") is None


def test_records_come_back_as_they_went_in(tmp_path):
    client = Client(
        "c", (1, 2), {"a": ("x", "y")}, {"a": "x"}, ("http://x/",), (1, 2), (b"\1\2",), b"h" * 32, disabled=True
    )
    rs = ResourceServer("r", ("a", "b"), {"x": (("/x", 1),)}, "cwt-nested", (1,), 5, 6, False, True, b"k", True)
    with Store(tmp_path) as store:
        store.put_client(client, NOW_S)
        store.put_resource_server(rs, NOW_S)
        assert store.clients() == [client]
        assert store.resource_servers() == [rs]
        assert store.members_of("b") == [rs]
        assert store.members_of("c") == []


def test_a_thread_that_is_not_the_owner_is_refused(story):
    errors = []

    def misuse():
        try:
            story.store.clients()
        except sqlite3.ProgrammingError as error:
            errors.append(error)

    thread = threading.Thread(target=misuse)
    thread.start()
    thread.join()
    assert len(errors) == 1


def test_the_state_directory_is_not_world_readable_even_under_a_loose_umask(tmp_path):
    previous = os.umask(0)
    try:
        with Store(tmp_path / "s") as store:
            store.put_client(Client("c", (), {}), NOW_S)
            modes = {entry.stat().st_mode & 0o077 for entry in (tmp_path / "s").iterdir()}
    finally:
        os.umask(previous)
    assert modes == {0}
