"""`holdfast server --help`, for every command: it teaches."""

import pytest

from holdfast_server.cli import main as cli
from testkit.serve import holdfast

GROUPS = {
    "client": {"add", "allow", "deny", "disable", "enable", "list", "new-secret", "remove", "set", "show", "stats"},
    "rs": {"add", "disable", "enable", "export", "list", "remove", "set", "show"},
    "user": {"add", "allow", "consents", "deny", "disable", "enable", "list", "password", "remove", "set", "show"},
    "token": {"introspect", "list", "revoke"},
    "key": {"export", "import", "list", "rotate"},
    "context": {"export", "import", "list"},
    "clock": {"accept", "show"},
}
ALONE = {"init", "serve", "check", "audit", "backup", "restore", "restored"}


@pytest.mark.parametrize(
    "path",
    [[], *([name] for name in ALONE | set(GROUPS)), *([group, name] for group in GROUPS for name in GROUPS[group])],
)
def test_help_says_what_every_command_does(path):
    done = holdfast(*path, "--help")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Usage: ")
    assert lines[2].strip().endswith((".", ",")) or len(lines[2]) > 40
    assert "\\b" not in done.stdout


def test_the_first_help_shows_every_group_and_a_server_from_nothing():
    text = " ".join(holdfast("--help").stdout.split())
    for word in [*GROUPS, *ALONE, "holdfast server init", "holdfast server user add doctor", "exit codes"]:
        assert word in text, word
    for group, names in GROUPS.items():
        listed = holdfast(group, "--help").stdout.split("Commands:")[1]
        assert {line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "} == names


@pytest.mark.parametrize(
    ("path", "sentences"),
    [
        (["restored"], ["tokens that were revoked", "passwords and client secrets", "were locked or removed"]),
        (["rs", "export"], ["When this one fails, the earlier one still works."]),
        (["client", "add"], ["https, http on loopback, or a scheme like com.example.app."]),
    ],
)
def test_help_says_what_an_operator_could_not_guess(path, sentences):
    text = " ".join(holdfast(*path, "--help").stdout.split())
    for sentence in sentences:
        assert sentence in text


def test_what_is_no_command_is_a_usage_error():
    for argv in (["nonsense"], ["client", "nonsense"], ["client", "add"], ["token", "revoke", "x"], ["check", "--x"]):
        done = holdfast(*argv)
        assert done.returncode == 2
        assert "Usage: " in done.stderr


def every_command(command, path=()):
    for name, inside in getattr(command, "commands", {}).items():
        yield from every_command(inside, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


def test_every_command_that_ends_can_answer_in_json():
    every = dict(every_command(cli.group))
    without = [" ".join(path) for path, one in every.items() if "as_json" not in {part.name for part in one.params}]
    assert without == ["serve"]
