"""The tree keeps its rules: import arrows, sans-IO, one vocabulary, small files, nothing private.

Every rule is also shown a planted violation: a checker that finds nothing in a bad file checks nothing.
"""

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from import_circles import call_graph, circles, include_graph, python_graph
from layout_rules import (
    MAX_FILE_LINES,
    PACKAGES,
    Source,
    file_size_and_docstring,
    kinds_in_c,
    package_sources,
    private_names,
    violations,
)

DOC = '"""What it is."""\n'


def tracked_files(repo: Path) -> list[Path]:
    """What is committed or about to be; where git cannot tell, every file outside dot folders."""
    if (repo / ".git").exists() and shutil.which("git"):
        asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(asked, cwd=repo, capture_output=True, text=True, check=False).stdout
        if listed:
            return [repo / name for name in listed.split("\0") if name and (repo / name).is_file()]
    inside = (path for path in repo.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [path for path in inside if not any(part.startswith(".") for part in path.relative_to(repo).parts[:-1])]


def test_packages_keep_the_rules(repo: Path) -> None:
    sources = package_sources(repo)
    assert {source.package for source in sources} >= {"holdfast_core", "holdfast_device", "holdfast_server"}
    assert [sentence for source in sources for sentence in violations(source)] == []


def test_tests_are_small_and_say_what_they_are(repo: Path) -> None:
    sources = [Source(path.relative_to(repo).as_posix(), path.read_text()) for path in (repo / "tests").rglob("*.py")]
    assert len(sources) > 3
    assert [s for source in sources for s in file_size_and_docstring(source, ast.parse(source.text))] == []


def test_no_file_needs_itself(repo: Path) -> None:
    assert list(circles(python_graph(package_sources(repo)))) == []
    native = repo / "native"
    code = [path for folder in ("src", "port", "include", "bind") for path in sorted((native / folder).rglob("*.[ch]"))]
    assert list(circles(include_graph(code))) == []
    called = call_graph([path for path in code if path.suffix == ".c"])
    assert list(circles(called)) == []
    assert called["hf_token.c"] >= {"hf_token_open.c", "hf_token_cnf.c", "hf_claims.c"}


def test_planted_circles_are_found(tmp_path: Path) -> None:
    texts = {
        "a": "if TYPE_CHECKING:\n    from holdfast_core.b import B\n",
        "b": "def f():\n    from holdfast_core import c\n",
        "c": "import holdfast_core.a\n",
        "d": "from holdfast_core.a import A\nimport holdfast_core.d\n",
    }
    sources = [Source(f"native/holdfast_core/{name}.py", text) for name, text in texts.items()]
    circle = [f"holdfast_core.{name}" for name in "abca"]
    assert list(circles(python_graph(sources))) == [" -> ".join(circle)]
    assert list(circles(python_graph(sources[:2]))) == []
    headers = {"a.h": '#include "b.h"\n', "b.h": '# include "../a.h"\n', "c.h": '#include "a.h"\n'}
    code = {
        "a.c": "int hf_a(int x)\n{\n    return hf_b(x);\n}\n",
        "b.c": "int hf_b(int x)\n{\n    return hf_a(x);\n}\n",
    }
    code["c.c"] = "/* hf_a(x) */\nstatic int hf_c(int x)\n{\n    return hf_b(x);\n}\n"
    for name, text in {**headers, **code}.items():
        (tmp_path / name).write_text(text)
    assert list(circles(include_graph(sorted(tmp_path.glob("*.h"))))) == ["a.h -> b.h -> a.h"]
    assert list(circles(call_graph(sorted(tmp_path.glob("*.c"))))) == ["a.c -> b.c -> a.c"]


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("native/holdfast_core/x.py", "import holdfast_device.rs", "must not import holdfast_device"),
        ("device/holdfast_device/x.py", "from holdfast_server import keys", "must not import holdfast_server"),
        ("device/holdfast_device/x.py", "from holdfast_deploy import wear", "must not import holdfast_deploy"),
        ("device/holdfast_deploy/x.py", "from holdfast_server import keys", "must not import holdfast_server"),
        ("server/holdfast_server/x.py", "import holdfast_deploy.cli", "must not import holdfast_deploy"),
        ("server/holdfast_server/x.py", "def f():\n    import holdfast_device", "must not import holdfast_device"),
        ("hub/holdfast_hub/x.py", "from holdfast_sim.clock import Clock", "must not import holdfast_sim"),
        ("hub/holdfast_hub/proxy/x.py", "from holdfast_hub.spool import sqlite", "proxy must not import spool"),
        ("hub/holdfast_hub/later/x.py", "import asyncio", "imports asyncio"),
        ("hub/holdfast_hub/links/x.py", "import sqlite3", "which only store and spool may"),
        ("server/holdfast_server/cli/main.py", "import holdfast_sim", "must not import holdfast_sim"),
        ("device/holdfast_device/rs.py", "import socket", "imports socket"),
        ("device/holdfast_device/rs.py", "from os import urandom", "imports os"),
        ("device/holdfast_device/shelling.py", "import time", "imports time"),
        ("server/holdfast_server/authz/tokens.py", "if TYPE_CHECKING:\n    import asyncio", "imports asyncio"),
        ("server/holdfast_server/authz/tokens.py", "f = open('x')", "calls open()"),
        ("server/holdfast_server/wire/tokens.py", "print('x')", "calls print()"),
        ("device/holdfast_device/x.py", "claims = {-1: 'iss'}", "bare number as key"),
        ("device/holdfast_device/x.py", "exp = claims.get(4)", "get() with a bare number"),
        ("server/holdfast_server/x.py", "token = Tag(61, body)", "Tag() with a bare number"),
        ("server/holdfast_server/x.py", "PRIV_ACT = -65544", "belongs into labels.py"),
        ("server/holdfast_server/x.py", "EXI_SEQUENCE_LEN = 8", "is defined in kinds.py"),
        ("device/holdfast_device/x.py", "_MAX_COAP_TOKEN_LEN: int = 8", "is defined in kinds.py"),
        ("native/holdfast_core/x.py", "FORMATS = ()", "is defined in kinds.py"),
        ("simulator/holdfast_sim/x.py", "add = ['--format', 'cwt-nested']", "has a name in kinds.py"),
        ("server/holdfast_server/authz/x.py", "import holdfast_server.web.app", "authz must not import web"),
        (
            "server/holdfast_server/authz/x.py",
            "from holdfast_server.store import sqlite",
            "authz must not import store",
        ),
        ("server/holdfast_server/wire/x.py", "from holdfast_server.coap import site", "wire must not import coap"),
        ("server/holdfast_server/store/x.py", "from holdfast_server import web", "store must not import web"),
        ("server/holdfast_server/web/pages.py", "import time", "imports time"),
        ("server/holdfast_server/authz/x.py", "may = not client.disabled", "which records.in_force says"),
        ("server/holdfast_server/cli/x.py", "import sqlite3", "which only store and spool may"),
        ("server/holdfast_server/x.py", "\n" * (MAX_FILE_LINES + 1), "lines"),
        ("server/holdfast_server/x.py", "def f():\n" + "    pass\n" * 70, "f has 71 lines"),
    ],
)
def test_planted_violation_is_found(path: str, text: str, said: str) -> None:
    found = violations(Source(path, DOC + text))
    assert len(found) == 1
    assert said in found[0]


def test_no_kind_is_defined_twice_in_c(repo: Path) -> None:
    files = [path for path in (repo / "native").rglob("*.[ch]") if path.name != "hf_kinds.h"]
    assert len(files) > 40
    found = [s for path in files for s in kinds_in_c(path.relative_to(repo).as_posix(), path.read_text())]
    assert found == []
    for planted in ("#define HF_MAX_ACTORS 4\n", "#define EXI_SEQUENCE_LEN 8 /* as there */\n"):
        assert len(list(kinds_in_c("native/src/x.c", planted))) == 1
    assert list(kinds_in_c("native/src/x.c", "#define HEADER_LEN 4\n")) == []


def test_missing_docstring_is_found() -> None:
    assert violations(Source("native/holdfast_core/x.py", "X = 1\n")) == ["native/holdfast_core/x.py: no docstring"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("device/holdfast_device/rs.py", "from holdfast_core import cbor\nfrom holdfast_device.grants import Grants"),
        ("device/holdfast_deploy/cli.py", "import holdfast_device.device, holdfast_core.errors"),
        ("device/holdfast_device/udp_shell.py", "import socket, time\nprint(open('x'))"),
        ("server/holdfast_server/store/sqlite.py", "import sqlite3, threading"),
        (
            "server/holdfast_server/x.py",
            "row = rows[0]\nlast = rows.pop(0)\nMAX_TOKEN_LEN = 512\nTITLE = {404: 'x'}",
        ),
        ("server/holdfast_server/y.py", "HELP = 'cwt-nested is the default'"),
        ("simulator/holdfast_sim/x.py", "import holdfast_server, holdfast_device, holdfast_core"),
        ("native/holdfast_core/labels.py", "CLAIM_EXP = 4\nNAMES = {4: 'exp'}"),
    ],
)
def test_what_is_allowed_is_not_blamed(path: str, text: str) -> None:
    assert violations(Source(path, DOC + text)) == []


def test_no_module_beside_a_package(repo: Path) -> None:
    loose = [path for package in PACKAGES for path in (repo / package).parent.glob("*.py")]
    assert loose == []
    assert not (repo / "setup.py").exists()
    assert list((repo / "tests").rglob("__init__.py")) == []


def test_every_package_is_built(repo: Path) -> None:
    build = tomllib.loads((repo / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    there = {package for package in PACKAGES if (repo / package).exists()}
    assert set(build["targets"]["wheel"]["packages"]) == there
    assert set(build["dev-mode-dirs"]) == {path.split("/")[0] for path in there}
    assert all((repo / path / "py.typed").exists() for path in there)


def test_each_migration_has_a_number_of_its_own(repo: Path) -> None:
    names = sorted(path.name for path in (repo / "server/holdfast_server/store/migrations").glob("*.sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1)), names


def test_nothing_private_is_committed(repo: Path) -> None:
    files = tracked_files(repo)
    assert len(files) > 10
    found = [s for path in files for s in private_names(str(path.relative_to(repo)), path.read_text(errors="replace"))]
    assert found == []


def test_every_link_in_a_readme_leads_somewhere(repo: Path) -> None:
    pages = [path for path in tracked_files(repo) if path.suffix == ".md"]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())]
    assert len(links) > 40
    assert [f"{page}: {link}" for page, link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "line",
    ["see /" + "work/main", "cp x /" + "root/y", "index: https://pypi" + ".org/simple", "# DESIGN" + " section 2"],
)
def test_planted_private_name_is_found(line: str) -> None:
    assert len(list(private_names("x.md", line))) == 1


def test_ordinary_paths_are_not_blamed() -> None:
    assert list(private_names("x.md", "/etc/holdfast and coap://rs/authz-info and network/home/x")) == []
