from __future__ import annotations

import pytest

from toolkit.errors import RegistryError
from toolkit.plumbing.failures import led

HERE = "https://registry.example/v2/app/blobs/uploads/?secret"


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ("/v2/x?y=1", "https://registry.example/v2/x?y=1"),
        ("https://storage.example:8443/x", "https://storage.example:8443/x"),
        ("//[::1]:5000/x", "https://[::1]:5000/x"),
    ],
)
def test_an_answer_may_lead_to_any_host(place: str, there: str) -> None:
    assert led("POST", HERE, place) == there


@pytest.mark.parametrize(
    "place",
    ["http://[", "http:///x", "https://h:99999/", "https://h:x/", "ftp://h/", "javascript:1", "file:///"],
)
def test_what_is_no_address_is_refused(place: str) -> None:
    with pytest.raises(RegistryError, match="leads to what is no address of HTTP") as caught:
        led("POST", HERE, place)
    assert "secret" not in str(caught.value)


def test_nothing_leads_from_https_to_a_service_on_this_machine() -> None:
    with pytest.raises(RegistryError, match=r"leads from https to http://127\.0\.0\.1:2375/containers/app$"):
        led("POST", HERE, "http://127.0.0.1:2375/containers/app?force=1")
    assert led("POST", "http://localhost/", "http://127.0.0.1:2375/") == "http://127.0.0.1:2375/"
