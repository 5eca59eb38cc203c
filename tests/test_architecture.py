"""The dependency rule, the fences and the sizes, read from the source with `ast`.

A finding is one line: `toolkit/model.py:12: what is wrong`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

# Module, or package with all that is in it -> floor. A module imports from its own floor or below.
FLOORS = {
    "toolkit.printable": 0,
    "toolkit.errors": 0,
    "toolkit.mediatype": 0,
    "toolkit.latest": 0,
    "toolkit.limits": 1,
    "toolkit.digest": 1,
    "toolkit.elf": 1,
    "toolkit.document": 1,
    "toolkit.gostruct": 1,
    "toolkit.gojson": 1,
    "toolkit.gotime": 1,
    "toolkit.figures": 1,
    "toolkit.platform": 1,
    "toolkit.checksums": 1,
    "toolkit.signature": 2,
    "toolkit.secretkey": 3,
    "toolkit.camelcase": 2,
    "toolkit.reference": 2,
    "toolkit.model": 2,
    "toolkit.luigi_files": 2,
    "toolkit.registry_mirrors": 2,
    "toolkit.settings": 2,
    "toolkit.reading": 2,
    "toolkit.ancestry": 3,
    "toolkit.v1image": 3,
    "toolkit.migration": 3,
    "toolkit.configured": 3,
    "toolkit.jws": 1,
    "toolkit.schema1": 3,
    "toolkit.historic": 3,
    "toolkit.synthesis": 3,
    "toolkit.checks": 3,
    "toolkit.findings": 3,
    "toolkit.hazards": 3,
    "toolkit.strongid": 3,
    "toolkit.image": 3,
    "toolkit.event": 3,
    "toolkit.tally": 3,
    "toolkit.outline": 3,
    "toolkit.report": 3,
    "toolkit.ports": 3,
    "toolkit.pages": 4,
    "toolkit.plumbing": 4,
    "toolkit.bundles": 5,
    "toolkit.operations": 5,
    "toolkit.stores": 6,
    "toolkit.voucher": 1,
    "toolkit.place": 2,
    "toolkit.mirror.records": 7,
    "toolkit.mirror.media": 8,
    "toolkit.openers": 9,
    "toolkit.places": 9,
    "toolkit": 9,  # the public names
    "toolkit.mirror.news": 9,
    "toolkit.mirror.jobs": 10,
    "toolkit.mirror.connected": 11,
    "toolkit.mirror.closed": 11,
    "toolkit.mirror": 12,
    "toolkit.cli": 13,
    "toolkit.__main__": 13,
    "pipelines": 13,
}

# Who must not know whom although the floors allow it.
STRANGERS = (
    ("toolkit.operations", "toolkit.bundles"),
    ("toolkit.operations", "toolkit.stores"),
    ("toolkit.bundles", "toolkit.operations"),
    ("toolkit.stores", "toolkit.operations"),
    ("toolkit.mirror.connected", "toolkit.mirror.closed"),
    ("toolkit.mirror.closed", "toolkit.mirror.connected"),
    ("toolkit.mirror.closed", "toolkit.mirror.jobs"),
    ("toolkit.cli", "pipelines"),
    ("pipelines", "toolkit.cli"),
)

# Module -> the only places that may import it.
FENCES: dict[str, tuple[str, ...]] = {
    "luigi": ("pipelines",),
    "tarfile": ("toolkit.plumbing.tarwriter",),
    "hashlib": ("toolkit.digest",),
    "socket": ("toolkit.plumbing.endpoint",),
    "http": ("toolkit.plumbing.endpoint", "toolkit.plumbing.failures", "toolkit.plumbing.liveness"),
    "urllib3": (
        "toolkit.plumbing.http",
        "toolkit.plumbing.connections",
        "toolkit.plumbing.endpoint",
        "toolkit.plumbing.failures",
        "toolkit.plumbing.liveness",
    ),
    "smtplib": ("toolkit.plumbing.smtp",),
    "urllib.request": (),
    "requests": (),
    "subprocess": (),
    "pickle": (),
    "docker": ("toolkit.stores.registry_logins",),
    "jinja2": ("toolkit.pages",),
    "click": ("toolkit.cli",),
    "rich": ("toolkit.cli",),
}

HEAVY = ("click", "rich", "luigi", "docker", "jinja2", "cryptography", "magic", "zstandard")
MAY_BE_HEAVY = ("toolkit.cli", "pipelines")

DOORS = ("toolkit.cli", "pipelines")  # used by running them: a command, a task

LONGEST_FILE = 300  # lines
LONGEST_FUNCTION = 50  # lines

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path.relative_to(ROOT) for package in ("toolkit", "pipelines") for path in ROOT.glob(f"{package}/**/*.py")
)
TESTS = sorted(path.relative_to(ROOT) for path in ROOT.glob("tests/**/*.py"))
UNIT_TESTS = sorted(path.relative_to(ROOT / "tests/unit") for path in ROOT.glob("tests/unit/**/test_*.py"))
PACKAGES = ("toolkit", "pipelines")


@dataclass(frozen=True)
class Import:
    module: str
    line: int
    on_import: bool  # runs when the importing module is imported


@dataclass(frozen=True)
class Source:
    """One file, parsed."""

    path: str
    text: str

    @property
    def module(self) -> str:
        return ".".join(Path(self.path).with_suffix("").parts).removesuffix(".__init__")

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text)

    @property
    def package(self) -> str:
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]

    def imports(self) -> Iterator[Import]:
        late = {
            id(node)
            for outer in ast.walk(self.tree)
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(outer)
            for node in ast.walk(outer)
        }
        for node in ast.walk(self.tree):
            for module in self._modules(node):
                yield Import(module, getattr(node, "lineno", 0), id(node) not in late)

    def _modules(self, node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if not isinstance(node, ast.ImportFrom):
            return []
        base = node.module or ""
        if node.level:
            above = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        # `from toolkit import model` imports a module, `from toolkit.model import Manifest` a name of one.
        return [name if (name := f"{base}.{alias.name}") in MODULES else base for alias in node.names]


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def read(path: Path) -> Source:
    return Source(path.as_posix(), (ROOT / path).read_text(encoding="utf-8"))


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(place + ".")


def floor(module: str) -> int | None:
    rows = [
        place for place in FLOORS if within(module, place) and (place != "toolkit" or module == "toolkit")
    ]
    return FLOORS[max(rows, key=len)] if rows else None


MODULES = {Source(path.as_posix(), "").module for path in SOURCES}


def looking_up(source: Source) -> Iterator[str]:
    """Yield each import that leads to a higher floor, or to a stranger on it."""
    mine = floor(source.module)
    if mine is None:
        yield f"{source.path}:1: {source.module} has no floor; add a row to FLOORS"
        return
    for one in source.imports():
        if one.module.partition(".")[0] not in PACKAGES:
            continue
        theirs = floor(one.module)
        if theirs is None:
            yield f"{source.path}:{one.line}: imports {one.module}, which has no floor"
        elif theirs > mine:
            yield f"{source.path}:{one.line}: imports {one.module} of floor {theirs} from floor {mine}"
        elif any(within(source.module, me) and within(one.module, other) for me, other in STRANGERS):
            yield f"{source.path}:{one.line}: imports {one.module}, which it must not know"


def over_a_fence(source: Source) -> Iterator[str]:
    """Yield each import of a module that this place may not have."""
    for one in source.imports():
        for fenced, allowed in FENCES.items():
            if within(one.module, fenced) and not any(within(source.module, place) for place in allowed):
                yield f"{source.path}:{one.line}: imports {one.module}, allowed in {', '.join(allowed) or 'no place'}"


def heavy(source: Source) -> Iterator[str]:
    """Yield each heavy import that runs when the module is imported."""
    if any(within(source.module, place) for place in MAY_BE_HEAVY):
        return
    for one in source.imports():
        if one.on_import and any(within(one.module, name) for name in HEAVY):
            yield f"{source.path}:{one.line}: imports {one.module} at its top; import it in the function that needs it"


def too_long(source: Source) -> Iterator[str]:
    """Yield the file, and each function, that is longer than it may be."""
    if (lines := source.text.count("\n")) > LONGEST_FILE:
        yield f"{source.path}:{LONGEST_FILE + 1}: is {lines} lines, expected at most {LONGEST_FILE}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{source.path}:{node.lineno}: {node.name} is {lines} lines, expected at most {LONGEST_FUNCTION}"


def names_of(module: str) -> set[str]:
    """Return what a unit test of this module may be called: `root`, `graph_root`, `stores_graph_root`."""
    parts = module.split(".")[1:]
    return {"_".join(parts[start:]) for start in range(len(parts))}


def subject_of(test: Path) -> str:
    """Return what a test file is about: `stores/test_graph_root.py` is about `stores_graph_root`."""
    return "_".join([*test.parts[:-1], test.stem.removeprefix("test_")])


RULES = (looking_up, over_a_fence, heavy, too_long)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_file_breaks_a_rule(path: Path, rule: Callable[[Source], Iterator[str]]) -> None:
    assert not (findings := list(rule(read(path)))), "\n".join(findings)


@pytest.mark.parametrize("path", UNIT_TESTS, ids=str)
def test_a_unit_test_is_named_after_a_module(path: Path) -> None:
    assert any(subject_of(path) in names_of(module) for module in MODULES), (
        f"tests/unit/{path}: no module of that name"
    )


def test_every_module_is_imported_by_a_test() -> None:
    """A door is tested by what it does: of its modules, importing the package is enough."""
    imported = {one.module for path in TESTS for one in read(path).imports()}
    used = {door for module in imported for door in DOORS if within(module, door)}
    missing = [
        f"{source.path}:1: no test imports {source.module}"
        for source in map(read, SOURCES)
        if not any(within(module, source.module) for module in imported)
        and not any(within(source.module, door) for door in used)
        and not source.path.endswith("__main__.py")
    ]
    assert not missing, "\n".join(missing)


def test_every_row_names_a_package_of_ours() -> None:
    rows = {
        *FLOORS,
        *(name for pair in STRANGERS for name in pair),
        *(place for row in FENCES.values() for place in row),
    }
    assert {name.partition(".")[0] for name in rows} == set(PACKAGES)
