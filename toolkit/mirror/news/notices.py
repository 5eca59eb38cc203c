"""Notices: whoever wants to hear of it is told what a run came to; who cannot be told never makes it fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from toolkit.errors import InvalidSetting, ToolkitError
from toolkit.event import Tell, nobody
from toolkit.image import Finding
from toolkit.mirror.news import webhook
from toolkit.mirror.news.events import NoticeFailed
from toolkit.mirror.news.metrics import Memory, textfile, write_textfile
from toolkit.mirror.records.outcome import STATES, Outcome
from toolkit.plumbing.http import Transport
from toolkit.settings import Settings


class MailWishes(Protocol):
    """Who is written to, and how."""

    @property
    def to(self) -> tuple[str, ...]:
        """Addresses."""

    @property
    def sender(self) -> str:
        """An address."""

    @property
    def server(self) -> str:
        """As MailServer parses it."""


class Wishes(Protocol):
    """The table `notify` of a job."""

    @property
    def on(self) -> tuple[str, ...]:
        """The states to tell by mail and webhook."""

    @property
    def mail(self) -> MailWishes | None:
        """None where no mail is wanted."""

    @property
    def webhook(self) -> str:
        """A URL; empty where none is wanted."""

    @property
    def webhook_secret(self) -> str:
        """The file of the secret to sign with; empty where nothing is signed."""

    @property
    def textfile(self) -> str:
        """The file for node_exporter, `*.prom`; empty where none is wanted. It is written in any state."""


def transport(settings: Settings) -> Transport:
    """Return connections for webhooks: less patient than those to a registry."""
    return Transport(settings.insecure, webhook.PATIENCE, timeouts=webhook.TIMEOUTS)


def check(wishes: Wishes) -> None:
    """Refuse what could never be delivered, before the night in which it is needed; raises InvalidSetting."""
    for state in wishes.on:
        if state not in STATES:
            raise InvalidSetting(
                "notify.on", f"{state[:100]!r} is no state", f"there are {', '.join(STATES)}"
            )
    if wishes.mail:
        from toolkit.mirror.news import mail

        mail.check(wishes.mail.server, wishes.mail.sender, wishes.mail.to)
    if wishes.webhook:
        webhook.place(wishes.webhook)
    if wishes.textfile:
        textfile(wishes.textfile)


def announce(
    outcome: Outcome, wishes: Wishes, web: Transport, memory: Memory | None = None, tell: Tell = nobody
) -> list[Finding]:
    """Tell an outcome as the job wishes; return a warning for each that could not be told, also to `tell`."""
    known = memory or Memory()
    findings: list[Finding] = []
    if outcome.state in wishes.on:
        if letter := wishes.mail:
            findings += _tried("mail", tell, lambda: _send(outcome, letter))
        if wishes.webhook:
            findings += _tried(
                "webhook", tell, lambda: webhook.post(outcome, wishes.webhook, wishes.webhook_secret, web)
            )
    if wishes.textfile:
        untold = len(findings)
        findings += _tried("textfile", tell, lambda: write_textfile(wishes.textfile, outcome, known, untold))
    return findings


def _send(outcome: Outcome, wishes: MailWishes) -> None:
    from toolkit.mirror.news import mail  # smtplib is for whoever sends one

    mail.send(outcome, wishes.server, wishes.sender, wishes.to)


def _tried(notice: str, tell: Tell, work: Callable[[], None]) -> Iterator[Finding]:
    try:
        work()
    except ToolkitError as error:
        tell(NoticeFailed(notice, str(error)))
        yield Finding(f"notice by {notice}", str(error))
