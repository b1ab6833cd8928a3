"""Storms in which runtimes die, at every durable write or at any moment; two turns of an instance at once."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

from tests.storms.judge import Measure, judge
from tests.storms.races import created, names, waves
from tests.storms.shelter import POLL_S, Shelter, shelter
from wflow import stores

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storms.races import Verdicts
    from wflow.runner.runner import Runner
    from wflow.stores.store import Appended, Batch, Store

COHORT = 12
"""Instances that one death at a write is shared by."""
ROUNDS = 3
PAUSE_S = 0.05
DEATHS = 3
THEFTS = 4
GRACE_S = 0.15


async def death_at_every_write(folder: Path, runs: int) -> Verdicts:
    """Kill the runtime at the first write of a cohort, at the second of a later one, ..., in three ways.

    The commit is kept and nobody hears of it, or the process dies before it is kept, or it is lost.
    """
    ids = names(runs)
    box: list[Mortal] = []

    def through(store: Store) -> Mortal:
        box.append(Mortal(store))
        return box[0]

    async with shelter(folder, through) as place:
        mortal = box[0]
        mortal.runner = place.runner
        aim = 0
        for done, cohort in enumerate(waves(ids, COHORT)):
            mortal.aim(aim // len(WAYS), WAYS[aim % len(WAYS)])
            await created(place, cohort, ROUNDS, 0.0)
            await place.over("pairs", done * COHORT + len(cohort))
            # Beyond the last write there is none to die at: begin anew.
            aim = aim + 1 if mortal.struck else 0
            mortal.aim(None, "")
            calm(place.runner)  # else each is waited for longer than the one before
    return judge(place.data, place.witness, ids, Measure(cuts=1))


async def death_of_a_runtime(folder: Path, runs: int, *, processes: int = 1) -> Verdicts:
    """Kill the runtime, or one of several, in the middle of its work, again and again."""
    ids = names(runs)
    async with shelter(folder, processes=processes) as place:
        for done, wave in enumerate(waves(ids, 1_000)):
            await created(place, wave, 2 * ROUNDS, PAUSE_S)
            calm(place.runner)
            for _ in range(DEATHS):
                await asyncio.sleep(GRACE_S)
                kill(place.runner, most=1)
            await place.over("pairs", done * 1_000 + len(wave))
    return judge(place.data, place.witness, ids, Measure(cuts=DEATHS))


async def two_turns_at_once(folder: Path, runs: int, *, processes: int = 1) -> Verdicts:
    """Two runners over one store take each other's claims away; whoever had them goes on, and is refused.

    Nobody tells him, as nobody could whose lease is over because he does not answer.
    """
    ids = names(runs)
    place = Shelter(folder, processes)
    store = await stores.connect(f"sqlite://{place.data}")
    first, second = [await place.take(Shared(store)) for _ in range(2)]
    place.runner, taken = first, 0
    try:
        for done, wave in enumerate(waves(ids, 1_000)):
            await created(place, wave, ROUNDS, PAUSE_S)
            second.admission.wake()
            for _ in range(THEFTS):
                await busy(first, second)
                await asyncio.sleep(GRACE_S / 2)
                loser, winner = sorted((first, second), key=held, reverse=True)
                taken += await steal(store, loser, winner)
            await place.over("pairs", done * 1_000 + len(wave))
    finally:
        await first.close()
        await second.close()
        await store.close()
    assert taken, "nobody was caught in the middle of it"
    return judge(place.data, place.witness, ids, Measure(cuts=THEFTS, stale=True))


async def steal(store: Store, loser: Runner, winner: Runner) -> int:
    """End the claims of one runner behind its back, as if its leases were over; another one takes them up."""
    claims = [(key, claim.epoch) for peer in peers(loser) for key, claim in peer.holds.items()]
    if claims:
        await store.release(claims, now=winner.now())
    winner.admission.wake()
    return len(claims)


async def busy(*runners: Runner) -> None:
    """Wait until one of them has something to do, but not for long: all may be over."""
    for _ in range(int(1 / POLL_S)):
        if any(map(held, runners)):
            return
        await asyncio.sleep(POLL_S)


def held(runner: Runner) -> int:
    return sum(len(peer.holds) for peer in peers(runner))


def peers(runner: Runner) -> list[Any]:
    return runner.fleet._everyone()


def calm(runner: Runner) -> None:
    """Forget the deaths so far."""
    for crew in runner.fleet._crews.values():
        crew._deaths = 0


def kill(runner: Runner, most: int | None = None) -> bool:
    """Kill the runtimes of a runner as the power supply does, those with most to do first; was there one?"""
    busiest = sorted(peers(runner), key=lambda peer: peer.work, reverse=True)
    alive = [peer.pid for peer in busiest if peer.alive and peer.pid][:most]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return bool(alive)


class Shared:
    """A store that outlives the runner that closes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def close(self) -> None:
        """Leave it open."""


WAYS = ("kept", "before", "lost")


class Mortal:
    """A store at whose nth append the runtime dies: it is kept unheard, kept after the death, or lost."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._left: int | None = None
        self._way = ""
        self.runner: Runner
        self.struck = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def aim(self, write: int | None, way: str) -> None:
        """Have the runtime die at the append after so many others; at none, for None."""
        self._left, self._way, self.struck = write, way, False

    async def append(self, batch: Batch) -> Appended:
        """Append, or not."""
        if self._left is None or self.struck:
            return await self._store.append(batch)
        if self._left > 0:
            self._left -= 1
            return await self._store.append(batch)
        self.struck = True
        appended = await self._store.append(batch) if self._way == "kept" else None
        assert kill(self.runner)
        if self._way == "lost":
            raise asyncio.CancelledError
        if appended is not None:
            return appended
        await asyncio.sleep(POLL_S)  # it is gone by then
        return await self._store.append(batch)
