"""Many tasks, in batches: luigi's scheduler takes time with the square of how many it holds at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

import luigi
import luigi.worker
from luigi.execution_summary import _summary_dict
from luigi.rpc import RemoteScheduler
from luigi.scheduler import Scheduler
from luigi.worker import Worker
from luigi.worker import worker as worker_settings

BATCH = 100  # tasks


def _free_lock() -> None:
    """Give a child a lock of its own: luigi's is held while it forks, and would be for ever in there."""
    luigi.worker.fork_lock = threading.Lock()


os.register_at_fork(after_in_child=_free_lock)


def in_batches(tasks: Sequence[luigi.Task], go_on: Callable[[], bool] = lambda: True) -> None:
    """Run tasks, a batch at a time, with the workers and the scheduler of the command line.

    Returns when each is done or has failed, on whatever host; no batch begins where `go_on` says no.
    """
    for start in range(0, len(tasks), BATCH):
        if go_on():
            _build(list(tasks[start : start + BATCH]))


def _build(tasks: list[luigi.Task]) -> None:
    """Run a batch; what another host is at is waited for, and taken over where that one is dropped."""
    while tasks:
        result = luigi.build(tasks, _Workers(), detailed_summary=True, assistant=False)
        elsewhere = _summary_dict(result.worker)["run_by_other_worker"]
        if tasks := [task for task in elsewhere if not task.complete()]:
            time.sleep(worker_settings().ping_interval)


class _Workers:
    """Makes what luigi makes itself, but a worker that ends with its tasks, whatever the outer one does."""

    def create_local_scheduler(self) -> Scheduler:
        """Return a scheduler of this process."""
        return Scheduler(prune_on_get_work=True, record_task_history=False)

    def create_remote_scheduler(self, url: str) -> RemoteScheduler:
        """Return the scheduler that several hosts share."""
        return RemoteScheduler(url)

    def create_worker(
        self,
        scheduler: Scheduler | RemoteScheduler,
        worker_processes: int,
        assistant: bool = False,  # noqa: FBT001, FBT002 - luigi's shape
    ) -> Worker:
        """Return a worker."""
        return Worker(
            scheduler=scheduler, worker_processes=worker_processes, assistant=assistant, keep_alive=False
        )
