"""Which version of the toolkit this is."""

from __future__ import annotations

import os
from contextlib import suppress

UNKNOWN = "(not installed, so its version is unknown)"
PREFIX, SUFFIX = "lading-", ".dist-info"


def installed_version() -> str:
    """Return the version that is installed.

    An installer leaves a folder `lading-VERSION.dist-info` beside the package. Its name is enough, and
    `importlib.metadata`, which reads what is in it, takes longer to import than all else that
    `lading --version` does. It is asked where there is no such folder: we may be installed elsewhere.
    """
    beside = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found: list[str] = []
    with suppress(OSError):
        found = [name for name in os.listdir(beside) if name.startswith(PREFIX) and name.endswith(SUFFIX)]
    if len(found) == 1:
        return found[0].removeprefix(PREFIX).removesuffix(SUFFIX)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lading")
    except PackageNotFoundError:
        return UNKNOWN
