"""What export, import and copy have in common: images asked for, carried, and told about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import click

from toolkit.bundles import FORMATS, engines
from toolkit.cli import options
from toolkit.cli.output import Output
from toolkit.cli.pictures import CARRIED_HEAD, carried_rows
from toolkit.cli.targets import Target, keep_stdout_clear
from toolkit.errors import CorruptContent, NotFound, ToolkitError
from toolkit.event import Tell
from toolkit.figures import size_text
from toolkit.findings import Findings
from toolkit.image import Finding, ProvenImage
from toolkit.place import Place
from toolkit.platform import Platform
from toolkit.plumbing.followed import followed_landing
from toolkit.ports import Gathers, Landing, Lands, Sink, Source, remarks_of
from toolkit.reading import Reading
from toolkit.reference import meaning
from toolkit.report import NO_IMAGES, finding_json, image_json, nothing_in
from toolkit.settings import Settings, load_settings
from toolkit.voucher import vouchers_of

if TYPE_CHECKING:
    from toolkit.operations.admission import Admission
    from toolkit.outline import Listing

TELL_REFERRERS = frozenset({"oci", "docker", "", "docker-archive", "oci-archive"})  # kinds of places
SERVES = {row.name: row.serves for row in FORMATS}

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(list(SERVES)),
    help="; ".join(f"{name}: for {serves}" for name, serves in SERVES.items()) + ".  [default: universal]",
)
OPTIONS = (
    click.option(
        "--tag",
        "tags",
        metavar="[OLD=]NEW",
        multiple=True,
        help="Give an image another name on the way; of one image alone, NEW will do. May be repeated.",
    ),
    options.platform_option,
    options.referrers_option,
    options.compression_option,
    options.level_option,
    options.jobs_option,
    options.limit_rate_option,
    options.strict_option,
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What all three can be asked for."""

    tags: tuple[str, ...]
    platform: Platform | None
    compression: str | None
    level: int | None
    jobs: int  # blobs at once; 0 is as many as suits the places
    strict: bool
    reading: Reading

    def settings(self) -> Settings:
        """Return the settings of this folder, as far as nothing else is wished for."""
        return options.as_wished(load_settings())


def carrying(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all three have; it gets them as `wishes`."""

    @functools.wraps(command)
    def run(**words: Any) -> Any:  # noqa: ANN401 - click's own
        settings = load_settings()
        words["strict"] = words["strict"] or settings.strict
        words["reading"] = words["reading"].or_else(Reading(referrers=settings.referrers))
        words["jobs"] = words["jobs"] or settings.jobs
        wishes = Wishes(**{field.name: words.pop(field.name) for field in fields(Wishes)})
        return command(**words, wishes=wishes)

    carried = options.reads(run)
    for option in reversed(OPTIONS):
        carried = option(carried)
    return carried


def may_be_stdout(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:  # noqa: ARG001 - click's shape
    """Keep stdout clear for a bundle, before anything is said; a callback of click's."""
    keep_stdout_clear(text, ctx.ensure_object(Output))
    return text


def opened(places: Sequence[str], settings: Settings, wishes: Wishes) -> AbstractContextManager[Source]:
    """Open one place to read from, or several as one."""
    return options.all_opened(places, settings, wishes.reading)


def carry(
    source: Source,
    target: Target,
    references: Sequence[str],
    wishes: Wishes,
    progress: Tell,
) -> list[ProvenImage]:
    """Copy images, all of the source if none is named; raises what `copy` raises.

    A source without an image is no error here, as for docker load, but under `strict` (formats H, case 11).
    """
    from toolkit.operations.copy import copy
    from toolkit.operations.shortids import full_name

    asked = [full_name(source, name) for name in references] or everything(source)
    if not asked:
        if wishes.strict:
            raise CorruptContent(source.place, NO_IMAGES, "--strict makes warnings errors")
        return []
    with ExitStack() as stack:
        if isinstance(source, Gathers):
            source.gather(asked, _landing(target.sink, wishes, progress, stack))
        packed = stack.enter_context(_packed(_renamed(source, wishes.tags, asked), wishes, progress))
        images = copy(
            packed,
            target.sink,
            asked,
            platform=wishes.platform,
            strict=wishes.strict,
            progress=progress,
            jobs=wishes.jobs,
        )
    return _with_silence(images, source.place) if wishes.reading.referrers else images


def must_be_some(images: Sequence[ProvenImage], source: Source) -> None:
    """Raise NotFound where all of a source was asked for, and there was nothing."""
    if not images:
        advice = next((remark.advice for remark in remarks_of(source) if remark.advice), "")
        raise NotFound(source.place, NO_IMAGES, advice)


def _with_silence(images: list[ProvenImage], place: str) -> list[ProvenImage]:
    """Say of a place that has no way to tell what refers to an image that it was asked in vain."""
    if Place.parse(place).scheme in TELL_REFERRERS:
        return images
    silence = Finding(place, "does not tell what refers to its images", "note")
    return [replace(image, findings=(*image.findings, silence)) for image in images]


def _landing(sink: Sink, wishes: Wishes, progress: Tell, stack: ExitStack) -> Callable[[int], Landing] | None:
    """Return how layers begin to go into the sink as they come; None where something will look at them first.

    What is begun ends with the stack.
    """
    if wishes.compression is not None or wishes.level is not None or wishes.strict:
        return None
    if not isinstance(sink, Lands):
        return None
    lands: Lands = sink
    begun: list[Landing] = []

    def land(expected: int) -> Landing:
        if not begun:
            begun.append(followed_landing(stack.enter_context(lands.landing(expected)), progress))
        return begun[0]

    return land


def _renamed(source: Source, tags: Sequence[str], asked: Sequence[str]) -> Source:
    if not tags:
        return source
    from toolkit.operations.renaming import Renamed, Renaming

    return Renamed(source, Renaming.of(tags, asked))


def _packed(source: Source, wishes: Wishes, progress: Tell) -> AbstractContextManager[Source]:
    if wishes.compression is None and wishes.level is None:
        return nullcontext(source)
    from toolkit.operations.recompress import recompressed

    return recompressed(source, wishes.compression, wishes.level, progress, wishes.jobs)


def everything(source: Source) -> list[str]:
    """Return what to ask for all images by; raises where one cannot be read."""
    listings = source.listings()
    for listing in listings:
        if listing.problem:
            raise _failure(source, listing)
    names = [name for listing in listings for name in listing.names or (listing.id,)]
    return list({meaning(name): name for name in reversed(names)}.values())[::-1]


def _failure(source: Source, listing: Listing) -> ToolkitError:
    """Return the failure of an image that cannot be read: of the kind that reading it raises."""
    from toolkit.cli.verify_cmd import FAILURES

    try:
        source.image(listing.asked_by)
    except ToolkitError as error:
        return FAILURES.get(error.exit_code, CorruptContent)(listing.asked_by, listing.problem)
    return CorruptContent(listing.asked_by, listing.problem)


def tell(
    output: Output,
    source: Source,
    target: Target,
    images: Sequence[ProvenImage],
    facts: dict[str, Any],
    *,
    noticed: Sequence[Finding] = (),
) -> None:
    """Print what was carried, where to, which engines read it there, and what was `noticed` before.

    `facts` begin the document.
    """
    pinned, of_target = target.pinned(images), target.findings(images)
    images = target.kept(images)
    if let_in := _let_in(source):
        told = [each.signed.to_json() for each in let_in]
        facts |= {"signature": told[0]} if len(told) == 1 else {"signatures": told}
        noticed = [*(each.note for each in let_in), *noticed]
    found = Findings(source.place)
    found += [*noticed, *remarks_of(source), *([] if images else [nothing_in(source.place)])]
    found += [*of_target, *(finding for image in images for finding in image.findings)]
    serves = engines(target.format, images, target.outer) if target.format else []
    keeps = target.keeps_platforms
    if output.json:
        if target.format:
            facts |= {"format": target.format, "size": target.size if images else 0, "serves": serves}
        facts["images"] = [image_json(image, every_platform=keeps) for image in images]
        facts["findings"] = [finding_json(finding) for finding in found]
        output.document(facts)
        return
    if images:
        output.table(CARRIED_HEAD, carried_rows(images, every_platform=keeps))
        output.say(_sentence(source, target, serves, _beside(images)))
        for each in pinned:
            output.say(f"pull by digest: {each}")
    else:
        output.say(f"imported nothing from {source.place}")
    output.findings(found)


def _let_in(source: Source) -> list[Admission]:
    """Return how bundles were let in, where a signature is required."""
    if not (vouchers := vouchers_of(source)):
        return []
    from toolkit.operations.admission import Admitted

    return [each.admission for each in vouchers if isinstance(each, Admitted)]


def _beside(images: Sequence[ProvenImage]) -> int:
    """Count what went along because it refers to an image."""
    return len({referrer.top.digest for image in images for referrer in image.referrers})


def _sentence(source: Source, target: Target, serves: Sequence[str], referrers: int) -> str:
    also = f" with {referrers} referrer{'s' if referrers > 1 else ''}" if referrers else ""
    if not target.format:
        return f"imported from {source.place} into {target.place}{also}"
    size = f"{size_text(target.size)}, {target.format}{also}"
    return f"wrote {target.place} ({size}), for {', '.join(serves) or 'no engine'}"
