from __future__ import annotations

import contextlib
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from toolkit.cli.bars import Bars
from toolkit.cli.listener import Progress
from toolkit.cli.output import Output
from toolkit.cli.progress import JsonLines, Lines, progress_for
from toolkit.event import (
    PRESENT,
    BlobBegun,
    BlobDone,
    BlobFailed,
    BlobProgress,
    BlobRetried,
    BlobsExpected,
    BlobSkipped,
)
from toolkit.image import Layer

BASE, TOP = Layer("aa" * 32, 3000), Layer("sha256:" + "bb" * 32, 1000)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def carry(progress: Progress, layer: Layer) -> None:
    """Tell that a layer is carried, a hundred bytes after the other."""
    progress(BlobBegun(layer))
    for done in range(100, layer.size + 1, 100):
        progress(BlobProgress(layer, done))
    progress(BlobDone(layer))


def test_progress_counts_from_many_threads() -> None:
    progress = Progress()
    with ThreadPoolExecutor(8) as pool:
        for number in range(8):
            pool.submit(carry, progress, Layer(str(number), 10_000))
    assert (progress.tally.done, progress.tally.size, progress.tally.over) == (80_000, 80_000, 8)


def test_lines_tell_of_the_first_finished_layer_and_of_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as progress:
        progress(BlobsExpected((BASE, TOP)))
        carry(progress, BASE)
        carry(progress, TOP)
    assert capsys.readouterr().err.splitlines() == [
        "layer aaaaaaaaaaaa done: 1 of 2 layers, 3kB of 4kB",
        "all done: 2 of 2 layers, 4kB of 4kB",
    ]


def test_lines_tell_what_was_there_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as progress:
        progress(BlobsExpected((BASE, TOP)))
        progress(BlobSkipped(BASE, PRESENT))
        carry(progress, TOP)
    assert capsys.readouterr().err.splitlines() == [
        "layer aaaaaaaaaaaa is there already: 1 of 2 layers, 0B of 1kB, 3kB there already",
        "all done: 2 of 2 layers, 1kB of 1kB, 3kB there already",
    ]


def test_a_layer_whose_key_says_nothing_to_people_is_told_as_it_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    anew = Layer("rebuilt-some", 1000, called=f"sha256:{'cc' * 32}")
    with Lines() as progress:
        progress(BlobsExpected((anew,)))
        carry(progress, anew)
    assert capsys.readouterr().err.startswith("layer cccccccccccc done: ")
    bars = Bars("reading")
    bars(BlobBegun(anew))
    assert [task.description for task in bars.drawn.tasks][1:] == ["cccccccccccc"]


def test_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as progress:
        for number in range(127):
            carry(progress, Layer(str(number), 1000))
    assert len(capsys.readouterr().err.splitlines()) < 10


def test_lines_do_not_say_done_of_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(ZeroDivisionError), Lines() as progress:
        carry(progress, TOP)
        carry(progress, BASE)
        raise ZeroDivisionError
    assert "all done" not in capsys.readouterr().err


def test_a_bar_shows_bytes_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    progress = progress_for(Output(), "exporting")
    assert isinstance(progress, Bars)
    with progress:
        progress(BlobsExpected((BASE,)))
        carry(progress, BASE)
    assert "exporting" in terminal.getvalue()
    assert "3.0/3.0 kB" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is wiped


def test_there_is_a_bar_for_each_blob_in_flight() -> None:
    bars = Bars("copying")
    for event in (BlobsExpected((BASE, TOP)), BlobBegun(BASE), BlobBegun(TOP), BlobProgress(TOP, 700)):
        bars(event)
    assert figures(bars) == [("copying", 700, 4000), ("aaaaaaaaaaaa", 0, 3000), ("bbbbbbbbbbbb", 700, 1000)]
    bars(BlobRetried(TOP, 0))
    assert figures(bars)[0] == ("copying", 700, 4000)
    assert figures(bars)[2] == ("bbbbbbbbbbbb", 0, 1000)
    bars(BlobDone(TOP))
    bars(BlobFailed(BASE))
    assert figures(bars) == [("copying", 1000, 4000)]
    bars(BlobSkipped(BASE, PRESENT))
    assert figures(bars) == [("copying", 1000, 1000)]


def figures(bars: Bars) -> list[tuple[str, float, float | None]]:
    return [(task.description, task.completed, task.total) for task in bars.drawn.tasks]


def test_progress_is_told_to_machines_twice_a_second_at_most(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(tenth / 10 for tenth in range(1000))
    monkeypatch.setattr("toolkit.cli.progress.time.monotonic", lambda: next(clock))
    carry(JsonLines(Output(json=True)), BASE)  # thirty pieces, a tenth of a second each
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in told] == ["blob.begun", *["blob.progress"] * 6, "blob.done"]
    assert [line["done"] for line in told[1:-1]] == [500, 1000, 1500, 2000, 2500, 3000]
    assert {line["rate"] for line in told[1:-1]} == {1000}
    assert [line["all"]["done"] for line in told[-2:]] == [3000, 3000]


def test_that_nobody_takes_what_is_told_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        monkeypatch.setattr(sys, "stderr", full)
        progress = JsonLines(Output(json=True))
        carry(progress, TOP)
        assert progress.tally.done == TOP.size
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


@pytest.mark.parametrize("output", [Output(quiet=True), Output(json=True, quiet=True)])
def test_quiet_shows_no_progress(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(progress_for(output, "exporting")) is Progress


def test_machines_get_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(progress_for(Output(json=True), "exporting")) is JsonLines


@pytest.mark.parametrize(("stream", "term"), [(io.StringIO(), "xterm"), (Terminal(), "dumb")])
def test_what_cannot_draw_gets_lines(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, term: str) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    assert type(progress_for(Output(), "exporting")) is Lines
