"""ExportLayer, AssembleBundle, ExportImage: out of a store, into one verified bundle."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import luigi

from pipelines.base import LOG, LadingTask, Meter, passphrase, receipt_path
from pipelines.parameters import FormatParameter, PlaceParameter, PlatformParameter
from pipelines.receipts import Receipt, stamp_json, untouched
from pipelines.verifying import VerifyBundle, VerifyNew
from toolkit.bundles import DEFAULT, create_bundle
from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.operations.companion import companions
from toolkit.operations.copy import copy
from toolkit.operations.keys import open_key, read_public_key
from toolkit.operations.shortids import full_name
from toolkit.operations.signing import Signed, sign_file, signed
from toolkit.operations.staging import StagedSource, Staging, origin_of
from toolkit.places import settled
from toolkit.platform import Platform
from toolkit.plumbing.files import make_folder, read_bounded, sweep, write_atomically
from toolkit.plumbing.followed import followed_landing
from toolkit.plumbing.turns import turn
from toolkit.ports import Gathers, Source, remarks_of
from toolkit.reference import file_name
from toolkit.report import Report
from toolkit.secretkey import SigningKey


class StagedLayer(luigi.Target):
    """A layer in `<home>/layers`, complete when its bytes were proven and nobody touched them since."""

    def __init__(self, staging: Staging, place: str, key: str) -> None:
        self.staging, self.place, self.key = staging, place, key

    def exists(self) -> bool:
        """Tell whether the layer is staged, proven and untouched."""
        return self.staging.proof(self.place, self.key) is not None


class ExportLayer(LadingTask):
    """Write one layer's exact tar, with its json. Images that share a layer run it once."""

    source: str = PlaceParameter(description="the store's URI")
    layer: str = luigi.Parameter(description="the layer's v1 ID or digest")

    def output(self) -> StagedLayer:
        """Return the layer under `<home>/layers`."""
        return StagedLayer(Staging(self.settings.home / "layers"), origin_of(_source(self)), self.layer)

    def run(self) -> None:
        """Read, prove, write."""
        source = _source(self)
        layer = source.layer(self.layer)
        self.output().staging.stage(source, layer, Meter(self, "reading"))
        for remark in remarks_of(source):
            LOG.info("%s: %s", remark.subject, remark.problem)


class ImageTask(LadingTask):
    """What the tasks of one image share."""

    tag: str = luigi.Parameter(description="the image's name, ubuntu:14.04, or its ID")
    source: str = PlaceParameter(default="", description="the store's URI; default: [lading] source")
    format: str = FormatParameter(default=DEFAULT, description="the bundle's format")
    platform: str = PlatformParameter(default="", description="os/architecture; default: all there are")
    bundle: str = luigi.Parameter(default="", description="the bundle's path; default: under <home>/bundles")

    @property
    def place(self) -> str:
        """Return the URI of the source that has the image, with its path absolute; raises NotFound.

        It is looked for once in a run: what the run itself brings to another place makes no difference.
        """
        key = self.source or self.settings.source, self.tag
        if key not in PLACES:
            PLACES[key] = settled(*key, self.settings)
        return PLACES[key]

    @property
    def path(self) -> Path:
        """Return the bundle's absolute path."""
        if self.bundle:
            return Path(self.bundle).absolute()
        return (self.settings.home / "bundles" / file_name(self.tag, self.format, self.platform)).absolute()

    @property
    def wanted(self) -> Platform | None:
        """Return the platform asked for."""
        return Platform.parse(self.platform) if self.platform else None

    @property
    def owner(self) -> str:
        """Return the name of this image's claim on staged layers."""
        return Digest.of(str(self.path).encode()).hex

    @cached_property
    def image(self) -> str:
        """Return what the source knows the image by: the name, or the ID that a short one stands for."""
        return full_name(self.opened(self.place), self.tag)

    def question(self, source: Source) -> dict[str, str]:
        """Return what a receipt must agree with: what was asked for, and what it resolves to now."""
        return {
            "source": source.place,
            "reference": self.tag,
            "format": self.format,
            "platform": self.platform,
            "resolved": source.identify(self.image),
            **({"referrers": "yes"} if self.reading.referrers else {}),
        }

    def answered(self, facts: Mapping[str, Any]) -> bool:
        """Tell whether a receipt is about this very question and its bundle is untouched."""
        question = self.question(self.opened(self.place))
        return untouched(facts, self.path) and question.items() <= facts.items()


class AssembleBundle(ImageTask):
    """Put an image's staged layers into one bundle."""

    @cached_property
    def layer_keys(self) -> tuple[str, ...]:
        """Return the keys of the image's layers, each once; a place that sends images whole does so now."""
        source = self.opened(self.place)
        if isinstance(source, Gathers):
            self._gather(source)
        return tuple(dict.fromkeys(source.layer_keys(self.image, self.wanted)))

    def requires(self) -> list[ExportLayer]:
        """Require each layer, and claim it, so that no other image's end removes it."""
        source = self.opened(self.place)
        _staging(self).claim(self.owner, origin_of(source), self.layer_keys)
        return [ExportLayer(source=self.place, layer=key) for key in self.layer_keys]

    def output(self) -> Receipt:
        """Return the receipt of the bundle."""
        return Receipt(receipt_path(self.settings, "assembled", str(self.path)), self.answered)

    def run(self) -> None:
        """Assemble the bundle, and leave a receipt of what it holds."""
        make_folder(self.path.parent)
        with turn(self.path):
            if not self.complete():  # while we waited, another run may have made it
                self._assemble()

    def _gather(self, source: Gathers) -> None:
        """Have large layers of the image go to where they are staged, as they come."""
        staging, place, tell = _staging(self), self.place, Meter(self, "reading")
        staging.claim(self.owner, place, ())  # of which keys is not known yet: of all
        with ExitStack() as stack:
            source.gather(
                [self.image],
                lambda _: followed_landing(stack.enter_context(staging.landing(place)), tell),
            )

    def _assemble(self) -> None:
        source = self.opened(self.place)
        LOG.info("%s comes from %s%s", self.tag, source.place, SAMPLE if source.place == "sample:" else "")
        sweep(self.path.parent)
        for companion in companions(self.path):  # of the bundle that is now replaced
            companion.unlink(missing_ok=True)
        staged = StagedSource(source, _staging(self))
        question = self.question(source)
        proven = copy(
            staged,
            create_bundle(self.path, self.format),
            [self.image],
            platform=self.wanted,
            strict=self.settings.strict,
            progress=Meter(self, "writing"),
            jobs=self.settings.jobs,
        )
        facts = Report.of(str(self.path), proven, remarks_of(source)).to_json()
        self.output().write({**facts, **question, "stamp": stamp_json(self.path)})


class ExportImage(ImageTask):
    """Export, assemble and verify: done when the verified bundle is there, with its report and sha256.

    Where `[lading] sign_key` names a secret key, that is signed too.
    """

    def requires(self) -> AssembleBundle:
        """Require the bundle; raises UsageError where the key to sign it with does not open."""
        if secret := self.settings.sign_key:
            _opened_key(secret)
        return AssembleBundle(**self.param_kwargs)

    def output(self) -> Receipt:
        """Return the report beside the bundle."""
        return Receipt(self.path.with_name(self.path.name + ".json"), self._stands)

    def run(self) -> Generator[VerifyBundle, None, None]:
        """Verify the bundle, write and sign `.sha256`, let the staged layers go, and write the report."""
        verified = VerifyNew(bundle=str(self.path))
        yield verified
        assembled, checked = self.requires().output().read(), verified.output().read()
        findings = [*assembled.get("findings", []), *checked["findings"]]
        write_atomically(self._sums, self._sum_line(checked["sha256"]))
        signature = self._signature(checked["sha256"])
        sweep(self.path.parent)  # before the report: once that is there, nobody looks again
        _staging(self).release(self.owner)
        self.output().write(
            {
                **checked,
                **self.question(self.opened(self.place)),
                **signature,
                "findings": list({str(finding): finding for finding in findings}.values()),
            }
        )
        for finding in self.output().read()["findings"]:
            LOG.warning("%(severity)s: %(subject)s: %(problem)s", finding)
        LOG.info("%s is verified: %s", self.path, _told(checked))

    def _stands(self, facts: Mapping[str, Any]) -> bool:
        if facts.get("verdict") != "verified" or not self.answered(facts):
            return False
        line = self._sum_line(str(facts.get("sha256")))
        is_listed = self._sums.is_file() and read_bounded(self._sums, 4096) == line
        return is_listed and (not self.settings.sign_key or self._is_signed(facts.get("signature")))

    def _signature(self, sha256: str) -> dict[str, Any]:
        """Sign the list with the key that the settings name; return what the report says of it."""
        if not self.settings.sign_key:
            return {}
        key = _opened_key(self.settings.sign_key)
        made = sign_file(self._sums, self._sum_line(sha256), key, int(time.time()))
        return {"signature": Signed(self.path, sha256, key.public, made).to_json()}

    def _is_signed(self, told: object) -> bool:
        """Tell whether the signature is there that the report tells of."""
        try:
            key = read_public_key(str(told["public_key"])) if isinstance(told, dict) else None
            return key is not None and signed(self.path, [key]).to_json() == told
        except (ToolkitError, KeyError):
            return False

    @property
    def _sums(self) -> Path:
        return self.path.with_name(self.path.name + ".sha256")

    def _sum_line(self, sha256: str) -> bytes:
        return f"{sha256}  {self.path.name}\n".encode()


SAMPLE = ", a small store that ships with the package"
PLACES: dict[tuple[str, str], str] = {}  # of this run, and its children: where each image comes from
KEYS: dict[str, SigningKey] = {}  # likewise: by the path of its file
STAGINGS: dict[Path, Staging] = {}  # of this process: a claim is held as long as it lives


def _opened_key(path: str) -> SigningKey:
    """Open a secret key, once in a run: a locked one takes seconds and 1 GiB of memory.

    Raises UsageError where it is locked and no passphrase is in the environment: nobody sits here.
    """
    path = os.path.abspath(path)
    if path not in KEYS:
        KEYS[path] = open_key(path, passphrase)
    return KEYS[path]


def _staging(task: LadingTask) -> Staging:
    folder = (task.settings.home / "layers").absolute()
    return STAGINGS.setdefault(folder, Staging(folder))


def _source(task: ExportLayer) -> Source:
    return task.opened(task.source)


def _told(report: Mapping[str, Any]) -> str:
    """Return the image IDs of a report in one line."""
    images = [image for named in report["images"] for image in named["platforms"]]
    return ", ".join(f"{image['platform']} {image['image_id']}" for image in images)
