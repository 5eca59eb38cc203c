from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.archives import (
    INDEX,
    MANIFEST,
    NOTHING,
    ONE,
    REF_NAME,
    SBOM,
    TWO,
    Picture,
    artifact,
    blob,
    described,
    encode,
    image,
    index,
    layout,
    sha256,
    tar,
    unpacked,
)
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    NotFound,
    ToolkitError,
    TryAgain,
    UnsafeArchive,
)
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_collect import collect, collectable

APP, OTHER = image(ONE, TWO), image(TWO)
GONE = image(tar({"gone": b"g"}), TWO)
BOTH = index(APP, OTHER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def blobs(folder: Path) -> set[str]:
    return {name for name in names(folder) if name.startswith("blobs/")}


def of(*pictures: Picture) -> set[str]:
    return {blob(digest) for picture in pictures for digest in picture.blobs}


def beside(folder: Path, *pictures: Picture) -> None:
    """Put images' blobs there that nothing names."""
    unpacked(folder, {blob(digest): raw for each in pictures for digest, raw in each.blobs.items()})


def rename(folder: Path, picture: Picture, raw: bytes) -> None:
    (folder / blob(picture.digest)).write_bytes(raw)


def test_blobs_that_no_name_leads_to_go_and_all_others_stay(folder: Path) -> None:
    beside(unpacked(folder, layout(("both:1", BOTH), ("", OTHER))), GONE)
    assert blobs(folder) > of(BOTH)
    done = collect(LayoutStore(folder))
    only = [raw for digest, raw in GONE.blobs.items() if digest not in BOTH.blobs]
    assert (done.blobs, done.size, done.kept) == (len(only), sum(map(len, only)), len(BOTH.blobs))
    assert blobs(folder) == of(BOTH)
    assert verify(LayoutStore(folder)).ok


def test_what_would_go_is_told_and_nothing_changes(folder: Path) -> None:
    beside(unpacked(folder, layout(("app:1", APP))), GONE)
    before = names(folder)
    told = collectable(LayoutStore(folder))
    assert names(folder) == before
    assert collect(LayoutStore(folder)) == told
    assert told.blobs == 3


def test_a_second_collection_finds_nothing(folder: Path) -> None:
    beside(unpacked(folder, layout(("app:1", APP))), GONE)
    collect(LayoutStore(folder))
    again = collect(LayoutStore(folder))
    assert (again.blobs, again.size, again.kept) == (0, 0, len(APP.blobs))


def test_index_json_keeps_its_bytes(folder: Path) -> None:
    files = layout(("app:1", APP))
    beside(unpacked(folder, files), GONE)
    collect(LayoutStore(folder))
    assert (folder / "index.json").read_bytes() == files["index.json"]


def test_stamps_of_what_is_not_there_go_with_it(folder: Path, tmp_path: Path) -> None:
    source = LayoutStore(unpacked(tmp_path / "in", layout(("app:1", APP), ("gone:1", GONE))))
    store = LayoutStore(folder)
    copy(source, store, ["app:1", "gone:1"])
    entries = json.loads((folder / "index.json").read_bytes())
    entries["manifests"] = [each for each in entries["manifests"] if each["digest"] == APP.digest]
    (folder / "index.json").write_bytes(encode(entries))
    unpacked(folder, {f".lading/stamps/sha256-{'a' * 64}": b"{}", ".lading/stamps/theirs": b""})
    collect(store)
    stamps = {path.name for path in (folder / ".lading/stamps").iterdir()}
    assert stamps == {"theirs", *(digest.replace(":", "-") for digest in APP.blobs)}
    assert verify(store).ok


def test_what_killed_runs_left_goes(folder: Path) -> None:
    unpacked(folder, {**layout(("app:1", APP)), ".lading/parts/.x.part": b"half", ".index.json.part": b"{"})
    collect(LayoutStore(folder))
    assert not [name for name in names(folder) if name.endswith(".part")]


def test_bytes_with_another_name_are_told_apart(folder: Path, tmp_path: Path) -> None:
    beside(unpacked(folder, layout(("app:1", APP))), GONE)
    layer = folder / blob(sha256(tar({"gone": b"g"})))
    os.link(layer, tmp_path / "staged")
    done = collect(LayoutStore(folder))
    assert done.linked == (tmp_path / "staged").stat().st_size
    assert (tmp_path / "staged").read_bytes() == tar({"gone": b"g"})


def test_nothing_goes_while_a_delivery_is_under_way(folder: Path) -> None:
    store = LayoutStore(unpacked(folder, layout(("app:1", APP))))
    beside(folder, GONE)
    before = blobs(folder)
    with store.receive([], {}):
        with pytest.raises(TryAgain, match=rf"store: is being written to by process {os.getpid()}; wait"):
            collect(LayoutStore(folder))
        assert collectable(LayoutStore(folder)).blobs == 3
    with store.landing(), pytest.raises(TryAgain):
        collect(LayoutStore(folder))
    assert blobs(folder) == before


def test_an_artifact_and_what_a_list_of_any_kind_names_stay(folder: Path) -> None:
    """BuildKit's cache is an index of layers; an artifact manifest of 2022 has blobs; helm has a config."""
    cached = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described(ONE, "x/layer")]})
    old = encode({"mediaType": "application/vnd.oci.artifact.manifest.v1+json",
                  "blobs": [described(TWO, "text/plain")]})  # fmt: skip
    inner = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        described(old, "application/vnd.oci.artifact.manifest.v1+json")]})  # fmt: skip
    beside(folder, GONE)
    pictures = [
        Picture(cached, INDEX, {sha256(raw): raw for raw in (cached, ONE)}),
        Picture(inner, INDEX, {sha256(raw): raw for raw in (inner, old, TWO)}),
        artifact(APP, b"sbom", SBOM),
    ]
    unpacked(folder, layout(*zip(("cache:1", "inner:1", "sbom:1"), pictures, strict=True)))
    collect(LayoutStore(folder))
    assert blobs(folder) == of(*pictures)


def test_what_something_refers_to_does_not_stay_for_it(folder: Path) -> None:
    sbom = artifact(APP, b"sbom")
    unpacked(folder, layout(("", sbom)))
    beside(folder, APP)
    collect(LayoutStore(folder))
    assert blobs(folder) == of(sbom)


def test_a_blob_under_two_types_is_read_where_one_of_them_is_a_document(folder: Path) -> None:
    """Who calls an index a layer first cannot hide what it names."""
    body = {"schemaVersion": 2, "mediaType": INDEX}
    layer = "application/vnd.oci.image.layer.v1.tar"
    hiding = encode({**body, "manifests": [described(APP.raw, MANIFEST), described(APP.raw, layer)]})
    files = layout(("hidden:1", Picture(hiding, INDEX, {sha256(hiding): hiding, **APP.blobs})))
    collect(LayoutStore(unpacked(folder, files)))
    assert blobs(folder) == of(APP) | {blob(sha256(hiding))}


def test_a_platform_that_was_never_here_is_no_damage(folder: Path) -> None:
    files = layout(("both:1", BOTH))
    del files[blob(OTHER.digest)]
    beside(unpacked(folder, files), GONE)
    collect(LayoutStore(folder))
    (folder / blob(OTHER.digest)).write_bytes(OTHER.raw)
    assert of(APP) <= blobs(folder)


def test_schema_1_keeps_its_layers_although_its_signature_changes_the_digest(folder: Path) -> None:
    type_ = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    raw = encode({"schemaVersion": 1, "fsLayers": [{"blobSum": sha256(ONE)}]})
    old = index(Picture(raw, type_, {sha256(raw): raw, sha256(ONE): ONE}))
    unpacked(folder, layout(("old:1", old)))
    (folder / blob(sha256(raw))).write_bytes(raw.replace(b"}]}", b'}],"signatures":[]}'))
    collect(LayoutStore(folder))
    assert blobs(folder) == of(old)


@pytest.mark.parametrize(
    ("victim", "damage", "error"),
    [
        (APP, b"{}", Mismatch),
        (APP, APP.raw[:-1], Mismatch),
        (APP, None, MissingMember),
        (BOTH, BOTH.raw.replace(b"amd64", b"arm64"), Mismatch),
        (BOTH, None, MissingMember),
    ],
)
def test_nothing_goes_where_a_document_is_damaged(
    folder: Path, victim: Picture, damage: bytes | None, error: type[ToolkitError]
) -> None:
    unpacked(folder, layout(("both:1", BOTH), ("app:1", APP)))
    beside(folder, GONE)
    path = folder / blob(victim.digest)
    path.unlink() if damage is None else path.write_bytes(damage)
    before = names(folder)
    for ask in (collect, collectable):
        with pytest.raises(error, match=victim.digest):
            ask(LayoutStore(folder))
    assert names(folder) - before <= {".lading/writers.lock"}
    assert before <= names(folder)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"schemaVersion":2}',
        b'{"schemaVersion":2,"manifests":[{}]}',
        layout(("app:1", APP))["index.json"].replace(b'"digest"', b'"dijest"'),
        layout(("app:1", APP))["index.json"].replace(b"manifest.v1+json", b"manifesu.v1+json"),
        layout(("app:1", APP))["index.json"].replace(b"sha256", b"blake3"),
        b"[" * 100_000,
        b'{"schemaVersion":2,"manifests":[' + b'{"a":1},' * 200_000 + b'{"a":1}]}',
        b'{"schemaVersion":2,"manifests":[],"x":"' + b"x" * (4 << 20) + b'"}',
    ],
    ids=[
        "empty", "cut", "no-list", "no-descriptor", "letter", "type", "algorithm", "deep", "many", "huge",
    ],
)  # fmt: skip
def test_nothing_goes_where_index_json_cannot_be_read(folder: Path, raw: bytes) -> None:
    beside(unpacked(folder, {**layout(("app:1", APP)), "index.json": raw}), GONE)
    before = blobs(folder)
    with pytest.raises(CorruptContent):
        collect(LayoutStore(folder))
    assert blobs(folder) == before


def test_nothing_goes_where_index_json_is_lost(folder: Path) -> None:
    beside(unpacked(folder, layout(("app:1", APP))), GONE)
    (folder / "index.json").unlink()
    before = blobs(folder)
    with pytest.raises(MissingMember, match=r"has blobs and no index\.json: what is needed of them"):
        collect(LayoutStore(folder))
    assert blobs(folder) == before


def test_a_folder_that_is_no_layout_is_left_alone(folder: Path) -> None:
    with pytest.raises(NotFound):
        collect(LayoutStore(folder))
    beside(folder, GONE)
    before = names(folder)
    with pytest.raises(ToolkitError):
        collect(LayoutStore(folder))
    assert names(folder) == before


def test_an_index_of_nothing_means_that_nothing_is_needed(folder: Path) -> None:
    beside(unpacked(folder, layout()), GONE)
    assert collect(LayoutStore(folder)).blobs == len(GONE.blobs)
    assert blobs(folder) == set()


def test_indexes_in_indexes_and_back_are_walked_once(folder: Path) -> None:
    """No index can hold its own digest; one can hold the next a thousand times, and so on for levels."""
    picture = APP
    for _ in range(30):
        picture = index(*[picture] * 200)
    beside(unpacked(folder, layout(("deep:1", picture))), GONE)
    collect(LayoutStore(folder))
    assert blobs(folder) == of(picture)


@pytest.mark.parametrize("name", ["blobs/blake3/" + "a" * 64, "blobs/sha256/readme", "blobs/note"])
def test_what_is_no_blob_of_ours_stays_and_is_told(folder: Path, name: str) -> None:
    beside(unpacked(folder, {**layout(("app:1", APP)), name: b"theirs"}), GONE)
    done = collect(LayoutStore(folder))
    assert (folder / name).read_bytes() == b"theirs"
    told = "blobs/blake3" if "blake3" in name else name
    assert done.findings[0].problem.startswith(f"holds {told}, which is no blob")


def test_a_link_or_folder_that_is_called_as_a_blob_stays_and_is_told(folder: Path, tmp_path: Path) -> None:
    unpacked(folder, layout(("app:1", APP)))
    (tmp_path / "outside").write_bytes(b"x")
    link, inner = folder / "blobs/sha256" / ("a" * 64), folder / "blobs/sha256" / ("b" * 64)
    link.symlink_to(tmp_path / "outside")
    inner.mkdir()
    done = collect(LayoutStore(folder))
    assert link.is_symlink()
    assert inner.is_dir()
    assert (tmp_path / "outside").read_bytes() == b"x"
    assert done.findings[0].problem.startswith(f"holds blobs/sha256/{'a' * 64}, and 1 more, which")


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256", ".lading", ".lading/stamps"])
def test_no_link_leads_the_collection_out_of_the_store(folder: Path, tmp_path: Path, name: str) -> None:
    beside(unpacked(folder, layout(("app:1", APP))), GONE)
    unpacked(folder, {".lading/stamps/x": b""})
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    before = names(tmp_path / "outside")
    with pytest.raises(UnsafeArchive, match="is a link"):
        collect(LayoutStore(folder))
    assert names(tmp_path / "outside") - before <= {"writers.lock"}
    assert before <= names(tmp_path / "outside")


def test_a_name_of_a_damaged_text_is_refused(folder: Path) -> None:
    raw = layout(("app:1", APP))["index.json"].replace(
        REF_NAME.encode(), REF_NAME.replace("r", "s", 1).encode()
    )
    unpacked(folder, {**layout(("app:1", APP)), "index.json": raw})
    with pytest.raises(InvalidDocument):
        collect(LayoutStore(folder))


def test_json_that_is_no_document_is_a_blob(folder: Path) -> None:
    odd = b'{"a":1,"a":2}'
    thing = artifact(None, odd)
    unpacked(folder, layout(("thing:1", thing)))
    collect(LayoutStore(folder))
    assert blobs(folder) == of(thing)
    assert NOTHING in thing.blobs.values()
