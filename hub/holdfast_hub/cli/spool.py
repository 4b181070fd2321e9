"""`holdfast hub spool`: what waits at the hub, for whom and why; drop it, or let it be tried again.

Works beside a hub that runs and without one. Never shows the body of a parcel.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import Failed, Problem
from holdfast_core.terminal_shell import json_option, show, show_all
from holdfast_hub.cli.command import in_state
from holdfast_hub.spool.errors import SpoolDamaged, SpoolError
from holdfast_hub.spool.overview import Overview, Seen

MAX_NAMED = 20
"""Of the numbers that a change has touched; --json names all."""

box_option = click.option("--box", help="Only what is for this device; @out is for the broker, @answers for clients.")
aside_option = click.option("--aside", is_flag=True, help="Only what was set aside because it did not arrive.")


@click.group()
def spool() -> None:
    """What waits at the hub until its device wakes or the broker is back.

    \b
    A parcel is
      waits      first come, first served within its priority
      lent       being delivered now
      set aside  was tried too often; it stops no other, and waits for you
      over       past its end by the clock, which may yet be set back
    """  # noqa: D301 - the mark by which click keeps lines as they are


@spool.command("list")
@box_option
@aside_option
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="So many at most.")
@in_state
@json_option
def spool_list(box: str | None, aside: bool, limit: int, state: Path, as_json: bool) -> None:
    """List what waits and why, in the order in which each box is emptied.

    \b
    JSON: boxes (box, count, len, aside, gone), counts since the spool was made, parcels as in `show`.
    """  # noqa: D301 - as above
    with _opened(state) as seen:
        parcels = seen.parcels(box, aside=aside, limit=limit)
        boxes, counts = seen.boxes(), seen.counts()
        is_running = seen.is_running
    if as_json:
        records = [dataclasses.asdict(parcel) for parcel in parcels]
        show({"running": is_running, "boxes": boxes, "counts": counts, "parcels": records}, as_json=True)
        return
    show_all([_line(parcel) for parcel in parcels], as_json=False, nothing="Nothing waits.")
    held = [row for row in boxes if box in {None, row["box"]}]
    total = sum(row["aside" if aside else "count"] for row in held)
    if total > len(parcels):
        click.echo(f"and {total - len(parcels)} more: --limit, --box")
    if dropped := {name: counts[name] for name in ("full", "expired", "dropped") if counts.get(name)}:
        click.echo("So far: " + ", ".join(f"{_WORDS[name]} {number}" for name, number in dropped.items()) + ".")


@spool.command("show")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
@in_state
@json_option
def spool_show(number: int, state: Path, as_json: bool) -> None:
    """Show all that is known of one parcel, by its number in the list. The body is not shown."""
    with _opened(state) as seen:
        parcel = seen.parcel(number)
    if parcel is None:
        raise _unknown(number)
    record = dataclasses.asdict(parcel)
    if not as_json:
        record |= {name: _when(record[name]) for name in ("put_s", "ends_s")}
    show(record, as_json=as_json)


@spool.command("purge")
@click.argument("numbers", metavar="[NUMBER]...", type=click.IntRange(1, 2**63 - 1), nargs=-1)
@box_option
@aside_option
@click.option("--all", "everything", is_flag=True, help="All that waits, for whomever.")
@in_state
@json_option
def spool_purge(
    numbers: tuple[int, ...], box: str | None, aside: bool, everything: bool, state: Path, as_json: bool
) -> None:
    """Drop parcels for good: by number, by box, those set aside, or all. What is being delivered now stays.

    A producer that sends a dropped parcel again is told that it was here already.
    """
    _change(state, numbers, box, aside, everything, as_json, deed="purge")


@spool.command("retry")
@click.argument("numbers", metavar="[NUMBER]...", type=click.IntRange(1, 2**63 - 1), nargs=-1)
@box_option
@click.option("--all", "everything", is_flag=True, help="All that was set aside.")
@in_state
@json_option
def spool_retry(numbers: tuple[int, ...], box: str | None, everything: bool, state: Path, as_json: bool) -> None:
    """Let parcels that were set aside be tried again, as if they had never been."""
    _change(state, numbers, box, True, everything, as_json, deed="retry")


_WORDS = {
    "full": "refused for want of room",
    "expired": "over before they arrived",
    "dropped": "gave way to newer ones",
}


def _change(
    state: Path, numbers: tuple[int, ...], box: str | None, aside: bool, everything: bool, as_json: bool, *, deed: str
) -> None:
    by_option = box is not None or everything or (aside and deed == "purge")
    if bool(numbers) == by_option:
        raise click.UsageError(f"Say which: NUMBER, --box or --all{', --aside' if deed == 'purge' else ''}.")
    with _opened(state) as seen:
        wanted = list(numbers) or seen.numbers(box, aside=aside)
        changed = seen.purge(wanted) if deed == "purge" else seen.put_back(wanted)
    left = sorted(set(wanted) - set(changed))
    if as_json:
        show({"changed": changed, "unchanged": left}, as_json=True)
    else:
        word = "Dropped" if deed == "purge" else "To be tried again:"
        click.echo(f"{word} {_named(changed)}." if changed else "Nothing was changed.")
    if left:
        reason = "not there, or being delivered now" if deed == "purge" else "not set aside"
        raise Failed(f"{_named(left)}: {reason}.")


@contextlib.contextmanager
def _opened(state: Path) -> Iterator[Overview]:
    try:
        with Overview(state) as seen:
            yield seen
    except SpoolDamaged as error:
        raise Problem(f"{error} The next start of the hub sets it aside and keeps what can be read.") from None
    except SpoolError as error:
        raise Problem(str(error)) from None


def _line(parcel: Seen) -> dict[str, Any]:
    return {
        "number": parcel.number,
        "box": parcel.box,
        "kind": parcel.kind,
        "state": parcel.state,
        "waited": _span(parcel.waited_s),
        "octets": parcel.body_len,
        "why": parcel.why,
    }


def _span(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _when(at_s: int | None) -> str | None:
    if at_s is None:
        return None
    try:
        return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(at_s)


def _named(numbers: list[int]) -> str:
    more = len(numbers) - MAX_NAMED
    return ", ".join(map(str, numbers[:MAX_NAMED])) + (f" and {more} more" if more > 0 else "")


def _unknown(number: int) -> Failed:
    return Failed(f"There is no parcel {number} in the spool: `holdfast hub spool list` numbers them.")
