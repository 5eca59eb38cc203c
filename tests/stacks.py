"""Stacks of random layers, and the tree that they come to by the words of the OCI image-spec (layer.md).

The tree is worked out from sets of paths, all of a layer's whiteouts before its entries: nothing here knows
about tars, handles or the order of entries.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.layers import file, folder, hard_link, layer, symlink

NAMES = st.sampled_from(["a", "é"])
IMPLIED = 0o755
Node = tuple[str, int, bytes]  # its kind, its mode, its content or target
Member = tuple[tarfile.TarInfo, bytes]
Tree = dict[str, Node]  # by path; folders too


@dataclass(frozen=True)
class Folder:
    """What a layer says of a folder and of all in it."""

    mode: int | None  # None where it has no entry
    opaque: bool
    gone: frozenset[str]  # names that are whited out in it
    nodes: dict[str, Folder | Node]


class Stack:
    """The tars of some layers, base first, and the tree that they are together."""

    def __init__(self) -> None:
        self.tars: list[bytes] = []
        self.tree: Tree = {}
        self._names: list[list[str]] = []

    def add(self, members: list[Member], tree: Tree) -> None:
        """Take another layer, and what the tree is with it."""
        self.tars.append(layer(*members))
        self._names.append([info.name for info, _ in members])
        self.tree = tree

    def __repr__(self) -> str:
        return str(self._names)[:5000]


@dataclass
class Change:
    """One layer: its folders, other nodes, and whiteouts by path."""

    folders: dict[str, int | None] = field(default_factory=dict)
    nodes: Tree = field(default_factory=dict)
    opaque: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)  # hard links to nodes of the same layer

    def add(self, path: str, one: Folder) -> None:
        """Take a folder with all that is in it."""
        prefix = f"{path}/" if path else ""
        if one.opaque:
            self.opaque.add(path)
        self.gone |= {prefix + name for name in one.gone}
        for name, node in one.nodes.items():
            if isinstance(node, Folder):
                self.folders[prefix + name] = node.mode
                self.add(prefix + name, node)
            else:
                self.nodes[prefix + name] = node


FILE_NODES = st.tuples(st.just("file"), st.sampled_from([0o644, 0o600, 0o755]), st.binary(max_size=9))
LINK_NODES = st.tuples(st.just("link"), st.just(0o777), st.sampled_from([b"a", b"../b", b"/c", b"no/where"]))
LEAVES = st.one_of(FILE_NODES, LINK_NODES)


def folders(inner: st.SearchStrategy[Folder | Node]) -> st.SearchStrategy[Folder]:
    """Return folders of such nodes."""
    return st.builds(
        Folder,
        st.sampled_from([None, 0o755, 0o700, 0o711]),
        st.sampled_from([False, False, True]),
        st.frozensets(NAMES, max_size=2),
        st.dictionaries(NAMES, inner, max_size=3),
    )


NODES: st.SearchStrategy[Folder | Node] = st.recursive(LEAVES, folders, max_leaves=6)


@st.composite
def stacks(draw: st.DrawFn, *, undisputed: bool = False) -> Stack:
    """Return one to four layers; `undisputed` ones have nothing that programs make different things of."""
    stack = Stack()
    for _ in range(draw(st.integers(1, 4))):
        change = Change()
        change.add("", draw(folders(NODES)))
        files = sorted(path for path, node in change.nodes.items() if node[0] == "file")
        if files:
            change.links = {f"hard{n}": files[n] for n in range(draw(st.integers(0, min(2, len(files)))))}
        is_easy = described(change, stack.tree)
        if undisputed:
            describe_hidden(change)
        members = list(entries(change))
        if is_easy:
            members = draw(st.permutations(members))
        links = [hard_link(name, target) for name, target in change.links.items()]
        stack.add([*members, *links], laid_over(stack.tree, change))
    return stack


def described(change: Change, tree: Tree) -> bool:
    """Give folders an entry that need one, as all builders do; tell whether none lies over what is no folder.

    Others are in the tar by what lies in them: programs differ on those with nothing but whiteouts.
    """
    clashes = [path for path in change.folders if tree.get(path, ("folder",))[0] != "folder"]
    bare = [path for path in change.folders if not any(_is_below(each, path) for each in change.nodes)]
    for path in (*clashes, *bare):
        change.folders[path] = change.folders[path] or 0o755
    return not clashes


def describe_hidden(change: Change) -> None:
    """Give folders an entry that the layer hides: else their facts depend on the order for some programs."""
    hidden = [path for path in change.folders if any(_is_at_or_below(path, gone) for gone in change.gone)]
    hidden += [path for path in change.folders if any(_is_below(path, each) for each in change.opaque)]
    for path in hidden:
        change.folders[path] = change.folders[path] or 0o755


def entries(change: Change) -> Iterator[Member]:
    """Yield a layer's entries, folders first."""
    for path, mode in sorted(change.folders.items()):
        if mode is not None:
            yield folder(path, mode)
    for path, (kind, mode, text) in change.nodes.items():
        yield file(path, text, mode=mode) if kind == "file" else symlink(path, text.decode())
    for path in change.opaque:
        yield file(f"{path}/.wh..wh..opq" if path else ".wh..wh..opq", b"")
    for path in change.gone:
        parent, _, name = path.rpartition("/")
        yield file(f"{parent}/.wh.{name}" if parent else f".wh.{name}", b"")


def laid_over(tree: Tree, change: Change) -> Tree:
    """Return the tree with a layer over it."""
    kept = {
        path: node
        for path, node in tree.items()
        if not any(_is_at_or_below(path, gone) for gone in change.gone)
        and not any(_is_below(path, folder) for folder in change.opaque)
    }
    upper: Tree = dict(change.nodes)
    upper |= {name: change.nodes[target] for name, target in change.links.items()}
    solid = [path for path, node in kept.items() if node[0] != "folder" and path in change.folders]
    hidden = {*upper, *solid}
    result = {
        path: node for path, node in kept.items() if not any(_is_at_or_below(path, each) for each in hidden)
    }
    for path, mode in change.folders.items():
        below = result.get(path, ("folder", IMPLIED, b""))
        result[path] = ("folder", below[1] if mode is None else mode, b"")
    return result | upper


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _is_at_or_below(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/")
