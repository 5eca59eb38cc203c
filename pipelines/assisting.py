"""Assist: the root of a worker that does the tasks of others, which share its scheduler and its home."""

from __future__ import annotations

import luigi


class Assist(luigi.Task):
    """Nothing to do itself: `luigi --module pipelines Assist --assistant --worker-keep-alive`."""

    def complete(self) -> bool:
        """Tell that nothing is to be done."""
        return True
