"""The Debian packages in a bare system: installed, used as the service would, changed, removed and purged."""

import gzip
import hashlib
import json
import platform
import shutil
import stat
from pathlib import Path

import pytest

from testkit.as_peer import free_ports

pytestmark = pytest.mark.packages
FILTER = Path(__file__).resolve().parents[1] / "testkit" / "no_executable_memory.py"
ROLES = ("server", "hub")
INIT = {
    "server": ("init", "--state", "/var/lib/holdfast-server"),
    "hub": ("init", "--state", "/var/lib/holdfast-hub"),
}
RUN = {"server": ("serve", "--state", "/var/lib/holdfast-server"), "hub": ("run",)}
STATUS = {"server": ("status", "--state", "/var/lib/holdfast-server"), "hub": ("status", "--health")}
MADE_BY = {"server": "holdfast-server", "hub": "root"}  # what the next commands that the package prints say


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def begun(installed):
    """Both roles after their `init`, on free ports of this machine."""
    http, coap = free_ports()
    hub, health = free_ports()
    ports = {
        "server": ("--http", f"127.0.0.1:{http}", "--coap", f"127.0.0.1:{coap}"),
        "hub": ("--coap", f"127.0.0.1:{hub}", "--health", f"127.0.0.1:{health}"),
    }
    for role in ROLES:
        installed.run("holdfast", role, *INIT[role], *ports[role], user=MADE_BY[role])
    return installed


@pytest.mark.parametrize("role", ROLES)
def test_it_is_installed_with_its_unit_its_user_and_the_next_command(installed, role):
    name = f"holdfast-{role}"
    assert (installed.path / f"lib/systemd/system/{name}.service").exists()
    assert f"systemctl enable --now {name}" in installed.said
    assert f"holdfast {role} init" in installed.said
    user = installed.run("getent", "passwd", name).stdout.split(":")
    assert 0 < int(user[2]) < 1000
    assert user[6].strip() == "/usr/sbin/nologin"
    state = installed.path / "var/lib" / name
    assert (mode(state), state.stat().st_uid) == (0o700, int(user[2]))
    assert mode(installed.path / "etc" / name) == 0o2750
    assert mode(installed.path / "etc" / name / "credentials") & 0o777 == 0o700
    assert not (installed.path / "etc/systemd/system/multi-user.target.wants").exists()


@pytest.mark.parametrize("role", ROLES)
def test_every_file_is_roots_and_only_root_may_write_it(installed, role):
    listed = installed.run("dpkg", "--listfiles", f"holdfast-{role}").stdout.split()
    files = [installed.path / path.lstrip("/") for path in listed]
    found = [path for path in files if path.lstat().st_uid or (not path.is_symlink() and mode(path) & 0o022)]
    assert len(files) > 500
    assert found == []


@pytest.mark.parametrize("role", ROLES)
def test_the_command_is_there_for_its_role_and_says_what_is_not_installed(installed, role):
    assert f"holdfast {role}" in installed.run("holdfast", role, "--help").stdout
    assert installed.run(f"holdfast-{role}", "--help").stdout == installed.run("holdfast", role, "--help").stdout
    assert "Groups" in installed.run("holdfast", "--help").stdout
    program = installed.path / "usr/bin" / f"holdfast-{role}"
    program.chmod(0o644)
    assert f"the package holdfast-{role} is not installed" in installed.run("holdfast", role, code=3).stderr
    program.chmod(0o755)


@pytest.mark.parametrize("role", ROLES)
def test_its_contents_are_listed_with_versions_and_hashes(installed, role, repo):
    document = json.loads((installed.path / f"usr/share/doc/holdfast-{role}/sbom.cdx.json").read_text())
    wheels = {
        path.name: path for path in (repo / ".cache/packages").glob("*/*.whl") if path.parent.name in (role, "ours")
    }
    listed = {part["properties"][0]["value"]: part for part in document["components"]}
    assert set(listed) == set(wheels)
    assert len(listed) > 8
    for name, part in listed.items():
        assert part["hashes"][0]["content"] == hashlib.sha256(wheels[name].read_bytes()).hexdigest()
    inside = {
        path.name.split("-")[0] for path in (installed.path / f"usr/lib/holdfast-{role}/python").glob("*.dist-info")
    }
    assert {name.replace("-", "_").lower() for name in inside} == {
        part["name"].replace("-", "_") for part in document["components"]
    }


@pytest.mark.parametrize("role", ROLES)
def test_its_manual_has_every_command(installed, role, packages):
    page = gzip.decompress((installed.path / f"usr/share/man/man1/holdfast-{role}.1.gz").read_bytes()).decode()
    listed = installed.run("holdfast", role, "--help").stdout.partition("Commands:")[2].split("\n")
    commands = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    assert len(commands) > 5
    assert [name for name in commands if f".SS holdfast {role} {name}\n" not in page] == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter of memory is for x86-64")
@pytest.mark.parametrize("role", ROLES)
def test_it_serves_as_its_user_without_memory_that_is_written_and_run(begun, role):
    shutil.copy(FILTER, begun.path / "tmp/filter.py")
    begun.run("python3", "/tmp/filter.py", "python3", "-c", "import mmap; mmap.mmap(-1, 4096, prot=3)")
    refused = ("python3", "-c", "import mmap\ntry: mmap.mmap(-1, 4096, prot=7)\nexcept PermissionError: exit(7)")
    begun.run("python3", "/tmp/filter.py", *refused, code=7)
    user = f"holdfast-{role}"
    begun.run("holdfast", role, *STATUS[role], user=user, code=3)
    command = ("python3", "/tmp/filter.py", f"/usr/bin/holdfast-{role}", *RUN[role])
    with begun.running(*command, user=user, says='{"ready"') as process:
        begun.run("holdfast", role, *STATUS[role], user=user)
    assert process.returncode == 0
    native = (f"/usr/lib/holdfast-{role}/holdfast", "--version")
    begun.run("python3", "/tmp/filter.py", *native, user=user)


@pytest.mark.parametrize("role", ROLES)
def test_it_can_be_checked_as_the_next_command_says(begun, role):
    where = ("--state", "/var/lib/holdfast-server") if role == "server" else ()
    done = begun.run("holdfast", role, "check", *where, user=f"holdfast-{role}")
    assert done.stdout


@pytest.mark.parametrize("role", ROLES)
def test_an_upgrade_keeps_what_was_changed_and_a_removal_keeps_the_state(begun, packages, role):
    name = f"holdfast-{role}"
    kept = begun.path / "var/lib" / name / "kept"
    kept.write_text("what waits")
    configured = begun.path / "etc" / name / "credentials" / "broker"
    configured.write_text("secret\n")
    default = begun.path / "etc/default" / name
    default.write_text("# mine\n")
    assert "Next:" not in begun.run("dpkg", "--install", f"/tmp/{packages[role].name}").stdout
    assert default.read_text() == "# mine\n"
    begun.run("dpkg", "--remove", name)
    assert not (begun.path / "usr/bin" / name).exists()
    assert not (begun.path / "usr/lib" / name).exists()
    assert [path.exists() for path in (kept, configured, default)] == [True] * 3
    begun.run("dpkg", "--install", f"/tmp/{packages[role].name}")
    begun.run("holdfast", role, *STATUS[role], user=name, code=3)
    assert kept.exists()


def test_both_removed_leave_no_command_behind_and_purged_nothing(begun, packages):
    begun.run("dpkg", "--remove", "holdfast-hub")
    begun.run("holdfast", "server", "--help")
    begun.run("dpkg", "--remove", "holdfast-server")
    assert not (begun.path / "usr/bin/holdfast").is_symlink()
    begun.run("dpkg", "--purge", "holdfast-server", "holdfast-hub")
    left = [
        path.relative_to(begun.path)
        for folder in ("etc", "lib", "usr", "var/lib")
        for path in (begun.path / folder).rglob("*holdfast*")
    ]
    assert left == []
    for name in ("holdfast-server", "holdfast-hub"):
        begun.run("getent", "passwd", name, code=2)
