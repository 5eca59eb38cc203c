"""Arguments and options that several commands take, and the places they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import click

from toolkit import mediatype, places
from toolkit.platform import Platform
from toolkit.ports import Closes, HoldsV1, Source
from toolkit.settings import Settings

place_argument = click.argument("place", metavar="PLACE")
reference_argument = click.argument("reference", metavar="REF")
prefer_option = click.option(
    "--prefer",
    type=click.Choice(["docker", "oci"]),
    callback=lambda ctx, param, value: value or "",  # noqa: ARG005 - click's shape
    help="Read an archive that holds both as this one, where they disagree.",
)
docker_compatible_option = click.option(
    "--docker-compatible",
    is_flag=True,
    help="Read v1 images as Docker does, with its losses: for the image ID that Docker gives them.",
)
strict_option = click.option("--strict", is_flag=True, help="Make warnings errors.")


def parsed_platform(
    ctx: click.Context,  # noqa: ARG001 - click's shape
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> Platform | None:
    """Read an option that is a platform; raises InvalidPlatform."""
    return Platform.parse(value) if value else None


platform_option = click.option(
    "--platform",
    metavar="OS/ARCH[/VARIANT]",
    callback=parsed_platform,
    help="Take this platform of an image that has several.",
)


compression_option = click.option(
    "--compression",
    type=click.Choice([name or "none" for name in mediatype.LAYER_SUFFIX]),
    help="Pack layers so: other digests, the same image IDs.  [default: as they are]",
)
level_option = click.option(
    "--compression-level", "level", metavar="N", type=int, help="For gzip 1 to 9, for zstd 1 to 22."
)


def kind_of(source: Source) -> str:
    """Name the format of a bundle, or the kind of a store."""
    return getattr(source, "format", "") or places.Place.parse(source.place).scheme or "bundle"


@contextmanager
def opened(
    place: str, settings: Settings, prefer: str = "", *, docker_compatible: bool = False
) -> Iterator[Source]:
    """Open a place to read from, and let it go afterwards."""
    source = places.open_source(place, settings, prefer)
    if docker_compatible and isinstance(source, HoldsV1):
        source.docker_compatible = True
    with closing(source):
        yield source


@contextmanager
def all_opened(
    origins: Sequence[str], settings: Settings, prefer: str = "", *, docker_compatible: bool = False
) -> Iterator[Source]:
    """Open one place, or several as one."""
    from toolkit.operations.joining import Joined

    with ExitStack() as stack:
        sources = [
            stack.enter_context(opened(origin, settings, prefer, docker_compatible=docker_compatible))
            for origin in dict.fromkeys(origins)
        ]
        yield sources[0] if len(sources) == 1 else Joined(sources)


@contextmanager
def closing(source: Source) -> Iterator[Source]:
    """Let a source go afterwards, if it holds anything."""
    try:
        yield source
    finally:
        if isinstance(source, Closes):
            source.close()


def kinds_of_places() -> str:
    """Name the kinds of places that can be read, out of their table."""
    unread = {*places.LATER, places.AUTO, ""}
    return ", ".join(f"{scheme}:" for scheme in sorted(places.KINDS) if scheme not in unread)
