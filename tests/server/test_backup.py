"""`holdfast server backup` and `restore`: everything comes back, nothing repeats, and nothing is replaced unasked."""

import os
import random
import subprocess
import sys

import pytest

from holdfast_server.authz.errors import StoreFailed
from holdfast_server.process import config as configuration
from holdfast_server.store.backup import MAGIC, back_up
from holdfast_server.store.home import CLEAN, EPOCH_JUMP
from holdfast_server.store.sqlite import DATABASE_NAME, Store
from testkit.authz import NOW_S
from testkit.serve import holdfast, init, serving


@pytest.fixture
def filled(state, run):
    run("rs", "add", "tube", "--scope", "read=GET:/t", "--exi", "60")
    run("rs", "add", "ekg", "--scope", "read=GET:/e", "--format", "reference")
    run("client", "add", "app", "--grant", "client_credentials", "--allow", "tube=read", "--no-secret")
    (state / "tls.crt").write_text("certificate")
    (state / "tls.key").write_text("key")
    toml = state / "server.toml"
    toml.write_text(
        toml.read_text()
        .replace('# certificate = "tls.crt"', 'certificate = "tls.crt"')
        .replace('# key = "tls.key"', 'key = "tls.key"')
    )
    return state


def rows_of(state):
    with Store(state, serving=False, create=False) as store:
        tables = [row[0] for row in store._all("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: [tuple(row) for row in store._all(f"SELECT * FROM {name}")] for name in sorted(tables)}


def test_a_restore_that_failed_stands_in_nobodys_way(filled, run, tmp_path):
    file, new = tmp_path / "server.backup", tmp_path / "new"
    run("backup", file)
    assert "is not a file of" in holdfast("restore", filled / "server.toml", "--state", new).stderr
    assert holdfast("restore", file, "--state", new).returncode == 0
    assert "is not empty" in holdfast("restore", file, "--state", new).stderr


def test_a_place_for_a_backup_that_is_not_there_is_named_as_it_was_typed(filled, run, tmp_path):
    assert run("backup", tmp_path / "no" / "b", code=2).stderr == f"Error: {tmp_path}/no: No such file or directory.\n"


def test_what_was_backed_up_comes_back_private_whole_and_moved_on(filled, run, tmp_path):
    file, new = tmp_path / "b" / "server.backup", tmp_path / "new"
    file.parent.mkdir()
    os.umask(0o022)
    said = run("backup", file)
    assert "every key" in said.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    before = rows_of(filled)
    done = holdfast("restore", file, "--state", new)
    assert done.returncode == 0, done.stderr
    assert {path.name.partition("-")[0] for path in new.iterdir()} == {
        DATABASE_NAME,
        "lock",
        "server.toml",
        "start",
        "tls.crt",
        "tls.key",
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in new.iterdir())
    assert new.stat().st_mode & 0o777 == 0o700
    assert (new / "server.toml").read_text() == (filled / "server.toml").read_text()
    after = rows_of(new)
    assert set(after) == set(before)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"audit", "home", "oscore_parties", "resource_servers", "sequences"}
    with Store(new, NOW_S, create=False) as store:
        assert store.begin(NOW_S) == CLEAN
        assert store.oscore_parties()[0].sequence_reserved > EPOCH_JUMP
        assert store.oscore_parties()[0].window is None
        assert store.next_exi_sequence("tube") > EPOCH_JUMP
        assert [row.event for row in store.audit_rows(2)] == ["restored", "backed-up"]


def test_a_backup_of_a_running_server_serves_where_it_was_restored(tmp_path):
    state, new, file = tmp_path / "state", tmp_path / "new", tmp_path / "file"
    init(state)
    with serving(state):
        assert holdfast("backup", file, "--state", state).returncode == 0
    assert holdfast("restore", file, "--state", new).returncode == 0
    with serving(new) as process:
        assert process.ready


def test_nothing_is_replaced_unless_that_is_asked_for(filled, run, tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    assert "exists" in run("backup", file, code=2).stderr
    assert file.read_text() == "precious"
    file.unlink()
    run("backup", file)
    before = rows_of(filled)
    assert "--force" in run("restore", file, code=2).stderr
    assert rows_of(filled) == before
    run("client", "remove", "app", "--yes")
    run("restore", file, "--force")
    assert "app" in run("client", "list").stdout
    with Store(filled, NOW_S, create=False) as store:
        assert store.begin(NOW_S) == CLEAN


def test_a_directory_that_is_served_is_not_replaced(filled, run, tmp_path):
    run("backup", tmp_path / "file")
    with Store(filled, NOW_S, create=False):
        assert "another holdfast server" in run("restore", tmp_path / "file", "--force", code=2).stderr


@pytest.mark.parametrize("damage", ["bit", "cut", "longer", "other", "empty"])
def test_a_damaged_backup_is_one_sentence_and_leaves_nothing(filled, run, tmp_path, damage):
    file, new = tmp_path / "file", tmp_path / "new"
    run("backup", file)
    octets = bytearray(file.read_bytes())
    if damage == "bit":
        octets[random.Random(1).randrange(len(MAGIC), len(octets))] ^= 4
    file.write_bytes(
        {"cut": octets[:-1], "longer": octets + b"x", "other": b"SQLite format 3\0" * 99, "empty": b""}.get(
            damage, octets
        )
    )
    done = holdfast("restore", file, "--state", new)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert [path.name for path in new.iterdir()] == ["lock"]
    assert holdfast("restore", tmp_path / "none", "--state", tmp_path / "new2").returncode == 2


def test_a_damaged_database_makes_no_backup(filled, run, tmp_path):
    with Store(filled, serving=False) as store:
        store._execute("PRAGMA foreign_keys = OFF")
        store._execute("INSERT INTO audiences VALUES ('a', 'nobody')")
    assert "damaged" in run("backup", tmp_path / "file", code=2).stderr
    assert list(tmp_path.glob("*file*")) == list(tmp_path.glob(".holdfast*")) == []


def test_files_that_are_elsewhere_are_named(filled, run, tmp_path):
    text = (filled / "server.toml").read_text()
    (filled / "tls.crt").rename(tmp_path / "tls.crt")
    (filled / "server.toml").write_text(text.replace('"tls.crt"', f'"{tmp_path}/tls.crt"'))
    assert f"{tmp_path}/tls.crt is not in it" in run("backup", tmp_path / "file").stderr
    assert configuration.load(filled).certificate == tmp_path / "tls.crt"


KILLED = """
import os, sys, shutil
from pathlib import Path
from holdfast_server.store import backup as store_backup
count, step = 0, int(sys.argv[3])
def step_of(owner, name):
    old = getattr(owner, name)
    def new(*args, **kwargs):
        global count
        count += 1
        if count > step:
            os.kill(os.getpid(), 9)
        return old(*args, **kwargs)
    setattr(owner, name, new)
for name in ("replace", "unlink"):
    step_of(Path, name)
for name in ("_write", "_move"):
    step_of(store_backup, name)
step_of(os, "fsync")
store_backup.restore(Path(sys.argv[1]), Path(sys.argv[2]), 1_900_000_000, "me", force=True)
os._exit(0)
"""


def test_a_restore_that_is_killed_at_any_step_leaves_the_old_server_or_the_new_one(filled, run, tmp_path):
    file, step = tmp_path / "file", 0
    run("backup", file)
    used = set()
    while True:
        done = subprocess.run([sys.executable, "-c", KILLED, file, filled, str(step)], check=False)
        with Store(filled, NOW_S, create=False) as store:
            store.begin(NOW_S)
            number = store.next_exi_sequence("tube")
            assert store.damage() is None
        assert number not in used
        used.add(number)
        if done.returncode == 0:
            break
        assert done.returncode == -9
        step += 1
    assert step > 8
    assert not list(filled.glob(".holdfast*"))


def test_a_backup_put_back_by_hand_is_not_believed(filled, tmp_path):
    file = tmp_path / "file"
    with Store(filled, NOW_S, create=False) as store:
        back_up(store, [], file)
        store.begin(NOW_S)
        kept = store.oscore_parties()[0].sequence_reserved
    (filled / DATABASE_NAME).write_bytes(file.read_bytes()[len(MAGIC) + 32 :])
    with Store(filled, NOW_S, create=False) as store:
        assert store.begin(NOW_S) != CLEAN
        assert store.oscore_parties()[0].sequence_reserved > kept + EPOCH_JUMP
    (filled / DATABASE_NAME).write_bytes(file.read_bytes())
    with pytest.raises(StoreFailed):
        Store(filled, NOW_S, create=False)
