"""What differs between two images, as JSON for machines and as lines for people."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from toolkit.cli.pictures import config_texts, history_json
from toolkit.figures import UNKNOWN, short_id, size_text
from toolkit.image import Finding
from toolkit.model import HistoryItem
from toolkit.operations.diff import Change, Difference, LayerLine, Split, Told
from toolkit.operations.filechange import (
    ADDED,
    CHANGED,
    CONTENT,
    DEVICE,
    MODE,
    MTIME,
    REMOVED,
    SIZE,
    SPARSE,
    TARGET,
    TYPE,
    UNDESCRIBED,
    XATTRS,
    FileChange,
)
from toolkit.outline import OutlineLayer
from toolkit.plumbing.filefacts import FILE, FOLDER, HARD_LINK, SYMLINK, FileFacts
from toolkit.plumbing.pax import format_time
from toolkit.printable import printable
from toolkit.report import SCHEMA, finding_json

if TYPE_CHECKING:
    from toolkit.operations.filediff import FileDifference

T = TypeVar("T")
TITLES = {
    "image_id": "Image ID", "manifest": "Manifest", "platform": "Platform", "platforms": "Platforms",
    "created": "Created", "author": "Author", "size": "Size", "layer_count": "Layers",
}  # fmt: skip
MARKS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
WIDTH = 100  # characters of a line of history
NO_DEVICE = (0, 0)


def difference_json(
    difference: Difference, findings: Iterable[Finding], files: FileDifference | None = None
) -> dict[str, Any]:
    """Return what two images differ in, but for the paths."""
    counts = {what: files.counts.get(what, 0) for what in MARKS} if files else None
    layers = _split_json(difference.layers, _layer_json)
    return {
        "schema": SCHEMA,
        "same": difference.same and (files is None or files.same),
        "left": _told_json(difference.left),
        "right": _told_json(difference.right),
        "changes": [_change_json(change) for change in difference.changes],
        "layers": {"compared_by": difference.layers_by or None, **layers},
        "history": _split_json(difference.history, _item_json),
        "not_compared": list(difference.not_compared),
        "findings": [finding_json(finding) for finding in findings],
        "files": counts,
    }


def difference_rows(difference: Difference, files: FileDifference | None = None) -> list[tuple[str, str]]:
    """Return what differs, but for the paths: a title and a line a row, `-` is left and `+` right."""
    rows: list[tuple[str, str]] = []
    for change in difference.changes:
        rows += _titled(_title(change), _change_texts(change), rows)
    rows += _titled("Layers", _split_texts(difference.layers, _layer_text), rows)
    rows += _titled("History", _split_texts(difference.history, _item_text), rows)
    rows += _titled("Not compared", difference.not_compared, rows)
    if files and not files.same:
        rows += _titled("Files", [", ".join(f"{files.counts.get(what, 0)} {what}" for what in MARKS)], rows)
    return rows


def path_json(change: FileChange) -> dict[str, Any]:
    """Return one path that differs; `path_hex` has its bytes where they are no text."""
    facts = {
        "path": change.path.decode(errors="backslashreplace"),
        "change": change.what,
        "differ": list(change.differ),
        "left": _facts_json(change.left),
        "right": _facts_json(change.right),
    }
    return facts if _is_text(change.path) else {**facts, "path_hex": change.path.hex()}


def path_lines(changes: Iterable[FileChange]) -> Iterator[str]:
    """Yield a line for each path that differs; of a folder that is on one side only, one for all in it."""
    for change, below in _folded(changes):
        slash = "/" if {facts.kind for facts in (change.left, change.right) if facts} == {FOLDER} else ""
        told = f"{below} in it" if below else ", ".join(_facts_texts(change))
        line = f"{MARKS[change.what]} {_name(change.path)}{slash}   {told}".rstrip()
        yield printable(line)


def _titled(title: str, texts: Iterable[str], before: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return rows under one title, which is not said again behind rows that have it already."""
    last = next((above for above, _ in reversed(before) if above), "")
    return [("" if number or title == last else title, text) for number, text in enumerate(texts)]


def _told_json(told: Told) -> dict[str, Any]:
    outline = told.outline
    return {
        "place": told.place,
        "name": told.name,
        "kind": outline.kind,
        "id": outline.id,
        "manifest": told.top or None,
        "platform": outline.platform,
        "size": outline.size,
    }


def _change_json(change: Change) -> dict[str, Any]:
    item = {"item": change.item} if change.item else {}
    return {"fact": change.fact, **item, "left": change.left, "right": change.right}


def _split_json(split: Split[T], of: Callable[[T], Any]) -> dict[str, Any]:
    return {
        "shared": split.shared,
        "shared_above": split.shared_above,
        "left": [of(item) for item in split.left],
        "right": [of(item) for item in split.right],
    }


def _layer_json(line: LayerLine) -> dict[str, Any]:
    return {"id": line.id, "size": line.size}


def _item_json(item: HistoryItem) -> dict[str, Any]:
    facts = history_json(OutlineLayer("", item))
    return {key: fact for key, fact in facts.items() if key not in {"id", "size"}}


def _facts_json(facts: FileFacts | None) -> dict[str, Any] | None:
    if facts is None or facts is UNDESCRIBED:
        return {"type": FOLDER} if facts else None
    return {
        "type": facts.kind,
        "size": facts.size,
        "mode": f"{facts.mode:04o}",
        "uid": facts.uid,
        "gid": facts.gid,
        "mtime": format_time(facts.mtime, facts.mtime_ns).decode(),
        "target": _name(facts.target) or None,
        "device": f"{facts.major}:{facts.minor}" if facts.major or facts.minor else None,
    }


def _title(change: Change) -> str:
    return TITLES.get(change.fact, change.fact.removeprefix("config."))


def _change_texts(change: Change) -> Iterator[str]:
    for mark, value in (("-", change.left), ("+", change.right)):
        if value is not None:
            yield f"{mark} {_value_text(change, value)}"


def _value_text(change: Change, value: Any) -> str:  # noqa: ANN401 - JSON is anything
    if change.fact in {"image_id", "manifest"}:
        return short_id(value)
    if change.fact == "size":
        return f"{size_text(value)} ({value} bytes)"
    (text,) = config_texts(value) or ["(empty)"]
    if not change.item or change.fact.endswith("Env"):
        return text
    return f"{change.item}={text}" if value else change.item


def _split_texts(split: Split[T], text: Callable[[T], str]) -> Iterator[str]:
    if split.is_whole:
        return
    if split.shared:
        yield f"  {split.shared} the same from the base up"
    for mark, items in (("-", split.left), ("+", split.right)):
        yield from (f"{mark} {text(item)}" for item in items)
    if split.shared_above:
        yield f"  {split.shared_above} the same above them"


def _layer_text(line: LayerLine) -> str:
    return f"{short_id(line.id)}  {size_text(line.size)}"


def _item_text(item: HistoryItem) -> str:
    told = "  ".join(filter(None, (item.created or UNKNOWN, item.created_by, item.comment, item.author)))
    return told if len(told) <= WIDTH else told[: WIDTH - 1] + "…"


def _folded(changes: Iterable[FileChange]) -> Iterator[tuple[FileChange, int]]:
    """Pair each path with how many below it are told with it: all that is in a folder of one side only."""
    held: FileChange | None = None
    below = 0
    for change in changes:
        if held and change.what == held.what and change.path.startswith(held.path + b"/"):
            below += 1
            continue
        if held:
            yield held, below
        facts = change.right or change.left
        is_folder = change.what != CHANGED and facts is not None and facts.kind == FOLDER
        held, below = (change if is_folder else None), 0
        if not is_folder:
            yield change, 0
    if held:
        yield held, below


def _facts_texts(change: FileChange) -> Iterator[str]:
    left, right = change.left, change.right
    if left and right:
        told = (fact for fact in change.differ if fact != CONTENT or SIZE not in change.differ)
        yield from (_differ_text(fact, left, right) for fact in told)
    elif facts := left or right:
        yield _kind_text(facts)


def _kind_text(facts: FileFacts) -> str:
    if facts.kind in {SYMLINK, HARD_LINK}:
        return f"{facts.kind} to {_name(facts.target)}"
    if facts.kind == FILE:
        return size_text(facts.size)
    return (
        f"{facts.kind} {facts.major}:{facts.minor}" if (facts.major, facts.minor) != NO_DEVICE else facts.kind
    )


def _differ_text(fact: str, left: FileFacts, right: FileFacts) -> str:
    if fact == SPARSE:
        return "contents not compared: sparse"
    if fact in {CONTENT, XATTRS}:
        return fact
    before, after = _fact_text(fact, left), _fact_text(fact, right)
    return f"{fact} {before} -> {after}"


def _fact_text(fact: str, facts: FileFacts) -> str:
    if fact == TYPE:
        return facts.kind
    if fact == MODE:
        return f"{facts.mode:04o}"
    if fact == MTIME:
        return _moment_text(facts)
    if fact == TARGET:
        return _name(facts.target)
    if fact == DEVICE:
        return f"{facts.major}:{facts.minor}"
    return str(getattr(facts, fact))


def _moment_text(facts: FileFacts) -> str:
    """Return a time as RFC 3339 has it; one that no calendar has, in seconds."""
    try:
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(facts.mtime))
    except (ValueError, OverflowError, OSError):
        return format_time(facts.mtime, facts.mtime_ns).decode()
    fraction = f".{facts.mtime_ns:09d}".rstrip("0") if facts.mtime_ns else ""
    return f"{whole}{fraction}Z"


def _name(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
