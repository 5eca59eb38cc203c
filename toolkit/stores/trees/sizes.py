"""layersize: which rule of which engine a recorded number follows (formats A.4)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace

from toolkit.ancestry import Layersize
from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.limits import limits
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.tree import Tree
from toolkit.plumbing.walk import walk


def recorded(files: FolderFiles, name: str, driver: str) -> Layersize:
    """Read a recorded size as it stands; engines never check it, so that what is odd there stops nothing."""
    try:
        raw = files.read(name, limits().text)
    except ToolkitError as error:
        return Layersize(None, driver, unread=str(error))
    return Layersize(None if raw is None else raw.decode("ascii", "backslashreplace"), driver)


def matched(size: Layersize, own_rule: str, rules: Mapping[str, Callable[[], int]]) -> Layersize:
    """Return the recorded size with the name of the rule it follows; the driver's own is tried first.

    `rules` computes each rule's number when asked: a walk over a tree is not done for nothing.
    """
    if size.value is None:
        return size
    for rule in sorted(rules, key=lambda rule: rule != own_rule):
        if rules[rule]() == size.value:
            return replace(size, rule=rule)
    return size


def tree_sizes(tree: Tree) -> dict[str, int]:
    """Walk a layer's tree once: S3 counts non-directories, S2 directories too, each inode once."""
    seen: set[int] = set()
    sizes = {"S2": os.fstat(tree.handle).st_size, "S3": 0}
    for _, facts in walk(tree):
        if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
            if facts.st_ino in seen:
                continue
            seen.add(facts.st_ino)
        sizes["S2"] += facts.st_size
        if not stat.S_ISDIR(facts.st_mode):
            sizes["S3"] += facts.st_size
    return sizes


def size_findings(subject: str, size: Layersize, left: Callable[[], int] | None = None) -> list[Finding]:
    """Say what is wrong with a recorded size; Docker never checks it, so it stops nothing.

    `left` computes what the files make, where nothing else can tell that some of them are gone.
    """
    if size.problem:
        return [Finding(subject, size.problem, check="layersize")]
    if size.value is None:
        return [Finding(subject, "layersize is not recorded", "note", check="layersize")]
    if not size.rule:
        problem = f"layersize is {size.value}, which no rule of the {size.driver} driver gives"
        if left and (there := left()) < size.value:
            problem += f": its files make {there}, and some may be missing"
        return [Finding(subject, problem, check="layersize", fact="layersize", found=str(size.value))]
    return []
