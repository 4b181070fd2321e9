"""Puts what the last run of bench.py printed into README.md, and the run itself beside this file as results.json.

    PYTHONPATH=tests .venv/bin/python benchmarks/quote.py

So no number in that table is typed, and tests/bench holds README.md to results.json.  Run it after a `make bench` that
measured everything on a machine with nothing else to do.
"""

import json
from pathlib import Path
from typing import Any

from debian_source import CACHE, ROOT
from tokens import AIOCOAP, CFFI, HAND

from bench import HOST, cost, find

README, RESULTS = ROOT / "README.md", ROOT / "benchmarks" / "results.json"
MAX_LOAD = 1.0
FIRST, LAST = "<!-- benchmarks/quote.py writes from here -->", "<!-- to here -->"
EVERY, ES256 = "256 different tokens", "ours, mulx and adx: "
# Said, section, whose line, against whose.
QUOTED = (
    (f"nested tokens, hf_token_verify alone, {EVERY}", "cwt-nested", CFFI, (HAND, "python-cwt", "pycose")),
    ("signed tokens, hf_token_verify alone", "cwt-signed", CFFI, (HAND, "python-cwt", "pycose")),
    ("encrypted tokens, hf_token_verify alone", "cwt-encrypted", CFFI, (HAND, "python-cwt", "pycose")),
    ("tokens with a MAC, hf_token_verify alone", "cwt-mac", CFFI, (HAND, "python-cwt", "pycose")),
    (
        "nested tokens, verify_token, which uses the C core where it is built",
        "cwt-nested",
        "ours, verify_token with the C core",
        (HAND, "python-cwt", "pycose"),
    ),
    (
        "encrypted tokens, the same",
        "cwt-encrypted",
        "ours, verify_token with the C core",
        (HAND, "python-cwt", "pycose"),
    ),
    ("nested tokens, verify_token without the C core", "cwt-nested", "ours, Python", (HAND, "python-cwt", "pycose")),
    (
        "encrypted tokens, verify_token without the C core",
        "cwt-encrypted",
        "ours, Python",
        (HAND, "python-cwt", "pycose"),
    ),
    ("protecting an OSCORE request, as server and devices do", "oscore-protect", "ours, Python", (AIOCOAP,)),
    ("unprotecting it, as server and devices do", "oscore-unprotect", "ours, Python", (AIOCOAP,)),
    ("protecting an OSCORE request, hf_oscore alone", "oscore-protect", "ours, C", (AIOCOAP,)),
    ("unprotecting it, hf_oscore alone", "oscore-unprotect", "ours, C", (AIOCOAP,)),
    ("ES256 by a provisioned key, tables of 2 x 8 KB", HOST, ES256 + "provisioned key, 2 x 8 KB", ("OpenSSL",)),
    ("the same, 2 x 32 KB", HOST, ES256 + "provisioned key, 2 x 32 KB", ("OpenSSL",)),
    ("ES256 by any key", HOST, ES256 + "any key", ("OpenSSL",)),
)


def busy(load: float) -> str:
    """How much to trust the run: ratios too are only those of a machine with nothing else to do."""
    if load < MAX_LOAD:
        return f"load {load} before it, printed"
    return f"**on a busy machine (load {load}), so that ratios are off by a third and more**, printed"


def lines(result: dict[str, Any]) -> list[str]:
    """The quotation: which run, and a table. Raises SystemExit when the run lacks a line."""
    machine, rows = result["machine"], result["rows"]
    written = [
        f"The run of {machine['date'][:10]} on {machine['cpu']}, x86-64, {busy(machine['load'])}:",
        "",
        "| what | a second | instructions | times as fast as |",
        "|---|---|---|---|",
    ]
    for said, section, what, others in QUOTED:
        ours = find(rows, section, what)
        against = [find(rows, section, other) for other in others]
        if ours is None or None in against:
            raise SystemExit(f"the run has no line for {said}; it must have measured everything")
        ratios = ", ".join(f"{row['what']} {cost(row) / cost(ours):.2f}" for row in against if row)
        count = f"{ours['instructions']:,}" if "instructions" in ours else ""
        written.append(f"| {said} | {ours['per_second']:,} | {count} | {ratios} |")
    return written


def quoted(readme: str, result: dict[str, Any]) -> str:
    """The text of README.md with the table of this run."""
    before, _, rest = readme.partition(FIRST)
    _, _, after = rest.partition(LAST)
    if not after:
        raise SystemExit("README.md has lost the marks around the table")
    return before + "\n".join((FIRST, *lines(result), LAST)) + after


def main() -> None:
    """Copy the run, quote it."""
    text = Path(CACHE / "results.json").read_text(encoding="utf-8")
    README.write_text(quoted(README.read_text(encoding="utf-8"), json.loads(text)), encoding="utf-8")
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
