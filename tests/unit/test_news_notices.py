"""Who wants to hear of a run is told, and who cannot be told makes no run fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.postoffices import PostOffice
from tests.unit.test_records_outcome import FULL, GAPPY, LOST
from tests.webs import Reply, Web
from toolkit.errors import InvalidSetting
from toolkit.event import Event
from toolkit.mirror.news.metrics import Memory
from toolkit.mirror.news.notices import announce, check, transport
from toolkit.mirror.records.outcome import STALE, STATES
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience
from toolkit.settings import Settings


@dataclass(frozen=True)
class Mail:
    to: tuple[str, ...]
    server: str
    sender: str = "lading@site.example"


@dataclass(frozen=True)
class Wish:
    on: tuple[str, ...] = STATES
    mail: Mail | None = None
    webhook: str = ""
    webhook_secret: str = ""
    textfile: str = ""


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PostOffice]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    with PostOffice({"RCPT gone@x.example": b"550 no such\r\n"}) as office:
        yield office


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(lambda asked: Reply(410 if asked.path == "/gone" else 200)) as web:
        yield web


@pytest.fixture
def ways() -> Iterator[Transport]:
    made = Transport(patience=Patience(2, sleep=lambda _: None), timeouts=(10.0, 10.0))
    yield made
    made.close()


def test_all_that_a_job_wishes_is_told(office: PostOffice, web: Web, ways: Transport, tmp_path: Path) -> None:
    textfile = tmp_path / "a.prom"
    wish = Wish(
        mail=Mail(("ops@x.example",), office.host), webhook=web.url, textfile=str(textfile)
    )  # fmt: skip
    assert announce(GAPPY, wish, ways, Memory(17, 16)) == []
    assert office.letters[0].message.get_content() == GAPPY.text()
    assert json.loads(web.asked[0].body) == GAPPY.to_json()
    assert 'last_success_timestamp_seconds{site="plant-7"} 17\n' in textfile.read_text()
    assert 'notices_failed{site="plant-7"} 0\n' in textfile.read_text()


def test_only_the_states_that_are_asked_for_are_told_and_the_metrics_always(
    office: PostOffice, web: Web, ways: Transport, tmp_path: Path
) -> None:
    stale = replace(LOST, state=STALE, problem="no receipt came back for 9 days")
    textfile = tmp_path / "a.prom"
    wish = Wish(("failed", "stale"), Mail(("ops@x.example",), office.host), web.url, textfile=str(textfile))  # fmt: skip
    for outcome in (FULL, GAPPY, LOST, stale):
        assert announce(outcome, wish, ways) == []
        assert f'state="{outcome.state}"}} 1\n' in textfile.read_text()
    subjects = [letter.message["Subject"] for letter in office.letters]
    assert subjects == ["[lading] plant-7: failed", "[lading] plant-7: stale"]
    assert [json.loads(asked.body)["state"] for asked in web.asked] == ["failed", "stale"]


def test_what_cannot_be_told_is_a_warning_an_event_and_a_metric(
    office: PostOffice, web: Web, ways: Transport, tmp_path: Path
) -> None:
    told: list[Event] = []
    textfile = tmp_path / "a.prom"
    wish = Wish(
        mail=Mail(("gone@x.example", "ops@x.example"), office.host), webhook=f"{web.url}/gone", textfile=str(textfile)
    )  # fmt: skip
    findings = announce(FULL, wish, ways, tell=told.append)
    assert [(finding.severity, finding.subject, finding.problem) for finding in findings] == [
        (
            "warning",
            "notice by mail",
            f"smtp://{office.host}: takes no mail for gone@x.example (550 no such)",
        ),
        ("warning", "notice by webhook", f"webhook {web.url}: answers 410"),
    ]
    assert [(event.word, event.facts()["notice"]) for event in told] == [
        ("notice.failed", "mail"),
        ("notice.failed", "webhook"),
    ]
    assert 'notices_failed{site="plant-7"} 2\n' in textfile.read_text()
    assert office.letters[0].recipients == ["gone@x.example", "ops@x.example"]


def test_one_that_fails_keeps_no_other_from_being_told(web: Web, ways: Transport, tmp_path: Path) -> None:
    wish = Wish(mail=Mail(("ops@x.example",), ""), webhook=web.url, textfile=str(tmp_path / "no/a.prom"))
    findings = announce(FULL, wish, ways)
    assert [finding.subject for finding in findings] == ["notice by mail", "notice by textfile"]
    assert len(web.asked) == 1
    wrong = replace(wish, mail=Mail(("ops@x.example",), "mail.example", "a\r\nBcc: b@x"), textfile="")
    assert [finding.problem for finding in announce(FULL, wrong, ways)] == [
        r"notify.mail.from: 'a\r\nBcc: b@x' is no mail address; write it as name@host.example"
    ]


GOOD = Wish(STATES, Mail(("a@x",), "mail.example", "b@x"), "https://hook.example/x", "", "/a.prom")


@pytest.mark.parametrize(
    "wrong",
    [{"on": ("done", "Gaps")}, {"mail": Mail(("a b",), "x")}, {"mail": Mail(("a",), "x", "")}, {"mail": Mail(("a",), "")}, {"webhook": "x"}, {"textfile": "a.txt"}],
    ids=str,
)  # fmt: skip
def test_what_can_never_be_delivered_is_found_before_the_night(wrong: dict[str, Any]) -> None:
    check(GOOD)
    check(Wish(()))
    with pytest.raises(InvalidSetting):
        check(replace(GOOD, **wrong))


def test_a_webhook_is_less_patient_than_a_registry() -> None:
    made = transport(Settings())
    assert made.patience.tries < Patience().tries
    assert made.patience.total < Patience().total
