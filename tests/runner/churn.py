"""All that can go wrong with instances on their way, at once: creations, moves, deaths, deploys."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

from tests.runner.actors import Cast
from tests.runner.stage import entry
from wflow.bundle.manifest import Admission as Rules
from wflow.engine import status, values
from wflow.errors import WflowError
from wflow.runner.fleet import Fleet
from wflow.runner.notes import Notes
from wflow.wire.types import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.runner.stage import Desk

LIMITS = {"free": None, "few": 2, "keyed": None}
HELD = """
    SELECT workflow, concurrency_key, count(*) FROM instances WHERE owner IS NOT NULL
    GROUP BY workflow, concurrency_key
"""
VERBS = ("pause", "resume", "resume", "terminate", "cancel", "restart", "delete", "event")


class Churn:
    """One runner with actors for runtimes, to which whatever may happen happens by chance."""

    def __init__(self, on: Desk, seed: int, processes: int) -> None:
        self.on = on
        self.chance = random.Random(seed)
        self.cast = Cast(self.chance)
        self.fleet = Fleet(
            on.control, on, Notes(on.store), on.admission, peers=self.cast, processes=processes
        )
        on.control.attach(on.admission, self.fleet)
        self.versions = 0
        self.made: list[tuple[str, str]] = []
        self.too_many: list[object] = []

    def deploy(self) -> None:
        """Have another version live, that of the runtimes that come up from now on."""
        self.versions += 1
        keyed = entry("keyed", admission=Rules(key="who", per_key=1))
        declared = [entry("free"), entry("few", limit=LIMITS["few"]), keyed]
        self.on.declare(*declared[self.chance.random() < 0.2 :], version=f"v{self.versions}")
        self.on.admission.wake()
        self.fleet.retire_idle(self.on.registry.live())

    async def happen(self) -> None:
        """Do one thing after the other until it is to be calm."""
        actions: list[Callable[[], Any]] = [self.create] * 8 + [self.tell] * 8
        actions += [self.deploy, self.kill, self.die, self.look_away, self.forget]
        while not self.cast.calm:
            done = self.chance.choice(actions)()
            if done is not None:
                await done
            await asyncio.sleep(self.chance.random() * 0.004)

    def create(self) -> Coroutine[Any, Any, None]:
        workflow, id_ = self.chance.choice(list(LIMITS)), f"i{len(self.made)}"
        self.made.append((workflow, id_))
        params = values.encode({"who": self.chance.choice(["ann", "bob"])})
        wanted = Wanted(id=id_, params=params, priority=self.chance.choice([1, 3, 3, 5]))
        return self.perhaps(self.on.control.create(workflow, [wanted], trigger="api"))

    def tell(self) -> Coroutine[Any, Any, None] | None:
        if not self.made:
            return None
        workflow, id_ = self.chance.choice(self.made[-40:])
        control = self.on.control
        match self.chance.choice(VERBS):
            case "restart":
                return self.perhaps(control.restart(workflow, id_))
            case "delete":
                return self.perhaps(control.delete(workflow, [id_]))
            case "event":
                return self.perhaps(control.send_event(workflow, id_, "paid", values.NONE))
            case verb:
                return self.perhaps(control.steer(workflow, id_, verb))

    def kill(self) -> None:
        if (actor := self.cast.anybody()) is not None:
            actor.kill()

    def die(self) -> None:
        if (actor := self.cast.anybody()) is not None:
            actor.die()

    def look_away(self) -> None:
        if (actor := self.cast.anybody()) is not None:
            actor.look_away()

    def forget(self) -> None:
        if (actor := self.cast.anybody()) is not None:
            actor.forget()

    async def perhaps(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do what may be refused."""
        with contextlib.suppress(WflowError):
            await work

    async def watch(self) -> None:
        """See that nobody ever has more places than there are."""
        store: Any = self.on.store
        while True:
            held = await store._readers.read(lambda db: db.execute(HELD).fetchall())
            few = sum(count for workflow, _, count in held if workflow == "few")
            of_key = [count for workflow, _, count in held if workflow == "keyed"]
            if few > (LIMITS["few"] or 0) or max(of_key, default=0) > 1:
                self.too_many.append(held)
            await asyncio.sleep(0.002)

    async def all_over(self) -> bool:
        """Resume what is paused; tell whether all are over."""
        left = []
        for workflow in LIMITS:
            left += [
                one
                for one in await self.on.store.find(workflow, limit=1_000)
                if one.status not in status.ENDED
            ]
        for one in left:
            if one.status == status.PAUSED:
                await self.perhaps(self.on.control.steer(one.workflow, one.id, "resume"))
        return not left
