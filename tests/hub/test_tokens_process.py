"""A nurse's app, a running hub, a running server and a tube on MicroPython: a reference becomes a session."""

import json
import os
import signal
import subprocess

import pytest

from holdfast_core import labels as L
from holdfast_core.coap_message import request
from holdfast_core.provisioning import decode_provisioning
from holdfast_core.rederive import RederivedContext
from holdfast_device.client import AceClient
from holdfast_device.udp_shell import resolve
from testkit.doctor import Doctor, free_port
from testkit.hub import HubPlace
from testkit.serve import holdfast, init, serving

GET = request(L.CODE_GET, "/result")


@pytest.fixture
def nurse():
    made = Doctor()
    yield made
    made.close()


@pytest.fixture
def tube(tmp_path, repo, micropython):
    """A function that starts the tube, which never talks to the server."""
    started = []

    def start():
        command = [micropython, "-X", "heapsize=512k", repo / "device/examples/tube.py", tmp_path / "tube.prov"]
        command += ["--port", free_port(), "--state", tmp_path / "tube"]
        environment = dict(os.environ, MICROPYPATH=f"{repo}/native:{repo}/device")
        started.append(subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.PIPE))
        return json.loads(started[-1].stdout.readline())["ready"]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def prepare(tmp_path, *rs):
    """Make a server that knows tube, nurse and hub, as an operator would; return its state directory."""
    state = tmp_path / "as"
    init(state)
    client = ("--allow", "tube=read_result", "--no-secret", "--oscore")
    for argv in (
        ("rs", "add", "tube", "--scope", "read_result=GET:/result", *rs),
        ("rs", "export", "tube", "--out", tmp_path / "tube.prov", "--table", "none"),
        ("client", "add", "nurse", "--grant", "client_credentials", *client, tmp_path / "nurse.prov"),
        ("client", "add", "ward-hub", "--hub", *client, tmp_path / "hub.as"),
    ):
        done = holdfast(*argv, "--state", state)
        assert done.returncode == 0, done.stderr
    return state


@pytest.mark.parametrize(("kind", "rs"), [("phantom", ["--sealed-format", "cwt-nested"]), ("split", ["--split"])])
def test_a_tube_is_read_with_what_the_hub_completes(tmp_path, nurse, tube, kind, rs):
    state = prepare(tmp_path, *rs)
    place, port = HubPlace(tmp_path), free_port()
    place.add('[as]\ncredentials_file = "hub.as"\n')
    place.devices.write_text(
        f'[devices.tube]\nlink = "udp"\naddress = "127.0.0.1:{tube()}"\nport = {port}\ntokens = "{kind}"\n'
    )
    peer = resolve("127.0.0.1", port)
    told = decode_provisioning((tmp_path / "nurse.prov").read_bytes())
    context = RederivedContext(told.as_context, os.urandom)
    nurse.client = AceClient(nurse.endpoint, os.urandom, told.as_uri, resolve(*told.as_peer), context)
    ask = {L.ACE_GRANT_TYPE: L.GRANT_CLIENT_CREDENTIALS, L.ACE_AUDIENCE: "tube", L.ACE_SCOPE: "read_result"}
    with serving(state), place.running() as hub:
        token = nurse.run(nurse.client.get_token(ask))
        assert len(token.access_token.reveal()) == 16
        session = nurse.run(nurse.client.open_session(peer, token))
        assert nurse.run(session.request(GET)).payload == b"troponin negative"
        while not place.told("status")["spool"]["waits"]:  # what the server gave is on disk soon, and not at once
            assert hub.poll() is None
        hub.send_signal(signal.SIGKILL)
    with place.running():  # the server is away, and the hub begins anew
        again = nurse.run(nurse.client.open_session(peer, token))
        assert nurse.run(again.request(GET)).payload == b"troponin negative"


def test_a_hub_that_cannot_ask_does_not_start(tmp_path):
    place = HubPlace(tmp_path)
    place.devices.write_text('[devices.tube]\nlink = "udp"\naddress = "127.0.0.1:5999"\ntokens = "phantom"\n')
    done = place.call("check")
    assert done.returncode == 2
    assert "devices.tube.tokens wants a server to ask: say as.credentials_file in hub.toml." in done.stderr
    assert done.stderr.count("\n") == 1
