"""`lading doctor PLACE`: what is on a disk, what is damaged, and what can still be saved."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from toolkit.checks import as_finding
from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pictures import NAMELESS, listing_json
from toolkit.cli.progress import progress_for
from toolkit.cli.verify_cmd import verdict
from toolkit.errors import NotFound, ToolkitError, TryAgain
from toolkit.figures import short_id, size_text
from toolkit.image import Finding
from toolkit.place import Place
from toolkit.ports import Described, SeveralDrivers, Source, remarks_of
from toolkit.printable import printable
from toolkit.reading import Reading
from toolkit.report import Report, finding_json
from toolkit.settings import Settings, load_settings

if TYPE_CHECKING:
    from toolkit.operations.checkup import Checked

BESIDE = "docker-root+containerd:"
HEAD = ("NAME", "ID", "PLATFORM", "LAYERS", "SIZE", "STATE")


@click.command("doctor", cls=Command, short_help="Say what is on a disk, and what can be saved.")
@options.place_argument
@click.option("--fast", is_flag=True, help="Look at the metadata alone; no layer is read.")
@options.reads
@click.pass_obj
def command(output: Output, place: str, *, fast: bool, reading: Reading) -> None:
    """Say what a store holds, what of it is damaged and what can still be saved. Nothing is changed.

    PLACE may also be the bare path of a data root, or of a disk with some: which engine wrote one is told by
    what lies there. Every layer is read and compared. Exits with 5 where something is damaged and with 6
    where it is unsafe.
    """
    from toolkit.operations.checkup import check_up

    settings = load_settings()
    found: list[Visit] = []
    reading = reading.to_look
    rescue = replace(reading.or_else(settings.reading), allow_rebuilt=True)
    places, names = list[str](), places_at(place)
    for name in names:
        try:
            places += drivers_of(name, settings, reading)
        except ToolkitError as error:
            if len(names) == 1 or isinstance(error, TryAgain):
                raise
            found.append(Visit(name, {}, [as_finding(error)], []))  # it costs the others nothing
    with options.several(places, settings, reading) as sources:
        for each, source in zip(places, sources, strict=True):
            with progress_for(output, "reading") as progress:
                checked = check_up(source, _reopened(each, settings, rescue), fast=fast, progress=progress)
            if not checked and each.startswith(BESIDE) and found:
                continue  # a Docker with a graph driver has one, for what its containers need
            found.append(Visit(source.place, _facts(source), list(remarks_of(source)), checked))
    tell(output, found, _words(reading))


@dataclass(frozen=True, slots=True)
class Visit:
    """One place that was looked at: what it is, what it says of itself, and its images."""

    place: str
    facts: dict[str, str]
    remarks: list[Finding]
    checked: list[Checked]


def places_at(text: str) -> list[str]:
    """Return the places that a bare path can be read as, or that lie below it where engines keep them.

    Raises NotFound where there is no store.
    """
    from toolkit.stores.disk import lost_link, stores_at

    place = Place.parse(text)
    if place.scheme or not os.path.isdir(place.path):  # not Path's, which raises where we may not look
        return [text]
    if found := [f"{kind}:{path}" for kind, path in stores_at(Path(place.path))]:
        return found
    if os.path.lexists(os.path.join(place.path, "manifest.json")):  # skopeo's folder of one image
        return [text]
    problem = "holds no store that we know, nor do the usual folders below it"
    if lost := lost_link(Path(place.path)):
        problem = f"{problem}; {lost}"
    advice = "give the data root itself, as /var/lib/docker, or name what it is, as docker-root:PATH"
    raise NotFound(text, problem, advice)


def drivers_of(place: str, settings: Settings, reading: Reading) -> list[str]:
    """Return a place for each graph driver, which has images of its own, where a store has several.

    Raises as opening it does.
    """
    with options.several([place], settings, replace(reading, namespace="")) as (source,):
        return by_driver(source)


def by_driver(source: Source) -> list[str]:
    """Return a place for each graph driver of a store that has several, else its own."""
    names = source.driver_names() if isinstance(source, SeveralDrivers) else []
    place = Place.parse(source.place)
    return [str(replace(place, option=name)) for name in names] if len(names) > 1 else [source.place]


def _reopened(place: str, settings: Settings, reading: Reading) -> Any:  # noqa: ANN401
    from toolkit.places import open_source

    return lambda: open_source(place, settings, reading)


def _facts(source: Source) -> dict[str, str]:
    return dict(source.described()) if isinstance(source, Described) else {"kind": options.kind_of(source)}


def tell(output: Output, found: Sequence[Visit], words: str) -> None:
    """Print what was found; raises the gravest of what is damaged. `words` are the options it took."""
    findings = [finding for visit in found for finding in visit.remarks]
    findings += [finding for visit in found for each in visit.checked for finding in each.findings]
    report = Report(found[0].place, (), tuple(dict.fromkeys(findings)))
    if output.json:
        output.document({"places": [_json(visit, words) for visit in found], "ok": report.ok})
    for number, visit in enumerate(() if output.json else found):
        output.say(*[""][:number])
        titles = [(title.capitalize(), text) for title, text in visit.facts.items()]
        output.facts([("Place", visit.place), *titles, ("Images", _summary(visit.checked))])
        if visit.checked:
            rows = [_row(each, name) for each in visit.checked for name in each.listing.names or ("",)]
            output.say("")
            output.table(HEAD, rows)
            output.say("", *(f"saves what is {state}: {line}" for state, line in _advice(visit, words)))
    worst = None if report.ok else max(report.errors, key=lambda finding: finding.exit_code)
    output.explain((finding for finding in report.findings if finding is not worst), report.subject)
    if worst:
        raise verdict(report)


def _row(checked: Checked, name: str) -> tuple[str, ...]:
    item = checked.listing
    layers = str(checked.layers or "-")
    platform = ", ".join(checked.platforms) or item.platform
    return name or NAMELESS, short_id(item.id), platform, layers, size_text(item.size), checked.state


def _summary(checked: Sequence[Checked]) -> str:
    states = Counter(each.state for each in checked)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{len(checked)}: {told}" if told else "none"


def _advice(visit: Visit, words: str) -> Iterator[tuple[str, str]]:
    """Yield a state, and the command that saves the images that are in it; of none what is lost."""
    from toolkit.operations.checkup import PARTIAL, REBUILDABLE, UNREAD, WHOLE

    as_it_is = [each for each in visit.checked if not each.platforms]
    for state, option in ((WHOLE, ""), (UNREAD, ""), (PARTIAL, ""), (REBUILDABLE, " --allow-rebuilt")):
        if found := [each for each in as_it_is if each.state == state]:
            names = [] if len(found) == len(visit.checked) else _names(found)
            yield state, _saving(names, f"{_from(visit, words)}{option}")
    for platform in dict.fromkeys(platform for each in visit.checked for platform in each.platforms):
        names = _names(each for each in visit.checked if platform in each.platforms)
        yield PARTIAL, _saving(names, f"{_from(visit, words)} --platform {quote(platform)}")


def _names(found: Iterable[Checked]) -> list[str]:
    listed = (each.listing for each in found)
    return [printable(name) for item in listed for name in item.names or (item.id,)]


def _saving(names: Sequence[str], options: str) -> str:
    """Return a command to paste into a shell: an image may be called anything, as `$(reboot)` or `-o:1`."""
    quoted = [quote(name) for name in names]
    if any(name.startswith("-") for name in names):  # behind all options
        return " ".join(["lading export", options, "-o FILE --", *quoted])
    return " ".join(["lading export", *quoted, options, "-o FILE"])


def _from(visit: Visit, words: str) -> str:
    return f"--from {quote(printable(visit.place))}{words}"


def _words(reading: Reading) -> str:
    """Return the options by which a place was read, to be repeated; not --allow-rebuilt, which is told."""
    words = [f" --namespace {quote(printable(reading.namespace))}"] if reading.namespace else []
    words += [f" --prefer {reading.prefer}"] if reading.prefer else []
    flags = {"--docker-compatible": reading.docker_compatible, "--live": reading.live}
    return "".join([*words, *(f" {flag}" for flag, given in flags.items() if given)])


def _json(visit: Visit, words: str) -> dict[str, Any]:
    images = [
        {
            **listing_json(each.listing),
            "state": each.state,
            "layers": each.layers or None,
            "whole_platforms": list(each.platforms),
            "findings": [finding_json(finding, visit.place) for finding in each.findings],
        }
        for each in visit.checked
    ]
    remarks = [finding_json(finding, visit.place) for finding in visit.remarks]
    saves = [{"state": state, "command": line} for state, line in _advice(visit, words)]
    return {"place": visit.place, **visit.facts, "findings": remarks, "images": images, "saves": saves}
