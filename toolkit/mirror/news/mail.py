"""Mail: an outcome as a message in plain text, and where the login for a mail server is found."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path

from toolkit.errors import InvalidSetting, StoreError
from toolkit.mirror.records.outcome import Outcome
from toolkit.plumbing.files import read_bounded
from toolkit.plumbing.smtp import MailLogin, MailServer, hand_over

ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}(?:@[A-Za-z0-9.-]{1,255})?", re.ASCII)
USER, PASSWORD = "LADING_MAIL_USER", "LADING_MAIL_PASSWORD"
FILE_LIMIT = 1 << 20  # bytes of a netrc file


def send(outcome: Outcome, server: str, sender: str, recipients: Sequence[str]) -> None:
    """Hand a mail to a server; raises ToolkitError where somebody does not get it."""
    there = MailServer.parse(server)
    refused = hand_over(there, message(outcome, sender, recipients), find_login(there.host))
    if refused:
        who = ", ".join(f"{whom} ({answer})" for whom, answer in refused.items())
        raise StoreError(str(there), f"takes no mail for {who}")


def check(server: str, sender: str, recipients: Sequence[str]) -> None:
    """Refuse what no mail can be sent by; raises InvalidSetting."""
    MailServer.parse(server)
    address("notify.mail.from", sender)
    for each in recipients:
        address("notify.mail.to", each)


def message(outcome: Outcome, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Return the mail that tells an outcome; raises InvalidSetting for what is no address."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = address("notify.mail.from", sender)
    mail["To"] = ", ".join(address("notify.mail.to", each) for each in recipients)
    mail["Subject"] = f"[lading] {outcome.title()}"
    mail["Date"] = formatdate(outcome.ended)
    mail["Message-ID"] = make_msgid(domain=sender.partition("@")[2] or os.uname().nodename)
    mail["Auto-Submitted"] = "auto-generated"  # so that no absence note answers (RFC 3834)
    mail.set_content(outcome.text(), cte="quoted-printable")
    return mail


def address(setting: str, text: str) -> str:
    """Return the address, `name@host`, or `name` for somebody on the mail server itself."""
    if ADDRESS.fullmatch(text) is None:
        raise InvalidSetting(setting, f"{text[:100]!r} is no mail address", "write it as name@host.example")
    return text


def find_login(host: str, environ: Mapping[str, str] = os.environ) -> MailLogin | None:
    """Return the login for a mail server; None where nobody told us one.

    It is in LADING_MAIL_USER and LADING_MAIL_PASSWORD, else in the row `machine HOST` of $NETRC or ~/.netrc.
    Raises InvalidSetting, which never holds what is in the file.
    """
    if environ.get(USER) and environ.get(PASSWORD):
        return MailLogin(environ[USER], environ[PASSWORD])
    named = environ.get("NETRC")
    file = Path(os.path.realpath(named or os.path.join(environ.get("HOME", "/"), ".netrc")))
    if not (named or file.is_file()):
        return None
    return _in_netrc(file, host)


def _in_netrc(file: Path, host: str) -> MailLogin | None:
    import netrc

    read_bounded(file, FILE_LIMIT)  # a file, and no endless one: the module would wait for a pipe
    if os.stat(file).st_mode & stat.S_IRWXO:  # systemd's own credentials have a group
        raise InvalidSetting(str(file), "can be read by others", f"chmod 600 {file}")
    try:
        found = netrc.netrc(file).authenticators(host)
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None)
        raise InvalidSetting(str(file), f"is no netrc file{f', at line {line}' if line else ''}") from None
    return MailLogin(found[0], found[2] or "") if found else None
