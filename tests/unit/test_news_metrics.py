"""The textfile, by what Prometheus' text exposition format says (0.0.4)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.test_records_outcome import FULL, GAPPY, LOST
from toolkit.errors import InvalidSetting, NotFound
from toolkit.mirror.news.metrics import Memory, exposition, write_textfile

EXPECTED = """\
# HELP lading_mirror_last_run_timestamp_seconds When the last run ended.
# TYPE lading_mirror_last_run_timestamp_seconds gauge
lading_mirror_last_run_timestamp_seconds{site="plant-7"} 1700000000
# HELP lading_mirror_last_success_timestamp_seconds When a run last left a whole set, with or without gaps.
# TYPE lading_mirror_last_success_timestamp_seconds gauge
lading_mirror_last_success_timestamp_seconds{site="plant-7"} 1700000000
# HELP lading_mirror_last_receipt_timestamp_seconds When the closed side made the last receipt that came back.
# TYPE lading_mirror_last_receipt_timestamp_seconds gauge
lading_mirror_last_receipt_timestamp_seconds{site="plant-7"} 1699900000
# HELP lading_mirror_run_duration_seconds How long the last run took.
# TYPE lading_mirror_run_duration_seconds gauge
lading_mirror_run_duration_seconds{site="plant-7"} 125.25
# HELP lading_mirror_state 1 for what the last run came to: done, gaps or failed; and for stale, beside it.
# TYPE lading_mirror_state gauge
lading_mirror_state{site="plant-7",state="done"} 0
lading_mirror_state{site="plant-7",state="gaps"} 1
lading_mirror_state{site="plant-7",state="failed"} 0
lading_mirror_state{site="plant-7",state="stale"} 0
# HELP lading_mirror_set_number The number of the set that the last run made.
# TYPE lading_mirror_set_number gauge
lading_mirror_set_number{site="plant-7"} 7
# HELP lading_mirror_images Images of the last run: wanted by the job, new in the set, there already.
# TYPE lading_mirror_images gauge
lading_mirror_images{site="plant-7",kind="wanted"} 40
lading_mirror_images{site="plant-7",kind="new"} 3
lading_mirror_images{site="plant-7",kind="there"} 36
# HELP lading_mirror_gaps Images that the last run left out.
# TYPE lading_mirror_gaps gauge
lading_mirror_gaps{site="plant-7"} 1
# HELP lading_mirror_bytes Bytes of the last run: new in the set, shared by several images, there already.
# TYPE lading_mirror_bytes gauge
lading_mirror_bytes{site="plant-7",kind="new"} 1200000000
lading_mirror_bytes{site="plant-7",kind="shared"} 300000000
lading_mirror_bytes{site="plant-7",kind="there"} 9000000000
# HELP lading_mirror_volumes Volumes of the set that the last run made.
# TYPE lading_mirror_volumes gauge
lading_mirror_volumes{site="plant-7"} 2
# HELP lading_mirror_notices_failed Mails and webhooks that the last run could not deliver.
# TYPE lading_mirror_notices_failed gauge
lading_mirror_notices_failed{site="plant-7"} 1
"""


def test_a_run_is_told_in_full(tmp_path: Path) -> None:
    path = tmp_path / "lading.prom"
    write_textfile(str(path), GAPPY, Memory(1_700_000_000, 1_699_900_000), untold=1)
    assert path.read_text() == EXPECTED
    assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()
    assert os.listdir(tmp_path) == ["lading.prom"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_failed_run_keeps_what_is_known_from_before() -> None:
    text = exposition(LOST, Memory(succeeded=1_699_000_000))
    assert 'last_success_timestamp_seconds{site="plant-7"} 1699000000\n' in text
    assert 'state{site="plant-7",state="failed"} 1\n' in text
    assert "last_receipt" not in text
    assert "set_number" not in text


def test_a_stale_site_is_told_beside_what_the_run_came_to() -> None:
    text = exposition(GAPPY, Memory(is_stale=True))
    assert 'state{site="plant-7",state="gaps"} 1\n' in text
    assert 'state{site="plant-7",state="stale"} 1\n' in text


def test_a_folder_that_is_not_there_is_what_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"folder {tmp_path}/none: is not there; make it"):
        write_textfile(str(tmp_path / "none/a.prom"), FULL, Memory())


def test_a_site_cannot_write_a_line_of_its_own() -> None:
    text = exposition(replace(FULL, site='a"} 1\nb\\\r\udc80'), Memory())
    assert r'lading_mirror_gaps{site="a\"} 1\\nb\\\\r\\udc80"} 0' in text.splitlines()
    assert len(text.splitlines()) == len(exposition(FULL, Memory()).splitlines())
    text.encode()


def test_only_what_node_exporter_reads_is_written(tmp_path: Path) -> None:
    for bad in (tmp_path / "lading.txt", tmp_path / "a\0.prom"):
        with pytest.raises(InvalidSetting):
            write_textfile(str(bad), FULL, Memory())
    with pytest.raises(NotFound):
        write_textfile(str(tmp_path / "none" / "lading.prom"), FULL, Memory())
    assert list(tmp_path.iterdir()) == []
