"""Ctrl-C and SIGTERM: whatever was half-made goes at once, without a rerun."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from luigi.retcodes import run_with_retcodes

from tests.kill.faults import SIGNALLED, Fault, in_child
from tests.kill.scenes import TAG, Inputs, pipeline, strays
from toolkit.cli import main

pytestmark = pytest.mark.kill

ROOT = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write a legacy root")]
MOMENTS = 12


def some(calls: Sequence[str]) -> list[int]:
    """Choose calls, evenly spread, the last one among them."""
    return sorted({*range(1, len(calls), max(1, len(calls) // MOMENTS)), len(calls)})


def signalled(work: Callable[[], int], number: signal.Signals, folder: Path) -> list[int]:
    """Signal the work at some of its calls; return the exit codes."""
    calls = in_child(work, Fault()).calls
    codes = []
    for call in some(calls):
        shutil.rmtree(folder)
        folder.mkdir()
        ended = in_child(work, Fault(call, SIGNALLED, signal=number))
        assert strays(folder) == [], f"{number.name} at call {call}, {calls[call - 1]}: {ended.said}"
        codes.append(ended.code)
    return codes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(
    "to",
    [
        "bundle",
        "packed",
        "oci",
        "tree",
        pytest.param("graph+aufs", marks=ROOT),
        pytest.param("graph+vfs", marks=ROOT),
    ],
)
def test_a_signalled_command_leaves_nothing(
    inputs: Inputs, folder: Path, number: signal.Signals, to: str
) -> None:
    words = ["import", str(inputs.bundle), "--into", f"{to}:{folder / 'store'}"]
    if out := {"bundle": "out.tar", "packed": "out.tar.zst"}.get(to):
        words = ["export", TAG, "--from", f"graph:{inputs.folder / 'sample'}", "-o", str(folder / out)]
    if to == "tree":
        words = ["extract", str(inputs.bundle), TAG, str(folder / "tree")]
    codes = signalled(lambda: main(words), number, folder)
    assert set(codes) <= {128 + number, 0}, codes  # 0 where all was done before
    assert codes[0] == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signalled_recompression_leaves_nothing(
    inputs: Inputs, folder: Path, number: signal.Signals
) -> None:
    words = [
        "export",
        TAG,
        "--from",
        str(inputs.bundle),
        "-o",
        str(folder / "out.tar"),
        "--compression",
        "zstd",
    ]

    def work() -> int:
        tempfile.tempdir = str(folder)
        return main(words)

    codes = signalled(work, number, folder)
    assert set(codes) <= {128 + number, 0}, codes
    assert codes[0] == 128 + number
    assert {path.name for path in folder.iterdir()} <= {"out.tar"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signalled_pipeline_leaves_nothing(inputs: Inputs, folder: Path, number: signal.Signals) -> None:
    source = f"graph:{inputs.folder / 'sample'}"

    def work() -> int:
        with pipeline(folder):
            run_with_retcodes(
                ["--module", "pipelines", "ExportImage", "--tag", TAG, "--source", source, "--no-lock"]
            )
        return 0

    codes = signalled(work, number, folder)
    assert codes[0] not in {0, 99}, codes
