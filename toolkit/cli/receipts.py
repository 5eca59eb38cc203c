"""The receipt that the closed side writes after `receive` and `prune`: its options, and where it goes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.errors import ToolkitError
from toolkit.plumbing.files import must_be_folder
from toolkit.settings import Settings

if TYPE_CHECKING:
    from toolkit.mirror.closed.closedside import ClosedSide
    from toolkit.mirror.closed.inventory import Inventory
    from toolkit.mirror.records.receipt import Receipt
    from toolkit.secretkey import SigningKey

OPTIONS = (
    click.option("--receipt-to", metavar="FOLDER", help="Put the receipt there too, to be carried back."),
    click.option(
        "--sign",
        metavar="FILE",
        help="Sign the receipt with this secret key.  [default: sign_key in [lading], if there is one]",
    ),
    click.option(
        "--passphrase-file",
        "passphrase",
        metavar="FILE",
        help="Its first line is the passphrase of that key.  [default: LADING_PASSPHRASE, else you are "
        "asked]",
    ),
    click.option(
        "--operator", metavar="NAME", help="Who works here, by the receipt.  [default: who is logged in]"
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, as it was typed."""

    receipt_to: str | None
    sign: str | None
    passphrase: str | None
    operator: str | None

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) is not None for each in fields(self))

    def ready(self, settings: Settings) -> Receipts:
        """Open the key; raises UsageError where a medium is not there, before anything else is done."""
        folder = Path(self.receipt_to) if self.receipt_to is not None else None
        if folder:
            must_be_folder("--receipt-to", str(folder), "mount the medium, or make the folder")
        return Receipts(folder, _secret(self.sign or settings.sign_key, self.passphrase), self.operator)


@dataclass(frozen=True, slots=True)
class Written:
    """A receipt, and where it lies."""

    receipt: Receipt
    files: list[Path]

    def __str__(self) -> str:
        from toolkit.pages.room import counted

        images, sets = counted(len(self.receipt.images), "image"), counted(len(self.receipt.sets), "set")
        return f"receipt for {images} of {sets}: {', '.join(map(str, self.files))}"

    def to_json(self) -> dict[str, Any]:
        """Return the stable form."""
        return {
            "files": list(map(str, self.files)),
            "sets": list(self.receipt.sets),
            "images": len(self.receipt.images),
        }


@dataclass(frozen=True, slots=True)
class Receipts:
    """How a receipt is to be written."""

    folder: Path | None
    key: SigningKey | None
    operator: str | None

    def write(
        self, side: ClosedSide, inventory: Inventory, now: datetime, failures: list[ToolkitError]
    ) -> Written | None:
        """Write the receipt of what is there, for a side that is held; what keeps it from it is a failure."""
        from toolkit.mirror.closed.acknowledging import acknowledge, carry_back, operator_name

        written = None
        try:
            made = acknowledge(side, inventory, now, self.operator or operator_name(), self.key)
            written = Written(made, [side.folder / made.file_name])
            if self.folder:
                written.files.append(carry_back(made, self.folder, self.key))
        except ToolkitError as error:
            failures.append(error)
        return written


def receipt_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the receipt; it gets them as `receipt`."""

    @functools.wraps(command)
    def run(**words: Any) -> Any:  # noqa: ANN401 - click's own
        told = {field.name: words.pop(field.name) for field in fields(Asked)}
        return command(**words, receipt=Asked(**told))

    for option in reversed(OPTIONS):
        run = option(run)
    return run


def _secret(path: str, passphrase: str | None) -> SigningKey | None:
    if not path:
        return None
    from toolkit.cli.passphrases import asking
    from toolkit.operations.keys import open_key

    return open_key(path, asking(passphrase))
