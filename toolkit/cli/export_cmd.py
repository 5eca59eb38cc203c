"""`lading export REF…`: images out of stores or bundles into one bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from toolkit.bundles import DEFAULT
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
from toolkit.errors import InvalidReference, UsageError
from toolkit.place import SCHEMES
from toolkit.platform import Platform
from toolkit.plumbing.files import make_folder
from toolkit.reference import Reference, file_name
from toolkit.settings import Settings


@click.command("export", cls=Command, short_help="Put images into one bundle.")
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.option(
    "--from",
    "origins",
    metavar="PLACE",
    multiple=True,
    help="Take images from here; of several places, from each what it has. Else from `source` in [lading].",
)
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    is_eager=True,  # before anything is said
    callback=may_be_stdout,
    help="Write here, - is standard output; else to HOME/bundles/NAME_TAG.tar.",
)
@format_option
@carrying
@click.pass_obj
def command(
    output: Output,
    references: tuple[str, ...],
    *,
    origins: tuple[str, ...],
    file: str | None,
    format_: str | None,
    wishes: Wishes,
) -> None:
    """Export images into one bundle, all of the places of --from if none is named; shared layers go in once.

    A file that is there is replaced when the new one is whole. One whose name ends in .gz, .zst, .xz or
    .bz2 is compressed as a whole.
    """
    settings = wishes.settings()
    _refuse_places(references)
    if not references and not origins:
        raise UsageError(
            "lading export", "names no image", "write REF, or --from PLACE for all that is there"
        )
    path = str(file or default_file(references, format_, wishes.platform, settings))
    with (
        progress_for(output, "exporting") as progress,
        opened(origins or (settings.source,), settings, wishes) as source,
    ):
        target = targets.bundle(path, format_, output, progress)
        images = carry(source, target, references, wishes, progress)
    must_be_some(images, source)
    if file is None:
        from toolkit.operations.companion import companions

        for companion in companions(Path(path)):  # the pipeline's, about the bundle that was replaced
            companion.unlink(missing_ok=True)
    tell(output, source, target, images, {"bundle": target.place})


def _refuse_places(references: Sequence[str]) -> None:
    """Raise UsageError for a place in the place of a name, as skopeo has it."""
    for name in references:
        if name.partition(":")[0].partition("+")[0] not in SCHEMES - {""}:
            continue
        try:
            Reference.parse(name)
        except InvalidReference as error:
            advice = f"write --from {name}, or lading copy {name} FILE"
            raise UsageError(name, "is a place, expected the name of an image", advice) from error


def default_file(
    references: Sequence[str], format_: str | None, platform: Platform | None, settings: Settings
) -> Path:
    """Return the file that the pipeline would write; raises UsageError where there is no one name for it."""
    if len(set(references)) != 1:
        raise UsageError("lading export", "several images have no one file name", "name a file: -o FILE")
    name = file_name(references[0], format_ or DEFAULT, platform)
    path = settings.home / "bundles" / (name.removesuffix(".tar") if format_ == "dir" else name)
    make_folder(path.parent)
    return path
