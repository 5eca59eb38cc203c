"""Sizes added up in passing are those of the strict walk, or none."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archives import EMPTY, Body, Folder, Link, tar
from toolkit.operations.layersizes import tar_sizes
from toolkit.plumbing.sizemeter import SizeMeter
from toolkit.plumbing.streams import opened

VECTORS = Path(__file__).parents[1] / "data" / "vectors"


def metered(raw: bytes, cut: int = 1 << 20) -> dict[str, int] | None:
    meter = SizeMeter()
    for at in range(0, len(raw), cut):
        meter(raw[at : at + cut])
    return meter.sizes()


def test_files_and_link_targets_count_and_folders_and_hard_links_do_not() -> None:
    members: dict[str, Body] = {"d": Folder(), "d/f": b"12345", "l": Link("d/f"), "h": Link("d/f", hard=True)}
    assert metered(tar(members)) == {"S3": 5 + len("d/f"), "S5": 5}
    assert metered(EMPTY) == {"S3": 0, "S5": 0}


@pytest.mark.parametrize("cut", [1, 7, 512, 700, 1024, 10240])
def test_the_sums_do_not_depend_on_where_blocks_end(cut: int) -> None:
    raw = tar({f"f{number}": bytes(number * 100) for number in range(30)})
    assert metered(raw, cut) == metered(raw) == {"S3": 43500, "S5": 43500}


@pytest.mark.parametrize(
    "raw",
    [
        tar({"n" * 120: b"1"}),  # a PAX header
        tar({"f": b"1"})[:1024],  # no end
        tar({"f": b"1"})[:700],
        b"\x1f\x8b" + bytes(1022),
        b"x" * 2048,
        b"",
    ],
    ids=["pax", "no end", "cut", "gzip", "no tar", "nothing"],
)
def test_what_is_not_plain_is_left_to_the_strict_walk(raw: bytes) -> None:
    assert metered(raw) is None


@pytest.mark.parametrize("name", ["layer-31629fae.tar", "commit-layer-overlay2.tar"])
def test_what_docker_wrote_adds_up_as_the_strict_walk_says(name: str) -> None:
    found = metered((VECTORS / name).read_bytes())
    with opened(str(VECTORS / name), name) as content:
        assert found in (None, tar_sizes(content))


@pytest.mark.property
@given(
    st.dictionaries(
        st.text("abcdef/", min_size=1, max_size=60).map(lambda name: "x" + name), st.binary(max_size=2000)
    ),
    st.sampled_from(["ustar", "pax", "gnu"]),
)
def test_a_sum_is_the_strict_walks_or_there_is_none(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], format_: str
) -> None:
    formats = {"ustar": tarfile.USTAR_FORMAT, "pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=formats[format_]) as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    path = tmp_path_factory.mktemp("tar") / "t.tar"
    path.write_bytes(out.getvalue())
    with opened(str(path), "t") as content:
        assert metered(out.getvalue()) in (None, tar_sizes(content))
    assert metered(out.getvalue(), 333) == metered(out.getvalue())
