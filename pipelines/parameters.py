"""Task parameters, read by the toolkit's own parsers: what is wrong fails when the task is made."""

from __future__ import annotations

import datetime as dt

import luigi

from toolkit.bundles import FORMATS, NAMES
from toolkit.errors import UsageError
from toolkit.mirror.jobs.shard import Shard
from toolkit.mirror.records import papers
from toolkit.place import STANDARD_STREAM, Place
from toolkit.platform import Platform
from toolkit.report import DEPTHS


class PlaceParameter(luigi.Parameter):
    """A store's URI; raises InvalidPlace."""

    def parse(self, text: str) -> str:
        """Return the text, if it names a kind of place that can be opened again and again."""
        if text == STANDARD_STREAM:
            raise UsageError(repr(text), "can be read only once", "name a store or file, or use lading")
        return str(Place.parse(text)) if text else ""


class FormatParameter(luigi.Parameter):
    """A bundle format that is one file, as a target is; raises UsageError with their names."""

    def parse(self, text: str) -> str:
        """Return the name."""
        files = [format_.name for format_ in FORMATS if format_.members_of]
        if text not in files:
            problem = "is a folder" if text in NAMES else "is no bundle format"
            raise UsageError(f"format {text!r}", problem, f"choose one of {', '.join(files)}")
        return text


class DepthParameter(luigi.Parameter):
    """How far a bundle is looked at, as `lading verify` has it; raises UsageError with the words."""

    def parse(self, text: str) -> str:
        """Return the word."""
        if text not in DEPTHS:
            raise UsageError(f"depth {text!r}", "is no depth", f"choose one of {', '.join(DEPTHS)}")
        return text


class PlatformParameter(luigi.Parameter):
    """`os/architecture[/variant]`, or nothing; raises InvalidPlatform."""

    def parse(self, text: str) -> str:
        """Return the text."""
        return str(Platform.parse(text)) if text else ""


class NightParameter(luigi.DateParameter):
    """A date, as `2026-11-27`; raises UsageError."""

    def parse(self, text: str) -> dt.date:
        """Return the date."""
        return papers.asked_day("--date", text)


class ShardParameter(luigi.Parameter):
    """A host's share, as `2/5`; raises UsageError."""

    def parse(self, text: str) -> str:
        """Return the text."""
        return str(Shard.parse(text))
