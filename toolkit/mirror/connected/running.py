"""Running: from the names of a job to a set that is whole, or an error; and whoever wants to hears of it.

What a killed run left is taken up where it was: the lock of its date, what came into the store, and the
number of its set.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from toolkit.errors import ToolkitError, TryAgain
from toolkit.event import Tell, nobody
from toolkit.image import Finding
from toolkit.mirror.connected.finishing import Finished, Wishes, finish, made_before, strict_error
from toolkit.mirror.connected.night import Clock, Night
from toolkit.mirror.connected.pagekeeping import keep_failed_page, keep_page
from toolkit.mirror.connected.site import Site
from toolkit.mirror.connected.sources import sources
from toolkit.mirror.jobs.job import STRICT, Job
from toolkit.mirror.news import notices
from toolkit.mirror.news.events import ImageMissed, MirrorBegun, MirrorEnded
from toolkit.mirror.news.metrics import Memory
from toolkit.mirror.records.baseline import ASSUMED, CONFIRMED, FULL
from toolkit.mirror.records.blob import total
from toolkit.mirror.records.lock import Gap, Lock, Locked, lasting
from toolkit.mirror.records.outcome import DONE, FAILED, GAPS, STALE, Outcome
from toolkit.mirror.records.setrecord import SENT, SetRecord
from toolkit.mirror.records.staleness import Staleness
from toolkit.secretkey import SigningKey
from toolkit.settings import Settings

SINCE: Mapping[str, str] = {"sent": ASSUMED, "receipt": CONFIRMED, "full": FULL}  # words of --since

Fetch = Callable[[Night, Lock, Sequence[Locked]], Mapping[str, str]]  # returns why, by name, some failed


@dataclass(frozen=True, slots=True)
class Orders:
    """What a run is told besides its job."""

    date: dt.date | None = None  # today, in UTC, where none is said
    since: str = ""  # a word of SINCE; empty where nothing is said
    strict: bool = False
    into: str = ""  # the folder of the volumes; empty where the job says
    verify: bool = True
    key: SigningKey | None = field(default=None, repr=False)
    page: Path | None = None  # a file that its page is written to, too

    def wishes(self, night: Night) -> Wishes:
        """Return how the set is to be made."""
        folder = Path(self.into) if self.into else night.folder
        strict = self.strict or night.job.policy.on_error == STRICT
        return Wishes(folder, SINCE.get(self.since, ""), strict, self.verify, self.key, night.tell)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run came to."""

    outcome: Outcome
    finished: Finished
    folder: Path  # of the volumes
    findings: tuple[Finding, ...]  # whoever could not be told


def run(
    job: Job,
    settings: Settings,
    orders: Orders,
    tell: Tell = nobody,
    *,
    fetch: Fetch = Night.fetch,
    clock: Clock = time.time,
) -> Ran:
    """Do one night, and tell what it came to; with gaps it is done, too.

    Raises as `failures_told`; of that, as `resolved`, `must_fit` and `finish`.
    """
    begun = clock()
    if job.policy.limit_rate:
        settings = replace(settings, limit_rate=job.policy.limit_rate)
    now = dt.datetime.fromtimestamp(begun, dt.UTC)
    when, site = orders.date or now.date(), Site(settings.home, job.site)
    with (
        failures_told(job, settings, orders, tell, clock=clock) as blank,
        site.held(f"the run of {when}", now),
        sources(settings) as opened,
    ):
        night = Night(job, settings, opened, tell, clock)
        wishes = orders.wishes(night)
        lock, finished = _done(night, when, wishes, fetch)
    outcome = replace(_outcome(blank, lock, finished), ended=int(clock()), seconds=clock() - begun)
    findings = keep_page(
        site,
        outcome,
        finished,
        wishes.folder,
        lock=lock,
        store=night.store,
        made=night.made,
        signer=wishes.key.public.key_id if wishes.key else "",
        also=orders.page,
    )
    findings += _announce(outcome, site, job, settings, tell)
    return Ran(outcome, finished, wishes.folder, tuple(findings))


@contextmanager
def failures_told(
    job: Job, settings: Settings, orders: Orders, tell: Tell = nobody, *, clock: Clock = time.time
) -> Iterator[Outcome]:
    """Yield what a run begins with, and tell whoever wants to hear of it where the block fails.

    What a run needs besides its job, as its key, is got ready in such a block, too. Raises InvalidSetting
    where somebody could never be told. Nobody is told of TryAgain, where the site is held or outside of the
    window, nor of a date that is no night to be done.
    """
    notices.check(job.notify)
    begun = clock()
    today = dt.datetime.fromtimestamp(begun, dt.UTC).date()
    blank = Outcome(job.site, orders.date or today, FAILED, int(begun))
    try:
        yield blank
    except TryAgain:
        raise
    except ToolkitError as error:
        site = Site(settings.home, job.site)
        if _is_due(site, blank.date, today):
            failed = replace(blank, ended=int(clock()), seconds=clock() - begun, problem=str(error))
            keep_failed_page(site, failed, orders.page)
            _announce(failed, site, job, settings, tell)
        raise


def _is_due(site: Site, when: dt.date, today: dt.date) -> bool:
    """Tell whether a date is tonight, or a night that was begun and that no later one has overtaken.

    Any other is a slip of whoever asks: it says nothing of the last night, which others are told of.
    """
    if when >= today:
        return when == today
    with suppress(ToolkitError):
        numbers = site.numbers()
        is_over = bool(numbers) and site.set(numbers[-1]).increment.date > when
        return not is_over and site.lock(when) is not None
    return True


def _done(night: Night, when: dt.date, wishes: Wishes, fetch: Fetch) -> tuple[Lock, Finished]:
    lock = night.locked(when)
    night.tell(MirrorBegun(lock.site, len(lock.images) + len(lock.gaps), len(lock.gaps)))
    planned = night.planned(lock, wishes.kind, wishes.folder)
    _missed(night, planned.gaps)
    if wishes.strict and planned.gaps:
        gaps = lasting(planned.gaps, night.site.gaps())
        night.site.keep_gaps(gaps, when)
        raise strict_error(lock.site, gaps)
    is_new = bool(wishes.since) or not made_before(night.site, planned.draft)
    if is_new:
        night.site.must_follow(when)
    if is_new or planned.missing:
        planned.must_fit()
    failed = {gap.name: gap.problem for gap in planned.gaps}
    if planned.missing:
        came = fetch(night, lock, planned.missing)
        _missed(night, [Gap(name, problem, when) for name, problem in came.items()])
        failed |= came
    if planned.about:  # now their sizes are known
        there = tuple(each for each in lock.images if each.name not in failed)
        night.planned(replace(lock, images=there, gaps=()), wishes.kind, wishes.folder).must_fit()
    finished = finish(night.site, night.job, lock, night.store, wishes, failed=failed, now=night.now)
    return lock, finished


def _missed(night: Night, gaps: Sequence[Gap]) -> None:
    for gap in lasting(gaps, night.site.gaps()):
        night.tell(ImageMissed(gap))


def _outcome(blank: Outcome, lock: Lock, finished: Finished) -> Outcome:
    increment = finished.record.increment
    found = replace(
        blank,
        state=GAPS if finished.gaps else DONE,
        number=increment.number,
        images=len(lock.images) + len(lock.gaps),
        images_new=len(increment.new),
        images_there=len(increment.images) - len(increment.new),
        gaps=finished.gaps,
        bytes_new=total(increment.contains),
        bytes_there=total(increment.requires),
        volumes=len(finished.record.volumes),
    )
    if not finished.is_new:  # what it cost is what it was
        return found
    shared, there = (sum(getattr(each, what) for each in finished.shares) for what in ("shared", "there"))
    return replace(found, bytes_shared=shared, bytes_there=there)


def _announce(outcome: Outcome, site: Site, job: Job, settings: Settings, tell: Tell) -> list[Finding]:
    tell(MirrorEnded(outcome))
    stale = _stale(site, job, outcome)
    memory = replace(_memory(site, outcome), is_stale=stale is not None)
    with closing(notices.transport(settings)) as web:
        found = []
        if stale:
            tell(MirrorEnded(stale))
            found += notices.announce(stale, replace(job.notify, textfile=""), web, memory, tell)
        return [*found, *notices.announce(outcome, job.notify, web, memory, tell)]


def _memory(site: Site, outcome: Outcome) -> Memory:
    """Return what is known from before; a log that was damaged is told of elsewhere."""
    receipt = site.receipt()
    received = int(receipt.made.timestamp()) if receipt else None
    if outcome.state != FAILED:
        return Memory(outcome.ended, received)
    sent = [line.time for line in site.trail.lines() if line.event == SENT]
    return Memory(int(sent[-1].timestamp()) if sent else None, received)


def _stale(site: Site, job: Job, outcome: Outcome) -> Outcome | None:
    """Return that the closed side was not heard of for too long, or was sent nothing; else None."""
    if not job.policy.stale:
        return None
    receipt, now = site.receipt(), dt.datetime.fromtimestamp(outcome.ended, dt.UTC)
    known = Staleness.of(_latest(site, receipt.highest if receipt else 0), receipt, now)
    problem = known.why_stale(dt.timedelta(days=job.policy.stale))
    return replace(outcome, state=STALE, problem=problem) if problem else None


def _latest(site: Site, after: int) -> Iterator[SetRecord]:
    """Yield the sets with higher numbers than this, and the last one that was sent, the last one first."""
    for found in map(site.set, reversed(site.numbers())):
        yield found
        if found.number <= after and found.status == SENT:
            return
