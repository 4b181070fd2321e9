"""What every command prints and writes: records and tables, JSON for programs, and private files.

Of CPython only. Nothing here knows what a record is about.
"""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import Problem

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


def sentence_of(text: str) -> str:
    """The text with a full stop; names of keys and options stay as they are written."""
    return text if text.endswith((".", "!", "?")) else text + "."


def write_private(path: Path, octets: bytes, *, force: bool, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, whole or not at all. Raises Problem when it exists.

    mode: for a file that is no secret, what else it may be.
    """
    if path.exists() and not force:
        raise Problem(f"{path} exists: remove it first, or say --force to replace it.")
    unfinished = path.with_name(path.name + ".part")
    try:
        # One that was left behind may have another mode, or be somebody's link to another place.
        unfinished.unlink(missing_ok=True)
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise Problem(sentence_of(f"{path} cannot be written: {error.strerror}")) from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def as_text(value: object) -> str:
    """A member's value in one line of text."""
    if isinstance(value, dict) and value.keys() == {"path", "methods"}:
        return f"{'/'.join(value['methods'])} {value['path']}"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {as_text(member)}" for name, member in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(as_text, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else str(value)


def show(record: dict[str, Any], *, as_json: bool) -> None:
    """Print one record: JSON, or a line for each member."""
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    width = max(map(len, record), default=0)
    for name, value in record.items():
        click.echo(f"{name:<{width}}  {as_text(value)}")


def show_all(records: list[dict[str, Any]], *, as_json: bool, nothing: str) -> None:
    """Print a list: JSON, or a table; `nothing` is what to say when it is empty.

    A table that is wider than the terminal is no table: there each record takes lines of its own.
    """
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    if not records:
        click.echo(nothing)
        return
    for line in table(records, shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
        click.echo(line)


def table(records: list[dict[str, Any]], width: int | None) -> Iterator[str]:
    """The lines of a table, or of a block for each record when it is wider than width."""
    rows = [list(records[0]), *([as_text(value) for value in record.values()] for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{cut}}" for cell, cut in zip(row, widths, strict=True)).rstrip() for row in rows]
    if width is None or max(map(len, lines)) <= width:
        yield from lines
        return
    head = max(map(len, rows[0]))
    for row in rows[1:]:
        yield from (f"{name:<{head}}  {cell}" for name, cell in zip(rows[0], row, strict=True))
        yield ""
