"""A night over 1,000 images of which nothing changed, at a real registry: requests, bytes, memory and seconds.

The registry's own log says what it was asked: one HEAD for each tag, one list for each repository, and nothing
else. Seconds are told and judge nothing.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fortnights import SITE, Upstream, expect, layer, picture
from tests.integration.engines import Registry
from toolkit.mirror.connected.running import Orders, run
from toolkit.mirror.jobs.job import Job
from toolkit.settings import Settings

REPOSITORIES, TAGS = 50, int(os.environ.get("MIRROR_TAGS", "20"))  # CI takes fewer
IMAGES = REPOSITORIES * TAGS
FIRST = dt.datetime(2026, 11, 26, 2, tzinfo=dt.UTC)
ASKED_SECONDS, ASKED_BYTES, ASKED_MEMORY = 30, 1_000_000, 256 << 20
ASKED = re.compile(r'"([A-Z]+) (/v2/\S*) HTTP')  # a line of the access log


def fill(upstream: Upstream) -> None:
    """Push them: three layers each, of which two are shared."""
    for repository in range(REPOSITORIES):
        for number in range(TAGS):
            own = layer(f"own{repository}-{number}", 2_000)
            upstream.push(
                f"r{repository:02}:1.{number}",
                picture(layer("base", 100_000), layer(f"group{repository}", 5_000), own),
            )


def night(folder: str, number: str) -> None:
    """Do one night, in a process of its own, and print what it came to."""
    job = Job.parse((Path(folder) / "job.toml").read_bytes(), "job.toml", Path(folder))
    now, started = (FIRST + dt.timedelta(days=int(number))).timestamp(), time.monotonic()
    ran = run(job, Settings(home=Path(folder) / "home"), Orders(), clock=lambda: now)
    facts = {
        "seconds": time.monotonic() - started,
        "bytes": sum(volume.size for volume in ran.finished.record.volumes),
        "new": ran.outcome.images_new,
        "there": ran.outcome.images_there,
        "gaps": len(ran.outcome.gaps),
        "memory": peak(),
    }
    print(json.dumps(facts))


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) << 10


class Nights:
    """One night after the other, and what the registry was asked for in each."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder, self.log, self.seen = folder, registry.home / "log", 0

    def sleep(self, number: int) -> tuple[dict[str, float], Counter[tuple[str, str]]]:
        """Return the figures of a night, and how often each thing was asked for."""
        self.asked()
        command = [sys.executable, __file__, str(self.folder), str(number)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        facts: dict[str, float] = json.loads(done.stdout)
        return facts, self.asked()

    def asked(self) -> Counter[tuple[str, str]]:
        lines = self.log.read_bytes()[self.seen :]
        self.seen += len(lines)
        return Counter(ASKED.findall(lines.decode()))


def tell(what: str, facts: dict[str, float], asked: Counter[tuple[str, str]]) -> None:
    kinds: Counter[str] = Counter()
    for (method, path), count in asked.items():
        kinds[f"{method} {next((k for k in ('manifests', 'blobs', 'tags') if f'/{k}/' in path), path)}"] += (
            count
        )
    print(f"{what}: {facts['new']:.0f} new, {facts['there']:.0f} as before")
    print(f"  {facts['seconds']:.1f} s (asked of a night without news: {ASKED_SECONDS})")
    print(f"  {facts['bytes']:.0f} bytes to carry, {facts['memory'] / (1 << 20):.0f} MiB at the peak")
    print(f"  {asked.total()} requests: {', '.join(f'{n} {k}' for k, n in kinds.most_common())}", flush=True)


def main() -> None:
    """Two nights."""
    with tempfile.TemporaryDirectory(prefix="accept-") as work, Registry() as registry:
        fill(Upstream(registry))
        repositories = (f"{registry.host}/team/r{number:02}" for number in range(REPOSITORIES))
        images = ",\n".join(f'{{repo = "{each}", tags = ["*"]}}' for each in repositories)
        text = f'site = "{SITE}"\nimages = [{images}]\n[policy]\nmin_free = "1"\n'
        (Path(work) / "job.toml").write_text(text)
        nights = Nights(Path(work), registry)
        first, asked = nights.sleep(0)
        tell("the first night", first, asked)
        expect("new images of the first night", first["new"], IMAGES)
        facts, asked = nights.sleep(1)
        tell("the second night", facts, asked)
        expect("images as before", (facts["new"], facts["there"], facts["gaps"]), (0, IMAGES, 0))
        heads = {path: count for (method, path), count in asked.items() if method == "HEAD"}
        tags = (f"/v2/team/r{r:02}/manifests/1.{n}" for r in range(REPOSITORIES) for n in range(TAGS))
        expect("one HEAD a tag", heads == dict.fromkeys(tags, 1), expected=True)
        lists = sum(count for (_, path), count in asked.items() if "/tags/list" in path)
        expect("one list a repository", lists, REPOSITORIES)
        pings = asked["GET", "/v2/"]
        expect("other requests", asked.total() - IMAGES - REPOSITORIES - pings, 0)
        expect(f"at most {ASKED_BYTES} bytes", facts["bytes"] <= ASKED_BYTES, expected=True)
        expect("at most 256 MiB", facts["memory"] <= ASKED_MEMORY, expected=True)


if sys.argv[1:]:
    night(*sys.argv[1:])
else:
    main()
