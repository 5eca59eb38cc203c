"""A blob on its way up: a small one along with its name, a large one as one stream.

The last bytes that were sent are held, so that a stream that breaks off goes on from where the registry
stopped. One long request rather than many chunks: Docker pushes so, every registry takes it, and some make
each chunk durable before they answer.

Source: OCI distribution-spec 1.1 (spec.md, Pushing blobs): POST begins a session, each answer says where
the next request goes, PUT with the digest ends it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from toolkit.digest import Digest
from toolkit.errors import Mismatch, RegistryError, ToolkitError
from toolkit.plumbing.allowance import told_wait
from toolkit.plumbing.failures import BROKEN, NOBODY
from toolkit.plumbing.http import BUSY, Answer, Body
from toolkit.plumbing.urls import shown
from toolkit.ports import Block
from toolkit.stores.registry.blob import PROGRESS
from toolkit.stores.registry.client import (
    BAD,
    CREATED,
    MISSING,
    OK,
    PUSH,
    UNAUTHORIZED,
    Client,
    joined,
    quoted_query,
)
from toolkit.stores.registry.documents import digest_told, has_blob
from toolkit.stores.registry.sending import Sending

WINDOW = 6 << 20  # bytes that are held after they were sent: more than lies in the buffers between
RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")
ACCEPTED, NO_CONTENT, ELSEWHERE = 202, 204, 416
TAKEN = frozenset({OK, CREATED, ACCEPTED, NO_CONTENT})  # each is some registry's word for it
BINARY = "application/octet-stream"


class Lost(RegistryError):
    """The registry has forgotten an upload: it may be begun anew."""


class Upload:
    """One upload of `size` bytes; take blocks in by calling it, then `finish` or `cancel`."""

    def __init__(self, client: Client, repository: str, size: int) -> None:
        self._client, self._repository, self._size = client, repository, size
        self._where = self._begun()
        self._held: deque[bytes] = deque()  # the last bytes that were given
        self._first = self._given = 0  # where they begin, and end
        self._sending: Sending | None = None
        self._reached = 0  # what the registry had when it had got on last
        self._why = ""  # the last request failed
        self._series = client.transport.patience.series()

    def __call__(self, block: Block) -> None:
        """Take bytes in; raises as `finish`."""
        data = bytes(block)
        self._held.append(data)
        self._given += len(data)
        if self._size <= WINDOW:
            return
        while self._given - self._first - len(self._held[0]) >= WINDOW:
            self._first += len(self._held.popleft())
        if self._sending is None:
            self._sending = self._started(self._given - len(data))
        if not self._sending.put(data):
            self._go_on()

    def finish(self, digest: Digest) -> None:
        """Name the blob; raises Lost, Mismatch where the registry calls it otherwise, or RegistryError.

        Where the answer to the name is lost, the blob may be there.
        """
        while self._sending is not None:
            answer = self._sending.answer()
            if answer is not None and answer.status in TAKEN:
                self._where, self._sending = _place(answer, self._where), None
            else:
                self._go_on()
        body = b"".join(self._held) if self._size <= WINDOW else b""
        series = self._client.transport.patience.series()
        while True:
            url = quoted_query(self._where, "digest", str(digest))
            answer = self._asked("PUT", url, body, {"Content-Type": BINARY})
            if answer is not None and answer.status == CREATED:
                compare_digest(answer, digest, f"blob {digest}")
                return
            if has_blob(self._client, self._repository, digest, self._size):
                return
            if answer is not None and answer.status not in BUSY:
                raise self._refusal("PUT", answer)
            if not series.again(_wait(answer)):
                raise self._given_up("PUT", answer)
            if body:  # how much of it arrived is the same to us
                self._where = self._begun()

    def cancel(self) -> None:
        """Have the registry forget what it was sent."""
        if self._sending is not None:
            self._sending.give_up()
        self.forget(self._client, self._repository, self._where)

    @staticmethod
    def forget(client: Client, repository: str, where: str) -> None:
        """Have the registry forget an upload, if it will."""
        with suppress(ToolkitError):
            client.ask("DELETE", where, repository, rights=PUSH, expected={NO_CONTENT}, repeat=False)

    def _begun(self) -> str:
        answer = self._client.ask(
            "POST",
            f"/v2/{self._repository}/blobs/uploads/",
            self._repository,
            rights=PUSH,
            headers={"Content-Length": "0"},
            expected={ACCEPTED, OK},
        )
        return _place(answer)

    def _started(self, there: int) -> Sending:
        """Begin to send what follows the first `there` bytes."""
        told = {
            "Content-Type": BINARY,
            "Content-Range": f"{there}-{self._size - 1}",
            "Content-Length": str(self._size - there),
        }
        return Sending(lambda blocks: self._asked("PATCH", self._where, blocks, told))

    def _go_on(self) -> None:
        """Send anew from where the registry has got, after a request that broke off."""
        while self._sending is not None:
            answer = self._sending.answer()
            if answer is not None and answer.status not in {*BUSY, UNAUTHORIZED, ELSEWHERE, *TAKEN}:
                raise self._refusal("PATCH", answer)
            if not self._series.again(_wait(answer)):
                raise self._given_up("PATCH", answer)
            self._why = f"answered {answer.status}" if answer else self._why
            there = self._looked()
            if there - self._reached >= PROGRESS:
                self._series.went_on()
                self._reached = there
            if there == self._size:
                self._sending = None
                return
            self._sending = self._started(there)
            if all(self._sending.put(piece) for piece in self._after(there)):
                return

    def _after(self, there: int) -> Iterator[bytes]:
        """Yield what was given after the first `there` bytes."""
        skip = there - self._first
        for piece in self._held:
            if skip < len(piece):
                yield piece[max(skip, 0) :]
            skip -= len(piece)

    def _looked(self) -> int:
        """Ask the registry how far it has got; raises Lost where it or we cannot go on from there."""
        answer = self._client.ask(
            "GET",
            self._where,
            self._repository,
            rights=PUSH,
            expected={NO_CONTENT, ACCEPTED, OK, MISSING, BAD, ELSEWHERE},
        )
        told, before = RANGE.fullmatch(answer.headers.get("Range", "")), f"before, {self._why}"
        if answer.status in {MISSING, BAD, ELSEWHERE} or not told:
            raise self._lost("GET", "the registry does not know the upload any more", before)
        there = int(told[1]) + 1 if int(told[1]) else 0  # 0-0 is told of nothing, too
        if not self._first <= there <= self._given:
            problem = f"the registry has {there} bytes, expected {self._first} to {self._given}"
            raise self._lost("GET", problem, before)
        self._where = _place(answer, self._where)
        return there

    def _asked(
        self, method: str, url: str, body: Body | Iterator[bytes], headers: Mapping[str, str]
    ) -> Answer | None:
        """Send a part; None where there is no answer, so that nobody knows what has arrived."""
        try:
            return self._client.ask(
                method,
                url,
                self._repository,
                rights=PUSH,
                headers=headers,
                body=body,
                expected={*TAKEN, UNAUTHORIZED, MISSING, BAD, ELSEWHERE, *BUSY},
                repeat=False,
            )
        except RegistryError as error:
            if error.status or error.code not in {BROKEN, NOBODY}:
                raise
            self._why = error.problem
            return None

    def _refusal(self, method: str, answer: Answer) -> ToolkitError:
        self._sending = None
        told = self._client.refusal(method, answer.url, answer.status, answer.body, answer.headers)
        if answer.status == MISSING:
            return self._lost(method, str(told.problem))
        return told

    def _given_up(self, method: str, answer: Answer | None) -> ToolkitError:
        """Return what a last try is told as: where each was answered, beginning anew is no help."""
        return self._refusal(method, answer) if answer else self._lost(method, f"{self._why}, each time")

    def _lost(self, method: str, problem: str, advice: str = "") -> Lost:
        self._sending = None
        where = shown(joined(self._client.base, self._where))
        return Lost(f"{method} {where}", problem, advice, method, where)


def compare_digest(answer: Answer, digest: Digest, subject: str) -> None:
    """Raise Mismatch where a registry calls what it took by another digest; it need not say any."""
    told = digest_told(answer)
    if told is not None and told.algorithm == digest.algorithm and told != digest:
        raise Mismatch(subject, "digest that the registry tells", "", told, digest)


def _place(answer: Answer, other: str = "") -> str:
    """Return where an upload goes on."""
    place = answer.headers.get("Location", "")
    if not place and not other:
        raise RegistryError(shown(answer.url), "answered without saying where to go on", status=answer.status)
    there = joined(answer.url, place) if place else other
    if urlsplit(answer.url).scheme == "https" and urlsplit(there).scheme == "http":
        problem = f"sends an upload from https to {shown(there)}"
        advice = "it has to be told how it is reached: http.host, or X-Forwarded-Proto of the proxy before it"
        raise RegistryError(shown(answer.url), problem, advice, status=answer.status)
    return there


def _wait(answer: Answer | None) -> float | None:
    return told_wait(answer.status, answer.headers) if answer else None
