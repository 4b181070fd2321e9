"""Where a device's program has failed, for its author: a type, a file, a line.  Loaded when that happens.

A failure while the device serves is told without its message, which may hold what a client sent; each place once, and a
few places only, so that no client fills a line or a log with them.
"""

import io
import json
import sys

from holdfast_core.errors import HoldfastError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PLACES = 8
_OURS = "holdfast_"
_sys: "Any" = sys
_said: "list[tuple[str, str, int]]" = []


def described(error: Exception) -> str:
    """Return "FILE line N: TYPE: message"."""
    file, line = _place(error)
    return file + " line " + str(line) + ": " + type(error).__name__ + ": " + str(error)


def line_of(error: Exception) -> str:
    """Return the line to print, "" when it was printed before."""
    file, line = _place(error)
    place = type(error).__name__, file, line
    if place in _said or len(_said) >= MAX_PLACES:
        return ""
    _said.append(place)
    name = str(error) if isinstance(error, HoldfastError) else place[0]  # whose words are ours, and constant
    return json.dumps({"bug": name, "file": file, "line": line}) + "\n"


def _place(error: Exception) -> "tuple[str, int]":
    """Return file and line of the innermost call that is not ours, else of the innermost."""
    places = _traced(error) if hasattr(error, "__traceback__") else _printed(error)
    theirs = [place for place in places if _OURS not in place[0]]
    return (theirs or places or [("?", 0)])[-1]


def _traced(error: "Any") -> "list[tuple[str, int]]":
    places, step = [], error.__traceback__
    while step is not None:
        places.append((step.tb_frame.f_code.co_filename, step.tb_lineno))
        step = step.tb_next
    return places


def _printed(error: "Any") -> "list[tuple[str, int]]":
    """Where the error went through, as MicroPython prints it: there is no other way to ask."""
    said: Any = io.StringIO()
    _sys.print_exception(error, said)
    places = []
    for line in said.getvalue().split("\n"):
        if line.startswith('  File "'):
            file, _, rest = line[8:].partition('", line ')
            places.append((file, int(rest.partition(",")[0])))
    return places
