from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from toolkit.errors import InvalidSetting
from toolkit.plumbing.certificates import BELOW, context_for, has_certificates, is_loopback


def certificate(folder: Path, stem: str, name: str, *, password: str = "") -> None:
    """Make a self-signed certificate, `stem`.cert, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"]
    secret = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    out = ["-keyout", f"{folder}/{stem}.key", "-out", f"{folder}/{stem}.cert", "-subj", f"/CN={name}"]
    subprocess.run([*words, *secret, *out], check=True, capture_output=True)


def names(context: ssl.SSLContext) -> list[str]:
    return [str(found["subject"]) for found in context.get_ca_certs()]


def test_a_host_is_believed_by_its_own_authorities_beside_the_system_s(tmp_path: Path) -> None:
    for folder, name in (("reg.example:5000", "own"), ("other.example", "foreign")):
        certificate(tmp_path / folder, "ca", name)
        (tmp_path / folder / "ca.cert").rename(tmp_path / folder / "ca.crt")
    system = ssl.create_default_context()
    context = context_for("reg.example", 5000, [tmp_path / "none", tmp_path])
    assert set(names(context)) - set(names(system)) == {"((('commonName', 'own'),),)"}
    assert len(names(context)) == len(names(system)) + 1
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert names(context_for("reg.example", None, [tmp_path])) == names(system)
    assert len(names(context_for("other.example", None, [tmp_path]))) == len(names(system)) + 1


def test_an_authority_made_by_hand_is_good_under_every_python(tmp_path: Path) -> None:
    flags = context_for("registry.example", None, [tmp_path]).verify_flags
    assert not flags & ssl.VERIFY_X509_STRICT  # it would ask for key identifiers; docker and skopeo do not
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN  # a root for docker need not be its own issuer


def test_our_own_certificate_goes_with_its_key(tmp_path: Path) -> None:
    certificate(tmp_path / "reg.example", "client", "me")
    context_for("reg.example", None, [tmp_path])
    (tmp_path / "reg.example" / "client.key").unlink()
    with pytest.raises(InvalidSetting, match=r"client\.cert: and client\.key cannot be used"):
        context_for("reg.example", None, [tmp_path])


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    certificate(tmp_path / "reg.example", "client", "me", password="secret")
    with pytest.raises(InvalidSetting, match=r"client\.key"):
        context_for("reg.example", None, [tmp_path])


def test_people_are_told_of_every_folder_that_is_searched() -> None:
    assert BELOW == "in one of ~/.config/containers, /etc/containers, /etc/docker"


def test_an_authority_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "reg.example").mkdir()
    (tmp_path / "reg.example" / "ca.crt").write_text("nothing")
    with pytest.raises(InvalidSetting, match=r"ca\.crt: cannot be used"):
        context_for("reg.example", None, [tmp_path])


@pytest.mark.parametrize("host", ["..", ".", "", "a/b"])
def test_a_host_leads_to_no_other_folder(host: str, tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "ca.crt").write_text("nothing")
    context_for(host, None, [tmp_path / "certs"])


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("127.1.2.3", True), ("10.0.0.1", False),
     ("127.0.0.1.example", False), ("localhost.example", False), ("", False)],
)  # fmt: skip
def test_this_machine_is_known_by_its_very_name(host: str, loopback: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is loopback


def test_without_a_home_there_are_the_system_s_folders() -> None:
    assert not has_certificates("registry.example", None, [Path("~no-such-user/certs.d")])
