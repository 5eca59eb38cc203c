"""`lading mirror prune …`: list what a mirror needs no more, and remove what is left of the list."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.receipts import Asked, Receipts, Written, receipt_options
from toolkit.errors import ToolkitError, UsageError
from toolkit.figures import size_text
from toolkit.settings import Settings, load_settings

if TYPE_CHECKING:
    from toolkit.mirror.closed.closedside import ClosedSide
    from toolkit.mirror.keeping import Listed, Pruned
    from toolkit.stores.layout_collect import Collected

HEAD = ("KIND", "NAME", "WHY")


@click.command("prune", cls=Command, short_help="Remove what a mirror needs no more, in two steps.")
@click.argument("job", metavar="[JOB]", required=False)
@click.option("--site", metavar="NAME", help="List for this site, on the closed side: there is no job there.")
@click.option("-o", "--output", "path", metavar="FILE", help="Write the list, to be read and shortened.")
@click.option("--confirm", metavar="FILE", help="Remove what this list says.")
@receipt_options
@click.pass_obj
def command(
    output: Output,
    job: str | None,
    *,
    site: str | None,
    path: str | None,
    confirm: str | None,
    receipt: Asked,
) -> None:
    """List what is beyond `policy.keep` of a job, or remove what a list says.

    First the list is written: a line for each name or set, with its reason. Lines that are taken out stay.
    With --confirm, what is left of it is removed, and every blob of the embedded store that no name leads to.
    On the closed side a receipt of what is there then is written: carry it back.
    """
    if (job is not None) + (site is not None) + (confirm is not None) != 1:
        raise UsageError("lading mirror prune", "takes a job, or --site, or --confirm", "give one of them")
    if confirm is not None:
        if path:
            raise UsageError("-o", "is for a new list, and --confirm reads one", "leave one of them out")
        _confirm(output, load_settings(), confirm, receipt)
    else:
        if receipt:
            raise UsageError(
                "a receipt", "is written when a list is confirmed", "name the list: --confirm FILE"
            )
        _list(output, load_settings(), job, site, path)


def _list(output: Output, settings: Settings, job: str | None, site: str | None, path: str | None) -> None:
    from toolkit.mirror.jobs.jobfile import read_job
    from toolkit.mirror.keeping import prunable, prunable_there
    from toolkit.plumbing.files import write_atomically

    found = prunable(settings.home, read_job(job)) if job else prunable_there(settings.home, site or "")
    if path:
        text = found.review.text(path, dt.datetime.now(dt.UTC))
        write_atomically(Path(path), text.encode("utf-8", "surrogateescape"))
    _tell_list(output, found, path)


def _tell_list(output: Output, found: Listed, path: str | None) -> None:
    lines = found.review.lines
    if output.json:
        rows = [
            {"kind": line.kind, "name": line.name, "digest": str(line.digest), "why": line.why}
            for line in lines
        ]
        facts = {"site": found.review.site, "lines": rows, "sets_size": found.files}
        output.document({**facts, "store": _figures(found.collectable), "review": path})
    else:
        if lines:
            output.table(HEAD, [(line.kind, line.name, line.why) for line in lines])
        output.say(f"would free {_freed(found.collectable, found.files)}")
        if path:
            output.say(f"nothing is removed yet; read {path}, and run: lading mirror prune --confirm {path}")
    output.flush()
    output.findings((*found.notes, *found.collectable.findings))


def _confirm(output: Output, settings: Settings, path: str, asked: Asked) -> None:
    from toolkit.mirror.closed.closedside import ClosedSide
    from toolkit.mirror.keeping import prune
    from toolkit.mirror.review import LIMIT, Review
    from toolkit.operations.keys import read_named

    raw, now = read_named(path, LIMIT), dt.datetime.now(dt.UTC)
    review = Review.parse(raw, path)
    side = ClosedSide(settings.home, review.site)
    receipts = _receipts(side, settings, asked)
    done, failures = prune(settings.home, review, now, raw), list[ToolkitError]()
    written = _acknowledged(settings, side, receipts, now, failures) if receipts else None
    if output.json:
        facts = {"images": list(done.images), "sets": list(done.sets), "sets_size": done.files}
        facts |= {"store": _figures(done.collected), "partials_size": done.partials}
        output.document({**facts, "receipt": written.to_json() if written else None})
    else:
        _tell_done(output, done, written)
    output.flush()
    output.findings(done.collected.findings)
    if failures:
        raise failures[0]


def _receipts(side: ClosedSide, settings: Settings, asked: Asked) -> Receipts | None:
    """Return how the receipt is to be written, before anything is removed; None on the connected side."""
    if side.received():
        return asked.ready(settings)
    if asked:
        raise UsageError(
            "a receipt", f"is for the closed side, and site {side.name} has received no set here"
        )
    return None


def _acknowledged(
    settings: Settings, side: ClosedSide, receipts: Receipts, now: dt.datetime, failures: list[ToolkitError]
) -> Written | None:
    from toolkit.mirror.closed.inventory import Inventory
    from toolkit.stores.layout import LayoutStore

    with side.held("lading mirror prune", now):
        return receipts.write(side, Inventory(LayoutStore(settings.home / "store")), now, failures)


def _tell_done(output: Output, done: Pruned, written: Written | None) -> None:
    from toolkit.pages.room import counted

    output.say(f"removed {counted(len(done.images), 'name')} and {counted(len(done.sets), 'set')}")
    output.say(f"freed {_freed(done.collected, done.files + done.partials)}")
    if written:
        output.say(str(written))


def _freed(store: Collected, files: int) -> str:
    text = f"{size_text(store.size - store.linked)} in {store.blobs} of {store.blobs + store.kept} blobs"
    text += f", and {size_text(files)} of other files" if files else ""
    still = (
        f" ({size_text(store.linked)} more have another name, and stay under that)" if store.linked else ""
    )
    return text + still


def _figures(store: Collected) -> dict[str, int]:
    return {"blobs": store.blobs, "size": store.size, "linked": store.linked, "kept": store.kept}
