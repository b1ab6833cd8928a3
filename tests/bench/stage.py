"""A runner in this process with the project deployed, its runtime beside it: for what measures the engine."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import uvloop

from tests.bench import meter, profiles
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.engine import values
from wflow.runner.runner import Runner
from wflow.wire.types import Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from wflow.bundle.pack import Packed

T = TypeVar("T")

PROJECT: Final = Path(__file__).parent / "project"
BATCH: Final = 100
PATIENCE_S: Final = 120.0


@dataclass(slots=True, kw_only=True)
class Stage:
    """A runner, and what the last measured block took: ``seconds``, and CPU seconds ``spent`` by thread."""

    runner: Runner
    folder: Path
    spent: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    async def create(self, workflow: str, payloads: Sequence[object]) -> list[str]:
        """Create an instance for each payload, in batches; gives their ids."""
        wanted = [Wanted(params=values.encode(payload)) for payload in payloads]
        ids: list[str] = []
        for start in range(0, len(wanted), BATCH):
            made = await self.runner.create(workflow, wanted[start : start + BATCH], trigger="api")
            ids += [one.id for one in made]
        return ids

    async def until(self, workflow: str, count: int, status: str = "complete") -> None:
        """Wait until so many instances of a workflow have a status."""
        position = 0
        async with asyncio.timeout(PATIENCE_S):
            while (counts := await self.runner.store.counts(workflow)).get(status, 0) < count:
                assert not counts.get("errored"), counts
                position = await self.runner.changed(position) or position
                await asyncio.sleep(0.01)

    async def end(self, workflow: str, id_: str, *, after: int = 0) -> None:
        """Wait until one instance is over, looking only once there are records beyond a position."""
        position = await self.runner.store.position()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if position >= after and (one := await self.runner.get(workflow, id_)).ended_at is not None:
                    assert one.status == "complete", one
                    return
                position = await self.runner.changed(position) or position

    @contextlib.asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Take the time of the block, wall and CPU; and profiles, when they are wanted."""
        runtimes = meter.runtimes()
        before = meter.spent(runtimes)
        profiles.begin(runtimes, here=True)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds = time.perf_counter() - began
            profiles.end(runtimes, here=True)
        after = meter.spent(runtimes)
        self.spent = {name: after[name] - before[name] for name in after}

    def each_us(self, count: int) -> dict[str, float]:
        """Share what was spent among so many; in microseconds, by who spent it."""
        return {f"{name} us": seconds / count * 1e6 for name, seconds in self.spent.items()}

    async def reopen(self) -> None:
        """Stop the runner and its runtime, and bring new ones up over the same state."""
        await self.runner.close()
        self.runner = await opened(self.folder)
        await up(self.runner)


def play(work: Callable[[Stage], Awaitable[T]]) -> T:
    """Bring a runner up, with the project deployed and its runtime ready, and do ``work`` on it."""

    async def run() -> T:
        async with staged() as stage:
            return await work(stage)

    gc.collect()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        return loop.run(run())


@contextlib.asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Have a stage, and leave nothing behind."""
    profiles.prepare()
    with tempfile.TemporaryDirectory(prefix="wflow-bench-", ignore_cleanup_errors=True) as folder:
        stage = Stage(runner=await opened(Path(folder)), folder=Path(folder))
        try:
            packed = packed_project()
            await stage.runner.deploy(
                packed.manifest.name, packed.data, digest=packed.manifest.digest, message="", author=""
            )
            await up(stage.runner)
            yield stage
        finally:
            await stage.runner.close()


async def opened(folder: Path) -> Runner:
    """Open a runner that runs instances."""
    runner = await Runner.open(f"sqlite://{folder / 'state'}", folder / "versions")
    runner.execute()
    return runner


async def up(runner: Runner) -> None:
    """Wait until the live version's runtime has its code."""
    for version in runner.workers():
        await runner.fleet.peer(version.id)


def packed_project() -> Packed:
    """Make the project's bundle."""
    return pack(load(path=PROJECT / "wflow.toml"))
