"""What the acceptance scripts share: the real stores, and one luigi command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parents[1]
TAG = "ubuntu:14.04"


def stores(folder: Path) -> Path:
    """Unpack the roots that Docker 1.9.1 wrote, with owners and xattrs; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = CLONE / "tests/golden/engines.tar.xz"
    words = ["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xJpf", str(packed)]
    subprocess.run(words, cwd=folder, check=True)
    return folder


def luigi(*words: str, home: Path) -> None:
    """Run a task as an operator does; show luigi's own words where it fails."""
    command = ["luigi", "--module", "pipelines", *words]
    print("$", *command)
    environ = {**os.environ, "LADING_HOME": str(home)}
    environ.pop("PYTHONPATH", None)  # what is installed, not what lies here
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr}\nexit {done.returncode}")


def lading(*words: str) -> str:
    """Run the command as an operator does; end the script where it fails."""
    print("$ lading", *words, flush=True)
    done = subprocess.run(["lading", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nexit {done.returncode}")
    return done.stdout


def expect(what: str, actual: object, expected: object) -> None:
    """Say what was found; end the script where it is something else."""
    if actual != expected:
        sys.exit(f"{what} is {actual}, expected {expected}")
    print(f"  {what}: {actual}")
