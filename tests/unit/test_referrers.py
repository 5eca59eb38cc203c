"""The walk, over layouts; the place's own ways are tested where the places are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from weakref import ref

import pytest

from tests.archives import ONE, REF_NAME, SBOM, TWO, Picture, artifact, image, index, signature
from toolkit.bundles import referrers
from toolkit.bundles.modern import ModernImage, gather
from toolkit.bundles.referrers import Claim, accompanied
from toolkit.digest import Digest
from toolkit.errors import NotFound, StoreError
from toolkit.image import Document, Referrer
from toolkit.model import Descriptor

APP = image(ONE)
MULTI = index(APP, image(TWO, architecture="arm64"))


@dataclass
class Held:
    """A place in memory: what it claims, and the blobs that it has; a Guide, and Documents."""

    at_once = 3
    claimed: dict[str, list[tuple[Picture, str]]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def hold(self, subject: Picture | str, referrer: Picture, tag: str = "") -> None:
        to = subject if isinstance(subject, str) else subject.digest
        self.claimed.setdefault(to, []).append((referrer, tag))
        self.blobs |= referrer.blobs

    def claims(self, subject: Digest) -> Iterator[Claim]:
        self.asked.append(str(subject))
        for one, tag in self.claimed.get(str(subject), []):
            yield Claim(tag or one.digest, subject, tag)

    def artifact(self, claim: Claim) -> ModernImage:
        pairs = self.claimed[str(claim.subject)]
        picture = next(one for one, tag in pairs if claim.reference in {one.digest, tag})
        if picture.digest not in self.blobs:
            raise NotFound(f"manifest {picture.digest}", "is not there")
        return self.gathered(picture)

    def gathered(self, picture: Picture) -> ModernImage:
        digest = Digest.parse(picture.digest)
        return gather(self, ("app:1",), Descriptor(picture.media_type, digest, len(picture.raw)))

    def read(self, name: str, limit: int) -> bytes | None:
        del limit
        return self.blobs.get(name.removeprefix("blobs/").replace("/", ":"))

    def size(self, digest: Digest) -> int | None:
        raw = self.blobs.get(str(digest))
        return None if raw is None else len(raw)


def walked(held: Held, picture: Picture = APP) -> ModernImage:
    held.blobs |= picture.blobs
    return accompanied(held.gathered(picture), held)


def digests(found: Sequence[Referrer]) -> list[str]:
    return [str(one.top.digest) for one in found]


def problems(image_: ModernImage) -> list[str]:
    return [f"{finding.subject}: {finding.problem}" for finding in image_.findings]


def test_what_refers_to_an_image_and_to_that_goes_along() -> None:
    held, sbom = Held(), artifact(APP, b"sbom")
    signed = artifact(sbom, b"signature of it", "application/vnd.example.signature")
    held.hold(APP, sbom)
    held.hold(sbom, signed)
    found = walked(held)
    assert digests(found.referrers) == [sbom.digest, signed.digest]
    assert [one.subject for one in found.referrers] == [Digest.parse(APP.digest), Digest.parse(sbom.digest)]
    assert found.referrers[0].top.extra == {"artifactType": SBOM}
    assert {layer.key for layer in found.layers} == {*APP.layers, *_blobs(sbom), *_blobs(signed)}
    assert not found.findings


def _blobs(picture: Picture) -> set[str]:
    return picture.blobs.keys() - {picture.digest}


def test_an_image_is_offered_as_it_would_be_alone_with_its_referrers_beside_it() -> None:
    held = Held()
    held.hold(APP, artifact(APP, b"sbom"))
    held.blobs |= APP.blobs
    alone = held.gathered(APP).offered
    offered = walked(held).offered
    assert (offered.documents, offered.blobs, offered.top) == (alone.documents, alone.blobs, alone.top)
    assert len(offered.images()) == 1
    assert [len(part.documents) for part in offered.parts] == [2, 1]


def test_an_image_that_refers_to_an_image_is_no_platform_of_it() -> None:
    held, body = Held(), json.loads(image(TWO, architecture="arm64").raw)
    other = image(TWO, architecture="arm64")
    raw = json.dumps({**body, "subject": json.loads(artifact(APP, b"").raw)["subject"]}).encode()
    odd = Picture(raw, other.media_type, {**other.blobs, _digest(raw): raw})
    held.hold(APP, odd)
    found = walked(held)
    assert digests(found.referrers) == [odd.digest]
    assert [str(one.config.platform) for one in found.offered.images()] == ["linux/amd64"]
    assert [layer.diff_id for layer in found.layers if layer.key in odd.layers] == [None]


def _digest(raw: bytes) -> str:
    return str(Digest.of(raw))


def test_index_and_platforms_are_asked_about_and_attestations_are_not() -> None:
    attestation = artifact(None, b"attestation")
    attestation.platform = {"os": "unknown", "architecture": "unknown"}
    whole, held = index(APP, attestation), Held()
    walked(held, whole)
    assert sorted(held.asked) == sorted([whole.digest, APP.digest])


def test_the_platform_that_is_taken_has_its_own_alone() -> None:
    held, of_index, of_app = Held(), artifact(MULTI, b"index"), artifact(APP, b"app")
    held.hold(MULTI, of_index)
    held.hold(APP, of_app)
    assert digests(walked(held, MULTI).referrers) == sorted([of_index.digest, of_app.digest])
    assert digests(walked(held, APP).referrers) == [of_app.digest]


def test_the_order_is_not_the_places_own() -> None:
    ones = [artifact(APP, b"%d" % number) for number in range(5)]
    orders = []
    for order in (ones, ones[::-1]):
        held = Held()
        for one in order:
            held.hold(APP, one)
        orders.append(digests(walked(held).referrers))
    assert orders[0] == orders[1]


def test_cosigns_tags_are_kept_also_of_what_names_its_subject_as_well() -> None:
    held, (tag, signed) = Held(), signature(APP)
    both = artifact(APP, b"both")
    held.hold(APP, signed, tag)
    held.hold(APP, both)
    held.hold(APP, both, tag.replace(".sig", ".att"))
    found = {str(one.top.digest): one for one in walked(held).referrers}
    assert found[signed.digest].tags == (tag,)
    assert found[signed.digest].subject is None
    assert found[signed.digest].top.extra == {}
    assert found[both.digest].tags == (tag.replace(".sig", ".att"),)
    assert found[both.digest].subject == Digest.parse(APP.digest)


def test_one_that_refers_to_something_else_stays_behind() -> None:
    held, stranger = Held(), artifact(image(TWO), b"of another image")
    held.hold(APP, stranger)
    found = walked(held)
    assert found.referrers == ()
    [problem] = problems(found)
    assert problem.endswith(f"subject is {image(TWO).digest}, expected {APP.digest}")
    held.hold(APP, artifact(None, b"of nothing"))
    assert any("subject is nothing" in problem for problem in problems(walked(held)))


def test_a_lie_about_one_image_takes_nothing_from_another() -> None:
    arm = image(TWO, architecture="arm64")
    held, both, sbom = Held(), index(APP, arm), artifact(arm, b"of arm")
    held.hold(APP, sbom)
    held.hold(arm, sbom)
    found = walked(held, both)
    assert digests(found.referrers) == [sbom.digest]
    assert len(found.findings) == 1


def test_one_that_is_missing_is_told_and_the_image_goes() -> None:
    held, gone, there = Held(), artifact(APP, b"gone"), artifact(APP, b"there")
    held.hold(APP, gone)
    held.hold(APP, there)
    del held.blobs[gone.digest]
    found = walked(held)
    assert digests(found.referrers) == [there.digest]
    assert problems(found) == [
        f"referrer {gone.digest}: of {APP.digest} stays behind: manifest {gone.digest}: is not there"
    ]


def test_one_without_its_blobs_stays_behind() -> None:
    held, sbom = Held(), artifact(APP, b"sbom")
    held.hold(APP, sbom)
    del held.blobs[_digest(b"sbom")]
    found = walked(held)
    assert found.referrers == ()
    assert "stays behind" in problems(found)[0]


def test_a_failure_of_the_place_is_one_of_the_image() -> None:
    class Failing(Held):
        def claims(self, subject: Digest) -> Iterator[Claim]:
            raise StoreError(str(subject), "cannot be read")

    with pytest.raises(StoreError):
        walked(Failing())


def test_a_tag_that_leads_back_to_the_image_or_round_in_a_circle_does_no_harm() -> None:
    held, sbom = Held(), artifact(APP, b"sbom")
    tag, other = signature(APP)[0], signature(sbom)[0]
    held.hold(APP, sbom)
    held.hold(APP, APP, tag)
    held.hold(sbom, sbom, other)
    held.hold(sbom, APP, other.replace(".sig", ".att"))
    found = walked(held)
    assert digests(found.referrers) == [sbom.digest]
    assert found.referrers[0].tags == (other,)
    assert all("is a part of the image itself" in problem for problem in problems(found))
    assert len(found.findings) == 2


def test_a_row_without_end_is_left_after_eight() -> None:
    held, row = Held(), [APP]
    for number in range(12):
        row.append(artifact(row[-1], b"%d" % number))
        held.hold(row[-2], row[-1])
    found = walked(held)
    assert digests(found.referrers) == [one.digest for one in row[1:9]]
    assert problems(found) == [
        f"manifest {row[8].digest}: is the last of 8 in a row that was looked at for referrers"
    ]


def test_a_thousand_go_along_and_the_next_one_is_told() -> None:
    held = Held()
    for number in range(1_001):
        held.hold(APP, artifact(APP, b"%d" % number))
    found = walked(held)
    assert len(found.referrers) == 1_000
    assert problems(found) == [f"manifest {APP.digest}: has more than 1000 referrers; others stay behind"]


@pytest.mark.parametrize("bound", ["DOCUMENT_BYTES", "BLOB_BYTES"])
def test_what_is_too_much_together_stays_behind(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    held, ones = Held(), [artifact(APP, bytes([number]) * 5_000) for number in range(3)]
    for one in ones:
        held.hold(APP, one)
    monkeypatch.setattr(referrers, bound, 11_000 if bound == "BLOB_BYTES" else 2 * len(ones[0].raw) + 9)
    found = walked(held)
    assert len(found.referrers) == 2
    assert "with other referrers holds more than" in problems(found)[0]


def test_a_list_repeats_short_annotations_and_never_a_name() -> None:
    held = Held()
    short = artifact(APP, b"short", annotations={"org.example": "kept", REF_NAME: "ubuntu:14.04"})
    long = artifact(APP, b"long", "x" * 300, annotations={"org.example": "x" * 3_000})
    held.hold(APP, short)
    held.hold(APP, long)
    found = {str(one.top.digest): one.top for one in walked(held).referrers}
    assert found[short.digest].annotations == {"org.example": "kept"}
    assert found[long.digest].annotations == {}
    assert found[long.digest].extra == {}


def test_without_an_artifact_type_the_configs_type_is_told() -> None:
    held, sbom = Held(), artifact(APP, b"old style")
    body = {key: value for key, value in json.loads(sbom.raw).items() if key != "artifactType"}
    raw = json.dumps(body).encode()
    held.hold(APP, Picture(raw, sbom.media_type, {**sbom.blobs, _digest(raw): raw}))
    [found] = walked(held).referrers
    assert found.top.extra == {"artifactType": "application/vnd.oci.empty.v1+json"}


def test_an_index_may_refer_to_an_image() -> None:
    held, inner = Held(), artifact(None, b"one of two")
    subject = json.loads(artifact(APP, b"").raw)["subject"]
    several = index(inner, subject=subject, artifactType="application/vnd.example.set")
    held.hold(APP, several)
    [found] = walked(held).referrers
    assert list(map(str, found.documents)) == [inner.digest, several.digest]
    assert found.top.extra == {"artifactType": "application/vnd.example.set"}


class Tracked(dict[Digest, Document]):
    """Documents of which a test can tell whether somebody still holds them."""


class Counting(Held):
    """A place that counts how many artifacts it has given are still held."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[ref[Tracked]] = []
        self.most = 0

    def artifact(self, claim: Claim) -> ModernImage:
        documents = Tracked(super().artifact(claim).documents)
        self.given.append(ref(documents))
        self.most = max(self.most, sum(one() is not None for one in self.given))
        return replace(super().artifact(claim), documents=documents)


def test_what_is_too_much_is_let_go_before_more_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "DOCUMENT_BYTES", 0)
    held = Counting()
    for number in range(40):
        held.hold(APP, artifact(APP, b"%d" % number))
    assert len(problems(walked(held))) == 40
    assert held.most <= 3 * held.at_once
