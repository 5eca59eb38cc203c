from __future__ import annotations

import pytest

from tests.webregistry import client_of
from tests.webs import Asked, Reply, Web
from toolkit.errors import RegistryError, UnsafeArchive
from toolkit.stores.registry import pages as module
from toolkit.stores.registry.pages import pages


def bodies(web: Web, path: str = "/v2/app/things") -> list[bytes]:
    client = client_of(web)
    try:
        return [answer.body for answer in pages(client, path, "app", "things", {"Accept": "text/x"})]
    finally:
        client.close()


def numbered(asked: Asked) -> Reply:
    number = int(asked.query.get("page", ["1"])[0])
    link = {"Link": f'</v2/app/things?page={number + 1}>; rel="next"'} if number < 4 else {}
    return Reply(200, b"%d" % number, link)


def test_each_page_is_asked_for_with_the_same_headers() -> None:
    with Web(numbered) as web:
        assert bodies(web) == [b"1", b"2", b"3", b"4"]
        assert {asked.headers["accept"] for asked in web.asked} == {"text/x"}


def test_a_page_may_lead_on_relative_to_itself() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(200, b"x", {} if asked.query else {"Link": "<?n=2>; rel=next"})

    with Web(answer) as web:
        assert len(bodies(web)) == 2
        assert web.targets() == ["/v2/app/things", "/v2/app/things?n=2"]


def test_pages_without_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGES", 3)
    with Web(numbered) as web, pytest.raises(UnsafeArchive, match="things: are on more than 3 pages"):
        bodies(web)


def test_pages_in_a_circle_are_left_at_once() -> None:
    link = {"Link": '</v2/app/things?n=2>; rel="next"'}
    with (
        Web(lambda _: Reply(200, b"", link)) as web,
        pytest.raises(UnsafeArchive, match="things: lead from page to page in a circle"),
    ):
        bodies(web)
    assert len(web.asked) == 2


def test_a_page_at_no_address_is_told() -> None:
    link = {"Link": '<http://[::1>; rel="next"'}
    with (
        Web(lambda _: Reply(200, b"", link)) as web,
        pytest.raises(RegistryError, match="leads to what is no address of HTTP"),
    ):
        bodies(web)


def test_a_page_on_another_host_is_not_asked_for() -> None:
    link = {"Link": '<http://127.0.0.1:1/x?secret>; rel="next"'}
    with (
        Web(lambda _: Reply(200, b"", link)) as web,
        pytest.raises(RegistryError, match=r"on another host, http://127\.0\.0\.1:1/x$"),
    ):
        bodies(web)


@pytest.mark.parametrize("link", ["<" * 60_000, "<>;" * 20_000, "<>; rel " * 8_000])
def test_an_endless_link_leads_nowhere(link: str) -> None:
    with Web(lambda _: Reply(200, b"x", {"Link": link})) as web:
        assert bodies(web) == [b"x"]


@pytest.mark.parametrize("place", ["http://[", "http://127.0.0.1:99999/", "javascript:1"])
def test_a_page_at_no_address_is_not_asked_for(place: str) -> None:
    with (
        Web(lambda _: Reply(200, b"", {"Link": f"<{place}>; rel=next"})) as web,
        pytest.raises(RegistryError, match="leads to what is no address of HTTP"),
    ):
        bodies(web)
