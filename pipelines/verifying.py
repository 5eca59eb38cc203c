"""VerifyBundle: every checksum, every diffID, every layersize, read from the disk anew."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import luigi

from pipelines.base import STARTED, LadingTask, Meter, receipt_path
from pipelines.receipts import Receipt, stamp_json, untouched
from toolkit.bundles import open_bundle, served
from toolkit.errors import CorruptContent, StoreError, Unsupported
from toolkit.operations.companion import check_companion
from toolkit.operations.verify import verify
from toolkit.plumbing.streams import digest_of, opened


class VerifyBundle(LadingTask):
    """Verify a bundle. Always reads everything: complete only within the run that did it."""

    bundle: str = luigi.Parameter(description="the bundle's path")

    @property
    def path(self) -> Path:
        """Return the bundle's absolute path."""
        return Path(os.path.abspath(self.bundle))

    def output(self) -> Receipt:
        """Return the report under `<home>/receipts`."""
        return Receipt(receipt_path(self.settings, "verified", str(self.path)), self._stands)

    def run(self) -> None:
        """Verify, and hash the file as a whole meanwhile; a bundle that is corrupt fails the task."""
        if self.path.exists() and not self.path.is_file():  # it is read twice, at the same time
            raise Unsupported(str(self.path), "is no regular file", "lading verify reads pipes too")
        stamp = stamp_json(self.path)
        bundle = open_bundle(self.path)
        with ThreadPoolExecutor(1) as pool:
            whole = pool.submit(self._sha256)
            report = verify(
                bundle,
                strict=self.settings.strict,
                progress=Meter(self, "verifying"),
                jobs=self.settings.jobs,
            )
            sha256 = whole.result()
        findings = (*report.findings, *check_companion(self.path, sha256))
        report = replace(report, findings=findings, serves=served(bundle, report.images))
        if not report.ok:
            first, more = report.errors[0], len(report.errors) - 1
            raise CorruptContent(
                f"{self.path}: {first.subject}",
                first.problem + (f" (and {more} more findings)" if more else ""),
            )
        if stamp != stamp_json(self.path):
            raise StoreError(str(self.path), "was changed while it was verified", "run again")
        self.output().write({**report.to_json(), "sha256": sha256, "stamp": stamp})

    def _sha256(self) -> str:
        with opened(str(self.path), str(self.path)) as content:
            return digest_of(content.blocks()).hex

    def _stands(self, facts: Mapping[str, Any]) -> bool:
        written = self.output().path.stat().st_mtime_ns
        return written >= STARTED and facts.get("verdict") == "verified" and untouched(facts, self.path)
