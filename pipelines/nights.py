"""What became of a night: the facts of its receipt, `<home>/mirror/<site>/nights/2026-11-23.json`.

They are those of its outcome (mirror.records.outcome), with the files of its set and the folder they are in.
A night behind us in which nobody resolved its names is `missed`: what they mean today is not what it had.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import ToolkitError
from toolkit.mirror.connected.finishing import altered
from toolkit.mirror.connected.running import Ran
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.outcome import DONE, GAPS
from toolkit.mirror.records.setrecord import SENT, SetRecord
from toolkit.plumbing.files import storing

MISSED = "missed"  # a state beside those of an outcome

Facts = Mapping[str, Any]


def today() -> dt.date:
    """Return the date, in UTC."""
    return dt.datetime.now(dt.UTC).date()


def receipt_of(site: Site, date: dt.date) -> Path:
    """Return where the receipt of a night is."""
    return site.folder / "nights" / f"{date}.json"


def with_receipt(site: Site, dates: Iterable[dt.date]) -> list[dt.date]:
    """Return which of these nights have a receipt, by one look into its folder."""
    folder = receipt_of(site, today()).parent
    with storing(folder):
        known = set(os.listdir(folder)) if folder.is_dir() else set()
    return [date for date in dates if receipt_of(site, date).name in known]


def facts_of(ran: Ran) -> Facts:
    """Return what a run came to."""
    folder = str(ran.folder.absolute())
    return {**ran.outcome.to_json(), "folder": folder, **_set_facts(ran.finished.record)}


def facts_behind(site: Site, date: dt.date) -> Facts:
    """Return what became of a night behind us, where nothing is left to do for it; else nothing.

    A set is never made for it once there is one of a later night: names over there would go back.
    """
    own, later = _last_sent(site, date)
    if site.lock(date) is None:
        return _told(site, date, MISSED, "was missed: nobody resolved its names on that day")
    if later and own:
        return {**_told(site, date, DONE), **_set_facts(own)}
    if later:
        problem = f"was not finished, and {later.increment.name} of {later.increment.date} has overtaken it"
        return _told(site, date, MISSED, problem)
    return {}


def stands(site: Site, date: dt.date, facts: Facts) -> bool:
    """Tell whether a night is over, or its set is as its receipt says; what was carried away is not lost."""
    if date < today():
        return facts.get("state") in {DONE, GAPS, MISSED}
    if facts.get("state") != DONE or type(number := facts.get("number")) is not int:
        return False
    try:
        record = site.set(number)
    except ToolkitError:
        return False
    is_it = record.status == SENT and _set_facts(record).items() <= facts.items()
    return is_it and not list(altered(Path(str(facts.get("folder"))), record))


def _last_sent(site: Site, date: dt.date) -> tuple[SetRecord | None, SetRecord | None]:
    """Return the last set of a date that was sent, and the last one of a later date."""
    later = None
    for number in reversed(site.numbers()):
        found = site.set(number)
        if found.status == SENT and found.increment.date > date:
            later = later or found
        elif found.status == SENT:
            return (found if found.increment.date == date else None), later
    return None, later


def _told(site: Site, date: dt.date, state: str, problem: str = "") -> dict[str, Any]:
    return {"site": site.name, "date": date.isoformat(), "state": state, "set": None, "problem": problem}


def _set_facts(record: SetRecord) -> dict[str, Any]:
    files = [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in record.volumes]
    return {"set": record.increment.name, "number": record.number, "files": files}
