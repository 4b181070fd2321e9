"""The `holdfast` command itself: it teaches, and says in one sentence what is missing.

It runs nothing of a role but its help: their own tests do.
"""

import sys
from importlib.metadata import EntryPoint, entry_points

import click
import pytest
from click.testing import CliRunner, Result

from holdfast_core import cli


def run(monkeypatch: pytest.MonkeyPatch, points: dict[str, str], *argv: str) -> Result:
    """Run the command with these entry points instead of the installed ones."""
    made = [EntryPoint(name, value, cli.ENTRY_POINT_GROUP) for name, value in points.items()]
    monkeypatch.setattr(cli, "entry_points", lambda group: made)
    return CliRunner().invoke(cli.group, list(argv), prog_name="holdfast", env={"COLUMNS": "80"})


def test_help_names_each_group_and_the_first_commands_without_importing_any(monkeypatch) -> None:
    done = run(monkeypatch, {"sim": "no_such_module:group", "server": "no_such_module:group"}, "--help")
    assert done.exit_code == 0
    for word in ("server ", "sim ", "holdfast sim ekg", "holdfast sim tube", "holdfast server init"):
        assert word in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "device " not in done.output.split("Groups")[1].split("Try first")[0]


def every_command(name, command):
    """Yield (name, command) of a group and of all that is in it."""
    yield name, command
    for part, inside in getattr(command, "commands", {}).items():
        yield from every_command(f"{name} {part}", inside)


@pytest.mark.parametrize("role", ["server", "device", "sim"])
def test_every_help_is_text_for_people(role) -> None:
    [point] = entry_points(group=cli.ENTRY_POINT_GROUP, name=role)
    for name, command in every_command(role, point.load()):
        done = CliRunner().invoke(command, ["--help"], env={"COLUMNS": "80"})
        assert done.exit_code == 0, name
        assert command.help, name
        assert "\b" not in done.output, name
        assert "\\b" not in done.output, name
        assert [line for line in done.output.splitlines() if len(line) > 80] == [], name
        assert "..." not in done.output.partition("Commands:")[2], f"{name}: a sentence of a command is cut off"
        options = [part for part in command.params if isinstance(part, click.Option)]
        assert [part.name for part in options if not part.help] == [], name


def test_version(monkeypatch) -> None:
    done = run(monkeypatch, {}, "--version")
    assert done.output.startswith("holdfast, version ")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module.deep:group", "needs no_such_module, which is not installed: pip install 'holdfast-ace[sim]'"),
        ("holdfast_nowhere.cli:group", "this installation has no 'sim' commands"),
    ],
)
def test_missing_role_is_one_sentence(monkeypatch, value, said) -> None:
    done = run(monkeypatch, {"sim": value}, "sim", "ekg")
    assert done.exit_code == cli.MissingRole.exit_code
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("story", ["ekg", "tube"])
def test_a_story_without_what_it_needs_is_one_sentence(monkeypatch, story) -> None:
    for name in ("holdfast_sim.story_ekg_shell", "holdfast_sim.story_tube_shell"):
        monkeypatch.setitem(sys.modules, name, None)
    done = CliRunner().invoke(cli.group, ["sim", story])
    assert done.exit_code == cli.MissingRole.exit_code
    assert "holdfast_sim is not part of it" in done.output
    assert "Traceback" not in done.output


def test_a_bug_in_a_role_stays_visible(monkeypatch) -> None:
    done = run(monkeypatch, {"sim": "json:loads"}, "sim")
    assert isinstance(done.exception, TypeError)


def test_a_role_that_is_there_runs(monkeypatch) -> None:
    done = run(monkeypatch, {"again": "holdfast_core.cli:group"}, "again", "--version")
    assert done.exit_code == 0
    assert done.output.startswith("holdfast, version ")


def test_unknown_group_is_a_usage_error(monkeypatch) -> None:
    done = run(monkeypatch, {}, "nonsense")
    assert done.exit_code == click.UsageError.exit_code
    assert "No such command 'nonsense'" in done.output
