"""Two hosts that share a folder, a registry and a luigid: network namespaces, or processes on the loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Self

from .workplace import EngineMissing, Workplace, demand, end

ROOT = Path(__file__).parents[2]
HUB = "10.77.0.1"  # in its namespace alone
PATIENCE = 90.0
REGISTRY = """version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: '{address}'}}
"""


def wait_for(what: Callable[[], object], why: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.05)


class Command:
    """A command on a host; what it says goes to a file."""

    def __init__(self, words: Sequence[str], folder: Path, environ: dict[str, str], name: str) -> None:
        self.path = folder / f"{name}.log"
        self.log: IO[bytes] = self.path.open("wb")
        self.process = subprocess.Popen(
            words, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip

    @property
    def said(self) -> str:
        return self.path.read_text(errors="replace")

    def wait_until_it_says(self, text: str) -> None:
        wait_for(lambda: text in self.said or self.process.poll() is not None, self.said)
        assert text in self.said, self.said

    def ended(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.said) from None

    def kill(self) -> None:
        """Take the host away: every process of the command at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            end(self.process)
        self.log.close()


class Hosts(Workplace):
    """A hub with a registry, and hosts `a` and `b`, each with a folder of its own; `shared` is of all."""

    programs: tuple[str, ...] = ("docker-registry",)

    def __init__(self) -> None:
        super().__init__()
        self._undo = ExitStack()
        self.shared, self.storage = self.home / "shared", self.home / "storage"
        self.shared.mkdir()
        self.storage.mkdir()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.__exit__, None, None, None)
            self.connect()
            self.registry, self.luigid = self.address(), self.address()
            (self.home / "registry.yml").write_text(REGISTRY.format(root=self.storage, address=self.registry))
            words = ["docker-registry", "serve", str(self.home / "registry.yml")]
            self.start("hub", words, "registry").wait_until_it_says("listening on")
            undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()
        super().__exit__(None, None, None)

    def connect(self) -> None:
        """Make the network; here there is one."""

    def address(self) -> str:
        """Return an address of the hub with a port that nobody has."""
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            return f"127.0.0.1:{free.getsockname()[1]}"

    def inside(self, host: str) -> list[str]:
        """Return the words before a command on a host."""
        del host
        return []

    def start(self, host: str, words: Sequence[str], name: str = "", **environ: str) -> Command:
        folder = self.home / host
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        own = {"HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT), "TZ": "UTC"}
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        command = Command(
            [*self.inside(host), *words], folder, {"PATH": path, **own, **environ}, name or host
        )
        self._undo.callback(command.close)
        return command

    def luigi(self, host: str, config: str, *words: str) -> Command:
        """Start luigi on a host, with a file of settings."""
        folder = self.home / host
        folder.mkdir(exist_ok=True)
        (folder / "luigi.cfg").write_text(config)
        return self.start(host, [sys.executable, "-m", "luigi", "--module", "pipelines", *words])

    def start_luigid(self, config: str) -> Command:
        (self.home / "luigid.cfg").write_text(config)
        host, _, port = self.luigid.rpartition(":")
        call = "from luigi.cmdline import luigid; luigid()"
        words = [sys.executable, "-c", call, "--address", host, "--port", port]
        state = ["--state-path", str(self.home / "state.pickle")]
        started = self.start(
            "hub", [*words, *state], "luigid", LUIGI_CONFIG_PATH=str(self.home / "luigid.cfg")
        )
        started.wait_until_it_says("Scheduler starting up")
        return started


class Namespaces(Hosts):
    """The same, each host with a network of its own and a cable to the hub."""

    programs = ("docker-registry", "ip")
    needs_root = True

    def __init__(self) -> None:
        demand("ip", root=True)
        super().__init__()

    def connect(self) -> None:
        self._ports = iter((5000, 8082))
        for host in ("hub", "a", "b"):
            self._ip("netns", "add", self._name(host))
            self._undo.callback(self._ip, "netns", "delete", self._name(host))
            self._ip("-n", self._name(host), "link", "set", "lo", "up")
        self._ip("-n", self._name("hub"), "address", "add", f"{HUB}/32", "dev", "lo")
        for number, host in enumerate(("a", "b"), 1):
            ours, hub = self._name(host), self._name("hub")
            cable = f"cable-{host}"
            self._ip("-n", hub, "link", "add", cable, "type", "veth", "peer", "name", "up0", "netns", ours)
            for space, device, last in ((hub, cable, 1), (ours, "up0", 2)):
                self._ip("-n", space, "address", "add", f"10.77.{number}.{last}/24", "dev", device)
                self._ip("-n", space, "link", "set", device, "up")
            self._ip("-n", ours, "route", "add", "default", "via", f"10.77.{number}.1")

    def address(self) -> str:
        return f"{HUB}:{next(self._ports)}"

    def inside(self, host: str) -> list[str]:
        return ["ip", "netns", "exec", self._name(host)]

    def _name(self, host: str) -> str:
        return f"lading-{os.getpid()}-{host}"

    def _ip(self, *words: str) -> None:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, env={"PATH": path})
        if done.returncode and words[:2] == ("netns", "add"):
            raise EngineMissing(f"ip may not make network namespaces here: {done.stderr.strip()}")
        assert not done.returncode, f"ip {' '.join(words)}: {done.stderr}"
