"""`lading verify PLACE [REF…]`: read everything again and compare it with all that is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.bundles import served
from toolkit.checks import effect
from toolkit.cli import options
from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.cli.pagefile import page_beside
from toolkit.cli.pictures import CARRIED_HEAD, carried_rows
from toolkit.cli.progress import progress_for
from toolkit.errors import (
    CorruptContent,
    NotFound,
    StoreError,
    ToolkitError,
    UnsafeArchive,
    Unsupported,
    UsageError,
)
from toolkit.image import Finding
from toolkit.place import STANDARD_STREAM, Place
from toolkit.places import is_bundle
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.reading import Reading
from toolkit.report import (
    CORRUPT,
    DEEP,
    ERROR,
    FAST,
    FULL,
    STRUCTURE,
    UNPROVEN,
    UNSAFE,
    UNSIGNED,
    UNVERIFIED,
    VERIFIED,
    Report,
)
from toolkit.settings import Settings, load_settings

if TYPE_CHECKING:  # most bundles are not signed
    from toolkit.signature import PublicKey

KINDS = (NotFound, Unsupported, CorruptContent, UnsafeArchive, StoreError)
WORDS = {
    VERIFIED: "verified",
    STRUCTURE: "structure verified, contents not read:",
    UNPROVEN: "read, nothing to compare with:",
    CORRUPT: "CORRUPT",
    UNSAFE: "UNSAFE",
    UNSIGNED: "NOT SIGNED",
    UNVERIFIED: "NOT VERIFIED",
}
FAILURES = {kind.exit_code: kind for kind in KINDS}


@click.command("verify", cls=Command, short_help="Read everything again and compare it.")
@options.place_argument
@click.argument("references", metavar="[REF]...", nargs=-1)
@options.platform_option
@options.jobs_option
@options.limit_rate_option
@click.option("--fast", is_flag=True, help="Compare documents, names and sizes; no layer is read.")
@click.option(
    "--deep",
    is_flag=True,
    help="Look into the layers too: paths, links, whiteouts, devices, programs.",
)
@options.strict_option
@click.option(
    "--html",
    metavar="FILE",
    help="Write the report as a page too: one file, for a browser without a network.",
)
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="A public key, or its file: a bundle must be signed by it, or by one of several.  "
    "[default: `require_signature` in [lading]]",
)
@options.reads
@click.pass_obj
def command(
    output: Output,
    place: str,
    references: tuple[str, ...],
    *,
    platform: Platform | None,
    jobs: int,
    fast: bool,
    deep: bool,
    strict: bool,
    html: str | None,
    keys: tuple[str, ...],
    reading: Reading,
) -> None:
    """Verify images, all of the place if none is named: every digest, size and document.

    Everything is read again, and everything that was found is told. Exits with 5 where something is corrupt,
    or not signed as it has to be, and with 6 where it is unsafe.
    """
    if fast and deep:
        raise UsageError("--fast", "and --deep contradict each other", "the one reads no layer")
    settings = load_settings()
    wanted = _public_keys(place, keys, settings)
    strict, jobs = strict or settings.strict, jobs or settings.jobs
    asked = Asked(references, platform, FAST if fast else DEEP if deep else FULL, strict, jobs, wanted)
    with page_beside(html, place, output) as show:
        report = _report(output, place, asked, settings, reading)
        print_report(output, report)
        show(report.to_json())
        if not report.ok:
            raise verdict(report)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be verified, and how."""

    references: tuple[str, ...]
    platform: Platform | None
    depth: str
    strict: bool
    jobs: int
    keys: Sequence[PublicKey]  # of which one must have signed; none where nobody has to


def _report(output: Output, place: str, asked: Asked, settings: Settings, reading: Reading) -> Report:
    """Return what was found; of a place that is too damaged to be opened too."""
    from toolkit.operations.shortids import full_name
    from toolkit.operations.verify import refused, verify

    try:
        with (
            options.opened(place, settings, reading.to_look) as source,
            progress_for(output, "verifying") as progress,
        ):
            report = verify(
                source,
                [full_name(source, name) for name in asked.references],
                platform=asked.platform,
                strict=asked.strict,
                depth=asked.depth,
                progress=progress,
                jobs=asked.jobs,
            )
            report = replace(report, serves=served(source, report.images))
            return _vouched(report, place, source, asked)
    except CorruptContent as error:
        return _vouched(refused(place, error, asked.depth), place, None, asked)


def _public_keys(place: str, keys: Sequence[str], settings: Settings) -> Sequence[PublicKey]:
    """Return the keys of which one must have signed; raises UsageError where nothing can be signed."""
    if not is_bundle(place):
        if keys:
            raise UsageError("--key", f"is for bundles, and {place} is a store")
        return ()
    if not (words := keys or settings.require_signature):
        return ()
    from toolkit.operations.keys import read_public_keys

    return read_public_keys(words)


def _vouched(report: Report, place: str, source: Source | None, asked: Asked) -> Report:
    """Add what the files beside a bundle say of it; no `source` where it could not be opened."""
    from toolkit.operations.companion import check_companion, has_list
    from toolkit.operations.verify import vouched

    if asked.keys:
        report = _signed(report, place, source, asked.keys)
        return vouched(report, is_covered=bool(report.signature), strict=asked.strict)
    path, is_covered = Path(Place.parse(place).path), False
    if is_bundle(place) and place != STANDARD_STREAM and path.is_file():
        beside = check_companion(path, is_read=report.depth != FAST)
        report = replace(report, findings=(*report.findings, *beside))
        is_covered = has_list(path) and not beside
    return vouched(report, is_covered=is_covered, strict=asked.strict)


def _signed(report: Report, place: str, source: Source | None, keys: Sequence[PublicKey]) -> Report:
    """Add who signed the bundle, or why none of the keys did."""
    from toolkit.operations.admission import check_list, check_signature

    if report.depth == FAST:
        finding = check_list(place, keys)
        unsigned = finding if finding.severity == ERROR else None
        return replace(report, findings=(*report.findings, finding), unsigned=unsigned)
    signed, finding = check_signature(place, source, keys)
    report = replace(report, findings=(*report.findings, finding))
    return replace(report, signature=signed.to_json()) if signed else replace(report, unsigned=finding)


def print_report(output: Output, report: Report) -> None:
    """Print what was verified and what was found, but for the finding that `verdict` ends with."""
    if output.json:
        output.document(report.to_json())
        return
    if rows := carried_rows(report.images):
        output.table(CARRIED_HEAD, rows)
    loads = f", for {', '.join(report.serves)}" if report.serves and report.ok else ""
    signer = f", signed by {report.signature['key_id']}" if report.signature and report.ok else ""
    output.say(f"{WORDS[report.verdict]} {report.subject}{signer}{loads}")
    last = None if report.ok else worst(report)
    output.explain((finding for finding in report.findings if finding is not last), report.subject)


def verdict(report: Report) -> ToolkitError:
    """Return the failure of a report with errors: the gravest of them, and how many more there are."""
    last, more = worst(report), len(report.errors) - 1
    kind = FAILURES.get(last.exit_code, CorruptContent)
    told = (
        last.whose,
        effect(last.check, report.subject),
        last.advice,
        f"and {more} more found" if more else "",
    )
    return kind(last.subject, last.problem, "; ".join(filter(None, told)))


def worst(report: Report) -> Finding:
    """Return the first of the gravest errors."""
    return max(report.errors, key=lambda finding: finding.exit_code)
