"""`[lading] require_signature` and `sign_key`: the pipeline takes and makes what the command does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import ExportImage, ImportBundle, VerifyBundle
from pipelines.verifying import VerifyNew
from tests.pipelines.conftest import build
from tests.signers import (
    DATA,
    KEY_ID,
    OTHER,
    PASSPHRASE,
    PUBLIC,
    TEXT,
    quickly_locked,
    signature_of,
    signed_by_hand,
)
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.operations.signing import signed
from toolkit.places import open_sink
from toolkit.ports import Sink
from toolkit.settings import Settings

TAG = "ubuntu:14.04"


def set_(folder: Path, *lines: str) -> None:
    (folder / "luigi.cfg").write_text("\n".join(["[lading]", "source = sample:", *lines, ""]))


@pytest.fixture
def bundle(home: Path, tmp_path: Path) -> Path:
    """A bundle from elsewhere, signed; from now on a signature is required."""
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    path = tmp_path / "usb/ubuntu_14.04.tar"
    shutil.copytree(home / "bundles", path.parent)
    set_(tmp_path, f"require_signature = {TEXT}")
    return signed_by_hand(path)


def receipts(home: Path, kind: str) -> list[Path]:
    return list((home / "receipts").glob(f"{kind}-*"))


def failed(task: VerifyBundle | ImportBundle) -> ToolkitError:
    with pytest.raises(ToolkitError) as caught:
        task.run()
    return caught.value


def test_a_signed_bundle_is_verified_and_imported(home: Path, bundle: Path) -> None:
    assert build(ImportBundle(bundle=str(bundle), store="oci:store")) == "SUCCESS"
    (receipt,) = (
        path for path in receipts(home, "verified") if json.loads(path.read_bytes()).get("signature")
    )
    assert json.loads(receipt.read_bytes())["signature"] == {
        "key_id": KEY_ID,
        "public_key": TEXT,
        "trusted_comment": "timestamp:1700000000\tfile:ubuntu_14.04.tar.sha256\thashed",
    }


def without_signature(bundle: Path) -> str:
    signature_of(bundle).unlink()
    return f"has no {bundle.name}.sha256.minisig beside it; expected a signature by key {KEY_ID}"


def by_somebody_else(bundle: Path) -> str:
    signature_of(bundle).write_bytes((DATA / "locked.minisig").read_bytes())
    return f"key ID is {OTHER.key_id}, expected {KEY_ID}; somebody else signed it"


def changed(bundle: Path) -> str:
    """A byte of padding: every image in it is right."""
    with open(bundle, "ab") as stream:
        stream.write(b"\0" * 512)
    return f"it is not the file that key {KEY_ID} signed"


@pytest.mark.parametrize("spoil", [without_signature, by_somebody_else, changed])
def test_what_is_not_signed_is_neither_verified_nor_imported(
    home: Path, bundle: Path, tmp_path: Path, spoil: Callable[[Path], str]
) -> None:
    sentence = spoil(bundle)
    assert build(ImportBundle(bundle=str(bundle), store="oci:store")) == "FAILED"
    assert not (tmp_path / "store").exists()
    assert receipts(home, "imported") == []
    error = failed(VerifyBundle(bundle=str(bundle)))
    assert (error.exit_code, sentence in str(error)) == (5, True)


def test_an_import_that_was_verified_without_a_key_is_not_taken(
    bundle: Path, tmp_path: Path, home: Path
) -> None:
    """The receipt of a bundle that was made here says nothing of a signature."""
    signature_of(bundle).unlink()
    VerifyNew(bundle=str(bundle)).run()
    assert len(receipts(home, "verified")) == 2
    assert not VerifyBundle(bundle=str(bundle)).complete()
    error = failed(ImportBundle(bundle=str(bundle), store="oci:store"))
    assert "beside it; expected a signature" in str(error)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("when", ["before it is opened", "while it is read"])
def test_a_bundle_that_is_swapped_after_it_was_verified_is_not_imported(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    verify, task = VerifyBundle(bundle=str(bundle)), ImportBundle(bundle=str(bundle), store="oci:store")
    verify.run()
    facts, whole = bundle.stat(), bundle.read_bytes()

    def swap() -> None:
        bundle.write_bytes(whole)
        os.utime(bundle, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    if when == "before it is opened":
        swap()
    else:

        def swapping(place: str, settings: Settings) -> Sink:
            swap()
            return open_sink(place, settings)

        monkeypatch.setattr("pipelines.importing.open_sink", swapping)
    error = failed(task)
    assert isinstance(error, CorruptContent)
    assert f"is not the file any more that key {KEY_ID} signed" in str(error)
    assert (
        not (tmp_path / "store/index.json").exists() or TAG not in (tmp_path / "store/index.json").read_text()
    )


@pytest.fixture
def signs(bundle: Path, tmp_path: Path) -> Path:
    """A bundle from elsewhere; a signature is required, and what is exported is signed."""
    set_(tmp_path, f"require_signature = {TEXT}", f"sign_key = {DATA / 'plain.key'}")
    return bundle


def exported(source: Path, tmp_path: Path, workers: int = 1) -> tuple[str, Path]:
    out = tmp_path / "out.tar"
    return build(ExportImage(tag=TAG, source=str(source), bundle=str(out)), workers=workers), out


@pytest.mark.parametrize("spoil", [without_signature, by_somebody_else, changed])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_unsigned_bundle_is_not_laundered_by_the_site_key(
    signs: Path, tmp_path: Path, spoil: Callable[[Path], str], workers: int
) -> None:
    spoil(signs)
    status, out = exported(signs, tmp_path, workers)
    assert status not in {"SUCCESS", "SUCCESS_WITH_RETRY"}
    assert list(tmp_path.glob("out.tar*")) == []
    del out


def test_an_unsigned_bundle_as_the_source_of_the_settings_is_not_laundered(
    signs: Path, tmp_path: Path, home: Path
) -> None:
    shutil.rmtree(home)
    settings = tmp_path / "luigi.cfg"
    settings.write_text(settings.read_text().replace("source = sample:", f"source = {signs}"))
    signature_of(signs).unlink()
    assert build(ExportImage(tag=TAG)) not in {"SUCCESS", "SUCCESS_WITH_RETRY"}
    assert not (home / "bundles").exists()
    signed_by_hand(signs)
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    signed(home / "bundles/ubuntu_14.04.tar", [PUBLIC])


def test_a_signed_bundle_is_exported_anew(signs: Path, tmp_path: Path) -> None:
    status, out = exported(signs, tmp_path)
    assert status == "SUCCESS"
    signed(out, [PUBLIC])


def test_a_layer_that_was_staged_of_an_unsigned_bundle_is_not_taken(signs: Path, tmp_path: Path) -> None:
    """It lies under the same place and ID, and the run that staged it needed no signature."""
    task = ExportImage(tag=TAG, source=str(signs), bundle=str(tmp_path / "out.tar"))
    with_key = (tmp_path / "luigi.cfg").read_text()
    set_(tmp_path)
    before = [layer.output() for layer in task.requires().requires()]
    for layer in task.requires().requires():
        layer.run()
    assert all(target.exists() for target in before)
    (tmp_path / "luigi.cfg").write_text(with_key)
    assert not any(layer.output().exists() for layer in task.requires().requires())


def test_a_link_to_a_bundle_is_not_verified(home: Path, bundle: Path) -> None:
    link = home / "link.tar"
    link.symlink_to(bundle)
    assert "link.tar: is no regular file" in str(failed(VerifyBundle(bundle=str(link))))


def test_a_key_that_is_not_there_lets_nothing_in(bundle: Path, tmp_path: Path) -> None:
    set_(tmp_path, "require_signature = /no/site.pub")
    assert build(ImportBundle(bundle=str(bundle), store="oci:store")) == "FAILED"
    assert not (tmp_path / "store").exists()


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Path:
    """The bundle that will be made and signed here, where a signature is required, too."""
    set_(tmp_path, f"sign_key = {DATA / 'plain.key'}", f"require_signature = {TEXT}")
    return home / "bundles/ubuntu_14.04.tar"


def test_what_is_exported_is_signed(own: Path) -> None:
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    found = signed(own, [PUBLIC])
    report = json.loads(own.with_name(own.name + ".json").read_bytes())
    assert report["signature"] == found.to_json()
    assert report["sha256"] == found.sha256
    assert sorted(os.listdir(own.parent)) == [
        own.name + suffix for suffix in ("", ".json", ".sha256", ".sha256.minisig")
    ]
    assert build(ImportBundle(bundle=str(own))) == "SUCCESS"


def test_a_second_run_signs_nothing(own: Path) -> None:
    build(ExportImage(tag=TAG))
    before = signature_of(own).stat()
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    assert signature_of(own).stat() == before


@pytest.mark.parametrize("damage", ["remove", "spoil", "other"])
def test_a_signature_that_is_missing_or_wrong_is_made_again(own: Path, damage: str) -> None:
    build(ExportImage(tag=TAG))
    whole = own.read_bytes()
    if damage == "remove":
        signature_of(own).unlink()
    elif damage == "spoil":
        signature_of(own).write_bytes(signature_of(own).read_bytes()[:-9] + b"AAAAAA==\n")
    else:
        signature_of(own).write_bytes((DATA / "plain.minisig").read_bytes())
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    signed(own, [PUBLIC])
    assert own.read_bytes() == whole


def test_what_was_exported_before_there_was_a_key_is_signed(own: Path, tmp_path: Path) -> None:
    set_(tmp_path)
    build(ExportImage(tag=TAG))
    assert not signature_of(own).exists()
    set_(tmp_path, f"sign_key = {DATA / 'plain.key'}")
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    signed(own, [PUBLIC])


def test_a_signature_that_somebody_made_by_hand_stays(own: Path, tmp_path: Path) -> None:
    set_(tmp_path)
    build(ExportImage(tag=TAG))
    before = signature_of(signed_by_hand(own)).read_bytes()
    own.with_name(own.name + ".json").unlink()
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    assert signature_of(own).read_bytes() == before


def test_a_locked_key_opens_with_the_environment(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked.key").write_bytes(quickly_locked())
    set_(tmp_path, "sign_key = locked.key")
    monkeypatch.delenv("LADING_PASSPHRASE", raising=False)
    for passphrase in ("", "wrong"):  # it is asked for before the first byte is read
        monkeypatch.setenv("LADING_PASSPHRASE", passphrase)
        assert build(ExportImage(tag=TAG)) == "SCHEDULING_FAILED"
        assert not own.parent.exists()
    monkeypatch.setenv("LADING_PASSPHRASE", PASSPHRASE.decode())
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    signed(own, [PUBLIC])


def test_a_bundle_that_is_made_anew_has_no_signature_of_the_one_before(own: Path, tmp_path: Path) -> None:
    build(ExportImage(tag=TAG))
    set_(tmp_path)
    os.truncate(own, 1000)
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    assert not signature_of(own).exists()
