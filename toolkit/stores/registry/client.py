"""One registry's API: a request gets its login, an answer that is a refusal becomes one sentence.

Source: OCI distribution-spec 1.1 (spec.md); docker/distribution docs/spec/api.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from toolkit.errors import NotFound, RegistryError, ToolkitError
from toolkit.image import Finding
from toolkit.plumbing.allowance import TOO_MANY, Allowance
from toolkit.plumbing.certificates import BELOW
from toolkit.plumbing.http import Answer, Body, Flow, Transport
from toolkit.plumbing.patience import not_before
from toolkit.plumbing.urls import address, origin, shown
from toolkit.report import NOTE
from toolkit.stores.registry.address import Address
from toolkit.stores.registry_auth import REFUSED, Doorman
from toolkit.stores.registry_words import ERROR_LIMIT, status_and_words, told

T = TypeVar("T")

OK, CREATED, UNAUTHORIZED, FORBIDDEN, MISSING, BAD = 200, 201, 401, 403, 404, 400
AT_ONCE = 6  # blobs; what Docker and skopeo take
PULL, PUSH = "pull", "pull,push"


class Refused(NamedTuple):
    """What a 401 said."""

    headers: Mapping[str, str]
    body: bytes


class Client:
    """A registry, for several threads."""

    def __init__(self, address: Address, transport: Transport, doorman: Doorman | None = None) -> None:
        self.address, self.transport = address, transport
        self.base = f"{transport.scheme(address.api)}://{address.api}"
        self.allowance: Allowance | None = None  # as the registry told it last
        self._doorman = doorman or Doorman(address.host, transport)

    def ask(
        self,
        method: str,
        path: str,
        repository: str,
        *,
        expected: Collection[int] = (OK,),
        rights: str = PULL,
        headers: Mapping[str, str] | None = None,
        body: Body | Iterator[bytes] | None = None,
        repeat: bool = True,
        also: str = "",
        limit: int | None = None,
    ) -> Answer:
        """Make a request; `path` is one of the API, or a URL that the registry has given us.

        A body that is yielded needs its Content-Length, and is sent once.

        Raises NotFound for 404 and RegistryError for any other status that is not expected. `also` is a
        repository of which something is pulled in passing.
        """
        url = joined(self.base, path)
        scopes = _scopes(repository, rights, also)
        sent = self._doorman.header(scopes) if self._is_ours(url) else None
        for _ in range(2):
            told = {**(headers or {}), **({"Authorization": sent} if sent else {})}
            answer = self.transport.ask(method, url, told, body, repeat=repeat, limit=limit)
            self._note(answer)
            if answer.status != UNAUTHORIZED or not self._is_ours(answer.url) or isinstance(body, Iterator):
                break  # a body that is yielded is gone
            sent = self._admitted(method, url, Refused(answer.headers, answer.body), scopes, sent)
        if answer.status in expected:
            return answer
        raise self.refusal(method, answer.url, answer.status, answer.body, answer.headers)

    @contextmanager
    def flow(self, path: str, repository: str, headers: Mapping[str, str]) -> Iterator[Flow]:
        """Ask for a body to be read as it comes, of whatever status; to a 401 of ours we give our login."""
        url = joined(self.base, path)
        scopes = _scopes(repository, PULL, "")
        sent = self._doorman.header(scopes)
        for last in (False, True):
            told = {**headers, **({"Authorization": sent} if sent else {})}
            with self.transport.flow("GET", url, told) as flow:
                self._note(flow)
                if flow.status != UNAUTHORIZED or last or not self._is_ours(flow.url):
                    yield flow
                    return
                refused = Refused(flow.headers, _beginning(flow))
            sent = self._admitted("GET", url, refused, scopes, sent)

    def refusal(
        self, method: str, url: str, status: int, body: bytes, headers: Mapping[str, str]
    ) -> ToolkitError:
        """Return what a refusal is told as; its body may be anything."""
        code, message = told(body)
        words = ", ".join(filter(None, (code, message)))
        problem = f"answered {status}{self._through(url)}"
        problem += f" ({self._doorman.kept_secret(words)})" if words else ""
        where = shown(url)
        if status == MISSING:
            return NotFound(f"{method} {where}", problem)
        advice = self._doorman.advice() if status in {UNAUTHORIZED, FORBIDDEN} else ""
        if status == TOO_MANY:
            problem += (f", {self.allowance}" if self.allowance else "") + not_before(headers)
            advice = self._doorman.counted()
        if not self._is_ours(url):
            advice = f"{self.address.host} sent us there"
        if status == BAD and b"HTTPS" in body:  # as Go's server and nginx answer plain HTTP
            advice = f"if it speaks TLS, put its certificate authority into certs.d/HOST:PORT/ca.crt {BELOW}"
        return RegistryError(f"{method} {where}", problem, advice, method, where, status, code)

    def refused(self, flow: Flow) -> ToolkitError:
        """Return what a refusal in place of a body is told as."""
        return self.refusal("GET", flow.url, flow.status, _beginning(flow), flow.headers)

    def remarks(self) -> list[Finding]:
        """Say so where the registry will answer few more requests, or none."""
        if self.allowance is None or not self.allowance.is_low:
            return []
        return [Finding(self.address.host, f"{self.allowance}; {self._doorman.counted()}", NOTE)]

    def nearest(self, path: str, repository: str, read: Callable[[Client, str], T]) -> T:  # noqa: ARG002
        """Return what is read of a repository, given who is asked and what it is called there."""
        return read(self, repository)

    def served_by(self, path: str) -> str:  # noqa: ARG002 - MirroredClient's
        """Return the mirror that the manifest of this path came from, empty for none."""
        return ""

    def missed(self, repository: str) -> str:  # noqa: ARG002
        """Tell what others said who were asked for a repository, as the end of a sentence."""
        return ""

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def _is_ours(self, url: str) -> bool:
        """Tell whether a login of this registry may go there."""
        return origin(url) == origin(self.base)

    def _note(self, answer: Answer | Flow) -> None:
        """Take note of what is left of the limit; who stores blobs for a registry has its own."""
        if self._is_ours(answer.url):
            self.allowance = Allowance.told(answer.headers) or self.allowance

    def _through(self, url: str) -> str:
        """Name the proxy that an answer may be of."""
        proxy = self.transport.between(url)
        return f" through the proxy {proxy}" if proxy else ""

    def _admitted(
        self, method: str, url: str, refused: Refused, scopes: tuple[str, ...], sent: str | None
    ) -> str:
        challenge = refused.headers.get("WWW-Authenticate", "")
        try:
            return self._doorman.admit([challenge] if challenge else [], scopes, sent)
        except RegistryError as error:
            if error.method:
                raise  # it tells of a request of its own
            about = "" if error.subject == self.address.host else f"{error.subject}: "
            problem = error.problem
            if problem == REFUSED:
                words = status_and_words(UNAUTHORIZED, refused.body)
                problem = f"{REFUSED} ({self._doorman.kept_secret(words)})"
            where = shown(url)
            raise RegistryError(
                f"{method} {where}", about + problem, error.advice, method, where, error.status
            ) from error


def joined(base: str, place: str) -> str:
    """Return where a registry sends us; raises RegistryError where that is no address."""
    try:
        return address(base, place)
    except ValueError:
        raise RegistryError(shown(base), "leads to what is no address of HTTP", url=shown(base)) from None


def quoted_query(path: str, key: str, value: str) -> str:
    """Return a path or URL with one more member in its query; the value needs no quoting but a colon's."""
    mark = "&" if urlsplit(path).query else "?"
    return f"{path}{mark}{key}={value.replace(':', '%3A')}"


def _scopes(repository: str, rights: str, also: str) -> tuple[str, ...]:
    scopes = [f"repository:{repository}:{rights}", *([f"repository:{also}:{PULL}"] if also else [])]
    return tuple(scopes)


def _beginning(flow: Flow) -> bytes:
    """Return as much of a body as an error document may have."""
    body = bytearray()
    for block in flow.blocks():
        body += block[: ERROR_LIMIT - len(body)]
        if len(body) >= ERROR_LIMIT:
            break
    return bytes(body)
