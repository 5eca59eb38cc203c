"""Place: a URI names a store or bundle (contract of the command: SCHEME[+DRIVER]:PATH, or a path)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from toolkit.errors import InvalidPlace

SCHEME = re.compile(
    r"(?P<scheme>[a-z][a-z0-9-]{1,31})(?:\+(?P<option>[a-z0-9]{1,31}))?:(?P<rest>.*)", re.DOTALL
)
AUTO = "auto"
STANDARD_STREAM = "-"  # a bundle that comes in by standard input; a file of this name is ./-
WITH_DRIVER = ("graph", "docker-root", "containers-storage")  # the schemes that take +DRIVER
# Stores of engines, read while those do not run.
AT_REST = frozenset({"graph", "docker-root", "containers-storage", "containerd-root"})
FOLDERS = AT_REST | {"oci", "registry-root"}  # the stores that are a folder
LIVE = frozenset({"docker", "docker-daemon"})  # what answers over a connection
BUNDLES = frozenset({"", "docker-archive", "oci-archive", "dir"})
SCHEMES = FOLDERS | LIVE | BUNDLES | {"sample", AUTO}


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed place: `scheme` is empty for a bundle given by its path."""

    scheme: str
    path: str
    option: str = ""  # the driver, as in graph+vfs:

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a URI or a path; raises InvalidPlace."""
        if not text or "\0" in text:
            raise InvalidPlace(repr(text), "is no path", "give a store's URI or a bundle's path")
        if text == AUTO:
            return cls(AUTO, "")
        found = SCHEME.fullmatch(text)
        if not found or found["scheme"] not in SCHEMES or found["scheme"] == AUTO:
            if found and not os.path.exists(text) and "/" not in text.partition(":")[0]:
                known = ", ".join(f"{scheme}:" for scheme in sorted(SCHEMES - {"", AUTO}))
                raise InvalidPlace(repr(text), "names no kind of place", f"give a path, or one of {known}")
            return cls("", text)
        place = cls(found["scheme"], found["rest"], found["option"] or "")
        if place.option and place.scheme not in WITH_DRIVER:
            takers = f"{':, '.join(WITH_DRIVER[:-1])}: and {WITH_DRIVER[-1]}:"
            raise InvalidPlace(repr(text), f"has the option +{place.option}, which only {takers} take")
        if place.path and place.scheme == "sample":
            raise InvalidPlace(repr(text), "has a path, and there is one sample only", "write sample:")
        if not place.path and place.scheme not in {"sample", "docker-daemon"}:
            raise InvalidPlace(repr(text), "has no path", f"write {place.scheme}:PATH")
        return place

    def __str__(self) -> str:
        if self.scheme in {"", AUTO}:
            return self.path or self.scheme
        return f"{self.scheme}{'+' + self.option if self.option else ''}:{self.path}"


def is_store(text: str) -> bool:
    """Tell whether a place is written as a store, and not as a file to carry; it need not be one."""
    found = SCHEME.fullmatch(text)
    return found is not None and found["scheme"] in SCHEMES - BUNDLES
