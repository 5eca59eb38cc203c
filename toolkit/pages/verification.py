"""The page of a verification: the JSON form of a report, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.errors import CorruptContent, UnsafeArchive
from toolkit.figures import size_text
from toolkit.pages.findings import Group, groups_of, summary
from toolkit.pages.images import LayerList, artifacts_of, images_of, key_of, referrers_of, stacks_of
from toolkit.pages.layout import drawn
from toolkit.pages.rendering import rendered
from toolkit.pages.room import counted, cut, fitting
from toolkit.pages.sharing import Sharing
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
    WARNING,
)

WORDS = {
    VERIFIED: "Verified",
    STRUCTURE: "Structure verified",
    UNPROVEN: "Read, nothing to compare with",
    CORRUPT: "Corrupt",
    UNSAFE: "Unsafe",
    UNSIGNED: "Not signed",
    UNVERIFIED: "Not verified",
}
GOOD = {VERIFIED, UNPROVEN, STRUCTURE}
ALL = "all that is recorded of it agrees: digests, sizes, diffIDs and documents"
BY_CODE = {CorruptContent.exit_code: CORRUPT, UnsafeArchive.exit_code: UNSAFE}  # else it was not read
BAD = {
    CORRUPT: "What is in it is not what it says",
    UNSAFE: "What is in it is what it says, and is not safe to load, or beyond a limit",
}
LOOKED = {  # how far, and what is so where nothing is odd
    FAST: ("No layer was read", "what else is recorded of it agrees: documents, names and sizes"),
    FULL: ("Every byte was read", ALL),
    DEEP: ("Every byte was read, every layer looked into", ALL),
}
DOUBTS = {
    UNVERIFIED: "Nothing that was read is wrong, but not all of it could be read",
    UNPROVEN: "Every byte was read, and nothing tells what its layers should be",
}
ROOM = 750_000  # bytes of the page for each of its long tables
MOST_OPEN = 40  # images that are listed in full unasked
Json = Mapping[str, Any]


def verification_page(document: Json, place: str) -> bytes:
    """Return the page of what `lading verify --json` prints of `place`, of a failure too.

    The same document gives the same bytes. However large it is, a page has a few megabytes at most:
    what is left out is told in words.
    """
    report = failure_report(document["error"], place) if "error" in document else document
    images, groups = images_of(report["images"]), groups_of(report["findings"])
    sharing = Sharing.of(stacks_of(images))
    artifacts, referrers = artifacts_of(report["images"]), referrers_of(report["images"])
    return rendered(
        "verification.html",
        subject=cut(report["subject"]),
        verdict=report["verdict"],
        is_good=report["verdict"] in GOOD,
        word=WORDS[report["verdict"]],
        sentence=_sentence(report, groups),
        facts=_facts(report, len(images), sharing, groups),
        engines=[cut(name) for name in report.get("serves", ())],
        groups=groups,
        images=images,
        shown_images=fitting(images, ROOM),
        artifacts=artifacts,
        shown_artifacts=fitting(artifacts, ROOM),
        layer_lists=fitting(list(map(LayerList, images)), ROOM),
        most_open=MOST_OPEN,
        drawing=drawn(sharing),
        referrers=referrers,
        shown_referrers=fitting(referrers, ROOM),
    )


def failure_report(error: Json, place: str) -> dict[str, Any]:
    """Return the report of a place that could not be read at all, out of the error's JSON form."""
    problem = error["sentence"].removeprefix(f"{place}: ")
    return {
        "subject": place,
        "verdict": BY_CODE.get(error["exit_code"], UNVERIFIED),
        "images": [],
        "findings": [{"severity": ERROR, "subject": place, "problem": problem}],
    }


def _sentence(report: Json, groups: Sequence[Group]) -> str:
    """Say the verdict in a sentence or two."""
    counts = {group.severity: group.title for group in groups}
    errors = counts.get(ERROR, "")
    if bad := BAD.get(report["verdict"]):
        is_proven = report["images"] and report.get("depth") != FAST
        proven = " What is listed under Images was proven all the same." if is_proven else ""
        return f"{bad}: {errors}, told below. Load nothing of it.{proven}"
    if report["verdict"] == UNSIGNED:
        right = "No layer was read" if report.get("depth") == FAST else "Its images are what they say"
        return f"{right}, but it is not signed as it has to be: {errors}, told below."
    if doubt := DOUBTS.get(report["verdict"]):
        return f"{doubt}: {errors or counts.get(WARNING, '')}, told below."
    if not report["images"]:
        return "It was read, and holds no images."
    read, agrees = LOOKED.get(report.get("depth", FULL), LOOKED[FULL])
    if WARNING in counts:
        return f"{read}, and nothing is an error. What does not fit: {counts[WARNING]}, told below."
    return f"{read}, and {agrees}."


def _title(report: Json) -> str:
    """Return what the images are called: where some are not listed, it is told what the others are."""
    is_all = report["verdict"] in {*GOOD, UNSIGNED} or report.get("depth") == FAST
    return "Images" if is_all else "Images proven"


def _facts(
    report: Json, platforms: int, sharing: Sharing, groups: Sequence[Group]
) -> list[tuple[str, str, str]]:
    """Return the figures at the top: a title, a value, and what there is to say of it."""
    images = len(set(map(key_of, report["images"])))
    listed = sum(len(stack.layers) for stack in sharing.stacks)
    several = counted(platforms, "platform") if platforms > images else ""
    saved = f"{sharing.percent} of {size_text(sharing.listed)}"
    once = f"{listed:,} in all images" if listed > len(sharing.layers) else ""
    layers = [
        ("Layers", f"{len(sharing.layers):,}", once),
        ("Size of layers", size_text(sharing.kept), ""),
        *([("Saved by sharing", size_text(sharing.saved), saved)] if sharing.saved else []),
    ]
    signer = report.get("signature", {}).get("key_id", "")
    return [
        *([("Signed by key", signer, "")] if signer else []),
        (_title(report), f"{images:,}", several),
        *(layers if listed else []),
        ("Findings", f"{len(report['findings']):,}", summary(groups) if groups else ""),
    ]
