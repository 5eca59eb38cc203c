"""Case 38: the sums that Docker 1.1 to 1.7 took of a layer's entries, as its own Go package gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import A, encode, v1_folder
from tests.unit.test_tarsum import NOTHING, tarsum
from toolkit.plumbing.tarsum import Label

from .conftest import Tell
from .judging import Judge

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
JSON = b'{"id":"x"}'
SUMS = [
    (1, "", b"", "7fd1920159862938b63541a070bedf265cbc271ee26cc02fee321b80d896d533"),
    (1, "", JSON, "2c09b038c39efddd9885fc65a8e3f8efb10e5828080425a54e9493c138964c32"),
    (1, ".v1", b"", "fa205ef98c66910b5d84a52e5b681a169cd6abf19920225be54278d5fd484f5e"),
    (1, ".v1", JSON, "7442b2416fd24679afd613570c1d0ed2257bbfeedbc879d0cb7000d263087e12"),
    (1, ".dev", b"", "fa205ef98c66910b5d84a52e5b681a169cd6abf19920225be54278d5fd484f5e"),
    (2, "", b"", "bdc2c0ea12427ba020fa46d89bee76c370c0c5d12858cf0c57a695b3e0858e45"),
    (2, "", JSON, "3a0e0897b3876de7220ca959edc33c42b50cc40341273550661be32def5e53ab"),
    (2, ".v1", b"", "990ce6509862cc189d4fbe9b0541bd17f7839f6930304f392290e8f06e16bfd8"),
    (2, ".v1", JSON, "8d62c997c24a733d5bb00d361c6bc877463eb51177ff275c318f07dc9c4618eb"),
    (3, "", b"", "48c0a236479b3e277e996239557ffae31783d08a2c25dd4506f749319acfcfad"),
    (3, ".v1", b"", "6f855e57fda23734ad29fe255c35ae5a1435413e97dd737d5f927ea38209f844"),
]


@pytest.mark.parametrize(("vector", "version", "extra", "hex_"), SUMS)
def test_case_38_a_sum_is_the_one_that_docker_gives(
    ours: Tell, vector: int, version: str, extra: bytes, hex_: str
) -> None:
    found = tarsum((VECTORS / f"tarsum-v{vector}.tar").read_bytes(), version)
    assert Label(version, "sha256", hex_) in found.labels(extra)
    ours(f"v{vector}{' with a json' if extra else ''}: tarsum{version}+sha256:{hex_}")


def test_case_38_of_no_entries_it_is_the_digest_of_nothing(ours: Tell) -> None:
    assert list(map(str, tarsum(bytes(1024), "").labels())) == [f"tarsum+sha256:{NOTHING}"]
    ours(f"of no entries: tarsum+sha256:{NOTHING}")


@pytest.mark.parametrize(
    ("vector", "version", "hex_"),
    [*((number, version, hex_) for number, version, extra, hex_ in SUMS if not extra), (0, "", NOTHING)],
)
def test_case_38_a_sum_that_a_bundle_of_docker_1_4_carries_is_held_against_the_layer(
    judge: Judge, vector: int, version: str, hex_: str
) -> None:
    """What versions of Docker make of a path that stands twice differs: each of their sums is right."""
    tar = (VECTORS / f"tarsum-v{vector}.tar").read_bytes() if vector else bytes(1024)
    right = f"tarsum{version}+sha256:{hex_}"
    for recorded, checks in ((right, []), (right[:-1] + ("0" if hex_[-1] != "0" else "1"), ["tarsum"])):
        json_ = encode({"id": A, "os": "linux", "architecture": "amd64", "checksum": recorded})
        files = {**v1_folder(A, layer=tar, json_=json_), "repositories": encode({"app": {"1": A}})}
        found = judge(files)
        assert found.code == 0
        told = [each for each in found.verified.json["findings"] if each["severity"] == "warning"]
        warned = [each for each in told if each["check"] != "proof"]  # a layer of docker-v1 has no other
        assert [each["check"] for each in warned] == checks
        assert vector == 3 or [each["found"] for each in warned] == [right] * len(checks)
