"""The images as a runtime would start them: as their user, on their volume, in a root that nobody may write."""

import json
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from testkit.as_peer import free_ports
from testkit.chroots import Chroot, wait_for_line

pytestmark = pytest.mark.packages
ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "packaging" / "container"
ROLES = ("server", "hub")
OWNER = {"server": "5684:5684", "hub": "5683:5683"}


def buildah(*argv):
    command = [ROOT / "scripts" / "packages.sh", "buildah", *argv]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Container(Chroot):
    """A container of an image: its root, and what the image says of how to start it."""

    def __init__(self, role, name):
        super().__init__(Path(buildah("mount", name)))
        self.config = json.loads(buildah("inspect", "--type", "image", f"localhost/holdfast-{role}"))["Docker"][
            "config"
        ]
        (self.volume,) = self.config["Volumes"]
        self.state = self.path / self.volume.lstrip("/")
        environment = dict(line.split("=", 1) for line in self.config["Env"])
        environment.pop("PATH")
        self.how = {"user": self.config["User"], **environment}

    def started(self, *argv):
        """The command that the image runs with these words, or with its own."""
        return [*self.config["Entrypoint"], *(argv or self.config["Cmd"])]


@pytest.fixture(scope="module", params=ROLES)
def container(request):
    """A container of each role whose volume has been filled by `init`."""
    name = buildah("from", "--pull-never", f"localhost/holdfast-{request.param}")
    try:
        made = Container(request.param, name)
        first, second = (f"127.0.0.1:{port}" for port in free_ports())
        ports = {"server": ("--http", first, "--coap", second), "hub": ("--health", first, "--coap", second)}
        made.run(*made.started("init", *ports[request.param]), **made.how)
        made.role = request.param
        yield made
    finally:
        buildah("umount", name)
        buildah("rm", name)


def test_it_runs_as_a_user_with_a_fixed_number_and_keeps_all_in_its_volume(container):
    assert container.config["User"] == OWNER[container.role]
    assert container.volume == f"/var/lib/holdfast-{container.role}"
    assert {f"{path.stat().st_uid}:{path.stat().st_gid}" for path in container.state.rglob("*")} == {
        OWNER[container.role]
    }
    assert list(container.path.glob("tmp/*")) == []
    assert container.config["StopSignal"] == "SIGTERM"


def test_its_health_check_tells_whether_it_serves_and_it_stops_when_told(container):
    kind, *check = container.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    container.run(*check, code=3, **container.how)
    with container.running(*container.started(), says='{"ready"', **container.how) as process:
        container.run(*check, **container.how)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    assert process.returncode == 0


def test_it_runs_in_a_root_that_cannot_be_written(container):
    read_only = (
        'mount --bind "$1" "$1" && mount --bind "$1$2" "$1$2" && mount -o remount,bind,ro "$1" && '
        '! touch "$1/tmp/x" && shift 2 && exec "$@"'
    )
    inside = container.command(*container.started(), **container.how)
    command = ["unshare", "--mount", "sh", "-c", read_only, "sh", str(container.path), container.volume, *inside]
    if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], check=False).returncode:
        pytest.skip("this sandbox may not mount: nothing here can make a folder read-only for root")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for_line(process, '{"ready"')
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_volume_of_another_user_is_one_sentence_that_says_what_to_type(container):
    shutil.chown(container.state, 0, 0)
    try:
        done = container.run(*container.started(), code=2, **container.how)
    finally:
        shutil.chown(container.state, *map(int, OWNER[container.role].split(":")))
    assert f"`chown -R {OWNER[container.role]} DIR`" in done.stderr
    assert container.volume in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_of_another_user_in_the_volume_is_found_too(container):
    stranger = container.state / "of-root"
    stranger.write_text("")
    stranger.chmod(0o600)
    try:
        assert "of-root" in container.run(*container.started(), code=2, **container.how).stderr
    finally:
        stranger.unlink()


@pytest.fixture(scope="module")
def compose():
    """compose.yaml as data; the system's Python reads YAML."""
    program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    command = ["/usr/bin/python3", "-c", program]
    text = (CONTAINER / "compose.yaml").read_text()
    return json.loads(subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout)


def test_compose_opens_nothing_beyond_this_machine(compose):
    assert set(compose["services"]) == {"server", "hub", "broker"}
    for service in compose["services"].values():
        assert service["network_mode"] == "host"
        assert "ports" not in service
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_compose_builds_from_files_that_are_there_and_keeps_what_must_be_kept(compose):
    for role in ROLES:
        service = compose["services"][role]
        assert (CONTAINER / service["build"]["context"] / service["build"]["dockerfile"]).resolve().exists()
        assert service["volumes"] == [f"{role}:/var/lib/holdfast-{role}"]
        assert role in compose["volumes"]


def test_what_compose_starts_with_works_side_by_side(compose):
    """The commands of the comment above it, with their ports: no two want the same one."""
    typed = re.findall(r"docker compose run --rm (\w+) (init.*)", (CONTAINER / "compose.yaml").read_text())
    assert [role for role, _ in typed] == list(ROLES)
    wanted = ["127.0.0.1:5683" if "--coap" not in words else words.split("--coap ")[1].split()[0] for _, words in typed]
    assert len(set(wanted)) == len(wanted)


def test_the_broker_of_compose_is_on_loopback(tmp_path):
    port, _ = free_ports()
    text = (CONTAINER / "mosquitto.conf").read_text()
    assert text.count("listener 1883 127.0.0.1\n") == 1
    (tmp_path / "m.conf").write_text(
        text.replace("1883", str(port)).replace("/mosquitto/data", str(tmp_path)) + "user root\n"
    )
    with subprocess.Popen(
        ["mosquitto", "-c", str(tmp_path / "m.conf")],
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin"},
    ) as broker:
        try:
            while " running" not in (line := broker.stderr.readline()):
                assert line
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                pass
        finally:
            broker.kill()  # it forgets a SIGTERM that comes before its loop has begun
