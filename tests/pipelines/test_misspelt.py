from __future__ import annotations

import sys

import pytest

from pipelines import misspelt


def test_every_other_error_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: told.append(error))
    misspelt.install()
    error = KeyError("x")
    sys.excepthook(KeyError, error, None)
    assert told == [error]
