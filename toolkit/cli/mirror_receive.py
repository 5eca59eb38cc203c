"""`lading mirror receive FOLDER…`: take in what was carried over, and say what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit import places
from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.progress import progress_for
from toolkit.cli.receipts import Asked, Receipts, Written, receipt_options
from toolkit.errors import NotFound, ToolkitError, UsageError
from toolkit.figures import size_text
from toolkit.report import finding_json
from toolkit.settings import Settings, load_settings

if TYPE_CHECKING:
    from toolkit.image import Finding, ProvenImage
    from toolkit.mirror.closed.closedside import ClosedSide
    from toolkit.mirror.closed.inventory import Inventory
    from toolkit.mirror.closed.prefixes import Prefixes
    from toolkit.mirror.media.volumeset import VolumeSet
    from toolkit.mirror.records.reception import Reception
    from toolkit.ports import Sink
    from toolkit.signature import PublicKey

SHOWN = 20  # images that were copied on
HANDED_HEAD = ("NAME", "DIGEST")
HEAD = ("SET", "STATE", "DATE", "IMAGES", "NEW", "STORED")


@click.command("receive", cls=Command, short_help="Take in sets from media, on the closed side.")
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True)
@click.option("--into", metavar="PLACE", help="Then copy the images on: to a registry, an engine, a store.")
@click.option(
    "--rename",
    "renames",
    metavar="OLD=NEW",
    multiple=True,
    help="With --into: what names begin with, and what stands there instead, as "
    "docker.io/=mirror.site.example/. The longest that fits counts.",
)
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="Take only what this public key, or its file, signed.  [default: require_signature in [lading]]",
)
@click.option("--site", metavar="NAME", help="The site that this is.  [default: as before, or as sets say]")
@receipt_options
@click.option(
    "--anew", is_flag=True, help="Take a log that is not the one before: the connected side is new."
)
@click.option("--html", metavar="FILE", help="Also write the page of what was received here.")
@options.jobs_option
@click.pass_obj
def command(
    output: Output,
    folders: tuple[str, ...],
    *,
    into: str | None,
    renames: tuple[str, ...],
    keys: tuple[str, ...],
    site: str | None,
    receipt: Asked,
    anew: bool,
    html: str | None,
    jobs: int,
) -> None:
    """Take in the sets whose volumes lie in these folders, in any order and on several media.

    Nothing is written to a FOLDER, and nothing stored before a set is proven as a whole. All images are put
    into the embedded store; of several sets each is received as soon as what it requires is there. Receiving
    a set once more does no harm, and one that comes late puts no name back.

    Exits with 75 where a set only lacks volumes that have yet to come, 3 where what it requires is not here,
    5 where it is damaged, and 8 where some of several sets were received, and others not.
    """
    from toolkit.cli.pagefile import page_path
    from toolkit.mirror.closed.arrival import with_a_say
    from toolkit.mirror.closed.receiving import folders_of, sets_in, site_of

    settings = load_settings()
    page = page_path(html) if html else None
    prefixes = _prefixes(renames, into)
    wishes = Wishes(into, prefixes, receipt.ready(settings), page, jobs or settings.jobs, anew)
    trusted = _public(keys or settings.require_signature)
    paths = tuple(map(Path, folders))
    sets = sets_in(paths)
    site = site_of(settings.home, with_a_say(sets, folders_of(paths), trusted), site)
    done = _run(output, settings, wishes, sets, paths, site, trusted)
    tell(output, done)
    if done.failures:
        raise done.failures[0]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to become of the images, of the receipt, and of the page."""

    into: str | None
    prefixes: Prefixes
    receipts: Receipts
    page: Path | None
    jobs: int
    anew: bool


@dataclass(slots=True)
class Done:
    """What became of all of it; `failures` are told last, and nothing hides behind them."""

    site: str
    receptions: list[Reception]
    findings: list[Finding] = field(default_factory=list)  # of no set
    written: Written | None = None
    place: str = ""
    images: list[ProvenImage] = field(default_factory=list)
    failures: list[ToolkitError] = field(default_factory=list)


def _run(  # noqa: PLR0917 - all that was asked for
    output: Output,
    settings: Settings,
    wishes: Wishes,
    sets: Sequence[VolumeSet],
    folders: tuple[Path, ...],
    site: str,
    trusted: tuple[PublicKey, ...],
) -> Done:
    from toolkit.mirror.closed.closedside import ClosedSide
    from toolkit.mirror.closed.inventory import Inventory
    from toolkit.mirror.closed.receiving import Receiving, Terms
    from toolkit.mirror.closed.receptionkeeping import keep_reception_page
    from toolkit.mirror.closed.takenlog import take_logs
    from toolkit.mirror.records.reception import verdict
    from toolkit.stores.layout import LayoutStore

    side, now = ClosedSide(settings.home, site), datetime.now(UTC)
    sink = places.open_sink(wishes.into, settings) if wishes.into else None
    with side.held("lading mirror receive", now):
        before = side.names()
        inventory = Inventory(LayoutStore(settings.home.absolute() / "store"))
        with progress_for(output, "receiving") as progress:
            terms = Terms(folders, now, trusted, wishes.jobs, progress)
            done = Done(side.name, Receiving(sets, side, inventory, terms).receive())
        is_lacking = any(isinstance(each.error, NotFound) for each in done.receptions)
        if is_lacking or any(each.error is None for each in done.receptions):
            done.findings += take_logs(side, folders, now, trusted, anew=wishes.anew)
        if is_lacking or side.received():
            # The other side also learns from it what is not here.
            done.written = wishes.receipts.write(side, inventory, now, done.failures)
        receipt = done.written.receipt if done.written else None
        done.findings += keep_reception_page(
            side, done.receptions, before, receipt=receipt, now=now, also=wishes.page
        )
        if sink:
            _hand_on(output, done, side, inventory, sink, wishes)
    if failure := verdict(done.receptions):
        done.failures.append(failure)
    return done


def _hand_on(  # noqa: PLR0917
    output: Output, done: Done, side: ClosedSide, inventory: Inventory, sink: Sink, wishes: Wishes
) -> None:
    from toolkit.mirror.closed.handing import as_called_there, hand_on, handed_names, idle_renames

    done.place = sink.place
    names = handed_names(done.receptions, side.names(), inventory)
    done.findings += idle_renames(wishes.prefixes, names)
    try:
        with progress_for(output, "copying on") as progress:
            images = hand_on(names, inventory, sink, wishes.prefixes, progress=progress, jobs=wishes.jobs)
        done.images = [as_called_there(image, sink) for image in images]
    except ToolkitError as error:
        done.failures.append(error)


def tell(output: Output, done: Done) -> None:
    """Print what became of each set, where the images are, the receipt, and all failures but the first."""
    from toolkit.checks import as_finding

    if output.json:
        output.document(_document(done))
        return
    output.table(HEAD, map(_row, done.receptions))
    for each in done.receptions:
        if each.error and each.error not in done.failures[:1]:  # that one is what the command ends with
            output.say(f"{each.state}: {each.error}")
    if done.place and done.images:
        _tell_handed(output, done)
    if done.written:
        output.say(str(done.written))
    output.flush()
    findings = [*(finding for each in done.receptions for finding in each.findings), *done.findings]
    said = [each.error for each in done.receptions]
    output.findings([*findings, *(as_finding(each) for each in done.failures[1:] if each not in said)])


def _tell_handed(output: Output, done: Done) -> None:
    """Print what images are called where they are now, and the digests to pull them by."""
    from toolkit.pages.room import counted

    rows = [(name, str(image.top.digest)) for image in done.images for name in image.names]
    output.table(HANDED_HEAD, rows[:SHOWN])
    if len(rows) > SHOWN:
        output.say(f"and {len(rows) - SHOWN:,} more: --json tells all")
    output.say(f"copied {counted(len(rows), 'image')} on into {done.place}")


def _row(each: Reception) -> tuple[str, ...]:
    held = each.increment
    if held is None:
        return each.name, each.state, "", "", "", ""
    new, stored = str(len(held.new)), size_text(each.stored)
    return each.name, each.state, held.date.isoformat(), str(len(held.images)), new, stored


def _document(done: Done) -> dict[str, Any]:
    facts: dict[str, Any] = {"site": done.site, "sets": [each.to_json() for each in done.receptions]}
    if done.place:
        images = [{"names": list(image.names), "digest": str(image.top.digest)} for image in done.images]
        facts["into"] = {"place": done.place, "images": images}
    if done.written:
        facts["receipt"] = done.written.to_json()
    facts["findings"] = [finding_json(finding) for finding in done.findings]
    facts["errors"] = list(map(str, done.failures))
    return facts


def _prefixes(words: Sequence[str], into: str | None) -> Prefixes:
    from toolkit.mirror.closed.prefixes import Prefixes

    if words and not into:
        raise UsageError(f"--rename {words[0][:200]}", "goes with --into: the embedded store keeps the names")
    if into and places.is_bundle(into):
        raise UsageError(f"--into {into}", "is a bundle", "receive, then write it: lading export")
    return Prefixes.parse(words)


def _public(words: Sequence[str]) -> tuple[PublicKey, ...]:
    if not words:
        return ()
    from toolkit.operations.keys import read_public_keys

    return read_public_keys(words)
