"""The Luigi face of Lading: `luigi --module pipelines ExportImage --tag ubuntu:14.04`."""

from pipelines.bootstrap import install

install()

from pipelines.exporting import AssembleBundle, ExportImage, ExportLayer  # noqa: E402 - defaults come first
from pipelines.importing import ImportBundle  # noqa: E402
from pipelines.verifying import VerifyBundle  # noqa: E402

__all__ = ["AssembleBundle", "ExportImage", "ExportLayer", "ImportBundle", "VerifyBundle"]
