"""A bundle that nobody holds any more is closed, also where nobody said so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.bundles.rootfs import Rootfs
from toolkit.operations.copy import copy
from toolkit.platform import Platform
from toolkit.ports import Closes, Source

TAG = "ubuntu:14.04"


def is_held(path: Path) -> bool:
    """Whether this process has the file open."""
    facts = path.stat()
    held = (Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd"))
    return any(
        (there.stat().st_dev, there.stat().st_ino) == (facts.st_dev, facts.st_ino)
        for there in held
        if there.exists()
    )


@pytest.fixture(params=[format_.name for format_ in FORMATS if format_.members_of])
def bundle(request: pytest.FixtureRequest, sample: Source, tmp_path: Path) -> Path:
    path = tmp_path / "x.tar"
    copy(sample, create_bundle(path, request.param), [TAG])
    return path


def test_a_bundle_that_was_read_and_dropped_is_closed(bundle: Path) -> None:
    source = open_bundle(bundle)
    image = source.image(TAG)
    with source.open(image.layers[0]) as content:
        assert any(content.blocks())
    assert is_held(bundle)
    del source
    assert not is_held(bundle)
    assert image.layers  # its facts are there without it


def test_a_layer_that_is_still_read_holds_its_bundle(bundle: Path) -> None:
    source = open_bundle(bundle)
    reading = source.open(source.image(TAG).layers[0])
    with reading as content:
        del source
        assert is_held(bundle)
        assert any(content.blocks())
    del reading
    assert not is_held(bundle)


def test_a_tar_of_a_root_file_system_that_was_dropped_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(bytes(10240))
    source = Rootfs(path, [TAG], Platform.parse("linux/amd64"))
    assert is_held(path)
    del source
    assert not is_held(path)


def test_closing_twice_closes_nothing_else(bundle: Path, tmp_path: Path) -> None:
    source = open_bundle(bundle)
    assert isinstance(source, Closes)
    source.close()
    with open(tmp_path / "another", "w") as another:
        source.close()
        del source
        another.write("still open")
