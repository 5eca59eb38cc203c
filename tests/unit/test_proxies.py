from __future__ import annotations

import base64
import traceback

import pytest

from toolkit.errors import InvalidSetting
from toolkit.plumbing.proxies import Proxies, Proxy

ENVIRON = {"HTTPS_PROXY": "http://proxy.example:3128", "HTTP_PROXY": "plain.example:8080"}


def way(host: str, port: int = 443, scheme: str = "https", **environ: str) -> str:
    return str(Proxies({**ENVIRON, **environ}).to(scheme, host, port))


def exempt(entries: str, host: str, port: int = 443) -> bool:
    return way(host, port, NO_PROXY=entries) == "None"


def test_each_scheme_has_its_own_proxy() -> None:
    assert way("registry.example") == "http://proxy.example:3128"
    assert way("registry.example", 80, "http") == "http://plain.example:8080"
    assert Proxies({"HTTP_PROXY": "plain.example"}).to("https", "registry.example", 443) is None
    assert Proxies({}).to("https", "registry.example", 443) is None


def test_names_may_be_small_and_capitals_come_first() -> None:
    small = {"https_proxy": "small.example:1", "no_proxy": "off.example"}
    assert str(Proxies(small).to("https", "registry.example", 443)) == "http://small.example:1"
    assert Proxies(small).to("https", "off.example", 443) is None
    assert way("registry.example", https_proxy="small.example:1") == "http://proxy.example:3128"
    assert way("registry.example", HTTPS_PROXY="", https_proxy="small.example:1") == "http://small.example:1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_never_behind_a_proxy(host: str) -> None:
    assert way(host, 5000) == "None"


# What golang.org/x/net/http/httpproxy documents, and tries in its own tests.
@pytest.mark.parametrize(
    ("entries", "host", "port", "is_exempt"),
    [
        ("*", "registry.example", 443, True),
        ("other.example, *", "registry.example", 443, True),
        ("registry.example", "registry.example", 443, True),
        ("registry.example", "REGISTRY.example", 443, True),
        ("Registry.Example", "registry.example", 443, True),
        ("registry.example", "team.registry.example", 443, True),
        ("registry.example", "myregistry.example", 443, False),
        ("registry.example", "registry.example.org", 443, False),
        (".registry.example", "registry.example", 443, False),
        (".registry.example", "team.registry.example", 443, True),
        ("*.registry.example", "team.registry.example", 443, True),
        ("*.registry.example", "registry.example", 443, False),
        ("registry.example:443", "registry.example", 443, True),
        ("registry.example:443", "registry.example", 5000, False),
        (".registry.example:5000", "team.registry.example", 5000, True),
        ("a.example,b.example", "b.example", 443, True),
        ("a.example b.example", "b.example", 443, True),
        ("192.168.1.1", "192.168.1.1", 443, True),
        ("192.168.1.1", "192.168.1.11", 443, False),
        ("192.168.1.1:5000", "192.168.1.1", 5000, True),
        ("192.168.1.1:5000", "192.168.1.1", 443, False),
        ("10.0.0.0/8", "10.200.3.4", 443, True),
        ("10.1.2.3/8", "10.200.3.4", 443, True),
        ("10.0.0.0/8", "11.0.0.1", 443, False),
        ("10.0.0.0/8", "ten.example", 443, False),
        ("2001:db8::52:0:1", "2001:db8::52:0:1", 443, True),
        ("[2001:db8::52:0:1]", "2001:db8:0:0:0:52:0:1", 443, True),
        ("[2001:db8::52:0:1]:443", "2001:db8::52:0:1", 443, True),
        ("[2001:db8::52:0:1]:443", "2001:db8::52:0:1", 5000, False),
        ("2001:db8::/32", "2001:db8:1::2", 443, True),
        ("2001:db8::/32", "10.0.0.1", 443, False),
        (":443", "registry.example", 443, False),
        ("10.0.0.0/99", "10.0.0.1", 443, False),
        (",, ,", "registry.example", 443, False),
    ],
)  # fmt: skip
def test_no_proxy_names_hosts_that_are_reached_directly(
    entries: str,
    host: str,
    port: int,
    is_exempt: bool,  # noqa: FBT001
) -> None:
    assert exempt(entries, host, port) is is_exempt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("proxy.example", "http://proxy.example:80"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example/", "http://proxy.example:80"),
        ("https://proxy.example", "https://proxy.example:443"),
        ("HTTP://Proxy.Example:1", "http://proxy.example:1"),
        ("http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
        ("http://my_proxy:3128", "http://my_proxy:3128"),
    ],
)
def test_a_proxy_is_a_url_or_a_host(text: str, shown: str) -> None:
    assert str(Proxy.parse(text, "HTTPS_PROXY")) == shown


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("http://me:secret@proxy.example", "me:secret"),
        ("me:secret@proxy.example:3128", "me:secret"),
        ("http://me:s%40c%3Aret%C3%A9@proxy.example", "me:s@c:reté"),
        ("http://me@proxy.example", "me:"),
        ("http://me:with@sign@proxy.example", "me:with@sign"),
    ],
)
def test_its_login_is_kept_and_never_shown(text: str, word: str) -> None:
    proxy = Proxy.parse(text, "HTTPS_PROXY")
    kind, _, told = proxy.login.partition(" ")
    assert (kind, base64.b64decode(told).decode()) == ("Basic", word)
    for shown in (str(proxy), repr(proxy), repr(Proxies({"HTTPS_PROXY": text}))):
        assert not {told, word, text} & {shown}
        assert not any(secret in shown for secret in (told, "me@", "me:", "secret"))


@pytest.mark.parametrize(
    "text",
    [
        "socks5://me:secret@proxy.example", "http://", "http://me:secret@", "http://me:sec#ret@proxy.example:1",
        "http://me:sec/ret@proxy.example", "http://me:secret@proxy.example:99999", "http://[secret", "a b.secret",
        "http://me\udcff:secret@proxy.example",
    ],
)  # fmt: skip
def test_what_names_no_proxy_is_told_without_what_it_says(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"^HTTPS_PROXY: names no proxy") as caught:
        Proxies({"HTTPS_PROXY": text}).to("https", "registry.example", 443)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert Proxies({"HTTPS_PROXY": text}).to("https", "localhost", 443) is None
