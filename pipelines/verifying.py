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
from pipelines.receipts import Receipt, untouched
from toolkit.bundles import open_bundle, served
from toolkit.errors import CorruptContent, StoreError, Unsupported
from toolkit.operations.companion import check_companion, stamped_sum
from toolkit.operations.signing import Signed, signed
from toolkit.operations.verify import refused, verify
from toolkit.plumbing.files import Stamp
from toolkit.report import DEEP, FULL, VERIFIED, Report


class VerifyBundle(LadingTask):
    """Verify a bundle. Always reads everything: complete only within the run that did it."""

    bundle: str = luigi.Parameter(description="the bundle's path")
    depth: str = luigi.ChoiceParameter(
        choices=[FULL, DEEP], default=FULL, description="full: every byte; deep: inside the layers too"
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
        vouched = signed(self.path, self.keys) if self.keys and stamp else None
        with ThreadPoolExecutor(1) as pool:
            whole = pool.submit(stamped_sum, self.path)
            report = self._report()
            sha256, hashed = whole.result()
        report = self._with_companions(report, sha256, vouched)
        if not stamp == hashed == Stamp.of(self.path):
            raise StoreError(str(self.path), "was changed while it was verified", "run again")
        self.output().write({**report.to_json(), "sha256": sha256, "stamp": hashed.to_json()})
        if not report.ok:
            first, more = report.errors[0], len(report.errors) - 1
            subject = str(self.path) if first.subject == str(self.path) else f"{self.path}: {first.subject}"
            advice = (first.advice, f"and {more} more found" if more else "")
            raise CorruptContent(subject, first.problem, "; ".join(filter(None, advice)))

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

    def _with_companions(self, report: Report, sha256: str, vouched: Signed | None) -> Report:
        """Add what the files beside the bundle say of it; raises Mismatch where another one was signed."""
        if vouched is None:
            return replace(report, findings=(*report.findings, *check_companion(self.path, sha256)))
        vouched.compare(sha256)
        return replace(report, signature=vouched.to_json())

    def _stands(self, facts: Mapping[str, Any]) -> bool:
        written = self.output().path.stat().st_mtime_ns
        is_it = facts.get("verdict") == VERIFIED and facts.get("depth") in {self.depth, DEEP}
        is_signed = bool(facts.get("signature")) or not self.keys
        return written >= STARTED and is_it and is_signed and untouched(facts, self.path)


class VerifyNew(VerifyBundle):
    """Verify a bundle that was made here a moment ago: whoever is to sign it has not seen it yet."""

    keys = ()
