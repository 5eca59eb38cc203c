"""Night: one run of one job, step by step: what names mean, what would go, what is fetched.

A date has one meaning: its names are resolved on that day (in UTC) and never later, and a rerun takes them as
they were.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from toolkit.errors import NotFound, TryAgain, UsageError
from toolkit.event import Tell, nobody
from toolkit.mirror.connected.fetching import fetch_all
from toolkit.mirror.connected.offers import Offers
from toolkit.mirror.connected.planning import Planned, plan
from toolkit.mirror.connected.resolving import resolve, wanted_by
from toolkit.mirror.connected.site import Site
from toolkit.mirror.connected.sources import Opened
from toolkit.mirror.jobs.job import Job
from toolkit.mirror.records.lock import Lock, Locked
from toolkit.plumbing.files import must_be_folder
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore

Clock = Callable[[], float]  # seconds since 1970


class Night:
    """What a run works with. Who changes anything holds the site."""

    def __init__(
        self, job: Job, settings: Settings, opened: Opened, tell: Tell = nobody, clock: Clock = time.time
    ) -> None:
        self.job, self.tell, self._clock = job, tell, clock
        self.site = Site(settings.home, job.site)
        self.store = LayoutStore(settings.home / "store")
        self.made = self.site.made(job.bundle.compression)
        self._offers = Offers(opened, go_on=self.may_go_on, made=self.made)

    @property
    def now(self) -> dt.datetime:
        """Return the time, in UTC."""
        return dt.datetime.fromtimestamp(self._clock(), dt.UTC)

    @property
    def folder(self) -> Path:
        """Return where the volumes are written, where nobody says otherwise; raises UsageError.

        A folder that the job names has to be there: else a medium that is not mounted would be taken for one.
        """
        asked = self.job.bundle.folder
        if asked:
            must_be_folder("bundle.folder", asked)
        return self.site.volumes(asked)

    def may_go_on(self) -> bool:
        """Tell whether registries may be asked now."""
        window = self.job.policy.window
        return window is None or window.is_open(self._clock())

    def resolved(self, when: dt.date) -> Lock:
        """Return what the names mean on a date: as they were resolved then, or as they are if it is today.

        What failed earlier today is tried again, and what was added to the job since then too; tags are
        listed again only where that failed, or the job is another one. Raises NotFound for a night that was
        missed, UsageError for one to come, TryAgain outside of the window, and as `resolve`.
        """
        lock, today = self.site.lock(when), self.now.date()
        if when > today:
            raise UsageError(f"--date {when}", "is still to come", f"tonight is {today}, in UTC")
        if lock and (when < today or (not lock.gaps and lock.wanted == wanted_by(self.job))):
            return lock
        if when < today:
            problem = f"was missed: nobody asked on that day, and what there is on {today} is not what it had"
            raise NotFound(f"the night of {when} of site {self.job.site}", problem, "run without --date")
        if not self.may_go_on():
            problem = f"may ask registries from {str(self.job.policy.window).replace('-', ' to ')} only"
            raise TryAgain(f"the job of site {self.job.site}", problem, "run it then")
        before, kept = self.site.last_lock(when), lock.images if lock else ()
        gaps, listed = self.site.gaps(), lock if lock and lock.wanted == wanted_by(self.job) else None
        return resolve(
            self.job, when, self._offers.opened, before=before, gaps=gaps, kept=kept, listed=listed
        )

    def locked(self, when: dt.date) -> Lock:
        """Return what the names mean on a date, and record it; raises as `resolved`."""
        lock = self.resolved(when)
        if self.site.lock(when) != lock:
            self.site.keep_lock(lock)
        return lock

    def planned(self, lock: Lock, kind: str, folder: Path) -> Planned:
        """Reckon what would go; of images that the store has not, the manifests are read."""
        self._offers.crowded = lock.crowded
        baseline, first = self.site.baseline(kind), [gap.name for gap in self.site.gaps()]
        return plan(self.job, lock, self.store, baseline, folder, offers=self._offers, first=first)

    def fetch(self, lock: Lock, images: Sequence[Locked]) -> Mapping[str, str]:
        """Fetch images in this process; return why, by name, of those that failed; raises as `fetch_all`."""
        self._offers.crowded = lock.crowded
        failed = fetch_all(self.store, images, self._offers, self.tell)
        return {name: str(error) for name, error in failed.items()}
