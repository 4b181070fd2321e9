"""The rules of the source tree that a reader can check by eye, checked from the text alone (docs: README).

Each rule is a function from a parsed file to the sentences that say what is wrong with it; nothing is imported
or run. tests/test_layout.py asks for no sentence on the tree, and for one on each planted violation.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGES = (
    "native/holdfast_core",
    "device/holdfast_device",
    "device/holdfast_deploy",
    "server/holdfast_server",
    "hub/holdfast_hub",
    "simulator/holdfast_sim",
)
MAY_IMPORT = {
    "holdfast_core": set(),
    "holdfast_device": {"holdfast_core"},
    "holdfast_deploy": {"holdfast_core", "holdfast_device"},
    "holdfast_server": {"holdfast_core"},
    "holdfast_hub": {"holdfast_core"},
    "holdfast_sim": {"holdfast_core", "holdfast_device", "holdfast_deploy", "holdfast_server", "holdfast_hub"},
}
# Rooms of server and hub: which rooms each may import.  Only the rooms of WORLDLY_ROOMS touch the world.
_PURE = {"authz", "wire", "records", "base64url"}
ROOMS = {
    "base64url": set(),
    "records": {"authz", "base64url"},
    "authz": {"records", "base64url"},
    "wire": {"authz", "records", "base64url"},
    "store": {"authz", "records", "base64url"},
    "coap": {*_PURE, "store"},
    "web": {*_PURE, "store", "process"},
    "process": {*_PURE, "store", "web"},
    "cli": {*_PURE, "store", "web", "coap", "process"},
}
_HUB_SHARED = {"records", "ports"}
_HUB_PURE = {*_HUB_SHARED, "devices", "proxy", "later", "tokens", "readings", "admission"}
HUB_ROOMS = {
    "records": set(),
    "ports": {"records"},
    "devices": _HUB_SHARED,
    "proxy": {*_HUB_SHARED, "devices"},
    "later": {*_HUB_SHARED, "devices"},
    "tokens": {*_HUB_SHARED, "devices"},
    "readings": {*_HUB_SHARED, "devices"},
    "admission": {*_HUB_SHARED, "devices"},
    "spool": _HUB_SHARED,
    "links": {*_HUB_SHARED, "devices"},
    "process": {*_HUB_PURE, "spool", "links"},
    "cli": {*_HUB_PURE, "spool", "links", "process"},
}
ROOMS_OF: dict[str, dict[str, set[str]]] = {"holdfast_server": ROOMS, "holdfast_hub": HUB_ROOMS}
# Modules that read a clock among much that does not, and the files that use only the rest.
READS_NO_CLOCK = {("server/holdfast_server/wire/readable.py", "datetime")}
WORLDLY_ROOMS = {
    "holdfast_server": frozenset(["store", "coap", "web", "process", "cli"]),
    "holdfast_hub": frozenset(["spool", "links", "process", "cli"]),
}
# Files that touch the world. Everything else is bytes and `now` in, bytes and events out.
WORLDLY = re.compile(r"(.*shell|store_.*|cli|config|trace)\.py")
# They stand in a room that may, beside the loops that they decide for, and do not.
SANS_IO_IN_A_WORLDLY_ROOM = frozenset(
    ["web/connection_limits.py", "web/login_limits.py", "web/pages.py", "coap/site.py", "coap/party_contexts.py"]
)
WORLD_MODULES = frozenset(
    """
    socket asyncio selectors select time datetime os pathlib io sqlite3 threading multiprocessing concurrent
    subprocess tempfile shutil signal ssl http ctypes mmap fcntl getpass platform uuid glob queue
    logging random secrets aiocoap uvicorn httpx anyio machine network esp esp32 rp2 utime uos usocket
    """.split()  # noqa: SIM905 - a list of strings would be three times as long
)
WORLD_CALLS = frozenset(["open", "input", "print", "exec", "eval", "breakpoint", "__import__"])
LABEL_PREFIX = re.compile(
    r"_?(CODE|TYPE|OPT|CF|ACE|INTRO|HINT|ERR|GRANT|TOKEN_TYPE|PROFILE|CLAIM|CNF|OSC|HDR|KEY|KTY|CRV|KEYOP|ALG|TAG"
    r"|METHOD|PRIV)_(?!LEN$|SIZE$|MAX$)[A-Z0-9_]+"
)
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70


@dataclass(frozen=True)
class Source:
    """One module: where it stands (area/package/..., as text), and its text."""

    path: str
    text: str

    @property
    def package(self) -> str:
        return self.path.split("/")[1]

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def room(self) -> str:
        """The folder, or the file without one, in a package that has rooms; "" elsewhere."""
        return self.path.split("/")[2].removesuffix(".py") if self.package in ROOMS_OF else ""

    @property
    def rooms(self) -> dict[str, set[str]]:
        """The rooms of the package, and which of them each may import; none elsewhere."""
        return ROOMS_OF.get(self.package, {})

    @property
    def is_worldly(self) -> bool:
        if self.room in WORLDLY_ROOMS.get(self.package, ()):
            return "/".join(self.path.split("/")[2:]) not in SANS_IO_IN_A_WORLDLY_ROOM
        return WORLDLY.fullmatch(self.name) is not None


def _is_int(node: ast.AST | None) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int


def _is_label(node: ast.AST | None) -> bool:
    """A bare number such as nearly all registries hand out; HTTP statuses and UTF-8 lead bytes are above."""
    if isinstance(node, ast.UnaryOp):
        return _is_int(node.operand)
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value < 100


def imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, top-level module) of every import, also inside functions and TYPE_CHECKING blocks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, (node.module or "").split(".")[0] if not node.level else package


def arrows(source: Source, tree: ast.Module) -> Iterator[str]:
    """Core <- device <- deploy, core <- server, core <- hub, all <- simulator; never across, never back."""
    for line, module in imported(tree, source.package):
        ours = module.startswith("holdfast_")
        if ours and module != source.package and module not in MAY_IMPORT[source.package]:
            yield f"{source.path}:{line}: {source.package} must not import {module}"


def rooms(source: Source, tree: ast.Module) -> Iterator[str]:
    """In server and hub a room imports those that ROOMS_OF names, also for types alone."""
    own = source.package
    if source.room not in source.rooms:
        return
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif names == [own] and isinstance(node, ast.ImportFrom):
            names = [f"{own}.{alias.name}" for alias in node.names]
        for name in names:
            room = name.split(".")[1] if name.startswith(f"{own}.") else source.room
            if room != source.room and room not in source.rooms[source.room]:
                yield f"{source.path}:{node.lineno}: {source.room} must not import {room}"


def locked(source: Source, tree: ast.Module) -> Iterator[str]:
    """In the server records.in_force says who is locked; the store and readable.py write it down."""
    if source.package != "holdfast_server" or source.room in ("records", "store") or source.name == "readable.py":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "disabled":
            yield f"{source.path}:{node.lineno}: asks whether a party is locked, which records.in_force says"


def sans_io(source: Source, tree: ast.Module) -> Iterator[str]:
    """Only the rooms and files that are named for it touch the world, and only store and spool know SQLite."""
    for line, module in imported(tree, source.package):
        if module == "sqlite3" and source.room in source.rooms.keys() - {"store", "spool"}:
            yield f"{source.path}:{line}: imports sqlite3, which only store and spool may"
    if source.is_worldly:
        return
    for line, module in imported(tree, source.package):
        if module in WORLD_MODULES and (source.path, module) not in READS_NO_CLOCK:
            yield f"{source.path}:{line}: imports {module}, which only rooms and files that touch the world may"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WORLD_CALLS:
            yield f"{source.path}:{node.lineno}: calls {node.func.id}()"


def labels(source: Source, tree: ast.Module) -> Iterator[str]:
    """No map is built, read or tagged with a bare number, and no label is defined, outside of labels.py.

    An honest part of "no label literal": what a text can show without knowing what a number means.
    """
    if source.path == "native/holdfast_core/labels.py":
        return
    for node in ast.walk(tree):
        at = f"{source.path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Dict) and any(_is_label(key) for key in node.keys):
            yield f"{at}: a map with a bare number as key: name it in labels.py"
        elif isinstance(node, ast.Call) and node.args and _is_label(node.args[0]):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("get", "pop", "Tag") and not (called == "pop" and len(node.args) == 1):
                yield f"{at}: {called}() with a bare number: name it in labels.py"
        elif isinstance(node, ast.Assign | ast.AnnAssign) and _is_int(node.value):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and LABEL_PREFIX.fullmatch(target.id):
                    yield f"{at}: {target.id} belongs into labels.py"


KINDS = "native/holdfast_core/kinds.py"


@cache
def _kinds() -> tuple[set[str], set[str]]:
    """Names that kinds.py defines, and the texts among their values that are no ordinary words."""
    tree = ast.parse((Path(__file__).resolve().parents[1] / KINDS).read_text())
    names = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return names, {text for text in texts if re.fullmatch(r"(cwt-)\w+|reference|rfc\d+", text)}


def kinds(source: Source, tree: ast.Module) -> Iterator[str]:
    """A token format, a key role or a length that both ends share is defined in kinds.py alone, and spelled there."""
    if source.path == KINDS:
        return
    names, texts = _kinds()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id.lstrip("_") in names:
                    yield f"{source.path}:{node.lineno}: {target.id} is defined in kinds.py: import it"
        elif isinstance(node, ast.Constant) and node.value in texts:
            yield f"{source.path}:{node.lineno}: {node.value!r} has a name in kinds.py"


def kinds_in_c(path: str, text: str) -> Iterator[str]:
    """A header made from kinds.py says these numbers to C; no other file does."""
    names, _ = _kinds()
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*#\s*define\s+(?:HF_)?([A-Z0-9_]+)\s", line)
        if found and found[1] in names:
            yield f"{path}:{number}: {found[1]} is defined in kinds.py: include hf_kinds.h"


def file_size_and_docstring(source: Source, tree: ast.Module) -> Iterator[str]:
    """A file says what it is, and fits a head."""
    lines = source.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{source.path}: {lines} lines; {MAX_FILE_LINES} are allowed"
    if not ast.get_docstring(tree):
        yield f"{source.path}: no docstring"


def function_size(source: Source, tree: ast.Module) -> Iterator[str]:
    """A function fits a screen; tests may hold long tables, so they are not asked."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{source.path}:{node.lineno}: {node.name} has {length} lines; {MAX_FUNCTION_LINES} are allowed"


PACKAGE_RULES = (arrows, rooms, locked, sans_io, labels, kinds, file_size_and_docstring, function_size)


def violations(source: Source) -> list[str]:
    """Every sentence that the rules for packages say about a file."""
    tree = ast.parse(source.text, source.path)
    return [sentence for rule in PACKAGE_RULES for sentence in rule(source, tree)]


def package_sources(root: Path) -> list[Source]:
    """Every Python file of every package that is there."""
    return [
        Source(path.relative_to(root).as_posix(), path.read_text())
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    ]


# Written in pieces, so that this file does not hold what it looks for.
_NOTES = "(?:DESIGN|ATTACKS|WIRE|CONTRACT|LIBRARIES)"
_PRIVATE = re.compile(
    "|".join(
        [
            r"(?<![\w.])/(?:work|root|home/[a-z_]+|Users/[A-Za-z_]+)/",
            *(name.replace("!", r"\.") for name in ("pypi!org", "pythonhosted!org", "npmjs!org", "crates!io")),
            *(name.replace("!", r"\.") for name in ("golang!org", "deb!debian!org", "repo1!maven")),
            rf"(?<!\w)share[d]/|\b{_NOTES}(?:\.md|:| section\b| \d)",
        ]
    )
)


def private_names(path: str, text: str) -> Iterator[str]:
    """A committed file names no machine's folder, no registry's host, and no note that is not in the tree."""
    for number, line in enumerate(text.splitlines(), 1):
        found = _PRIVATE.search(line)
        if found:
            yield f"{path}:{number}: names {found.group()!r}"
