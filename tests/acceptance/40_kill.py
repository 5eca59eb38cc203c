"""`kill -9` at every call that changes the disk, and at 30 random moments of an export of over 10 s.

After each: nothing half-made looks finished; the next run ends well, with the same bytes and no stray file.
`KILL_EVERY=4` in the environment takes every fourth call only, as CI does.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.kill.faults import Child, Fault, faults
from tests.kill.scenes import Inputs, Scene, scenes

EVERY = int(os.environ.get("KILL_EVERY", "1"))  # calls: at which of them it is killed
PARTS = 8  # of each scene: so many folders are worked on, as many at once as there are processors
MOMENTS, LEAST = 30, 10.0  # kills at random, and seconds that the slowed export takes at least
SLOWED = "export"
SEED = 20261123


def scene_in(inputs: Inputs, folder: Path, name: str) -> Scene:
    """A scene by its name, played in a folder of its own."""
    return {scene.name: scene for scene in scenes(inputs, folder)}[name]


def made_inputs(folder: Path) -> Inputs:
    """Inputs that nobody else reads: staging links to the blobs of an `oci:` store, which touches them."""
    folder.mkdir(parents=True)
    return Inputs(folder).make()


def every_call(folder: Path, name: str, part: int) -> int:
    """Kill a scene at each call of one part; return how many they were."""
    scene = scene_in(made_inputs(folder / "inputs"), folder / "scene", name)
    ended, expected = scene.undisturbed()
    moments = faults(ended.calls)[part::PARTS][::EVERY]
    for fault in moments:
        scene.survives(fault, expected)
    return len(moments)


def slowed(scene: Scene) -> tuple[Fault, float]:
    """Return a delay that makes the scene take long enough, and how long it then takes."""
    ended, _ = scene.undisturbed()
    delay = Fault(delay=1.2 * LEAST / len(ended.calls))
    scene.clear()
    started = time.monotonic()
    assert Child(scene.work, delay).end().code == 0
    return delay, time.monotonic() - started


def random_moments(inputs: Inputs, folder: Path) -> None:
    """Kill an export whose disk is slow; all of them begin together, each in a folder of its own."""
    delay, took = slowed(scene_in(inputs, folder / "slow", SLOWED))
    assert took >= LEAST, f"the slowed export took {took:.1f} s, expected at least {LEAST}"
    chance = random.Random(SEED)
    moments = sorted(chance.uniform(0, took) for _ in range(MOMENTS))
    played = [scene_in(inputs, folder / str(number), SLOWED) for number in range(MOMENTS)]
    expected = [scene.undisturbed()[1] for scene in played]
    for scene in played:
        scene.clear()
    children = [Child(scene.work, delay) for scene in played]
    started = time.monotonic()
    for child, moment in zip(children, moments, strict=True):
        time.sleep(max(0, started + moment - time.monotonic()))
        assert child.kill().was_killed, f"it had ended before {moment:.2f} s"
    for scene, state, moment in zip(played, expected, moments, strict=True):
        scene.recovers(state, f"{scene} killed after {moment:.2f} of {took:.1f} s")
    print(
        f"{SLOWED}, slowed to {took:.1f} s, killed at {MOMENTS} random moments, rerun, the same", flush=True
    )


def main() -> None:
    """Every scene, then the slow one."""
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a killed process loses nothing there
    with tempfile.TemporaryDirectory(prefix="kill-", dir=in_memory) as work:
        play(Path(work))


def play(work: Path) -> None:
    """Kill every scene at every call, with a process for each processor."""
    inputs = made_inputs(work / "inputs")
    names = [scene.name for scene in scenes(inputs, work)]
    context = multiprocessing.get_context("fork")
    processors = context.SimpleQueue()
    for processor in os.sched_getaffinity(0):
        processors.put(processor)
    started, killed, left = time.monotonic(), Counter[str](), Counter(dict.fromkeys(names, PARTS))
    with ProcessPoolExecutor(
        len(os.sched_getaffinity(0)), context, lambda: os.sched_setaffinity(0, {processors.get()})
    ) as pool:
        jobs = {
            pool.submit(every_call, work / str(number), name, part): name
            for number, (name, part) in enumerate(itertools.product(names, range(PARTS)))
        }
        for job in as_completed(jobs):
            killed[jobs[job]] += job.result()
            left[jobs[job]] -= 1
            if not left[jobs[job]]:
                print(f"{jobs[job]}, killed at {killed[jobs[job]]} moments, rerun, the same", flush=True)
    print(f"every call: {killed.total()} moments in {time.monotonic() - started:.0f} s", flush=True)
    random_moments(inputs, work / "slowed")


main()
