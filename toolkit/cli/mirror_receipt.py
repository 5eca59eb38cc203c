"""`lading mirror receipt FILE`: take a receipt that came back, on the connected side."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.settings import load_settings


@click.command("receipt", cls=Command, short_help="Take a receipt that came back, on the connected side.")
@click.argument("file", metavar="FILE")
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

    The files beside it, .sha256 and where it was signed .sha256.minisig, are checked.
    """
    from toolkit.mirror.receiptfile import read_receipt
    from toolkit.mirror.site import Site
    from toolkit.operations.keys import read_public_keys

    settings = load_settings()
    receipt = read_receipt(Path(file), read_public_keys(keys or settings.require_signature))
    found, now = Site(settings.home, site or receipt.site), datetime.now(UTC)
    with found.held("lading mirror receipt", now):
        is_new = found.take(receipt, file, now, anew=anew)
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
    what = f"{len(receipt.images)} images of {len(receipt.sets)} sets, the last of them {receipt.number}"
    output.say(f"{'took' if is_new else 'had'} the receipt of {receipt.site}: {what}")
    if unknown:
        output.say(f"{len(unknown)} of these images were never sent from here, as {unknown[0]}")
