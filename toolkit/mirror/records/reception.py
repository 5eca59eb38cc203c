"""Reception: what became of one set that was brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import Gaps, ToolkitError
from toolkit.image import Finding
from toolkit.mirror.records.increment import Increment
from toolkit.report import finding_json

RECEIVED, THERE, INCOMPLETE, REFUSED = STATES = ("received", "there", "incomplete", "refused")
GRAVITY = (6, 5, 7, 4, 2, 3, 75, 8, 1)  # exit codes, the gravest first


@dataclass(frozen=True, slots=True)
class Reception:
    """One set, by what it is called."""

    name: str
    # One of STATES: `there` was received before, and nothing of it is missing; of one that is `incomplete`
    # volumes have yet to come.
    state: str
    increment: Increment | None = None
    findings: tuple[Finding, ...] = ()
    error: ToolkitError | None = None  # why it was not received
    stored: int = 0  # bytes of blobs that were not there before
    behind: tuple[str, ...] = ()  # names that a later set has put elsewhere, and that stay there

    def to_json(self) -> dict[str, Any]:
        """Return the stable form."""
        held = self.increment
        return {
            "set": self.name,
            "state": self.state,
            "date": held.date.isoformat() if held else None,
            "images": len(held.images) if held else None,
            "new": len(held.new) if held else None,
            "stored": self.stored,
            "behind": list(self.behind),
            "error": str(self.error) if self.error else None,
            "exit_code": self.error.exit_code if self.error else 0,
            "findings": [finding_json(finding) for finding in dict.fromkeys(self.findings)],
        }


def verdict(receptions: Sequence[Reception]) -> ToolkitError | None:
    """Return what to end with: nothing where all is there; the refusal, the gravest of several; else Gaps."""
    errors = [each.error for each in receptions if each.error]
    if not errors:
        return None
    if len(errors) < len(receptions):
        names = ", ".join(each.name for each in receptions if each.error)
        problem = f"{len(errors)} of {len(receptions)} sets could not be received: {names}"
        return Gaps("", problem, "what to do is said above of each")
    return min(errors, key=lambda error: GRAVITY.index(error.exit_code))
