"""SIGHUP: a renewed certificate without a restart, and nothing lost by a file that cannot be used."""

import contextlib
import http.client
import signal
import sqlite3
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from holdfast_server.process.config import load
from holdfast_server.process.reload import waits_for_restart
from holdfast_server.store.sqlite import DATABASE_NAME
from testkit.serve import COMMAND, ended, environment, init, serving


def make_certificate(certificate):
    """A new key and certificate in place of what was there."""
    key = certificate.with_suffix(".key")
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    return key


@pytest.fixture
def certified(tmp_path):
    """A state directory with a certificate, and the certificate's path."""
    certificate = tmp_path / "tls.crt"
    key = make_certificate(certificate)
    init(tmp_path / "state", "--certificate", str(certificate), "--key", str(key))
    return tmp_path / "state", certificate


def presented(port):
    """The certificate that a new connection is shown, as PEM."""
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)


def eventually(condition):
    until = time.monotonic() + 15
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def test_a_renewed_certificate_is_served_to_new_connections_and_old_ones_go_on(certified):
    state, certificate = certified
    with serving(state) as process:
        port = process.ready["http"]
        before = certificate.read_text()
        assert presented(port).strip() == before.strip()
        tls = ssl.create_default_context(cafile=str(certificate))
        kept = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=tls)
        with contextlib.closing(kept):
            kept.request("GET", "/healthz")
            assert kept.getresponse().read() == b"ok\n"
            make_certificate(certificate)
            process.send_signal(signal.SIGHUP)
            assert eventually(lambda: presented(port).strip() == certificate.read_text().strip() != before.strip())
            kept.request("GET", "/healthz")
            assert kept.getresponse().read() == b"ok\n"
        process.send_signal(signal.SIGTERM)
        code, _, logged = ended(process)
    assert code == 0
    assert "event=reloaded waits_for_restart=-" in logged


def test_what_cannot_be_used_changes_nothing_and_is_one_line(certified):
    state, certificate = certified
    with serving(state) as process:
        port = process.ready["http"]
        before = presented(port)
        certificate.with_suffix(".key").write_text("half a k")
        process.send_signal(signal.SIGHUP)
        _, refused = process.stderr.readline(), process.stderr.readline()  # after that it listens
        assert "event=reload-refused" in refused
        assert "are not a certificate and its key" in refused
        (state / "server.toml").write_text("issuer = ")
        process.send_signal(signal.SIGHUP)
        assert "is not TOML" in process.stderr.readline()
        (state / "server.toml").write_text("issuer = " + "[" * 5000)
        process.send_signal(signal.SIGHUP)
        assert "is nested too deeply" in process.stderr.readline()
        assert presented(port) == before
        assert process.poll() is None


def test_a_sighup_that_comes_while_the_server_starts_is_no_end(state):
    with contextlib.closing(sqlite3.connect(state / DATABASE_NAME, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")  # nothing starts meanwhile
        process = subprocess.Popen(
            [*COMMAND, "serve", "--state", state], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        with process, contextlib.ExitStack() as stack:
            stack.callback(process.kill)
            assert eventually(lambda: ignores(process, signal.SIGHUP))
            process.send_signal(signal.SIGHUP)
            database.execute("ROLLBACK")
            assert b"ready" in process.stdout.readline()
            process.send_signal(signal.SIGHUP)
            while b"event=reloaded" not in (line := process.stderr.readline()):
                assert line
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def ignores(process, number):
    """Whether a process has said so."""
    fields = dict(line.split(":\t") for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return bool(int(fields["SigIgn"], 16) >> (number - 1) & 1)


def test_it_says_what_waits_for_a_restart(state):
    now = load(state)
    path = state / "server.toml"
    text = path.read_text()
    assert waits_for_restart(now, load(state)) == []
    path.write_text(text.replace("audit_days = 365", "audit_days = 7"))
    assert waits_for_restart(now, load(state)) == []
    changed = text.replace('name = "Holdfast"', 'name = "Ward"').replace(
        "code_lifetime_s = 120", "code_lifetime_s = 60"
    )
    path.write_text(changed.replace('# proxies = ["127.0.0.1"]', 'proxies = ["127.0.0.1"]'))
    assert waits_for_restart(now, load(state)) == ["name", "code_lifetime_s", "http.proxies"]
    with serving(state) as process:
        path.write_text(text)
        process.send_signal(signal.SIGHUP)
        lines = [process.stderr.readline() for _ in range(2)]
        assert lines[1].endswith("event=reloaded waits_for_restart=name,code_lifetime_s,http.proxies\n")
