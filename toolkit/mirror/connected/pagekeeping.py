"""PageKeeping: the page of a run, written beside the volumes and into the folder of the site.

    <volumes>/plant-7_0007.html                      carried with them
    <home>/mirror/plant-7/pages/plant-7_0007.html
    <home>/mirror/plant-7/pages/2026-11-27-failed.html

A set is whole without its page: what keeps a page from being written is a finding, and ends nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.mirror.connected.building import carried
from toolkit.mirror.connected.finishing import Finished
from toolkit.mirror.connected.made import Made
from toolkit.mirror.connected.site import Site
from toolkit.mirror.news.pagefiles import PAGES, unwritten, write_page
from toolkit.mirror.news.runpage import RunFacts, mirror_page, stacks_of
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.lock import Lock
from toolkit.mirror.records.outcome import Outcome
from toolkit.mirror.records.setrecord import SENT
from toolkit.mirror.records.staleness import Staleness
from toolkit.pages.sharing import Stack
from toolkit.stores.layout import LayoutStore


def keep_failed_page(site: Site, outcome: Outcome, also: Path | None = None) -> list[Finding]:
    """Write the page of a run that failed, where `also` says too; return what kept it from being written."""
    path = site.folder / PAGES / f"{outcome.date}-failed.html"
    try:
        page = mirror_page(_facts(site, outcome))
    except ToolkitError as error:
        return [unwritten(path, error)]
    return write_page(page, [path, *([also] if also else [])])


def keep_page(
    site: Site,
    outcome: Outcome,
    finished: Finished,
    folder: Path,
    *,
    lock: Lock,
    store: LayoutStore,
    made: Made,
    signer: str = "",
    also: Path | None = None,
) -> list[Finding]:
    """Write the page of a run that made a set, whose volumes are in `folder`, and where `also` says.

    Of a set that was made before, only where there is no page yet. Returns what kept it from being written.
    """
    name = f"{finished.record.increment.name}.html"
    paths = [path for path in (site.folder / PAGES / name, folder / name) if _is_due(path, finished)]
    if also:
        paths.append(also)
    if not paths:
        return []
    try:
        stacks = stacks_of(carried(store, finished.record.increment, lock.images, made))
        facts = _facts(site, outcome, finished, stacks, signer)
        page = mirror_page(replace(facts, made=_others(finished.record.increment, lock)))
    except ToolkitError as error:
        return [unwritten(paths[0], error)]
    return write_page(page, paths)


def _is_due(path: Path, finished: Finished) -> bool:
    return finished.is_new or not path.exists()


def _facts(
    site: Site,
    outcome: Outcome,
    finished: Finished | None = None,
    stacks: Sequence[Stack] = (),
    signer: str = "",
) -> RunFacts:
    receipt = site.receipt()
    sets = list(site.sets(max(receipt.sets, default=0) if receipt else 0))
    now = dt.datetime.fromtimestamp(outcome.ended, dt.UTC)
    facts = RunFacts(outcome, site.trail.tip(), Staleness.of(sets, receipt, now), receipt)
    if finished is None:
        return facts
    record = finished.record
    return replace(
        facts,
        increment=record.increment,
        previous=_before(site, record.number),
        volumes=record.volumes,
        signer=signer,
        shares=finished.shares if finished.is_new else (),  # what it cost is what it was
        stacks=stacks,
    )


def _others(increment: Increment, lock: Lock) -> int:
    """Count the images that are carried under another digest than the one that they were locked at."""
    locked = {each.name: each.digest for each in lock.images}
    return sum(locked.get(image.name, image.digest) != image.digest for image in increment.images)


def _before(site: Site, number: int) -> Increment | None:
    """Return the set that was sent before."""
    earlier = (site.set(other) for other in reversed(site.numbers()) if other < number)
    return next((found.increment for found in earlier if found.status == SENT), None)
