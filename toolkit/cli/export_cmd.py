"""`lading export REF…`: images out of a store into one bundle."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from toolkit import places
from toolkit.bundles import DEFAULT, FORMATS, create_bundle
from toolkit.bundles.packed import loads_packed, target_for
from toolkit.bundles.streamed import Streamed
from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.figures import size_text
from toolkit.cli.output import Output
from toolkit.cli.pictures import CARRIED_HEAD, carried_rows
from toolkit.cli.progress import Announced, progress_for
from toolkit.errors import NotFound, UsageError
from toolkit.image import ProvenImage
from toolkit.places import STANDARD_STREAM
from toolkit.platform import Platform
from toolkit.plumbing.files import make_folder, storing
from toolkit.plumbing.nameless import temporary_folder
from toolkit.reference import file_name
from toolkit.report import finding_json, image_json
from toolkit.settings import Settings, load_settings

WRITTEN = {row.name: row.serves for row in FORMATS if row.members_of}
STORES = {*places.KINDS} - {"", places.AUTO}


def _to_stdout(ctx: click.Context, param: click.Parameter, file: str | None) -> str | None:  # noqa: ARG001 - click's shape
    """Keep stdout for the bundle alone, if that is where it goes."""
    if file == STANDARD_STREAM:
        ctx.ensure_object(Output).aside = True
    return file


@click.command("export", cls=Command, short_help="Put images into one bundle.")
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.option(
    "--from", "origin", metavar="PLACE", help="Take images from here; else from `source` in [lading]."
)
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    is_eager=True,  # before anything is said
    callback=_to_stdout,
    help="Write here, - is standard output; else to HOME/bundles/NAME_TAG.tar.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(WRITTEN)),
    default=DEFAULT,
    show_default=True,
    help="; ".join(f"{name}: for {serves}" for name, serves in WRITTEN.items()) + ".",
)
@options.platform_option
@options.compression_option
@options.level_option
@options.strict_option
@options.prefer_option
@click.pass_obj
def command(
    output: Output,
    references: tuple[str, ...],
    *,
    origin: str | None,
    file: str | None,
    format_: str,
    platform: Platform | None,
    compression: str | None,
    level: int | None,
    strict: bool,
    prefer: str,
) -> None:
    """Export images, by name, into one bundle; shared layers go in once.

    A file that is there is replaced when the new one is whole. One whose name ends in .gz, .zst, .xz or
    .bz2 is compressed as a whole.
    """
    from toolkit.operations.companion import companions
    from toolkit.operations.copy import copy
    from toolkit.operations.recompress import recompressed

    settings = load_settings()
    path = target(references, file, format_, platform, settings)
    sent = Streamed(sys.stdout.fileno(), "standard output") if output.aside else None
    with (
        options.opened(origin or settings.source, settings, prefer) as opened,
        progress_for(output, "exporting") as progress,
        recompressed(opened, compression, level, progress) as source,
    ):
        images = copy(
            Announced(source, progress),
            create_bundle(path, format_, sent or target_for(path, progress)),
            references,
            platform=platform,
            strict=strict or settings.strict,
            progress=progress,
        )
    if file is None:
        for companion in companions(path):  # the pipeline's, about the bundle that was replaced
            companion.unlink(missing_ok=True)
    tell(output, sent or path, format_, images)


def target(
    references: Sequence[str], file: str | None, format_: str, platform: Platform | None, settings: Settings
) -> Path:
    """Return the file to write: the one named, else the one that the pipeline would write."""
    if file is not None:
        return writable(file)
    if len(set(references)) > 1:
        raise UsageError("lading export", "several images have no one file name", "name a file: -o FILE")
    path = settings.home / "bundles" / file_name(references[0], format_, platform)
    make_folder(path.parent)
    return path


def writable(file: str) -> Path:
    """Return the path of a file that may be written or replaced; raises UsageError, NotFound."""
    with storing(file):
        return _writable(file)


def _writable(file: str) -> Path:
    path = Path(file)
    if file == STANDARD_STREAM:
        return _beside_stdout()
    if file.partition(":")[0].partition("+")[0] in STORES:
        raise UsageError(f"-o {file}", "names a store, and a bundle is a file", "lading import fills a store")
    if path.is_dir() or file.endswith(os.sep):
        raise UsageError(file, "is a folder", "name a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(file, "is no regular file, and would be replaced by one")
    if not path.parent.is_dir():
        raise NotFound(str(path.parent), "is not there", f"make it: mkdir -p {path.parent}")
    return path


def _beside_stdout() -> Path:
    """Return what a bundle for stdout is called while it is laid out; raises UsageError."""
    if sys.__stdout__ is None:
        raise UsageError("-o -", "standard output is closed", "name a file: -o FILE")
    if sys.stdout.isatty():
        raise UsageError("-o -", "standard output is a terminal", "name a file, or send it into a pipe")
    return temporary_folder() / "standard output"


def tell(output: Output, written: Path | Streamed, format_: str, images: Sequence[ProvenImage]) -> None:
    """Print what was written, and who reads it."""
    found = [finding for image in images for finding in image.findings]
    if isinstance(written, Path):
        place, size, found = str(written), written.stat().st_size, [*loads_packed(written), *found]
    else:
        place, size = STANDARD_STREAM, written.size
    findings, serves = list(dict.fromkeys(found)), WRITTEN[format_]
    if output.json:
        facts: dict[str, Any] = {
            "bundle": place,
            "format": format_,
            "size": size,
            "serves": serves.split(", "),
            "images": [image_json(image) for image in images],
            "findings": [finding_json(finding) for finding in findings],
        }
        output.document(facts)
        return
    output.table(CARRIED_HEAD, carried_rows(images))
    output.say(f"wrote {place} ({size_text(size)}, {format_}), for {serves}")
    output.findings(findings)
