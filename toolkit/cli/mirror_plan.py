"""`lading mirror plan JOB`: what would go in the next set, and whether there is room for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.errors import Gaps
from toolkit.figures import size_text
from toolkit.image import Finding
from toolkit.plumbing.files import must_be_folder
from toolkit.report import ERROR
from toolkit.settings import load_settings

if TYPE_CHECKING:
    from toolkit.mirror.connected.planning import Planned

HEAD = ("IMAGE", "STATE", "NEW", "SHARED", "THERE")
SINCE = ("sent", "receipt", "full")

AGAINST = {
    "assumed": "what was sent",
    "confirmed": "the last receipt",
    "full": "nothing",
}  # kinds of a baseline


since_option = click.option(
    "--since",
    type=click.Choice(SINCE),
    callback=lambda ctx, param, value: value or "",  # noqa: ARG005 - click's shape
    help="What the site is taken to have: all that was sent to it, what its last receipt says, or nothing.  "
    "[default: sent]",
)
into_option = click.option(
    "--into",
    metavar="FOLDER",
    default="",
    help="Write the volumes there.  [default: bundle.folder of the job, else HOME/mirror/SITE/volumes]",
)


@click.command("plan", cls=Command, short_help="Say what would go, and whether there is room for it.")
@click.argument("path", metavar="JOB")
@since_option
@into_option
@click.pass_obj
def command(output: Output, path: str, *, since: str, into: str) -> None:
    """Say what the next set would hold, image by image, and what it takes on each file system at its peak.

    Names are resolved as they are now, or as today's run has resolved them; of images that are not in the
    embedded store the manifests are read, nothing else is fetched, and nothing is written. Of images that are
    made on the way, as those whose layers are packed anew, sizes are an estimate. Exits with 7 and
    the figures where it cannot fit, with 8 where an image could not be had.
    """
    from toolkit.mirror.connected.night import Night
    from toolkit.mirror.connected.running import SINCE as KIND
    from toolkit.mirror.connected.sources import sources
    from toolkit.mirror.jobs.jobfile import read_job

    if into:
        must_be_folder("--into", into)
    job, settings = read_job(path), load_settings()
    with sources(settings) as opened:
        night = Night(job, settings, opened)
        lock = night.resolved(night.now.date())
        folder = Path(into) if into else night.folder
        planned = night.planned(lock, KIND[since or "sent"], folder)
    if output.json:
        output.document(_json(planned))
    else:
        _say(output, planned)
    planned.must_fit()
    if planned.gaps:
        images = f"{len(planned.gaps)} images" if len(planned.gaps) > 1 else "an image"
        raise Gaps(path, f"names {images} that cannot be had", "a run leaves them out, and tells of them")


def _say(output: Output, planned: Planned) -> None:
    if planned.shares:
        rows = (
            (
                share.image.name,
                "new" if share.image.is_new else "there",
                *map(size_text, (share.new, share.shared, share.there)),
            )
            for share in planned.shares
        )
        output.table(HEAD, rows)
    draft = planned.draft
    about = "about " if planned.volumes > 1 else ""
    output.say(
        f"{len(draft.new)} of {len(draft.images)} image{'s' * (len(draft.images) != 1)} new, "
        f"against {AGAINST[draft.baseline]}: "
        f"{size_text(planned.fetch)} to fetch, "
        f"{size_text(planned.stream)} to carry in {about}{planned.volumes} file{'s' * (planned.volumes > 1)}"
    )
    if planned.about:
        output.say(_about(len(planned.about)))
    for room in planned.rooms:
        stays = f", of which {size_text(room.reserve)} stay free" if room.reserve else ""
        output.say(f"{room.folder}: {size_text(room.needed)} at the peak, {size_text(room.free)} free{stays}")
    output.flush()
    output.findings(Finding(gap.name, gap.problem, ERROR) for gap in planned.gaps)


def _about(images: int) -> str:
    count = f"{images} images count with the sizes of layers as their places have"
    many = count if images > 1 else "an image counts with the sizes of layers as its place has"
    return f"about: {many} them; what is carried is made on the way: layers packed anew, or a first manifest"


def _json(planned: Planned) -> dict[str, Any]:
    return {
        "site": planned.draft.site,
        "date": planned.draft.date.isoformat(),
        "baseline": planned.draft.baseline,
        "images": [
            {
                "name": share.image.name,
                "digest": str(share.image.digest),
                "is_new": share.image.is_new,
                "new": share.new,
                "shared": share.shared,
                "there": share.there,
            }
            for share in planned.shares
        ],
        "about": list(planned.about),
        "to_fetch": {"images": [one.name for one in planned.missing], "size": planned.fetch},
        "set": {"size": planned.stream, "volumes": planned.volumes, "most": planned.most or None},
        "rooms": [
            {"folder": str(room.folder), "needed": room.needed, "free": room.free, "reserve": room.reserve}
            for room in planned.rooms
        ],
        "gaps": [gap.to_json() for gap in planned.gaps],
    }
