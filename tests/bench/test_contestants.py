"""Who races in the benchmarks does the work: takes good tokens, refuses bad ones, protects what can be opened."""

import json
import sys

import pytest

from testkit.native_build import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import quote
import race
import tokens

import bench

ITEMS = 4


@pytest.fixture(scope="module")
def token_jobs():
    return tokens.token_jobs(ITEMS)


@pytest.fixture(scope="module")
def oscore_jobs():
    return tokens.oscore_jobs(ITEMS)


def rows_of(command, job):
    contestant = race.Contestant(command, job)
    try:
        return contestant.answer()
    finally:
        contestant.close()


@pytest.mark.parametrize("name", list(tokens.TOKEN_WORKERS))
def test_takes_good_tokens_and_refuses_bad_ones(name, token_jobs):
    assert sorted(rows_of(tokens.TOKEN_WORKERS[name], token_jobs[name])) == sorted(tokens.FORMATS)


@pytest.mark.parametrize("token_format", tokens.FORMATS)
@pytest.mark.parametrize("name", [tokens.HAND, tokens.CFFI])
def test_who_takes_a_bad_token_is_out_of_the_race(name, token_format, token_jobs):
    job = token_jobs[name]
    taken = {**job, "bad": {**job["bad"], token_format: [job["good"][token_format][0]]}}
    with pytest.raises(SystemExit, match="ended with 1"):
        rows_of(tokens.TOKEN_WORKERS[name], taken)


@pytest.mark.parametrize("name", list(tokens.TOKEN_WORKERS))
def test_who_refuses_a_good_token_is_out_of_the_race(name, token_jobs):
    job = token_jobs[name]
    good = {**job["good"], "cwt-mac": job["bad"]["cwt-mac"]}
    with pytest.raises(SystemExit, match="ended with 1"):
        rows_of(tokens.TOKEN_WORKERS[name], {**job, "good": good})


def test_oscore_opens_to_what_went_in_whoever_protects(oscore_jobs):
    tokens.prove_outputs(oscore_jobs)
    assert list(oscore_jobs) == [tokens.AIOCOAP, "ours, Python", "ours, C"]


@pytest.mark.parametrize("name", list(tokens.OSCORE_WORKERS))
def test_who_opens_a_changed_request_is_out_of_the_race(name, oscore_jobs):
    job = oscore_jobs[name]
    good = {**job["good"], tokens.UNPROTECT: job["bad"][tokens.UNPROTECT]}
    with pytest.raises(SystemExit, match="ended with 1"):
        rows_of(tokens.OSCORE_WORKERS[name], {**job, "good": good})


@pytest.mark.parametrize("name", list(tokens.FULL_WORKERS))
def test_a_server_that_does_not_answer_as_it_should_is_out_of_the_race(name):
    job = {"keys": {}, "good": {tokens.ROW: ["01"] * 2}, "bad": {tokens.ROW: ["00"]}, "prove": 2}
    assert rows_of(tokens.FULL_WORKERS[name], job) == [tokens.ROW]
    with pytest.raises(SystemExit, match="ended with 1"):
        rows_of(tokens.FULL_WORKERS[name], {**job, "good": job["bad"]})


def test_instructions_are_those_of_the_work_and_the_same_every_time(oscore_jobs):
    job, command = oscore_jobs["ours, C"], tokens.OSCORE_WORKERS["ours, C"]
    first, second = race.instructions(command, job), race.instructions(command, job)
    assert first == second
    assert all(300 < count < 1_000_000 for count in first.values())


def test_ratios_and_goals_come_from_the_rows():
    rows = [
        {"section": "cwt-nested", "what": tokens.HAND, "us": 90.0},
        {"section": "cwt-nested", "what": tokens.CFFI, "us": 45.0},
        {"section": "Cortex-M0+ (simulated)", "what": "p256-m, any key", "cycles": 96_000_000},
        {"section": "Cortex-M0+ (simulated)", "what": "ours, assembly: provisioned key, 2 x 2 KB", "cycles": 2_400_000},
    ]
    bench.add_ratios(rows)
    assert [row["ratio"] for row in rows] == [1.0, 2.0, 1.0, 40.0]
    assert [(goal["goal"], goal["met"]) for goal in bench.goals(rows)] == [
        ("a nested token through cffi", False),
        ("Cortex-M0+ cycles, 2 x 2 KB", True),
    ]


def test_the_readme_quotes_the_run_that_is_kept():
    result = json.loads(quote.RESULTS.read_text())
    readme = quote.README.read_text()
    assert quote.quoted(readme, result) == readme


def test_a_run_that_lacks_a_line_is_not_quoted():
    result = json.loads(quote.RESULTS.read_text())
    result["rows"] = [row for row in result["rows"] if row["section"] != "oscore-protect"]
    with pytest.raises(SystemExit, match="protecting"):
        quote.lines(result)
