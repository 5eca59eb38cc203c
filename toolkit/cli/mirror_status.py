"""`lading mirror status`: what is where, and how old, on either side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.errors import Gaps, NotFound, UsageError
from toolkit.figures import size_text
from toolkit.settings import load_settings

if TYPE_CHECKING:
    from toolkit.mirror.status import Closed, Connected, Status, Where

SHOWN = 20  # sets, the last ones; gaps
SENT_HEAD = ("SET", "STATUS", "DATE", "IMAGES", "NEW", "SIZE", "VOLUMES", "RECEIVED")
RECEIVED_HEAD = ("SET", "DATE", "RECEIVED", "IMAGES")
IMAGES_HEAD = ("NAME", "DIGEST", "SET", "IN THE LAST SET", "THERE")


@click.command("status", cls=Command, short_help="Say what is where, and how old, on either side.")
@click.argument("job", metavar="[JOB]", required=False)
@click.option("--site", metavar="NAME", help="Of this site.  [default: of every site that is known here]")
@click.option("--images", is_flag=True, help="List the images too: each with the set that names it.")
@click.option(
    "--stale-after",
    "limit",
    metavar="DAYS",
    type=click.IntRange(0, 36_500),
    help="Exit with 8 where the last set is older, or one has waited longer for a receipt.  "
    "[default: `stale` in the job]",
)
@click.pass_obj
def command(output: Output, job: str | None, *, site: str | None, images: bool, limit: int | None) -> None:
    """Say of a site what was sent and what was received: sets, receipts, images, gaps, and their age.

    On the connected side that is what was sent and which receipts came back, on the closed side what came.
    Nothing is written, and nobody is asked.
    """
    from toolkit.mirror.status import NOTHING, Status, sites_in

    if job and site:
        raise UsageError("--site", "and JOB both name a site", "leave out one")
    settings, now = load_settings(), datetime.now(UTC)
    if job:
        from toolkit.mirror.jobs.jobfile import read_job

        read = read_job(job)
        site, limit = read.site, read.policy.stale or None if limit is None else limit
    names = [site] if site else sites_in(settings.home)
    if not names:
        raise NotFound(str(settings.home), "knows of no site", NOTHING)
    found = [Status.of(settings.home, name, now) for name in names]
    if output.json:
        output.document({"sites": [each.to_json() for each in found]})
    else:
        for each in found:
            _say(output, each, with_images=images)
    if limit is not None:
        _must_be_fresh(found, timedelta(days=limit))


def _must_be_fresh(found: Iterable[Status], limit: timedelta) -> None:
    """Raise Gaps that says of each site that is stale what is late."""
    told = [f"{each.site} is stale: {why}" for each in found if (why := each.why_stale(limit))]
    if told:
        raise Gaps("", ". ".join(told))


def _say(output: Output, status: Status, *, with_images: bool) -> None:
    if status.connected:
        output.say(f"{status.site}, sent from here:")
        _say_sent(output, status.connected)
        if with_images:
            _say_images(output, status.connected.images(), "not confirmed")
    if status.closed:
        output.say(f"{status.site}, received here:")
        _say_received(output, status.closed)
        if with_images:
            _say_images(output, status.closed.images(), "no")


def _say_sent(output: Output, known: Connected) -> None:
    from toolkit.pages.room import counted

    rows = [
        (
            each.increment.name,
            each.status,
            each.increment.date.isoformat(),
            str(len(each.increment.images)),
            str(len(each.increment.new)),
            size_text(each.size),
            str(len(each.volumes)),
            "yes" if known.is_received(each.number) else "no",
        )
        for each in known.sets[-SHOWN:]
    ]
    if rows:
        output.table(SENT_HEAD, rows)
    _say_earlier(output, len(known.sets))
    if known.staleness.set_days is None:
        output.say("nothing was sent yet")
    if known.receipt:
        age = _days(known.staleness.receipt_days)
        images, sets = len(known.receipt.images), len(known.receipt.sets)
        told = f"{counted(images, 'image')} of {counted(sets, 'set')}"
        output.say(f"last receipt: {told}, made by {known.receipt.operator} {age}")
    else:
        output.say("last receipt: none has come back")
    if known.gaps:
        output.say(f"gaps: {counted(len(known.gaps), 'image')} could not be had the last time")
        output.table(
            ("NAME", "SINCE", "PROBLEM"),
            [(gap.name, gap.since.isoformat(), gap.problem) for gap in known.gaps[:SHOWN]],
        )


def _say_received(output: Output, known: Closed) -> None:
    from toolkit.mirror.records import papers

    rows = [
        (
            papers.set_name(each.site, each.number),
            each.date.isoformat(),
            papers.as_moment(each.time),
            str(len(each.images)),
        )
        for each in known.sets[-SHOWN:]
    ]
    output.table(RECEIVED_HEAD, rows)
    _say_earlier(output, len(known.sets))
    output.say(f"the last set is of {_days(known.days)}")
    if missing := known.missing():
        more = f" and {len(missing) - SHOWN:,} before these" if len(missing) > SHOWN else ""
        output.say(f"did not come: {', '.join(map(str, missing[-SHOWN:]))}{more}")
    if known.receipt:
        output.say(f"receipt: {known.receipt}")


def _say_earlier(output: Output, sets: int) -> None:
    if sets > SHOWN:
        output.say(f"and {sets - SHOWN:,} before these: --json tells all")


def _say_images(output: Output, images: Iterable[Where], absent: str) -> None:
    rows = [
        (
            each.name,
            str(each.digest),
            str(each.number),
            "yes" if each.is_current else "no",
            "yes" if each.is_confirmed else absent,
        )
        for each in images
    ]
    output.table(IMAGES_HEAD, rows)


def _days(days: int | None) -> str:
    if days is None:
        return "never"
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
