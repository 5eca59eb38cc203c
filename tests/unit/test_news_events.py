"""The events of a mirror run are what docs/scheduling.md says, and so are its JSON and its metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.unit.test_records_outcome import GAPPY, AGap
from toolkit.event import Event
from toolkit.mirror.news import events
from toolkit.mirror.news.events import ImageMissed, MirrorBegun, MirrorEnded, NoticeFailed
from toolkit.mirror.news.metrics import HELP, PREFIX

DOC = (Path(__file__).parents[2] / "docs/scheduling.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z]+\.[a-z]+)` \| .* \| ((?:`[a-z_]+`(?:, )?)+) \|$", re.MULTILINE)
DOCUMENTED = {word: set(re.findall(r"`([a-z_]+)`", members)) for word, members in ROW.findall(DOC)}
BAD = "a\r\n\x1b[2J\udc80"
ALL = (
    MirrorBegun(BAD, 40, 1),
    ImageMissed(AGap(BAD, BAD)),
    NoticeFailed("mail", BAD),
    MirrorEnded(GAPPY),
)


@pytest.mark.parametrize("event", ALL, ids=lambda event: event.word)
def test_an_event_has_the_members_that_are_documented(event: Event) -> None:
    facts = event.facts()
    assert set(facts) == DOCUMENTED[event.word]
    assert "\\u001b" not in json.dumps(facts)
    assert "\\udc80" not in json.dumps(facts).replace("\\\\", "")


def test_every_event_is_documented() -> None:
    ours = {kind.word for kind in Event.__subclasses__() if kind.__module__ == events.__name__}
    assert ours == {event.word for event in ALL} == set(DOCUMENTED)


def test_the_json_has_the_members_that_are_documented() -> None:
    example = json.loads(DOC.partition("```json\n")[2].partition("```")[0])
    assert list(example) == list(GAPPY.to_json())
    assert example["text"] == GAPPY.line()


def test_every_metric_is_documented() -> None:
    told = re.findall(r"^\| `(lading_mirror_\w+)` \|", DOC, re.MULTILINE)
    assert told == [PREFIX + name for name in HELP]
