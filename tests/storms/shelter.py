"""Where a storm is sat out: a real runner, real runtimes and a real store, and a witness of the steps."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflow import stores
from wflow.config.load import load
from wflow.engine import values
from wflow.runner.project import VERSION, build_of
from wflow.runner.runner import Runner
from wflow.wire.types import Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from wflow.stores.store import Store

WEATHER = Path(__file__).parent / "weather"
STILL_S = 30.0
"""So long nothing may happen before a storm is given up; what is unfinished then is the judge's."""
POLL_S = 0.02
BATCH = 100


class Shelter:
    """A folder with a project, a store and a witness, and the runner that plays it."""

    def __init__(self, folder: Path, processes: int = 1) -> None:
        self.folder = folder
        self.processes = processes
        self.data = folder / "data"
        self.witness = folder / "witness.txt"
        self.project = folder / "weather"
        self.runner: Runner
        if not self.project.exists():
            shutil.copytree(WEATHER, self.project, ignore=shutil.ignore_patterns("__pycache__", ".wflow"))

    async def take(self, store: Store) -> Runner:
        """Have a runner over an open store play the project, with all its processes up."""
        runner = await Runner.over(store, self.folder / "versions", processes=self.processes)
        project = load(path=self.project / "wflow.toml")
        runner.registry.activate(build_of(project, {"WITNESS": str(self.witness)}, runner.now()))
        await runner.fleet.peer(VERSION)
        runner.fleet._crews[VERSION].reinforce(self.processes)
        while runner.fleet.strength(VERSION) < self.processes:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(POLL_S)
        runner.execute()
        return runner

    async def create(self, workflow: str, ids: Sequence[str], params: Mapping[str, Any]) -> None:
        """Create instances, all with the same params."""
        wanted = [Wanted(id=id_, params=values.encode(params)) for id_ in ids]
        for start in range(0, len(wanted), BATCH):
            await self.runner.create(workflow, wanted[start : start + BATCH], trigger="api")

    async def send(self, workflow: str, id_: str, type_: str, payload: object) -> None:
        """Send an event."""
        await self.runner.send_event(workflow, id_, type_, values.encode(payload))

    async def over(self, workflow: str, count: int) -> None:
        """Wait until so many instances are over, or until nothing has happened for a while."""
        store, before, since = self.runner.store, -1, time.monotonic()
        while True:
            counts = await store.counts(workflow)
            if sum(counts.get(status, 0) for status in ("complete", "errored", "terminated")) >= count:
                return
            position = await store.position()
            if position != before:
                before, since = position, time.monotonic()
            if time.monotonic() - since > STILL_S:
                return
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def shelter(
    folder: Path, through: Callable[[Store], Any] | None = None, *, processes: int = 1
) -> AsyncIterator[Shelter]:
    """Have a runner; ``through`` may put something between it and its store."""
    made = Shelter(folder, processes)
    store = await stores.connect(f"sqlite://{made.data}")
    made.runner = await made.take(through(store) if through else store)
    try:
        yield made
    finally:
        await made.runner.close()
