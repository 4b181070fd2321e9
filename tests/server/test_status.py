"""`holdfast server status`: the server answers and is ready, over HTTP and TLS; and every way in which it is not."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from holdfast_server.cli import status
from testkit.serve import certified, holdfast, init, serving


def said(state, code):
    done = holdfast("status", "--state", state, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_serves_is_ready_and_one_that_has_stopped_does_not_answer(tmp_path, tls):
    http = certified(tmp_path)[1] if tls else init(tmp_path / "state")[0]
    with serving(tmp_path / "state"):
        assert said(tmp_path / "state", 0) == {
            "http": f"127.0.0.1:{http}",
            "answers": True,
            "ready": True,
            "why": "",
        }
    told = said(tmp_path / "state", 3)
    assert (told["answers"], told["ready"], told["why"]) == (False, False, "nothing answers there as a server does")


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [
        (b"not ready: the database cannot be written\n", 1, "not ready: the database cannot be written"),
        (b"\x1b[2Jready\n", 1, ""),
        (b"x" * 10_000, 1, "x" * status.MAX_REASON_LEN),
    ],
)
def test_why_it_is_not_ready_is_said_and_no_control_character_of_it(tmp_path, answer, code, why):
    class Unready(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(503)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Say nothing."""

    http, _, _ = init(tmp_path / "state")
    with HTTPServer(("127.0.0.1", http), Unready) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert said(tmp_path / "state", code)["why"] == why
        thread.join()


@pytest.mark.parametrize("greeting", [b"SSH-2.0-x\r\n", b""])
def test_another_program_at_the_port_is_no_server(tmp_path, monkeypatch, greeting):
    monkeypatch.setattr(status, "PATIENCE_S", 0.2)
    http, _, _ = init(tmp_path / "state")
    with socket.create_server(("127.0.0.1", http)) as other:

        def greet():
            with other.accept()[0] as peer:
                peer.sendall(greeting)
                peer.recv(1000)
                peer.recv(1)  # until the command has gone

        thread = threading.Thread(target=greet)
        thread.start()
        assert not said(tmp_path / "state", 3)["answers"]
        thread.join()


def test_no_state_directory_is_the_operators_to_mend(tmp_path):
    done = holdfast("status", "--state", tmp_path / "none")
    assert done.returncode == 2
    assert "holdfast server init" in done.stderr
