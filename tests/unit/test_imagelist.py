from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, A, encode, image, index, sha256
from tests.storages import Storage
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, Mismatch, MissingMember, NotFound, UnsafeArchive, Unsupported
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containers_storage.imagelist import ImageList, ImageRecord

APP = image(ONE, TWO)
APP_ID = Digest.parse(sha256(APP.config))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path, "vfs")
    storage.add(APP, "localhost/app:1", "quay.io/app:2")
    return storage


def images(storage: Storage) -> ImageList:
    return ImageList(FolderFiles(storage.root), "vfs")


def stored(storage: Storage, raw: bytes) -> tuple[ImageList, ImageRecord]:
    """Put another manifest in place, and its digest into the record."""
    storage.data(APP_ID.hex, "manifest").write_bytes(raw)
    storage.images[0]["big-data-digests"]["manifest"] = sha256(raw)
    storage.write()
    return images(storage), images(storage).record(APP_ID)


def test_names_and_documents_of_an_image(storage: Storage) -> None:
    found = images(storage)
    assert list(found.names()) == [("localhost/app:1", str(APP_ID)), ("quay.io/app:2", str(APP_ID))]
    assert list(found.ids()) == [str(APP_ID)]
    record = found.record(APP_ID)
    assert record.layer == storage.layers[-1]["id"]
    assert found.config(record).raw == APP.config
    manifest = found.manifest(record)
    assert manifest
    assert manifest.raw == APP.raw


def test_an_image_that_is_not_there_is_not_found(storage: Storage) -> None:
    with pytest.raises(NotFound, match=r"is not in .*images\.json"):
        images(storage).record(Digest("sha256", A))


@pytest.mark.parametrize("raw", [b"[]", b"null", b'[{"id":5}]', b'[{"Id":"x"}]'])
def test_a_list_without_any_image_whose_folders_are_there_has_lost_them(storage: Storage, raw: bytes) -> None:
    (storage.root / "vfs-images/images.json").write_bytes(raw)
    found = images(storage)
    lost = found.lost()
    assert lost
    assert lost.problem == "lists no image, though folders of images are there"
    assert list(found.ids()) == [str(APP_ID)]
    assert found.config(found.record(APP_ID)).raw == APP.config


def test_an_image_pulled_in_parts_has_another_id_and_the_config_of_its_manifest(storage: Storage) -> None:
    storage.data(APP_ID.hex, "manifest").parent.rename(storage.data(A, "manifest").parent)
    storage.images[0]["id"] = A
    storage.write()
    assert images(storage).config(images(storage).record(Digest("sha256", A))).raw == APP.config


def test_an_image_without_a_config_is_unsupported(storage: Storage) -> None:
    storage.images[0]["big-data-names"].remove(str(APP_ID))
    found, record = stored(storage, encode({"schemaVersion": 1, "fsLayers": []}))
    assert found.manifest(record) is None
    with pytest.raises(Unsupported, match="has no config, as images pulled by a Docker schema 1 manifest"):
        found.config(record)


@pytest.mark.parametrize(
    ("raw", "kind", "sentence"),
    [
        (index(APP).raw, Unsupported, "is a list of manifests, whose images are stored each by itself"),
        (encode({"schemaVersion": 2, "manifests": None}), Unsupported, "is a list of manifests"),
        (
            encode({"mediaType": "text/plain"}),
            Unsupported,
            "is text/plain, expected the manifest of an image",
        ),
        (encode({"manifests": [], "config": {}, "schemaVersion": 2}), UnsafeArchive, "two readers"),
        (b"{", InvalidDocument, "its manifest: is not valid JSON"),
        (image(ONE).raw, Mismatch, "its manifest: config is sha256"),
    ],
)
def test_a_manifest_that_is_not_this_images_is_one_sentence(
    storage: Storage, raw: bytes, kind: type[Exception], sentence: str
) -> None:
    found, record = stored(storage, raw)
    with pytest.raises(kind, match=sentence):
        found.config(record)


COPY = f"manifest-{APP.digest}"


@pytest.mark.parametrize("raw", [None, b"", APP.raw + b" "], ids=["removed", "empty", "changed"])
def test_the_copy_of_a_damaged_manifest_serves_for_it(storage: Storage, raw: bytes | None) -> None:
    path = storage.data(APP_ID.hex, "manifest")
    path.unlink() if raw is None else path.write_bytes(raw)
    found = images(storage)
    record = found.record(APP_ID)
    manifest = found.manifest(record)
    assert manifest
    assert manifest.raw == APP.raw
    assert found.config(record).raw == APP.config
    assert isinstance(found.damage(record), MissingMember if raw is None else Mismatch)


@pytest.mark.parametrize("raw", [None, b""], ids=["removed", "empty"])
def test_the_copy_serves_where_the_list_of_images_is_lost_too(storage: Storage, raw: bytes | None) -> None:
    path = storage.data(APP_ID.hex, "manifest")
    path.unlink() if raw is None else path.write_bytes(raw)
    storage.images_json.unlink()
    found = images(storage)
    manifest = found.manifest(found.record(APP_ID))
    assert manifest
    assert manifest.raw == APP.raw


def test_a_digest_that_is_none_names_no_copy(storage: Storage) -> None:
    storage.images[0]["big-data-digests"] = {"manifest": "5"}
    storage.images[0]["big-data-names"].append("manifest-5")
    storage.data(APP_ID.hex, "manifest").with_name("manifest-5").write_bytes(APP.raw)
    storage.write()
    found = images(storage)
    with pytest.raises(Mismatch, match=r"/manifest.*it was changed"):
        found.manifest(found.record(APP_ID))


def test_a_copy_that_was_changed_too_does_not_serve(storage: Storage) -> None:
    for key in ("manifest", COPY):
        storage.data(APP_ID.hex, key).write_bytes(APP.raw + b" ")
    found = images(storage)
    with pytest.raises(Mismatch, match=r"/manifest.*it was changed"):
        found.manifest(found.record(APP_ID))


def test_a_whole_manifest_has_no_damage(storage: Storage) -> None:
    found = images(storage)
    assert found.damage(found.record(APP_ID)) is None


@pytest.mark.parametrize("key", ["manifest", str(APP_ID)])
def test_a_document_counts_only_with_its_digest(storage: Storage, key: str) -> None:
    storage.data(APP_ID.hex, COPY).unlink()
    found = images(storage)
    record = found.record(APP_ID)
    path = storage.data(APP_ID.hex, key)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(Mismatch, match=r"digest is .*it was changed"):
        found.config(record)
    path.unlink()
    with pytest.raises(MissingMember, match="is not there"):
        found.config(record)


def test_a_document_without_bounds_is_not_read(storage: Storage) -> None:
    with storage.data(APP_ID.hex, "manifest").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnsafeArchive, match="expected at most"):
        images(storage).config(images(storage).record(APP_ID))
