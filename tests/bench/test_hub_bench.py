"""What is measured of the hub: each part's table is made from its rows, and what it starts ends with it."""

import os
import select
import signal
import subprocess
import sys

import pytest

from testkit.native_build import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import hub_devices
import hub_proxy
import hub_spool
import hub_tokens

import hub

HERE = str(ROOT / "benchmarks")
RATES = {"cpu_us": 90, "p50_us": 1500, "p95_us": 3000, "p99_us": 5000, "lost": 0, "wrong": 0}
PROXY = [
    {"part": "proxy", "section": "con, 16 under way", "what": what, "per_second": per_second, **RATES}
    for what, per_second in ((hub_proxy.WHOLE, 8000), (hub_proxy.AIOCOAP, 1000))
]
MEMORY = {"before_kib": 45_000, "after_kib": 60_000}
DEVICES = [{"part": "devices", "section": "devices", "what": "con", "per_second": 7000, **RATES, **MEMORY}]
SPOOL_RATES = {"in_per_s": 20_000.4, "out_per_s": 6000.0, "in_cpu_us": 23.84, "out_cpu_us": 24.5}
GROUPED = f"spool, groups of {hub_spool.GROUP}"
SPOOL = [
    {"part": "spool", "section": hub_spool.RATES, "what": GROUPED, **SPOOL_RATES},
    {"part": "spool", "section": hub_spool.KILLS, "what": "spool", "acknowledged": 5000, "left": 5000},
]


def words(line):
    """The heads or cells of a line, which two blanks part."""
    return [word.strip() for word in line.split("  ") if word.strip()]


def test_a_section_has_the_columns_of_its_rows():
    hub.add_ratios(rows := [dict(row) for row in PROXY])
    head, whole, aiocoap = map(words, hub.table(rows))
    assert head == ["con, 16 under way", "a second", "CPU us", "p50 us", "p95 us", "p99 us", "lost", "wrong", "ratio"]
    assert whole == [hub_proxy.WHOLE, "8,000", "90", "1,500", "3,000", "5,000", "0", "0", "8.00"]
    assert aiocoap[-1] == "1.00"
    head, row, *_ = map(words, hub.table(SPOOL))
    assert head == [hub_spool.RATES, "in a second", "out a second", "CPU us in", "CPU us out"]
    assert row == [GROUPED, "20,000", "6,000", "23.8", "24.5"]


@pytest.mark.parametrize(
    ("rows", "number", "worse", "goal"),
    [
        (PROXY, 0, {"per_second": 4900}, "the whole hub beside aiocoap's proxy, many under way"),
        (DEVICES, 0, {"lost": 1}, "nothing is lost on the way to 1,000 devices"),
        (DEVICES, 0, {"wrong": 1}, "nothing is lost on the way to 1,000 devices"),
        (DEVICES, 0, {"after_kib": 70_000}, "memory"),
        (SPOOL, 0, {"out_per_s": 4999.0}, "durable in groups"),
        (SPOOL, 1, {"left": 4999}, "kill -9"),
    ],
)
def test_a_goal_is_met_or_missed_by_the_rows(rows, number, worse, goal):
    def missed(rows):
        hub.add_ratios(rows := [dict(row) for row in rows])
        return [goal["goal"] for goal in hub.goals(rows) if not goal["met"]]

    assert missed(rows) == []
    assert missed([{**row, **(worse if n == number else {})} for n, row in enumerate(rows)]) == [goal]


def test_requests_go_through_the_whole_process_to_each_device():
    rows = [{"part": "devices", **row} for row in hub_devices.measure(0, count=70)]
    assert [(row["requests"], row["lost"], row["wrong"]) for row in rows] == [(70, 0, 0)] * 2
    assert all(row["after_kib"] >= row["before_kib"] > 10_000 for row in rows)
    assert words(hub.table(rows)[0])[-2:] == ["KiB before", "KiB after"]


def test_a_device_that_the_hub_does_not_have_is_counted_as_wrong():
    with (
        hub_devices.coap_load() as program,
        hub_devices.whole_hub(1, 1) as (process, port),
    ):
        row = hub_devices.ask(program, process, port, 1, 3, "con", "other", "1")
    assert (row["requests"], row["wrong"]) == (3, 3)


def test_the_octets_of_tokens_are_a_table():
    row = {"section": "octets", "what": "split", "carried": 16, **dict.fromkeys(hub_tokens.LEGS, 31), "radio": 155}
    head, line = map(words, hub.table([{"part": "tokens", **row}]))
    assert head == ["octets", "carried", *hub_tokens.LEGS, "radio"]
    assert line == ["split", "16", *["31"] * 6, "155"]


def test_what_was_started_ends_with_who_is_killed():
    program = (
        f"import sys; sys.path.insert(0, {HERE!r})\nfrom hub_ends import child\n"
        "with child('sh', '-c', 'echo here; exec sleep 1000') as (process, _):\n"
        "    print(process.pid, flush=True)\n    process.wait()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as killed:
        started = os.pidfd_open(int(killed.stdout.readline()))
        try:
            assert select.select([started], [], [], 0)[0] == []
            killed.send_signal(signal.SIGKILL)
            assert select.select([started], [], [], 30)[0] == [started]
        finally:
            os.close(started)
