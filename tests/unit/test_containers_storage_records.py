"""What is particular to podman's records; whole roots are in test_containers_storage_store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, A, image, sha256
from tests.storages import Storage
from toolkit.bundles.modern import blob_name
from toolkit.digest import Digest
from toolkit.model import Config
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containers_storage.layerlist import DRIVERS
from toolkit.stores.containers_storage.records import Regenerated, StorageRecords

HISTORY = [{"created_by": f"RUN {number}"} for number in range(3)]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path, "vfs")


def records(storage: Storage) -> StorageRecords:
    return StorageRecords(FolderFiles(storage.root), DRIVERS["vfs"])


def test_an_image_is_intermediate_where_anothers_history_and_layers_go_on_from_its_own(
    storage: Storage,
) -> None:
    label = {"created_by": "LABEL a=b", "empty_layer": True}
    storage.add(image(ONE, TWO, history=[*HISTORY[:2], label]), "localhost/app:1")
    below = storage.add(image(ONE, history=HISTORY[:1]))
    before = storage.add(image(ONE, TWO, history=HISTORY[:2]))
    storage.add(image(ONE, TWO, history=[*HISTORY[:2], label, label]))  # from app:1, and nothing from it
    storage.add(image(TWO, history=HISTORY[:1]))
    assert records(storage).intermediate() == {below, before}


@pytest.mark.parametrize("history", [[], [HISTORY[1]], HISTORY[:2]], ids=["none", "another", "too long"])
def test_the_same_base_layer_makes_no_image_intermediate(
    storage: Storage, history: list[dict[str, str]]
) -> None:
    storage.add(image(ONE, TWO, history=HISTORY[:2]), "localhost/app:1")
    storage.add(image(ONE, history=history))
    assert records(storage).intermediate() == set()


def test_a_name_is_enough_to_be_listed(storage: Storage) -> None:
    storage.add(image(ONE), "localhost/base:1")
    storage.add(image(ONE, TWO), "localhost/app:1")
    assert records(storage).intermediate() == set()


def test_records_that_cannot_be_read_hide_nothing(storage: Storage) -> None:
    storage.add(image(ONE, history=HISTORY[:1]))
    storage.add(image(ONE, TWO, history=HISTORY[:2]), "localhost/app:1")
    storage.images[0]["layer"] = 5
    storage.write()
    assert records(storage).intermediate() == set()


def test_a_layer_is_found_by_its_key(storage: Storage) -> None:
    storage.add(image(ONE, TWO), "localhost/app:1")
    found = records(storage)
    for key in (sha256(TWO), f"rebuilt-{storage.layers[1]['id']}"):
        stored = found.layer(key)
        assert stored
        assert stored.id == storage.layers[1]["id"]
    for key in ("", A, "rebuilt-../../etc", sha256(b"none")):
        assert found.layer(key) is None


def test_the_blobs_of_an_image_are_documents_and_sizes() -> None:
    document, layer, none = (Digest.parse(sha256(text)) for text in (b"{}", b"layer", b"none"))
    blobs = Regenerated({document: b"{}"}, {layer: 5})
    assert (blobs.size(document), blobs.size(layer), blobs.size(none)) == (2, 5, None)
    assert blobs.read(blob_name(document), 10) == b"{}"
    assert blobs.read(blob_name(layer), 10) is None


def test_the_histories_of_thousands_on_one_layer_are_read_twice_each(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [storage.add(image(ONE, history=HISTORY[:1], author=str(number))) for number in range(20)]
    longer = storage.add(image(ONE, TWO, history=HISTORY[:2]))
    found = records(storage)
    asked: list[Digest] = []
    config = StorageRecords.config

    def counted(self: StorageRecords, image_id: Digest) -> Config:
        asked.append(image_id)
        return config(self, image_id)

    monkeypatch.setattr(StorageRecords, "config", counted)
    assert found.intermediate() == set(ids)
    assert longer not in ids
    assert len(asked) == 2 * 21
