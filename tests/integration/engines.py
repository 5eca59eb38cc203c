"""The real programs: what each can be told to do with an image, and what it answers.

Used by the fixtures in `conftest.py`, and without pytest by the scripts in `tests/acceptance`:
`with Dockerd() as engine: engine.load(path)`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .workplace import Daemon, EngineRefused, Workplace, as_file, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .workplace import Words


class Dockerd(Daemon):
    """A Docker engine; its own containerd is its child and goes with it."""

    programs = ("dockerd", "docker", "setpriv")

    def __init__(self, driver: str = "vfs") -> None:
        super().__init__()
        self.driver = driver
        self.root = self.home / "root"
        self.host = f"unix://{self.home}/s"

    def command(self) -> Words:
        places = [f"--data-root={self.root}", f"--exec-root={self.home}/x", f"--pidfile={self.home}/pid"]
        network = ["--iptables=false", "--bridge=none", "--ip-forward=false", "--ip-masq=false"]
        return ["dockerd", *places, f"--host={self.host}", *network, f"--storage-driver={self.driver}"]

    def ask(self) -> object:
        return self.docker("version")

    def docker(self, *words: str | Path) -> str:
        return run(["docker", "-H", self.host, *words], self.home)

    def version(self) -> tuple[int, int]:
        """The major and minor number of the daemon."""
        major, minor, *_ = self.docker("version", "--format", "{{.Server.Version}}").split(".")
        return int(major), int(minor)

    def load(self, archive: Path | bytes) -> list[str]:
        """What `docker load` says: `Loaded image: NAME` or `Loaded image ID: sha256:…`."""
        with as_file(archive, self.home) as path:
            said = self.docker("load", "-i", path)
        return [line for line in said.splitlines() if line.startswith("Loaded")]

    def image_ids(self) -> set[str]:
        return set(self.docker("images", "--all", "--quiet", "--no-trunc").split())

    def images(self) -> dict[str, str]:
        """Reference → image ID, for everything that has a tag."""
        rows = self.docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
        pairs = [row.split() for row in rows.splitlines()]
        return {name: id_ for name, id_ in pairs if "<none>" not in name}

    def inspect(self, reference: str) -> dict[str, Any]:
        return self.inspect_all([reference])[0]

    def inspect_all(self, references: Sequence[str]) -> list[dict[str, Any]]:
        return listed(self.docker("image", "inspect", *references)) if references else []

    def save(self, reference: str | Sequence[str], out: Path) -> None:
        names = [reference] if isinstance(reference, str) else reference
        self.docker("save", "-o", out, *names)

    def forget(self) -> None:
        """Remove every image, so that the next load starts from nothing: children before their parents."""
        while ids := self.image_ids():
            with contextlib.suppress(EngineRefused):
                self.docker("rmi", "--force", *sorted(ids))
            if self.image_ids() == ids:
                raise EngineRefused(f"docker keeps {', '.join(sorted(ids))}")


class Containerd(Daemon):
    """A containerd without its Kubernetes side, and `ctr` to talk to it."""

    programs = ("containerd", "ctr", "setpriv")
    CONFIG = """version = 2
root = "{home}/root"
state = "{home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{home}/s"
"""

    def command(self) -> Words:
        config = self.home / "config.toml"
        config.write_text(self.CONFIG.format(home=self.home))
        return ["containerd", "--config", config]

    def ask(self) -> object:
        return self.ctr("version")

    def ctr(self, *words: str | Path) -> str:
        return run(["ctr", "--address", self.home / "s", *words], self.home)

    def load(self, archive: Path | bytes, *words: str) -> None:
        """Import and unpack, which proves every diffID; `ctr` itself has nothing to say."""
        with as_file(archive, self.home) as path:
            self.ctr("images", "import", "--snapshotter", "native", *words, path)

    def forget(self) -> None:
        """Remove every image, and wait until its content is gone."""
        if names := list(self.images()):
            self.ctr("images", "remove", "--sync", *names)

    def content(self, digest: str) -> bytes:
        """The exact bytes of a document in its store."""
        return self.ctr("content", "get", digest).encode()

    def images(self) -> dict[str, str]:
        """Reference → digest of its manifest or index."""
        rows = [row.split() for row in self.ctr("images", "list").splitlines()[1:]]
        return {row[0]: row[2] for row in rows}

    def check(self) -> str:
        """What `ctr images check` says: whether every blob of every image is there and unpacked."""
        return self.ctr("images", "check", "--snapshotter", "native")


class Registry(Daemon):
    """A registry of docker/distribution on this machine alone, which takes manifests of schema 1 too.

    With `login`, one needs USERNAME and PASSWORD; with `tls`, it shows a certificate that is signed by an
    authority of its own, `authority`. With `cache_of` it is a mirror of that host, which fetches what it lacks.
    """

    programs = ("docker-registry", "setpriv", "openssl")
    needs_root = False
    USERNAME, PASSWORD = "lading", "carried"
    NAME = "registry.example"  # beside its address, for whom a proxy leads there
    HTPASSWD = "lading:$2b$04$9HfaRkS/ZF5UBNI21yOe5.w1hHGYklrCZUG1UfGA0h4.OY4RIklii\n"
    CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: '{host}'{tls}}}
compatibility: {{schema1: {{enabled: true}}}}
{auth}
"""

    def __init__(self, *, login: bool = False, tls: bool = False, cache_of: str = "") -> None:
        super().__init__()
        self.login, self.tls, self.cache_of = login, tls, cache_of
        self.root = self.home / "storage"
        self.authority = self.home / "ca.crt"
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.host = f"127.0.0.1:{free.getsockname()[1]}"

    def command(self) -> Words:
        config, auth, tls = self.home / "config.yml", "", ""
        if self.login:
            (self.home / "htpasswd").write_text(self.HTPASSWD)
            auth = f"auth: {{htpasswd: {{realm: tests, path: {self.home}/htpasswd}}}}"
        if self.cache_of:
            auth += f"\nproxy: {{remoteurl: 'http://{self.cache_of}'}}"
        if self.tls:
            self._certify()
            tls = f", tls: {{certificate: {self.home}/host.crt, key: {self.home}/host.key}}"
        config.write_text(self.CONFIG.format(root=self.root, host=self.host, auth=auth, tls=tls))
        return ["docker-registry", "serve", config]

    def ask(self) -> object:
        url = f"{'https' if self.tls else 'http'}://{self.host}/v2/"
        try:
            with urllib.request.urlopen(url, context=self._believing()) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError as error:
            raise EngineRefused(str(error)) from error

    def _believing(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.authority) if self.tls else None

    def _certify(self) -> None:
        """Make an authority, and a certificate of its own for this host."""
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        run(
            [*new, "-x509", "-days", "2", "-subj", "/CN=tests", "-keyout", "ca.key", "-out", "ca.crt"],
            self.home,
        )
        run([*new, "-subj", "/CN=host", "-keyout", "host.key", "-out", "host.csr"], self.home)
        (self.home / "names").write_text(f"subjectAltName=IP:127.0.0.1,DNS:{self.NAME}")
        by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        run(["openssl", "x509", "-req", "-in", "host.csr", "-out", "host.crt", *by], self.home)


class Podman(Workplace):
    """Podman; no daemon, only a storage of its own."""

    programs = ("podman",)
    needs_root = True

    def __init__(self, driver: str = "vfs") -> None:
        super().__init__()
        self.driver = driver

    @property
    def root(self) -> Path:
        return self.home / "root"

    def podman(self, *words: str | Path) -> str:
        """Run podman on the private storage."""
        places = [f"--root={self.root}", f"--runroot={self.home}/run", f"--tmpdir={self.home}/tmp"]
        plain = [f"--storage-driver={self.driver}", "--cgroup-manager=cgroupfs", "--events-backend=none"]
        return run(["podman", *places, *plain, *words], self.home)

    def load(self, archive: Path | bytes) -> list[str]:
        """What `podman load` says: `Loaded image: NAME`."""
        with as_file(archive, self.home) as path:
            return self.podman("load", "--quiet", "--input", path).splitlines()

    def build(self, folder: Path, name: str) -> None:
        """Build an image by the Dockerfile in a folder, a layer for each step that makes one."""
        self.podman("build", "--layers", "--quiet", "--tag", name, folder)

    def mounted(self, reference: str) -> Path:
        """An image's files, until podman goes: mounted read-only, with overlay, or where vfs has them."""
        return Path(self.podman("image", "mount", reference).strip())

    def images(self) -> dict[str, str]:
        """Reference → image ID, as `sha256:…`."""
        rows: list[dict[str, Any]] = json.loads(self.podman("images", "--no-trunc", "--format", "json"))
        return {name: f"sha256:{row['Id']}" for row in rows for name in row.get("Names") or []}

    def inspect(self, reference: str) -> dict[str, Any]:
        return self.inspect_all([reference])[0]

    def inspect_all(self, references: Sequence[str]) -> list[dict[str, Any]]:
        return listed(self.podman("image", "inspect", *references)) if references else []


class PodmanService(Daemon):
    """Podman behind Docker's API, on a socket and a storage of its own."""

    programs = ("podman", "setpriv")

    def __init__(self) -> None:
        super().__init__()
        self.host = f"unix://{self.home}/s"

    def command(self) -> Words:
        places = [f"--root={self.home}/root", f"--runroot={self.home}/run", f"--tmpdir={self.home}/tmp"]
        plain = ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"]
        return ["podman", *places, *plain, "system", "service", "--time=0", self.host]

    def ask(self) -> object:
        return self.docker("version")

    def docker(self, *words: str | Path) -> str:
        return run(["docker", "-H", self.host, *words], self.home)


class Skopeo(Workplace):
    """Skopeo; images are written as it writes them: `docker-archive:FILE:NAME`, `oci:DIR:TAG` …"""

    programs = ("skopeo",)

    def skopeo(self, *words: str | Path, **environ: str) -> str:
        return run(["skopeo", "--insecure-policy", "--tmpdir", self.home, *words], self.home, environ=environ)

    def inspect(self, image: str) -> dict[str, Any]:
        """Digest, layers and labels of an image; `EngineRefused` when it cannot be read."""
        found: dict[str, Any] = json.loads(self.skopeo("inspect", image))
        return found

    def config(self, image: str) -> bytes:
        """The config's exact bytes: their digest is the image ID."""
        return self.skopeo("inspect", "--raw", "--config", image).encode()

    def copy(self, source: str, destination: str) -> None:
        self.skopeo("copy", "--quiet", source, destination)


class Umoci(Workplace):
    """Umoci, which reads OCI layouts and nothing else."""

    programs = ("umoci",)

    def stat(self, layout: Path, tag: str) -> dict[str, Any]:
        """History and layer sizes of one tag; reads and checks manifest and config."""
        answer = run(["umoci", "stat", "--json", "--image", f"{layout}:{tag}"], self.home)
        found: dict[str, Any] = json.loads(answer)
        return found

    def tags(self, layout: Path) -> list[str]:
        return run(["umoci", "ls", "--layout", layout], self.home).split()

    def unpack(self, layout: Path, tag: str) -> str:
        """Unpack a tag's layers, which proves their diffIDs; return the digest of its manifest."""
        with self.unpacked(layout, tag) as bundle:
            walk = json.loads((bundle / "umoci.json").read_text())["from_descriptor_path"]["descriptor_walk"]
        return str(walk[-1]["digest"])

    @contextlib.contextmanager
    def unpacked(self, layout: Path, tag: str) -> Iterator[Path]:
        """A tag unpacked, for a while: its files lie in `rootfs`."""
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        bundle = self.home / "unpacked"
        try:
            run(["umoci", "unpack", *rootless, "--image", f"{layout}:{tag}", bundle], self.home)
            yield bundle
        finally:
            shutil.rmtree(bundle, ignore_errors=True)


def listed(answer: str) -> list[dict[str, Any]]:
    """The objects that an inspecting command prints in a list."""
    found: list[dict[str, Any]] = json.loads(answer)
    return found
