"""The pictures of states in the READMEs are those of the tables in the code."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from gen_pictures import ASKED, READMES, drawn, picture

from holdfast_device import sessions


@pytest.mark.parametrize("name", READMES)
def test_each_picture_is_current(repo, name):
    """When this fails: .venv/bin/python scripts/gen_pictures.py."""
    text = (repo / name).read_text()
    assert drawn(text) == text
    asked = ASKED.findall(text)
    assert len(re.findall("```mermaid", text)) == len(asked) >= 1
    line = next(row for row in text.splitlines() if " --> " in row and "[*]" not in row)
    assert drawn(text.replace(line + "\n", "")) == text


def test_a_picture_has_each_state_and_each_event():
    states = {"A": {"go": "B", "stay": "A", "run": "B"}, "B": {}}
    rows = ["    [*] --> A", "    A --> B: go, run", "    A --> A: stay", "    B --> [*]"]
    assert picture(states).splitlines() == ["```mermaid", "stateDiagram-v2", *rows, "```"]


def test_each_event_of_a_session_is_a_method_and_leads_to_a_state():
    for events in sessions.STATES.values():
        assert set(events.values()) <= sessions.STATES.keys()
        assert all(callable(getattr(sessions.Session, event)) for event in events)
