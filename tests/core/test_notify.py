"""What a process tells its service manager, over real sockets: facts when asked, else nothing, and never an error."""

import os
import socket

import pytest

from holdfast_core.notify_shell import ALIVE, READY, Notifier


@pytest.fixture
def manager(tmp_path):
    """A datagram socket as a service manager has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(5)
        bound.bind(str(tmp_path / "notify"))
        yield bound


def test_facts_arrive_in_one_datagram(manager):
    Notifier({"NOTIFY_SOCKET": manager.getsockname()}).tell(READY, "STATUS=2 devices")
    assert manager.recv(100) == b"READY=1\nSTATUS=2 devices"


def test_a_socket_without_a_file_is_found():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(5)
        bound.bind(f"\0holdfast-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@holdfast-test-{os.getpid()}"}).tell(ALIVE)
        assert bound.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "vsock:2:1234", "notify", "@" + "x" * 200])
def test_nobody_to_tell_is_no_error(address):
    Notifier({} if address is None else {"NOTIFY_SOCKET": address}).tell(READY)


def test_a_manager_that_reads_nothing_stops_nobody(manager):
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    for _ in range(2000):  # more than the kernel queues
        notifier.tell(ALIVE)


@pytest.mark.parametrize(
    ("usec", "pid", "watchdog_s"),
    [
        ("60000000", None, 30.0),
        ("60000000", str(os.getpid()), 30.0),
        ("60000000", str(os.getpid() + 1), None),
        ("0", None, None),
        ("", None, None),
        ("soon", None, None),
        ("-5", None, None),
    ],
)
def test_half_of_the_watchdogs_patience(manager, usec, pid, watchdog_s):
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": usec}
    if pid is not None:
        environment["WATCHDOG_PID"] = pid
    assert Notifier(environment).watchdog_s == watchdog_s
    assert Notifier({"WATCHDOG_USEC": usec}).watchdog_s is None
