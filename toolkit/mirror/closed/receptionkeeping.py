"""ReceptionKeeping: the page of what was received, written into the folder of the site.

<home>/mirror/plant-7/pages/received-20261128T090000Z.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from toolkit.digest import Digest
from toolkit.image import Finding
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.news.pagefiles import PAGES, write_page
from toolkit.mirror.news.receptionpage import ReceptionFacts, received_page
from toolkit.mirror.records.receipt import Receipt
from toolkit.mirror.records.reception import THERE, Reception


def keep_reception_page(
    side: ClosedSide,
    receptions: Sequence[Reception],
    before: Mapping[str, Digest],
    *,
    receipt: Receipt | None,
    now: datetime,
    also: Path | None = None,
) -> list[Finding]:
    """Write the page of sets that were brought, and where `also` says; `before` is what names meant.

    One of which all was there already is only written where `also` says. Returns what kept it from being
    written.
    """
    is_new = any(each.state != THERE for each in receptions)
    paths = [side.folder / PAGES / f"received-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.html"] if is_new else []
    if also:
        paths.append(also)
    if not paths:
        return []
    told = [each.to_json() for each in receptions]
    facts = ReceptionFacts(side.name, now, told, before, side.names(), receipt)
    return write_page(received_page(facts), paths)
