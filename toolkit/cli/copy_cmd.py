"""`lading copy SRC-PLACE [REF…] DST-PLACE`: images from any place to any other."""

from __future__ import annotations

import click

from toolkit.cli import targets
from toolkit.cli.carrying import (
    Wishes,
    carry,
    carrying,
    format_option,
    may_be_stdout,
    must_be_some,
    opened,
    tell,
)
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.progress import progress_for


@click.command("copy", cls=Command, short_help="Carry images from one place to another.")
@click.argument("origin", metavar="SRC-PLACE")
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.argument("place", metavar="DST-PLACE", callback=may_be_stdout)
@format_option
@carrying
@click.pass_obj
def command(
    output: Output,
    origin: str,
    references: tuple[str, ...],
    place: str,
    *,
    format_: str | None,
    wishes: Wishes,
) -> None:
    """Copy images from any place to any other, all of them if none is named: stores and bundles alike.

    Every byte is compared with its digest on the way. A bundle that is there is replaced, a store added to.
    """
    settings = wishes.settings()
    with (
        opened([origin], settings, wishes) as source,
        progress_for(output, "copying") as progress,
    ):
        target = targets.target(place, format_, settings, output, progress)
        images = carry(source, target, references, wishes, progress)
    must_be_some(images, source)
    facts = {"source": source.place, "destination": target.place}
    tell(output, source, target, images, facts)
