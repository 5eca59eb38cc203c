from __future__ import annotations

import pytest

from toolkit.document import Node
from toolkit.errors import InvalidDocument, UnsafeArchive
from toolkit.gojson import encode
from toolkit.v1image import struct

# The first layer's hash input in formats B.7, less what does not come from the struct.
EMPTY = (
    b'{"created":"0001-01-01T00:00:00Z","container_config":{"Hostname":"","Domainname":"","User":"",'
    b'"AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,'
    b'"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"",'
    b'"Entrypoint":null,"OnBuild":null,"Labels":null}}'
)


def test_an_empty_json_gets_the_defaults_of_docker_20_10() -> None:
    assert encode(struct(Node({}, "it"))) == EMPTY


def test_a_key_in_two_spellings_is_refused() -> None:
    with pytest.raises(UnsafeArchive, match=r"config\.Cmd stands twice"):
        struct(Node({"config": {"cmd": ["a"], "Cmd": ["b"]}}, "it"))


def test_an_error_says_where() -> None:
    with pytest.raises(
        InvalidDocument, match=r"^it: config\.Healthcheck\.Retries: int required, found bool$"
    ):
        struct(Node({"config": {"Healthcheck": {"Retries": True}}}, "it"))
