"""The Luigi face of Lading: `luigi --module pipelines ExportImage --tag ubuntu:14.04`."""

from pipelines.bootstrap import install

install()

import luigi.tools.range  # noqa: E402, F401 - so that `RangeDaily --of MirrorImages` is known

from pipelines.assisting import Assist  # noqa: E402 - defaults come first
from pipelines.exporting import AssembleBundle, ExportImage, ExportLayer  # noqa: E402
from pipelines.importing import ImportBundle  # noqa: E402
from pipelines.mirror import MirrorImage, MirrorImages  # noqa: E402
from pipelines.verifying import VerifyBundle  # noqa: E402

__all__ = [
    "AssembleBundle",
    "Assist",
    "ExportImage",
    "ExportLayer",
    "ImportBundle",
    "MirrorImage",
    "MirrorImages",
    "VerifyBundle",
]
