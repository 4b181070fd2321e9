"""A power cut at each moment of a story: nothing that was acknowledged is lost, and nothing delivered comes twice."""

import errno
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from testkit import power, spool_story
from testkit.spool import played

STORY = Path(spool_story.__file__)
SAID = "said"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return power.shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def folder(tmp_path):
    """Where to rebuild files: in memory, because a sync there costs nothing and nothing of it is tested."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made:
        yield Path(made)


def story_of(folder, library, mistake="", fails=""):
    """The events of a story that was played in a process."""
    folder.mkdir()
    log, state = folder / "log", folder / "state"
    state.mkdir()
    subprocess.run(
        [sys.executable, str(STORY), str(state), str(state / SAID), *([mistake] if mistake else [])],
        env=power.preloaded(library, log, state, fails),
        check=True,
        timeout=60,
    )
    return state, power.events_of(log)


class Promises:
    """What was said up to a moment: sets of (box, id)."""

    def __init__(self):
        kinds = ("begun", "kept", "arrived", "delivered", "failed", "full", "duplicate")
        self.of = {kind: set() for kind in kinds}

    def feed(self, octets):
        for line in octets.decode().splitlines():
            kind, box, id_ = line.split()
            self.of[kind].add((box, id_.encode()))

    def broken(self, spool):
        """What a spool has lost, and what it would deliver again."""
        found = spool.found()
        lost = [key for key in self.of["kept"] if key not in found]
        lost += [key for key in self.of["kept"] - self.of["arrived"] if found.get(key)]
        again = [key for key in self.of["delivered"] if not found.get(key)]
        strange = [key for key in found if key not in self.of["begun"]]
        return lost + again + strange


def cuts_of(state, events):
    """(promises, {path: octets}) around each sync: before it with torn sectors of what waits for it, and after it.

    Between two syncs only what may be torn grows: a cut there finds what a cut just before the second one may find.
    """
    source, disk, promises = random.Random(3), power.Disk(state), Promises()
    for kind, path, offset, octets in events:
        if path == str(state / SAID):
            promises.feed(octets)
            continue
        if kind == "s":
            yield promises, disk.after_a_cut(source)
        disk.feed(kind, path, offset, octets)
        if kind == "s":
            yield promises, disk.after_a_cut()
    yield promises, disk.after_a_cut()


def broken_after(folder, state, files, promises):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, octets in files.items():
        (folder / Path(path).relative_to(state)).write_bytes(octets)
    with played(folder) as spool:
        assert spool.spool.found == ""
        rows, counted = spool.recount()
        assert rows == counted
        return promises.broken(spool)


def test_no_power_cut_loses_what_was_acknowledged_or_delivers_twice(folder, library):
    state, events = story_of(folder / "story", library)
    cuts = 0
    for promises, files in cuts_of(state, events):
        cuts += 1
        assert broken_after(folder / "after", state, files, promises) == []
    assert len(promises.of["kept"]) > 80
    assert len(promises.of["delivered"]) > 30
    assert cuts > 200


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("window", ["120-123", "300-360"])
def test_a_disk_that_refuses_for_a_while_loses_nothing_and_is_told_to_the_producer(folder, library, window, number):
    state, events = story_of(folder / "story", library, "failing", f"{window}:{number}")
    for cut, (promises, files) in enumerate(cuts_of(state, events)):
        if cut % 6 == 0:
            assert broken_after(folder / "after", state, files, promises) == []
    refused = promises.of["full" if number == errno.ENOSPC else "failed"]
    assert refused
    assert len(promises.of["kept"]) > 40


@pytest.mark.parametrize("mistake", ["normal", "off", "early"])
def test_a_planted_mistake_is_found(folder, library, mistake):
    state, events = story_of(folder / "story", library, mistake)
    for promises, files in cuts_of(state, events):
        try:
            if broken_after(folder / "after", state, files, promises):
                return
        except AssertionError:
            return
    pytest.fail("no cut shows it")
