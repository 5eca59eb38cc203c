"""Keys in two spellings, in every object that Go decodes into a struct; a map's keys are data."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit.document import Node
from toolkit.errors import UnsafeArchive
from toolkit.gostruct import CONFIG, DESCRIPTOR, refuse_respelt


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"CONFIG": {}}, "CONFIG"),
        ({"config": {"Cmd": ["good"], "cmd": ["evil"]}}, "config.cmd"),
        ({"config": {"\u017fhell": []}}, "config.\u017fhell"),
        ({"config": {"Healthcheck": {"test": ["CMD", "evil"]}}}, "config.Healthcheck.test"),
        ({"container_config": {"ENTRYPOINT": ["x"]}}, "container_config.ENTRYPOINT"),
        ({"history": [{"created_by": "a"}, {"Empty_Layer": True}]}, r"history\[1\].Empty_Layer"),
        ({"rootfs": {"diff_ids": [], "Diff_IDs": []}}, "rootfs.Diff_IDs"),
        ({"os.Version": "10"}, "os.Version"),
    ],
)
def test_a_second_spelling_is_refused_wherever_go_reads_a_struct(value: dict[str, Any], path: str) -> None:
    with pytest.raises(UnsafeArchive, match=f"^config {path} is a second spelling|{path} is a second"):
        refuse_respelt(Node(value, "config"), CONFIG)


def test_keys_that_are_data_may_be_spelt_in_any_way() -> None:
    maps = {
        "Labels": {"a": "1", "A": "2", "cmd": "3"},
        "ExposedPorts": {"80/tcp": {}, "80/TCP": {}},
        "Volumes": {"/a": {}, "/A": {}},
    }
    refuse_respelt(Node({"config": maps, "moby.buildkit": {"Cmd": 1, "cmd": 2}}, "it"), CONFIG)
    refuse_respelt(Node({"annotations": {"digest": "1", "DIGEST": "2"}}, "it"), DESCRIPTOR)


def test_what_is_no_object_is_left_to_its_reader() -> None:
    refuse_respelt(Node({"config": None, "history": ["x", 1], "rootfs": "y"}, "it"), CONFIG)


@pytest.mark.parametrize("key", ["Urls", "DATA", "artifacttype", "Annotations"])
def test_a_descriptor_has_each_key_in_one_spelling(key: str) -> None:
    with pytest.raises(UnsafeArchive, match=key):
        refuse_respelt(Node({"digest": "x", key: "y"}, "it"), DESCRIPTOR)
    with pytest.raises(UnsafeArchive, match=r"platform\.OS"):
        refuse_respelt(Node({"platform": {"os": "linux", "OS": "x"}}, "it"), DESCRIPTOR)
