"""kill -9 at random moments of a real process: what it had acknowledged is there, and nothing delivered comes again."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast_hub.ports import DUPLICATE
from holdfast_hub.spool.database import boot_id
from testkit import spool_process
from testkit.spool import played

PROGRAM = Path(spool_process.__file__)
KILLS = 24
TIMEOUT_S = 60


class Run:
    """A process that is killed once it has said a number of lines, and what it said."""

    def __init__(self, state, first, lines, source, *mistake):
        argv = [sys.executable, str(PROGRAM), str(state), str(first), *mistake]
        self.said = []
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                self.said.append(line)
                if len(self.said) == lines:
                    time.sleep(source.random() * 0.004)  # anywhere in a commit, not where it has just ended
                    process.kill()
                    break
            self.said += process.stdout.read().splitlines(keepends=True)
            self.errors = process.stderr.read()
            process.wait(TIMEOUT_S)

    def numbers(self, kind):
        """In the order in which they were said; a line that the kill cut off was not said."""
        whole = [line.split() for line in self.said if line.endswith("\n")]
        return [int(words[1]) for words in whole if words[0] == kind]


def looked_at(state):
    """The spool, in this boot as the process was: no time has passed."""
    return played(state, boot=boot_id(), ms=time.monotonic_ns() // 1_000_000, wall_s=None)


def broken(state, kept, arrived, delivered):
    """What is lost, and what would be delivered again."""
    with looked_at(state) as spool:
        assert spool.spool.found == ""
        assert spool.recount()[0] == spool.recount()[1]
        found = {int(id_): is_gone for (_, id_), is_gone in spool.found().items()}
    lost = {number for number in kept if number not in found or (found[number] and number not in arrived)}
    again = {number for number in delivered if not found.get(number)}
    return lost, again


def killed(state, kills, *mistake):
    """(lost, delivered again) of a state directory whose process was killed many times."""
    source = random.Random(44)
    kept, arrived, delivered, first = set(), set(), [], 0
    for _ in range(kills):
        run = Run(state, first, source.randrange(1, 400), source, *mistake)
        assert run.errors == ""
        kept |= set(run.numbers("kept"))
        arrived |= set(run.numbers("arrived"))
        once = run.numbers("delivered")
        assert len(once) == len(set(once))
        assert not set(delivered) & set(run.numbers("arrived"))  # the next process was not lent it
        delivered += once
        lost, again = broken(state, kept, arrived, delivered)
        if lost or again:
            return lost, again
        first = max([first - 1, *kept, *arrived]) - 20  # the producer does not know what the last ones came to
        first = max(first, 0)
    assert len(kept) > kills * 20
    assert len(delivered) > kills * 5
    return set(), set()


def test_of_a_process_that_is_killed_again_and_again_nothing_is_lost_and_nothing_comes_twice(tmp_path):
    assert killed(tmp_path / "state", KILLS) == (set(), set())
    with looked_at(tmp_path / "state") as spool:
        order = []
        while parcels := spool.take(1000):
            order += [int(parcel.id) for parcel in parcels]
            spool.delivered(*parcels)
        assert len(order) == len(set(order))
        assert all(spool.put(b"%d" % number) == DUPLICATE for number in order[-10:])


def test_an_answer_before_the_commit_is_found(tmp_path):
    lost, _ = killed(tmp_path / "state", 30, "early")
    assert lost


@pytest.mark.parametrize("torn", [1, 2])
def test_a_run_tells_a_line_that_was_cut_off(torn):
    run = Run.__new__(Run)
    run.said = ["kept 12\n", "kept 1345"[: 5 + torn]]
    assert run.numbers("kept") == [12]
