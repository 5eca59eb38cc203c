"""VerifyBundle: every checksum, every diffID, every layersize, read from the disk anew; and who signed it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import luigi

from pipelines.base import STARTED, LadingTask, Meter, receipt_path
from pipelines.parameters import DepthParameter
from pipelines.receipts import Receipt, untouched
from toolkit.bundles import open_bundle, served
from toolkit.errors import CorruptContent, StoreError, Unsupported
from toolkit.operations.companion import check_companion, has_list, stamped_sum
from toolkit.operations.signing import Signed, signed
from toolkit.operations.verify import refused, verify, vouched
from toolkit.plumbing.files import Stamp
from toolkit.report import DEPTHS, FAST, FULL, STRUCTURE, UNPROVEN, VERIFIED, Report

PASSED = {VERIFIED, UNPROVEN, STRUCTURE}  # nothing is wrong, as far as it was read


class VerifyBundle(LadingTask):
    """Verify a bundle. It reads all that the depth asks for: complete only within the run that did it."""

    is_new = False  # somebody else made it, and a bundle without digests is not vouched for by that
    bundle: str = luigi.Parameter(description="the bundle's path")
    depth: str = DepthParameter(
        default=FULL, description="fast: no layer is read; full: every byte; deep: inside the layers too"
    )

    @property
    def path(self) -> Path:
        """Return the bundle's absolute path."""
        return Path(os.path.abspath(self.bundle))

    def output(self) -> Receipt:
        """Return the report under `<home>/receipts`."""
        return Receipt(receipt_path(self.settings, "verified", str(self.path)), self._stands)

    def run(self) -> None:
        """Verify, and hash the file as a whole meanwhile; a bundle that is corrupt fails the task.

        Its report is written all the same, and counts only where it is verified. One that has to be signed,
        and has no signature that fits, fails it before it is opened.
        """
        stamp = Stamp.of(self.path)
        if stamp is None and self.path.exists():  # it is read twice, at the same time
            raise Unsupported(str(self.path), "is no regular file", "lading verify reads pipes too")
        signer = signed(self.path, self.keys) if self.keys and stamp else None
        report, facts = self._read(stamp, signer)
        self.output().write({**report.to_json(), **facts})
        if not report.ok:
            first, more = report.errors[0], len(report.errors) - 1
            subject = str(self.path) if first.subject == str(self.path) else f"{self.path}: {first.subject}"
            advice = (first.whose, first.advice, f"and {more} more found" if more else "")
            raise CorruptContent(subject, first.problem, "; ".join(filter(None, advice)))

    def _read(self, stamp: Stamp | None, signer: Signed | None) -> tuple[Report, dict[str, Any]]:
        """Return the report, and which file it is of; raises StoreError where that was changed meanwhile."""
        facts: dict[str, Any] = {}
        if self.depth == FAST:
            report, hashed = self._report(), stamp
            report = replace(report, findings=(*report.findings, *check_companion(self.path, is_read=False)))
        else:
            with ThreadPoolExecutor(1) as pool:
                whole = pool.submit(stamped_sum, self.path)
                report = self._report()
                facts["sha256"], hashed = whole.result()
            report = self._with_companions(report, facts["sha256"], signer)
        if hashed is None or not stamp == hashed == Stamp.of(self.path):
            raise StoreError(str(self.path), "was changed while it was verified", "run again")
        return report, {**facts, "stamp": hashed.to_json()}

    def _report(self) -> Report:
        try:
            bundle = open_bundle(self.path)
            report = verify(
                bundle,
                strict=self.settings.strict,
                depth=self.depth,
                progress=Meter(self, "verifying"),
                jobs=self.settings.jobs,
            )
        except CorruptContent as error:
            return refused(str(self.path), error, self.depth)
        return replace(report, serves=served(bundle, report.images))

    def _with_companions(self, report: Report, sha256: str, signer: Signed | None) -> Report:
        """Add what the files beside the bundle say of it; raises Mismatch where another one was signed."""
        if signer is not None:
            signer.compare(sha256)
            return replace(report, signature=signer.to_json())
        beside = check_companion(self.path, sha256)
        report = replace(report, findings=(*report.findings, *beside))
        is_covered = self.is_new or (has_list(self.path) and not beside)
        return vouched(report, is_covered=is_covered, strict=self.settings.strict)

    def _stands(self, facts: Mapping[str, Any]) -> bool:
        written = self.output().path.stat().st_mtime_ns
        is_it = facts.get("verdict") in PASSED and facts.get("depth") in DEPTHS[DEPTHS.index(self.depth) :]
        is_signed = bool(facts.get("signature")) or not self.keys or self.depth == FAST
        return written >= STARTED and is_it and is_signed and untouched(facts, self.path)


class VerifyNew(VerifyBundle):
    """Verify a bundle that was made here a moment ago: whoever is to sign it has not seen it yet."""

    keys = ()
    is_new = True
