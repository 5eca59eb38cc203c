from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.archives import A, encode
from toolkit.ancestry import V1Layer
from toolkit.strongid import strong_id_finding

BLOB = "sha256:" + "1" * 64
# What Docker 1.8.3 wrote of a layer that it pulled: no id, keys sorted, the blob's digest (formats A.7).
JSON = encode({"created": "2015-10-01T00:00:00Z", "docker_version": "1.8.3", "layer_id": BLOB, "os": "linux"})
STRONG = hashlib.sha256(JSON).hexdigest()
SAMPLES = sorted((Path(__file__).parents[1] / "data/v1json").glob("*.json"))


def test_the_id_of_a_layer_is_the_digest_of_its_json() -> None:
    assert strong_id_finding(V1Layer.from_bytes(JSON, STRONG)) is None


def test_where_another_layer_had_the_id_docker_took_the_digest_of_it() -> None:
    hex_ = STRONG
    for _ in range(3):
        hex_ = hashlib.sha256(hex_.encode()).hexdigest()
        assert strong_id_finding(V1Layer.from_bytes(JSON, hex_)) is None


@pytest.mark.parametrize("raw", [JSON.replace(b"2015", b"2016"), JSON + b"\n"])
def test_another_json_under_it_is_told(raw: bytes) -> None:
    finding = strong_id_finding(V1Layer.from_bytes(raw, STRONG))
    assert finding is not None
    assert (finding.subject, finding.severity, finding.check) == (f"layer {STRONG[:12]}", "warning", "v1-id")
    assert (finding.found, finding.expected) == (STRONG, hashlib.sha256(raw).hexdigest())


def test_an_id_that_was_chosen_at_random_cannot_be_wrong() -> None:
    assert strong_id_finding(V1Layer.from_bytes(encode({"id": A, "os": "linux"}))) is None
    assert strong_id_finding(V1Layer.from_bytes(encode({"id": A, "layer_id": BLOB}))) is None
    assert [strong_id_finding(V1Layer.from_bytes(path.read_bytes())) for path in SAMPLES] == [None] * 4
