"""`lading inspect PLACE [REF]`: what an image is, out of its metadata alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pictures import (
    LISTING_HEAD,
    listing_json,
    listing_rows,
    outline_json,
    outline_rows,
    problems,
)
from toolkit.errors import ToolkitError
from toolkit.figures import short_id, size_text
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.reading import Reading
from toolkit.settings import load_settings

if TYPE_CHECKING:
    from toolkit.operations.contents import Contents, LayerContents

CONTENTS_HEAD = ("LAYER", "FILES", "SIZE", "AT ITS TOP")


@click.command("inspect", cls=Command, short_help="Show what an image is, from its metadata.")
@options.place_argument
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--contents", is_flag=True, help="Walk the layers too: folders, files, distribution.")
@options.platform_option
@options.limit_rate_option
@options.reads
@click.pass_obj
def command(
    output: Output,
    place: str,
    reference: str | None,
    *,
    contents: bool,
    platform: Platform | None,
    reading: Reading,
) -> None:
    """Show what an image is; without REF, all images of the place.

    Only metadata is read, so that it takes no longer for a large image than for a small one.
    """
    from toolkit.operations.shortids import full_name

    with options.opened(place, load_settings(), reading.to_look) as source:
        listings = [] if reference else source.listings()
        names = [full_name(source, reference)] if reference else [item.asked_by for item in listings]
        view = _View(output, source, platform, contents)
        if output.json:
            view.document(names, listings)
            return
        in_full = names if len(names) == 1 or contents else []
        outlines = {name: source.outline(name, platform) for name in in_full}
        for listing in listings:  # asked for by one of its names, it would show that one
            if (name := listing.asked_by) in outlines:
                outlines[name] = replace(outlines[name], names=listing.names)
        output.say(f"{options.kind_of(source)}  {source.place}")
        for name, outline in outlines.items():
            view.one(name, outline)
        if not outlines:
            view.several(listings)


@dataclass(frozen=True)
class _View:
    """How to show images of one source."""

    output: Output
    source: Source
    platform: Platform | None
    contents: bool

    def document(self, names: Sequence[str], listings: Sequence[Listing]) -> None:
        """Print the document for machines; of several images, one that cannot be read is listed."""
        images = [self._json(name) for name in names] if len(names) == 1 else list(map(self._any, listings))
        if len(listings) == 1:
            images[0]["names"] = list(listings[0].names)  # asked for by one of them, it tells that one
        facts = {"place": self.source.place, "format": options.kind_of(self.source), "images": images}
        self.output.document(facts)

    def several(self, listings: Sequence[Listing]) -> None:
        """Print a line for each name."""
        self.output.table(LISTING_HEAD, listing_rows(listings))
        self.output.findings(problems(listings))

    def one(self, name: str, outline: Outline) -> None:
        """Print all that is told of one image."""
        self.output.facts(outline_rows(outline))
        self.output.findings(outline.findings)
        if not self.contents:
            return
        walked = self._walk(name)
        self.output.say(f"Distribution: {walked.distribution or 'none is named'}")
        self.output.table(CONTENTS_HEAD, [_contents_row(layer) for layer in walked.layers])

    def _any(self, listing: Listing) -> dict[str, Any]:
        try:
            return {**listing_json(listing), **self._json(listing.asked_by)}
        except ToolkitError as error:
            return {**listing_json(listing), "problem": str(error)}

    def _json(self, name: str) -> dict[str, Any]:
        facts = outline_json(self.source.outline(name, self.platform))
        return {**facts, "contents": _contents_json(self._walk(name))} if self.contents else facts

    def _walk(self, name: str) -> Contents:
        from toolkit.operations.contents import contents

        return contents(self.source, name, self.platform)


def _contents_row(layer: LayerContents) -> tuple[str, ...]:
    top = "(empty)" if layer.is_empty else " ".join(layer.folders)
    return short_id(layer.key), str(layer.files), size_text(layer.size), top


def _contents_json(walked: Contents) -> dict[str, Any]:
    layers = [
        {
            "id": layer.key,
            "folders": list(layer.folders),
            "files": layer.files,
            "size": layer.size,
            "empty": layer.is_empty,
        }
        for layer in walked.layers
    ]
    return {"distribution": walked.distribution, "layers": layers}
