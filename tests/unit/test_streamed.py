"""A bundle into a pipe: whole, or nothing at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, layout, tar, written
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.bundles.streamed import Streamed
from toolkit.errors import StoreError
from toolkit.operations.copy import copy
from toolkit.plumbing.files import write_all
from toolkit.ports import Source

FORMAT_NAMES = [format_.name for format_ in FORMATS if format_.members_of]
LARGE = tar({"zeros": bytes(5 << 20)})  # more than any pipe takes at once


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_bundle(written(tmp_path / "in.tar", layout(("app:1", image(ONE, TWO, LARGE)))))


@contextmanager
def received(found: list[bytes]) -> Iterator[int]:
    """The end of a pipe to write to; what comes out of it is added to `found`."""
    reader, writer = os.pipe()

    def receive() -> None:
        with open(reader, "rb") as stream:
            found.append(stream.read())

    receiver = threading.Thread(target=receive)
    receiver.start()
    try:
        yield writer
    finally:
        os.close(writer)
        receiver.join()


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
@pytest.mark.parametrize("is_blocking", [True, False])
def test_the_bytes_are_those_of_a_file(
    source: Source, tmp_path: Path, format_name: str, *, is_blocking: bool
) -> None:
    (tmp_path / "out").mkdir()
    copy(source, create_bundle(tmp_path / "b.tar", format_name), ["app:1"])
    found: list[bytes] = []
    with received(found) as pipe:
        os.set_blocking(pipe, is_blocking)
        sent = Streamed(pipe, "standard output")
        copy(source, create_bundle(tmp_path / "out" / "x", format_name, sent), ["app:1"])
    assert found == [(tmp_path / "b.tar").read_bytes()]
    assert sent.size == len(found[0])
    assert os.listdir(tmp_path / "out") == []


def test_nothing_is_sent_of_what_failed(tmp_path: Path) -> None:
    found: list[bytes] = []
    with (  # noqa: PT012 - it is the block that is left
        received(found) as pipe,
        pytest.raises(ZeroDivisionError),
        Streamed(pipe, "standard output")(tmp_path / "x") as handle,
    ):
        write_all(handle, ONE)
        _ = 1 // 0
    assert found == [b""]
    assert os.listdir(tmp_path) == []


def test_a_bundle_that_was_not_finished_is_not_sent(source: Source, tmp_path: Path) -> None:
    found: list[bytes] = []
    with received(found) as pipe:
        sink = create_bundle(tmp_path / "x", target=Streamed(pipe, "standard output"))
        with (
            pytest.raises(StoreError, match="was left before it was finished"),
            sink.receive([source.image("app:1")], {}),
        ):
            pass
    assert found == [b""]


def test_a_reader_that_has_gone_is_told_as_such(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), Streamed(writer, "standard output")(tmp_path / "x") as handle:
        write_all(handle, ONE)
    os.close(writer)


def test_a_full_disk_behind_it_is_one_sentence(tmp_path: Path) -> None:
    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(StoreError, match=r"^standard output: no space left on device$"),
        Streamed(full.fileno(), "standard output")(tmp_path / "x") as handle,
    ):
        write_all(handle, ONE)
