"""`lading mirror explain JOB`: which images a job means, and of each tag why it is in or out."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.errors import Gaps, InvalidJob
from toolkit.image import Finding
from toolkit.ports import Source
from toolkit.report import ERROR, SCHEMA, WARNING
from toolkit.settings import Settings, load_settings

if TYPE_CHECKING:
    from toolkit.mirror.connected.explaining import Explained
    from toolkit.mirror.jobs.job import Job
    from toolkit.mirror.jobs.wanted import Wanted

HEAD = ("TAG", "IN", "WHY")


@click.command("explain", cls=Command, short_help="Say of each tag whether a job takes it, and why.")
@click.argument("path", metavar="JOB")
@click.pass_obj
def command(output: Output, path: str) -> None:
    """Say which images a job means, and of each tag of a repository whether it is in or out, and why.

    The tags are listed where the images come from; nothing else is read, and nothing is written. Exits with 8
    where a repository could not be listed, with 2 where two images would get one name.
    """
    from toolkit.mirror.connected.explaining import explain, tags_of
    from toolkit.mirror.jobs.jobfile import read_job

    job = read_job(path)
    with sources(load_settings()) as opened:
        found = explain(job, lambda wanted: tags_of(job, wanted, opened))
        unlisted, clashes = tell(output, job, path, found)
    if clashes:
        raise InvalidJob(
            path, f"gives {clashes} of its images a name that another one has", "rename one of them"
        )
    if unlisted:
        raise Gaps(path, f"has {unlisted} of {len(job.images)} images whose tags could not be listed")


@contextmanager
def sources(settings: Settings) -> Iterator[Callable[[str], Source]]:
    """Yield how places are opened, each once, by several threads; afterwards they are let go."""
    with ExitStack() as stack:
        lock = threading.Lock()

        @functools.cache
        def opened(place: str) -> Source:
            return stack.enter_context(options.opened(place, settings, settings.reading.to_look))

        def locked(place: str) -> Source:
            with lock:
                return opened(place)

        yield locked


def tell(output: Output, job: Job, path: str, found: Iterator[Explained]) -> tuple[int, int]:
    """Print what was found, one image after the other; return how many are not listed, how many clash."""
    counts = [0, 0]

    def counted() -> Iterator[Explained]:
        for one in found:
            counts[0] += one.error is not None
            counts[1] += len(one.clashes)
            yield one

    if output.json:
        images = (_json(job, one) for one in counted())
        output.long_document({"schema": SCHEMA, "job": path, "site": job.site}, "images", images)
    else:
        for one in counted():
            _say(output, one)
    return counts[0], counts[1]


def _say(output: Output, one: Explained) -> None:
    title, renamed = _title(one.wanted), _renamed(one.wanted)
    if one.wanted.selection is None:
        output.say(f"{title}: in, named by the job{renamed}")
    elif one.error is None:
        output.say(f"{title}: {len(one.images)} of {len(one.verdicts)} tags{renamed}")
        rows = [(verdict.tag, "yes" if verdict.is_in else "no", verdict.why) for verdict in one.verdicts]
        output.table(HEAD, rows)
        output.say("")
    output.flush()  # findings go to another stream, and belong behind this
    output.findings(_findings(one))


def _findings(one: Explained) -> Iterator[Finding]:
    title = _title(one.wanted)
    if one.error:
        yield Finding(title, f"its tags are not known: {one.error}", ERROR)
    for rule in one.idle:
        yield Finding(title, f"the rule {rule} takes none of its tags", WARNING)
    for clash in one.clashes:
        yield Finding(title, clash, ERROR)


def _title(wanted: Wanted) -> str:
    return wanted.reference.familiar


def _renamed(wanted: Wanted) -> str:
    return f", as {wanted.name_of(wanted.reference).familiar}" if wanted.rename else ""


def _json(job: Job, one: Explained) -> dict[str, Any]:
    wanted = one.wanted
    key = "reference" if wanted.selection is None else "repo"
    return {
        key: _title(wanted),
        "platforms": list(map(str, wanted.platforms)),
        "places": list(job.places(wanted)),
        "tags": [{"tag": each.tag, "in": each.is_in, "why": each.why} for each in one.verdicts],
        "images": [
            {"origin": image.familiar, "name": wanted.name_of(image).familiar} for image in one.images
        ],
        "idle_rules": list(one.idle),
        "clashes": list(one.clashes),
        "error": str(one.error) if one.error else None,
    }
