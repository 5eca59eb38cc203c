"""Random layers, extracted, are the tree that the OCI image-spec describes."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.extracting import Site
from tests.stacks import Stack, Tree, stacks

pytestmark = pytest.mark.property


def read(top: Path) -> Tree:
    """What lies below a folder."""
    return {str(path.relative_to(top)): _node(path) for path in top.rglob("*")}


def _node(path: Path) -> tuple[str, int, bytes]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link", 0o777, os.fsencode(os.readlink(path))
    kind, content = ("folder", b"") if stat.S_ISDIR(mode) else ("file", path.read_bytes())
    return kind, stat.S_IMODE(mode), content


@settings(max_examples=150)
@given(stacks())
def test_an_extracted_image_is_its_layers_over_one_another(stack: Stack) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        done = site.extract(*stack.tars)
        assert read(site.root) == stack.tree
        assert done.census.folders == sum(node[0] == "folder" for node in stack.tree.values())
        assert done.census.files + done.census.symlinks + done.census.hard_links == sum(
            node[0] != "folder" for node in stack.tree.values()
        )
