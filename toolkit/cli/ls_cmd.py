"""`lading ls PLACE`: the images in a store or bundle."""

from __future__ import annotations

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pictures import LISTING_HEAD, listing_json, listing_rows, problems
from toolkit.ports import remarks_of
from toolkit.reading import Reading
from toolkit.report import finding_json
from toolkit.settings import load_settings


@click.command("ls", cls=Command, short_help="List the images in a store or bundle.")
@options.place_argument
@options.reads
@click.pass_obj
def command(output: Output, place: str, reading: Reading) -> None:
    """List the images in a store or bundle."""
    with options.opened(place, load_settings(), reading.to_look) as source:
        listings = source.listings()
        noticed = list(remarks_of(source))
    if output.json:
        output.document(
            {
                "place": source.place,
                "images": [listing_json(item) for item in listings],
                "findings": [finding_json(finding, source.place) for finding in noticed],
            }
        )
        return
    output.table(LISTING_HEAD, listing_rows(listings))
    output.findings([*noticed, *problems(listings)])
