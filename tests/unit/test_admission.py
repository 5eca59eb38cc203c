from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, image, layout, tar
from tests.signers import KEY_ID, LOCKED_ID, OTHER, PUBLIC, signature_of, signed_by_hand
from toolkit.bundles import open_bundle
from toolkit.bundles.rootfs import Rootfs
from toolkit.errors import CorruptContent, Mismatch, NotFound, StoreError
from toolkit.operations.admission import Admission, admit, check_signature
from toolkit.operations.companion import stamped_sum
from toolkit.operations.signing import signed
from toolkit.platform import Platform
from toolkit.plumbing.files import Stamp
from toolkit.ports import Closes, Source
from toolkit.stores.layout import LayoutStore

APP = image(ONE)
GONE = f"is not the file any more that key {KEY_ID} signed; it was changed while it was read"
DIR = {"version": b"Directory Transport Version: 1.1\n", "manifest.json": APP.raw} | {
    digest.removeprefix("sha256:"): content for digest, content in APP.blobs.items()
}
KINDS: dict[str, bytes] = {
    "oci": tar(layout(("app:1", APP))),
    "dir": tar(DIR),
    "packed": gzip.compress(tar(layout(("app:1", APP)))),
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "app.tar"
    path.write_bytes(KINDS["oci"])
    return signed_by_hand(path)


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Source]]:
    sources: list[Source] = []

    def remember(path: Path) -> Source:
        sources.append(open_bundle(path))
        return sources[-1]

    yield remember
    for source in sources:
        if isinstance(source, Closes):
            source.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_of_the_file_that_was_let_in_is_covered(
    tmp_path: Path, opened: Callable[[Path], Source], kind: str
) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(KINDS[kind])
    admission = admit(str(signed_by_hand(path)), [OTHER, PUBLIC])
    assert admission.signed.key == PUBLIC
    source = opened(path)
    admission.must_cover(source)
    assert source.image((source.listings()[0].names or (source.listings()[0].id,))[0]).layers
    admission.must_cover(source)


def test_a_root_file_system_is_covered(tmp_path: Path) -> None:
    for content in (tar({"a": b"a"}), gzip.compress(tar({"a": b"a"}))):
        path = tmp_path / "root.tar"
        path.write_bytes(content)
        admission = admit(str(signed_by_hand(path)), [PUBLIC])
        source = Rootfs(path, platform=Platform("linux", "amd64"))
        admission.must_cover(source)
        source.close()


def changed_in_place(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:600] + b"X" + content[601:])
    path.write_bytes(content)  # the very bytes again


def replaced(path: Path) -> None:
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def backdated(path: Path) -> None:
    facts = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [changed_in_place, replaced, backdated])
def test_what_was_swapped_between_hashing_and_opening_is_not_covered(
    tmp_path: Path, opened: Callable[[Path], Source], kind: str, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(KINDS[kind])
    admission = admit(str(signed_by_hand(path)), [PUBLIC])
    change(path)
    with pytest.raises(CorruptContent, match=GONE):
        admission.must_cover(opened(path))


@pytest.mark.parametrize("change", [changed_in_place, backdated])
def test_what_was_changed_while_it_was_read_is_not_covered(
    bundle: Path, opened: Callable[[Path], Source], change: Callable[[Path], None]
) -> None:
    admission, source = admit(str(bundle), [PUBLIC]), opened(bundle)
    change(bundle)
    with pytest.raises(CorruptContent, match=GONE):
        admission.must_cover(source)


def test_a_file_that_is_open_stays_covered_whatever_gets_its_name(
    bundle: Path, opened: Callable[[Path], Source]
) -> None:
    admission, source = admit(str(bundle), [PUBLIC]), opened(bundle)
    bundle.parent.rename(bundle.parent.with_name("elsewhere"))
    bundle.parent.mkdir()
    bundle.write_bytes(b"evil")
    admission.must_cover(source)
    assert source.image("app:1").layers


def test_a_folder_that_is_swapped_and_swapped_back_is_noticed(
    tmp_path: Path, opened: Callable[[Path], Source]
) -> None:
    """No stamp of the good file changes by it: what is opened tells which file it is."""
    for name in ("good", "evil"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.tar").write_bytes(KINDS["oci" if name == "good" else "dir"])
    signed_by_hand(tmp_path / "good/app.tar")
    drop = tmp_path / "drop"
    drop.symlink_to("good")
    before = Stamp.of(tmp_path / "good/app.tar")
    admission = admit(str(drop / "app.tar"), [PUBLIC])
    drop.unlink()
    drop.symlink_to("evil")
    source = opened(drop / "app.tar")
    drop.unlink()
    drop.symlink_to("good")
    assert Stamp.of(tmp_path / "good/app.tar") == before
    with pytest.raises(CorruptContent, match=GONE):
        admission.must_cover(source)


def test_a_store_and_a_file_that_nobody_stamped_are_not_covered(
    bundle: Path, opened: Callable[[Path], Source], tmp_path: Path
) -> None:
    admission = admit(str(bundle), [PUBLIC])
    with pytest.raises(CorruptContent, match=GONE):
        admission.must_cover(LayoutStore(tmp_path / "store"))
    with pytest.raises(CorruptContent, match=GONE):
        Admission(admission.signed, None).must_cover(opened(bundle))


def test_a_sum_that_is_known_lets_in_as_one_that_is_computed(bundle: Path) -> None:
    found = signed(bundle, [PUBLIC])
    assert Admission.of(found, *stamped_sum(bundle)) == admit(str(bundle), [PUBLIC])
    with pytest.raises(Mismatch, match=f"sha256 is {'0' * 64}"):
        Admission.of(found, "0" * 64, Stamp.of(bundle))


def test_what_can_have_no_signature_is_not_let_in(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    advice = "and one is required; put it into a file, its .sha256 and .sha256.minisig beside it"
    for place, problem in {
        "-": f"standard input: can have no signature, {advice}",
        str(tmp_path / "folder"): f"folder: is a folder, which can have no signature, {advice}",
        f"dir:{tmp_path / 'folder'}": "folder: is a folder, which can have no signature",
        str(tmp_path / "pipe"): "pipe: has no pipe.sha256.minisig beside it",
    }.items():
        with pytest.raises(CorruptContent) as caught:
            admit(place, [PUBLIC])
        assert problem in str(caught.value)
    with pytest.raises(NotFound, match=r"no\.tar: is not there"):
        admit(str(tmp_path / "no.tar"), [PUBLIC])


def test_a_pipe_with_a_signature_beside_it_is_not_let_in(bundle: Path) -> None:
    bundle.unlink()
    os.mkfifo(bundle)
    with pytest.raises(StoreError, match="is no regular file"):
        admit(str(bundle), [PUBLIC])


def test_a_place_says_how_it_is_read_and_is_let_in_all_the_same(bundle: Path) -> None:
    assert admit(f"docker-archive:{bundle}", [PUBLIC]).signed.bundle == bundle


def test_who_signed_is_a_note_and_who_did_not_an_error(
    bundle: Path, opened: Callable[[Path], Source]
) -> None:
    source = opened(bundle)
    found, note = check_signature(str(bundle), source, [PUBLIC])
    assert found == signed(bundle, [PUBLIC])
    assert (note.severity, note.problem[:36]) == ("note", f"is signed by key {KEY_ID}: t")
    nobody, error = check_signature(str(bundle), source, [OTHER])
    assert nobody is None
    assert (error.severity, error.exit_code) == ("error", 5)
    assert error.subject == str(signature_of(bundle))
    assert error.problem == f"key ID is {KEY_ID}, expected {LOCKED_ID}"
    assert (error.check, error.fact, error.advice) == ("signature", "key ID", "somebody else signed it")
    replaced(bundle)
    changed = check_signature(str(bundle), source, [PUBLIC])[1]
    assert f"{changed.problem}; {changed.advice}".startswith(GONE)
