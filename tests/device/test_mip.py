"""`mip install` as MicroPython people do it, from a web server; what it installs, and nothing else, runs a tube.

By MicroPython's own mip, which Debian's interpreter has inside, and by mpremote's onto a board behind a pty.
The former is older than relative addresses (micropython-lib of February 2025), so the server makes them whole for it.
"""

import json
import os
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from holdfast_core import labels as L
from holdfast_core.provisioning import encode_provisioning
from holdfast_deploy import cli
from holdfast_device.udp_shell import resolve
from testkit import mint
from testkit.doctor import Doctor, free_port
from testkit.fake_board import FakeBoard
from testkit.story import TUBE, get, held, tube_provisioning

INSTALL = "import mip, sys; mip.install(sys.argv[1] + '/package.json', target=sys.argv[2])"
MAIN = """
import os, sys
from holdfast_core import labels as L
from holdfast_core.coap_message import response
from holdfast_device.board_shell import run
from holdfast_device.udp_shell import UdpLink, bind

def setup(device, options):
    device.rs.resource("/result", get=lambda asked: response(L.CODE_CONTENT, b"troponin negative", L.CF_TEXT_PLAIN))

run(setup, UdpLink(bind("127.0.0.1", int(sys.argv[1]))), os.urandom, directory=sys.argv[2])
"""
RUNS = """
from holdfast_device import board_shell
from holdfast_core.crypto import PROVIDER
from holdfast_core.token_check import PATH
print(PROVIDER, PATH)
"""
# And who does the cryptography then, and who checks tokens.
FOLDERS = {"py": ("micropython", "python"), "x64_6.3": ("hf_native", "hf_native")}


@pytest.fixture(scope="module")
def tree(repo, tmp_path_factory):
    """What make device builds."""
    out = tmp_path_factory.mktemp("build") / "device"
    subprocess.run([sys.executable, repo / "scripts" / "bundle", "packages", out], check=True, capture_output=True)
    return out


@pytest.fixture
def server(tree):
    """Serves the tree; .url, .asked: paths of requests, .gone: what it does not find; .whole: no relative addresses."""

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # as mip speaks

        def do_GET(self):
            server.asked.append(self.path)
            if self.path in server.gone:
                self.send_error(404)
            elif server.whole and self.path.endswith("/package.json"):
                package = json.loads((tree / self.path[1:]).read_text())
                base = server.url + self.path.removesuffix("package.json")
                package["urls"] = [[name, base + url] for name, url in package["urls"]]
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(package).encode())
            else:
                super().do_GET()

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tree))
    server.asked, server.gone, server.whole = [], set(), False
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def install(micropython, tmp_path, server):
    """A function that installs a folder; returns where it is and what mip said."""

    def run(folder):
        target = tmp_path / "lib"
        program = tmp_path / "install.py"
        program.write_text(INSTALL)
        server.whole = True
        command = [micropython, program, f"{server.url}/{folder}", target]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        return target, done.stdout

    return run


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def tube(micropython, tmp_path):
    """A function that starts a tube which finds nothing but what is installed; returns the process and its port."""
    started = []

    def start(target):
        told = tube_provisioning()
        told.time_floor_s = int(time.time()) - 60
        (tmp_path / "provisioning").write_bytes(encode_provisioning(told))
        (tmp_path / "main.py").write_text(MAIN)
        port = free_port()
        command = [micropython, "-X", "heapsize=512K", tmp_path / "main.py", str(port), tmp_path]
        environment = dict(os.environ, MICROPYPATH=str(target))
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process, port

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_mip_installs_is_the_package_and_a_tube_runs_on_it(tree, server, install, tube, folder):
    target, said = install(folder)
    assert "Done" in said, said
    package = json.loads((tree / folder / "package.json").read_text())
    there = files(tree / folder)
    del there["package.json"]
    assert files(target) == there
    asked = sorted(path.removeprefix(f"/{folder}/") for path in server.asked)
    assert asked == sorted(["package.json", *(url for _, url in package["urls"])])
    process, port = tube(target)
    ready = process.stdout.readline()
    assert ready.startswith("{"), ready + process.stdout.read()
    assert (json.loads(ready)["crypto"], json.loads(ready)["tokens"]) == FOLDERS[folder]
    doctor = Doctor()
    try:
        token = held(mint.nested(mint.claims(TUBE, "read_result", int(time.time()))), now_ms=doctor.now_ms())
        session = doctor.run(doctor.client.open_session(resolve("127.0.0.1", port), token))
        answer = doctor.run(session.request(get("/result")))
        assert (answer.code, answer.payload) == (L.CODE_CONTENT, b"troponin negative")
    finally:
        doctor.close()


def test_mpremote_takes_the_relative_addresses(tree, server, micropython, tmp_path):
    with FakeBoard(micropython, tmp_path) as board:
        board.mpremote("mip", "install", f"{server.url}/x64_6.3/package.json")
        asked = {path.removeprefix("/x64_6.3/") for path in server.asked}
        assert asked == named(tree / "x64_6.3") | {"package.json"}
        done = CliRunner().invoke(cli.group, ["push", "--port", board.port, "--tree", str(tree), "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["copied"] == 0  # all of it is there, by SHA-256
        assert board.mpremote("exec", RUNS).split() == ["hf_native", "hf_native"]


def test_a_file_that_the_server_has_not_is_told_and_missed(server, install, tube):
    server.gone.add("/py/holdfast_device/board_shell.mpy")
    target, said = install("py")
    assert "Done" not in said
    assert "partially installed" in said
    process, _ = tube(target)
    assert "ImportError" in process.stdout.read()


@pytest.mark.parametrize("spoil", ["forgotten", "invented"])
def test_package_json_names_every_file_and_nothing_else(tree, tmp_path, spoil):
    folders = sorted(tree.iterdir())
    assert set(FOLDERS) <= {folder.name for folder in folders}
    for folder in folders:
        assert listed(folder) == named(folder)
        assert ("hf_native.mpy" in named(folder)) == (folder.name != "py")
    copy = tmp_path / "copy"
    copy.mkdir()
    package = json.loads((tree / "py" / "package.json").read_text())
    for name in named(tree / "py"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).touch()
    if spoil == "forgotten":
        package["urls"].pop()
    else:
        package["urls"].append(["invented.mpy", "invented.mpy"])
    (copy / "package.json").write_text(json.dumps(package))
    assert listed(copy) != named(copy)


def listed(folder):
    """The names of package.json, each once, under which its addresses are too."""
    urls = json.loads((folder / "package.json").read_text())["urls"]
    assert [name for name, url in urls if name != url] == []
    assert len({name for name, _ in urls}) == len(urls)
    return {name for name, _ in urls}


def named(folder):
    return set(files(folder)) - {"package.json"}
