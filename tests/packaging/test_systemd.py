"""The units under a real systemd, process 1 of a bare system: each program works within all that its unit forbids."""

import subprocess
from pathlib import Path

import pytest

from testkit.as_peer import free_ports
from testkit.booted import CannotBoot, booted

pytestmark = pytest.mark.packages
UNITS = ("holdfast-server", "holdfast-hub")
PATIENT = "[Service]\nWatchdogSec=3\nRestartSec=1\n"
MOST_MEMORY = 64 << 20


@pytest.fixture(scope="module")
def machine(installed, repo):
    """A machine with both packages that has started; no role has been set up."""
    target = installed.path / "tmp/systemd"
    subprocess.run(["cp", "--archive", repo / ".cache/packages/systemd", target], check=True)
    installed.run("sh", "-c", "dpkg --install /tmp/systemd/*.deb")
    installed.run("systemctl", "mask", "getty.target", "console-getty.service", "systemd-logind.service")
    installed.run("systemctl", "set-default", "multi-user.target")
    try:
        with booted(installed) as started:
            yield started
    except CannotBoot as why:
        pytest.skip(f"this sandbox starts no systemd: {why}")


@pytest.fixture(scope="module")
def served(machine):
    """Both set up as their packages say, and started; a watchdog that is less patient than the unit's."""
    for unit in UNITS:
        machine.run("systemctl", "enable", "--now", unit)
        assert machine.property_of(unit, "ActiveState") == "inactive"  # nothing to start before `init`
        assert machine.property_of(unit, "ConditionResult") == "no"
    http, coap = free_ports()
    health, hub = free_ports()
    where = ("--state", "/var/lib/holdfast-server", "--http", f"127.0.0.1:{http}", "--coap", f"127.0.0.1:{coap}")
    machine.run("runuser", "-u", "holdfast-server", "--", "holdfast", "server", "init", *where)
    machine.run("holdfast", "hub", "init", "--coap", f"127.0.0.1:{hub}", "--health", f"127.0.0.1:{health}")
    for unit in UNITS:
        machine.run("sh", "-c", f"echo secret > /etc/{unit}/credentials/broker")
        machine.run("mkdir", "-p", f"/etc/systemd/system/{unit}.service.d")
        machine.run(
            "sh", "-c", f"printf '{PATIENT}' > /etc/systemd/system/{unit}.service.d/test.conf".replace("\n", "\\n")
        )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", *UNITS)
    return machine


@pytest.mark.parametrize("unit", UNITS)
def test_it_is_ready_within_what_its_unit_allows(served, unit):
    served.until(unit, "ActiveState", "active")
    status = {
        "holdfast-server": "server status --state /var/lib/holdfast-server",
        "holdfast-hub": "hub status --health",
    }
    served.run("holdfast", *status[unit].split())
    pid = served.property_of(unit, "MainPID")
    said = served.run("cat", f"/proc/{pid}/status").stdout
    facts = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert 0 not in map(int, facts["Uid"].split())
    assert int(served.property_of(unit, "MemoryCurrent")) < MOST_MEMORY


@pytest.mark.parametrize("unit", UNITS)
def test_it_is_handed_its_secrets_and_root_alone_has_the_files(served, unit):
    found = served.run("stat", "--format=%U %a", f"/run/credentials/{unit}.service/secret_broker").stdout.split()
    assert found == [unit, "400"]
    served.run("runuser", "-u", unit, "--", "cat", f"/etc/{unit}/credentials/broker", code=1)


@pytest.mark.parametrize("unit", UNITS)
def test_it_is_read_again_without_a_new_process(served, unit):
    before = served.property_of(unit, "MainPID")
    served.run("systemctl", "reload", unit)
    assert served.property_of(unit, "ActiveState") == "active"
    assert served.property_of(unit, "MainPID") == before


@pytest.mark.parametrize("unit", UNITS)
def test_one_that_stands_still_is_started_again(served, unit):
    before = served.property_of(unit, "MainPID")
    served.run("sh", "-c", f"kill -STOP {before}")
    served.until(unit, "NRestarts", "1")
    served.until(unit, "ActiveState", "active")
    assert served.property_of(unit, "MainPID") != before


def test_removal_stops_the_service_and_leaves_its_state(served):
    served.run("dpkg", "--remove", "holdfast-hub")
    assert served.property_of("holdfast-hub", "ActiveState") == "inactive"
    assert list(Path(served.path, "var/lib/holdfast-hub").glob("spool.db"))
    served.run("systemctl", "stop", "holdfast-server")
    assert served.property_of("holdfast-server", "Result") == "success"
