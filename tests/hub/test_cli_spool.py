"""`holdfast hub spool`: what waits and why, beside a running hub and without one; and what an operator may do."""

import json
import os
import shutil
import subprocess

import pytest
from click.testing import CliRunner

from holdfast_hub.cli.spool import spool as group
from holdfast_hub.ports import DUPLICATE, MAX_TRIES
from holdfast_hub.records import ANSWERS, OUT, TOKEN
from holdfast_hub.spool import database
from testkit.serve import COMMAND, environment
from testkit.spool import WALL_S, played


@pytest.fixture
def run(tmp_path):
    """Run a command over tmp_path/state; its exit code is checked, and that it shows no traceback."""

    def run(*argv, code=0):
        done = CliRunner().invoke(group, [*map(str, argv), "--state", str(tmp_path / "state")])
        assert done.exit_code == code, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    return run


@pytest.fixture
def spool(tmp_path):
    """Beside this hub the commands run."""
    with played(tmp_path / "state", boot=database.boot_id()) as made:
        yield made


def fill(spool):
    """One parcel in each way of waiting, numbered 1 to 6."""
    spool.put(b"poison", kind=TOKEN, ends_s=WALL_S + 60)
    for _ in range(MAX_TRIES):
        spool.give_back(*spool.take(1), why="no answer")
    spool.put(b"once")
    spool.give_back(*spool.take(1), why="no answer")
    spool.put(b"fresh", lives_ms=10**7, body=b"SECRET BODY")
    spool.put(b"out", box=OUT)
    spool.put(b"answer", box=ANSWERS)
    spool.put(b"lent", box="other")
    spool.take(box="other")


def test_the_list_says_what_waits_for_whom_and_why(spool, run):
    fill(spool)
    seen = run("list").stdout
    assert "SECRET" not in seen
    for words in (
        "it did not arrive in 5 tries: no answer",
        "try 1 of 5 failed: no answer",
        "it waits for the device to be in contact",
        "it waits for the broker",
        "it waits for the client to ask for it",
        "it is being delivered",
        "set aside",
    ):
        assert words in seen, words
    record = json.loads(run("list", "--json").stdout)
    assert record["running"] is True
    assert {row["box"]: row["count"] for row in record["boxes"]} == {"tube": 3, OUT: 1, ANSWERS: 1, "other": 1}
    assert record["counts"] == {"kept": 6, "set_aside": 1}
    assert [parcel["number"] for parcel in record["parcels"]] == [5, 4, 6, 1, 2, 3]
    by_number = {parcel["number"]: parcel for parcel in record["parcels"]}
    assert by_number[3]["left_s"] <= 10**4
    assert (by_number[3]["body_len"], by_number[3]["id"]) == (11, b"fresh".hex())
    assert by_number[1]["ends_s"] == WALL_S + 60


def test_a_list_can_be_cut(spool, run):
    fill(spool)
    assert [row["number"] for row in json.loads(run("list", "--box", "tube", "--json").stdout)["parcels"]] == [1, 2, 3]
    assert [row["number"] for row in json.loads(run("list", "--aside", "--json").stdout)["parcels"]] == [1]
    assert "and 4 more" in run("list", "--limit", 2).stdout
    assert "more" not in run("list", "--limit", 6).stdout
    assert run("list", "--box", "nobody").stdout == "Nothing waits.\n"


def test_what_was_lost_so_far_is_said_to_a_person(spool, run):
    spool.put(b"a", lives_ms=0)
    spool.tick()
    assert "over before they arrived 1" in run("list").stdout


def test_one_parcel_is_shown_without_its_body(spool, run):
    fill(spool)
    shown = run("show", 1).stdout
    assert "2027-01-15T08:01:00Z" in shown
    assert "set aside" in shown
    assert json.loads(run("show", 3, "--json").stdout)["why"] == "it waits for the device to be in contact"
    assert "There is no parcel 77" in run("show", 77, code=1).stderr


def test_what_is_purged_is_gone_for_the_running_hub_and_its_producer_is_told(spool, run):
    fill(spool)
    assert run("purge", 2, 3).stdout == "Dropped 2, 3.\n"
    assert spool.take() == []
    assert spool.put(b"fresh") == DUPLICATE
    spool.tick()
    assert (spool.spool.level.count, spool.spool.level.counts["purged"]) == (4, 2)
    assert spool.recount()[0] == spool.recount()[1]
    refused = run("purge", 6, code=1)
    assert "6: not there, or being delivered now." in refused.stderr
    assert run("purge", "--aside").stdout == "Dropped 1.\n"
    assert json.loads(run("purge", "--box", OUT, "--json").stdout) == {"changed": [4], "unchanged": []}
    assert "Say which" in run("purge", code=2).stderr
    assert "Say which" in run("purge", 5, "--all", code=2).stderr
    assert "5" in run("purge", "--all", code=1).stdout


def test_without_a_hub_what_was_lent_can_be_purged_too(tmp_path, run):
    with played(tmp_path / "state") as spool:
        fill(spool)
        spool.die()
    assert "the hub stopped while it was being delivered" in run("list", "--box", "other").stdout
    assert json.loads(run("list", "--json").stdout)["running"] is False
    run("purge", "--all")
    assert run("list").stdout == "Nothing waits.\n"
    with played(tmp_path / "state") as spool:
        assert spool.spool.level.count == 0


def test_what_was_set_aside_can_be_tried_again(spool, run):
    fill(spool)
    assert run("retry", 1).stdout == "To be tried again: 1.\n"
    assert spool.ids() == [b"poison", b"once", b"fresh"]
    assert "2: not set aside." in run("retry", 2, code=1).stderr
    assert run("retry", "--all").stdout == "Nothing was changed.\n"
    spool.tick()
    assert spool.spool.level.aside == 0
    assert spool.recount()[0] == spool.recount()[1]


def test_a_state_directory_that_cannot_be_used_is_one_sentence(tmp_path, run):
    assert "There is no spool in" in run("list", code=2).stderr
    state = tmp_path / "state"
    state.mkdir()
    (state / database.NAME).write_bytes(b"no database" * 1000)
    assert "is damaged" in run("list", code=2).stderr
    assert "keeps what can be read" in run("list", code=2).stderr
    (state / database.NAME).write_bytes(b"")
    assert "is not one of this program" in run("list", code=2).stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file away")
def test_a_spool_of_somebody_else_is_one_sentence(tmp_path):
    with played(tmp_path / "state") as spool:
        spool.put(b"a")
    for path in (tmp_path / "state", *(tmp_path / "state").iterdir()):
        shutil.chown(path, 65534, 65534)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(parent, 0o755)
    os.chmod(tmp_path / "state", 0o755)
    done = subprocess.run(
        [
            "setpriv",
            "--reuid=65533",
            "--clear-groups",
            *COMMAND[:-1],
            "hub",
            "spool",
            "list",
            "--state",
            tmp_path / "state",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert "spool.db" in done.stderr
