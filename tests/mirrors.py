"""The connected side of a mirror, with a registry in memory and a clock that tests set."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.webregistry import MemoryRegistry
from toolkit.bundles import open_bundle
from toolkit.event import Event
from toolkit.mirror.connected.night import Night
from toolkit.mirror.connected.running import Orders, Ran, run
from toolkit.mirror.connected.site import Site
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Lock
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore

FIRST = dt.datetime(2026, 11, 27, 22, tzinfo=dt.UTC)  # the first night
SITE = "plant-7"
ROOMY = {"min_free": "1"}  # of a disk that tests know nothing of


@dataclass
class ConnectedSide:
    """One site's connected side; `now` is what its clock shows."""

    web: MemoryRegistry
    home: Path
    now: dt.datetime = FIRST
    events: list[Event] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home)

    @property
    def site(self) -> Site:
        return Site(self.home, SITE)

    @property
    def store(self) -> LayoutStore:
        return LayoutStore(self.home / "store")

    @property
    def today(self) -> dt.date:
        return self.now.date()

    def clock(self) -> float:
        return self.now.timestamp()

    def sleep(self, days: int = 1) -> None:
        """Let the next night come."""
        self.now += dt.timedelta(days=days)

    def name(self, name: str) -> str:
        return f"{self.web.host}/{name}"

    def job(self, *images: str | Mapping[str, Any], policy: Mapping[str, Any] = ROOMY, **tables: Any) -> Job:
        """Return a job; a text or a table's `repo` and `reference` are of this registry."""
        lines = [f"site = {json.dumps(SITE)}", f"images = [{', '.join(map(self._item, images))}]"]
        for name, table in {"policy": {**ROOMY, **policy}, **tables}.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return Job.parse("\n".join(lines).encode(), "job.toml", self.home)

    def _item(self, image: str | Mapping[str, Any]) -> str:
        if isinstance(image, str):
            return json.dumps(self.name(image))
        own = {key: self.name(image[key]) for key in ("repo", "reference") if key in image}
        return _toml({**image, **own})

    def run(self, job: Job, **orders: Any) -> Ran:
        """Do one night."""
        return run(job, self.settings, Orders(**orders), self.events.append, clock=self.clock)

    def resolved(self, job: Job) -> Lock:
        """Return what the names of a job mean today."""
        with sources(self.settings) as opened:
            return Night(job, self.settings, opened, clock=self.clock).resolved(self.today)

    def asked(self) -> Counter[str]:
        """Return how often the registry was asked for what since the last time, as `HEAD manifests`."""
        found = Counter(f"{one.method} {_kind(one.path)}" for one in self.web.asked)
        self.web.asked.clear()
        return found

    def told(self) -> list[str]:
        """Return the words of the events that came since the last time, those of images and blobs left out."""
        words = [
            event.word
            for event in self.events
            if not event.word.startswith(("blob", "image.begun", "image.done"))
        ]
        self.events.clear()
        return words


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


def _kind(path: str) -> str:
    return next((kind for kind in ("manifests", "blobs", "tags") if f"/{kind}/" in path), path)


def increment_of(ran: Ran) -> Increment:
    return ran.finished.record.increment


def volumes(folder: Path) -> dict[str, bytes]:
    """Return what a folder of volumes holds, but for pages: those tell times, and what was logged twice."""
    files = (path for path in sorted(folder.iterdir()) if path.suffix not in {".html", ".jsonl"})
    return {path.name: path.read_bytes() for path in files}


def carried(ran: Ran) -> dict[str, str]:
    """Return the images of the one volume of a set that requires nothing, by name."""
    [volume] = ran.finished.record.volumes
    source = open_bundle(ran.folder / volume.name)
    return {name: source.identify(name) for line in source.listings() for name in line.names}
