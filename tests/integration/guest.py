"""A Linux in a process (user-mode Linux): file systems that this kernel has no driver for, without being root.

Its root is this machine's own files, with our rights to them, so one Python and one checkout serve both.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .workplace import EngineRefused, Workplace, environment

ROOT = Path(__file__).parents[2]
FIRST = Path(__file__).with_name("guest_init.py")  # what runs in it before all
MODULES = ("fs/nls/nls_cp437", "fs/nls/nls_iso8859-1", "fs/fat/fat", "fs/fat/vfat", "drivers/block/loop")
BOOT = (
    "mem=512M",
    "root=/dev/root",
    "rootfstype=hostfs",
    "rootflags=/",
    "rw",
    "quiet",
    "con=null",
    "con0=null,fd:1",
)
LIVING = 900.0  # seconds, on a machine that is busy


class Guest(Workplace):
    """Boots for one command, which is root there, and ends with it."""

    programs = ("linux.uml",)

    def python(self, *words: str) -> tuple[int, str]:
        """Run this Python there; return its exit code and all that it wrote."""
        task = {
            "modules": MODULES,
            "command": [sys.executable, *words],
            "folder": str(ROOT),
            "environ": {**environment(self.home), "PYTHONPATH": str(ROOT)},
            "code": str(self.home / "code"),
        }
        (self.home / "task.json").write_text(json.dumps(task))
        init = self.home / "init"
        init.write_text(f"#!{sys.executable} -I\n{FIRST.read_text()}")
        init.chmod(0o755)
        said = self._boot(f"init={init}", f"TASK={self.home}/task.json", f"uml_dir={self.home}/uml")
        try:
            return int((self.home / "code").read_text()), said
        except FileNotFoundError:
            raise EngineRefused(f"linux.uml ended before its command did: {said[-2000:]}") from None

    def _boot(self, *words: str) -> str:
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "TERM", "linux.uml", *BOOT, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(self.home),
            timeout=LIVING,
            check=False,
        )
        return done.stdout.decode(errors="replace")
