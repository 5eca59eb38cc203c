"""`lading inspect PLACE [REF]`: what an image is, out of its metadata alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.figures import short_id, size_text
from toolkit.cli.output import Output
from toolkit.cli.pictures import (
    LISTING_HEAD,
    asked_name,
    listing_json,
    listing_rows,
    outline_json,
    outline_rows,
)
from toolkit.cli.progress import Announced, progress_for
from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.settings import load_settings

if TYPE_CHECKING:
    from toolkit.operations.contents import Contents

CONTENTS_HEAD = ("LAYER", "FILES", "SIZE", "TOP-LEVEL FOLDERS AND FILES")


@click.command("inspect", cls=Command)
@options.place_argument
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--contents", is_flag=True, help="Walk the layers too: folders, files, distribution.")
@options.platform_option
@options.prefer_option
@click.pass_obj
def command(  # noqa: PLR0913 - one argument for each option
    output: Output,
    place: str,
    reference: str | None,
    *,
    contents: bool,
    platform: Platform | None,
    prefer: str,
) -> None:
    """Show what an image is; without REF, what images there are.

    Only metadata is read, so that it takes no longer for a large image than for a small one.
    """
    with options.opened(place, load_settings(), prefer) as source:
        listings = [] if reference else source.listings()
        names = [reference] if reference else [asked_name(item) for item in listings]
        if output.json:
            output.document(_document(output, source, names, platform, contents=contents))
            return
        output.say(f"{format_of(source)} {source.place}")
        if len(names) != 1:
            _print_several(output, listings)
            return
        _print_one(output, source.outline(names[0], platform))
        if contents:
            _print_contents(output, _walked(output, source, names[0], platform))
