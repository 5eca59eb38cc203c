from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest

from tests.webregistry import client_of
from tests.webs import Asked, Reply, Web
from toolkit.errors import InvalidDocument, NotFound, RegistryError, UnsafeArchive
from toolkit.stores.registry.tags import tags


def page(*names: str, link: str = "") -> Reply:
    return Reply(200, json.dumps({"name": "app", "tags": names}).encode(), {"Link": link} if link else {})


def listed(reply: Reply | Callable[[Asked], Reply]) -> list[str]:
    with Web((lambda _: reply) if isinstance(reply, Reply) else reply) as web:
        client = client_of(web)
        try:
            return tags(client, "app")
        finally:
            client.close()


def test_one_page_is_all() -> None:
    assert listed(page("b", "a")) == ["b", "a"]
    assert listed(Reply(200, b'{"name":"app","tags":null}')) == []


def test_every_page_is_asked_for() -> None:
    def answer(asked: Asked) -> Reply:
        last = asked.query.get("last", ["0"])[0]
        following = f'</v2/app/tags/list?last={int(last) + 1}&n=1>; rel="next"'
        return page(f"t{last}", link=following if int(last) < 7 else "")

    with Web(answer) as web:
        client = client_of(web)
        assert tags(client, "app") == [f"t{number}" for number in range(8)]
        assert web.asked[0].query == {"n": ["1000"]}
        client.close()


def test_what_is_no_tag_is_passed_over() -> None:
    assert listed(page("a", "../b", "", "c" * 200, "a")) == ["a"]


def test_another_link_leads_nowhere() -> None:
    assert listed(page("a", link='</other>; rel="prev"')) == ["a"]


def test_pages_in_a_circle_are_left_at_once() -> None:
    with pytest.raises(UnsafeArchive, match="in a circle"):
        listed(page("a", link='</v2/app/tags/list?last=a>; rel="next"'))


def test_a_list_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.stores.registry.pages.PAGES", 20)
    numbers = itertools.count()

    def answer(_: Asked) -> Reply:
        return page("a", link=f'</v2/app/tags/list?last={next(numbers)}>; rel="next"')

    with pytest.raises(UnsafeArchive, match="on more than 20 pages"):
        listed(answer)
    monkeypatch.setattr("toolkit.stores.registry.tags.MANY", 2)
    with pytest.raises(UnsafeArchive, match="more than 2"):
        listed(page("a", "b", "c"))


def test_the_next_page_is_on_the_same_host() -> None:
    with pytest.raises(RegistryError, match=r"on another host, http://127\.0\.0\.1:1/x$"):
        listed(page("a", link="<http://127.0.0.1:1/x?secret>; rel=next"))


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(InvalidDocument):
        listed(Reply(200, b"<html>"))
    with pytest.raises(NotFound):
        listed(Reply(404))
