"""The run as a page of text or as one JSON document. Pure: values in, text or values out."""

from collections.abc import Iterable, Sequence
from typing import Any

from holdfast_sim.ladder import Line
from holdfast_sim.verdicts import Verdict

_NAME_LEN = 10


def line_text(line: Line) -> str:
    """One line of the ladder."""
    if line.kind == "chapter":
        return f"\n{line.what}"
    if line.kind == "note":
        return f"{'':>4}  * {line.what}"
    ends = f"{line.src:>{_NAME_LEN}} -> {line.dst:<{_NAME_LEN}}"
    return f"{line.number:>4}  {ends} {line.size:>5} B  {line.what}"


def verdict_text(verdict: Verdict) -> str:
    """One check: what held in one line, what did not in three."""
    head = f"  {'OK    ' if verdict.ok else 'FAILED'}  {verdict.name}: {verdict.happened}  [{verdict.section}]"
    return head if verdict.ok else f"{head}\n            expected: {verdict.expected}"


def summary(verdicts: Sequence[Verdict], seconds: float) -> str:
    """The last line."""
    failed = sum(not verdict.ok for verdict in verdicts)
    said = f"{failed} of {len(verdicts)} checks FAILED" if failed else f"all {len(verdicts)} checks held"
    return f"{said}; {seconds:.1f} s"


def document(story: str, lines: Iterable[Line], verdicts: Sequence[Verdict], seconds: float) -> dict[str, Any]:
    """The run for a program: steps in order, sizes by kind of message, verdicts."""
    steps, chapter = [], ""
    for line in lines:
        if line.kind == "chapter":
            chapter = line.what
        elif line.number is not None:
            steps.append(
                {
                    "n": line.number,
                    "chapter": chapter,
                    "from": line.src,
                    "to": line.dst,
                    "what": line.what,
                    "size": line.size,
                }
            )
    return {
        "story": story,
        "ok": bool(verdicts) and all(verdict.ok for verdict in verdicts),
        "seconds": round(seconds, 1),
        "steps": steps,
        "sizes": _sizes(steps),
        "verdicts": [
            {
                "name": verdict.name,
                "section": verdict.section,
                "expected": verdict.expected,
                "happened": verdict.happened,
                "ok": verdict.ok,
            }
            for verdict in verdicts
        ],
    }


def _sizes(steps: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Messages and bytes between each two parties."""
    sizes: dict[str, dict[str, int]] = {}
    for step in steps:
        total = sizes.setdefault(f"{step['from']} -> {step['to']}", {"messages": 0, "bytes": 0})
        total["messages"] += 1
        total["bytes"] += step["size"]
    return sizes
