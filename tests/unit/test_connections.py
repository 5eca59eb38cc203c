from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.proxies import ProxyServer, certified, secured
from tests.webs import DROP, Asked, Reply, Web
from toolkit.errors import RegistryError
from toolkit.plumbing.connections import Connections
from toolkit.plumbing.failures import NOBODY
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience
from toolkit.plumbing.proxies import Proxies

HOST, PLAIN = "registry.example", "plain.example:5000"
PROXY_LOGIN = "Basic " + base64.b64encode(b"carrier:hush").decode()
LOGIN = {"Authorization": "Basic c2VjcmV0"}


def said(asked: Asked) -> Reply:
    return Reply(200, asked.body[::-1] or b"here", {"Set-Cookie": "x"})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(name="context")
def a_certificate(tmp_path: Path) -> ssl.SSLContext:
    """What makes a server the host that certs.d knows."""
    return certified(tmp_path / "certs.d" / HOST, f"DNS:{HOST}")


@pytest.fixture(name="web")
def a_secure_web(stack: ExitStack, context: ssl.SSLContext) -> Web:
    return stack.enter_context(secured(Web(said), context))


@pytest.fixture(name="plain")
def a_plain_web(stack: ExitStack) -> Web:
    return stack.enter_context(Web(said))


@pytest.fixture(name="through")
def a_way_through(stack: ExitStack, tmp_path: Path) -> Callable[..., Transport]:
    """Make a transport of the environment that is given."""

    def made(reading: float = 5.0, **environ: str) -> Transport:
        transport = Transport(
            insecure=(PLAIN,),
            patience=Patience(sleep=lambda _: None),
            folders=[tmp_path / "certs.d"],
            timeouts=(5.0, reading),
            proxies=Proxies(environ),
        )
        stack.callback(transport.close)
        return transport

    return made


def with_login(proxy: ProxyServer, word: str = "carrier:hush") -> str:
    return proxy.url.replace("://", f"://{word}@")


Through = Callable[..., Transport]


def test_https_goes_through_a_tunnel_that_nobody_reads(stack: ExitStack, web: Web, through: Through) -> None:
    proxy = stack.enter_context(ProxyServer({f"{HOST}:443": web.host}, login=PROXY_LOGIN))
    transport = through(HTTPS_PROXY=with_login(proxy))
    for _ in range(2):
        assert transport.ask("PUT", f"https://{HOST}/v2/?token=secret", LOGIN, b"abc").body == b"cba"
    [asked] = proxy.asked
    assert (asked.method, asked.target) == ("CONNECT", f"{HOST}:443")
    assert asked.headers["proxy-authorization"] == PROXY_LOGIN
    assert "authorization" not in asked.headers
    assert b"secret" not in proxy.heads
    assert [one.target for one in web.asked] == ["/v2/?token=secret"] * 2
    for one in web.asked:
        assert one.headers["authorization"] == LOGIN["Authorization"]
        assert not any(name.startswith("proxy-") for name in one.headers)


def test_plain_http_is_asked_for_by_its_whole_url(stack: ExitStack, plain: Web, through: Through) -> None:
    proxy = stack.enter_context(ProxyServer({PLAIN: plain.host}, login=PROXY_LOGIN))
    transport = through(HTTP_PROXY=with_login(proxy))
    assert transport.ask("PUT", f"http://{PLAIN}/v2/?a=b", LOGIN, b"abc").body == b"cba"
    [asked], [came] = proxy.asked, plain.asked
    assert (asked.method, asked.target) == ("PUT", f"http://{PLAIN}/v2/?a=b")
    assert asked.headers["proxy-authorization"] == PROXY_LOGIN
    assert (came.target, came.headers["host"]) == ("/v2/?a=b", PLAIN)
    assert came.headers["authorization"] == LOGIN["Authorization"]
    assert "proxy-authorization" not in came.headers


def test_a_proxy_may_be_spoken_to_by_tls(
    stack: ExitStack, web: Web, plain: Web, through: Through, tmp_path: Path
) -> None:
    context = certified(tmp_path / "certs.d" / "127.0.0.1", "IP:127.0.0.1")
    hosts = {f"{HOST}:443": web.host, PLAIN: plain.host}
    proxy = stack.enter_context(ProxyServer(hosts, context=context))
    named = tmp_path / "certs.d" / proxy.host
    transport = through(HTTPS_PROXY=proxy.url, HTTP_PROXY=proxy.url)
    with pytest.raises(RegistryError, match=rf"the proxy {proxy.url} cannot be trusted: .*certs\.d"):
        transport.ask("GET", f"https://{HOST}/")
    (tmp_path / "certs.d" / "127.0.0.1").rename(named)
    transport = through(HTTPS_PROXY=proxy.url, HTTP_PROXY=proxy.url)
    assert transport.ask("GET", f"https://{HOST}/").body == b"here"
    assert transport.ask("GET", f"http://{PLAIN}/").body == b"here"
    assert proxy.targets == [f"CONNECT {HOST}:443", f"GET http://{PLAIN}/"]


def test_the_certificate_that_counts_is_the_target_s(
    stack: ExitStack, web: Web, through: Through, tmp_path: Path
) -> None:
    certified(tmp_path / "certs.d" / "other.example", "DNS:other.example")
    hosts = {f"{HOST}:443": web.host, "other.example:443": web.host, "unknown.example:443": web.host}
    proxy = stack.enter_context(ProxyServer(hosts))
    transport = through(HTTPS_PROXY=proxy.url)
    assert transport.ask("GET", f"https://{HOST}/").status == 200
    for other in ("other.example", "unknown.example"):
        with pytest.raises(RegistryError, match=rf"^GET https://{other}/: cannot be trusted: .*certificate"):
            transport.ask("GET", f"https://{other}/")
    assert len(web.asked) == 1


def test_hosts_of_no_proxy_and_this_machine_are_reached_directly(
    stack: ExitStack, plain: Web, through: Through
) -> None:
    proxy = stack.enter_context(ProxyServer({}))
    transport = through(HTTP_PROXY=proxy.url, HTTPS_PROXY=proxy.url, NO_PROXY="off.invalid")
    assert transport.ask("GET", plain.url).status == 200
    with pytest.raises(RegistryError, match=r"^GET https://off\.invalid/: no such host$"):
        transport.ask("GET", "https://off.invalid/")
    assert proxy.asked == []


def test_a_redirect_takes_the_way_of_where_it_leads(
    stack: ExitStack, context: ssl.SSLContext, through: Through
) -> None:
    def leading(_: Asked) -> Reply:
        return Reply(302, headers={"Location": "https://far.example/x?signed=1"})

    web = stack.enter_context(secured(Web(leading), context))
    proxy = stack.enter_context(ProxyServer({f"{HOST}:443": web.host}))
    with pytest.raises(RegistryError, match=r"far.example/x: the proxy .* refuses the way there \(502\)"):
        through(HTTPS_PROXY=proxy.url).ask("GET", f"https://{HOST}/", LOGIN)
    assert proxy.targets == [f"CONNECT {HOST}:443", "CONNECT far.example:443"]


@pytest.mark.parametrize("url", [f"https://{HOST}/v2/", f"http://{PLAIN}/v2/"])
@pytest.mark.parametrize(
    ("word", "problem"), [("", "asks for a login"), ("carrier:wrong-hush@", "refuses our login")]
)
def test_a_proxy_that_wants_another_login_is_one_sentence(
    stack: ExitStack, through: Through, url: str, word: str, problem: str
) -> None:
    proxy = stack.enter_context(ProxyServer({}, login=PROXY_LOGIN))
    variable = "HTTPS_PROXY" if url.startswith("https") else "HTTP_PROXY"
    transport = through(**{variable: proxy.url.replace("://", f"://{word}")})
    with pytest.raises(RegistryError) as caught:
        transport.ask("GET", f"{url}?token=secret", LOGIN)
    assert str(caught.value) == (
        f"GET {url}: the proxy {proxy.url} {problem} (407); "
        f"write it into {variable}: http://USER:PASSWORD@HOST:PORT"
    )
    assert len(proxy.asked) == 1
    told = f"{caught.value!r} {vars(caught.value)} {caught.value.__cause__}"
    assert not any(secret in told for secret in ("hush", "token", "c2VjcmV0", PROXY_LOGIN[6:]))


def test_a_proxy_that_forbids_a_host_is_asked_once(stack: ExitStack, through: Through) -> None:
    proxy = stack.enter_context(ProxyServer({}, status=403))
    with pytest.raises(RegistryError) as caught:
        through(HTTPS_PROXY=with_login(proxy)).ask("GET", f"https://{HOST}/v2/")
    assert str(caught.value) == (
        f"GET https://{HOST}/v2/: the proxy {proxy.url} refuses the way there (403); "
        "ask who runs it to allow that host, or list it in NO_PROXY"
    )
    assert len(proxy.asked) == 1


def test_a_proxy_that_finds_nobody_is_asked_again_only_if_somebody_was_there(
    stack: ExitStack, context: ssl.SSLContext, through: Through
) -> None:
    web = stack.enter_context(secured(Web(lambda _: Reply(headers={"Connection": "close"})), context))
    proxy = stack.enter_context(ProxyServer({f"{HOST}:443": web.host}))
    transport = through(HTTPS_PROXY=proxy.url)
    with pytest.raises(RegistryError) as caught:
        transport.ask("GET", "https://absent.example/")
    assert caught.value.code == NOBODY
    assert len(proxy.asked) == 1
    assert transport.ask("GET", f"https://{HOST}/").status == 200
    proxy.status = 503
    with pytest.raises(RegistryError, match=r"\(503\)$"):
        transport.ask("GET", f"https://{HOST}/")
    assert len(proxy.asked) == 2 + 6


def test_a_proxy_that_says_nothing_is_named(through: Through) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryError, match=rf"in time on the way through the proxy {url}$"):
            through(0.2, HTTP_PROXY=url).ask("GET", f"http://{PLAIN}/", repeat=False)
    with Web(lambda _: DROP) as web, pytest.raises(RegistryError, match=f"the proxy {web.url}"):
        through(HTTPS_PROXY=web.url).ask("GET", f"https://{HOST}/", repeat=False)


def test_a_proxy_that_is_not_there_is_named_without_its_login(through: Through) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    for url, variable in ((f"https://{HOST}/", "https_proxy"), (f"http://{PLAIN}/", "http_proxy")):
        with pytest.raises(RegistryError) as caught:
            through(**{variable: f"http://carrier:hush@{host}"}).ask("GET", url)
        assert str(caught.value) == (
            f"GET {url}: the proxy http://{host} cannot be reached: no connection can be made: connection refused; "
            f"{variable} names it, NO_PROXY whom it is not for"
        )
    with pytest.raises(
        RegistryError, match=r"the proxy http://proxy\.invalid:80 cannot be reached: no such host"
    ):
        through(https_proxy="proxy.invalid").ask("GET", f"https://{HOST}/")


def test_who_may_have_answered_plain_http_is_known() -> None:
    proxies = Proxies({"HTTP_PROXY": "http://me:hush@proxy.example", "HTTPS_PROXY": "proxy.example"})
    connections = Connections([], (1.0, 1.0), proxies)
    assert str(connections.between(f"http://{PLAIN}/x")) == "http://proxy.example:80"
    assert connections.between(f"https://{HOST}/x") is None
    assert connections.between("http://127.0.0.1:5000/x") is None
