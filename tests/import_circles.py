"""Which files need each other in a circle: Python by its imports, those for types alone too, and C by what it uses.

Of C there are two graphs: which file includes which, and which .c file calls a function of which other.  Nothing is
imported or compiled.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from layout_rules import Source

Graph = dict[str, set[str]]
_INCLUDE = re.compile(r'^\s*#\s*include\s+"(?:.*/)?([\w.]+)"', re.MULTILINE)
# A function that other files may call begins its line, and its body or its list of arguments follows.
_DEFINED = re.compile(r"^(?!static|typedef|#)[a-z][\w ]*[ *](hf_\w+)\([^;{]*\)\s*\{", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def python_graph(sources: list[Source]) -> Graph:
    """Return which module imports which of these, anywhere in it."""
    modules = {_module(source): source for source in sources}
    graph: Graph = {}
    for name, source in modules.items():
        needed: set[str] = set()
        for node in ast.walk(ast.parse(source.text, source.path)):
            if isinstance(node, ast.Import):
                needed |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                needed |= {one if one in modules else node.module for one in inside}
        graph[name] = (needed & modules.keys()) - {name}
    return graph


def _module(source: Source) -> str:
    return source.path.split("/", 1)[1].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def include_graph(files: list[Path]) -> Graph:
    """Return which file of C includes which of these, by name."""
    names = {path.name for path in files}
    return {path.name: set(_INCLUDE.findall(path.read_text())) & names for path in files}


def call_graph(files: list[Path]) -> Graph:
    """Return which .c file uses functions that are defined in which other."""
    texts = {path.name: _COMMENT.sub("", path.read_text()) for path in files}
    home = {function: name for name, text in texts.items() for function in _DEFINED.findall(text)}
    return {
        name: {home[used] for used in set(re.findall(r"\bhf_\w+", text)) if used in home} - {name}
        for name, text in texts.items()
    }


def circles(graph: Graph) -> Iterator[str]:
    """Yield a sentence for each file that needs itself, by the shortest way."""
    told: set[frozenset[str]] = set()
    for start in sorted(graph):
        ways = [[start]]
        seen: set[str] = set()
        for way in ways:
            for needed in sorted(graph.get(way[-1], ())):
                if needed == start and frozenset(way) not in told:
                    told.add(frozenset(way))
                    yield " -> ".join([*way, start])
                if needed not in seen:
                    seen.add(needed)
                    ways.append([*way, needed])
