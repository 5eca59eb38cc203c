from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from tests.archives import A, v1_json
from tests.graphs import legacy_layer, name
from tests.layers import file, layer
from tests.unit.test_tarsum import tarsum
from toolkit.ancestry import V1Layer
from toolkit.digest import Digest
from toolkit.errors import Spoiled, StoreError
from toolkit.event import nobody
from toolkit.image import Finding, Layer
from toolkit.operations.layercheck import CheckedLayer, check_layer
from toolkit.operations.verify import verify
from toolkit.plumbing.pathtable import Room
from toolkit.plumbing.streams import Stream
from toolkit.ports import Content
from toolkit.stores.graph.store import GraphStore

TAR = layer(file("a", b"1"), file("b", b"2", mode=0o4755))
OTHER = layer(file("a", b"other"))


class One:
    """A source of one blob."""

    place = "one:"

    def __init__(self, blob: bytes) -> None:
        self.blob = blob

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        del layer
        return nullcontext(Stream(len(self.blob), iter([self.blob]), "blob"))


def checked(blob: bytes, known: Layer, *, deep: bool = False) -> CheckedLayer:
    return check_layer(One(blob), known, nobody, Room() if deep else None)  # type: ignore[arg-type]


def legacy(**members: str) -> Layer:
    return Layer(A, len(TAR), v1=V1Layer.from_bytes(v1_json(A, **members)))


def label(tar: bytes, version: str = ".v1") -> str:
    return str(tarsum(tar, version).labels()[0])


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_layer_is_proven_however_deep_it_is_looked_into(
    pack: Callable[[bytes], bytes], *, deep: bool
) -> None:
    blob = pack(TAR)
    found = checked(blob, Layer("a", len(blob), Digest.of(blob), Digest.of(TAR)), deep=deep)
    assert found.proof
    assert (found.proof.digest, found.proof.diff_id, found.proof.size) == (
        Digest.of(blob), Digest.of(TAR), len(blob),
    )  # fmt: skip
    assert [finding.check for finding in found.findings] == (["setuid"] if deep else [])
    assert (found.inside is not None) == deep


@pytest.mark.parametrize("deep", [False, True])
def test_of_a_layer_that_is_another_only_that_is_told(*, deep: bool) -> None:
    found = checked(OTHER, Layer("a", len(OTHER), Digest.of(TAR), Digest.of(TAR)), deep=deep)
    assert (found.proof, found.inside) == (None, None)
    (finding,) = found.findings
    assert (finding.check, finding.found, finding.expected) == (
        "digest", str(Digest.of(OTHER)), str(Digest.of(TAR)),
    )  # fmt: skip


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_unsafe_in_a_layer_that_is_another_is_told_too(*, deep: bool) -> None:
    unsafe = layer(file("a"), file("../b"))
    found = checked(unsafe, Layer("a", len(unsafe), Digest.of(TAR), Digest.of(TAR)), deep=deep)
    assert [(each.check, each.exit_code) for each in found.findings] == [
        ("digest", 5), ("escape" if deep else "unsafe", 6),
    ]  # fmt: skip
    assert found.proof is None


@pytest.mark.parametrize("deep", [False, True])
def test_of_what_an_earlier_run_had_kept_nothing_is_told(*, deep: bool) -> None:
    unsafe = layer(file("a"), file("../b"), file("c", b"3"))
    whole = layer(file("a"), file("b"), file("c", b"3"))

    class Kept(One):
        def open(self, layer: Layer) -> AbstractContextManager[Content]:
            first, self.blob = self.blob, whole
            blocks = iter([first]) if first is whole else broken(first)
            return nullcontext(Stream(len(whole), blocks, layer.key))

    def broken(first: bytes) -> Iterator[bytes]:
        yield first[:2048]
        raise Spoiled("blob", "is not what an earlier run had kept of it")

    known = Layer("a", len(whole), Digest.of(whole), Digest.of(whole))
    found = check_layer(Kept(unsafe), known, nobody, Room() if deep else None)  # type: ignore[arg-type]
    assert (found.findings, found.proof is None) == ((), False)


def test_the_content_of_an_artifact_is_no_tar_to_look_into() -> None:
    blob = b"signed"
    found = checked(blob, Layer("a", len(blob), Digest.of(blob), media_type="text/plain"), deep=True)
    assert (found.findings, found.inside) == ((), None)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("version", ["", ".v1", ".dev"])
def test_a_tarsum_that_a_json_records_is_computed_again(version: str, *, deep: bool) -> None:
    """As Docker 1.4 wrote it (formats A.5)."""
    right, wrong = label(TAR, version), label(OTHER, version)
    assert [each.check for each in checked(TAR, legacy(checksum=right), deep=deep).findings] == [
        "setuid"
    ] * deep
    finding = checked(TAR, legacy(checksum=wrong), deep=deep).findings[-1]
    assert (finding.subject, finding.severity, finding.check) == (f"layer {A[:12]}", "warning", "tarsum")
    assert (finding.fact, finding.expected, finding.found) == ("tarsum", wrong, right)


def test_a_tarsum_may_have_the_json_before_it() -> None:
    """As the registry of Docker 0.6 to 1.5 had it (formats A.5)."""
    json = v1_json(A)
    with_json = str(tarsum(TAR, "").labels(json)[0])
    assert with_json != label(TAR, "")
    v1 = V1Layer.from_bytes(json)
    for recorded, count in ((with_json, 0), (label(TAR, ""), 0), (label(OTHER, ""), 1)):
        known = Layer(A, len(TAR), v1=V1Layer(v1.id, "", v1.raw, v1.node, checksum=recorded))
        assert len(checked(TAR, known).findings) == count


def test_a_tarsum_that_depends_on_how_go_sorted_is_left_open() -> None:
    twice = layer(*(file(f"f{number}") for number in range(20)), file("f0", b"again"))
    known = Layer(A, len(twice), v1=legacy(checksum=label(OTHER)).v1)
    (finding,) = checked(twice, known).findings
    assert (finding.severity, finding.check) == ("note", "tarsum")


def test_a_tar_that_breaks_off_has_no_tarsum() -> None:
    found = checked(TAR[:1300], Layer(A, 1300, v1=legacy(checksum=label(TAR)).v1))
    assert [finding.check for finding in found.findings] == ["structure"]
    assert found.proof is not None


def test_what_cannot_be_read_is_told_as_that() -> None:
    class Broken(One):
        def open(self, layer: Layer) -> AbstractContextManager[Content]:
            raise StoreError(f"layer {layer.key}", "input/output error")

    found = check_layer(Broken(b""), legacy(), nobody, Room())  # type: ignore[arg-type]
    assert [(finding.exit_code, finding.check) for finding in found.findings] == [(7, "reading")]


@pytest.fixture
def graph(tmp_path: Path) -> Callable[[str], list[Finding]]:
    """Verify a legacy root of one layer with this text in its `checksum`; return what is told of sums."""

    def run(text: str) -> list[Finding]:
        legacy_layer(tmp_path, "aufs", A, {"a": b"1"}, size="1")
        name(tmp_path, "aufs", app=A)
        (tmp_path / "graph" / A / "checksum").write_text(text)
        found = verify(GraphStore(tmp_path)).findings
        return [finding for finding in found if finding.check in {"tarsum", "checksum"}]

    return run


def test_a_tarsum_that_a_store_keeps_is_computed_again(graph: Callable[[str], list[Finding]]) -> None:
    (finding,) = graph(label(OTHER))
    assert (finding.severity, finding.check) == ("warning", "tarsum")
    assert graph(finding.found) == []


def test_the_digest_of_a_blob_that_is_not_there_is_a_note(graph: Callable[[str], list[Finding]]) -> None:
    (finding,) = graph(f"sha256:{'1' * 64}")
    assert (finding.severity, finding.check) == ("note", "checksum")
    assert "cannot be compared" in finding.problem
    assert graph("") == []
