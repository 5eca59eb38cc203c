"""`lading doctor PLACE`: what is on a disk, what is damaged, and what can still be saved."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.figures import short_id, size_text
from toolkit.cli.output import Output
from toolkit.cli.pictures import NAMELESS, listing_json
from toolkit.cli.progress import progress_for
from toolkit.cli.verify_cmd import verdict
from toolkit.errors import NotFound
from toolkit.places import Place
from toolkit.ports import Described, Source
from toolkit.printable import printable
from toolkit.reading import Reading
from toolkit.report import Report, finding_json
from toolkit.settings import Settings, load_settings

if TYPE_CHECKING:
    from toolkit.operations.checkup import Checked

HEAD = ("NAME", "ID", "PLATFORM", "LAYERS", "SIZE", "STATE")


@click.command("doctor", cls=Command, short_help="Say what is on a disk, and what can be saved.")
@options.place_argument
@click.option("--fast", is_flag=True, help="Look at the metadata alone; no layer is read.")
@options.reads
@click.pass_obj
def command(output: Output, place: str, *, fast: bool, reading: Reading) -> None:
    """Say what a store holds, what of it is damaged and what can still be saved. Nothing is changed.

    PLACE may also be the bare path of a data root: which engine wrote it is told by what lies there. Every
    layer is read and compared. Exits with 5 where something is damaged and with 6 where it is unsafe.
    """
    from toolkit.operations.checkup import check_up

    settings = load_settings()
    found = []
    for each in places_at(place):
        rescue = replace(reading, allow_rebuilt=True)
        with (
            options.opened(each, settings, reading) as source,
            progress_for(output, "reading") as progress,
        ):
            checked = check_up(source, _reopened(each, settings, rescue), fast=fast, progress=progress)
            found.append((source.place, _facts(source), checked))
    tell(output, found)


def places_at(text: str) -> list[str]:
    """Return the places that a bare path can be read as; raises NotFound where it is no store."""
    from toolkit.stores.kinds import kinds_at

    place = Place.parse(text)
    if place.scheme or not os.path.isdir(place.path):  # not Path's, which raises where we may not look
        return [text]
    kinds = kinds_at(Path(place.path))
    is_dir_bundle = os.path.lexists(os.path.join(place.path, "manifest.json"))  # skopeo's folder of one image
    if not kinds and not is_dir_bundle:
        known = options.kinds_of_places()
        raise NotFound(text, "holds no store that we know", f"name what it is, one of {known}")
    return [f"{kind}:{place.path}" for kind in kinds] or [text]


def _reopened(place: str, settings: Settings, reading: Reading) -> Any:  # noqa: ANN401
    from toolkit.places import open_source

    return lambda: open_source(place, settings, reading)


def _facts(source: Source) -> dict[str, str]:
    return dict(source.described()) if isinstance(source, Described) else {"kind": options.kind_of(source)}


def tell(output: Output, found: Sequence[tuple[str, dict[str, str], list[Checked]]]) -> None:
    """Print what was found; raises the gravest of what is damaged."""
    findings = [finding for _, _, checked in found for each in checked for finding in each.findings]
    report = Report(found[0][0], (), tuple(dict.fromkeys(findings)))
    if output.json:
        output.document({"places": [_json(*each) for each in found], "ok": report.ok})
    for place, facts, checked in () if output.json else found:
        output.facts([("Place", place), *((title.capitalize(), text) for title, text in facts.items())])
        output.facts([("Images", _summary(checked))])
        if checked:
            output.say("")
            output.table(HEAD, [_row(each, name) for each in checked for name in each.listing.names or ("",)])
        if advice := _advice(place, checked):
            output.say("", *advice)
    worst = None if report.ok else max(report.errors, key=lambda finding: finding.exit_code)
    output.findings(finding for finding in report.findings if finding is not worst)
    if worst:
        raise verdict(report)


def _row(checked: Checked, name: str) -> tuple[str, ...]:
    item = checked.listing
    layers = str(checked.layers or "-")
    return name or NAMELESS, short_id(item.id), item.platform, layers, size_text(item.size), checked.state


def _summary(checked: Sequence[Checked]) -> str:
    states = Counter(each.state for each in checked)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{len(checked)}: {told}" if told else "none"


def _advice(place: str, checked: Sequence[Checked]) -> list[str]:
    """Say with which commands what is not lost can be saved; nothing where all is whole."""
    from toolkit.operations.checkup import REBUILDABLE, WHOLE

    if all(each.state == WHOLE for each in checked):
        return []
    lines = []
    for state, option in ((WHOLE, ""), (REBUILDABLE, " --allow-rebuilt")):
        found = [each.listing for each in checked if each.state == state]
        # It is there to be pasted into a shell, and a store may call an image anything, as `$(reboot)`.
        if names := " ".join(quote(printable(name)) for item in found for name in item.names or (item.id,)):
            source = quote(printable(place))
            lines.append(f"saves what is {state}: lading export {names} --from {source}{option} -o FILE")
    return lines


def _json(place: str, facts: dict[str, str], checked: Sequence[Checked]) -> dict[str, Any]:
    images = [
        {
            **listing_json(each.listing),
            "state": each.state,
            "layers": each.layers,
            "findings": [finding_json(finding) for finding in each.findings],
        }
        for each in checked
    ]
    return {"place": place, **facts, "images": images}
