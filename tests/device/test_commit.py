"""A provisioning that replaces another: old or new at whatever write the power goes, on FAT and on littlefs."""

import itertools
import json
import subprocess

import pytest

from holdfast_core.provisioning import encode_provisioning
from holdfast_deploy.questions import COMMIT, DIRECTORY, NEW, OLD, PROVISIONING, PROVISIONING_HASH
from testkit.story import tube_provisioning

SCRIPT = """
import json, os, sys, vfs
from holdfast_device.board_shell import CannotRun, read_provisioning
from holdfast_device.state import State
from holdfast_device.store_flash import FileFlash
from testkit.flash import PowerCut
from testkit.flash_parts import Disk

def mounted(disk):
    try:
        vfs.umount(DIRECTORY)
    except OSError:
        pass
    vfs.mount(KIND(disk), DIRECTORY)

def put(path, source):
    with open(path, "wb") as file:
        file.write(bytes.fromhex(source))

def ask(program):
    told = []
    exec(program, {"answer": told.append})
    return told[0]

def reads():
    try:
        return read_provisioning(PROVISIONING).issuer
    except CannotRun as error:
        return str(error)

def committed(start, cut):
    disk = Disk(start)
    mounted(disk)
    disk.cut(cut)
    try:
        done = ask(given["commit"])
    except PowerCut:
        done = None
    mounted(Disk(disk.cells))    # power is back: nothing of what was in memory is left
    found = reads(), ask(given["hash"])["old"] is not None
    put(NEW, given["new"])       # and the operator provisions again
    return found, (ask(given["commit"]), reads(), sorted(os.listdir(DIRECTORY))), done

def commit():
    disk = Disk()
    KIND.mkfs(disk)
    mounted(disk)
    put(PROVISIONING, given["old"])
    put(NEW, given["new"])
    vfs.umount(DIRECTORY)
    lives = []
    while not lives or lives[-1][2] is None:
        lives.append(committed(disk.cells, len(lives)))
    return lives

def state():
    # One life after another with the same disk, each cut a write later than the one before; 0 when it did not come up.
    disk = Disk()
    KIND.mkfs(disk)
    lives = []
    for cut in range(given["lives"]):
        disk = Disk(disk.cells)
        mounted(disk)
        disk.cut(cut % given["writes"])
        life = [0, 0, 0]
        try:
            made = State(FileFlash(DIRECTORY), 0)
            life = [made.boot, made.as_sequence, made.as_sequence]
            made.reserve_as_sequence(made.as_sequence + 64)
            life[2] = made.as_sequence
        except PowerCut:
            pass
        lives.append(life)
    return lives

given = json.loads(sys.stdin.read())
DIRECTORY, PROVISIONING, NEW, OLD = given["paths"]
KIND = {"fat": vfs.VfsFat, "littlefs": vfs.VfsLfs2}[given["kind"]]
print(json.dumps({"commit": commit, "state": state}[given["what"]]()))
"""


def records():
    old, new = tube_provisioning(), tube_provisioning()
    old.issuer, new.issuer = "the old one", "the new one"
    return encode_provisioning(old), encode_provisioning(new)


def on(kind, what, repo, tmp_path, **given):
    """What the script says of a file system: of "commit" a row for each cut, of "state" one for each life."""
    script = tmp_path / "commit.py"
    script.write_text(SCRIPT)
    given |= {"kind": kind, "what": what, "paths": [DIRECTORY, PROVISIONING, NEW, OLD]}
    given |= {"commit": COMMIT.program, "hash": PROVISIONING_HASH.program}
    command = [repo / ".cache/micropython/micropython", "-X", "heapsize=16M", script]
    env = {"MICROPYPATH": f"{repo}/native:{repo}/device:{repo}/tests"}
    done = subprocess.run(command, env=env, input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["fat", "littlefs"])
def test_a_cut_at_any_write_leaves_the_old_provisioning_or_the_new_one(repo, tmp_path, kind):
    old, new = records()
    lives = on(kind, "commit", repo, tmp_path, old=old.hex(), new=new.hex())
    assert len(lives) >= 4
    issuers = [issuer for (issuer, _), _, _ in lives]
    assert issuers == sorted(issuers, reverse=True)
    assert set(issuers) == {"the old one", "the new one"}
    assert {is_there for (_, is_there), _, _ in lives} == {True}
    assert lives[-1][2]["new"] is None
    for _, (told, issuer, names), _ in lives:  # whatever the cut left, the next time it works and leaves one file
        assert (told["new"], issuer, names) == (None, "the new one", ["provisioning"])


@pytest.mark.parametrize("kind", ["fat", "littlefs"])
def test_a_device_starts_after_a_cut_at_any_write_and_repeats_nothing(repo, tmp_path, kind):
    lives = [life for life in on(kind, "state", repo, tmp_path, lives=120, writes=23) if life[0]]
    assert len(lives) > 60
    for before, after in itertools.pairwise(lives):
        assert after[0] > before[0]  # boots
        assert after[1] >= before[2]  # numbers
