"""What an engine answers, read within bounds: whoever listens there may be anybody.

Short answers are read whole. A list of images is read image by image, and of each is kept what it is called:
labels may be long, and an engine may have 10,000 images. Lines about a load are only looked at for errors.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from toolkit.document import DECODER, Node, load, load_any
from toolkit.errors import CorruptContent, StoreError
from toolkit.plumbing.endpoint import Reply

STRANGE = "is it a Docker engine?"
STEP = 1 << 20  # bytes of a stream at a time
PIECE = 64 << 10  # bytes of a list, or of lines
ANSWER = 4 << 20  # bytes of a short answer: a config has no more, nor what is told of it
LISTING = 64 << 20  # bytes of a list; one of 10,000 images has 6 to 10 MB, where labels are short
IMAGE = 1 << 20  # bytes of one image in it: labels of a builder's image may have 300 KB
IMAGE_VALUES = 200_000  # values in one
KEPT, KEPT_VALUES = 8 << 20, 150_000  # bytes and texts that are kept of all; of 10,000 images 2.5 MB, 40,000
LINES, LINE = 8 << 20, 64 << 10  # bytes of the answer to a load, which has a line for each name; of one
REFUSAL = 64 << 10  # bytes of a refusal that are read
SAID = 500  # characters of what an engine says
IDENTITY = ("Id", "RepoTags", "RepoDigests")
BLANK = " \t\r\n"


class Told(Node):
    """What an engine tells; where that is something else than engines do, it is the engine that fails."""

    __slots__ = ()

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise StoreError about one member."""
        raise StoreError(self.subject, f"{self.path}{key}: {problem}".removeprefix(": "), STRANGE)


def whole(reply: Reply, subject: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Return a short answer, parsed; raises StoreError for none, or a long one."""
    raw = bytearray()
    for block in reply.blocks(PIECE):
        raw += block
        if len(raw) > ANSWER:
            raise StoreError(subject, f"has more than {ANSWER} bytes", STRANGE)
    try:
        return load_any(bytes(raw), subject, ANSWER)
    except CorruptContent as error:
        raise StoreError(subject, "is no JSON", STRANGE) from error


def listed(reply: Reply, subject: str) -> list[Told]:
    """Return who the images of a list are: Id, RepoTags and RepoDigests of each; raises StoreError."""
    found, left, values = list[Told](), KEPT, KEPT_VALUES
    for number, item in enumerate(_items(reply, subject)):
        node = Told(item, subject, f"[{number}].")
        texts = [node.get("Id", str), *node.texts("RepoTags"), *node.texts("RepoDigests")]
        left -= sum(map(len, texts))
        values -= 1 + len(texts)
        if left < 0 or values < 0:
            raise StoreError(
                subject, f"tells names of more than {KEPT} bytes, or {KEPT_VALUES} names", STRANGE
            )
        found.append(Told({key: item[key] for key in IDENTITY if key in item}, subject, f"[{number}]."))
    return found


def _items(reply: Reply, subject: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON list, each as soon as it is whole."""
    text = _Text(reply, subject)
    if text.begins("null"):
        return
    text.take("[")
    while not text.begins("]"):
        yield text.object()
        if not text.begins("]"):
            text.take(",")


class _Text:
    """The text of a list, of which no more is held than one image."""

    def __init__(self, reply: Reply, subject: str) -> None:
        self._blocks, self._subject = reply.blocks(PIECE), subject
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text, self._at, self._left = "", 0, LISTING

    def begins(self, word: str) -> bool:
        """Tell whether a word comes next, behind blanks."""
        while True:
            rest = self._text[self._at : self._at + PIECE].lstrip(BLANK)
            if rest and (len(rest) >= len(word) or not word.startswith(rest)):
                return rest.startswith(word)
            self._more()

    def take(self, mark: str) -> None:
        """Pass over a mark and the blanks before it."""
        if not self.begins(mark):
            self._fail()
        self._at = self._text.index(mark, self._at) + len(mark)

    def object(self) -> dict[str, Any]:
        """Return the object that comes next."""
        if not self.begins("{"):
            self._fail()
        self._at = self._text.index("{", self._at)
        while True:
            try:
                value, self._at = DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                self._fail()
            except ValueError:  # perhaps only because it is not whole yet
                self._more()
            else:
                return dict(value)

    def _more(self) -> None:
        """Read on; raises StoreError where there is no more, or too much without an image's end."""
        if not (block := next(self._blocks, b"")):
            self._fail()
        self._left -= len(block)
        try:
            self._text = self._text[self._at :] + self._decode(block)
        except UnicodeDecodeError:
            self._fail()
        self._at = 0
        if self._left < 0:
            raise StoreError(self._subject, f"has more than {LISTING} bytes", STRANGE)
        if len(self._text) > IMAGE or sum(map(self._text.count, "{[,")) > IMAGE_VALUES:
            problem = f"tells more than {IMAGE} bytes or {IMAGE_VALUES} values of one image"
            raise StoreError(self._subject, problem, STRANGE)

    def _fail(self) -> NoReturn:
        raise StoreError(self._subject, "is no JSON list of images", STRANGE)


def complaint_in_lines(reply: Reply, subject: str) -> str:
    """Return what the lines of an answer say against a load, empty where nothing; raises StoreError."""
    line, left = b"", LINES
    for block in reply.blocks(PIECE):
        left -= len(block)
        lines, _, line = (line + block).rpartition(b"\n")
        if b"error" in lines:  # else none of them has to be taken apart
            for each in lines.split(b"\n"):
                if b"error" in each and (said := complaint(each)):
                    return said
        if left < 0 or len(line) > LINE:
            raise StoreError(subject, f"has more than {LINES} bytes, or {LINE} in a line", STRANGE)
    return complaint(line)


def refusal(reply: Reply) -> str:
    """Return what an answer says of why it is one; of a long one its beginning is read."""
    raw = reply.read(REFUSAL)
    return complaint(raw) or reply.reason[:SAID]


def complaint(line: bytes) -> str:
    """Return the complaint in a line of JSON; empty where there is none."""
    try:
        facts: Mapping[str, Any] = load(line, "answer").value
    except CorruptContent:
        return ""
    detail = facts.get("errorDetail")
    said = detail.get("message") if isinstance(detail, dict) else None
    said = said or facts.get("error") or facts.get("message") or facts.get("cause")
    return str(said).strip()[:SAID] if said else ""
