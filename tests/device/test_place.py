"""A state directory that was copied or put back is noticed; one that was moved, or whose device died, is no copy."""

import os
import shutil
import subprocess
import sys

import pytest

from holdfast_core.provisioning import encode_provisioning
from holdfast_deploy.place_shell import Place, PlacedFlash
from holdfast_device.board_shell import CannotRun
from holdfast_device.slots import StorageFailed
from holdfast_device.state import State
from holdfast_device.store_flash import FileFlash
from testkit.story import tube_provisioning

HOUR_NS = 3600 * 10**9


def life(directory):
    """One start of a device; returns whether it found its state to be a copy."""
    place = Place(str(directory))
    found = place.is_copy
    State(place.flash, 0, copied=found)
    place.take()
    place._file.close()
    return found


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "state"
    path.mkdir()
    assert [life(path), life(path), life(path)] == [False] * 3
    return path


def keeping_times(source, target):
    shutil.copytree(source, target, copy_function=shutil.copy2)


def with_new_times(source, target):
    shutil.copytree(source, target, copy_function=shutil.copyfile)


@pytest.mark.parametrize("copy", [keeping_times, with_new_times])
def test_a_copy_is_noticed_once_and_the_original_is_not_one(home, tmp_path, copy):
    copy(home, tmp_path / "copy")
    assert [life(tmp_path / "copy"), life(tmp_path / "copy")] == [True, False]
    assert life(home) is False


def test_a_directory_that_was_moved_is_no_copy(home, tmp_path):
    home.rename(tmp_path / "moved")
    assert life(tmp_path / "moved") is False


def backdated(path, by_ns):
    found = path.stat()
    os.utime(path, ns=(found.st_mtime_ns - by_ns, found.st_mtime_ns - by_ns))


@pytest.mark.parametrize("names", [("lock", "state.0", "state.1"), ("state.0", "state.1"), ("state.1",)])
def test_an_old_state_that_was_put_back_in_place_with_its_times_is_noticed(home, tmp_path, names):
    kept = tmp_path / "kept"
    keeping_times(home, kept)
    for name in names:
        backdated(kept / name, HOUR_NS)  # the backup is an hour old
    life(home)
    for name in names:
        shutil.copy2(kept / name, home / name)
    assert [life(home), life(home)] == [True, False]


@pytest.mark.parametrize("names", [("state.0", "state.1"), ("state.0",), ("state.1",)])
def test_an_old_state_that_was_put_back_in_place_with_a_new_time_is_noticed(home, tmp_path, names):
    with_new_times(home, tmp_path / "kept")
    life(home)
    for name in names:
        shutil.copyfile(tmp_path / "kept" / name, home / name)
    assert [life(home), life(home)] == [True, False]


def test_a_state_that_cannot_be_marked_is_not_written(home, monkeypatch):
    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(StorageFailed, match="write"):
        State(PlacedFlash(str(home)), 0)


def refuse(*_args, **_more):
    raise PermissionError


def test_a_lock_file_that_was_put_back_with_a_new_time_is_noticed(home, tmp_path):
    said = (home / "lock").read_text().replace('"at_ns": ', '"at_ns": 1')
    (home / "lock").write_text(said)
    assert life(home) is True


@pytest.mark.parametrize("said", ["", "{}", "[]", "null", '{"inode": 1, "host": "x", "at_ns": "y"}', "\xff"])
def test_a_lock_file_that_says_nothing_is_a_copys(home, said):
    (home / "lock").write_text(said)
    assert [life(home), life(home)] == [True, False]
    (home / "lock").unlink()
    assert [life(home), life(home)] == [True, False]


def test_a_second_program_is_refused(home):
    first = Place(str(home))
    with pytest.raises(CannotRun, match="another process runs"):
        Place(str(home))
    first._file.close()


def test_a_program_says_so_and_gives_up_what_a_copy_may_share(repo, tmp_path):
    (tmp_path / "tube.prov").write_bytes(encode_provisioning(tube_provisioning()))
    program = [sys.executable, repo / "device/examples/tube.py", tmp_path / "tube.prov", "--port", "0", "--state"]

    def said(directory):
        with subprocess.Popen([*map(str, program), str(directory)], stdout=-1, stderr=-1, text=True) as process:
            assert "ready" in process.stdout.readline()
            process.kill()
            return process.stderr.read()

    home = tmp_path / "state"
    assert [said(home), said(home)] == ["", ""]
    keeping_times(home, tmp_path / "copy")
    boot = State(FileFlash(str(home)), 0).boot
    assert "was copied or put back" in said(tmp_path / "copy")
    assert State(FileFlash(str(tmp_path / "copy")), 0).boot > boot
