"""A registry that misbehaves, a host elsewhere, and what one row of the table makes of them."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.archives import ONE, Picture, image, layout, sha256, tar, unpacked
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply, Web
from toolkit.errors import ToolkitError
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.address import Address
from toolkit.stores.registry.client import Client
from toolkit.stores.registry.sink import RegistrySink
from toolkit.stores.registry.store import RegistryStore
from toolkit.stores.registry_auth import Doorman

TRIES = 3
SOON = 0.4  # seconds
VARYING = r"(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC)|(?P<session>session\d+)|(?P<span>\d+ to \d+)$"
VARYING_NAMES = {"when": "A DATE", "session": "SESSION", "span": "WHAT WE HOLD"}
MANY = 200  # requests; more than any row may lead to
PASSWORD = "0pen-sesame"
LOGIN = "Basic " + base64.b64encode(f"ali:{PASSWORD}".encode()).decode()
LAYER = tar({"noise": random.Random(5).randbytes(300_000)})
PACKED = gzip.compress(ONE, mtime=0)
TYPES = tuple(f"application/vnd.oci.image.layer.v1.tar{suffix}" for suffix in ("", "+gzip"))
APP = image(LAYER, PACKED, diff_ids=[sha256(LAYER), sha256(ONE)], media_types=TYPES)
LARGE = image(tar({"large": bytes(9 << 20)}))  # larger than what goes up along with its name
NAMED = (("LAYER", sha256(LAYER)), ("PACKED", sha256(PACKED)), ("CONFIG", sha256(APP.config)))


class Scene:
    """What a row plays in."""

    def __init__(self, row: Row, folder: Path, web: MemoryRegistry, other: Web, transport: Transport) -> None:
        self.row, self.folder, self.web, self.other, self.transport = row, folder, web, other, transport
        self.times: Counter[int] = Counter()

    def honest(self, asked: Asked) -> Reply:
        return self.web.honest(asked)

    def told(self, error: ToolkitError) -> str:
        """Return a sentence with names for what is different each time."""
        text = str(error).replace(self.web.host, "REGISTRY").replace(self.other.host, "ELSEWHERE")
        text = re.sub(VARYING, lambda found: VARYING_NAMES[found.lastgroup or ""], text)
        blobs = [("BLOB", digest) for digest in _of(self.row.picture)]
        named = NAMED if self.row.verb == "pull" else ()  # in a push, which is the first is by chance
        for name, digest in (("MANIFEST", self.row.picture.digest), *named, *blobs):
            text = text.replace(digest, name)
        return re.sub(r"sha256:[0-9a-f]{64}", "ANOTHER", text).replace(str(self.folder), "FOLDER")


Odd = Callable[[Scene, Asked], Reply | None]


@dataclass(frozen=True)
class Row:
    """One misbehaviour; what it has to come to stands in TABLE.md."""

    verb: str  # pull, push, list, or mount: push what another repository has
    what: str
    odd: Odd
    picture: Picture = field(default_factory=lambda: APP)
    by_digest: bool = False
    kept: bool = True  # the manifest: it is not made anew
    login: bool = False
    elsewhere: Odd = lambda *_: Reply(404)
    patience: float = 5.0  # seconds until no more bytes are waited for
    deaf: str = "$^"  # to the bodies of which "METHOD /path"
    tls: bool = False
    listed: tuple[str, ...] = ("1",)

    @property
    def id(self) -> str:
        return f"{self.verb} | {self.what}"


@dataclass(frozen=True)
class Outcome:
    """What a row came to: an exit code and a sentence; `wrong` is what no misbehaviour may come to."""

    code: int
    sentence: str
    wrong: str = ""


def when(pattern: str, answer: Reply | Odd, times: int = 1 << 30) -> Odd:
    """Answer, the first so many times, what `METHOD /path?query` fits."""

    def odd(scene: Scene, asked: Asked) -> Reply | None:
        if not re.search(pattern, f"{asked.method} {asked.target}") or scene.times[id(odd)] >= times:
            return None
        scene.times[id(odd)] += 1
        return answer if isinstance(answer, Reply) else answer(scene, asked)

    return odd


def first_of(*odds: Odd) -> Odd:
    """Answer as the first that does."""
    return lambda scene, asked: next((reply for odd in odds if (reply := odd(scene, asked))), None)


def with_headers(**headers: str) -> Odd:
    """Answer honestly but for some headers; an empty one is left out."""

    def odd(scene: Scene, asked: Asked) -> Reply:
        reply = scene.honest(asked)
        told = {**reply.headers, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return replace(reply, headers={name: text for name, text in told.items() if text})

    return odd


def played(row: Row, folder: Path) -> Outcome:
    """Let a row happen."""
    threads = threading.active_count()
    with _scene(row, folder) as scene:
        try:
            wrong = VERBS[row.verb](scene, folder)
            outcome = Outcome(0, "", wrong)
        except ToolkitError as error:
            outcome = Outcome(error.exit_code, scene.told(error), _left_behind(scene, folder))
        wrong = outcome.wrong or _secret(scene, outcome.sentence)
        if len(scene.web.asked) > MANY:
            wrong = wrong or f"{len(scene.web.asked)} requests were made"
    left = [thread for thread in threading.enumerate() if thread.name == "upload"]
    wrong = wrong or (f"{threads} threads before, and {left} now" if left else "")
    return replace(outcome, wrong=wrong)


@contextmanager
def _scene(row: Row, folder: Path) -> Iterator[Scene]:
    scenes: list[Scene] = []
    with ExitStack() as stack:
        tls = _certified(folder) if row.tls else None
        web = MemoryRegistry(lambda asked: row.odd(scenes[0], asked), tls)
        other = stack.enter_context(Web(lambda asked: row.elsewhere(scenes[0], asked) or Reply(404)))
        stack.enter_context(web)
        web.deaf = lambda line: re.search(row.deaf, line) is not None
        if row.tls:
            (folder / web.host).mkdir()
            (folder / "ca.crt").rename(folder / web.host / "ca.crt")
        patience = Patience(TRIES, sleep=lambda _: None)
        transport = Transport((), patience, [folder], (row.patience, row.patience))
        stack.callback(transport.close)
        if row.verb != "push":
            web.push("base:1" if row.verb == "mount" else "app:1", row.picture)
        scenes.append(Scene(row, folder, web, other, transport))
        yield scenes[0]


def _pulled(scene: Scene, folder: Path) -> str:
    repository = f"{scene.web.host}/app"
    name = f"{repository}@{scene.row.picture.digest}" if scene.row.by_digest else f"{repository}:1"
    store = RegistryStore(*_client(scene, folder, "/app"))
    out = LayoutStore(folder / "out")
    [image_] = copy(store, out, [name])
    if errors := verify(out).errors:
        return f"what arrived is not whole: {errors}"
    fits = str(image_.top.digest) == scene.row.picture.digest
    return "" if fits == scene.row.kept else f"another image arrived: {image_.top.digest}"


def _pushed(scene: Scene, folder: Path, name: str = "app:1") -> str:
    files = unpacked(folder / "in", layout((name, scene.row.picture)))
    copy(LayoutStore(files), RegistrySink(*_client(scene, folder, "/app:1")), [name])
    if scene.web.manifests.get(("app", "1"), ("", b""))[1] != scene.row.picture.raw:
        return "the tag is not there"
    missing = [one for one in _of(scene.row.picture) if ("app", one) not in scene.web.blobs]
    return f"{missing} is not there" if missing else ""


def _listed(scene: Scene, folder: Path) -> str:
    listings = RegistryStore(*_client(scene, folder, "/app")).listings()
    found = tuple(name.rpartition(":")[2] for line in listings for name in line.names)
    return "" if found == scene.row.listed else f"listed are {found}"


def _mounted(scene: Scene, folder: Path) -> str:
    return _pushed(scene, folder, f"{scene.web.host}/base:1")


VERBS = {"mount": _mounted, "pull": _pulled, "push": _pushed, "list": _listed}


def _client(scene: Scene, folder: Path, path: str) -> tuple[Address, Client, str]:
    address, environ = Address.parse(f"//{scene.web.host}{path}"), {"HOME": "/nonexistent"}
    if scene.row.login:
        file = folder / "auth.json"
        word = LOGIN.removeprefix("Basic ")
        file.write_text(json.dumps({"auths": {scene.web.host: {"auth": word}}}))
        environ["REGISTRY_AUTH_FILE"] = str(file)
    doorman = Doorman(address.host, scene.transport, environ)
    return address, Client(address, scene.transport, doorman), f"docker://{scene.web.host}{path}"


def _left_behind(scene: Scene, folder: Path) -> str:
    """Tell what a refusal left that looks like an image."""
    if scene.row.verb in {"push", "mount"} and ("app", "1") in scene.web.manifests:
        return "a tag was left"
    index = folder / "out/index.json"
    return "a name was left" if index.exists() and json.loads(index.read_bytes())["manifests"] else ""


def _secret(scene: Scene, sentence: str) -> str:
    """Tell where a login went that it must not go."""
    if any("authorization" in asked.headers for asked in scene.other.asked):
        return "the login went elsewhere"
    secrets = (PASSWORD, LOGIN.removeprefix("Basic "), "s3cret")
    return "a secret is told" if any(secret in sentence for secret in secrets) else ""


def _of(picture: Picture) -> list[str]:
    """Return the digests of an image's config and layers."""
    document = json.loads(picture.raw)
    listed = [document.get("config", {}), *document.get("layers", [])]
    return [one["digest"] for one in listed if one.get("digest") in picture.blobs]


def _certified(folder: Path) -> ssl.SSLContext:
    """Return what a server shows for 127.0.0.1, and leave its authority in the folder."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-days", "2", "-subj", "/CN=tests", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*words, *names, "-keyout", folder / "key", "-out", folder / "ca.crt"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", folder / "key")
    return context
