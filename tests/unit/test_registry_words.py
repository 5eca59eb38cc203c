from __future__ import annotations

import json

import pytest

from toolkit.stores.registry_words import LONGEST_MESSAGE, status_and_words, told


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"errors": [{"code": "DENIED", "message": "read only"}]}, ("DENIED", "read only")),
        ({"errors": [{"code": "not a code", "message": "so"}]}, ("", "so")),
        ({"details": "incorrect username or password"}, ("", "incorrect username or password")),
        ({"error": "invalid_grant", "error_description": "expired"}, ("", "expired")),
        ({"errors": []}, ("", "")),
        ({"errors": [5]}, ("", "")),
        ({"message": ["no", "text"]}, ("", "")),
        (["errors"], ("", "")),
    ],
)
def test_what_a_registry_says_is_found_where_each_kind_says_it(
    answer: object, words: tuple[str, str]
) -> None:
    assert told(json.dumps(answer).encode()) == words


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"\xff", b"[" * 100_000])
def test_of_what_is_no_document_nothing_is_told(body: bytes) -> None:
    assert told(body) == ("", "")
    assert status_and_words(401, body) == "401"


def test_a_long_message_is_cut() -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "x" * 5000}]}).encode()
    assert status_and_words(403, body) == f"403, DENIED, {'x' * LONGEST_MESSAGE}"
