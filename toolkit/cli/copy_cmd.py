"""`lading copy SRC-PLACE [REF…] DST-PLACE`: images from any place to any other."""

from __future__ import annotations

import click

from toolkit.cli import options, targets
from toolkit.cli.carrying import carry, format_option, tag_option, tell
from toolkit.cli.commands import Command
from toolkit.cli.import_cmd import refuse_unsigned
from toolkit.cli.output import Output
from toolkit.cli.progress import progress_for
from toolkit.platform import Platform
from toolkit.settings import load_settings


def _to_stdout(ctx: click.Context, param: click.Parameter, place: str) -> str:  # noqa: ARG001 - click's shape
    targets.keep_stdout_clear(place, ctx.ensure_object(Output))
    return place


@click.command("copy", cls=Command, short_help="Carry images from one place to another.")
@click.argument("origin", metavar="SRC-PLACE")
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.argument("place", metavar="DST-PLACE", callback=_to_stdout)
@format_option
@tag_option
@options.platform_option
@options.compression_option
@options.level_option
@options.strict_option
@options.prefer_option
@options.docker_compatible_option
@click.pass_obj
def command(
    output: Output,
    origin: str,
    references: tuple[str, ...],
    place: str,
    *,
    format_: str | None,
    tags: tuple[str, ...],
    platform: Platform | None,
    compression: str | None,
    level: int | None,
    strict: bool,
    prefer: str,
    docker_compatible: bool,
) -> None:
    """Copy images from any place to any other, all of them if none is named: stores and bundles alike.

    Every byte is compared with its digest on the way. A bundle that is there is replaced, a store added to.
    """
    settings = load_settings()
    refuse_unsigned(settings)
    with (
        options.opened(origin, settings, prefer, docker_compatible=docker_compatible) as source,
        progress_for(output, "copying") as progress,
    ):
        target = targets.target(place, format_, settings, output, progress)
        images = carry(
            source,
            target,
            references,
            tags=tags,
            platform=platform,
            compression=compression,
            level=level,
            strict=strict or settings.strict,
            progress=progress,
        )
    tell(output, source, target, images, {"source": source.place, "destination": target.place})
