"""How time passes in a test: when nothing runs and the test waits, the clock is at the next thing due."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.errors import StoreError
from wflow.testing.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wflow.testing.world import World

RETIRED: Final = 500
"""Instances and cells that are deleted at once when they have been kept long enough."""
SHOWN: Final = 20
"""Instances of a workflow that are named when nothing is left to happen."""


PATIENCE_S: Final = 2.0
"""How long nothing may happen before whoever waits for a request, or for events, is told that none will."""


class Stuck(AssertionError):
    """Nothing is left to happen, and the test waits for something all the same."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    what: str
    future: asyncio.Future[None]
    exactly: bool


class Passing:
    """Moves the ``clock`` of a test; ``world`` gives the life at hand, None while there is none."""

    def __init__(self, world: Callable[[], World | None], start_ms: int) -> None:
        """Begin at an instant; whoever has the loop calls `idle` when it would wait."""
        self.clock = Clock(start_ms, self._pass_to)
        self.clock.moved = self._moved
        self.requests = 0
        """How many requests of the test the Worker has not answered."""
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._waiters: list[_Waiter] = []
        self._goals: list[tuple[int, asyncio.Future[None]]] = []
        self._looking: asyncio.Task[None] | None = None
        self._in_vain: int | None = None
        self._nothing: object = None

    @contextlib.contextmanager
    def waiting(self, what: str, *, exactly: bool = False) -> Iterator[asyncio.Future[None]]:
        """Let time pass while the block waits for ``what``; the future fails with Stuck if it is in vain.

        That is at once if the block waits ``exactly``, for the next thing that happens. Otherwise it is after
        PATIENCE_S: somebody in between looks only now and then whether anything has happened.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(what, future, exactly)
        self._waiters.append(waiter)
        try:
            yield future
        finally:
            self._waiters.remove(waiter)
            future.cancel()

    def idle(self) -> bool:
        """Look what is due if nothing runs and somebody waits; say whether that has begun."""
        if self._looking is not None or not self._may_pass:
            return False
        world = self._world()
        if world is None or self._busy(world) or self._nothing == self._stamp(world):
            return False
        self._looking = self._loop.create_task(self._look(world))
        return True

    async def settle(self) -> None:
        """Wait until nothing runs; no time passes."""
        await self._pass_to(self.clock.now_ms())

    async def due_at(self, world: World) -> int | None:
        """Tell when the next instance at rest is due, or was.

        With `Clock.next_ring` this is all that is known of the future. Whatever else comes to happen by
        itself some day, schedules say, has its place here.
        """
        return await world.store.real.due_at([one.name for one in world.runner.workflows()])

    @property
    def _may_pass(self) -> bool:
        return bool(self._goals) or (self.clock.auto and bool(self._waiters))

    def _busy(self, world: World) -> bool:
        waiting = sum(runtime.requests_waiting for runtime in world.runtimes)
        return world.dead or world.busy or self.requests > waiting

    async def close(self) -> None:
        """Look for nothing any more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self, world: World) -> None:
        try:
            with contextlib.suppress(StoreError):  # it is closed: the life is over, there will be another
                await self._look_ahead(world)
        finally:
            self._looking = None

    async def _look_ahead(self, world: World) -> None:
        asked = world.store.asked
        due, now = await self.due_at(world), self.clock.now_ms()
        if world is not self._world() or asked != world.store.asked or self._busy(world):
            return  # something has happened meanwhile; there will be another look
        rings = self.clock.next_ring()
        if rings is not None and rings <= now:
            self.clock.ring()
            return
        if due is not None and due <= now:
            if self._in_vain != due:
                self._in_vain = due
                self._moved()
                return
            due = None  # whoever is due cannot go on, and will not by waiting
        ahead = min((at for at in (due, rings) if at is not None), default=None)
        goal = min((at for at, _ in self._goals), default=None)
        if goal is not None and (ahead is None or ahead > goal):
            await self._arrive(goal, world)
        elif ahead is not None:
            self.clock.move_to(ahead)  # what rings at that instant does so after the instances that are due
        elif self.clock.auto:
            # Who waits inside a step, or in the Worker, does so by asking now and then.
            held = world.runner.admission.running or self.requests
            await self._give_up(world, exactly=not held)

    async def _arrive(self, goal: int, world: World) -> None:
        """Be at the end of a span that was to pass, and tidy up as the runner would have within it."""
        self.clock.move_to(goal)
        store = world.store.real
        while await store.retire(now=goal, limit=RETIRED) == RETIRED:
            pass
        while await store.expire(now=goal, limit=RETIRED) == RETIRED:
            pass
        for at, future in list(self._goals):
            if at <= goal:
                self._goals.remove((at, future))
                if not future.done():
                    future.set_result(None)

    def _stamp(self, world: World) -> object:
        """Tell one moment from another in which something has happened."""
        return world, world.store.asked, tuple(self._waiters), self.clock.auto

    async def _give_up(self, world: World, *, exactly: bool) -> None:
        """Tell those who wait exactly that it is in vain, or nobody; the others when patience is lost."""
        if exactly:
            await self._tell(world, [one for one in self._waiters if one.exactly])
        stamp = self._nothing = self._stamp(world)
        self._loop.call_later(PATIENCE_S, self._lose_patience, world, stamp)

    async def _tell(self, world: World, waiters: Sequence[_Waiter]) -> None:
        found: list[str] = []
        for registered in world.runner.workflows():
            listed = await world.store.real.find(registered.name, limit=SHOWN)
            found += [f"{registered.name} {one.id!r} is {one.status}" for one in listed]
        there = "; ".join(found) or "there is no instance"
        for one in waiters:
            if not one.future.done():
                text = f"nothing is left to happen, and the test waits for {one.what}. {there}"
                one.future.set_exception(Stuck(text))

    def _lose_patience(self, world: World, stamp: object) -> None:
        if self._looking is None and stamp == self._stamp(world) and not world.dead:
            self._looking = self._loop.create_task(self._despair(world))

    async def _despair(self, world: World) -> None:
        try:
            with contextlib.suppress(StoreError):
                await self._tell(world, list(self._waiters))
        finally:
            self._looking = None

    async def _pass_to(self, at: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._goals.append((at, future))
        await future

    def _moved(self) -> None:
        world = self._world()
        if world is not None and not world.dead:
            world.runner.admission.wake()
