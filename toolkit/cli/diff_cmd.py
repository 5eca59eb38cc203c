"""`lading diff PLACE [REF] PLACE [REF]`: what differs between two images, wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.progress import progress_for
from toolkit.errors import UsageError
from toolkit.platform import Platform
from toolkit.reading import Reading
from toolkit.settings import load_settings

if TYPE_CHECKING:
    from toolkit.operations.diff import Difference
    from toolkit.operations.filediff import FileDifference

ALONE = (None, None)  # of both places their only image


@click.command("diff", cls=Command, short_help="Show what differs between two images.")
@click.argument("words", metavar="PLACE [REF] PLACE [REF]", nargs=-1, required=True)
@click.option("--files", is_flag=True, help="Walk the layers too, and compare the files of the two images.")
@options.platform_option
@options.limit_rate_option
@options.reads
@click.pass_obj
def command(
    output: Output,
    words: tuple[str, ...],
    *,
    files: bool,
    platform: Platform | None,
    reading: Reading,
) -> None:
    """Show what differs between two images: `-` is the first, `+` the second.

    Only metadata is read: IDs, platform, config, history and layers. With --files every file's type, size,
    content, mode, owner, time, link target, device and xattrs are compared too. Layers that both images
    have are taken at the word of their diffIDs; lading verify proves them.

    Both REF are written, or none: without, each PLACE is, or holds, one image alone.

    Exits with 0 whether the images differ or not; --json says which, as `same`.
    """
    from toolkit.operations.diff import Asked, diff, told
    from toolkit.operations.shortids import asked_for

    settings, (places, names) = load_settings(), _sides(words)
    with ExitStack() as stack:
        sources = stack.enter_context(options.several(places, settings, reading.to_look))
        asked = [
            Asked(source, asked_for(source, name), platform)
            for source, name in zip(sources, names, strict=True)
        ]
        if not files:
            _show(output, diff(*map(told, asked)))
            return
        from toolkit.operations.filediff import compared_files

        with progress_for(output, "comparing") as progress:
            found = stack.enter_context(compared_files(asked[0], asked[1], progress))
        _show(output, diff(found.left, found.right), found)


def _sides(words: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str | None]]:
    """Return the two places, and what is asked for of each; raises UsageError."""
    if len(words) == len(ALONE):
        return words, ALONE
    if len(words) == len("PRPR"):
        return words[::2], words[1::2]
    problem = f"has {len(words)} words, expected PLACE PLACE or PLACE REF PLACE REF"
    raise UsageError("lading diff", problem, "see: lading diff --help")


def _show(output: Output, difference: Difference, files: FileDifference | None = None) -> None:
    from toolkit.cli import differences

    outlines = difference.left.outline, difference.right.outline
    findings = [*outlines[0].findings, *outlines[1].findings, *(files.findings if files else ())]
    if output.json:
        facts = differences.difference_json(difference, findings, files)
        paths = map(differences.path_json, files.paths.changes()) if files else ()
        output.long_document(facts, "paths", paths)
        return
    for sign, side in (("---", difference.left), ("+++", difference.right)):
        output.say(f"{sign} {side.place} {side.name}")
    if rows := differences.difference_rows(difference, files):
        output.facts(rows)
    for line in differences.path_lines(files.paths.changes()) if files else ():
        output.say(line)
    if difference.same and (files is None or files.same):
        output.say(_nothing(difference, with_files=files is not None))
    output.findings(findings)


def _nothing(difference: Difference, *, with_files: bool) -> str:
    """Say that nothing differs, and in what."""
    compared = "metadata and files" if with_files else "metadata"
    advice = "" if with_files else "; --files compares files too"
    return f"no difference in {'what was compared' if difference.not_compared else compared}{advice}"
