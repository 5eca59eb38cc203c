"""Every file that an engine wrote, in every format we write: read again in full, and what it still is.

A cell tells the image (its ID stays, or becomes another), the platforms (those there, of those there were)
and the manifest (its digest is kept, lost, or was made by us as the source has none). Then the bundles of
others, which are only read; then what the engines here make of three files in every format.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.integration.cargo import Cargo, expected, shown
from tests.integration.engines import Containerd, Dockerd, Podman, Skopeo, Umoci
from tests.integration.loading import held, says
from tests.integration.loading import short as usual
from tests.integration.workplace import EngineRefused, Workplace
from tests.stores.facts import DIFF_IDS, IMAGE_ID
from toolkit.bundles import FORMATS, create_bundle, named, open_bundle
from toolkit.cli.output import aligned
from toolkit.errors import ToolkitError
from toolkit.image import Finding, ProvenImage
from toolkit.mediatype import OCI_MANIFEST
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import Source

NAMES = [format_.name for format_ in FORMATS]
OCI_ID = "sha256:b5d838c84eee7169c108fbba66e3bc9f7fa7dd8fac5f5779aec46182a2577d77"  # skopeo's own config
ARM_ID = "sha256:2e01746e5e2ec251cde8fb509034f571c4fbb6f4e256118e2743b1f5797c88ab"
FILES = {  # what the engine that wrote it says: the image ID of each platform
    "crane-legacy.tar": {"linux/amd64": IMAGE_ID},
    "crane-oci-layout-multiarch.tar": {"linux/amd64": IMAGE_ID, "linux/arm64/v8": ARM_ID},
    "crane.tar": {"linux/amd64": IMAGE_ID},
    "docker-1.9.1.tar": {"linux/amd64": IMAGE_ID},
    "docker-20.10.tar": {"linux/amd64": IMAGE_ID},
    "docker-29-containerd.tar": {"linux/amd64": IMAGE_ID},
    "docker-29-overlay2.tar": {"linux/amd64": IMAGE_ID},
    "podman-docker-archive.tar": {"linux/amd64": IMAGE_ID},
    "podman-oci-archive.tar": {"linux/amd64": OCI_ID},
    "skopeo-dir.tar": {"linux/amd64": IMAGE_ID},
    "skopeo-docker-archive.tar": {"linux/amd64": IMAGE_ID},
    "skopeo-oci-archive.tar": {"linux/amd64": OCI_ID},
}
DIFFS = tuple(f"sha256:{digest}" for digest in DIFF_IDS)  # the same in all of them
KEEPS_MANIFESTS = {"universal", "docker", "oci", "dir"}
RESAVED = ("docker-20.10.tar", "docker-29-containerd.tar", "docker-29-overlay2.tar")  # of the same image
IN_ENGINES = ("docker-20.10.tar", "docker-29-containerd.tar", "crane.tar", "skopeo-oci-archive.tar")
LAYOUTS = {"universal", "docker", "oci"}  # what umoci can be given
NO_IMAGES = {"ggcr-null_manifest.tar": "is a JSON null, expected a list"}  # of others, and why

Facts = dict[str, tuple[str, tuple[str, ...]]]  # platform → image ID, diffIDs


class Wrong(Exception):
    """A cell is not what it must be."""


@dataclass(frozen=True)
class Carried:
    """One file in one format."""

    before: ProvenImage
    findings: tuple[Finding, ...]  # of the copy
    after: ProvenImage
    has_manifests: bool  # the source

    def cell(self, format_name: str) -> str:
        """Check everything, and tell it in three words."""
        before, after = facts(self.before), facts(self.after)
        lost = sorted(before.keys() - after.keys())
        if lost:
            must(format_name not in KEEPS_MANIFESTS, f"lost {lost}")
            must(all(self.told(platform) for platform in lost), f"does not say that it loses {lost}")
        same_image = all(before[platform] == after[platform] for platform in after)
        for platform in after:
            must(after[platform][1] == before[platform][1], "other diffIDs")
        if not same_image:
            ((image_id, _),) = after.values()
            must(
                format_name == "docker-v1" and self.told(image_id), f"image ID {image_id}, and nobody says so"
            )
        return f"{'same' if same_image else image_id[7:19]} {len(after)}/{len(before)} {self.manifest(format_name)}"

    def manifest(self, format_name: str) -> str:
        """Tell how the digest fared that the name points at."""
        kept = self.before.top == self.after.top
        must(kept or format_name not in KEEPS_MANIFESTS, "another manifest")
        if not self.has_manifests:
            return "made"
        must(kept or self.told(str(self.before.top.digest)), "does not say that it loses the manifest")
        return "kept" if kept else "lost"

    def told(self, what: str) -> bool:
        """Tell whether a finding of the copy says it."""
        return any(what in finding.problem for finding in self.findings)


def must(holds: object, otherwise: str) -> None:
    """Raise where it does not hold."""
    if not holds:
        raise Wrong(otherwise)


def facts(proven: ProvenImage) -> Facts:
    """Return what an image is, platform by platform."""
    return {
        str(image.config.platform): (str(image.config.image_id), tuple(map(str, image.config.diff_ids)))
        for image in proven.images()
    }


def asked(source: Source) -> list[str]:
    """Return what to ask for all images by."""
    return [name for line in source.listings() for name in line.names or (line.id,)]


def carried(file: Path, format_name: str, bundle: Path) -> str:
    """Write one file in one format, read it again, and return the cell."""
    source = open_bundle(file)
    before = copy(source, create_bundle(bundle, format_name), asked(source))
    report = verify(open_bundle(bundle))
    findings = tuple(finding for image in before for finding in image.findings)
    must(report.ok, f"{[finding.problem for finding in report.errors]}")
    new = [each.problem for each in report.findings if each.severity == "warning" and each not in findings]
    must(not new, f"warns of what the copy did not: {new}")
    must_keep_names(names_of(before), names_of(report.images), format_name, findings)
    (one,) = {image.top.digest: image for image in before}.values()
    (again,) = {image.top.digest: image for image in report.images}.values()
    return Carried(one, findings, again, format_of(source) in KEEPS_MANIFESTS).cell(format_name)


def must_keep_names(before: set[str], after: set[str], format_name: str, findings: Sequence[Finding]) -> None:
    """Raise where a name is another one, or where a dir does not say that it has none."""
    if format_name != "dir":
        must(after == before, f"has the names {after}, expected {before}")
        return
    said = " ".join(finding.subject for finding in findings)
    must(not after and all(name in said for name in before), f"does not say that it loses {before}")


def names_of(images: Iterable[ProvenImage]) -> set[str]:
    """Return all names, as they are usually written."""
    return {usual(name) for image in images for name in image.names}


def format_of(source: Source) -> str:
    """Return the name of the format that a bundle is read as."""
    return str(getattr(source, "format", ""))


def matrix(folder: Path, work: Path) -> list[str]:
    """Print the table of all files; return what is wrong in it."""
    table, wrong = [("FILE", "READ AS", *NAMES)], list[str]()
    for file in sorted(folder.glob("*.tar")):
        source = open_bundle(file)
        own = {platform: fact for image in verify(source).images for platform, fact in facts(image).items()}
        told = {platform: (image_id, DIFFS) for platform, image_id in FILES.get(file.name, {}).items()}
        if own != told:
            wrong.append(f"{file.name}: is read as {own}, expected {told}")
        cells = []
        for name in NAMES:
            try:
                cells.append(carried(file, name, work / f"{file.name}.{name}"))
            except (ToolkitError, Wrong) as error:
                cells.append("WRONG")
                wrong.append(f"{file.name} as {name}: {error}")
        table.append((file.name, format_of(source), *cells))
    print(*aligned(table), "", sep="\n", flush=True)
    return wrong


def resaved(folder: Path, work: Path) -> list[str]:
    """Hold docker-v1.2 against what Docker 20.10 saved, byte by byte."""
    saved = (folder / RESAVED[0]).read_bytes()
    wrong = [name for name in RESAVED if (work / f"{name}.docker-v1.2").read_bytes() != saved]
    if not wrong:
        print(f"{', '.join(RESAVED)} as docker-v1.2: byte for byte the {RESAVED[0]} of Docker itself\n")
    return [f"{name} as docker-v1.2 is not the file that Docker 20.10 saved" for name in wrong]


def others(folder: Path) -> list[str]:
    """Print what is read in the bundles of others; return what is wrong."""
    table, wrong = [("FILE OF OTHERS", "READ AS", "IMAGES")], []
    for file in sorted(folder.iterdir()):
        source = open_bundle(file)
        report = verify(source)
        problems = [finding.problem for finding in report.errors]
        if problems == [NO_IMAGES.get(file.name)]:
            table.append((file.name, format_of(source), f"refused: {problems[0]}"))
            continue
        images = [
            f"{', '.join(each.names) or '<none>'} {shown(each).image_id[7:19]}" for each in report.images
        ]
        table.append((file.name, format_of(source), ", ".join(images)))
        wrong += [f"{file.name}: {problem}" for problem in problems]
    print(*aligned(table), "", sep="\n", flush=True)
    return wrong


def engines(folder: Path, work: Path) -> list[str]:
    """Print what the engines here have of some files in every format; return what is wrong."""
    table, wrong = [], []
    with ExitStack() as stack:
        running = [stack.enter_context(engine()) for engine in (Dockerd, Containerd, Skopeo, Umoci)]
        for file, name in itertools.product(IN_ENGINES, NAMES):
            source = open_bundle(folder / file)
            bundle = work / f"{file}.{name}.engines"
            images = Cargo(source, asked(source)).bundle(bundle, name)
            with Podman() as podman:
                cells = [in_engine(engine, bundle, images, name) for engine in (*running, podman)]
            wrong += [f"{file} as {name}: {cell}" for cell in cells if " " in cell]
            table.append((file, name, *("WRONG" if " " in cell else cell for cell in cells)))
    head = ("FILE", "AS", *(type(engine).__name__.upper() for engine in (*running, podman)))
    print("The image ID that each engine gives; -: it is not said to load that, and refuses it")
    print(*aligned([head, *table]), sep="\n", flush=True)
    return wrong


def in_engine(engine: Workplace, bundle: Path, images: dict[str, ProvenImage], format_name: str) -> str:
    """Return the image ID that an engine reports, `-` for a refusal that was foreseen, or what is wrong."""
    who, wanted = type(engine).__name__, expected(bundle, format_name, images)
    claimed = says(named(format_name).engines.of(list(images.values())), engine)
    if isinstance(engine, Umoci):  # of which nothing is said: it reads layouts with OCI's own types
        claimed = format_name in LAYOUTS and all(
            image.top.media_type == OCI_MANIFEST for image in images.values()
        )
    try:
        found = held(engine, bundle, list(wanted))
    except EngineRefused as refusal:
        return f"{who} refuses it: {refusal}" if claimed else "-"
    if not claimed:
        return f"{who} loads it, and nobody says so"
    ids = {each.image_id[7:19] for each in found.values()}
    return ",".join(ids) if found == wanted else f"{who} has {found}, expected {wanted}"


def main() -> None:
    """All tables; the last one as root, where daemons can be started."""
    corpus = os.environ.get("CORPUS")
    if not corpus:
        sys.exit(77)
    folder = Path(corpus, "bundles")
    with tempfile.TemporaryDirectory(prefix="accept-") as work:
        wrong = matrix(folder, Path(work))
        wrong += resaved(folder, Path(work))
        wrong += others(folder / "third-party")
        if os.geteuid() == 0:
            wrong += engines(folder, Path(work))
        else:
            print("left out: the engines, which need root")
    if wrong:
        sys.exit("\n".join(wrong))


main()
