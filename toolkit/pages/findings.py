"""The findings of a report, as a page shows them: a card each, the gravest first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.pages.room import SENTENCE, counted, cut, fitting
from toolkit.report import ERROR, NOTE, WARNING

SEVERITIES = (ERROR, WARNING, NOTE)
FACTS = {  # optional members of a finding, and what they are called on a page
    "fact": "Fact",
    "expected": "Expected",
    "found": "Found",
    "effect": "What a loader does",
    "advice": "What to do",
}
MOST_OPEN = 6  # notes that are shown unasked
ROOM = 1_000_000  # bytes of the page for all cards


@dataclass(frozen=True, slots=True)
class Card:
    """One finding: what it is about, what is the matter, and what else is known."""

    severity: str
    subject: str
    problem: str
    check: str
    facts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, finding: Mapping[str, Any]) -> Card:
        """Read a finding of the JSON form; its later members may be missing."""
        facts = [(title, _text(finding.get(member))) for member, title in FACTS.items()]
        return cls(
            finding["severity"],
            cut(finding["subject"]),
            cut(finding["problem"], SENTENCE),
            _text(finding.get("check")),
            tuple(fact for fact in (("Images", _images(finding)), *facts) if fact[1]),
        )

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""
        return (self.subject, self.problem, self.check, *(text for fact in self.facts for text in fact))


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one severity, and how many more there are than are shown."""

    severity: str
    count: int
    cards: tuple[Card, ...]

    @property
    def title(self) -> str:
        """Return `2 errors`."""
        return counted(self.count, self.severity)

    @property
    def left_out(self) -> int:
        """Return how many have no room on the page."""
        return self.count - len(self.cards)

    @property
    def is_open(self) -> bool:
        """Tell whether it is shown unasked."""
        return self.severity != NOTE or self.count <= MOST_OPEN


def groups_of(findings: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Return the findings by severity, the gravest first, as many as a page has room for."""
    cards = sorted(map(Card.of, findings), key=lambda card: _gravity(card.severity))
    shown = fitting(cards, ROOM)
    severities = dict.fromkeys(card.severity for card in cards)
    return [
        Group(
            severity,
            sum(card.severity == severity for card in cards),
            tuple(card for card in shown if card.severity == severity),
        )
        for severity in severities
    ]


def summary(groups: Iterable[Group]) -> str:
    """Return `2 errors, 1 note`."""
    return ", ".join(group.title for group in groups) or "none"


def _gravity(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _images(finding: Mapping[str, Any]) -> str:
    """Return the names of the images that a finding is of, and how many more there are."""
    names, more = finding.get("images", ()), finding.get("more_images", 0)
    return ", ".join(map(cut, names)) + (f" and {more:,} more" if more else "")


def _text(value: object) -> str:
    if value is None:
        return ""
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), SENTENCE)
