"""Runtimes on paper that play what they are handed: they commit, rest, end, hand back, and may die."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from wflow.engine import facts, values
from wflow.engine.changes import Ended, Held, Rested
from wflow.engine.facts import Logged
from wflow.engine.outcome import Failure
from wflow.errors import LinkError
from wflow.link import frames
from wflow.runtime import clock

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from wflow.engine.changes import Change
    from wflow.runner.holds import Hold
    from wflow.runner.peer import Listener
    from wflow.runner.registry import Build

LATE_S = 0.005
"""Whatever an actor does, it does within this time, by chance."""
REST_MS = 30


class Cast:
    """All actors there have been; with ``calm`` none fails to come up, and no instance is held for good."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.calm = False
        self.all: list[Actor] = []

    def __call__(self, listener: Listener) -> Any:
        return Actor(listener, self)

    def anybody(self) -> Actor | None:
        up = [one for one in self.all if one.alive and one.build is not None]
        return self.chance.choice(up) if up else None


class Played:
    """An instance that an actor plays; one that ``speaks`` has said something that is not answered yet."""

    def __init__(self, turn: frames.Turn) -> None:
        self.epoch = turn.epoch
        self.seq = turn.seq
        self.pausing = turn.pausing
        self.speaks = False


class Actor:
    """What the fleet and its crews know of a runtime, without a process."""

    def __init__(self, listener: Listener, cast: Cast) -> None:
        self.build: Build | None = None
        self.holds: dict[int, Hold] = {}
        self.hot: set[int] = set()
        self.fresh: set[int] = set()
        self.on_fresh: Callable[[], None] | None = None
        self.alive = self.draining = self.killed = False
        self.pid = len(cast.all)
        self._listener: Any = listener
        self._cast = cast
        self._loop = asyncio.get_running_loop()
        self._playing: dict[int, Played] = {}
        self._resting: dict[int, int] = {}
        self._said: dict[int, tuple[int, int, bool]] = {}
        self._listening = asyncio.Event()
        self._listening.set()
        self._quiet = asyncio.Event()

    # -- what the runner does with it

    @property
    def busy(self) -> bool:
        return bool(self.holds)

    @property
    def work(self) -> int:
        return len(self.holds)

    @property
    def listens(self) -> bool:
        return self._listening.is_set()

    async def listening(self) -> None:
        await self._listening.wait()

    async def start(self, folder: Path, *, hash_seed: int = 0) -> None:
        await asyncio.sleep(self._cast.chance.random() * LATE_S)
        if not self._cast.calm and self._cast.chance.random() < 0.1:
            raise LinkError("it did not come up")
        self.alive = True
        self._cast.all.append(self)

    async def load(self, build: Build) -> None:
        await asyncio.sleep(self._cast.chance.random() * LATE_S)
        if not self.alive:
            raise LinkError("the runtime is gone")
        self.build = build

    def send(self, message: frames.ToRuntime) -> None:
        if not self.alive:
            return
        match message:
            case frames.Play(turns):
                self.fresh.update(turn.instance for turn in turns)
                for turn in turns:
                    self._later(self._begin, turn)
            case frames.Drop(instances):
                self._heard_of(instances)
                for instance in instances:
                    self._playing.pop(instance, None)
                    self._resting.pop(instance, None)
            case frames.Acked(batch, refused):
                self._acked(batch, refused)
            case frames.Steer(instance, pausing) if instance in self._playing:
                self._playing[instance].pausing = pausing
            case frames.Drain():
                for instance in self._playing:
                    self._later(self._hand_back, instance)

    @contextlib.contextmanager
    def unheard(self) -> Iterator[None]:
        yield

    def settle(self) -> None:
        if self.draining and not self.busy:
            self._quiet.set()

    async def drain(self, patience_s: float) -> None:
        self.draining = True
        self.hot.clear()
        self.send(frames.Drain())
        self.settle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._quiet.wait()
        self.kill()

    def kill(self) -> None:
        self.killed = True
        self.die()

    async def gone(self) -> None:
        await asyncio.sleep(0)

    # -- what befalls it

    def die(self) -> None:
        if self.alive:
            self.alive = False
            self._loop.call_soon(self._buried)

    def look_away(self) -> None:
        """Read nothing for a while."""
        self._listening.clear()
        self._loop.call_later(LATE_S, self._listening.set)

    def forget(self) -> None:
        """Let go of those at rest."""
        gone = list(self._resting)
        self._resting.clear()
        self._listener.heard(self, frames.Evicted(gone))

    # -- what it does

    def _buried(self) -> None:
        self._quiet.set()
        self._listening.set()
        self.fresh.clear()
        self._listener.died(self)

    def _later(self, what: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_later(
            self._cast.chance.random() * LATE_S, lambda: what(*arguments) if self.alive else None
        )

    def _heard_of(self, instances: Iterable[int]) -> None:
        self.fresh.difference_update(instances)
        if self.on_fresh is not None:
            self.on_fresh()

    def _say(self, instance: int, message: Any) -> None:
        self._heard_of([instance])
        self._listener.heard(self, message)

    def _begin(self, turn: frames.Turn) -> None:
        instance = turn.instance
        at_rest = self._resting.pop(instance, None)
        if turn.records is None and (at_rest != turn.seq or turn.pausing):
            self._say(instance, frames.Missing([instance]))
            return
        self._playing[instance] = Played(turn)
        self._act(instance, turn.epoch)

    def _act(self, instance: int, epoch: int) -> None:
        """Say something, and perhaps end or rest with it."""
        one = self._playing.get(instance)
        if one is None or one.epoch != epoch:
            return
        if self.draining:
            self._hand_back(instance)
            return
        change, now = self._change(instance, one), clock.now()
        line = Logged("info", "plays", now)
        row = (instance, one.seq + 1, facts.LOGGED, now, facts.encode(line))
        number = len(self._said) + 1
        self._said[number] = (instance, epoch, change is not None)
        one.speaks, one.seq = True, one.seq + 1
        changes = [] if change is None else [change]
        self._say(instance, frames.Commit(number, [(instance, epoch)], [row], changes, []))

    def _change(self, instance: int, one: Played) -> Change | None:
        now, throw = clock.now(), self._cast.chance.random()
        if one.pausing:
            return Rested(instance, now, now, [])
        if throw < 0.35:
            return Ended(instance, now, "complete", values.NONE)
        if throw < 0.55:
            return Rested(instance, now, now + self._cast.chance.randrange(REST_MS), [])
        if throw < 0.58 and not self._cast.calm:
            return Held(instance, now, Failure("Boom", "it went off"))
        return None

    def _acked(self, batch: int, refused: list[int]) -> None:
        instance, epoch, is_over = self._said[batch]
        one = self._playing.get(instance)
        if one is None or one.epoch != epoch:
            return
        one.speaks = False
        if instance in refused or is_over:
            del self._playing[instance]
            if instance not in refused:
                self._resting[instance] = one.seq
        else:
            self._later(self._act, instance, epoch)

    def _hand_back(self, instance: int) -> None:
        one = self._playing.get(instance)
        if one is not None and not one.speaks:
            del self._playing[instance]
            self._say(instance, frames.Released([instance]))
