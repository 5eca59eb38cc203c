"""Both sides of a mirror as operators work on them: real registries, keys of minisign's, media in folders.

The connected side runs by a clock that the script sets; everything else is the command. What each tag is to
mean is written down here by whoever pushes it, and is never asked of the mirror.
"""

from __future__ import annotations

import datetime as dt
import functools
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.archives import INDEX, MANIFEST, Picture, image, sha256, tar
from tests.integration.engines import Registry
from tests.registries import Registry as Shelf
from toolkit.mirror.connected.running import Orders, Ran, run
from toolkit.mirror.jobs.job import Job
from toolkit.operations.keys import open_key
from toolkit.settings import Settings

SITE = "plant-7"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
CREATED = "2020-01-01T00:00:00Z"


@functools.cache
def noise(word: str, size: int) -> bytes:
    """Return bytes that no compression shrinks, the same for the same word."""
    return random.Random(word).randbytes(size)


def layer(word: str, size: int) -> bytes:
    """Return the tar of a layer with one file of noise."""
    return tar({f"opt/{word}": noise(word, size)})


@functools.cache
def packed(tarball: bytes) -> bytes:
    return gzip.compress(tarball, 1, mtime=0)


def picture(*tars: bytes) -> Picture:
    """Return an image of these layers, packed by gzip."""
    blobs = [packed(each) for each in tars]
    diff_ids = [sha256(each) for each in tars]
    return image(*blobs, created=CREATED, diff_ids=diff_ids, media_types=[GZIP] * len(tars))


def expect(what: str, actual: object, expected: object) -> None:
    """End the script where something is not so."""
    if actual != expected:
        sys.exit(f"{what}: {actual}, expected {expected}")


def head(host: str, repository: str, tag: str) -> str:
    """Return the digest that a registry's own API tells of a tag."""
    url = f"http://{host}/v2/{repository}/manifests/{tag}"
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": f"{MANIFEST}, {INDEX}"})
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers["Docker-Content-Digest"])


@dataclass
class Upstream:
    """A registry that anybody pushes to: `tags` is what it has, by `repository:tag`."""

    registry: Registry
    tags: dict[str, Picture] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)  # tags of which a blob is gone

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.registry.root)

    def push(self, name: str, found: Picture) -> None:
        self.shelf.push(f"team/{name}", found)
        self.tags[name] = found

    def delete(self, name: str) -> None:
        repository, _, tag = name.partition(":")
        shutil.rmtree(self.shelf.tag(f"team/{repository}", tag).parent.parent)
        del self.tags[name]

    def spoil(self, name: str) -> None:
        """Let the last layer of an image go from the disk, as a bad sector does."""
        self.shelf.data(self.tags[name].layers[-1]).unlink()
        self.dead.add(name)

    def mend(self, name: str) -> None:
        self.shelf.push(f"team/{name}", self.tags[name])
        self.dead.remove(name)

    def whole(self) -> dict[str, str]:
        """Return the digests of what can be had, by name."""
        return {name: each.digest for name, each in self.tags.items() if name not in self.dead}


@dataclass
class Key:
    """A key pair that minisign made."""

    secret: Path
    public: Path

    @classmethod
    def made(cls, folder: Path, name: str) -> Key:
        key = cls(folder / f"{name}.key", folder / f"{name}.pub")
        words = ["minisign", "-G", "-W", "-p", str(key.public), "-s", str(key.secret)]
        subprocess.run(words, check=True, capture_output=True)
        return key

    def must_have_signed(self, listed: Path) -> None:
        """Let minisign itself say so."""
        words = ["minisign", "-V", "-q", "-p", str(self.public), "-m", str(listed)]
        subprocess.run(words, check=True, capture_output=True)


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    problem: str

    def must_say(self, code: int, *words: str) -> str:
        """Return the sentence; end the script unless it ended so, and says each of these."""
        if self.code != code or (lacking := [word for word in words if word not in self.problem]):
            wrong = f"exit {self.code}, expected {code}" if self.code != code else f"does not say {lacking}"
            sys.exit(f"{wrong}:\n{self.out}{self.problem}")
        return self.problem.strip()


@dataclass
class Fortnight:
    """One site, both sides of it, and what is carried between them."""

    folder: Path
    upstream: Upstream
    target: Registry
    now: dt.datetime
    named: list[str] = field(default_factory=list)  # by the job; of other repositories it takes all tags
    meant: dict[int, dict[str, str]] = field(default_factory=dict)  # digests, by name, of each set
    there: set[int] = field(default_factory=set)  # sets that were received

    def __post_init__(self) -> None:
        self.ours, self.theirs = Key.made(self.folder, "connected"), Key.made(self.folder, "closed")
        self._key = open_key(str(self.ours.secret), lambda _: b"")

    @property
    def connected(self) -> Path:
        return self.folder / "connected"

    @property
    def closed(self) -> Path:
        return self.folder / "closed"

    @property
    def post(self) -> Path:
        """Where receipts lie that are carried back."""
        return self.folder / "post"

    def job(self) -> Job:
        """The job file's words; images are called plant/NAME over there."""
        host = f"{self.upstream.registry.host}/team"
        fixed = {name.partition(":")[0] for name in self.named}
        others = sorted({name.partition(":")[0] for name in self.upstream.tags} - fixed)
        items = [f'{{reference = "{host}/{name}", rename = "plant/{{name}}"}}' for name in self.named]
        items += [f'{{repo = "{host}/{each}", tags = ["*"], rename = "plant/{{name}}"}}' for each in others]
        text = (
            f'site = "{SITE}"\nimages = [\n{", ".join(items)}\n]\n'
            f'[bundle]\nvolume = "1MiB"\nparity = 1\nkey = "{self.ours.secret}"\n[policy]\nmin_free = "1"\n'
        )
        return Job.parse(text.encode(), "job.toml", self.folder)

    def run(self, since: str = "") -> Ran:
        """Do a night, and note what it is to carry."""
        orders = Orders(since=since, key=self._key)
        ran = run(self.job(), Settings(home=self.connected), orders, clock=self.now.timestamp)
        number = ran.finished.record.number
        self.meant[number] = self.upstream.whole()
        self.ours.must_have_signed(ran.folder / f"{SITE}_{number:04}.sha256")
        return ran

    def medium(self, ran: Ran, *names: str, label: str = "") -> Path:
        """Copy the files of a set on a medium: all, or those whose names end so."""
        name = ran.finished.record.increment.name
        medium = self.folder / "media" / f"{name}{label}"
        medium.mkdir(parents=True, exist_ok=True)
        for path in sorted(ran.folder.glob(f"{name}.*")):
            if not names or path.name.endswith(names):
                shutil.copy(path, medium)
        return medium

    def lading(self, *words: str | Path, home: Path) -> Said:
        """Type a command on one of the sides."""
        environ = {**os.environ, "LADING_HOME": str(home)}
        command = ["lading", "mirror", *map(str, words)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    def receive(self, *media: Path, into: str = "", rename: str = "") -> Said:
        """Receive, hand on to the closed side's registry, and put a signed receipt on a medium."""
        words: list[str | Path] = ["receive", *media, "--key", self.ours.public, "--sign", self.theirs.secret]
        self.post.mkdir(exist_ok=True)
        words += ["--receipt-to", self.post, "--operator", "anna"]
        words += ["--into", into or f"docker://{self.target.host}"]
        words += ["--rename", rename or f"docker.io/plant/={self.target.host}/plant/"]
        return self.lading(*words, home=self.closed)

    def takes(self, *media: Path) -> Said:
        """Receive what has to be taken in, and compare the closed side with what was meant."""
        said = self.receive(*media)
        said.must_say(0)
        self.there |= {int(path.name[-4:]) for path in map(whole_name, media)}
        self.compare()
        return said

    def carry_back(self) -> str:
        """Take the last receipt on the connected side; return what that says."""
        path = max(self.post.glob("*.receipt.json"), key=lambda found: found.stat().st_mtime_ns)
        self.theirs.must_have_signed(path.with_name(f"{path.name}.sha256"))
        said = self.lading("receipt", path, "--key", self.theirs.public, home=self.connected)
        said.must_say(0)
        return said.out.strip()

    def due(self) -> dict[str, str]:
        """Return what the closed side is to have: each name as the last set that came has it."""
        found: dict[str, str] = {}
        for number in sorted(self.there):
            found |= self.meant[number]
        return found

    def compare(self) -> None:
        """Compare the closed side's store and registry with what is due, name by name."""
        due = self.due()
        expect(
            "the closed store", stored(self.closed / "store"), {f"plant/{name}": due[name] for name in due}
        )
        told = {name: head(self.target.host, f"plant/{name.partition(':')[0]}", tag_of(name)) for name in due}
        expect("the closed registry", told, due)


def whole_name(medium: Path) -> Path:
    """Return a medium without its label."""
    return medium.with_name(medium.name[: len(f"{SITE}_0000")])


def tag_of(name: str) -> str:
    return name.partition(":")[2]


def stored(layout: Path) -> Mapping[str, str]:
    """Return the digests of a layout by name, as its index has them; the blobs are proven."""
    listed = json.loads((layout / "index.json").read_text())["manifests"]
    names = ((each["annotations"]["io.containerd.image.name"], each["digest"]) for each in listed)
    return {name.removeprefix("docker.io/"): digest for name, digest in names}


def prove(layout: Path, pictures: Iterable[Picture]) -> int:
    """Compare every blob of the images with its file in a layout, byte for byte; return their number."""
    blobs = {digest: content for each in pictures for digest, content in each.blobs.items()}
    for digest, content in blobs.items():
        expect(digest, (layout / "blobs" / digest.replace(":", "/")).read_bytes() == content, expected=True)
    return len(blobs)
