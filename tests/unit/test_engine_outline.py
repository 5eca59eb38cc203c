from __future__ import annotations

from typing import Any

from toolkit.document import Node
from toolkit.stores.engine_outline import engine_outline, platform_of

ID = "sha256:" + "1" * 64
TOLD: dict[str, Any] = {
    "Id": ID,
    "Created": "2024-01-02T03:04:05Z",
    "Author": "me",
    "Os": "linux",
    "Architecture": "arm64",
    "Variant": "v8",
    "DockerVersion": "20.10.24",
    "Config": {"Cmd": ["/bin/sh"]},
    "RootFS": {"Layers": ["sha256:a", "sha256:b"]},
}


def line(words: str, size: int) -> Node:
    return Node({"CreatedBy": words, "Size": size, "Created": 1704164645, "Comment": "c"}, "history")


def outline(*lines: Node) -> Any:
    return engine_outline(("app:1",), Node(TOLD, "inspect"), lines)


def test_an_image_is_told_as_the_engine_has_it() -> None:
    found = outline()
    assert (found.names, found.id, found.platform) == (("app:1",), ID, "linux/arm64/v8")
    assert (found.created, found.author, found.config) == ("2024-01-02T03:04:05Z", "me", {"Cmd": ["/bin/sh"]})
    assert found.diff_ids == ("sha256:a", "sha256:b")
    assert found.others == {"docker_version": "20.10.24"}
    assert str(platform_of(Node({}, "inspect"))) == ""


def test_lines_with_a_size_have_the_layers() -> None:
    found = outline(line("CMD", 0), line("RUN", 5), line("ADD", 7))
    assert [(each.id, each.history.created_by, each.size) for each in found.layers] == [
        ("sha256:a", "ADD", 7), ("sha256:b", "RUN", 5), ("", "CMD", 0),
    ]  # fmt: skip
    assert found.layers[0].history.created == "2024-01-02T03:04:05Z"
    assert [each.history.empty_layer for each in found.layers] == [False, False, True]
    assert found.findings == ()


def test_as_many_lines_as_layers_are_all_layers() -> None:
    found = outline(line("CMD", 0), line("ADD", 7))
    assert [each.id for each in found.layers] == ["sha256:a", "sha256:b"]


def test_where_it_cannot_be_known_lines_have_no_layers() -> None:
    found = outline(line("CMD", 0), line("RUN", 0), line("ADD", 7))
    assert [each.id for each in found.layers] == ["", "", ""]
    assert [each.severity for each in found.findings] == ["note"]
