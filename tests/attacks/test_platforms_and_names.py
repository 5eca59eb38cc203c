"""Indexes of many platforms under many names: what is read of a file grows with it, and not with the product.

A legal file of half a megabyte, 200 platforms under 200 names, once took verify and import minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.archives import (
    Body,
    docker_item,
    encode,
    image,
    index,
    layout,
    rewritten,
    sha256,
    tar,
    v1_folder,
    written,
)
from toolkit import document
from toolkit.bundles import create_bundle, open_bundle
from toolkit.document import values_in
from toolkit.operations.copy import copy
from toolkit.operations.recompress import recompressed
from toolkit.operations.verify import verify
from toolkit.ports import Source
from toolkit.stores.layout import LayoutStore

LAYER = tar({"one": b"1"})
PLATFORMS = 20
FEW, MANY = 3, 60  # names
IDS = [f"{number:064x}" for number in range(1, PLATFORMS + 1)]


def names(count: int) -> list[str]:
    return [f"a:{number}" for number in range(count)]


def oci(count: int) -> dict[str, Body]:
    """One index of many platforms, under so many names."""
    top = index(*(image(LAYER, variant=f"v{number}") for number in range(PLATFORMS)))
    return {**layout(*((name, top) for name in names(count)))}


def docker(count: int) -> dict[str, Body]:
    """One item of manifest.json with so many names."""
    one = image(LAYER)
    config, member = f"{sha256(one.config)[7:]}.json", "l.tar"
    item = {**docker_item(one, *names(count)), "Config": config, "Layers": [member]}
    return {config: one.config, member: LAYER, "manifest.json": encode([item])}


def legacy(count: int) -> dict[str, Body]:
    """A chain of many v1 layers whose top has so many names."""
    files: dict[str, Body] = {}
    for parent, id_ in zip(["", *IDS], IDS, strict=False):
        files |= v1_folder(id_, parent, LAYER)
    tags = {name.partition(":")[2]: IDS[-1] for name in names(count)}
    return {**files, "repositories": encode({"a": tags})}


def verified(source: Source, folder: Path) -> None:
    del folder
    report = verify(source)
    assert report.ok
    assert len(report.images) == 1


def carried(source: Source, folder: Path) -> None:
    (line,) = source.listings()
    (proven,) = copy(source, create_bundle(folder / "new.tar"), line.names)
    assert set(proven.names) == set(line.names)


def packed(source: Source, folder: Path) -> None:
    with recompressed(source, "gzip") as new:
        carried(new, folder)


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Yield the documents that are parsed, or weighed before, one entry each time."""
    seen: list[bytes] = []

    def count(raw: bytes) -> int:
        seen.append(raw)
        return values_in(raw)

    with patch.context() as patched:
        patched.setattr(document, "values_in", count)
        yield seen


@pytest.mark.parametrize("verb", [verified, carried, packed])
@pytest.mark.parametrize("files", [oci, docker, legacy])
def test_a_document_is_parsed_as_often_for_many_names_as_for_few(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: Callable[[int], dict[str, Body]],
    verb: Callable[[Source, Path], None],
) -> None:
    parsed = []
    for count in (FEW, MANY):
        source = open_bundle(written(tmp_path / f"{count}.tar", files(count)))
        (folder := tmp_path / str(count)).mkdir()
        with counted(monkeypatch) as found:
            verb(source, folder)
        parsed.append(len(found))
    assert parsed[0] == parsed[1] > 0


def test_a_layout_reads_an_image_once_for_all_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    for count in (FEW, MANY):
        store = LayoutStore(tmp_path / f"oci{count}")
        copy(open_bundle(written(tmp_path / f"{count}.tar", oci(count))), store, names(count))
        with counted(monkeypatch) as found:
            verified(store, tmp_path)
        parsed.append(len(found))
    assert parsed[0] == parsed[1] > 0


def test_twelve_thousand_names_are_told_of_one_image(tmp_path: Path) -> None:
    """Each of them read anew, with all that it points at, this took longer than anybody waits."""
    wanted = names(12_000)
    one = index(*(image(LAYER, variant=f"v{number}") for number in range(200)))
    source = open_bundle(written(tmp_path / "x.tar", layout(*((name, one) for name in wanted))))
    report = verify(source)
    assert [set(each.names) for each in report.images] == [set(wanted)]
    assert report.ok


def test_several_images_for_one_platform_are_told_and_which_of_them_engines_take(tmp_path: Path) -> None:
    """Podman 4.3.1, skopeo 1.9.3 and containerd 1.6.20 take the first that the index lists."""
    one, two, other = image(LAYER), image(LAYER, author="b"), image(LAYER, architecture="arm64")
    path = written(tmp_path / "x.tar", layout(("a:1", index(one, other, two))))
    (finding,) = verify(open_bundle(path), strict=True).findings
    assert (finding.severity, finding.check) == ("note", "platform")
    assert (
        f"has 2 images for linux/amd64; podman, skopeo and containerd take the first, {sha256(one.config)}"
        in finding.problem
    )


def test_images_of_several_windows_versions_or_of_one_config_are_no_riddle(tmp_path: Path) -> None:
    versions = [image(LAYER, **{"os.version": f"10.0.{number}"}) for number in range(3)]
    again = rewritten(versions[0], lambda value: value.update(annotations={"compression": "zstd"}))
    path = written(tmp_path / "x.tar", layout(("a:1", index(*versions, again))))
    assert verify(open_bundle(path)).findings == ()
