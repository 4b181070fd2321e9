"""What can be checked of a deployed board, what a board cannot protect, and how long its flash lasts.

Pure: facts in, findings out. The wear figure follows from the device's own save policy, whose constants it takes from
the files that have them. CPython only (RFC 9200 section 6.3).
"""

from typing import Any

from holdfast_core.sender_sequence import CHUNK
from holdfast_device.exi import CHARGE_S
from holdfast_device.timekeeper import FLOOR_SAVE_S

DAY_S = 86400
YEAR_DAYS = 365
SLOTS = 2  # slots.py: saves alternate
CYCLES = 100_000  # erase cycles that NOR flash of these boards is specified for
BLOCK_LEN = 4096
RECHECK_S = 60  # resource_server.py: how often a connected RS asks its AS about a reference

OK, PROBLEM, CANNOT = "ok", "problem", "cannot"

_UNPROTECTED = """
Whoever reaches USB or the serial port reads the whole flash, provisioning included: MicroPython has no password.
Whoever opens the case reads the flash chip; only the chip's own flash encryption (ESP32 eFuses) is against that.
Whoever writes the flash replaces program, trusted keys and counters; secure boot is the chip's affair.
Blocks that the flash chip retired are out of reach of a wipe: revoke the device at the server as well.
"""
UNPROTECTED = _UNPROTECTED.strip().splitlines()


def saves_per_day(boots: float, tokens: float, exi_share: float, messages: float) -> dict[str, float]:
    """Saves of the state a day, by cause.

    boots, tokens: a day; exi_share: part of the day, 0..1, in which an exi countdown runs; messages: to the AS, a day.
    """
    return {
        "boots": boots,
        "tokens": tokens,  # each may prove a later time
        "time floor": DAY_S / FLOOR_SAVE_S,
        "exi countdowns": exi_share * DAY_S / CHARGE_S,
        "messages to the AS": messages / CHUNK,
    }


def wear(by_cause: dict[str, float], free_blocks: int | None) -> dict[str, Any]:
    """Erases a year and years until a block is worn out, on its own and when spread over the free blocks."""
    saves = sum(by_cause.values()) * YEAR_DAYS
    worst = CYCLES * SLOTS / saves
    spread = None if not free_blocks else round(CYCLES * max(free_blocks, SLOTS) / saves, 1)
    return {
        "saves_per_year": round(saves),
        "erases_per_slot_per_year": round(saves / SLOTS),
        "years_without_levelling": round(worst, 1),
        "years_with_levelling": spread,
        "saves_per_day": {cause: round(count, 1) for cause, count in by_cause.items()},
        "assumption": f"one erase of a {BLOCK_LEN}-byte block a save, saves alternate between {SLOTS} slots, "
        f"{CYCLES} erases a block; levelling as littlefs does it, over the blocks that are free",
    }


def findings(told: dict[str, Any]) -> list[tuple[str, str]]:
    """Judge what a board said to questions_cpython.AUDIT: (OK or PROBLEM, sentence)."""
    checks = [
        (told["frozen"] or not told["sources"], "no .py hides a .mpy", f".py files hide .mpy: {told['sources']}"),
        (
            told["entropy"] == OK,
            "the random generator passes its start-up tests",
            f"the random generator fails its start-up tests: {told['entropy']}; the device will not start",
        ),
        (
            not told["copies"],
            "no second copy of a provisioning file",
            f"copies of provisioning lie about: {', '.join(told['copies'])}; remove them",
        ),
        (not told["webrepl"], "WebREPL is not set up", "WebREPL is set up: the flash is readable over the network"),
        (
            told["state"] == OK,
            "what the device remembers is whole or not yet there",
            f"what the device remembers is lost ({told['state']}): it will not start; wipe and provision it",
        ),
        (
            told["crypto"] is not None,
            f"cryptography by {told['crypto']}",
            f"the package does not start: {told.get('problem')}",
        ),
        (told["aes"], "the firmware or the C core has AES", "neither the firmware (cryptolib) nor a C core has AES"),
    ]
    return [(OK, good) if holds else (PROBLEM, bad) for holds, good, bad in checks]
