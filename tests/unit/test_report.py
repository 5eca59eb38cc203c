from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.archives import ONE, TWO, Picture, encode, image, index, sha256, v1_json
from toolkit.ancestry import REBUILT, Layersize, V1Layer
from toolkit.digest import Digest
from toolkit.errors import Mismatch, ToolkitError, UnsafeArchive
from toolkit.image import Document, Finding, Layer, ProvenImage, placeholder
from toolkit.migration import LegacyImage
from toolkit.model import Descriptor
from toolkit.report import CORRUPT, DEEP, FAST, FULL, STRUCTURE, VERIFIED, Report, error_json

WARNING, NOTE = Finding("layer 1", "is odd"), Finding("layer 1", "is old", "note")
ERROR = Finding("layer 2", "is wrong", "error")


def proven(picture: Picture, *names: str, findings: tuple[Finding, ...] = ()) -> ProvenImage:
    """The picture with its documents, children first."""
    documents = {}
    for raw in sorted(picture.blobs.values(), key=lambda raw: (b'"manifests"' in raw, b'"config":{' in raw)):
        if raw[:1] == b"{":
            value = json.loads(raw)
            kind = value.get("mediaType", "application/vnd.oci.image.config.v1+json")
            documents[Digest.of(raw)] = Document(Descriptor.of(kind, raw), raw)
    top = Descriptor.of(picture.media_type, picture.raw)
    return ProvenImage(names, top, documents, (), findings)


def legacy() -> Picture:
    """One layer that tells its v1 json, rebuilt and of rule S3."""
    picture = image(ONE)
    bare = V1Layer.from_bytes(v1_json("a" * 64))
    layer = V1Layer(bare.id, "", bare.raw, bare.node, Layersize("5", "aufs", "S3"), REBUILT)
    manifest = json.loads(picture.raw)
    manifest["layers"][0]["annotations"] = layer.annotations()
    raw = encode(manifest)
    return Picture(raw, picture.media_type, {sha256(each): each for each in (raw, picture.config, ONE)})


def test_a_report_is_fine_while_no_finding_is_an_error() -> None:
    assert Report.of("x", []).ok
    assert Report.of("x", [], [WARNING, NOTE]).ok
    report = Report.of("x", [], [WARNING, ERROR])
    assert not report.ok
    assert report.errors == [ERROR]
    assert report.to_json()["verdict"] == "corrupt"


@pytest.mark.parametrize(
    ("exit_codes", "verdict"),
    [
        ([], "verified"),
        ([3], "unverified"),
        ([7], "unverified"),
        ([5], "corrupt"),
        ([6, 5], "corrupt"),
        ([7, 6], "unsafe"),
    ],
)
def test_nothing_is_called_corrupt_that_only_could_not_be_read(exit_codes: list[int], verdict: str) -> None:
    found = [Finding("x", f"is wrong: {code}", "error", code) for code in exit_codes]
    assert Report.of("x", [], found).verdict == verdict


@pytest.mark.parametrize(
    ("others", "verdict"), [([], "unsigned"), ([3], "unverified"), ([7, 5], "corrupt"), ([6], "unsafe")]
)
def test_images_that_are_right_are_unsigned_and_not_corrupt(others: list[int], verdict: str) -> None:
    unsigned = Finding("x", "has no signature", "error")
    found = [*(Finding("x", f"is wrong: {code}", "error", code) for code in others), unsigned, WARNING]
    assert replace(Report.of("x", [], found), unsigned=unsigned).verdict == verdict


def test_who_signed_a_bundle_is_in_the_document_where_that_is_known() -> None:
    assert "signature" not in Report.of("x", []).to_json()
    signature = {"key_id": "F36D690E7C3735C8", "trusted_comment": "hello"}
    assert replace(Report.of("x", []), signature=signature).to_json()["signature"] == signature


def test_each_finding_is_told_once_those_of_the_images_first() -> None:
    one, other = proven(image(ONE), findings=(WARNING,)), proven(image(TWO), findings=(NOTE, WARNING))
    assert Report.of("x", [one, other], [ERROR, NOTE]).findings == (WARNING, NOTE, ERROR)


def test_one_finding_of_several_images_names_them_all_and_five_are_shown() -> None:
    found = [replace(ERROR, images=(f"app:{number}",)) for number in (1, 2, 2, 3, 4, 5, 6, 7)]
    report = Report.of("x", [], found)
    (told,) = report.to_json()["findings"]
    assert (told["images"], told["more_images"]) == (["app:1", "app:2", "app:3", "app:4", "app:5"], 2)
    (finding,) = report.findings
    assert finding.whose == "of images app:1, app:2, app:3, app:4, app:5 and 2 more"
    assert replace(ERROR, images=("app:1",)).whose == "of image app:1"
    assert Finding("image app:1", "is odd", images=("app:1",)).whose == ERROR.whose == ""


def test_the_json_tells_every_digest() -> None:
    picture = image(ONE, TWO)
    chain_id = sha256(f"{sha256(ONE)} {sha256(TWO)}".encode())  # OCI config.md
    value = Report.of("in.tar", [proven(picture, "app:1", "app:2")], [WARNING]).to_json()
    assert json.loads(json.dumps(value)) == {
        "schema": 1,
        "subject": "in.tar",
        "verdict": "verified",
        "images": [
            {
                "names": ["app:1", "app:2"],
                "digest": picture.digest,
                "platforms": [
                    {
                        "platform": "linux/amd64",
                        "image_id": sha256(picture.config),
                        "manifest": picture.digest,
                        "layers": [
                            {
                                "digest": sha256(ONE),
                                "size": len(ONE),
                                "diff_id": sha256(ONE),
                                "chain_id": sha256(ONE),
                            },
                            {
                                "digest": sha256(TWO),
                                "size": len(TWO),
                                "diff_id": sha256(TWO),
                                "chain_id": chain_id,
                            },
                        ],
                    }
                ],
            }
        ],
        "findings": [{"severity": "warning", "subject": "layer 1", "problem": "is odd"}],
    }


def test_every_platform_of_an_index_is_told() -> None:
    picture = index(image(ONE), image(TWO, architecture="s390x"))
    (told,) = Report.of("x", [proven(picture, "app:1")]).to_json()["images"]
    assert told["digest"] == picture.digest
    assert sorted(each["platform"] for each in told["platforms"]) == ["linux/amd64", "linux/s390x"]


def test_a_legacy_layer_tells_its_id_its_layersize_and_what_vouches_for_it() -> None:
    (told,) = Report.of("x", [proven(legacy())]).to_json()["images"]
    (layer,) = told["platforms"][0]["layers"]
    assert layer["v1_id"] == "a" * 64
    assert layer["layersize"] == {"recorded": "5", "driver": "aufs", "rule": "S3"}
    assert layer["proof"] == "rebuilt"


@pytest.mark.parametrize(
    ("depth", "verdict"), [(FAST, STRUCTURE), (FULL, VERIFIED), (DEEP, VERIFIED), ("", VERIFIED)]
)
def test_what_was_not_read_is_not_called_verified(depth: str, verdict: str) -> None:
    report = replace(Report.of("x", [proven(image(ONE))]), depth=depth)
    assert report.verdict == report.to_json()["verdict"] == verdict
    assert report.to_json().get("depth", "") == depth
    damaged = replace(report, findings=(Finding("x", "is bad", "error"),))
    assert damaged.verdict == CORRUPT


def test_a_digest_that_nobody_knows_yet_is_left_out() -> None:
    """Of a legacy image the diffIDs are not known before its layers are read, and so no image ID."""
    chain = (V1Layer.from_bytes(v1_json("a" * 64)),)
    draft = LegacyImage(("old:1",), chain, (known := Layer("a" * 64, 5, v1=chain[0]),))
    (told,) = Report.of("x", [draft.proven({known.key: placeholder(known)})]).to_json()["images"]
    assert told == {
        "names": ["old:1"],
        "platforms": [
            {
                "platform": "linux",
                "layers": [{"size": 5, "v1_id": "a" * 64, "layersize": None, "proof": ""}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (
            Mismatch("x", "size", "", 4, 5),
            {"kind": "Mismatch", "exit_code": 5, "sentence": "x: size is 4, expected 5"},
        ),
        (
            UnsafeArchive("x", "leads out", "stop"),
            {"kind": "UnsafeArchive", "exit_code": 6, "sentence": "x: leads out; stop"},
        ),
    ],
)
def test_a_failure_is_one_document(error: ToolkitError, facts: dict[str, object]) -> None:
    assert error_json(error) == {"schema": 1, "error": facts}
