from __future__ import annotations

import json
from datetime import date

import pytest

from toolkit.digest import Digest
from toolkit.errors import InvalidDocument
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs
from toolkit.mirror.records.increment import Increment
from toolkit.mirror.records.setrecord import LOST, SENT, SetRecord, VolumeSum

TOP = Digest.of(b"top")
INCREMENT = Increment.of(
    "plant-7", 7, date(2026, 11, 27), [ImageBlobs("a:1", TOP, (Blob(TOP, 3),))], Baseline.full()
)
VOLUMES = (VolumeSum("plant-7_0007.1of2.tar", 10, "0" * 64), VolumeSum("plant-7_0007.2of2.tar", 5, "1" * 64))
RECORD = SetRecord(INCREMENT, SENT, VOLUMES)


def test_a_record_is_read_as_it_was_written() -> None:
    assert SetRecord.parse(bytes(RECORD), "record") == RECORD
    assert RECORD.size == 15
    assert RECORD.as_(LOST).status == "lost"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status": "gone"}, "status: is 'gone', expected one of building, sent, lost"),
        ({"volumes": [["a.tar", 1]]}, r"volumes\[0\]: \[name, size, sha256\] required"),
        ({"volumes": [["../a.tar", 1, "0" * 64]]}, r"volumes\[0\]: is .*, no volume"),
        ({"volumes": [["a.tar", -1, "0" * 64]]}, "no volume"),
        ({"volumes": [["a.tar", 1, "x" * 64]]}, "no volume"),
        ({"increment": {"site": "plant-7"}}, "increment"),
    ],
)
def test_a_damaged_record_says_where(change: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidDocument, match=problem):
        SetRecord.parse(json.dumps(json.loads(bytes(RECORD)) | change).encode(), "record")
