from __future__ import annotations

import contextlib
import io
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from toolkit.cli.output import Output
from toolkit.cli.progress import Bars, Lines, Progress, progress_for
from toolkit.image import Layer

BASE, TOP = Layer("aa" * 32, 3000), Layer("sha256:" + "bb" * 32, 1000)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_counts_each_layer_once() -> None:
    progress = Progress()
    progress.expect([BASE, TOP])
    progress.expect([BASE])
    progress(BASE, 3000)
    assert (progress.done, progress.total, progress.layers) == (3000, 4000, (1, 2))


def test_progress_counts_from_many_threads() -> None:
    layers = [Layer(str(number), 1000) for number in range(8)]
    progress = Progress()
    with ThreadPoolExecutor(8) as pool:
        for layer in layers:
            for _ in range(100):
                pool.submit(progress, layer, 10)
    assert (progress.done, progress.total, progress.layers) == (8000, 8000, (8, 8))


def test_lines_tell_of_the_first_finished_layer_and_of_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as progress:
        progress.expect([BASE, TOP])
        progress(BASE, 1000)
        progress(BASE, 2000)
        progress(TOP, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "layer aaaaaaaaaaaa done: 1 of 2 layers, 3kB of 4kB",
        "all done: 2 of 2 layers, 4kB of 4kB",
    ]


def test_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as progress:
        for number in range(127):
            progress(Layer(str(number), 1000), 1000)
    assert len(capsys.readouterr().err.splitlines()) < 10


def test_lines_do_not_say_done_of_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(ZeroDivisionError), Lines() as progress:
        progress(TOP, 1000)
        progress(BASE, 1000)
        raise ZeroDivisionError
    assert "all done" not in capsys.readouterr().err


def test_a_bar_shows_bytes_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    progress = progress_for(Output(), "exporting")
    assert isinstance(progress, Bars)
    with progress:
        progress.expect([BASE])
        progress(BASE, 3000)
    assert "exporting" in terminal.getvalue()
    assert "3.0/3.0 kB" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is wiped


@pytest.mark.parametrize("output", [Output(json=True), Output(quiet=True)])
def test_quiet_and_json_show_no_progress(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(progress_for(output, "exporting")) is Progress


@pytest.mark.parametrize(("stream", "term"), [(io.StringIO(), "xterm"), (Terminal(), "dumb")])
def test_what_cannot_draw_gets_lines(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, term: str) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    assert type(progress_for(Output(), "exporting")) is Lines
