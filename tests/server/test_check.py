"""`check` looks before it touches anything, and finds what would make a server fail or leak."""

import datetime as dt
import json
import os
import sqlite3
import stat
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from testkit.serve import holdfast, init

DAY = dt.timedelta(days=1)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def findings(state, *argv, code=0):
    done = holdfast("check", "--json", "--state", state, *argv)
    assert done.returncode == code, (done.stdout, done.stderr)
    return {row["check"]: row for row in json.loads(done.stdout)}


def bad(rows):
    return {name: row["says"] for name, row in rows.items() if not row["ok"]}


def test_a_new_server_is_well(state):
    assert bad(findings(state)) == {}


def test_modes_are_reported_and_left_until_fix_is_said(state):
    os.chmod(state, 0o755)
    os.chmod(state / "holdfast.db", 0o644)
    (state / "notes.txt").write_text("not ours")
    os.chmod(state / "notes.txt", 0o666)
    for _ in range(2):
        rows = bad(findings(state, code=1))
        assert set(rows) == {"mode of state", "mode of holdfast.db"}
        assert "644: others than its owner" in rows["mode of holdfast.db"]
        assert (mode_of(state), mode_of(state / "holdfast.db")) == (0o755, 0o644)
    assert bad(findings(state, "--fix")) == {}
    assert (mode_of(state), mode_of(state / "holdfast.db")) == (0o700, 0o600)
    assert mode_of(state / "notes.txt") == 0o666


def test_no_other_command_mends_a_mode(state, run):
    os.chmod(state, 0o750)
    run("user", "list")
    assert mode_of(state) == 0o750


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_found(state):
    os.chown(state / "holdfast.db", 12345, -1)
    assert "holdfast.db not of the directory's owner" in bad(findings(state, code=1))["owner of the files"]


def make_certificate(folder, begins, ends):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "as.example")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now + begins, now + ends
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(private)
    os.chmod(folder / "tls.key", 0o600)


@pytest.fixture
def served(tmp_path):
    make_certificate(tmp_path, -DAY, 90 * DAY)
    tls = ("--certificate", str(tmp_path / "tls.crt"), "--key", str(tmp_path / "tls.key"))
    init(tmp_path / "state", *tls)
    return tmp_path / "state"


def test_a_good_certificate_is_named_with_its_end(served):
    rows = findings(served)
    assert "until " in rows["certificate"]["says"]
    assert bad(rows) == {}


@pytest.mark.parametrize(
    ("begins", "ends", "says"),
    [
        (-2 * DAY, -DAY, "ended at"),
        (-2 * DAY, 13 * DAY, "ends soon, at"),
        (DAY, 90 * DAY, "is not valid before"),
    ],
)
def test_a_certificate_out_of_its_time_is_found(served, tmp_path, begins, ends, says):
    make_certificate(tmp_path, begins, ends)
    rows = bad(findings(served, code=1))
    assert list(rows) == ["certificate"]
    assert says in rows["certificate"]


def test_a_key_of_another_certificate_is_found(served, tmp_path):
    certificate = (tmp_path / "tls.crt").read_bytes()
    make_certificate(tmp_path, -DAY, 90 * DAY)
    (tmp_path / "tls.crt").write_bytes(certificate)
    assert "are not a certificate and its key" in bad(findings(served, code=1))["certificate"]


def test_a_tls_key_that_everybody_can_read_is_found_and_not_touched(served, tmp_path):
    os.chmod(tmp_path / "tls.key", 0o644)
    assert "chmod 600" in bad(findings(served, "--fix", code=1))["TLS key"]
    assert mode_of(tmp_path / "tls.key") == 0o644
    os.chmod(tmp_path / "tls.key", 0o640)  # of a group, as ssl-cert is on Debian
    assert bad(findings(served)) == {}


def test_a_damaged_database_is_found(state):
    connection = sqlite3.connect(state / "holdfast.db")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("INSERT INTO audiences VALUES ('a', 'nobody')")
    connection.commit()
    connection.close()
    assert "is damaged" in bad(findings(state, code=1))["database"]


def test_a_device_that_must_be_told_is_found(state, run, tmp_path):
    run("rs", "add", "tube", "--scope", "read=GET:/r")
    run("rs", "export", "tube", "--out", tmp_path / "tube")
    assert bad(findings(state)) == {}
    run("rs", "set", "tube", "--scope", "read=GET:/result")
    assert bad(findings(state, code=1)) == {"devices": "to be provisioned again: tube (scopes)"}


def test_init_leaves_a_directory_that_is_there_as_it_is(tmp_path):
    place = tmp_path / "srv"
    place.mkdir()
    os.chmod(place, 0o755)
    (place / "notes.txt").write_text("somebody's")
    before = (place / "notes.txt").stat()
    done = holdfast("init", "--state", place)
    assert done.returncode == 0
    assert "others may look into" in done.stderr
    assert mode_of(place) == 0o755
    after = (place / "notes.txt").stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert {mode_of(path) for path in place.iterdir() if path.name != "notes.txt"} == {0o600}


def test_init_where_a_database_is_touches_nothing(tmp_path):
    (tmp_path / "holdfast.db").write_bytes(b"precious")
    made = time.time_ns()
    done = holdfast("init", "--state", tmp_path)
    assert (done.returncode, "already has a server" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["holdfast.db"]
    assert (tmp_path / "holdfast.db").stat().st_mtime_ns < made
