"""`lading import FILE [REF…]`: images out of a bundle, or a root file system as one, into a store."""

from __future__ import annotations

from collections.abc import Sequence

import click

from toolkit import places
from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pictures import CARRIED_HEAD, asked_name, carried_rows
from toolkit.cli.progress import Announced, progress_for
from toolkit.cli.rootfs import refuse_for_rootfs, root_file_system
from toolkit.cli.verify_cmd import FAILURES
from toolkit.errors import CorruptContent, ToolkitError, Unsupported
from toolkit.image import Finding, ProvenImage
from toolkit.outline import Listing
from toolkit.platform import Platform
from toolkit.ports import Sink, Source
from toolkit.report import finding_json, image_json
from toolkit.settings import Settings, load_settings


@click.command("import", cls=Command, short_help="Take images from a bundle into a store.")
@click.argument("file", metavar="FILE")
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.option("--into", metavar="PLACE", help="Put the images here.  [default: the embedded store]")
@click.option(
    "--platform",
    metavar="OS/ARCH[/VARIANT]",
    callback=options.parsed_platform,
    help="Take this platform of an image that has several; with --rootfs, what the image is for.",
)
@click.option(
    "--rootfs",
    is_flag=True,
    help="FILE is the tar of a root file system, as docker export writes it: an image of one layer.",
)
@click.option("--tag", "tags", metavar="NAME", multiple=True, help="With --rootfs: name the image so.")
@click.option(
    "--created",
    metavar="TIME",
    help="With --rootfs: when it was made, as 2024-01-31T12:00:00Z.  [default: SOURCE_DATE_EPOCH, else "
    "1970-01-01T00:00:00Z, so that the same FILE gets the same image ID]",
)
@options.strict_option
@options.prefer_option
@options.docker_compatible_option
@click.pass_obj
def command(
    output: Output,
    file: str,
    references: tuple[str, ...],
    *,
    into: str | None,
    platform: Platform | None,
    rootfs: bool,
    tags: tuple[str, ...],
    created: str | None,
    strict: bool,
    prefer: str,
    docker_compatible: bool,
) -> None:
    """Import images from a bundle into a store, all of them if none is named.

    Every byte is compared with its digest on the way; the names come last, when all is there.
    """
    from toolkit.operations.copy import copy

    settings = load_settings()
    refuse_unsigned(settings)
    if rootfs:
        origin = root_file_system(file, references, tags, platform, created)
    else:
        refuse_for_rootfs(tags, created)
        origin = options.opened(file, settings, prefer, docker_compatible=docker_compatible)
    with origin as source, progress_for(output, "importing") as progress:
        sink = places.open_sink(into or places.canonical(places.AUTO, settings), settings)
        strict = strict or settings.strict
        if not (names := references or everything(source)):
            tell_nothing(output, source, sink, strict=strict)
            return
        images = copy(
            Announced(source, progress), sink, names, platform=platform, strict=strict, progress=progress
        )
    tell(output, source, sink, images)


def refuse_unsigned(settings: Settings) -> None:
    """Raise where the settings ask for a signature: this version makes and checks none."""
    if settings.require_signature:
        raise Unsupported("[lading] require_signature", "is set, and signatures are not checked yet")


def everything(source: Source) -> list[str]:
    """Return what to ask for all images by; raises where one cannot be read."""
    listings = source.listings()
    for listing in listings:
        if listing.problem:
            raise failure(source, listing)
    return [name for listing in listings for name in listing.names or (listing.id,)]


def failure(source: Source, listing: Listing) -> ToolkitError:
    """Return the failure of an image that cannot be read: of the kind that reading it raises."""
    try:
        source.image(listing.names[0] if listing.names else listing.id)
    except ToolkitError as error:
        return FAILURES.get(error.exit_code, CorruptContent)(asked_name(listing), listing.problem)
    return CorruptContent(asked_name(listing), listing.problem)


def tell(output: Output, source: Source, sink: Sink, images: Sequence[ProvenImage]) -> None:
    """Print what was taken in, and where it is."""
    findings = list(dict.fromkeys(finding for image in images for finding in image.findings))
    if output.json:
        document(output, source, sink, images, findings)
        return
    output.table(CARRIED_HEAD, carried_rows(images))
    output.say(f"imported from {source.place} into {sink.place}")
    output.findings(findings)


def tell_nothing(output: Output, source: Source, sink: Sink, *, strict: bool) -> None:
    """Say that a bundle lists no images; the store is left as it is. Raises CorruptContent if `strict`."""
    from toolkit.operations.copy import refuse_warnings
    from toolkit.operations.verify import nothing_in

    findings = [nothing_in(source.place)]
    if strict:
        refuse_warnings(findings)
    if output.json:
        document(output, source, sink, [], findings)
        return
    output.say(f"imported nothing from {source.place}")
    output.findings(findings)


def document(
    output: Output,
    source: Source,
    sink: Sink,
    images: Sequence[ProvenImage],
    findings: Sequence[Finding],
) -> None:
    """Print the same for machines."""
    facts = {
        "bundle": source.place,
        "store": sink.place,
        "images": [image_json(image) for image in images],
        "findings": [finding_json(finding) for finding in findings],
    }
    output.document(facts)
