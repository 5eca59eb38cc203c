"""What the command makes of an archive: verified, and imported into an empty store, which must agree."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.archives import Body, Members, written
from toolkit.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit code, what it printed, and what it said beside that."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Return the sentence that it ended with."""
        return self.err.splitlines()[-1].removeprefix("error: ") if self.code else ""

    @cached_property
    def json(self) -> Any:
        """Return the document that it printed."""
        return json.loads(self.out)


def ran(*argv: str | Path) -> Ran:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main((*map(str, argv), "--quiet"))
    return Ran(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Judged:
    """One archive, judged: the report of `verify`, and the store that `import` made or did not make."""

    verified: Ran
    store: Path

    @property
    def code(self) -> int:
        """Return the exit code, of both."""
        return self.verified.code

    @property
    def error(self) -> str:
        """Return the sentence of a refusal, the path of the archive left out."""
        return self.verified.error

    @property
    def images(self) -> list[tuple[str, list[str]]]:
        """Return (image ID, diffIDs) of each image, once."""
        found = {}
        for image in self.verified.json.get("images", []):
            for platform in image["platforms"]:
                found[platform["image_id"]] = [layer["diff_id"] for layer in platform["layers"]]
        return list(found.items())

    @property
    def names(self) -> list[str]:
        """Return the names of all images."""
        return [name for image in self.verified.json["images"] for name in image["names"]]

    def told(self, severity: str) -> list[str]:
        """Return the findings of one severity: error, warning or note."""
        findings = self.verified.json.get("findings", [])
        return [each["problem"] for each in findings if each["severity"] == severity]

    def __str__(self) -> str:
        """Return what the table prints."""
        if self.code:
            return f"refused {self.code}: {self.error}"
        warnings = self.told("warning")
        return f"accepted; warns: {warnings[0]}" if warnings else "accepted"


Judge = Callable[..., Judged]


def judged(path: Path, work: Path, *flags: str) -> Judged:
    """Verify an archive and import it; raises AssertionError where the two come to different ends."""
    verified = ran("verify", path, *flags, "--json")
    store = work / "store"
    imported = ran("import", path, "--into", f"oci:{store}", *flags)
    assert imported.code == verified.code, (verified.err, imported.err)
    if verified.code:
        assert not (store / "index.json").exists(), "nothing may be named of what is refused"
    return Judged(verified, store)


def archive(folder: Path, items: Any, members: Members | dict[str, Body], name: str = "a.tar") -> Path:
    """Write an archive with a manifest.json of these items; bytes stand as they are."""
    raw = items if isinstance(items, bytes) else json.dumps(items).encode()
    return written(folder / name, {**dict(members), "manifest.json": raw})
