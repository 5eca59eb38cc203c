from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.archives import INDEX, ONE, TWO, Picture, encode, image, index, sha256
from tests.registries import BASE, SIGNED, TOP, schema1, signed, three_layers
from tests.webregistry import MemoryRegistry, client_of
from tests.webs import Reply
from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember, NotFound, UnsafeArchive
from toolkit.historic import HistoricImage
from toolkit.platform import Platform
from toolkit.stores.registry.client import Client
from toolkit.stores.registry.documents import Documents, Large, blob_size

APP = image(ONE, TWO)
BOTH = index(APP, image(ONE, architecture="arm64"))


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web.push("app:1", APP).push("app:both", BOTH)


@pytest.fixture
def client(web: MemoryRegistry) -> Iterator[Client]:
    with ExitStack() as stack:
        client = client_of(web)
        stack.callback(client.close)
        yield client


def read(client: Client, what: str, platform: Platform | None = None) -> ModernImage | HistoricImage:
    documents = Documents(client, "app")
    return documents.image(("app:x",), documents.top(what), platform)


def test_an_image_is_read_without_a_question_for_each_layer(client: Client, web: MemoryRegistry) -> None:
    found = read(client, "1")
    assert [str(layer.digest) for layer in found.layers] == APP.layers
    assert [layer.size for layer in found.layers] == [len(ONE), len(TWO)]
    assert web.targets() == ["/v2/app/manifests/1", f"/v2/app/blobs/{sha256(APP.config)}"]
    assert "vnd.oci.image.index.v1+json" in web.asked[0].headers["accept"]


@pytest.mark.parametrize("what", ["both", BOTH.digest])
def test_an_index_is_read_whole_or_by_platform(client: Client, what: str) -> None:
    whole = read(client, what)
    assert isinstance(whole, ModernImage)
    assert len(whole.offered.images()) == 2
    arm = read(client, what, Platform("linux", "arm64"))
    assert isinstance(arm, ModernImage)
    assert [str(layer.digest) for layer in arm.layers] == [sha256(ONE)]
    with pytest.raises(NotFound, match="linux/amd64, linux/arm64"):
        read(client, what, Platform("linux", "s390x"))


def test_a_platform_that_the_registry_does_not_have_is_told(client: Client, web: MemoryRegistry) -> None:
    arm = image(ONE, architecture="arm64")
    del web.manifests["app", arm.digest]
    found = read(client, "both")
    assert [finding.problem for finding in found.findings] == [
        "is incomplete: the index names it for linux/arm64, and it is not there"
    ]
    del web.manifests["app", APP.digest]
    with pytest.raises(MissingMember):
        read(client, "both")


def test_a_lying_digest_is_not_believed(client: Client, web: MemoryRegistry) -> None:
    lie = {"Docker-Content-Digest": sha256(b"another")}
    web.odd = lambda asked: Reply(200, APP.raw, lie) if "manifests" in asked.path else None
    assert str(Documents(client, "app").top("1").digest) == APP.digest
    with pytest.raises(Mismatch, match="digest"):
        Documents(client, "app").top(BOTH.digest)
    with pytest.raises(Mismatch, match="digest"):
        Documents(client, "app").top(lie["Docker-Content-Digest"])


def test_wrong_bytes_in_place_of_a_document_are_caught(client: Client, web: MemoryRegistry) -> None:
    web.blobs["app", sha256(APP.config)] = APP.config[:-1] + b" "
    with pytest.raises(Mismatch, match="digest"):
        read(client, "1")
    web.manifests["app", APP.digest] = ("", APP.raw[:-1] + b" ")
    with pytest.raises(Mismatch, match="digest"):
        read(client, "both")


def test_a_document_is_read_no_further_than_its_descriptor_says(client: Client, web: MemoryRegistry) -> None:
    web.odd = lambda asked: Reply(200, b" " * 4096, endless=True) if "blobs" in asked.path else None
    with pytest.raises(Mismatch, match=f"size is more than {len(APP.config)}, expected {len(APP.config)}"):
        read(client, "1")
    assert web.sent < 64 << 20


def test_a_manifest_above_its_bound_is_refused(client: Client, web: MemoryRegistry) -> None:
    web.odd = lambda _: Reply(200, b"{" + b" " * (5 << 20) + b"}")
    with pytest.raises(UnsafeArchive, match="more than 4194304 bytes"):
        read(client, "1")


def test_documents_have_a_bound_together(client: Client, web: MemoryRegistry) -> None:
    children = [
        Picture(
            encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "n": n}) + b" " * (3 << 20),
            INDEX,
        )
        for n in range(12)
    ]
    for child in children:
        child.blobs[child.digest] = child.raw
    web.push("app:many", index(*children))
    with pytest.raises(UnsafeArchive, match="bytes of documents"):
        read(client, "many")


@pytest.mark.parametrize("body", [b"<html>not here</html>", b"[]", b"", b'{"schemaVersion":2}'])
def test_what_is_no_manifest_is_refused(client: Client, web: MemoryRegistry, body: bytes) -> None:
    web.odd = lambda _: Reply(200, body)
    with pytest.raises(CorruptContent):
        read(client, "1")


def test_what_could_be_two_things_is_refused(client: Client, web: MemoryRegistry) -> None:
    confused = APP.raw[:-1] + b',"manifests":[]}'
    web.odd = lambda asked: Reply(200, confused) if "manifests" in asked.path else None
    with pytest.raises(UnsafeArchive, match="two readers"):
        read(client, "1")


def test_a_manifest_of_schema_1_is_its_payload(client: Client, web: MemoryRegistry) -> None:
    payload = schema1(three_layers(thrown_away=True))
    raw, digest = signed(payload), sha256(payload)
    web.blobs |= {("app", sha256(layer)): layer for layer in (BASE, TOP)}
    web.manifests |= {("app", digest): (SIGNED, raw)}
    told = {"Docker-Content-Digest": digest}
    web.odd = lambda asked: Reply(200, raw, told) if asked.path.endswith("manifests/old") else None
    for what in ("old", digest):
        found = read(client, what)
        assert isinstance(found, HistoricImage)
        assert str(found.schema1.digest) == digest
        assert [layer.size for layer in found.layers] == [len(BASE), len(TOP)]
        assert all(layer.media_type.endswith("gzip") for layer in found.layers)
    told["Docker-Content-Digest"] = sha256(b"a lie")
    found = read(client, "old")
    assert isinstance(found, HistoricImage)
    assert str(found.schema1.digest) == sha256(raw)
    del web.blobs["app", sha256(TOP)]
    with pytest.raises(MissingMember):
        read(client, digest)


def test_the_size_of_a_blob_is_asked_for(client: Client, web: MemoryRegistry) -> None:
    assert blob_size(client, "app", Digest.of(ONE)) == len(ONE)
    assert blob_size(client, "app", Digest.of(b"none")) is None
    assert {asked.method for asked in web.asked} == {"HEAD"}
    assert Documents(client, "app").size(Digest.of(TWO)) == len(TWO)
    assert Documents(client, "app").read(f"blobs/sha256/{'0' * 64}", 10) is None


def test_of_several_images_one_at_a_time_has_many_documents(client: Client, web: MemoryRegistry) -> None:
    web.push("app:large", image(author="x" * (2 << 20)))
    lock = threading.Lock()
    with Large(lock) as large:
        for name, is_large in (("1", False), ("large", True)):
            documents = Documents(client, "app", large)
            documents.image((), documents.top(name))
            assert lock.locked() is is_large
    assert not lock.locked()
