"""A registry that is read through its mirrors: each request goes to them first, in turn, then to itself.

Mirrors are asked for what a name or a digest leads to, manifests and blobs, and for the tags of a repository;
everything that is written is the registry's own, as are lists of referrers. The tags are those of the first
that has any, all pages of them. A tag is what the first that has it says, as with Docker; all else is
asked for by its digest, which is proven wherever it comes from, so a blob may come from another mirror than
its manifest. Each mirror has its own login, and is sent no other's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from toolkit.errors import InvalidPlace, NotFound, RegistryError, ToolkitError, Unsupported
from toolkit.image import Finding
from toolkit.plumbing.http import READING, REFUSED, Answer, Flow, Transport
from toolkit.plumbing.patience import Patience
from toolkit.registry_mirrors import Rows, mirrors_of
from toolkit.report import NOTE
from toolkit.stores.registry.address import Address
from toolkit.stores.registry.client import Client
from toolkit.stores.registry_auth import Doorman

T = TypeVar("T")

HASTE = Patience(tries=2, total=10.0)  # with a mirror: somebody else can be asked
TIMEOUTS = (5.0, READING)  # seconds
PASSED_OVER = (NotFound, RegistryError, Unsupported)  # what says that something does not come from a mirror
BEYOND = 416  # of a range: there is a blob
READS = frozenset({"GET", "HEAD"})
MANIFESTS = "/manifests/"
FEW = 3  # remarks that an error tells


@dataclass(frozen=True, slots=True)
class Mirror:
    """A repository on a mirror, and which one of the registry it stands for."""

    address: Address
    client: Client
    stands_for: str

    def __str__(self) -> str:
        return f"{self.address.host}/{self.address.repository}"

    def path(self, path: str) -> str:
        """Return where the mirror has what a path of the API leads to."""
        return f"/v2/{self.address.repository}/{path.removeprefix(f'/v2/{self.stands_for}/')}"


class MirroredClient(Client):
    """A registry to read from; `nearby` makes the client of a mirror."""

    def __init__(
        self,
        address: Address,
        transport: Transport,
        rows: Rows,
        nearby: Callable[[Address], Client],
        doorman: Doorman | None = None,
    ) -> None:
        super().__init__(address, transport, doorman)
        self._rows, self._nearby = rows, nearby
        self._lock = threading.Lock()
        self._mirrors: dict[str, list[Mirror]] = {}  # by repository
        self._clients: dict[str, Client] = {}  # by host
        self._down: set[str] = set()  # hosts that gave no answer, and are asked nothing more
        self._broke: dict[str, tuple[Mirror, str]] = {}  # by path: who broke off, and at which range
        self._broken: set[tuple[Mirror, str]] = set()  # who did so twice, and the path
        self._served: dict[str, Mirror] = {}  # by path, of manifests
        self._lacking: set[Mirror] = set()  # who gave no manifest, and is asked for no blob
        self._remarks: dict[Finding, str] = {}  # and the repository, where it is about one

    def ask(self, method: str, path: str, repository: str, **words: Any) -> Answer:  # noqa: ANN401 - as Client's
        """Ask the mirrors, then the registry; raises as `Client.ask`, and tells what the mirrors said."""
        for mirror in self._asked(path, repository) if method in READS else ():
            try:
                answer = mirror.client.ask(method, mirror.path(path), mirror.address.repository, **words)
            except PASSED_OVER as error:
                self._pass_over(mirror, path, error)
                continue
            if MANIFESTS in path:
                self._served[path] = mirror
                self._lacking.discard(mirror)
            return answer
        self._served.pop(path, None)
        try:
            return super().ask(method, path, repository, **words)
        except (NotFound, RegistryError) as error:
            raise replace(error, problem=error.problem + self.missed(repository)) from error

    @contextmanager
    def flow(self, path: str, repository: str, headers: Mapping[str, str]) -> Iterator[Flow]:
        """Ask the mirrors, then the registry, for a body to be read as it comes."""
        with ExitStack() as stack:
            for mirror in self._asked(path, repository):
                flow = self._flow(stack, mirror, path, headers)
                if flow is None:
                    continue
                try:
                    yield flow
                except RegistryError:
                    self._break(mirror, path, headers.get("Range", ""))
                    raise
                return
            yield stack.enter_context(super().flow(path, repository, headers))

    def nearest(self, path: str, repository: str, read: Callable[[Client, str], T]) -> T:
        """Read of the mirrors, until one has something, then of the registry itself."""
        for mirror in self._asked(path, repository):
            try:
                if found := read(mirror.client, mirror.address.repository):
                    return found
            except PASSED_OVER as error:
                self._pass_over(mirror, path, error)
        return super().nearest(path, repository, read)

    def served_by(self, path: str) -> str:
        """Return the mirror that a manifest came from."""
        return str(self._served.get(path, ""))

    def missed(self, repository: str) -> str:
        """Tell what its mirrors said, as the end of a sentence."""
        said = [each for each, about in self._remarks.items() if about in {"", repository}]
        return "".join(f", and {each.subject} {each.problem}" for each in said[-FEW:])

    def remarks(self) -> list[Finding]:
        """Say what each has to say, and which mirrors were passed over, and why."""
        of_mirrors = [remark for client in self._clients.values() for remark in client.remarks()]
        return [*super().remarks(), *of_mirrors, *self._remarks]

    def close(self) -> None:
        """Close the connections, those to the mirrors too."""
        for client in self._clients.values():
            client.close()
        super().close()

    def _asked(self, path: str, repository: str) -> list[Mirror]:
        """Return the mirrors to ask for a path of the API."""
        if not path.startswith(f"/v2/{repository}/"):
            return []  # it leads to where the registry itself has told us
        with self._lock:
            if repository not in self._mirrors:
                self._mirrors[repository] = list(self._found(repository))
        useless = set() if MANIFESTS in path else self._lacking
        return [
            mirror
            for mirror in self._mirrors[repository]
            if not (mirror.address.host in self._down or (mirror, path) in self._broken or mirror in useless)
        ]

    def _found(self, repository: str) -> Iterator[Mirror]:
        for name in mirrors_of(self._rows, f"{self.address.host}/{repository}"):
            try:
                address = Address.parse(f"//{name}")
            except InvalidPlace as error:  # too long, with the mirror's prefix
                self._remark(f"mirror {name[:100]}", f"is passed over: it {error.problem}", repository)
                continue
            if not address.repository:
                self._remark(f"mirror {name}", "is passed over: it names no repository", repository)
                continue
            if address.host not in self._clients:
                self._clients[address.host] = self._nearby(address)
            yield Mirror(address, self._clients[address.host], repository)

    def _flow(self, stack: ExitStack, mirror: Mirror, path: str, headers: Mapping[str, str]) -> Flow | None:
        """Return a mirror's answer, to be closed with the stack; None where there is none of use."""
        with ExitStack() as attempt:
            try:
                own = mirror.client.flow(mirror.path(path), mirror.address.repository, headers)
                flow = attempt.enter_context(own)
                if flow.status >= REFUSED and flow.status != BEYOND:
                    raise mirror.client.refused(flow)
            except PASSED_OVER as error:
                self._pass_over(mirror, path, error)
                return None
            stack.push(attempt.pop_all())
            return flow

    def _break(self, mirror: Mirror, path: str, asked: str) -> None:
        """Note that a body broke off; who does so twice in the same place is not asked for it again."""
        if self._broke.get(path) == (mirror, asked):
            self._broken.add((mirror, path))
            self._remark(
                f"mirror {mirror.address.host}", f"breaks off in {_told(mirror, path)}", mirror.stands_for
            )
        self._broke[path] = mirror, asked

    def _pass_over(self, mirror: Mirror, path: str, error: ToolkitError) -> None:
        host, about = mirror.address.host, mirror.stands_for
        if isinstance(error, RegistryError) and not error.status:
            self._down.add(host)
            problem, about = f"is passed over: {error.problem}", ""
        elif isinstance(error, NotFound):
            problem = f"does not have {_told(mirror, path)}"
        else:
            problem = f"does not give {_told(mirror, path)}: {error.problem}"
        if MANIFESTS in path and mirror not in self._served.values():
            self._lacking.add(mirror)
        self._remark(f"mirror {host}", problem, about)

    def _remark(self, subject: str, problem: str, repository: str) -> None:
        self._remarks.setdefault(Finding(subject, problem, NOTE), repository)


def _told(mirror: Mirror, path: str) -> str:
    """Name what a path leads to on a mirror."""
    kind, _, name = path.rpartition("/")
    if kind.endswith("/tags"):
        return f"the tags of {mirror.address.repository}"
    if kind.endswith("/blobs"):
        return f"a blob of {mirror.address.repository}"
    return f"{mirror.address.repository}{'@' if ':' in name else ':'}{name}"
