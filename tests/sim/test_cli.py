"""`holdfast sim`: what it prints fits a terminal, and stays one line a step in a file."""

import sys

import click
import pytest

from holdfast_core.cli import EXIT_UNREACHABLE
from holdfast_sim import cli
from holdfast_sim.ladder import Line

STEP = Line(16, "app", "AS", "POST /token  {grant_type, client_id, client_secret, code, code_verifier}", 302)


def shown(capsys):
    cli._say_lines([STEP])
    return click.unstyle(capsys.readouterr().out).splitlines()


def test_a_step_is_one_line_in_a_file(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (line,) = shown(capsys)
    assert len(line) > 80


def test_a_step_goes_on_below_its_own_column_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    first, *more = shown(capsys)
    assert first.startswith("  16         app -> AS")
    assert max(map(len, [first, *more])) <= 80
    assert more
    assert all(line.startswith(" " * 40 + "c") for line in more)


def test_a_run_that_is_stopped_is_no_failed_check(capsys):
    def run(_tell, *, keep):
        raise KeyboardInterrupt(keep)

    with pytest.raises(click.exceptions.Exit) as stopped:
        cli._play(run, None, as_json=False, keep=False)
    assert stopped.value.exit_code == EXIT_UNREACHABLE
    assert capsys.readouterr().err == "Error: Stopped before the end; no check has failed.\n"
