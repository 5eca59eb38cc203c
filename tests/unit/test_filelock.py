from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from toolkit.errors import TryAgain
from toolkit.plumbing.filelock import locked


def test_who_does_not_wait_is_told_to_try_again(tmp_path: Path) -> None:
    def take() -> None:
        with locked(tmp_path / "lock", wait=0):
            pass

    with locked(tmp_path / "lock"), pytest.raises(TryAgain, match="is held by another run") as caught:
        take()
    assert caught.value.exit_code == 75
    take()


def test_who_waits_a_while_has_it_once_it_is_free(tmp_path: Path) -> None:
    began, end = time.monotonic(), threading.Event()

    def hold() -> None:
        with locked(tmp_path / "lock"):
            held.set()
            end.wait(30)

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    with pytest.raises(TryAgain), locked(tmp_path / "lock", wait=0.2):
        pytest.fail("somebody else holds it")
    assert time.monotonic() - began >= 0.2
    threading.Timer(0.2, end.set).start()
    with locked(tmp_path / "lock", wait=30):
        assert end.is_set()
    holder.join(30)
