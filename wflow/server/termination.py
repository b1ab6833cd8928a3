"""The job that terminates all instances of a workflow, or those in one status; one a workflow at a time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wflow.engine import status as statuses
from wflow.errors import InstanceNotFound, StoreError, WrongMove
from wflow.server.host import Host
from wflow.wire.shown import Shown, moment

if TYPE_CHECKING:
    from wflow.stores.store import Instance

AT_ONCE: Final = 100
"""Instances read and terminated together: each may hold params of a MiB, and others come between them."""
STATUSES: Final = (
    statuses.QUEUED,
    statuses.PAUSED,
    statuses.WAITING,
    statuses.RUNNING,
    statuses.PAUSING,
)
"""Which statuses end, the queued ones first, so that none of them begins in a slot that comes free.

One that is rolling back is about to end by itself.
"""

RUNNING: Final = "running"
DONE: Final = "complete"
BROKEN: Final = "errored"

_log = logging.getLogger("wflow.server")


@dataclass(slots=True, kw_only=True)
class Termination:
    """A job: it ends the instances that there are when it begins, not those that come later.

    It lives as long as the runner does: what a stopped one has not ended goes on at the next start.
    """

    host: Host
    workflow: str
    status: str | None
    began_at: int
    ended_at: int | None = None
    state: str = RUNNING
    terminated: int = 0
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin, beside everything else."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def shown(self) -> Shown:
        """Say how far it is."""
        return {
            "status": self.state,
            "terminated": self.terminated,
            "filter": {"status": self.status},
            "started_on": moment(self.began_at),
            "ended_on": moment(self.ended_at),
        }

    async def _run(self) -> None:
        try:
            newest = await self.host.store.find(self.workflow, limit=1)
            # What moves on to a status that was looked through already is found the next time round.
            while newest and await self._pass(newest[0].key):
                pass
            self.state = DONE
        except Exception as error:  # noqa: BLE001 - a job answers to nobody but whoever asks for its state
            self.state = BROKEN
            # A store that is closed, because the runner stops, is no more than a line in the log.
            trace = None if isinstance(error, StoreError) else error
            _log.error("terminating the instances of %s failed: %s", self.workflow, error, exc_info=trace)
        finally:
            self.ended_at = self.host.now()

    async def _pass(self, newest: int) -> int:
        """Go once through all that is there; give how many were ended."""
        before = self.terminated
        for status in STATUSES if self.status is None else (self.status,):
            below = newest + 1
            while found := await self._find(status, below):
                below = found[-1].key
                await asyncio.gather(*map(self._terminate, found))
        return self.terminated - before

    async def _find(self, status: str, below: int) -> list[Instance]:
        return await self.host.store.find(self.workflow, status=status, after=below, limit=AT_ONCE)

    async def _terminate(self, instance: Instance) -> None:
        try:
            await self.host.steer(instance.workflow, instance.id, "terminate")
        except (WrongMove, InstanceNotFound):
            return  # it has ended meanwhile, or somebody deleted it
        self.terminated += 1
