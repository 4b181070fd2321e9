"""The real process: ready, watched, asked over HTTP, stopped, started twice, and with a disk that is full."""

import json
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import holdfast_hub.process.run
from holdfast_core import labels as L
from holdfast_core.coap_message import Message, decode, encode
from holdfast_core.terminal_shell import as_text
from holdfast_hub.process.http import MAX_CONNECTIONS, MAX_HEAD_LEN
from holdfast_hub.process.log import EVENTS
from testkit.hub import COMMAND, NEEDED_S, HubPlace, environment, get, stopped


@pytest.fixture
def place(tmp_path):
    return HubPlace(tmp_path)


@pytest.fixture
def manager(tmp_path):
    """A datagram socket as a service manager has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(20)
        bound.bind(str(tmp_path / "notify"))
        yield bound


def test_ready_alive_and_stopping_are_told_to_the_service_manager(place, manager):
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000"}
    with place.running(env=environment) as process:
        assert manager.recv(500).startswith(b"READY=1\nSTATUS=")
        assert [manager.recv(500) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        code, lines = stopped(process)
        told = set()
        while (fact := manager.recv(500)) != b"STOPPING=1":
            told.add(fact)
        assert told <= {b"WATCHDOG=1"}
    assert code == 0
    assert "event=draining" in lines[-2]
    assert "event=stopped" in lines[-1]


def test_a_socket_that_the_service_manager_has_opened_loses_nothing_before_the_start(place):
    """What comes before the hub runs is answered when it does; LISTEN_PID is known in the process alone."""
    program = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
        "os.execv(sys.executable, sys.argv[2:])"
    )
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        bound.bind(("127.0.0.1", 0))
        client.connect(bound.getsockname())
        client.settimeout(NEEDED_S)
        ping = encode(Message(L.CODE_EMPTY, b"", [], L.TYPE_CON, 7, b""))
        client.send(ping)
        coap = f"coap.bind=127.0.0.1:{bound.getsockname()[1]}"
        start = [*COMMAND, "run", "--config", str(place.config), "--set", coap]
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(bound.fileno()), *start],
            pass_fds=[bound.fileno()],
            env=environment({"LISTEN_FDS": "1"}),
            stdout=subprocess.PIPE,
        )
        try:
            answer = decode(client.recv(100))
            assert (answer.mtype, answer.mid) == (L.TYPE_RST, 7)
        finally:
            process.kill()
            process.communicate(timeout=NEEDED_S)


def test_health_over_http(place):
    with place.running() as process:
        port = process.ready["health"]
        assert get(port, "/healthz")[::2] == (200, b"ok\n")
        status, _, body = get(port, "/readyz")
        assert (status, json.loads(body)) == (200, {"ready": True, "because": None})
        status, head, body = get(port, "/metrics")
        assert status == 200
        assert b"text/plain; version=0.0.4" in head
        assert b"holdfast_hub_spool_parcels 0.0" in body
        assert get(port, "/healthz", method="HEAD")[::2] == (200, b"")
        # What changes something or tells names is for the owner of the state directory.
        for path, method, wanted in (
            ("/drain", "POST", 404),
            ("/status", "GET", 404),
            ("/healthz", "POST", 405),
            ("/", "GET", 404),
        ):
            assert get(port, path, method=method)[0] == wanted
        assert get(port, "/healthz", host="evil.example")[0] == 421
        assert get(port, "/healthz", host="localhost:9683")[0] == 200
        assert get(port, "/healthz", host="[::1]:9683")[0] == 200
        assert get(port, "", octets=b"nonsense\r\n\r\n")[0] == 400
        assert get(port, "", octets=b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * MAX_HEAD_LEN)[0] == 0
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(MAX_CONNECTIONS)]
        assert get(port, "/healthz")[0] == 0
        assert place.told("status", "--health")["ready"]  # the owner has another door
        for connection in waiting:
            connection.close()
        assert stopped(process)[0] == 0


def test_status_asks_the_hub_that_runs_and_says_when_none_does(place):
    assert place.call("status", "--health").returncode == 3
    with place.running():
        assert place.told("status", "--health") == {"ready": True, "because": None}
        told = place.told("status")
        assert (told["name"], told["spool"]["waits"]) == ("hub", 0)
        assert "ready" in place.call("status").stdout
        assert as_text(told["spool"]).startswith("waits: 0")
    done = place.call("status")
    assert (done.returncode, "No hub answers" in done.stderr) == (3, True)


def test_a_deep_state_directory_can_be_asked_too(tmp_path):
    folder = tmp_path / ("a" * 120)
    folder.mkdir()
    deep = HubPlace(folder)
    with deep.running():
        assert deep.told("status", "--health")["ready"]


def test_two_hubs_on_one_state_directory(place):
    with place.running():
        code, says = place.refused()
        assert code == 2
        assert says.startswith("Error: Another hub runs in ")
        assert place.told("status", "--health")["ready"]
    with place.running():
        pass


def test_a_port_that_is_taken_is_one_sentence(place):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        code, says = place.refused("--set", f"coap.bind=127.0.0.1:{taken.getsockname()[1]}")
    assert code == 2
    assert says.splitlines()[-1].startswith("Error: coap.bind 127.0.0.1:")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, says = place.refused("--set", f"health.bind=127.0.0.1:{taken.getsockname()[1]}")
    assert code == 2
    assert says.splitlines()[-1].startswith("Error: health.bind 127.0.0.1:")
    with place.running():
        pass


def test_killed_and_started_again(place):
    for _ in range(2):
        with place.running() as process:
            process.send_signal(signal.SIGKILL)
            assert process.wait(20) == -signal.SIGKILL
    with place.running():
        assert place.told("status", "--health")["ready"]


def test_drain_stops_the_hub(place):
    with place.running() as process:
        assert place.told("drain")["stops"]
        assert process.wait(20) == 0
    assert place.call("drain").returncode == 3


def test_a_disk_that_is_full_is_not_ready_and_the_process_stays(place):
    free = 1 << 20  # MiB: no disk has so much
    with place.running("--set", f"spool.keep_free_mib={free}") as process:
        status, _, body = get(process.ready["health"], "/readyz")
        assert status == 503
        assert "spool" in json.loads(body)["because"]
        assert place.call("status", "--health").returncode == 1
        assert get(process.ready["health"], "/healthz")[0] == 200
        assert stopped(process)[0] == 0


def test_a_disk_that_refuses_every_write_is_not_ready_and_the_process_stays(place):
    with place.running() as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 1 << 40))
        assert get(process.ready["health"], "/readyz")[0] == 503
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1 << 40, 1 << 40))
        end_s = time.monotonic() + 20
        while get(process.ready["health"], "/readyz")[0] != 200:
            assert time.monotonic() < end_s
        code, lines = stopped(process)
    assert code == 0
    assert any("event=spool-failed" in line for line in lines)


def test_logs_as_json_have_stable_events(place):
    with place.running("--set", "log.format=json") as process:
        code, lines = stopped(process)
    records = [json.loads(line) for line in lines]
    assert [record["event"] for record in records] == ["listening", "draining", "stopped"]
    assert all(record["event"] in EVENTS and record["level"] == "info" and "time" in record for record in records)
    assert code == 0


def test_the_log_says_each_event_that_it_names_and_no_other():
    process = Path(holdfast_hub.process.run.__file__).parent
    source = "".join(path.read_text() for path in sorted(process.glob("*.py")))
    calls = "".join(re.findall(r"(?:say|warn|log_bug|self\._tell)\((.*)", source))
    assert set(re.findall(r'"([a-z]+(?:-[a-z]+)+|listening|draining|stopped|reloaded|escaped)"', calls)) == {
        *EVENTS
    } - {"bug"}


def test_a_bug_of_a_tick_ends_the_hub_in_one_sentence_and_names_its_place(place):
    broken = "from holdfast_hub.process.hub import Hub; Hub.tick = lambda hub: 1 / 0; "
    program = broken + "from holdfast_core.cli import main; main()"
    command = [sys.executable, "-c", program, "hub", "run", "--config", str(place.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=NEEDED_S, check=False, env=environment())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "event=bug kind=ZeroDivisionError" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: A part of the hub has stopped")
