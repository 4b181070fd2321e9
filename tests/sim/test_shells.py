"""The tap on real sockets, and parts that start, fail to start, or do not answer."""

import socket
import sys

import pytest

from holdfast_sim.process_shell import Part, PartFailed, run_program
from holdfast_sim.recorder_shell import Recorder
from holdfast_sim.tap_shell import LOST, REPLAYED, Tap

DEADLINE_S = 5


@pytest.fixture
def udp():
    made = []

    def bound(host="127.0.0.1"):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        sock.settimeout(DEADLINE_S)
        made.append(sock)
        return sock

    yield bound
    for sock in made:
        sock.close()


@pytest.fixture
def tap():
    tap = Tap(Recorder())
    yield tap
    tap.close()


def story(tap):
    return [(record.src, record.dst, record.octets, record.note) for record in tap._recorder.datagrams()]


def test_the_tap_passes_on_both_ways_and_keeps_the_peers_apart(tap, udp):
    far, app, thief = udp(), udp("127.0.0.2"), udp("127.0.0.3")
    front = tap.front("EKG")
    tap.connect(front, far.getsockname())
    tap.name(app.getsockname(), "app")
    tap.name(thief.getsockname(), "thief")
    app.sendto(b"from the app", front.address)
    octets, as_app = far.recvfrom(100)
    thief.sendto(b"from the thief", front.address)
    _, as_thief = far.recvfrom(100)
    assert octets == b"from the app"
    assert (as_app[0], as_thief[0]) == ("127.0.0.2", "127.0.0.3")
    far.sendto(b"to the app", as_app)
    assert app.recvfrom(100) == (b"to the app", front.address)
    assert story(tap) == [
        ("app", "EKG", b"from the app", ""),
        ("thief", "EKG", b"from the thief", ""),
        ("EKG", "app", b"to the app", ""),
    ]


def test_the_tap_loses_what_it_is_told_to_once_and_sends_again(tap, udp):
    far, app = udp(), udp()
    front = tap.front("EKG")
    tap.connect(front, far.getsockname())
    tap.name(app.getsockname(), "app")
    tap.lose_next("app", "EKG", lambda octets: octets == b"lost")
    for octets in (b"first", b"lost", b"lost"):
        app.sendto(octets, front.address)
    assert [far.recvfrom(100)[0] for _ in range(2)] == [b"first", b"lost"]
    tap.send(front, app.getsockname(), b"again")
    assert far.recvfrom(100)[0] == b"again"
    assert [note for *_, note in story(tap)] == ["", LOST, "", REPLAYED]


def test_what_comes_from_somebody_else_than_the_far_party_is_not_passed_on(tap, udp):
    far, app, other = udp(), udp(), udp()
    front = tap.front("EKG")
    tap.connect(front, far.getsockname())
    app.sendto(b"hello", front.address)
    _, path = far.recvfrom(100)
    other.sendto(b"not from the EKG", path)
    far.sendto(b"from the EKG", path)
    assert app.recvfrom(100)[0] == b"from the EKG"


def test_a_part_is_ready_when_it_says_so_and_its_trace_is_kept():
    program = """
import json, sys, time
print("chatter"); print(json.dumps({"dir": "in", "mid": 1})); print(json.dumps({"ready": 5683}), flush=True)
time.sleep(60)
"""
    part = Part("EKG", [sys.executable, "-c", program])
    part.start()
    try:
        assert part.ready == 5683
        part.check()
    finally:
        part.stop()
    assert part.trace == [{"dir": "in", "mid": 1}]
    part.stop()
    with pytest.raises(PartFailed, match="EKG ended with exit code"):
        part.check()


def test_everything_that_a_part_says_is_kept_for_who_looks_for_secrets_in_it():
    program = """
import sys
print("a word in the chatter")
for number in range(50): print("line", number, file=sys.stderr)
print('{"ready": 1, "word": "in the announcement"}', flush=True)
"""
    part = Part("tube", [sys.executable, "-c", program])
    part.start()
    part.stop()
    for word in (b"in the chatter\n", b"line 0\n", b"line 49\n", b"in the announcement"):
        assert word in part.said()


def test_a_part_that_ends_is_named_with_its_last_words():
    part = Part("tube", [sys.executable, "-c", "import sys; sys.exit('no such file: tube.prov')"])
    with pytest.raises(PartFailed, match=r"tube ended with exit code 1\.\n  \| no such file: tube\.prov"):
        part.start()
    part.stop()


def test_a_part_that_says_nothing_is_given_up():
    part = Part("AS", [sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(PartFailed, match="AS was not ready within 0 s"):
        part.start(deadline_s=0.1)
    part.stop()


def test_a_program_that_is_not_there_is_one_sentence():
    with pytest.raises(PartFailed, match="tube cannot be started: No such file or directory"):
        Part("tube", ["/nowhere/micropython"]).start()


def test_a_refused_command_is_shown_with_what_it_said(tmp_path):
    with pytest.raises(PartFailed, match="`holdfast server check --state` failed with exit code 2") as failed:
        run_program(["server", "check", "--state", str(tmp_path)])
    assert "server init" in str(failed.value)


def test_a_part_can_lose_its_power():
    part = Part("tube", [sys.executable, "-c", "print('{\"ready\": 1}', flush=True)\nwhile True: pass"])
    part.start()
    part.kill()
    with pytest.raises(PartFailed, match="-9"):
        part.check()
