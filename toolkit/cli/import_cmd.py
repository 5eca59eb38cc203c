"""`lading import FILE [REF…]`: images out of a bundle, or a root file system as one, into a store."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import click

from toolkit import places
from toolkit.cli import targets
from toolkit.cli.carrying import Wishes, carry, carrying, format_option, opened, tell
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.progress import progress_for
from toolkit.cli.rootfs import refuse_for_rootfs, root_file_system
from toolkit.image import Finding
from toolkit.place import AUTO, STANDARD_STREAM, Place
from toolkit.ports import Source, Unpacks
from toolkit.voucher import vouchers_of


@click.command("import", cls=Command, short_help="Take images from a bundle into a store.")
@click.argument("file", metavar="FILE")
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.option("--into", metavar="PLACE", help="Put the images here.  [default: the embedded store]")
@click.option(
    "--rootfs",
    is_flag=True,
    help="FILE is the tar of a root file system, as docker export writes it: an image of one layer.",
)
@click.option(
    "--created",
    metavar="TIME",
    help="With --rootfs: when it was made, as 2024-01-31T12:00:00Z.  [default: SOURCE_DATE_EPOCH, else "
    "1970-01-01T00:00:00Z, so that the same FILE gets the same image ID]",
)
@format_option
@carrying
@click.pass_obj
def command(
    output: Output,
    file: str,
    references: tuple[str, ...],
    *,
    into: str | None,
    rootfs: bool,
    created: str | None,
    format_: str | None,
    wishes: Wishes,
) -> None:
    """Import images from a bundle into a store, all of them if none is named.

    Every byte is compared with its digest on the way; the names come last, when all is there.
    """
    settings = wishes.settings()
    origin: AbstractContextManager[Source]
    if rootfs:
        origin = root_file_system(file, settings, references, wishes.tags, wishes.platform, created=created)
        wishes = replace(wishes, tags=())  # it is called so from the start
    else:
        refuse_for_rootfs(created)
        origin = opened([file], settings, wishes)
    with origin as source, progress_for(output, "importing") as progress:
        noticed = (
            [] if vouchers_of(source) else _sums(file, wishes)
        )  # then the sum is signed, and was compared
        place = into or places.canonical(AUTO, settings)
        target = targets.target(place, format_, settings, output, progress)
        if isinstance(target.sink, Unpacks):  # what comes into a site is proven to the last layer
            target.sink.unpacks = True
        images = carry(source, target, references, wishes, progress)
    facts = {"bundle": source.place, "store": target.place}
    tell(output, source, target, images, facts, noticed=noticed)


def _sums(file: str, wishes: Wishes) -> list[Finding]:
    """Return what the `.sha256` beside a file says against it; raises CorruptContent where that is strict."""
    from toolkit.operations.companion import companion_warnings

    path = Path(Place.parse(file).path)
    is_file = file != STANDARD_STREAM and path.is_file()
    return companion_warnings(path, strict=wishes.strict) if is_file else []
