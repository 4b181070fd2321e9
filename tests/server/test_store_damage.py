"""Every way in which a database can be damaged is one sentence, and none is served or called well."""

import os
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest

from holdfast_server.authz.errors import StoreError
from holdfast_server.store.sqlite import DATABASE_NAME, Store
from testkit.authz import build_story_as
from testkit.serve import COMMAND, environment, holdfast

FLIPS = 150


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A database with some of everything in it."""
    path = tmp_path_factory.mktemp("sound") / "state"
    story = build_story_as(path)
    for _ in range(5):
        story.tube_token(story.doctor_token()["access_token"])
    story.store.close()
    return path / DATABASE_NAME


def test_a_sound_database_has_no_damage(sound):
    with Store(sound.parent, serving=False, create=False) as store:
        assert store.damage() is None
        assert store.damage(whole=False) is None


def test_of_many_single_flipped_bits_none_is_served_that_sqlite_calls_damage(sound, tmp_path):
    source, seen = random.Random(5), {"damage": 0, "refused": 0, "sound": 0}
    octets = sound.read_bytes()
    path = tmp_path / DATABASE_NAME
    for _ in range(FLIPS):
        at = source.randrange(len(octets))
        path.write_bytes(octets[:at] + bytes((octets[at] ^ 1 << source.randrange(8),)) + octets[at + 1 :])
        for rest in ("-wal", "-shm"):
            path.with_name(DATABASE_NAME + rest).unlink(missing_ok=True)
        try:
            with Store(tmp_path, serving=False, create=False) as store:
                damage = store.damage(whole=False)
                assert damage == store.damage()
                if damage is None:
                    assert store._one("PRAGMA integrity_check")[0] == "ok"
        except StoreError:
            seen["refused"] += 1
            continue
        seen["sound" if damage is None else "damage"] += 1
    assert min(seen.values()) > 0, seen


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_database(path):
    path.write_bytes(b"this is a text, and a long one" * 400)


def empty(path):
    path.write_bytes(b"")


def without_a_table(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE consents")


def without_an_index(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP INDEX tokens_expiry")


def with_another_index(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("DROP INDEX tokens_expiry; CREATE INDEX tokens_expiry ON tokens (issued_at)")


def with_a_record_that_does_not_read(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("""INSERT INTO clients (client_id, record, created_at) VALUES ('x', '{"scopes": ', 1)""")


def with_a_reference_to_nothing(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO audiences VALUES ('a', 'nobody')")


def with_a_log_that_cannot_be_opened(path):
    path.with_name(path.name + "-wal").mkdir()


DAMAGES = [
    truncated,
    no_database,
    empty,
    without_a_table,
    without_an_index,
    with_another_index,
    with_a_record_that_does_not_read,
    with_a_reference_to_nothing,
    with_a_log_that_cannot_be_opened,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_way_to_be_damaged_is_one_sentence_for_check_and_serve(state, damage):
    damage(state / DATABASE_NAME)
    checked = holdfast("check", "--state", state)
    assert checked.returncode in (1, 2)
    assert "database" in checked.stdout + checked.stderr
    done = subprocess.run(
        [*COMMAND, "serve", "--state", str(state)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert ("-wal" if damage is with_a_log_that_cannot_be_opened else "holdfast server restore") in done.stderr


def test_a_damaged_record_is_a_sentence_for_every_command(state):
    with_a_record_that_does_not_read(state / DATABASE_NAME)
    for argv in (("client", "list"), ("client", "show", "x")):
        done = holdfast(*argv, "--state", state)
        assert done.returncode == 2
        assert "does not read" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file away")
def test_a_directory_of_somebody_else_is_one_sentence(state):
    shutil.chown(state, 65534, 65534)
    os.chmod(state, 0o755)
    for parent in state.parents[:3]:
        os.chmod(parent, 0o755)
    done = subprocess.run(
        ["setpriv", "--reuid=65533", "--clear-groups", *COMMAND, "check", "--state", str(state)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
