"""Report: what was carried or checked, and everything noticed, for people and machines alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from toolkit.ancestry import Layersize, V1Layer
from toolkit.checks import effect
from toolkit.digest import Digest, chain_ids
from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive
from toolkit.findings import Findings
from toolkit.image import FEW, NO_DIGESTS, Finding, Image, ProvenImage, Referrer, is_told
from toolkit.model import Descriptor

SCHEMA = 1  # of the JSON; raised when a member changes its meaning
ERROR, WARNING, NOTE = SEVERITIES = "error", "warning", "note"  # the gravest first
VERIFIED, UNPROVEN, STRUCTURE, CORRUPT, UNSAFE, UNSIGNED, UNVERIFIED = VERDICTS = (
    "verified",
    "unproven",
    "structure",
    "corrupt",
    "unsafe",
    "unsigned",
    "unverified",
)
FAST, FULL, DEEP = DEPTHS = "fast", "full", "deep"  # no layer is read, every byte, and looked into
WRONG = frozenset({CorruptContent.exit_code, UnsafeArchive.exit_code})  # what was read, not reading it
NO_IMAGES = "holds no images"


@dataclass(frozen=True, slots=True)
class Report:
    """The images, proven, and the findings. `ok` while none is an error."""

    subject: str
    images: tuple[ProvenImage, ...]
    findings: tuple[Finding, ...]
    serves: tuple[str, ...] = ()  # the engines that load a bundle; a store has none
    signature: Mapping[str, str] = field(default_factory=dict)  # of a bundle, where one was asked for
    unsigned: Finding | None = None  # the one of the findings that says why there is none
    depth: str = ""  # one of DEPTHS; empty where images were carried

    @classmethod
    def of(cls, subject: str, images: Sequence[ProvenImage], findings: Iterable[Finding] = ()) -> Report:
        """Gather what the images noticed and what else there is, each finding once."""
        found = Findings(subject)
        found += (finding for image in images for finding in image.findings)
        found += findings
        return cls(subject, tuple(images), tuple(found))

    @property
    def errors(self) -> list[Finding]:
        """Return the findings that make the content untrustworthy."""
        return [finding for finding in self.findings if finding.severity == ERROR]

    @property
    def ok(self) -> bool:
        """Tell whether no finding is an error."""
        return not self.errors

    @property
    def verdict(self) -> str:
        """Return VERIFIED; CORRUPT; UNSIGNED where the images are right, and not as somebody signed them.

        UNSAFE where no bytes are wrong, and what they are is refused. UNVERIFIED where nothing that was read
        is wrong, and not all could be read. STRUCTURE where nothing is wrong, and no layer was read, and
        UNPROVEN where nothing is recorded that layers could be compared with.
        """
        others = [each for each in self.errors if each != self.unsigned and not is_unproven(each)]
        if codes := {finding.exit_code for finding in others}:
            return CORRUPT if CorruptContent.exit_code in codes else UNSAFE if codes & WRONG else UNVERIFIED
        if self.unsigned is not None:
            return UNSIGNED
        if self.depth == FAST:
            return STRUCTURE
        return UNPROVEN if any(map(is_unproven, self.findings)) else VERIFIED

    def to_json(self) -> dict[str, Any]:
        """Return the stable form: schema, verdict, images with their layers, findings."""
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "verdict": self.verdict,
            **({"depth": self.depth} if self.depth else {}),
            **({"serves": list(self.serves)} if self.serves else {}),
            **({"signature": dict(self.signature)} if self.signature else {}),
            "images": [image_json(proven) for proven in self.images],
            "findings": [finding_json(finding, self.subject) for finding in self.findings],
        }


def is_unproven(finding: Finding) -> bool:
    """Tell what says that layers could be compared with nothing, and nothing else vouches for them."""
    return finding.problem == NO_DIGESTS and finding.severity != NOTE


def nothing_in(place: str) -> Finding:
    """Say of a place that it lists no image, as a manifest.json of `[]` does (formats H, case 11)."""
    return Finding(place, NO_IMAGES, WARNING, check="empty")


def finding_json(finding: Finding, place: str = "") -> dict[str, Any]:
    """Return one finding of a place; of its facts those that it has (docs/report.md)."""
    facts = {
        "check": finding.check,
        "fact": finding.fact,
        "expected": finding.expected,
        "found": finding.found,
        "effect": effect(finding.check, place),
        "advice": finding.advice,
    }
    told = {"severity": finding.severity, "subject": finding.subject, "problem": finding.problem}
    return told | _images_json(finding) | {member: text for member, text in facts.items() if text}


def _images_json(finding: Finding) -> dict[str, Any]:
    """Return the first of the images that a finding is of, and how many more there are."""
    more = len(finding.images) - FEW
    return {
        **({"images": list(finding.images[:FEW])} if finding.images else {}),
        **({"more_images": more} if more > 0 else {}),
    }


def error_json(error: ToolkitError) -> dict[str, Any]:
    """Return what a command that failed prints for machines."""
    facts = {"kind": type(error).__name__, "exit_code": error.exit_code, "sentence": str(error)}
    return {"schema": SCHEMA, "error": facts}


def image_json(proven: ProvenImage, *, every_platform: bool = True) -> dict[str, Any]:
    """Return one name's image, every platform of it, or the one that an engine without indexes gets."""
    images = proven.images() if every_platform else filter(None, [proven.preferred()])
    top = proven.documents.get(proven.top.digest)
    return {
        "names": list(proven.names),
        **_known("digest", proven.top.digest, top.raw if top else b""),
        "platforms": [_platform_json(image) for image in images],
        **({"referrers": list(map(_referrer_json, proven.referrers))} if proven.referrers else {}),
    }


def _referrer_json(referrer: Referrer) -> dict[str, Any]:
    return {
        "digest": str(referrer.top.digest),
        "artifact_type": referrer.top.extra.get("artifactType", ""),
        "subject": str(referrer.subject or ""),
        "tags": list(referrer.tags),
    }


def _platform_json(image: Image) -> dict[str, Any]:
    chain = chain_ids(image.config.diff_ids) if is_told(image.config.raw) else []
    stack = zip_longest(image.layers, chain)
    return {
        "platform": str(image.config.platform),
        **_known("image_id", image.config.image_id, image.config.raw),
        **_known("manifest", image.manifest.descriptor.digest, image.manifest.raw),
        "layers": [_layer_json(layer, diff_id, chain_id) for (layer, diff_id), chain_id in stack],
    }


def _known(member: str, digest: Digest, raw: bytes = b"") -> dict[str, str]:
    """Return a digest, or nothing where it is not known before a layer is read."""
    return {member: str(digest)} if is_told(raw or str(digest).encode()) else {}


def _layer_json(layer: Descriptor, diff_id: Digest, chain_id: Digest | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        **_known("digest", layer.digest),
        "size": layer.size,
        **_known("diff_id", diff_id),
        **({"chain_id": str(chain_id)} if chain_id else {}),
    }
    v1 = V1Layer.from_annotations(layer.annotations, "")
    if v1 is None:
        return facts
    return {
        **facts,
        "v1_id": v1.id,
        "layersize": _layersize_json(v1.layersize),
        "proof": v1.proof,
    }


def _layersize_json(size: Layersize) -> dict[str, str] | None:
    if size.text is None:
        return None
    return {"recorded": size.text, "driver": size.driver, "rule": size.rule}
