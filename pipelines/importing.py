"""ImportBundle: verify a bundle, then put its images into a store, blobs first, names last."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import luigi

from pipelines.base import LadingTask, Meter, receipt_path
from pipelines.parameters import PlaceParameter
from pipelines.receipts import Receipt, stamp_json, untouched
from pipelines.verifying import VerifyBundle
from toolkit.bundles import open_bundle
from toolkit.errors import ToolkitError
from toolkit.openers import as_read
from toolkit.operations.admission import Admission
from toolkit.operations.copy import copy
from toolkit.operations.signing import signed
from toolkit.places import canonical, open_sink, open_source
from toolkit.plumbing.files import Stamp
from toolkit.ports import Renames, Sink, Source
from toolkit.report import Report


class ImportBundle(LadingTask):
    """Import a bundle. Done while the store still has each of its names as it was imported."""

    bundle: str = luigi.Parameter(description="the bundle's path")
    store: str = PlaceParameter(default="auto", description="the store's URI; default: the embedded store")

    @property
    def path(self) -> Path:
        """Return the bundle's absolute path."""
        return Path(os.path.abspath(self.bundle))

    @property
    def place(self) -> str:
        """Return the store's URI, with its path absolute."""
        return canonical(self.store, self.settings)

    def requires(self) -> VerifyBundle:
        """Require that the bundle is verified in this run."""
        return VerifyBundle(bundle=str(self.path))

    def output(self) -> Receipt:
        """Return the receipt under `<home>/receipts`."""
        return Receipt(receipt_path(self.settings, "imported", f"{self.place} {self.path}"), self._stands)

    def run(self) -> None:
        """Copy every image of the bundle into the store."""
        source = as_read(open_bundle(self.path), self.reading)
        self._must_be_admitted(source)
        names = [name for line in source.listings() for name in line.names or (line.id,)]
        sink = open_sink(self.place, self.settings)
        meter, settings = Meter(self, "writing"), self.settings
        proven = copy(
            source,
            sink,
            names,
            strict=settings.strict,
            progress=meter,
            jobs=settings.jobs,
            before_names=lambda: self._must_be_admitted(source),
        )
        store = self._store()
        names = [name for image in proven for name in _names_there(sink, image.names)]
        here = {name: store.identify(name) for name in names}
        facts = Report.of(self.place, proven).to_json()
        self.output().write({**facts, "store": self.place, "names": here, "stamp": stamp_json(self.path)})

    def _must_be_admitted(self, source: Source) -> None:
        """Raise CorruptContent where a signature is required, and not of the very file that is read here."""
        if not self.keys:
            return
        verified = self.requires().output().read()
        stamp = Stamp.from_json(verified.get("stamp"))
        Admission.of(signed(self.path, self.keys), str(verified.get("sha256")), stamp).must_cover(source)

    def _store(self) -> Source:
        """Open the store to see what it has now: names that we put mean something else than a moment ago."""
        return open_source(self.place, self.settings, self.reading)

    def _stands(self, facts: Mapping[str, Any]) -> bool:
        names = facts.get("names")
        if not isinstance(names, dict) or not untouched(facts, self.path):
            return False
        try:
            store = self._store()
            return all(store.identify(name) == known for name, known in names.items())
        except ToolkitError:
            return False


def _names_there(sink: Sink, names: Sequence[str]) -> Sequence[str]:
    return sink.names_there(names) if isinstance(sink, Renames) else names
