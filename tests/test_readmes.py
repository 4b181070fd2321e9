"""Every page at the root, of docs and of an area: links lead to what is there, and each program named is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
READMES = sorted(ROOT.glob("*.md"))
for folder in ("benchmarks", "device", "native", "hub", "scripts", "server", "simulator", "tests"):
    READMES += sorted((ROOT / folder).glob("**/README.md"))
READMES += sorted((ROOT / "docs").glob("**/*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
PROGRAM = re.compile(r"\b(?:scripts|tests|benchmarks|native|device)/[\w./-]+\.(?:sh|py|mk|cmake)\b")


def anchors(page):
    """The anchors of the headings of a page, as code forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(readme):
    """What a README says of this tree and is not so."""
    text = readme.read_text()
    for link in LINK.findall(text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        there = (readme.parent / path) if path else readme
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield link
    for program in PROGRAM.findall(text):
        if not (ROOT / program).exists():
            yield program


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_link_and_each_program_is_there(readme):
    assert list(broken(readme)) == []


def test_what_is_not_there_is_found(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# A page\n[a](b.py) [c](#a-page) [d](#no-page) [e](README.md) scripts/no.sh scripts/setup.sh\n")
    assert list(broken(page)) == ["b.py", "#no-page", "scripts/no.sh"]


def test_each_script_has_its_line():
    page = (ROOT / "scripts" / "README.md").read_text()
    scripts = [path.name for path in (ROOT / "scripts").glob("[!_]*") if path.name != "README.md"]
    assert len(scripts) > 10
    assert [name for name in scripts if f"]({name}" not in page] == []
