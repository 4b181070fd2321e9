"""What must hold, and whether it did: named checks with expectation, source and what happened.

Decides, never measures.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check. name: stable words; section: where it is written; expected, happened: short sentences."""

    name: str
    section: str
    expected: str
    happened: str
    ok: bool


class Checks:
    """The verdicts of a run, in order."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def hold(self, name: str, section: str, expected: str, happened: str, ok: bool) -> None:
        """Note one check."""
        self.verdicts.append(Verdict(name, section, expected, happened, ok))

    def same(self, name: str, section: str, expected: str, happened: str) -> None:
        """Note a check that holds when exactly the expected thing happened; a code may be followed by its name."""
        ok = happened == expected or happened.partition(" ")[0] == expected
        self.hold(name, section, expected, happened, ok)

    def one_of(self, name: str, section: str, expected: Iterable[str], happened: str) -> None:
        """Note a check where the RFC leaves the choice between several answers."""
        allowed = list(expected)
        self.hold(name, section, " or ".join(allowed), happened, happened.partition(" ")[0] in allowed)

    @property
    def ok(self) -> bool:
        """Whether everything held; a run without checks proves nothing."""
        return bool(self.verdicts) and all(verdict.ok for verdict in self.verdicts)

    @property
    def failed(self) -> list[Verdict]:
        """Those that did not hold."""
        return [verdict for verdict in self.verdicts if not verdict.ok]
