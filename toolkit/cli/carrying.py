"""What export, import and copy have in common: images asked for, carried, and told about."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from toolkit.bundles import FORMATS, engines
from toolkit.cli.figures import size_text
from toolkit.cli.output import Output
from toolkit.cli.pictures import CARRIED_HEAD, asked_name, carried_rows
from toolkit.cli.progress import Announced, Progress
from toolkit.cli.targets import Target
from toolkit.errors import CorruptContent
from toolkit.image import Finding, ProvenImage
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.report import WARNING, finding_json, image_json

NO_IMAGES = "holds no images"
SERVES = {row.name: row.serves for row in FORMATS}

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(list(SERVES)),
    help="; ".join(f"{name}: for {serves}" for name, serves in SERVES.items()) + ".  [default: universal]",
)
tag_option = click.option(
    "--tag",
    "tags",
    metavar="[OLD=]NEW",
    multiple=True,
    help="Give an image another name on the way; of one image alone, NEW will do. May be repeated.",
)


def carry(
    source: Source,
    target: Target,
    references: Sequence[str],
    *,
    tags: Sequence[str] = (),
    platform: Platform | None,
    compression: str | None = None,
    level: int | None = None,
    strict: bool,
    progress: Progress,
) -> list[ProvenImage]:
    """Copy images, all of the source if none is named; raises what `copy` raises.

    A source without an image is no error, as for docker load, but under `strict` (formats H, case 11).
    """
    from toolkit.operations.copy import copy

    asked = list(references) or everything(source)
    if not asked:
        if strict:
            raise CorruptContent(source.place, NO_IMAGES, "--strict makes warnings errors")
        return []
    if tags:
        from toolkit.operations.renaming import Renamed, Renaming

        source = Renamed(source, Renaming.of(tags, asked))
    with _packed(source, compression, level, progress) as packed:
        announced = Announced(packed, progress)
        return copy(announced, target.sink, asked, platform=platform, strict=strict, progress=progress)


def _packed(
    source: Source, compression: str | None, level: int | None, progress: Progress
) -> AbstractContextManager[Source]:
    if compression is None and level is None:
        return nullcontext(source)
    from toolkit.operations.recompress import recompressed

    return recompressed(source, compression, level, progress)


def everything(source: Source) -> list[str]:
    """Return what to ask for all images by; raises where one cannot be read."""
    listings = source.listings()
    for listing in listings:
        if listing.problem:
            raise CorruptContent(asked_name(listing), listing.problem)
    return [name for listing in listings for name in listing.names or (listing.id,)]


def tell(
    output: Output, source: Source, target: Target, images: Sequence[ProvenImage], facts: dict[str, Any]
) -> None:
    """Print what was carried, where to, and which engines read it there; `facts` begin the document."""
    found = [] if images else [Finding(source.place, NO_IMAGES, WARNING)]
    found += [*target.findings(), *(finding for image in images for finding in image.findings)]
    serves = engines(target.format, images) if target.format else []
    if output.json:
        if target.format:
            facts |= {"format": target.format, "size": target.size if images else 0, "serves": serves}
        facts["images"] = [image_json(image) for image in images]
        facts["findings"] = [finding_json(finding) for finding in dict.fromkeys(found)]
        output.document(facts)
        return
    if images:
        output.table(CARRIED_HEAD, carried_rows(images))
        output.say(_sentence(source, target, serves))
    output.findings(found)


def _sentence(source: Source, target: Target, serves: Sequence[str]) -> str:
    if not target.format:
        return f"imported from {source.place} into {target.place}"
    size = f"{size_text(target.size)}, {target.format}"
    return f"wrote {target.place} ({size}), for {', '.join(serves) or 'no engine'}"
