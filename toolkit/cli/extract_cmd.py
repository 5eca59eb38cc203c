"""`lading extract PLACE [REF] DIR`: the files of an image in a new folder."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.progress import progress_for
from toolkit.errors import UsageError
from toolkit.figures import short_id, size_text
from toolkit.image import Finding
from toolkit.platform import Platform
from toolkit.reading import Reading
from toolkit.reference import meaning
from toolkit.report import NOTE, finding_json
from toolkit.settings import load_settings

if TYPE_CHECKING:
    from toolkit.operations.extract import Extracted
    from toolkit.plumbing.census import Census
    from toolkit.plumbing.profile import Profile

KEPT_BY = {
    "owner": "--owners",
    "xattr": "--xattrs",
    "setuid bit": "--setuid",
    "setgid bit": "--setuid",
    "sticky bit": "--setuid",
}  # all else: --devices
FULL, NEED_ROOT = "full", ("owners", "devices", "full")
KEEPING = (
    click.option(
        "--owners", is_flag=True, help="Give files the owners that they have in the image; as root."
    ),
    click.option("--setuid", is_flag=True, help="Keep setuid and setgid bits."),
    click.option("--xattrs", is_flag=True, help="Keep extended attributes, capabilities among them."),
    click.option("--devices", is_flag=True, help="Make devices and fifos too; as root."),
    click.option(
        "--full", is_flag=True, help="Keep all of these, and what the image says of its top folder; as root."
    ),
)


def keeps(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on what is kept of files; it gets them as `profile`."""

    @functools.wraps(command)
    def run(**words: Any) -> Any:  # noqa: ANN401 - click's own
        from toolkit.plumbing.profile import EVERYTHING, Profile

        kept = {name: words.pop(name) for name in ("owners", "setuid", "xattrs", "devices", FULL)}
        for name in NEED_ROOT:
            if kept[name] and os.geteuid():
                raise UsageError(f"--{name}", "is for root alone", "run as root, or leave it out")
        return command(**words, profile=EVERYTHING if kept.pop(FULL) else Profile(**kept))

    for option in reversed(KEEPING):
        run = option(run)
    return run


@click.command("extract", cls=Command, short_help="Put the files of an image into a new folder.")
@options.place_argument
@click.argument("references", metavar="[REF]", nargs=-1)
@click.argument("folder", metavar="DIR")
@keeps
@click.option(
    "--as-whiteout", is_flag=True, help="Take what overlay file systems take for a whiteout for one."
)
@options.platform_option
@options.limit_rate_option
@options.strict_option
@options.reads
@click.pass_obj
def command(
    output: Output,
    place: str,
    references: tuple[str, ...],
    folder: str,
    *,
    profile: Profile,
    as_whiteout: bool,
    platform: Platform | None,
    strict: bool,
    reading: Reading,
) -> None:
    """Lay the layers of an image over one another in DIR, which is not there yet, or empty.

    Every byte of them is compared with its digest, and DIR has its name when all of it is there. Files keep
    their permissions and times, and belong to whoever runs this. Owners, setuid bits, xattrs and devices are
    left out unless asked for, which is told. Nothing in an image leads out of DIR.

    REF may be left out where PLACE is, or holds, one image alone.
    """
    from toolkit.operations.extract import Rules, extract
    from toolkit.operations.shortids import asked_for

    if len(references) > 1:
        raise UsageError("lading extract", "takes one image at a time", "see: lading extract --help")

    settings = load_settings()
    strict = strict or settings.strict
    rules = Rules(profile, as_whiteout, strict)
    with (
        options.opened(place, settings, reading) as source,
        progress_for(output, "extracting") as progress,
    ):
        name = asked_for(source, references[0] if references else None)
        if not references:
            _must_be_folder(folder, name)
        done = extract(source, name, _path(folder), rules, platform=platform, progress=progress)
    _tell(output, source.place, done)


def _must_be_folder(folder: str, name: str) -> None:
    """Raise UsageError where the last of two words is what the image is called: DIR was forgotten."""
    if os.sep not in folder and meaning(folder) == meaning(name):
        advice = f"write lading extract PLACE {folder} DIR, or ./{folder} for a folder of that name"
        raise UsageError("lading extract", f"has {folder}, an image, in the place of DIR", advice)


def _path(folder: str) -> Path:
    """Return the path in full, with a name at its end."""
    path = Path(folder)
    return path.absolute() if path.name not in {"", ".."} else Path(os.path.realpath(path))


def _tell(output: Output, place: str, done: Extracted) -> None:
    findings = [*done.findings, *_left_out(done)]
    if output.json:
        facts = [finding_json(finding) for finding in dict.fromkeys(findings)]
        output.document({"place": place, **_json(done), "findings": facts})
        return
    config, found = done.image.config, done.census
    told = [
        config.platform,
        f"image ID {short_id(str(config.image_id))}",
        _counted(len(done.image.layers), "layer"),
    ]
    output.say(
        f"extracted {done.name} into {done.folder}",
        f"{', '.join(map(str, told))}: {_amounts(found)}",
    )
    output.findings(findings)


def _left_out(done: Extracted) -> Iterator[Finding]:
    for kind, odd in done.left_out.items():
        option = KEPT_BY.get(kind, "--devices")
        yield Finding(f"image {done.name}", f"{kind}s left out: {odd}; {option} keeps them", NOTE)


def _amounts(found: Census) -> str:
    counts = {
        "file": found.files,
        "folder": found.folders,
        "symlink": found.symlinks,
        "hard link": found.hard_links,
        "special file": found.specials,
    }
    told = [_counted(count, what) for what, count in counts.items() if count]
    return ", ".join([*told, size_text(found.size)])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _json(done: Extracted) -> dict[str, Any]:
    found, config = done.census, done.image.config
    return {
        "name": done.name,
        "folder": str(done.folder),
        "platform": str(config.platform),
        "image_id": str(config.image_id),
        "layers": [
            {"digest": str(layer.digest), "size": layer.size, "diff_id": str(diff_id)}
            for layer, diff_id in done.image.layers
        ],
        "files": found.files,
        "folders": found.folders,
        "symlinks": found.symlinks,
        "hard_links": found.hard_links,
        "special_files": found.specials,
        "size": found.size,
        "left_out": [
            {"kind": kind, "count": odd.count, "first": odd.first} for kind, odd in done.left_out.items()
        ],
    }
