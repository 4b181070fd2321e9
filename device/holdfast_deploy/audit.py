"""What can be checked of a deployed board, and what a board cannot protect; how long its flash lasts: wear.py.

Pure: facts in, findings out.
"""

from typing import Any

OK, PROBLEM, CANNOT = "ok", "problem", "cannot"

_UNPROTECTED = """
A person who reaches USB or the serial port reads the whole flash, provisioning included: MicroPython has no password.
A person who opens the case reads the flash chip; only the chip's own flash encryption (ESP32 eFuses) is against that.
A person who writes the flash replaces program, trusted keys and counters; secure boot is the chip's affair.
Blocks that the flash chip retired are out of reach of a wipe: revoke the device at the server as well.
"""
UNPROTECTED = _UNPROTECTED.strip().splitlines()


def findings(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Judge what a board said to questions.AUDIT: (OK or PROBLEM, sentence)."""
    if "no module named 'holdfast_core'" in report.get("problem", ""):
        return [(PROBLEM, "the package is not on the board: holdfast device push puts it there")]
    checks = [
        (report["frozen"] or not report["sources"], "no .py hides a .mpy", f".py files hide .mpy: {report['sources']}"),
        (
            report["entropy"] == OK,
            "the random generator passes its start-up tests",
            f"the random generator fails its start-up tests: {report['entropy']}; the device will not start",
        ),
        (
            not report["copies"],
            "no second copy of a provisioning file",
            f"copies of provisioning lie about: {', '.join(report['copies'])}; remove them",
        ),
        (not report["webrepl"], "WebREPL is not set up", "WebREPL is set up: the flash is readable over the network"),
        (
            report["state"] == OK,
            "what the device remembers is whole or not yet there",
            f"what the device remembers is lost ({report['state']}): it will not start; wipe and provision it",
        ),
        (
            report["crypto"] is not None,
            f"cryptography by {report['crypto']}",
            f"the package does not start: {report.get('problem')}",
        ),
        (report["aes"], "the firmware or the C core has AES", "neither the firmware (cryptolib) nor a C core has AES"),
    ]
    return [(OK, good) if holds else (PROBLEM, bad) for holds, good, bad in checks]
