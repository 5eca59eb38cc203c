"""Arguments and options that several commands take, and the places they name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from typing import Any

import click

from toolkit import mediatype, places
from toolkit.errors import UsageError
from toolkit.place import AUTO, SCHEMES, Place
from toolkit.platform import Platform
from toolkit.ports import Closes, HoldsV1, Namespaced, Source
from toolkit.reading import Reading
from toolkit.settings import MOST_JOBS, Settings, read_rate

RATE = "toolkit.limit_rate"  # what click's context has it as
place_argument = click.argument("place", metavar="PLACE")
reference_argument = click.argument("reference", metavar="[REF]", required=False)  # of the only image
READING = (
    click.option(
        "--prefer",
        type=click.Choice(["docker", "oci"]),
        callback=lambda ctx, param, value: value or "",  # noqa: ARG005 - click's shape
        help="Read an archive that holds both as this one, where they disagree.",
    ),
    click.option(
        "--docker-compatible",
        is_flag=True,
        help="Read v1 images as Docker does, with its losses: for the image ID that Docker gives them.",
    ),
    click.option(
        "--namespace",
        metavar="NAME",
        callback=lambda ctx, param, value: value or "",  # noqa: ARG005
        help="Of a containerd store.  [default: moby, k8s.io, or the only one]",
    ),
    click.option(
        "--allow-rebuilt",
        is_flag=True,
        help="Make layers whose tar cannot be proven anew from their files: other layers, another image ID.",
    ),
    click.option("--live", is_flag=True, help="Read a store although an engine is running on it."),
)
referrers_option = click.option(
    "--referrers",
    is_flag=True,
    help="Take along what refers to an image: signatures, SBOMs, attestations, also by cosign's tags.",
)
jobs_option = click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, MOST_JOBS),
    callback=lambda ctx, param, value: value or 0,  # noqa: ARG005
    help="Work on N layers at once.  [default: as many as there are processors, at most 8; with a registry 6 "
    "at least]",
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


def note_rate(ctx: click.Context, param: click.Parameter, text: str | None) -> None:  # noqa: ARG001
    """Note a rate for the registries of this run of the command; raises UsageError."""
    try:
        if text is not None:
            ctx.meta[RATE] = read_rate(text)
    except ValueError as error:
        raise UsageError(f"--limit-rate {text}", f"is no rate, expected {error}") from error


limit_rate_option = click.option(
    "--limit-rate",
    metavar="RATE",
    expose_value=False,  # whatever is opened is opened so
    callback=note_rate,
    help="From and to registries, carry so many bytes a second and no more: 500k, 10M, 1G.",
)


def as_wished(settings: Settings) -> Settings:
    """Return the settings, with the rate that --limit-rate says where the command was given one."""
    context = click.get_current_context(silent=True)
    rate = context.meta.get(RATE) if context else None
    return settings if rate is None else replace(settings, limit_rate=rate)


def kind_of(source: Source) -> str:
    """Name the format of a bundle, or the kind of a store."""
    return getattr(source, "format", "") or Place.parse(source.place).scheme or "bundle"


def reads(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options on how a place is read; it gets them as `reading`."""

    @functools.wraps(command)
    def run(**words: Any) -> Any:  # noqa: ANN401 - click's own
        told = {field.name: words.pop(field.name) for field in fields(Reading) if field.name in words}
        return command(**words, reading=Reading(**told))

    for option in reversed(READING):
        run = option(run)
    return run


@contextmanager
def opened(place: str, settings: Settings, reading: Reading) -> Iterator[Source]:
    """Open a place to read from, and let it go afterwards; raises as `several`."""
    with several([place], settings, reading) as (source,):
        yield source


@contextmanager
def several(origins: Sequence[str], settings: Settings, reading: Reading) -> Iterator[list[Source]]:
    """Open places to read from, and let them go afterwards.

    Raises UsageError where a namespace was asked for and none of them has any: what `settings` say of one
    is for those that have.
    """
    with ExitStack() as stack:
        sources = [stack.enter_context(_opened(origin, settings, reading)) for origin in origins]
        if reading.namespace and not any(isinstance(source, Namespaced) for source in sources):
            problem = f"names a namespace, and {' and '.join(origins)} has none: they are containerd's"
            raise UsageError(f"--namespace {reading.namespace}", problem, "leave it out")
        yield sources


@contextmanager
def _opened(place: str, settings: Settings, reading: Reading) -> Iterator[Source]:
    reading = reading.or_else(settings.reading)
    source = places.open_source(place, as_wished(settings), reading)
    if reading.docker_compatible and isinstance(source, HoldsV1):
        source.docker_compatible = True
    with closing(source):
        yield source


@contextmanager
def all_opened(origins: Sequence[str], settings: Settings, reading: Reading) -> Iterator[Source]:
    """Open one place, or several as one."""
    with several(list(dict.fromkeys(origins)), settings, reading) as sources:
        if len(sources) == 1:
            yield sources[0]
            return
        from toolkit.operations.joining import Joined

        yield Joined(sources)


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
    written = {"docker": "docker://"}
    return ", ".join(written.get(scheme, f"{scheme}:") for scheme in sorted(SCHEMES - {AUTO, ""}))
