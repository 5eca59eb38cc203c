"""`lading history PLACE [REF]`: an image's layers, top first, as `docker history` shows them."""

from __future__ import annotations

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pictures import history_json
from toolkit.figures import ago_text, short_id, size_text
from toolkit.outline import Outline, OutlineLayer
from toolkit.platform import Platform
from toolkit.reading import Reading
from toolkit.report import finding_json
from toolkit.settings import load_settings

HEAD = ("IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT")
MISSING = "<missing>"  # Docker's word for a layer that is no image of its own
WIDTH = 45  # characters of CREATED BY


@click.command("history", cls=Command, short_help="Show an image's layers, as docker history does.")
@options.place_argument
@options.reference_argument
@click.option("--no-trunc", is_flag=True, help="Show IDs and commands in full.")
@options.platform_option
@options.reads
@click.pass_obj
def command(
    output: Output,
    place: str,
    reference: str | None,
    *,
    no_trunc: bool,
    platform: Platform | None,
    reading: Reading,
) -> None:
    """Show an image's layers, the newest first, as docker history does.

    REF may be left out where PLACE is, or holds, one image alone.
    """
    from toolkit.operations.shortids import asked_for

    with options.opened(place, load_settings(), reading.to_look) as source:
        outline = source.outline(asked_for(source, reference), platform)
    if output.json:
        lines = [history_json(layer) for layer in reversed(outline.layers)]
        facts = {"place": source.place, "names": list(outline.names), "id": outline.id, "history": lines}
        output.document({**facts, "findings": list(map(finding_json, outline.findings))})
        return
    output.table(HEAD, rows(outline, in_full=no_trunc))
    output.findings(outline.findings)


def rows(outline: Outline, *, in_full: bool = False) -> list[tuple[str, ...]]:
    """Return a row for each line of history, top first; only a v1 layer has an ID of its own."""
    ids = [layer.id if outline.kind == "docker-v1" else MISSING for layer in reversed(outline.layers)]
    shown = [outline.id, *ids[1:]]
    return [
        (own if in_full else short_id(own), *_line(layer, in_full=in_full))
        for own, layer in zip(shown, reversed(outline.layers), strict=False)
    ]


def _line(layer: OutlineLayer, *, in_full: bool) -> tuple[str, ...]:
    item = layer.history
    created_by = item.created_by.replace("\t", " ")
    if not in_full and len(created_by) > WIDTH:
        created_by = created_by[: WIDTH - 1] + "…"
    return ago_text(item.created), created_by, size_text(layer.size), item.comment
