"""`lading mirror receipt FILE`: take a receipt that came back, on the connected side."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.settings import load_settings


@click.command("receipt", cls=Command, short_help="Take a receipt that came back, on the connected side.")
@click.argument("file", metavar="FILE|FOLDER")
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="Take only what this public key, or its file, signed.  [default: require_signature in [lading]]",
)
@click.option("--site", metavar="NAME", help="Take it for this site alone.  [default: as it says]")
@click.option("--anew", is_flag=True, help="Take it though it does not follow the last: a side is new.")
@click.pass_obj
def command(output: Output, file: str, *, keys: tuple[str, ...], site: str | None, anew: bool) -> None:
    """Take a receipt that came back from the closed side: what it names need not be sent again.

    The files beside it, .sha256 and where it was signed .sha256.minisig, are checked. Of a folder, the newest
    receipt is taken: that of the highest set.
    """
    from toolkit.mirror.connected.site import Site
    from toolkit.mirror.records.receiptfile import newest_in, read_receipt
    from toolkit.operations.keys import read_public_keys
    from toolkit.pages.room import counted

    settings = load_settings()
    path = newest_in(Path(file), site) if Path(file).is_dir() else Path(file)
    receipt = read_receipt(path, read_public_keys(keys or settings.require_signature))
    found, now = Site(settings.home, site or receipt.site), datetime.now(UTC)
    with found.held("lading mirror receipt", now):
        is_new = found.take(receipt, str(path), now, anew=anew)
        unknown = found.baseline("confirmed").unknown
    if output.json:
        output.document(
            {
                "site": receipt.site,
                "made": receipt.made.isoformat(),
                "operator": receipt.operator,
                "sets": list(receipt.sets),
                "images": len(receipt.images),
                "unknown": list(unknown),
                "is_new": is_new,
            }
        )
        return
    what = f"{counted(len(receipt.images), 'image')} of {counted(len(receipt.sets), 'set')}"
    what += f", the last of them {receipt.number}" if receipt.sets else ""
    output.say(f"{'took' if is_new else 'had'} the receipt of {receipt.site}: {what}")
    if unknown:
        output.say(f"{len(unknown)} of these images were never sent from here, as {unknown[0]}")
