"""The checker of `test_architecture.py` is checked itself: bad samples are found, good ones are not."""

from __future__ import annotations

import pytest

from .test_architecture import Source, heavy, looking_up, over_a_fence, too_long


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        (
            "toolkit/model.py",
            "import toolkit.ports",
            "toolkit/model.py:1: imports toolkit.ports of floor 3 from floor 2",
        ),
        (
            "toolkit/model.py",
            "from toolkit import ports",
            "toolkit/model.py:1: imports toolkit.ports of floor 3",
        ),
        (
            "toolkit/model.py",
            "from .ports import Sink",
            "toolkit/model.py:1: imports toolkit.ports of floor 3",
        ),
        ("toolkit/model.py", "from . import ports", "toolkit/model.py:1: imports toolkit.ports of floor 3"),
        ("toolkit/model.py", "from toolkit import copy", "toolkit/model.py:1: imports toolkit of floor 9"),
        (
            "toolkit/stores/graph/x.py",
            "from ...places import a",
            "toolkit/stores/graph/x.py:1: imports toolkit.places of",
        ),
        (
            "toolkit/model.py",
            "def f():\n    import pipelines.tasks",
            "toolkit/model.py:2: imports pipelines.tasks of floor 13",
        ),
        (
            "toolkit/places.py",
            "from toolkit.cli import main",
            "toolkit/places.py:1: imports toolkit.cli of floor 13",
        ),
        (
            "toolkit/operations/a.py",
            "import toolkit.bundles",
            "toolkit/operations/a.py:1: imports toolkit.bundles, which",
        ),
        (
            "toolkit/stores/a.py",
            "from toolkit.operations.copy import copy",
            "imports toolkit.operations.copy, which it must",
        ),
        ("toolkit/newcomer.py", "", "toolkit/newcomer.py:1: toolkit.newcomer has no floor"),
        (
            "toolkit/model.py",
            "import toolkit.newcomer",
            "toolkit/model.py:1: imports toolkit.newcomer, which has no floor",
        ),
    ],
)
def test_a_look_up_is_found(path: str, text: str, finding: str) -> None:
    (found,) = looking_up(Source(path, text))
    assert finding in found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("toolkit/cli/a.py", "from luigi import Task"),
        ("toolkit/plumbing/tarball.py", "import os, tarfile"),
        ("toolkit/plumbing/streams.py", "def f():\n    from hashlib import sha256"),
        ("pipelines/tasks.py", "import hashlib"),
        ("toolkit/stores/registry.py", "import http.client"),
        ("toolkit/stores/registry.py", "import urllib3.util"),
        ("toolkit/stores/registry.py", "from urllib.request import urlopen"),
        ("toolkit/bundles/a.py", "from docker.utils import x"),
        ("toolkit/operations/a.py", "def f():\n    import rich.progress"),
        ("pipelines/tasks.py", "import click"),
        ("toolkit/plumbing/a.py", "import subprocess"),
    ],
)
def test_a_step_over_a_fence_is_found(path: str, text: str) -> None:
    (found,) = over_a_fence(Source(path, text))
    assert found.startswith(f"{path}:{text.count(chr(10)) + 1}: imports ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pipelines/tasks.py", "import luigi.util"),
        ("toolkit/digest.py", "import hashlib"),
        ("toolkit/plumbing/failures.py", "import http.client, urllib3"),
        ("toolkit/stores/registry_logins.py", "def f():\n    import docker"),
        ("toolkit/stores/graph/a.py", "from urllib.parse import quote"),
        ("toolkit/bundles/a.py", "from toolkit.bundles import docker_v1"),
    ],
)
def test_what_is_allowed_is_not_found(path: str, text: str) -> None:
    source = Source(path, text)
    assert [*over_a_fence(source), *looking_up(source), *heavy(source)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import zstandard",
        "from docker import x",
        "class A:\n    import magic",
        "try:\n    import rich\nfinally: 0",
    ],
)
def test_a_heavy_import_at_the_top_is_found(text: str) -> None:
    (found,) = heavy(Source("toolkit/plumbing/a.py", text))
    assert "at its top" in found


@pytest.mark.parametrize(
    "text", ["def f():\n    import zstandard", "if TYPE_CHECKING:\n    import docker", "import magician"]
)
def test_a_heavy_import_where_it_is_needed_is_fine(text: str) -> None:
    assert list(heavy(Source("toolkit/plumbing/a.py", text))) == []


def test_what_is_too_long_is_found() -> None:
    body = "    pass\n"
    assert list(too_long(Source("a.py", "def f():\n" + body * 49))) == []
    assert list(too_long(Source("a.py", "x = 1\ndef f():\n" + body * 50))) == [
        "a.py:2: f is 51 lines, expected at most 50"
    ]
    assert list(too_long(Source("a.py", "x = 1\n" * 301))) == ["a.py:301: is 301 lines, expected at most 300"]
