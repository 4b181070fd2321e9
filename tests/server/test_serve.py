"""`holdfast server serve` as a process: ready, stopped, killed and started again, and never two on one directory."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from holdfast_core import cbor
from holdfast_core import labels as L
from holdfast_core.oscore import SecurityContext
from holdfast_core.provisioning import decode_provisioning
from holdfast_server.records import AS_SENDER_ID
from holdfast_server.wire.context_forms import decode_context
from testkit.as_peer import Peer, context_of, partial_ivs
from testkit.serve import certified, ended, holdfast, init, serving
from testkit.serve import process as process_of

UNKNOWN = {L.INTRO_TOKEN: b"unknown"}
INACTIVE = cbor.encode({L.INTRO_ACTIVE: False})


@pytest.fixture
def state(tmp_path):
    """A server's directory with a connected RS in it."""
    path = tmp_path / "state"
    init(path)
    holdfast("rs", "add", "ekg", "--scope", "read_ekg=GET:/ekg", "--format", "reference", "--state", path)
    return path


def exported(state, tmp_path, rs_id="ekg"):
    """What the device is told."""
    out = tmp_path / f"{rs_id}.prov"
    done = holdfast("rs", "export", rs_id, "--out", out, "--state", state)
    assert done.returncode == 0, done.stderr
    return decode_provisioning(out.read_bytes())


def introspect(ready, context):
    """Ask once; returns (answer or reason, every datagram that came)."""

    async def play():
        async with Peer(("127.0.0.1", ready["coap"])) as peer:
            return await peer.post("/introspect", UNKNOWN, context), peer.datagrams

    return asyncio.run(play())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_that_it_is_ready_answers_on_both_ports_and_stops_cleanly(state, tmp_path, number):
    context = context_of(exported(state, tmp_path).as_context)
    with serving(state) as process:
        with httpx.Client(base_url=f"http://127.0.0.1:{process.ready['http']}") as client:
            assert client.get("/readyz").text == "ready\n"
            assert client.get("/.well-known/oauth-authorization-server").json()["token_endpoint"].endswith("/token")
        assert introspect(process.ready, context)[0].payload == INACTIVE
        process.send_signal(number)
        code, _, logged = ended(process)
    assert code == 0
    lines = logged.splitlines()
    assert [line.split()[2] for line in lines] == ["event=listening", "event=stopped"]
    assert all(" " not in pair.partition("=")[0] for line in lines for pair in line.split())


def test_after_a_kill_a_device_is_served_again_with_one_more_round_trip_and_no_number_repeats(state, tmp_path):
    context = context_of(exported(state, tmp_path).as_context)
    used = []
    for life in range(4):
        with serving(state) as process:
            first, challenged = introspect(process.ready, context)
            again, direct = introspect(process.ready, context)
            process.kill()
        assert (first.payload, again.payload) == (INACTIVE, INACTIVE)
        # First a new context (RFC 8613 appendix B.2); then Echo, since a kill leaves open what was received.
        assert (len(challenged), len(direct)) == (2, 1)
        used += partial_ivs(challenged + direct) if life else []
    assert len(used) == len(set(used)) == 3


def test_after_a_clean_stop_a_device_is_served_at_once_and_its_old_requests_are_not(state, tmp_path):
    out = tmp_path / "context"
    argv = ("context", "export", "--rs", "ekg", "--form", "cbor", "--out", out, "--sender-id", "01", "--state", state)
    assert holdfast(*argv).returncode == 0
    told = decode_context("cbor", out.read_bytes())
    context = SecurityContext(told.master_secret, told.master_salt, b"\x01", AS_SENDER_ID)
    for _ in range(3):
        with serving(state) as process:
            answer, datagrams = introspect(process.ready, context)
            process.send_signal(signal.SIGTERM)
            assert ended(process)[0] == 0
        assert (answer.payload, len(datagrams)) == (INACTIVE, 1)
    context.sequence.next_value = 0
    with serving(state) as process:
        assert introspect(process.ready, context)[0] == "unprotected"  # 4.01: a replay, and not a challenge


def test_a_copied_directory_is_one_sentence_and_serves_when_the_operator_answers_for_it(state, tmp_path):
    copy = shutil.copytree(state, tmp_path / "copy")
    refused = process_of("serve", "--state", copy)
    assert refused.returncode == 2
    assert f"`holdfast server restored --state {copy}`" in refused.stderr
    assert f"`holdfast server restored --state {copy}`" in holdfast("check", "--state", copy).stdout
    assert holdfast("restored", "--state", copy).returncode == 0
    with serving(copy) as process:
        assert process.ready


def test_captured_requests_replayed_after_a_restart_are_not_carried_out(state, tmp_path):
    context = context_of(exported(state, tmp_path).as_context)
    sent = []
    with serving(state) as process:

        async def record():
            async with Peer(("127.0.0.1", process.ready["coap"])) as peer:
                take = peer.stack.take_datagrams
                peer.stack.take_datagrams = lambda: [sent.append(pair[0]) or pair for pair in take()]
                for _ in range(5):
                    await peer.post("/introspect", UNKNOWN, context)

        asyncio.run(record())
        process.kill()
    with serving(state) as process:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.settimeout(20)
            seen = []
            for datagram in sent:
                thief.sendto(datagram, ("127.0.0.1", process.ready["coap"]))
                seen.append(thief.recv(2048))
        ivs = partial_ivs(seen)
        assert len(ivs) == len(set(ivs)) == len(sent)  # challenges, each with a number of its own
        assert introspect(process.ready, context)[0].payload == INACTIVE


def test_a_device_registered_while_it_runs_is_served_and_one_removed_is_not(state, tmp_path):
    with serving(state) as process:
        added = holdfast("rs", "add", "new", "--scope", "s=GET:/s", "--format", "reference", "--state", state)
        assert added.returncode == 0
        context = context_of(exported(state, tmp_path, "new").as_context)
        assert introspect(process.ready, context)[0].payload == INACTIVE
        assert holdfast("rs", "disable", "new", "--state", state).returncode == 0
        assert introspect(process.ready, context)[0].code == L.CODE_FORBIDDEN
        assert holdfast("rs", "enable", "new", "--state", state).returncode == 0
        assert introspect(process.ready, context)[0].payload == INACTIVE
        assert holdfast("rs", "remove", "new", "--yes", "--state", state).returncode == 0
        assert introspect(process.ready, context)[0] == "unprotected"  # 4.01, as for any unknown kid


def test_an_export_made_again_is_a_new_context_and_the_old_one_stops(state, tmp_path):
    old = context_of(exported(state, tmp_path).as_context)
    with serving(state) as process:
        assert introspect(process.ready, old)[0].payload == INACTIVE
        (tmp_path / "ekg.prov").unlink()
        new = context_of(exported(state, tmp_path).as_context)
        assert introspect(process.ready, old)[0] == "unprotected"
        assert introspect(process.ready, new)[0].payload == INACTIVE


def test_a_second_server_on_the_directory_is_one_sentence_and_commands_still_work(state):
    with serving(state) as process:
        second = process_of("serve", "--state", state)
        assert second.returncode == 2
        assert second.stderr == f"Error: another holdfast server uses this state directory: {state}.\n"
        assert second.stdout == ""
        assert holdfast("restored", "--state", state).returncode == 2
        for command in (["check"], ["rs", "list"], ["key", "rotate"], ["audit"], ["token", "list"], ["user", "list"]):
            assert holdfast(*command, "--state", state).returncode == 0, command
        assert process.poll() is None


@pytest.mark.parametrize(("key", "kind"), [("http", socket.SOCK_STREAM), ("coap", socket.SOCK_DGRAM)])
def test_a_busy_port_is_one_sentence(tmp_path, key, kind):
    http, coap, _ = init(tmp_path)
    port = {"http": http, "coap": coap}[key]
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        done = process_of("serve", "--state", tmp_path)
    assert done.returncode == 2
    assert f"Error: {key}.bind 127.0.0.1:{port} cannot be served: Address already in use.\n" in done.stderr
    assert '"ready"' not in done.stdout


def test_a_connection_that_does_not_say_what_it_wants_is_closed(state):
    """Neither at its first request nor at a later one, nor by dripping octets."""
    with serving(state) as process, socket.socket() as first, socket.socket() as later:
        for slow in (first, later):
            slow.settimeout(20)
            slow.connect(("127.0.0.1", process.ready["http"]))
        later.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok\n"):
            more = later.recv(4096)
            assert more, answer
            answer += more
        assert answer.startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        for slow in (first, later):
            slow.sendall(b"GET /healthz HT")
            slow.sendall(b"T")
        assert (first.recv(100), later.recv(100)) == (b"", b"")
        assert 3 < time.monotonic() - started < 15


def test_a_connection_that_asks_and_does_not_read_is_cut_off(state):
    with serving(state) as process:
        before = sockets_of(process)
        started = time.monotonic()
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", process.ready["http"]))
            deaf.settimeout(2)
            with contextlib.suppress(TimeoutError):  # until neither side takes more
                while time.monotonic() < started + 30:
                    deaf.sendall(b"GET /static/style.css HTTP/1.1\r\nhost: x\r\n\r\n" * 100)
            while sockets_of(process) - before and time.monotonic() < started + 60:
                time.sleep(0.2)
            assert sockets_of(process) == before
        with httpx.Client() as other:
            assert other.get(f"http://127.0.0.1:{process.ready['http']}/healthz").status_code == 200


def test_headers_without_an_end_are_refused(state):
    with serving(state) as process, socket.socket() as chatty:
        chatty.settimeout(20)
        chatty.connect(("127.0.0.1", process.ready["http"]))
        chatty.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 60_000)
        assert chatty.recv(100).startswith(b"HTTP/1.1 400")


def test_a_stop_waits_for_who_is_being_answered(state):
    """A request whose body is still coming when the signal arrives is answered before the end."""
    with serving(state) as process, socket.socket() as client:
        client.settimeout(20)
        client.connect(("127.0.0.1", process.ready["http"]))
        head = b"POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        client.sendall(head + b"content-length: 9\r\n\r\nscope=")
        with httpx.Client() as other:  # by its answer, the request above is being served
            assert other.get(f"http://127.0.0.1:{process.ready['http']}/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        client.sendall(b"a=b")
        assert client.recv(4096).startswith(b"HTTP/1.1 401")
        assert ended(process)[0] == 0


def test_a_trace_shows_sizes_and_codes_and_no_content(state, tmp_path):
    context = context_of(exported(state, tmp_path).as_context)
    with serving(state, "--trace") as process:
        introspect(process.ready, context)
        process.send_signal(signal.SIGTERM)
        _, out, _ = ended(process)
    assert '"inner": "2.01"' in out
    assert '"path": "/introspect"' in out
    assert b"unknown".hex() not in out
    assert "unknown" not in out


def test_a_certificate_is_served_and_a_wrong_one_is_one_sentence(tmp_path):
    certificate, http = certified(tmp_path)
    key = certificate.with_suffix(".key")
    with serving(tmp_path / "state"), httpx.Client(verify=_trusting(certificate)) as client:
        answer = client.get(f"https://127.0.0.1:{http}/.well-known/oauth-authorization-server")
        assert answer.json()["issuer"] == f"https://127.0.0.1:{http}"
        assert "strict-transport-security" in answer.headers
    key.write_text("not a key")
    done = process_of("serve", "--state", tmp_path / "state")
    assert done.returncode == 2
    assert "are not a certificate and its key" in done.stderr
    key.unlink()
    done = holdfast("check", "--state", tmp_path / "state")
    assert done.returncode == 1
    assert f"{key} does not exist" in done.stdout


def test_a_connection_that_does_not_greet_or_does_not_part_is_closed(tmp_path):
    """One never begins with TLS; the other does, asks nothing, and does not answer when it is told to go."""
    certificate, http = certified(tmp_path)
    inbox, outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _trusting(certificate).wrap_bio(inbox, outbox, server_hostname="127.0.0.1")
    with serving(tmp_path / "state") as process:
        before = sockets_of(process)
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", http)), socket.create_connection(("127.0.0.1", http), 20) as mute:
            while tls.version() is None or outbox.pending:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                mute.sendall(outbox.read())
                if tls.version() is None:
                    inbox.write(mute.recv(65536))
            while len(sockets_of(process) - before) < 2 and time.monotonic() < started + 4:
                time.sleep(0.05)
            assert len(sockets_of(process) - before) == 2
            while sockets_of(process) - before and time.monotonic() < started + 20:
                time.sleep(0.1)
            assert sockets_of(process) == before
            assert 3 < time.monotonic() - started < 15


def sockets_of(process):
    """The sockets that a process has, by what they are."""
    links = set()
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.add(os.readlink(entry))
    return {link for link in links if link.startswith("socket:")}


def _trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate))


def test_the_clock_that_was_never_set_is_no_reason_to_stop_but_not_ready(state):
    """A gateway boots in 1970: the server starts, refuses to issue, and says that it is not ready."""
    script = (
        "import time, holdfast_server.cli.serve as s; s._wall_s = lambda: 5000\n"
        "from holdfast_core.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, "server", "serve", "--state", str(state)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        http = json.loads(process.stdout.readline())["ready"]["http"]
        with httpx.Client() as client:
            assert client.get(f"http://127.0.0.1:{http}/readyz").status_code == 503
            assert client.get(f"http://127.0.0.1:{http}/healthz").status_code == 200
    finally:
        process.kill()
        process.communicate()


def test_as_a_process_it_is_the_same(tmp_path):
    done = process_of("init", "--state", tmp_path / "state", "--json")
    assert done.returncode == 0
    answered = json.loads(done.stdout)
    assert set(answered) == {"state", "config", "signing_kids", "admin"}
    assert process_of("check", "--state", tmp_path / "state").returncode == 0
    missing = process_of("check", "--state", tmp_path / "other")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith("Error: There is no ")
