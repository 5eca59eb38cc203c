"""A blob on its way up, in chunks; a chunk that breaks off is sent on from where the registry stopped.

Source: OCI distribution-spec 1.1 (spec.md, Pushing blobs): POST begins a session, each answer says where
the next request goes, PUT with the digest ends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urljoin

from toolkit.digest import Digest
from toolkit.errors import Mismatch, RegistryError, ToolkitError
from toolkit.plumbing.http import BUSY, Answer, Body, shown
from toolkit.plumbing.patience import retry_after
from toolkit.ports import Block
from toolkit.stores.registry.client import BAD, CREATED, MISSING, PUSH, Client, quoted_query
from toolkit.stores.registry.documents import blob_size, digest_told

CHUNK = 8 << 20  # bytes that are held until the registry has them; above what any registry asks for at least
LARGEST = 32 << 20  # bytes that a registry may make us hold
RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")
ACCEPTED, NO_CONTENT, ELSEWHERE = 202, 204, 416
BINARY = "application/octet-stream"


class Lost(RegistryError):
    """The registry has forgotten an upload: it may be begun anew."""


class Upload:
    """One upload of `size` bytes; take blocks in by calling it, then `finish` or `cancel`."""

    def __init__(self, client: Client, repository: str, size: int) -> None:
        self._client, self._repository, self._size = client, repository, size
        self._where, least = self._begun()
        self._chunk = memoryview(bytearray(min(max(CHUNK, min(least, LARGEST)), max(size, 1))))
        self._filled = 0  # bytes of the chunk that wait
        self._done = 0  # bytes that the registry has

    def __call__(self, block: Block) -> None:
        """Take bytes in; those of a whole chunk are sent."""
        view = memoryview(block)
        while view:
            if self._filled == len(self._chunk):
                self._send()
            count = min(len(view), len(self._chunk) - self._filled)
            self._chunk[self._filled : self._filled + count] = view[:count]
            self._filled += count
            view = view[count:]

    def finish(self, digest: Digest) -> None:
        """Name the blob; raises Lost, Mismatch where the registry calls it otherwise, or RegistryError.

        What fits into one chunk goes along with its name. Where the answer is lost, the blob may be there.
        """
        if self._done:
            self._send()
        body, series = self._chunk[: self._filled], self._client.transport.patience.series()
        while True:
            url = quoted_query(self._where, "digest", str(digest))
            answer = self._asked("PUT", url, body)
            if answer is not None and answer.status == CREATED:
                compare_digest(answer, digest, f"blob {digest}")
                return
            if blob_size(self._client, self._repository, digest, PUSH) == self._size:
                return
            if answer is not None and answer.status not in BUSY:
                raise self._refusal("PUT", answer)
            if not series.again(_wait(answer)):
                raise self._lost("PUT", "the connection broke off each time")
            if body:  # how much of it arrived is the same to us
                self._where, _ = self._begun()

    def cancel(self) -> None:
        """Have the registry forget what it was sent."""
        self.forget(self._client, self._repository, self._where)

    @staticmethod
    def forget(client: Client, repository: str, where: str) -> None:
        """Have the registry forget an upload, if it will."""
        with suppress(ToolkitError):
            client.ask("DELETE", where, repository, rights=PUSH, expected={NO_CONTENT}, repeat=False)

    def _begun(self) -> tuple[str, int]:
        answer = self._client.ask(
            "POST",
            f"/v2/{self._repository}/blobs/uploads/",
            self._repository,
            rights=PUSH,
            headers={"Content-Length": "0"},
            expected={ACCEPTED},
        )
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        return _place(answer), int(least[:18]) if least.isascii() and least.isdigit() else 0

    def _send(self) -> None:
        """Send what waits, from where the registry is, until it has it all."""
        start, end = self._done, self._done + self._filled
        series = self._client.transport.patience.series()
        while self._done < end:
            told = {"Content-Range": f"{self._done}-{end - 1}", "Content-Type": BINARY}
            answer = self._asked("PATCH", self._where, self._chunk[self._done - start : self._filled], told)
            if answer is not None and answer.status in {ACCEPTED, NO_CONTENT, CREATED}:
                self._where, self._done = _place(answer), end
                continue
            if answer is not None and answer.status not in BUSY | {ELSEWHERE}:
                raise self._refusal("PATCH", answer)
            if not series.again(_wait(answer)):
                raise self._lost("PATCH", "the connection broke off each time")
            self._look(start, end)
        self._filled = 0

    def _look(self, start: int, end: int) -> None:
        """Ask the registry how far it has got."""
        answer = self._client.ask(
            "GET",
            self._where,
            self._repository,
            rights=PUSH,
            expected={NO_CONTENT, ACCEPTED, 200, MISSING, BAD, ELSEWHERE},
        )
        told = RANGE.fullmatch(answer.headers.get("Range", ""))
        if answer.status in {MISSING, BAD, ELSEWHERE} or not told:
            raise self._lost("GET", "the registry does not know the upload any more")
        there = int(told[1]) + 1 if int(told[1]) else start  # 0-0 is told of nothing, too
        if not start <= there <= end:
            raise self._lost("GET", f"the registry has {there} bytes, expected {start} to {end}")
        self._where, self._done = _place(answer, self._where), there

    def _asked(
        self, method: str, url: str, body: Body, headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """Send a part; None where there is no answer, so that nobody knows what has arrived."""
        told = headers or {"Content-Type": BINARY}
        expected = {ACCEPTED, NO_CONTENT, CREATED, MISSING, BAD, ELSEWHERE} | BUSY
        try:
            return self._client.ask(
                method,
                url,
                self._repository,
                rights=PUSH,
                headers=told,
                body=body,
                expected=expected,
                repeat=False,
            )
        except RegistryError as error:
            if error.status:
                raise
            return None

    def _refusal(self, method: str, answer: Answer) -> ToolkitError:
        told = self._client.refusal(method, answer.url, answer.status, answer.body)
        if answer.status == MISSING:
            return self._lost(method, str(told.problem))
        return told

    def _lost(self, method: str, problem: str) -> Lost:
        where = shown(urljoin(self._client.base, self._where))
        return Lost(f"{method} {where}", problem, "", method, where)


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
    return urljoin(answer.url, place) if place else other


def _wait(answer: Answer | None) -> float | None:
    return retry_after(answer.headers.get("Retry-After")) if answer else None
