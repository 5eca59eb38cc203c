from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.archives import (
    ONE,
    SBOM,
    TWO,
    Picture,
    artifact,
    blob,
    image,
    index,
    layout,
    sha256,
    signature,
    unpacked,
    written,
)
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.bundles.listed_referrers import ListedReferrers
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.ports import HoldsReferrers, Source
from toolkit.stores.layout import LayoutStore

APP, OTHER = image(ONE), image(TWO)
ARM = image(TWO, architecture="arm64")
MULTI = index(APP, ARM)
SBOM_OF_APP = artifact(APP, b"sbom")
SIGNED_SBOM = artifact(SBOM_OF_APP, b"signature of the sbom", "application/vnd.example.signature")
OF_INDEX = artifact(MULTI, b"of the index")
TAG, SIGNED = signature(APP)
NAMED = [
    ("h:5000/app:1", MULTI),
    ("h:5000/other:1", OTHER),
    (f"h:5000/app:{TAG}", SIGNED),
    ("", SBOM_OF_APP),
    ("", SIGNED_SBOM),
    ("", OF_INDEX),
]
ALL = sorted(one.digest for one in (SBOM_OF_APP, SIGNED_SBOM, OF_INDEX, SIGNED))
KEPT_IN = [format_.name for format_ in FORMATS if format_.name in {"universal", "docker", "oci"}]


def opened(path: Path, *named: tuple[str, Picture], referrers: bool = True) -> LayoutStore:
    store = LayoutStore(unpacked(path, layout(*(named or NAMED))))
    store.referrers = referrers
    return store


def digests(image_: ProvenImage) -> list[str]:
    return sorted(str(one.top.digest) for one in image_.referrers)


def carried(source: Source, path: Path, format_: str, names: Sequence[str]) -> list[ProvenImage]:
    return copy(source, create_bundle(path, format_), names)


def reopened(path: Path) -> Source:
    source = open_bundle(path)
    assert isinstance(source, HoldsReferrers)
    source.referrers = True
    return source


def listed(path: Path) -> list[dict[str, object]]:
    return list(json.loads((path / "index.json").read_bytes())["manifests"])


def test_an_image_comes_with_what_refers_to_it(tmp_path: Path) -> None:
    found = opened(tmp_path / "a").image("h:5000/app:1").offered
    assert digests(found) == ALL
    assert [one.tags for one in found.referrers if str(one.top.digest) == SIGNED.digest] == [(TAG,)]
    assert opened(tmp_path / "a").image("h:5000/other:1").offered.referrers == ()


def test_nobody_looks_unless_it_is_wanted(tmp_path: Path) -> None:
    store = opened(tmp_path / "a", referrers=False)
    image_ = store.image("h:5000/app:1")
    assert image_.referrers == ()
    assert len(store.listings()) == len(NAMED)


def test_what_goes_with_an_image_is_none_of_its_own(tmp_path: Path) -> None:
    names = [line.names for line in opened(tmp_path / "a").listings()]
    assert names == [("h:5000/app:1",), ("h:5000/other:1",)]


def test_what_refers_to_nothing_here_stays_an_image_of_its_own(tmp_path: Path) -> None:
    lonely = artifact(image(b"elsewhere"), b"lonely")
    store = opened(tmp_path / "a", ("app:1", APP), ("", lonely), ("app:sbom", SBOM_OF_APP))
    assert [line.names or line.id for line in store.listings()] == [("app:1",), ("app:sbom",), lonely.digest]
    assert digests(store.image("app:1").offered) == [SBOM_OF_APP.digest]


def test_a_signature_of_another_repository_stays_there(tmp_path: Path) -> None:
    tag, other = signature(APP, b"of another")
    named = [("h/a:1", APP), ("h/b:1", APP), (f"h/a:{TAG}", SIGNED), (f"h/b:{tag}", other)]
    store = opened(tmp_path / "a", *named)
    assert digests(store.image("h/a:1").offered) == [SIGNED.digest]
    assert digests(store.image("h/b:1").offered) == [other.digest]
    assert digests(store.image(f"h/b@{APP.digest}").offered) == [other.digest]
    assert digests(store.image(APP.digest).offered) == sorted([SIGNED.digest, other.digest])


def test_a_tag_alone_names_a_signature_in_layouts_of_other_tools(tmp_path: Path) -> None:
    store = opened(tmp_path / "a", ("app:1", APP), (TAG, SIGNED))
    assert digests(store.image("app:1").offered) == [SIGNED.digest]
    [image_] = copy(store, LayoutStore(tmp_path / "b"), [APP.digest])
    assert digests(image_) == [SIGNED.digest]
    again = LayoutStore(tmp_path / "b")
    again.referrers = True
    assert digests(again.image(APP.digest).offered) == [SIGNED.digest]


def test_a_list_under_a_tag_is_read_as_regctl_writes_it(tmp_path: Path) -> None:
    list_ = index(SBOM_OF_APP)
    store = opened(tmp_path / "a", ("app:1", APP), (APP.digest.replace(":", "-"), list_))
    assert digests(store.image("app:1").offered) == [SBOM_OF_APP.digest]
    assert [line.names for line in store.listings()] == [("app:1",)]


def test_a_list_that_lies_is_told(tmp_path: Path) -> None:
    stranger, gone = artifact(OTHER, b"of another"), artifact(APP, b"gone")
    list_ = index(SBOM_OF_APP, stranger, gone)
    store = opened(tmp_path / "a", ("app:1", APP), (APP.digest.replace(":", "-"), list_))
    (tmp_path / "a" / blob(gone.digest)).unlink()
    found = store.image("app:1")
    assert digests(found.offered) == [SBOM_OF_APP.digest]
    assert sorted(finding.subject for finding in found.findings) == sorted(
        f"referrer {one.digest}" for one in (stranger, gone)
    )


def test_a_list_that_is_none_is_told(tmp_path: Path) -> None:
    files = layout(("app:1", APP), (APP.digest.replace(":", "-"), index(SBOM_OF_APP)))
    files[blob(index(SBOM_OF_APP).digest)] = b"x" * len(index(SBOM_OF_APP).raw)
    store = LayoutStore(unpacked(tmp_path / "a", files))
    store.referrers = True
    [finding] = store.image("app:1").findings
    assert (finding.subject, finding.severity) == (f"manifest {APP.digest}", "warning")
    assert finding.problem.startswith("may have referrers that stay behind: ")


def test_broken_entries_keep_nobody_from_the_image(tmp_path: Path) -> None:
    broken = Picture(b'{"subject" 1', APP.media_type, {sha256(b'{"subject" 1'): b'{"subject" 1'})
    store = opened(tmp_path / "a", ("app:1", APP), ("", broken), ("", SBOM_OF_APP))
    assert digests(store.image("app:1").offered) == [SBOM_OF_APP.digest]


@pytest.mark.parametrize("format_", KEPT_IN)
def test_a_bundle_carries_them_unchanged(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "a.tar"
    [image_] = carried(opened(tmp_path / "a"), path, format_, ["h:5000/app:1"])
    assert digests(image_) == ALL
    source = reopened(path)
    [line] = source.listings()
    assert line.names == ("h:5000/app:1",)
    [back] = copy(source, LayoutStore(tmp_path / "b"), line.names)
    assert digests(back) == ALL
    assert not verify(LayoutStore(tmp_path / "b")).errors
    for one in (SBOM_OF_APP, SIGNED_SBOM, OF_INDEX, SIGNED):
        assert all((tmp_path / "b" / blob(digest)).read_bytes() == raw for digest, raw in one.blobs.items())


@pytest.mark.parametrize("format_", KEPT_IN)
def test_a_bundle_with_them_is_the_same_bytes_every_time(tmp_path: Path, format_: str) -> None:
    orders = NAMED, NAMED[::-1]
    for number, named in enumerate(orders):
        source = opened(tmp_path / str(number), *named)
        carried(source, tmp_path / f"{number}.tar", format_, ["h:5000/app:1", "h:5000/other:1"])
    assert (tmp_path / "0.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()


def test_entries_are_untagged_with_their_type_and_signatures_keep_their_tags(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "b")
    for _ in range(2):
        copy(opened(tmp_path / "a"), store, ["h:5000/app:1"])
    found = {str(entry["digest"]): entry for entry in listed(tmp_path / "b")}
    assert len(found) == len(listed(tmp_path / "b")) == 5
    assert found[SBOM_OF_APP.digest] == {
        "mediaType": SBOM_OF_APP.media_type,
        "digest": SBOM_OF_APP.digest,
        "size": len(SBOM_OF_APP.raw),
        "artifactType": SBOM,
    }
    name = f"h:5000/app:{TAG}"
    assert found[SIGNED.digest]["annotations"] == {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name,
    }


def test_a_newer_signature_takes_the_tag(tmp_path: Path) -> None:
    tag, newer = signature(APP, b"newer")
    store = LayoutStore(tmp_path / "b")
    copy(opened(tmp_path / "a", ("app:1", APP), (f"app:{TAG}", SIGNED)), store, ["app:1"])
    copy(opened(tmp_path / "c", ("app:1", APP), (f"app:{tag}", newer)), store, ["app:1"])
    assert store.identify(f"app:{tag}") == newer.digest


def test_a_docker_that_reads_manifest_json_gets_the_image_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    carried(opened(tmp_path / "a"), path, "docker", ["h:5000/app:1"])
    source = open_bundle(path, "docker")
    assert [line.names for line in source.listings()] == [("h:5000/app:1",)]


def test_many_entries_cost_one_look_each(tmp_path: Path) -> None:
    many = [("", artifact(APP, b"%d" % number)) for number in range(300)]
    store = opened(tmp_path / "a", ("app:1", APP), *many)
    beside = ListedReferrers(store.blobs, store.entries(), store.place)
    assert len(beside.own()) == 1
    assert len(store.image("app:1").referrers) == 300


def test_a_bundle_of_another_tool_may_hold_them(tmp_path: Path) -> None:
    files = layout(("app:1", APP), ("", SBOM_OF_APP))
    source = reopened(written(tmp_path / "a.tar", files))
    [line] = source.listings()
    assert digests(copy(source, LayoutStore(tmp_path / "b"), line.names)[0]) == [SBOM_OF_APP.digest]
