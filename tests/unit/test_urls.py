from __future__ import annotations

from toolkit.plumbing.urls import origin, shown


def test_a_url_is_shown_without_what_may_be_secret() -> None:
    assert shown("https://me:pass@h:1/p/q?token=x#y") == "https://h:1/p/q"


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://H.example/x") == origin("https://h.example:443/y") == ("https", "h.example", 443)
    assert origin("http://h:443") != origin("https://h:443")
