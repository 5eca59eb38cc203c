"""`lading mirror run JOB`: what is new comes into the store, and goes out as the next set."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.commands import Command
from toolkit.cli.mirror_plan import into_option, since_option
from toolkit.cli.output import Output
from toolkit.cli.progress import progress_for
from toolkit.errors import ToolkitError
from toolkit.figures import size_text
from toolkit.image import Finding
from toolkit.plumbing.files import must_be_folder
from toolkit.report import WARNING
from toolkit.settings import load_settings

if TYPE_CHECKING:
    from toolkit.event import Event, Tell
    from toolkit.mirror.connected.running import Orders, Ran
    from toolkit.mirror.jobs.job import Job
    from toolkit.secretkey import SigningKey

HEAD = ("VOLUME", "SIZE", "SHA256")


def parsed_date(ctx: click.Context, param: click.Parameter, text: str | None) -> dt.date | None:  # noqa: ARG001 - click's shape
    """Read an option that is a date; raises UsageError."""
    from toolkit.mirror.records import papers

    return papers.asked_day(param.opts[0], text) if text else None


@click.command("run", cls=Command, short_help="Make the next set for a site.")
@click.argument("path", metavar="JOB")
@click.option(
    "--date",
    "when",
    metavar="DATE",
    callback=parsed_date,
    help="The night to make a set for, whose names were resolved on that day.  [default: today, in UTC]",
)
@since_option
@click.option("--strict", is_flag=True, help="All or nothing: make no set where an image cannot be had.")
@into_option
@click.option("--no-verify", is_flag=True, help="Do not read the volumes back once they are written.")
@click.option("--html", metavar="FILE", help="Also write the page of the run here.")
@click.option("--passphrase-file", metavar="FILE", help="Read the passphrase of the job's key here.")
@click.pass_obj
def command(
    output: Output,
    path: str,
    *,
    when: dt.date | None,
    since: str,
    strict: bool,
    into: str,
    no_verify: bool,
    html: str | None,
    passphrase_file: str | None,
) -> None:
    """Resolve the names of a job, fetch what is missing, and write what the site lacks as its next set.

    An image that cannot be had is left out whole, and tried first the next time; then the exit is 8. It is 75
    where another run works for the site, or outside of the job's window. A rerun on the same day goes on
    where a run was ended, and does nothing twice.
    """
    from toolkit.cli.pagefile import page_path
    from toolkit.mirror.connected.finishing import gaps_error
    from toolkit.mirror.connected.running import Orders, failures_told, run
    from toolkit.mirror.jobs.jobfile import read_job

    job, settings = read_job(path), load_settings()
    page = page_path(html) if html else None
    orders = Orders(when, since, strict, into, verify=not no_verify, page=page)
    untold: list[Finding] = []
    progress = progress_for(output, "mirroring")
    tell = _noting(progress, untold)
    try:
        with failures_told(job, settings, orders, tell):  # not yet under bars: it may ask
            orders = _ready(job, orders, passphrase_file)
        with progress:
            ran = run(job, settings, orders, tell)
    except ToolkitError:
        output.findings(untold)  # a run that came to something has them among its own
        raise
    if output.json:
        output.document(_json(ran))
    else:
        _say(output, ran)
    if ran.outcome.gaps:
        raise gaps_error(job.site, ran.finished.record, ran.finished.gaps)


def _noting(tell: Tell, untold: list[Finding]) -> Tell:
    """Return what tells, and notes down whoever could not be told."""
    from toolkit.mirror.news.events import NoticeFailed

    def note(event: Event) -> None:
        tell(event)
        if isinstance(event, NoticeFailed):
            untold.append(Finding(f"notice by {event.notice}", event.sentence))

    return note


def _ready(job: Job, orders: Orders, passphrase_file: str | None) -> Orders:
    """Return the orders with the key of the job; raises as `open_key`, UsageError without the folder."""
    if orders.into:
        must_be_folder("--into", orders.into)
    return replace(orders, key=_key(job, passphrase_file))


def _key(job: Job, passphrase_file: str | None) -> SigningKey | None:
    if not job.bundle.key:
        return None
    from toolkit.cli.passphrases import asking
    from toolkit.operations.keys import open_key

    return open_key(job.bundle.key, asking(passphrase_file))


def _say(output: Output, ran: Ran) -> None:
    finished, record = ran.finished, ran.finished.record
    if finished.is_written:
        rows = [(volume.name, size_text(volume.size), volume.sha256) for volume in record.volumes]
        output.table(HEAD, rows)
    name, when = record.increment.name, record.increment.date
    before = f"{name} was made for {when} before, of the same images"
    if finished.is_new:
        output.say(ran.outcome.line(), f"written to {ran.folder}")
    elif finished.is_written:
        output.say(before, f"written again to {ran.folder}")
    else:
        output.say(f"{before}; new tags come on another day, the same once more with --since receipt")
    output.flush()
    output.findings(
        Finding(gap.name, f"{gap.problem} (since {gap.since})", WARNING) for gap in ran.finished.gaps
    )
    output.findings(ran.findings)


def _json(ran: Ran) -> dict[str, Any]:
    record = ran.finished.record
    return {
        **ran.outcome.to_json(),
        "baseline": record.increment.baseline,
        "is_new": ran.finished.is_new,
        "is_written": ran.finished.is_written,
        "folder": str(ran.folder),
        "files": [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in record.volumes],
    }
