"""Literal layers extracted into a folder that has a secret beside it, which nobody may so much as open."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import tarfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.archives import Picture, image, layout, written
from tests.layers import layer
from tests.treecompare import facts
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.operations.extract import Extracted, Rules, extract
from toolkit.plumbing.profile import SAFE, Profile
from toolkit.ports import Source

Member = tuple[tarfile.TarInfo, bytes]
Layer = bytes | list[Member]
NAME = "app:1"
OPEN, ACCESS, MODIFY, ATTRIB, MOVED, CREATE, DELETE = 0x20, 0x1, 0x2, 0x4, 0xC0, 0x100, 0x200
EVERYTHING = OPEN | ACCESS | MODIFY | ATTRIB | MOVED | CREATE | DELETE
EVENT = struct.Struct("iIII")


class Guard:
    """Sees everything that is done to some folders, and to what lies right in them (inotify(7))."""

    def __init__(self, *folders: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._handle >= 0, os.strerror(ctypes.get_errno())
        self._folders = {
            libc.inotify_add_watch(self._handle, os.fsencode(path), EVERYTHING): path for path in folders
        }
        assert -1 not in self._folders, os.strerror(ctypes.get_errno())

    def seen(self) -> list[str]:
        """What was done so far: a mask of events and a path each."""
        found: list[str] = []
        while events := self._read():
            at = 0
            while at < len(events):
                watch, mask, _, length = EVENT.unpack_from(events, at)
                at += EVENT.size + length
                name = events[at - length : at].rstrip(b"\0").decode(errors="backslashreplace")
                found.append(f"{mask:#x} {self._folders[watch]}/{name}")
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._handle, 1 << 16)
        except BlockingIOError:
            return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)


class Site:
    """A place to extract to: `root`, and what is around it."""

    def __init__(self, outside: Path) -> None:
        self.outside, self.root, self.bundle = outside, outside / "root", outside / "image.tar"
        self.vault = outside / "vault"
        self.vault.mkdir(0o711)
        self.secret = self.vault / "secret"
        self.secret.write_text("secret")
        self.secret.chmod(0o640)
        self._before = self._around()

    def extract(self, *layers: Layer, profile: Profile = SAFE, **rules: Any) -> Extracted:
        """Extract an image of these layers, and see that nothing around was touched."""
        tars = [each if isinstance(each, bytes) else layer(*each) for each in layers]
        written(self.bundle, layout((NAME, image(*tars))))
        with Guard(self.vault) as guard, pytest.MonkeyPatch.context() as patch:
            patch.setattr("toolkit.operations.extract.sync_file_system", os.fstat)  # takes no while
            try:
                return extract(open_bundle(self.bundle), NAME, self.root, Rules(profile, **rules))
            finally:
                assert guard.seen() == []
                self.bundle.unlink()
                after = self._around()
                assert after == self._before, {k: v for k, v in after.items() if self._before.get(k) != v}

    def refused(
        self, *layers: Layer, kind: type[ToolkitError] = ToolkitError, match: str | None = None, **rules: Any
    ) -> ToolkitError:
        """See that such an image is refused, and that nothing of it is left; return the error."""
        with pytest.raises(kind, match=match) as caught:
            self.extract(*layers, **rules)
        assert not os.path.lexists(self.root)
        assert "layer sha256:" in str(caught.value)
        return caught.value

    def opened(self, picture: Picture) -> Source:
        """Return any image as a bundle has it."""
        return open_bundle(written(self.bundle, layout((NAME, picture))))

    def refuses(self, picture: Picture, kind: type[ToolkitError] = CorruptContent) -> ToolkitError:
        """See that any image is refused, by whatever looks at it first; return the error."""
        with pytest.raises(kind) as caught:
            extract(self.opened(picture), NAME, self.root)
        assert not os.path.lexists(self.root)
        return caught.value

    def names(self) -> list[str]:
        """What lies in the root."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def modes(self) -> dict[str, str]:
        """The modes of what lies in it."""
        return {name: stat.filemode((self.root / name).lstat().st_mode) for name in self.names()}

    def _around(self) -> dict[str, Any]:
        """All that is beside the root, but for the bundle, and the times of the folder that both are in."""
        found = dict(facts(self.outside))
        found.pop("image.tar", None)
        found["."]["mtime"] = None
        return {name: each for name, each in found.items() if name.split("/")[0] != "root"}
