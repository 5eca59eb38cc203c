"""`lading import FILE [REF…]`: images out of a bundle into a store."""

from __future__ import annotations

from collections.abc import Sequence

import click

from toolkit import places
from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pictures import CARRIED_HEAD, asked_name, carried_rows
from toolkit.cli.progress import Announced, progress_for
from toolkit.errors import CorruptContent, NotFound, Unsupported
from toolkit.image import ProvenImage
from toolkit.ports import Sink, Source
from toolkit.report import finding_json, image_json
from toolkit.settings import Settings, load_settings


@click.command("import", cls=Command, short_help="Take images from a bundle into a store.")
@click.argument("file", metavar="FILE")
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.option("--into", metavar="PLACE", help="Put the images here.  [default: the embedded store]")
@options.compression_option
@options.level_option
@options.strict_option
@options.prefer_option
@click.pass_obj
def command(
    output: Output,
    file: str,
    references: tuple[str, ...],
    *,
    into: str | None,
    compression: str | None,
    level: int | None,
    strict: bool,
    prefer: str,
) -> None:
    """Import images from a bundle (- is standard input) into a store, all of them if none is named.

    Every byte is compared with its digest on the way; the names come last, when all is there.
    """
    from toolkit.operations.copy import copy
    from toolkit.operations.recompress import recompressed

    settings = load_settings()
    refuse_unsigned(settings)
    with (
        options.opened(file, settings, prefer) as opened,
        progress_for(output, "importing") as progress,
        recompressed(opened, compression, level, progress) as source,
    ):
        sink = places.open_sink(into or places.canonical(places.AUTO, settings), settings)
        images = copy(
            Announced(source, progress),
            sink,
            references or everything(source),
            strict=strict or settings.strict,
            progress=progress,
        )
    tell(output, source, sink, images)


def refuse_unsigned(settings: Settings) -> None:
    """Raise where the settings ask for a signature: this version makes and checks none."""
    if settings.require_signature:
        raise Unsupported("[lading] require_signature", "is set, and signatures are not checked yet")


def everything(source: Source) -> list[str]:
    """Return what to ask for all images by; raises where there is none, or one cannot be read."""
    listings = source.listings()
    if not listings:
        raise NotFound(source.place, "holds no images")
    for listing in listings:
        if listing.problem:
            raise CorruptContent(asked_name(listing), listing.problem)
    return [name for listing in listings for name in listing.names or (listing.id,)]


def tell(output: Output, source: Source, sink: Sink, images: Sequence[ProvenImage]) -> None:
    """Print what was taken in, and where it is."""
    findings = list(dict.fromkeys(finding for image in images for finding in image.findings))
    if output.json:
        facts = {
            "bundle": source.place,
            "store": sink.place,
            "images": [image_json(image) for image in images],
            "findings": [finding_json(finding) for finding in findings],
        }
        output.document(facts)
        return
    output.table(CARRIED_HEAD, carried_rows(images))
    output.say(f"imported from {source.place} into {sink.place}")
    output.findings(findings)
