"""acknowledge: the receipt of all that is there, kept here, and put on a medium to be carried back."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.records.receipt import Receipt, receipt_name
from toolkit.mirror.records.receiptfile import read_receipt, write_receipt
from toolkit.secretkey import SigningKey


def acknowledge(
    side: ClosedSide, inventory: Inventory, now: datetime, operator: str, key: SigningKey | None = None
) -> Receipt:
    """Return the receipt, written in the site's folder; the last one where nothing has changed since."""
    last = standing_receipt(side)
    made = (
        last
        if last and _still_holds(last, side, inventory)
        else side.receipt(operator, now, inventory.is_whole)
    )
    write_receipt(side.folder, made, key)
    return made


def standing_receipt(side: ClosedSide) -> Receipt | None:
    """Return the receipt of the sets that came; None where there is none that can be read."""
    highest = max((each.number for each in side.received()), default=0)
    path = side.folder / receipt_name(side.name, highest)
    with suppress(ToolkitError):
        return read_receipt(path)
    return None


def carry_back(receipt: Receipt, folder: Path, key: SigningKey | None = None) -> Path:
    """Write the receipt on a medium; return its path. It is the same bytes as the one that is kept."""
    return write_receipt(folder, receipt, key)


def operator_name() -> str:
    """Return who runs this, by the name that he logged in with."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return f"user {os.getuid()}"


def _still_holds(last: Receipt, side: ClosedSide, inventory: Inventory) -> bool:
    there = {name: top for name, top in side.names().items() if inventory.is_whole(top)}
    is_same = last.sets == tuple(each.number for each in side.received()) and dict(last.images) == there
    return is_same and last.site == side.name and last.trail == side.trail.tip()
