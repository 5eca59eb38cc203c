from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.archives import (
    CONFIG,
    INDEX,
    MANIFEST,
    NOTHING,
    ONE,
    TWO,
    artifact,
    described,
    encode,
    image,
    index,
    sha256,
    signature,
)
from tests.webregistry import MemoryRegistry, client_of, refers_to, refusal, store_of
from tests.webs import Asked, Reply
from toolkit.bundles.modern import ModernImage
from toolkit.digest import Digest
from toolkit.errors import Mismatch, RegistryError
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy
from toolkit.platform import Platform
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.referrers import RepositoryReferrers
from toolkit.stores.registry.store import RegistryStore

APP = image(ONE)
ARM = image(TWO, architecture="arm64")
MULTI = index(APP, ARM)
SBOM = artifact(APP, b"sbom")
SIGNED_SBOM = artifact(SBOM, b"signature of the sbom", "application/vnd.example.signature")
OF_INDEX = artifact(MULTI, b"of the index")
OF_ARM = artifact(ARM, b"of arm")
TAG, SIGNED = signature(APP)
ALL = sorted(one.digest for one in (SBOM, SIGNED_SBOM, OF_INDEX, OF_ARM, SIGNED))

Opened = Callable[..., RegistryStore]


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        web.push("app:1", MULTI).push(f"app:{TAG}", SIGNED)
        for one in (SBOM, SIGNED_SBOM, OF_INDEX, OF_ARM):
            web.push("app", one)
        yield web


@pytest.fixture
def opened(web: MemoryRegistry) -> Iterator[Opened]:
    with ExitStack() as stack:

        def made(path: str = "/app", *, referrers: bool = True) -> RegistryStore:
            store = store_of(web, path)
            store.referrers = referrers
            stack.callback(store.close)
            return store

        yield made


def with_lists(web: MemoryRegistry) -> None:
    """Keep the lists under tags, as whoever pushes does where the registry has no referrers API."""
    held = {raw: kind for (_, reference), (kind, raw) in web.manifests.items() if ":" in reference}
    for subject in filter(None, map(refers_to, held)):
        listed = [described(raw, kind) for raw, kind in held.items() if refers_to(raw) == subject]
        raw = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
        web.manifests["app", subject.replace(":", "-")] = (INDEX, raw)


def offered(store: RegistryStore, name: str = "app:1", platform: Platform | None = None) -> ProvenImage:
    found = store.image(name, platform)
    assert isinstance(found, ModernImage)
    return found.offered


def digests(image_: ProvenImage) -> list[str]:
    return sorted(str(one.top.digest) for one in image_.referrers)


def problems(store: RegistryStore) -> list[str]:
    return [f"{finding.subject}: {finding.problem}" for finding in store.image("app:1").findings]


@pytest.mark.parametrize("a_page", [1, 2, 100])
def test_the_api_tells_all_page_after_page(web: MemoryRegistry, opened: Opened, a_page: int) -> None:
    web.lists_referrers = a_page
    web.push("app", artifact(APP, b"more")).push("app", artifact(APP, b"and more"))
    assert len(digests(offered(opened()))) == len(ALL) + 2
    assert not [asked for asked in web.asked if asked.path.endswith(APP.digest.replace(":", "-"))]


def test_without_the_api_the_list_under_the_tag_is_read(web: MemoryRegistry, opened: Opened) -> None:
    with_lists(web)
    assert digests(offered(opened())) == ALL
    assert len([asked for asked in web.asked if "/referrers/" in asked.path]) <= 3  # one a thread at most


@pytest.mark.parametrize(
    "answer", [Reply(404), refusal(400, "UNSUPPORTED"), Reply(405), Reply(501), Reply(200, b"<html>")]
)
def test_what_is_no_api_is_none(web: MemoryRegistry, opened: Opened, answer: Reply) -> None:
    with_lists(web)
    web.odd = lambda asked: answer if "/referrers/" in asked.path else None
    assert digests(offered(opened())) == ALL


@pytest.mark.parametrize("status", [403, 500])
def test_a_registry_that_fails_or_forbids_is_no_registry_without_referrers(
    web: MemoryRegistry, opened: Opened, status: int
) -> None:
    web.odd = lambda asked: Reply(status) if "/referrers/" in asked.path else None
    with pytest.raises(RegistryError, match=f"answered {status}"):
        opened().image("app:1")


def test_nothing_more_is_asked_unless_it_is_wanted(web: MemoryRegistry, opened: Opened) -> None:
    opened(referrers=False).image("app:1")
    alone = len(web.asked)
    assert alone == 5  # the index, two manifests, two configs
    assert not [asked for asked in web.asked if "referrers" in asked.path or "sha256-" in asked.path]


def test_a_platform_comes_with_its_own(web: MemoryRegistry, opened: Opened) -> None:
    web.lists_referrers = 9
    arm = offered(opened(), "app:1", Platform("linux", "arm64"))
    assert digests(arm) == [OF_ARM.digest]


def test_a_signature_without_a_list_is_found_by_its_tag(opened: Opened) -> None:
    found = {str(one.top.digest): one for one in offered(opened()).referrers}
    assert list(found) == [SIGNED.digest]
    assert found[SIGNED.digest].tags == (TAG,)


def test_wrong_bytes_of_a_referrer_are_never_written(
    web: MemoryRegistry, opened: Opened, tmp_path: Path
) -> None:
    web.lists_referrers = 9
    web.blobs["app", sha256(b"sbom")] = b"sbOm"
    with pytest.raises(Mismatch, match=f"{sha256(b'sbom')}: digest is"):
        copy(opened(), LayoutStore(tmp_path / "o"), ["app:1"])
    assert not LayoutStore(tmp_path / "o").listings()


def test_one_that_is_missing_is_told_and_the_image_goes(
    web: MemoryRegistry, opened: Opened, tmp_path: Path
) -> None:
    with_lists(web)
    del web.manifests["app", SBOM.digest]
    store = opened()
    [copied] = copy(store, LayoutStore(tmp_path / "o"), ["app:1"])
    assert digests(copied) == sorted({*ALL} - {SBOM.digest, SIGNED_SBOM.digest})
    [finding] = copied.findings
    assert finding.subject == f"referrer {SBOM.digest}"
    assert "stays behind" in finding.problem


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "is not there"), (b"other size", "size is 10, expected 4")]
)
def test_one_whose_content_is_missing_or_another_stays_behind(
    web: MemoryRegistry, opened: Opened, content: bytes | None, problem: str
) -> None:
    web.lists_referrers = 9
    key = ("app", sha256(b"sbom"))
    web.blobs.pop(key)
    if content:
        web.blobs[key] = content
    store = opened()
    assert SBOM.digest not in digests(offered(store))
    assert any(problem in told for told in problems(store))


def test_a_list_that_lies_is_told_and_nothing_of_it_believed(web: MemoryRegistry, opened: Opened) -> None:
    lies = [
        described(OF_ARM.raw, MANIFEST),  # of another image
        {**described(SBOM.raw, INDEX, artifactType="a lie"), "size": 3},  # which the manifest tells better
        described(b"nowhere", MANIFEST),
    ]
    raw = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": lies})
    web.manifests["app", APP.digest.replace(":", "-")] = (INDEX, raw)
    store = opened()
    found = {str(one.top.digest): one.top for one in offered(store).referrers}
    assert set(found) == {SBOM.digest, SIGNED.digest}
    assert found[SBOM.digest].media_type == MANIFEST
    assert found[SBOM.digest].size == len(SBOM.raw)
    assert found[SBOM.digest].extra == {"artifactType": "application/vnd.example.sbom"}
    assert len(problems(store)) == 2


@pytest.mark.parametrize(
    "raw",
    [b"no JSON", b"[]", encode({"schemaVersion": 2, "manifests": [1]}), APP.raw, b" " * (5 << 20)],
    ids=["text", "list", "entry", "manifest", "huge"],
)
def test_a_list_that_is_none_is_told(web: MemoryRegistry, opened: Opened, raw: bytes) -> None:
    web.manifests["app", APP.digest.replace(":", "-")] = (INDEX, raw)
    store = opened()
    assert digests(offered(store)) == [SIGNED.digest]
    [problem] = problems(store)
    assert problem.startswith(f"manifest {APP.digest}: may have referrers that stay behind: ")


@pytest.mark.parametrize(
    "raw", [b"no JSON", b"{}", b" " * (5 << 20), encode({"schemaVersion": 1, "fsLayers": []})]
)
def test_a_tag_of_cosigns_that_leads_to_no_manifest_is_told(
    web: MemoryRegistry, opened: Opened, raw: bytes
) -> None:
    web.manifests["app", TAG] = (MANIFEST, raw)
    store = opened()
    assert digests(offered(store)) == []
    [problem] = problems(store)
    assert problem.startswith(f"referrer {TAG}: of {APP.digest} stays behind: ")


def test_a_tag_of_cosigns_that_leads_to_something_huge_is_told(web: MemoryRegistry, opened: Opened) -> None:
    config = described(NOTHING, CONFIG)
    huge = {**described(b"x", "application/octet-stream"), "size": 17 << 30}
    raw = encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [huge]})
    web.manifests["app", TAG] = web.manifests["app", sha256(raw)] = (MANIFEST, raw)
    web.blobs["app", sha256(NOTHING)] = NOTHING

    def odd(asked: Asked) -> Reply | None:
        is_it = asked.method == "HEAD" and asked.path.endswith(sha256(b"x"))
        return Reply(200, headers={"Content-Length": str(17 << 30)}) if is_it else None

    web.odd = odd
    store = opened()
    assert digests(offered(store)) == []
    assert "holds more than" in problems(store)[0]


def test_as_many_as_can_be_taken_are_and_the_api_is_not_read_to_its_end(
    web: MemoryRegistry, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("toolkit.bundles.referrers.MANY", "toolkit.stores.registry.referrers.MANY"):
        monkeypatch.setattr(place, 20)
    web.lists_referrers = 8
    for number in range(40):
        web.push("app", artifact(APP, b"%d" % number))
    assert len(digests(offered(opened(), f"{web.host}/app@{APP.digest}"))) == 20
    pages = [asked for asked in web.asked if asked.path.endswith(f"referrers/{APP.digest}")]
    assert len(pages) == 3


def test_pages_in_a_circle_are_left(web: MemoryRegistry, opened: Opened) -> None:
    raw = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    web.odd = lambda asked: (
        Reply(200, raw, {"Content-Type": INDEX, "Link": f'<{asked.path}>; rel="next"'})
        if "/referrers/" in asked.path
        else None
    )
    store = opened()
    assert digests(offered(store)) == [SIGNED.digest]
    assert len(problems(store)) == 4  # the index, its two images, the signature
    assert all("lead from page to page in a circle" in problem for problem in problems(store))


def test_a_signature_and_a_list_are_no_images_of_the_repository(web: MemoryRegistry, opened: Opened) -> None:
    with_lists(web)
    web.push("app:sbom", SBOM).push("app:sha256-" + "0" * 64 + ".sig", artifact(None, b"of nothing here"))
    names = [line.names for line in opened().listings()]
    host = web.host
    assert names == [(f"{host}/app:1",), (f"{host}/app:sbom",), (f"{host}/app:sha256-{'0' * 64}.sig",)]


def test_the_same_content_is_asked_for_once(web: MemoryRegistry) -> None:
    web.lists_referrers = 9
    client = client_of(web)
    guide = RepositoryReferrers(client, "app")
    for one in (SBOM, OF_ARM):
        [claim] = [
            claim for claim in guide.claims(Digest.parse(refers_to(one.raw))) if claim.reference == one.digest
        ]
        assert str(guide.artifact(claim).top.digest) == one.digest
    heads = [asked.path for asked in web.asked if asked.method == "HEAD" and "/blobs/" in asked.path]
    assert len([path for path in heads if path.endswith(sha256(NOTHING))]) == 1
    client.close()
