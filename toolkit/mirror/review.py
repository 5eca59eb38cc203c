"""Review: what is to be removed, as a file that a person reads, shortens, and hands back.

    # … what to do with it
    prune 1
    site plant-7
    volumes /srv/media
    image docker.io/library/redis:7.0 sha256:… # why
    set plant-7_0003 sha256:… # why

One line for each thing; a line that is taken out, or begins with `#`, keeps it. The digest is what the name
meant when it was listed: of a set, that of its list of checksums.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from toolkit.digest import Digest
from toolkit.errors import ToolkitError, Unsupported, UsageError
from toolkit.mirror.records import papers
from toolkit.printable import printable

LIMIT = 64 << 20  # bytes
IMAGE, SET = KINDS = ("image", "set")
FORM = "write image or set, a name, a digest, and nothing else before a #"
HEAD = """\
# What lading would remove, as of {made}. Nothing is removed yet.
# Take a line out, or write # before it, and what it names stays. Then run:
#     lading mirror prune --confirm {file}
"""


@dataclass(frozen=True, slots=True)
class Old:
    """One thing that is to go."""

    kind: str  # one of KINDS
    name: str
    digest: Digest
    why: str = ""

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line; raises UsageError, InvalidDigest or InvalidDocument."""
        words = line.partition(" #")[0].split()
        if len(words) != len(("kind", "name", "digest")) or words[0] not in KINDS:
            raise UsageError(repr(line[:100]), "is no line of a review", FORM)
        kind, name, digest = words
        return cls(kind, papers.image_name(name), Digest.parse(digest), line.partition(" # ")[2].strip())

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.digest} # {printable(self.why)}"


@dataclass(frozen=True, slots=True)
class Review:
    """One file."""

    site: str
    volumes: str  # the folder that the files of sets lie in; empty where none are to go
    lines: tuple[Old, ...]

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read a file as it came back; raises UsageError with the number of a line that is none."""
        facts: dict[str, str] = {}
        lines: dict[tuple[str, str], Old] = {}
        for number, line in enumerate(raw.decode("utf-8-sig", "surrogateescape").split("\n"), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            word, _, rest = text.partition(" ")
            if word in {"prune", "site", "volumes"}:
                facts[word] = rest.strip()
                continue
            try:
                old = Old.parse(text)
            except ToolkitError as error:
                raise UsageError(f"{subject}:{number}", str(error)) from error
            if lines.setdefault((old.kind, old.name), old).digest != old.digest:
                raise UsageError(f"{subject}:{number}", f"names {old.name} again, with another digest")
        if facts.get("prune") is None or "site" not in facts:
            raise UsageError(
                subject, "is no review of a mirror", "write one: lading mirror prune JOB -o FILE"
            )
        if facts["prune"] != "1":
            raise Unsupported(
                subject, f"is of version {facts['prune'][:20]}, expected 1", "use a newer lading"
            )
        return cls(papers.site_name(facts["site"]), facts.get("volumes", ""), tuple(lines.values()))

    def text(self, file: str, made: datetime) -> str:
        """Return the file that is to be called `file`."""
        head = HEAD.format(file=printable(file), made=papers.as_moment(made))
        facts = ["prune 1", f"site {self.site}", *([f"volumes {self.volumes}"] if self.volumes else []), ""]
        return head + "\n" + "\n".join([*facts, *map(str, self.lines)]) + "\n"

    def of(self, kind: str) -> dict[str, Digest]:
        """Return the names of one kind, with what they mean."""
        return {old.name: old.digest for old in self.lines if old.kind == kind}
