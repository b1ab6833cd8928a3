"""Storms of steps and events: many at once, in bursts, and aimed at the very instant when a wait ends."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.storms.judge import judge
from tests.storms.shelter import shelter
from wflow.errors import WflowError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from pathlib import Path

    from tests.storms.shelter import Shelter

Verdicts = dict[str, list[str]]

WIDTH = 12
TICKS, BURST = 8, 4
ROUNDS = 3
NAP_MS = 150
SPREAD_MS = (-6, 10)
"""How much too early and too late the events are sent that are aimed at an instant."""
WAVE = 250
"""Instances that are driven at once: what is sent to more of them would not come in time."""
LOOK_S = 0.02
QUIET_S = 10.0


async def step_storm(folder: Path, runs: int, *, processes: int = 1) -> Verdicts:
    """Many steps at once, in many instances at once."""
    ids = names(runs)
    async with shelter(folder, processes=processes) as place:
        await place.create("parallel", ids, {"width": WIDTH})
        await place.over("parallel", runs)
    return judge(place.data, place.witness, ids)


async def event_storm(folder: Path, runs: int) -> Verdicts:
    """Bursts of events to instances that take them one by one; some come before the instance has begun."""
    ids = names(runs)
    async with shelter(folder) as place:
        for wave in waves(ids):
            await place.create("ticks", wave, {"ticks": TICKS})
            for burst in range(0, TICKS, BURST):
                numbers = range(burst, burst + BURST)
                await all_of(place.send("ticks", id_, "tick", number) for number in numbers for id_ in wave)
        await place.over("ticks", runs)
    return judge(place.data, place.witness, ids)


async def event_sleep(folder: Path, runs: int, *, processes: int = 1) -> Verdicts:
    """An event races a sleep, round after round, each sent about when the sleep ends."""
    ids = names(runs)
    async with shelter(folder, processes=processes) as place:
        for wave in waves(ids):
            await place.create("race", wave, {"rounds": ROUNDS, "nap_ms": NAP_MS})
            await Aim(place, "race", ("hit",)).until_over(wave)
        await place.over("race", runs)
    return judge(place.data, place.witness, ids)


async def wake_loop(folder: Path, runs: int) -> Verdicts:
    """Bursts of two events, aimed at the deadlines of waits."""
    ids = names(runs)
    async with shelter(folder) as place:
        for wave in waves(ids):
            await place.create("wake", wave, {"rounds": ROUNDS})
            await Aim(place, "wake", ("wake", "wake")).until_over(wave)
        await place.over("wake", runs)
    return judge(place.data, place.witness, ids)


async def all_against_sleep(folder: Path, runs: int) -> Verdicts:
    """All of three events race a sleep; the last of them is sent about when it ends."""
    ids = names(runs)
    async with shelter(folder) as place:
        for wave in waves(ids):
            await place.create("all-of", wave, {"nap_ms": NAP_MS})
            await all_of(place.send("all-of", id_, type_, 0) for id_ in wave for type_ in "ab")
            await Aim(place, "all-of", ("c",)).until_over(wave)
        await place.over("all-of", runs)
    return judge(place.data, place.witness, ids)


class Aim:
    """Sends events to instances at rest so that they come about when their rest ends, as the store has it."""

    def __init__(self, place: Shelter, workflow: str, types: tuple[str, ...]) -> None:
        self._place = place
        self._workflow = workflow
        self._types = types
        self._chance = random.Random(workflow)
        self._aimed: dict[str, int] = {}
        self._sent: Counter[str] = Counter()

    async def until_over(self, ids: list[str]) -> None:
        """Go on until these are over, or nothing more comes to rest for a while."""
        store, left = self._place.runner.store, set(ids)
        async with asyncio.TaskGroup() as shots:
            quiet_since = time.monotonic()
            while left and time.monotonic() - quiet_since < QUIET_S:
                listed = await store.find(self._workflow, limit=len(ids))
                left -= {found.id for found in listed if found.ended_at is not None}
                for found in listed:
                    at = found.wake_at
                    if found.status == "waiting" and at is not None and self._aimed.get(found.id) != at:
                        self._aimed[found.id] = at
                        quiet_since = time.monotonic()
                        shots.create_task(self._shoot(found.id, at))
                await asyncio.sleep(LOOK_S)

    async def _shoot(self, id_: str, at: int) -> None:
        late_ms = at - self._place.runner.now() + self._chance.uniform(*SPREAD_MS)
        await asyncio.sleep(max(0.0, late_ms / 1000))
        for type_ in self._types:
            self._sent[id_] += 1
            with contextlib.suppress(WflowError):  # it may be over
                await self._place.send(self._workflow, id_, type_, self._sent[id_])


def names(runs: int) -> list[str]:
    """Name so many instances."""
    return [f"i{number}" for number in range(runs)]


def waves(ids: list[str], size: int = WAVE) -> Iterable[list[str]]:
    """Cut into waves."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


async def all_of(work: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*work)


async def created(place: Shelter, ids: list[str], rounds: int, pause_s: float) -> None:
    """Create instances of `pairs`."""
    await place.create("pairs", ids, {"rounds": rounds, "pause_s": pause_s})
