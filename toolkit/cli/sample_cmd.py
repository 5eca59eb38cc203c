"""`lading sample`: unpack the sample store, and say what can be done with it."""

from __future__ import annotations

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pictures import LISTING_HEAD, listing_json, listing_rows
from toolkit.reading import AS_IT_IS
from toolkit.settings import load_settings

PLACE = "sample:"


@click.command("sample", cls=Command, short_help="Unpack a small store to try things on.")
@click.pass_obj
def command(output: Output) -> None:
    """Unpack the sample, a small legacy store to try things on, and say where it is."""
    settings = load_settings()
    with options.opened(PLACE, settings, AS_IT_IS) as source:
        listings = source.listings()
    folder = str((settings.home / "sample").absolute())
    name = listings[0].asked_by
    commands = [
        f"lading inspect {PLACE} {name} --contents",
        f"lading history {PLACE} {name}",
        f"lading verify {PLACE}",
        f"lading export {name} --from {PLACE}",
        f"luigi --module pipelines ExportImage --tag {name} --source {PLACE}",
    ]
    if output.json:
        images = [listing_json(item) for item in listings]
        output.document({"place": PLACE, "folder": folder, "images": images, "commands": commands})
        return
    output.table(LISTING_HEAD, listing_rows(listings))
    output.say(f"{PLACE} is the store of a Docker 1.9, unpacked to {folder}; try:")
    output.say(*(f"  {line}" for line in commands))
