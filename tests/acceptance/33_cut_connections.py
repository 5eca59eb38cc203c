"""Transfers through a proxy that cuts every connection: all arrive, and few bytes travel twice.

    python tests/acceptance/33_cut_connections.py [--transfers N] [--megabytes M]

An image of two layers is pulled N times from a real registry, every connection cut after so many bytes,
another number each time; pushed N times, one connection of each push cut; and pulled N times more, one bit
flipped on the way. Printed is what each transfer brought over the line, beside the image's size.

A push may bring more: docker-registry 2.8 forgets an upload whose connection breaks off, and all of that
layer is sent again.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.archives import image, layout, tar, unpacked
from tests.integration.cutting import CuttingProxy
from tests.integration.engines import Registry
from toolkit.errors import ToolkitError
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.places import open_sink, open_source
from toolkit.settings import Settings
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.sink import RegistrySink
from toolkit.stores.registry.store import RegistryStore

PULLED, PUSHED = 1.3, 2.0  # times the image's size that may travel
NAME = "large:1"
UNSEEN = "nothing: it was in what says nothing, and the image is whole"


class Ground:
    """An image, a registry that has it, and a folder to work in."""

    def __init__(self, folder: Path, registry: Registry, megabytes: int) -> None:
        self.folder, self.registry, self.rng = folder, registry, random.Random(7)
        self.number, self.settings = 0, Settings(home=folder / "home")
        half = (megabytes << 20) // 2
        layers = [tar({f"noise{number}": self.rng.randbytes(half)}) for number in range(2)]
        self.layer, self.size = len(layers[0]), sum(map(len, layers))
        self.files = LayoutStore(unpacked(folder / "in", layout((NAME, image(*layers)))))
        self.digest = self.files.identify(NAME)
        self.push(f"{registry.host}/{NAME}")

    def push(self, place: str) -> None:
        """Send the image somewhere."""
        sink = open_sink(f"docker://{place}", self.settings)
        assert isinstance(sink, RegistrySink)
        with closing(sink):
            copy(self.files, sink, [NAME])

    def pull(self, host: str) -> None:
        """Fetch the image, and read again what has arrived."""
        source, out = open_source(f"docker://{host}/{NAME}", self.settings), LayoutStore(self.folder / "out")
        assert isinstance(source, RegistryStore)
        with closing(source):
            [image_] = copy(source, out, [NAME])
        expect(str(image_.top.digest) == self.digest and not verify(out).errors, "what arrived is not whole")

    def pulled(self) -> tuple[int, int]:
        """Pull once, each connection cut; return the bytes that were brought, and the cuts."""
        down = self.rng.randrange(self.layer // 16, self.layer // 2)
        with CuttingProxy(self.registry.host, down=down) as proxy:
            self.pull(proxy.host)
        shutil.rmtree(self.folder / "out")
        return proxy.brought, proxy.cut

    def pushed(self) -> tuple[int, int]:
        """Push once to a new repository, one connection cut; return as `pulled`."""
        self.number += 1
        name, up = f"pushed{self.number}", self.rng.randrange(self.layer // 16, self.layer)
        with CuttingProxy(self.registry.host, up=up, cuts=1) as proxy:
            self.push(f"{proxy.host}/{name}:1")
        source = open_source(f"docker://{self.registry.host}/{name}:1", self.settings)
        assert isinstance(source, RegistryStore)
        with closing(source):
            expect(source.identify(f"{name}:1") == self.digest, "another image arrived")
        return proxy.taken, proxy.cut

    def flipped(self) -> str:
        """Pull once, one bit flipped on the way; return what it came to."""
        with CuttingProxy(self.registry.host, flip=self.rng.randrange(self.size)) as proxy:
            try:
                self.pull(proxy.host)
                told = UNSEEN
            except ToolkitError as error:
                told = f"exit {error.exit_code}, {type(error).__name__}"
                expect(not LayoutStore(self.folder / "out").listings(), "a name was left")
        self.pull(self.registry.host)  # what was wrong is not gone on with
        shutil.rmtree(self.folder / "out")
        return told


def expect(fact: object, otherwise: str) -> None:
    """End the script where something is not so."""
    if not fact:
        raise SystemExit(otherwise)


def repeat(verb: str, times: int, size: int, most: float, transfer: Callable[[], tuple[int, int]]) -> None:
    """Transfer so often; print each, and all together."""
    ratios, cuts = [], 0
    for number in range(1, times + 1):
        began = time.monotonic()
        brought, cut = transfer()
        ratios.append(brought / size)
        cuts += cut
        seconds = time.monotonic() - began
        print(
            f"{verb} {number}: {brought:,} bytes, {ratios[-1]:.3f} x the image, {cut} cuts, {seconds:.1f} s",
            flush=True,
        )
        expect(ratios[-1] <= most, f"expected at most {most} x the image")
    mean = sum(ratios) / times
    print(
        f"== {times} of {times} arrived: {mean:.3f} x the image on average, {max(ratios):.3f} at most; {cuts} cuts"
    )


def main() -> None:
    """Pull, push, and flip."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transfers", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="accept-") as name, Registry() as registry:
        ground = Ground(Path(name), registry, asked.megabytes)
        print(f"== an image of {ground.size:,} bytes")
        repeat("pull", asked.transfers, ground.size, PULLED, ground.pulled)
        repeat("push", asked.transfers, ground.size, PUSHED, ground.pushed)
        outcomes = Counter(ground.flipped() for _ in range(asked.transfers))
        for told, times in sorted(outcomes.items()):
            print(f"a flipped bit came {times} times to {told}")


main()
