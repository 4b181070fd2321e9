"""Every `holdfast …` that a page, a help text or a message names is a command of ours, and each of its options too."""

import re
from importlib.metadata import entry_points

import click
import pytest

from holdfast_core import cli
from layout_rules import PACKAGES
from test_readmes import READMES, ROOT

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PROGRAMS = sorted((ROOT / "device" / "examples").rglob("*.py"))
ROLES = {point.name: point.load() for point in entry_points(group=cli.ENTRY_POINT_GROUP)}
# A name in backticks, and a line that begins with the command, as those of a block or of a help text do.
QUOTED = re.compile(r"`((?:\.venv/bin/)?(?:holdfast )?(?:[a-z]+ )+[^`\n]*)`")
LINE = re.compile(r"^[ \"'f]*(?:Next: )?(?:\.venv/bin/)?(holdfast (?:server|device|hub|sim)\b[^\n]*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def named(text):
    """The commands that a text names, as typed; parts of an implicit string concatenation are joined first."""
    joined = re.sub(r"\"\n\s*f?\"", "", text)
    lines = [line.partition("  #")[0] for line in LINE.findall(joined.replace("\\\n", ""))]
    yield from (re.split(r"[`\"]", line)[0] for line in lines)
    for quoted in QUOTED.findall(joined):
        words = quoted.removeprefix(".venv/bin/").removeprefix("holdfast ").split()
        first = ROLES["server"].commands.get(words[0]) if words[0] not in ROLES else ROLES[words[0]]
        if quoted.startswith("holdfast ") or (isinstance(first, click.Group) and len(words) > 1):
            yield "holdfast " + ("" if words[0] in ROLES else "server ") + " ".join(words)


def wrong(typed):
    """What of a command as typed is not in the command tree; None when all of it is."""
    command, words = cli.group, typed.split()[1:]
    while isinstance(command, click.Group) and words and re.fullmatch(r"[a-z][a-z|-]*", words[0]):
        name = words.pop(0).split("|")
        found = [ROLES.get(one) if command is cli.group else command.commands.get(one) for one in name]
        if None in found:
            return f"{typed}: no command {'|'.join(name)}"
        command = found[0]
    known = {option for part in command.params for option in (*part.opts, *part.secondary_opts)} | {"--help", "-h"}
    unknown = [option for option in OPTION.findall(" ".join(words)) if option not in known]
    return f"{typed}: no option {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("path", [*READMES, *SOURCES, *PROGRAMS], ids=lambda path: str(path.relative_to(ROOT)))
def test_each_command_and_option_that_is_named_is_there(path):
    assert [said for said in map(wrong, named(path.read_text())) if said] == []


def test_many_are_found():
    found = [typed for path in (*READMES, *SOURCES) for typed in named(path.read_text())]
    assert len(found) > 120
    assert any("server context import FILE --client" in typed for typed in found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("say `holdfast server clok show`", "no command clok"),
        ("`client add --lenientt`", "no option --lenientt"),
        ("    holdfast device provision NAME --to FILE\n", "no option --to"),
        ('"see `holdfast server "\n    "client sett`"', "no command sett"),
        ("`rs add X --profil coap_dtls`", "no option --profil"),
        ("    holdfast server restor\n", "no command restor"),
    ],
)
def test_one_that_is_not_there_is_found(text, says):
    [typed] = named(text)
    assert says in wrong(typed)
