"""MirrorImages, MirrorImage: a night of the offline mirror, scheduled; what it means is toolkit.mirror."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import luigi
import luigi.interface

from pipelines.base import LOG, LadingTask, Meter, passphrase
from pipelines.batches import in_batches
from pipelines.mirrored import StoredImage, locked_image
from pipelines.nights import Facts, facts_behind, facts_of, receipt_of, stands, today, with_receipt
from pipelines.parameters import NightParameter, ShardParameter
from pipelines.receipts import Receipt
from toolkit.errors import ToolkitError, TryAgain
from toolkit.event import Event
from toolkit.mirror.connected.fetching import fetch
from toolkit.mirror.connected.finishing import gaps_error
from toolkit.mirror.connected.made import Made
from toolkit.mirror.connected.night import Night
from toolkit.mirror.connected.offers import Offers
from toolkit.mirror.connected.running import Orders, failures_told, run
from toolkit.mirror.connected.site import Site
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.jobs.jobfile import read_job
from toolkit.mirror.jobs.shard import Shard
from toolkit.mirror.news.events import ImageMissed, MirrorEnded, NoticeFailed
from toolkit.mirror.records.lock import Lock, Locked
from toolkit.mirror.records.outcome import GAPS
from toolkit.operations.keys import open_key
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import Stamp, make_folder, storing
from toolkit.settings import Settings


class JobTask(LadingTask):
    """A task of one job on one date."""

    date: dt.date = NightParameter(description="the night, in UTC")
    job: str = luigi.Parameter(description="the job's file", significant=False)

    @property
    def read(self) -> Job:
        """Return the job; raises as `read_job`."""
        return read_job(self.job)

    def settings_of(self, job: Job) -> Settings:
        """Return the settings with the job's rate, of which each of this host's workers has a part."""
        settings, workers = self.settings, max(1, luigi.interface.core().workers)
        rate = job.policy.limit_rate or settings.limit_rate
        return replace(settings, limit_rate=-(-rate // workers))


class MirrorImage(JobTask):
    """Fetch one image of a night's lock. Done while the store has it whole, at this digest, and proven."""

    site: str = luigi.Parameter(description="the closed side's name")
    image: str = luigi.Parameter(description="the image, as the closed side will call it")
    digest: str = luigi.Parameter(description="of its manifest or index, as it is locked")
    resources = {"registry": 1}  # noqa: RUF012 - luigi's own name

    @property
    def lock(self) -> tuple[Locked, frozenset[str]]:
        """Return the image as it is locked, and the origins that are several images; raises NotFound."""
        return locked_image(self.settings.home, self.site, self.date, self.image, self.digest)

    def output(self) -> StoredImage:
        """Return the image in the store."""
        return StoredImage(self.settings.home / "store", self.lock[0], self._made(self._job))

    def run(self) -> None:
        """Copy it into the store; raises TryAgain outside of the job's window, and as `fetch`."""
        job, (image, crowded) = self._job, self.lock
        settings = self.settings_of(job)
        with sources(settings) as opened:
            offers = Offers(opened, crowded, Night(job, settings, opened).may_go_on, self._made(job))
            offers.must_go_on()
            fetch(self.output().store, image, offers, Meter(self, "fetching"), settings.jobs)

    @property
    def _job(self) -> Job:
        return _read_once(self.job, Stamp.of(Path(self.job)))

    def _made(self, job: Job) -> Made:
        return Site(self.settings.home, self.site).made(job.bundle.compression)


class MirrorImages(JobTask):
    """Make the set of a night. Done when it is sent; fails as Gaps, when all is written, where images lack.

    With a shard, this host fetches its share first, then helps with the others', and the last one makes the
    set: done means the same on each, that the set is whole.
    """

    job: str = luigi.Parameter(description="the job's file")
    shard: str = ShardParameter(default="1/1", description="this host's share of the images, as 2/5")

    @property
    def site(self) -> Site:
        """Return the site of the job."""
        return Site(self.settings.home, self.read.site)

    def process_resources(self) -> dict[str, int]:
        """Return that a site has one night at a time."""
        return {f"mirror {self.read.site}": 1}

    def output(self) -> Receipt:
        """Return the receipt of the night."""
        site = self.site
        return Receipt(receipt_of(site, self.date), lambda facts: stands(site, self.date, facts))

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[dt.date]) -> list[dt.date]:
        """Return which nights are done: those behind us by one look into their folder."""
        dates = list(parameter_tuples)
        told = with_receipt(cls(date=dates[0]).site, dates) if dates else []
        return [date for date in told if date < today() or cls(date=date).complete()]

    def run(self) -> None:
        """Do the night: what is missing is fetched by MirrorImage tasks, then the set is made.

        A night behind us whose names nobody has resolved is recorded as missed, with no content. Raises Gaps
        where images lack, when the set is whole and the receipt is written; TryAgain where the site is held.
        """
        job, site, before = self.read, self.site, self.output().read()
        if self.date < today() and (facts := facts_behind(site, self.date)):
            LOG.warning("%s: the night of %s %s", site.name, self.date, facts["problem"] or "is done")
            self.output().write(facts)
            return
        with ExitStack() as stack:
            if Shard.parse(self.shard).of > 1:
                self._share(job, site)
                stack.enter_context(_held(site, "set"))
            facts = self.output().read()
            if facts == before:  # else another host has made the set meanwhile
                facts = self._made(job)
        if facts.get("state") == GAPS:
            raise gaps_error(site.name, site.set(facts["number"]), site.gaps())

    def _made(self, job: Job) -> Facts:
        orders = Orders(self.date)
        with failures_told(job, self.settings, orders, _say):
            key = open_key(job.bundle.key, passphrase) if job.bundle.key else None
        facts = facts_of(run(job, self.settings, replace(orders, key=key), _say, fetch=self._fetched))
        self.output().write(facts)
        return facts

    def _fetched(self, night: Night, lock: Lock, images: Iterable[Locked]) -> Mapping[str, str]:
        """Have images fetched by tasks; one that did not come is tried once more here, where we hear why."""
        self._by_tasks(night, images)
        left = [image for image in images if not self._task(night.site.name, image).complete()]
        return night.fetch(lock, left) if left else {}

    def _by_tasks(self, night: Night, images: Iterable[Locked]) -> None:
        in_batches([self._task(night.site.name, image) for image in images], night.may_go_on)

    def _task(self, site: str, image: Locked) -> MirrorImage:
        digest = str(image.digest)
        return MirrorImage(date=self.date, job=self.job, site=site, image=image.name, digest=digest)

    def _share(self, job: Job, site: Site) -> None:
        """Fetch this host's share, then what of the others' nobody is at, then what those did not get.

        What fails here fails once more when the set is made, and then whom it concerns is told.
        """
        settings = self.settings_of(job)
        with suppress(ToolkitError), sources(settings) as opened:
            night = Night(job, settings, opened)
            with _held(site, "set"), site.held(f"the names of {self.date}", night.now):
                lock = night.locked(self.date)
            for wait in (0, math.inf):
                for part in Shard.parse(self.shard).in_turn():
                    self._part(night, lock, part, wait=wait)

    def _part(self, night: Night, lock: Lock, part: Shard, *, wait: float) -> None:
        own = tuple(image for image in lock.images if part.takes(image.name))
        with ExitStack() as stack:
            try:
                stack.enter_context(_held(night.site, f"{part.number}of{part.of}", wait=wait))
            except TryAgain:
                return  # another host is at it
            planned = night.planned(replace(lock, images=own), Orders().wishes(night).kind, night.folder)
            planned.must_fit()
            self._by_tasks(night, planned.missing)


@contextmanager
def _held(site: Site, name: str, *, wait: float = math.inf) -> Iterator[None]:
    """Hold what hosts with shards take in turn; raises TryAgain after `wait` seconds."""
    path = site.folder / "shards" / name
    make_folder(path.parent)
    with ExitStack() as stack:
        with storing(path):
            stack.enter_context(locked(path, wait=wait))
        yield


@lru_cache(maxsize=1)
def _read_once(path: str, stamp: Stamp | None) -> Job:
    """Return a job, for tasks that ask nothing of it but its policy."""
    del stamp
    return read_job(path)


def _say(event: Event) -> None:
    if isinstance(event, ImageMissed):
        LOG.warning("%s is left out: %s", event.facts()["name"], event.facts()["problem"])
    elif isinstance(event, NoticeFailed):
        LOG.warning("%s", event.facts()["sentence"])
    elif isinstance(event, MirrorEnded):
        LOG.info("%s", event.facts()["text"])
