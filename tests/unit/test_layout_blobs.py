from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.bundles.layout_members import OCI_LAYOUT
from toolkit.errors import NotFound, ToolkitError
from toolkit.stores.folder_blobs import FolderBlobs
from toolkit.stores.layout_blobs import Existing, Whole
from toolkit.stores.layout_index import EMPTY


def blobs(path: Path) -> Existing:
    return Existing(FolderBlobs(path), path)


def test_a_folder_that_is_not_there_and_one_that_is_no_layout_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"oci:.*gone: is not there"):
        blobs(tmp_path / "gone").read("index.json", 100)
    (tmp_path / "a file").touch()
    with pytest.raises(ToolkitError, match="is no"):
        blobs(tmp_path).read("index.json", 100)
    assert blobs(tmp_path).read("another", 100) is None


def test_a_layout_whose_first_delivery_has_not_ended_is_empty(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").write_bytes(OCI_LAYOUT)
    assert blobs(tmp_path).read("index.json", 100) == EMPTY


def test_bytes_in_memory_are_one_block() -> None:
    content = Whole(b"bytes")
    assert (content.size, list(content.blocks())) == (5, [b"bytes"])
