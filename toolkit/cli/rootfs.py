"""What `lading import --rootfs` makes of its words: a source of one image, its name, its time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from toolkit import places
from toolkit.cli import options
from toolkit.errors import InvalidDocument, UsageError
from toolkit.gotime import EPOCH, go_time
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.reference import Reference
from toolkit.settings import Settings

EPOCH_DIGITS = 11  # the last second of the year 5138 has as many


@contextmanager
def root_file_system(
    file: str,
    settings: Settings,
    references: Sequence[str],
    tags: Sequence[str],
    platform: Platform | None,
    *,
    created: str | None,
) -> Iterator[Source]:
    """Open FILE as an image of one layer, and let it go afterwards."""
    if references:
        problem = f"takes no names of images, found {references[0][:100]!r}"
        raise UsageError("--rootfs", problem, "name the image with --tag NAME")
    names = list(map(image_name, tags))
    opened = places.open_rootfs(file, settings, names, platform, time_of(created, os.environ))
    with options.closing(opened) as source:
        yield source


def refuse_for_rootfs(created: str | None) -> None:
    """Raise UsageError where something is asked of a bundle that only a root file system takes."""
    if created:
        raise UsageError("--created", "goes with --rootfs: a bundle's images have their own")


def image_name(tag: str) -> str:
    """Return the name as Docker prints it; raises UsageError."""
    reference = Reference.parse(tag)
    if reference.digest:
        raise UsageError(f"--tag {tag[:200]}", "has a digest, which only a registry gives", "write name:tag")
    return reference.familiar


def time_of(created: str | None, environ: Mapping[str, str]) -> str:
    """Return the time that was asked for, as Go writes it; raises UsageError."""
    epoch = environ.get("SOURCE_DATE_EPOCH", "")
    if created is None and epoch:
        return _time_of_epoch(epoch)
    try:
        return go_time(EPOCH if created is None else created)
    except InvalidDocument as error:
        advice = "write it as 2024-01-31T12:00:00Z"
        raise UsageError(f"--created {error.subject}", error.problem, advice) from error


def _time_of_epoch(text: str) -> str:
    """Return the time of SOURCE_DATE_EPOCH (reproducible-builds.org), whole seconds since 1970."""
    if not text.isascii() or not text.isdigit() or len(text) > EPOCH_DIGITS:
        problem = f"is {text[:100]!r}, expected whole seconds since 1970"
        raise UsageError("SOURCE_DATE_EPOCH", problem, "unset it, or say --created TIME")
    return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
