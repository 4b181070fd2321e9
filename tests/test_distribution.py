"""No page, message or script tells anybody to install a package whose name is ours by half.

The distribution is `holdfast-ace`. The name `holdfast` alone belongs to another project in the public index: a person
who follows `pip install holdfast` runs the code of a stranger.
"""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

from holdfast_core.cli import DISTRIBUTION

ROOT = Path(__file__).resolve().parent.parent
MADE = {"build", "dist", "__pycache__", "node_modules"}  # and every folder with a dot but CI's
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".sh",
    ".txt",
    ".lock",
    ".json",
    ".html",
    ".mk",
    ".cmake",
    ".c",
    ".h",
    ".mjs",
    ".js",
    ".yml",
    "",
}
# An installer and its arguments up to the end of the line, and a requirement with an extra or a version beside it.
INSTALLER = re.compile(r"\b(?:pip3?|pipx|uv|poetry|conda|easy_install)\b[^\n]*?\b(?:install|add|run)\b([^\n]*)")
OURS = re.compile(r"(?<![\w./-])holdfast(?![\w./-]| (?:server|device|sim|client|hub)\b)")
REQUIREMENT = re.compile(r"(?<![\w./-])holdfast(?:\[\w|\s*(?:[=~!]=|[<>]=?\s*\d))")


def strangers(text: str) -> list[str]:
    """The lines that have a person install, or a tool require, `holdfast` alone."""
    return [
        line
        for line in text.splitlines()
        if REQUIREMENT.search(line) or any(OURS.search(found) for found in INSTALLER.findall(line))
    ]


def pages() -> list[Path]:
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and not any(part in MADE or (part[0] == "." and part != ".ci") for part in path.relative_to(ROOT).parts[:-1])
        and path.suffix in TEXT
        and path != Path(__file__).resolve()
    ]


def test_no_file_has_a_person_install_the_package_of_a_stranger() -> None:
    found = {path.relative_to(ROOT).as_posix(): strangers(path.read_text(errors="replace")) for path in pages()}
    assert len(found) > 300
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "pip install 'holdfast[server]'",
        "pip install holdfast",
        ".venv/bin/python -m pip install -q holdfast esptool",
        "uv pip install holdfast==0.1",
        "pipx install holdfast",
        'sim = ["holdfast[server,device]"]',
        "holdfast>=0.1",
    ],
)
def test_a_line_that_names_the_package_of_a_stranger_is_found(line: str) -> None:
    assert strangers(line) == [line]


@pytest.mark.parametrize(
    "line",
    [
        "pip install 'holdfast-ace[server]'",
        "pip install . && holdfast server init",
        "holdfast device -h",
        "pip install -e .",
    ],
)
def test_our_own_name_and_our_command_are_left_alone(line: str) -> None:
    assert strangers(line) == []


def test_the_name_that_messages_give_is_the_name_that_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION == metadata(DISTRIBUTION)["Name"]
