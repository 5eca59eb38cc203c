"""minisign: its keys sign here and ours sign there, and each checks what the other signed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.signers import DATA, KEY_ID, LOCKED_ID, NOON, PASSPHRASE, signature_of
from toolkit.errors import CorruptContent
from toolkit.operations.keys import make_pair, open_key, read_public_key
from toolkit.operations.signing import sign, signed
from toolkit.secretkey import SecretKey, SigningKey

from .workplace import EngineMissing, EngineRefused, Workplace, environment

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]


class Minisign(Workplace):
    """The program, in a folder of its own."""

    programs = ("minisign", "sha256sum")

    def __call__(self, *words: str | Path, typed: str = "") -> str:
        command = ["minisign", *map(str, words)]
        done = subprocess.run(
            command,
            input=typed.encode(),
            capture_output=True,
            cwd=self.home,
            env=environment(self.home),
            check=False,
        )
        if done.returncode:
            raise EngineRefused((done.stdout + done.stderr).decode())
        return done.stdout.decode()

    def pair(self) -> tuple[Path, str]:
        """A secret key that nothing locks, and the text of its public half."""
        self("-G", "-W", "-p", "k.pub", "-s", "k.key")
        return self.home / "k.key", (self.home / "k.pub").read_text().splitlines()[1]

    def says(self, bundle: Path, key: str) -> str:
        """What `minisign -V` and `sha256sum -c` say of a signed bundle."""
        sums = f"{bundle.name}.sha256"
        said = self("-V", "-P", key, "-m", sums)
        checked = subprocess.run(["sha256sum", "-c", sums], cwd=self.home, capture_output=True, check=True)
        return said + checked.stdout.decode()


@pytest.fixture
def minisign() -> Iterator[Minisign]:
    try:
        found = Minisign()
    except EngineMissing as missing:
        pytest.skip(str(missing))
    with found:
        yield found


@pytest.fixture
def bundle(minisign: Minisign) -> Path:
    path = minisign.home / "app 1.tar"
    path.write_bytes(b"hello\n")
    return path


def lading(*words: str | Path, folder: Path, passphrase: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environ = {**environment(folder), "PYTHONPATH": str(ROOT), "LADING_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *map(str, words)],
        cwd=folder,
        env={**environ, **({"LADING_PASSPHRASE": passphrase.decode()} if passphrase else {})},
        capture_output=True,
        check=True,
    )


def test_a_signed_bundle_is_proven_without_us(minisign: Minisign) -> None:
    secret, key = minisign.pair()
    folder, bundle = minisign.home, minisign.home / "ubuntu.tar"
    lading("export", "ubuntu:14.04", "--from", "sample:", "-o", bundle, folder=folder)
    lading("sign", "ubuntu.tar", "--key", secret, folder=folder)
    said = minisign.says(bundle, key)
    assert said.startswith("Signature and comment signature verified\nTrusted comment: timestamp:")
    assert said.endswith("\tfile:ubuntu.tar.sha256\thashed\nubuntu.tar: OK\n")
    lading("verify", "ubuntu.tar", "--key", key, folder=folder)
    bundle.with_name("ubuntu.tar.sha256").write_text(f"{'0' * 64}  ubuntu.tar\n")
    with pytest.raises(EngineRefused, match="Signature verification failed"):
        minisign.says(bundle, key)


def test_a_key_made_here_signs_there(minisign: Minisign, bundle: Path) -> None:
    secret, public, key = make_pair(str(minisign.home / "ours"), None)
    bundle.with_name(bundle.name + ".sha256").write_bytes(
        (DATA / "app_1.tar.sha256").read_bytes().replace(b"app_1", b"app 1")
    )
    minisign("-S", "-s", secret, "-m", "app 1.tar.sha256")
    assert signed(bundle, [key]).signature.trusted_comment.endswith("\tfile:app 1.tar.sha256\thashed")
    minisign("-R", "-s", secret, "-p", "again.pub")
    assert (minisign.home / "again.pub").read_bytes() == public.read_bytes()
    assert minisign.says(bundle, str(key)).endswith("app 1.tar: OK\n")


@pytest.mark.parametrize("words", [(), ("-l",), ("-c", "Ümlaut"), ("-l", "-t", "für\tKäptn")])
def test_what_is_signed_there_is_taken_here(minisign: Minisign, bundle: Path, words: tuple[str, ...]) -> None:
    secret, text = minisign.pair()
    sums, _ = sign(bundle, open_key(str(secret), lambda _: b""), NOON)  # it writes the list
    minisign("-S", *words, "-s", secret, "-m", sums)
    found = signed(bundle, [read_public_key(text)])
    assert (words[-1:] == (found.signature.trusted_comment,)) == ("-t" in words)
    assert found.signature.algorithm == (b"Ed" if "-l" in words else b"ED")
    other = read_public_key(str(DATA / "plain.pub"))
    with pytest.raises(CorruptContent, match=f"key ID is {found.key.key_id}, expected {KEY_ID}"):
        signed(bundle, [other])


def test_lines_that_end_as_on_windows_are_taken_by_both(minisign: Minisign, bundle: Path) -> None:
    secret, text = minisign.pair()
    sign(bundle, open_key(str(secret), lambda _: b""), NOON)
    for path in (signature_of(bundle), minisign.home / "k.pub"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert minisign.says(bundle, text).endswith("app 1.tar: OK\n")
    signed(bundle, [read_public_key(str(minisign.home / "k.pub"))])


COSTS = [
    (1 << 15, 1 << 20),
    (1 << 19, 1 << 24),
    (1 << 20, 1 << 22),
    (100_000, 3 << 20),
    (0, 1 << 24),
    (1 << 20, 5000),
]


@pytest.mark.parametrize(("work", "memory"), COSTS)
def test_a_key_locked_here_opens_there_whatever_it_costs(
    minisign: Minisign, bundle: Path, work: int, memory: int
) -> None:
    """What scrypt takes follows from both numbers by a rule of libsodium's; another rule opens nothing."""
    key = SigningKey.generate()
    secret = minisign.home / "ours.key"
    secret.write_bytes(bytes(SecretKey.of(key, "Käptn".encode(), work, memory)))
    sums, _ = sign(bundle, key, NOON)
    with pytest.raises(EngineRefused, match="Wrong password"):
        minisign("-S", "-s", secret, "-m", sums, typed="Kaptain\n")
    minisign("-S", "-s", secret, "-m", sums, "-t", "from there", typed="Käptn\n")
    assert signed(bundle, [key.public]).signature.trusted_comment == "from there"


def test_a_key_locked_there_opens_here(minisign: Minisign, bundle: Path) -> None:
    """It takes 1 GiB and two seconds, in a process of its own."""
    ran = lading("sign", bundle, "--key", DATA / "locked.key", folder=minisign.home, passphrase=PASSPHRASE)
    assert f"by key {LOCKED_ID}" in ran.stdout.decode()
    key = (DATA / "locked.pub").read_text().splitlines()[1]
    assert minisign.says(bundle, key).endswith("app 1.tar: OK\n")
