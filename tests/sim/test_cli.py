"""`holdfast sim`: what it prints fits a terminal, and stays one line a step in a file."""

import sys

import click

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
