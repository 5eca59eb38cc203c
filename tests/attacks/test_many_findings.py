"""Archives that are wrong in very many ways at once: verify tells of it, and in little memory.

A finding once named all images of an index: 84 MB of archive made gigabytes of findings.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.archives import (
    ONE,
    TWO,
    Body,
    Picture,
    docker_item,
    encode,
    image,
    index,
    layout,
    v1_folder,
    written,
)
from toolkit.bundles import open_bundle
from toolkit.findings import MOST
from toolkit.image import FEW
from toolkit.operations.verify import verify

PLATFORMS, FOLDERS, NAMES = 1_000, 3_000, 9_000
MEMORY = 128 << 10  # KiB
RUN = """
import sys
from toolkit.cli import main
code = main(["verify", sys.argv[1]])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak.split()[1], file=sys.stderr)
"""


def platforms(count: int) -> Picture:
    return index(*(image(ONE, variant=f"v{number}") for number in range(count)))


def folders(count: int) -> dict[str, Body]:
    """V1 layers of no image."""
    found: dict[str, Body] = {"repositories": b"{}"}
    for number in range(1, count + 1):
        found |= v1_folder(f"{number:064x}", layer=ONE)
    return found


def names(count: int) -> list[str]:
    return [f"a:{number}" for number in range(count)]


def quadratic(path: Path, images: int, strays: int) -> Path:
    """As many images as an index holds, and as many v1 folders of none of them."""
    return written(path, {**layout(("a:1", platforms(images))), **folders(strays)})


def multiplied(path: Path, images: int, count: int) -> Path:
    """An index under many names, all of which manifest.json gives to another image."""
    top, other = platforms(images), image(TWO)
    files = layout(*((name, top) for name in names(count)), ("b:1", other))
    return written(path, {**files, "manifest.json": encode([docker_item(other, *names(count))])})


def peak(path: Path) -> int:
    """Verify a bundle in a process of its own; return the KiB that it needed, once it was refused."""
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    *told, last = run.stderr.splitlines()
    assert any("agreement" in line for line in told)
    return int(last)


def test_findings_do_not_name_all_images_of_an_index(tmp_path: Path) -> None:
    report = verify(open_bundle(quadratic(tmp_path / "x.tar", 50, 20)))
    texts = [each.problem for each in report.errors]
    assert len(texts) == 20
    assert all(text.count("sha256:") == FEW and "and 45 more" in text for text in texts)


def test_of_very_many_findings_of_one_kind_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    report = verify(open_bundle(multiplied(tmp_path / "x.tar", 5, MOST + 234)))
    told = [each for each in report.errors if each.check == "agreement"]
    assert len(told) == MOST + 1
    # Each name is another image, and b:1 has no name in manifest.json: 1,235 less 1,000.
    assert told[-1].problem == "has 235 more findings of the kind 'agreement'"
    assert report.verdict == "unsafe"


def test_many_images_and_many_folders_of_none_take_little_memory(tmp_path: Path) -> None:
    assert peak(quadratic(tmp_path / "x.tar", PLATFORMS, FOLDERS)) < MEMORY


def test_many_names_that_are_other_images_take_little_memory(tmp_path: Path) -> None:
    assert peak(multiplied(tmp_path / "x.tar", PLATFORMS, NAMES)) < MEMORY
