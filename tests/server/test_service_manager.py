"""What `holdfast server serve` tells a service manager: ready, alive, stopping; nothing when it cannot serve."""

import signal
import socket

import pytest

from testkit.serve import ended, init, process, serving


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the manager has heard: a function that waits for the next datagram."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", bound.getsockname())
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        yield bound


def test_ready_alive_while_it_serves_and_stopping(told, tmp_path):
    init(tmp_path / "state")
    with serving(tmp_path / "state") as serve:
        heard = {told.recv(100) for _ in range(4)}
        assert heard == {b"READY=1", b"WATCHDOG=1"}
        serve.send_signal(signal.SIGTERM)
        assert ended(serve)[0] == 0
    told.setblocking(False)
    while (last := told.recv(100)) == b"WATCHDOG=1":
        pass
    assert last == b"STOPPING=1"
    with pytest.raises(BlockingIOError):
        told.recv(100)


def test_a_server_that_cannot_have_its_port_is_never_ready(told, tmp_path):
    http, _, _ = init(tmp_path / "state")
    with socket.create_server(("127.0.0.1", http)):
        assert process("serve", "--state", tmp_path / "state").returncode == 2
    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(100)
