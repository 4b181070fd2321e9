"""The units: what systemd says of them, what they may touch, and that they fit what the packages install."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.packages
UNITS = Path(__file__).resolve().parents[2] / "packaging" / "systemd"
SERVICES = ["holdfast-server.service", "holdfast-hub.service"]
MOST_EXPOSED = 20
"""Tenths: what a service may be exposed."""


def analyze(*argv):
    return subprocess.run(["systemd-analyze", *map(str, argv)], capture_output=True, text=True, check=False)


def settings(unit):
    """Each setting of a unit with its values, in order."""
    said = {}
    for line in (UNITS / unit).read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            said.setdefault(name, []).append(value)
    return said


@pytest.mark.parametrize("unit", SERVICES)
def test_exposure_is_at_most_two(unit, record_property):
    done = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", UNITS / unit)
    last = done.stdout.strip().splitlines()[-1]
    record_property("exposure", last)
    assert done.returncode == 0, done.stdout


def test_a_unit_that_lets_more_be_done_is_found(tmp_path):
    text = (UNITS / SERVICES[0]).read_text()
    worse = tmp_path / SERVICES[0]
    worse.write_text(text.replace("SystemCallFilter=", "#").replace("User=", "#").replace("NoNewPrivileges=", "#"))
    assert analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", worse).returncode != 0


def test_systemd_finds_nothing_wrong_where_the_packages_are_installed(installed):
    # A bare system has no systemd of its own; the targets that ours wait for are this machine's.
    target = installed.path / "lib/systemd/system"
    subprocess.run(["cp", "--archive", "--no-clobber", "/lib/systemd/system/.", target], check=True)
    done = analyze("verify", "--man=no", f"--root={installed.path}", *SERVICES)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (target / SERVICES[0]).write_text((UNITS / SERVICES[0]).read_text().replace("/usr/bin/holdfast", "/usr/bin/hold"))
    done = analyze("verify", "--man=no", f"--root={installed.path}", *SERVICES)
    (target / SERVICES[0]).write_text((UNITS / SERVICES[0]).read_text())
    assert "is not executable" in done.stderr


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_says_how_it_is_and_does_not_wait_for_the_time(unit):
    said = settings(unit)
    assert said["Type"] == ["notify"]
    assert int(said["WatchdogSec"][0]) >= 10
    assert "time-sync.target" in said["Wants"][0]
    assert "Requires" not in said
    assert "Requisite" not in said


def test_the_hub_may_use_serial_lines_and_no_other_device():
    said = settings("holdfast-hub.service")
    assert said["DevicePolicy"] == ["closed"]
    assert said["DeviceAllow"] == ["char-ttyACM rw", "char-ttyUSB rw"]
    assert said["SupplementaryGroups"] == ["dialout"]
    assert "PrivateDevices" not in said
    assert settings("holdfast-server.service")["PrivateDevices"] == ["yes"]
