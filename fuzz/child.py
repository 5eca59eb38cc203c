"""One target in a process of its own: by atheris where that is installed, else by our own mutator.

`python -m fuzz.child TARGET SECONDS FOLDER ROUND`: the folder has `seeds/`, gets `found/` with inputs that
reach new code, and `crash-…` with one that must not be. The last line of stdout is a JSON object of figures.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

MEMORY = 256 << 20  # bytes above what the process has before its first input
EACH = 10  # seconds of a processor for one input, whatever else the machine does
WAIT = 12 * EACH  # seconds by the clock: it waits for something that does not come
HAS_ATHERIS = find_spec("atheris") is not None


class Hang(BaseException):
    """An input took too long; no handler of errors may take it for one."""


def resident() -> int:
    """Return how many bytes of memory the process has now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def by_atheris(name: str, seconds: int, folder: Path) -> None:
    """Let libFuzzer run it; it ends the process, and prints its own figures to stderr."""
    import atheris

    with atheris.instrument_imports(include=["toolkit"]):
        from fuzz.targets import TARGETS, run

    target = TARGETS[name]

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        changed = bytes(atheris.Mutate(data, most))
        return changed if target.repair is None or seed % 4 == 0 else target.repair(changed)[:most]

    limit = (resident() + MEMORY) >> 20
    words = [
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={WAIT}",
        f"-rss_limit_mb={limit}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    print(json.dumps({"base": resident(), "how": "atheris"}), flush=True)
    words += [str(folder / "found"), str(folder / "seeds")]
    _be_interrupted()
    atheris.Setup(
        [name, *words],
        lambda data: within_limits(lambda: run(target, data)),
        custom_mutator=mutator if target.repair else None,
    )
    atheris.Fuzz()


def by_ourselves(name: str, seconds: float, folder: Path, number: str) -> None:
    """Change the seeds at random, always in the same order, and give each to the target."""
    from fuzz.mutator import mutated
    from fuzz.targets import TARGETS, run

    target, rng = TARGETS[name], random.Random(f"{name} {number}")
    inputs = [path.read_bytes() for path in sorted((folder / "seeds").iterdir())]
    _be_interrupted()
    signal.signal(signal.SIGALRM, _hang)
    base, end, runs, slowest = resident(), time.monotonic() + seconds, 0, 0.0
    figures: dict[str, Any] = {"base": base, "how": "at random", "crash": ""}
    waiting = list(inputs)
    while time.monotonic() < end or waiting:
        data = waiting.pop() if waiting else mutated(rng.choice(inputs), rng, inputs, target.longest)
        if runs >= len(inputs) and target.repair and rng.randrange(4):
            data = target.repair(data)
        began = time.process_time()
        problem = tried(lambda: run(target, data))  # noqa: B023 - called at once
        slowest = max(slowest, time.process_time() - began)
        runs += 1
        if not problem and _peak() - base > MEMORY:
            problem = f"took {_peak() - base} bytes of memory"
        if problem:
            (folder / f"crash-{sha256(data).hexdigest()[:40]}").write_bytes(data)
            figures["crash"] = problem
            break
    print(json.dumps({**figures, "runs": runs, "peak": _peak(), "slowest": slowest}), flush=True)


def tried(test: Callable[[], object]) -> str:
    """Return how a test failed, with its place; empty where it did not."""
    signal.setitimer(signal.ITIMER_REAL, WAIT)
    try:
        within_limits(test)
    except (Exception, Hang):  # noqa: BLE001 - whatever comes is what is sought
        return traceback.format_exc(limit=-3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ""


def within_limits(test: Callable[[], object]) -> None:
    """Run a test; raises Hang where it takes too much time of a processor."""
    signal.setitimer(signal.ITIMER_PROF, EACH)
    try:
        test()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _be_interrupted() -> None:
    signal.signal(signal.SIGPROF, _hang)


def _hang(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
    raise Hang(f"took more than {EACH} s of a processor" if number == signal.SIGPROF else f"waited {WAIT} s")


def _peak() -> int:
    """Return the most memory that this process had: ru_maxrss begins with that of whoever started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) << 10


def main() -> None:
    """Run what the command line says."""
    name, seconds, folder, number = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    if HAS_ATHERIS and "FUZZ_PLAIN" not in os.environ:
        by_atheris(name, int(seconds), folder)
    else:
        by_ourselves(name, seconds, folder, number)


if __name__ == "__main__":
    main()
