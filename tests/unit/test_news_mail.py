"""An outcome as a mail, and where its login is found."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.test_records_outcome import GAPPY, AGap
from toolkit.errors import InvalidSetting, ToolkitError
from toolkit.mirror.news.mail import address, find_login, message


def test_a_mail_is_plain_text_of_seven_bits() -> None:
    outcome = replace(GAPPY, site="Säge", gaps=(AGap("é/" + "x" * 200, "weg"),))
    mail = message(outcome, "lading@site.example", ["a@x.example", "root"])
    raw = mail.as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == outcome.text()
    assert mail["Subject"] == "[lading] Säge: done with 1 gap, set 7"
    assert (mail["From"], mail["To"]) == ("lading@site.example", "a@x.example, root")
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 -0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@site.example>")


def test_no_name_can_add_a_header_or_a_recipient() -> None:
    bad = "x\r\nBcc: thief@x.example\r\n\r\nbody"
    mail = message(replace(GAPPY, site=bad, gaps=(AGap(bad, bad),)), "lading@site.example", ["a@x.example"])
    assert set(mail.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert mail["Subject"].startswith(r"[lading] x\r\nBcc: thief@x.example\r\n")
    assert b"\r\nBcc" not in mail.as_bytes()


def test_a_subject_stands_in_one_line() -> None:
    raw = message(replace(GAPPY, site="x" * 10_000, number=9999), "a@x", ["b@x"]).as_bytes()
    assert (
        b"\r\nSubject: [lading] plant-7: done with 1 gap, set 7\r\n"
        in message(GAPPY, "a@x", ["b@x"]).as_bytes()
    )
    assert max(map(len, raw.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("text", ["a@x.example", "root", "first.last+tag@x-y.example", "o'hara@x"])
def test_an_address_is_taken(text: str) -> None:
    assert address("notify.mail.to", text) == text


@pytest.mark.parametrize(
    "text", ["", "a b@x", "a@x\r\nBcc: b@x", "a@x\n", "<a@x>", "A <a@x>", "a@x,b@x", "a@@x", "@x", "ä@x", "a@x>", "x" * 65]
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="is no mail address"):
        address("notify.mail.to", text)


def netrc(folder: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    file = folder / "netrc"
    file.write_text(text)
    file.chmod(mode)
    return {"NETRC": str(file)}


def test_a_login_is_found_in_the_environment_first_then_in_a_netrc_file(tmp_path: Path) -> None:
    environ = netrc(
        tmp_path, "machine other.example login o password p\nmachine mail.example login me password s3cret\n"
    )
    found = find_login("mail.example", environ)
    assert found is not None
    assert (found.username, found.password) == ("me", "s3cret")
    assert find_login("nobody.example", environ) is None
    told = find_login("mail.example", {**environ, "LADING_MAIL_USER": "u", "LADING_MAIL_PASSWORD": "w"})
    assert told is not None
    assert (told.username, told.password) == ("u", "w")


def test_a_netrc_file_at_home_need_not_be_there(tmp_path: Path) -> None:
    assert find_login("mail.example", {"HOME": str(tmp_path)}) is None
    assert find_login("mail.example", {"HOME": "/nonexistent"}) is None
    os.rename(netrc(tmp_path, "machine mail.example login me password x")["NETRC"], tmp_path / ".netrc")
    assert find_login("mail.example", {"HOME": str(tmp_path)}) is not None


def test_a_netrc_file_that_anybody_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="can be read by others; chmod 600 "):
        find_login("mail.example", netrc(tmp_path, "machine mail.example login me password s3cret", 0o644))


@pytest.mark.parametrize(
    "text", ["machine mail.example login me s3cret\n", "s3cret", "\udcff machine s3cret"]
)
def test_a_bad_netrc_file_is_named_and_not_repeated(tmp_path: Path, text: str) -> None:
    environ = netrc(tmp_path, "")
    Path(environ["NETRC"]).write_bytes(os.fsencode(text))
    with pytest.raises(ToolkitError) as caught:
        find_login("mail.example", environ)
    assert str(tmp_path) in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_pipe_is_no_netrc_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for named in ("pipe", "none"):
        with pytest.raises(ToolkitError):
            find_login("mail.example", {"NETRC": str(tmp_path / named)})
