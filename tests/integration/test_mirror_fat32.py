"""A mirror on FAT32, as sticks have it: no links, modes or owners, names without case, times of two seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import test_mirror_media
from .conftest import started
from .guest import Guest

pytestmark = pytest.mark.engine
TESTS = str(Path(test_mirror_media.__file__))


@pytest.fixture
def guest() -> Iterator[Guest]:
    yield from started(Guest)


def test_all_that_is_true_of_small_disks_is_true_on_fat32(guest: Guest) -> None:
    """Where this kernel has no driver for it, those tests were left out, and run here."""
    code, said = guest.python(
        *("-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "-k", "fat32", TESTS),
        *("--basetemp", str(guest.home / "tmp")),
    )
    assert code == 0, said
    many = sum(name.startswith("test_") for name in vars(test_mirror_media))
    assert re.search(rf"^{many} passed, ", said, re.MULTILINE), said
