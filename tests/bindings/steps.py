"""Steps of an instance as a runner hears of them: what they call, how they end, and what their claims do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.bindings.small_control import link
from wflow.bindings import kv, workflow
from wflow.bindings.binding import Called
from wflow.engine import facts
from wflow.engine.facts import Failed, Settled
from wflow.engine.outcome import Err, Failure, Ok
from wflow.stores.store import Batch

if TYPE_CHECKING:
    from tests.bindings.small_control import SmallControl
    from wflow.engine.facts import Fact
    from wflow.stores.store import Appended, Claim

BOOM = Failure(name="Boom", message="boom")


class Steps:
    """The steps of one instance of `orders`, under one claim after the other."""

    def __init__(self, control: SmallControl, id_: str = "main") -> None:
        self.control = control
        self.id = id_
        self.claim: Claim
        self.seq = 0

    async def begin(self) -> Steps:
        """Create the instance, and claim it."""
        from wflow.wire.types import Wanted

        await self.control.create("orders", [Wanted(id=self.id, params=b"\xc0")], trigger="api")
        await self.claimed()
        return self

    async def claimed(self) -> None:
        self.claim = await self.control.claim(self.id)
        self.seq = self.claim.seq

    async def died(self) -> None:
        """End the claim with whoever had it, and have another one."""
        self.control.holding.forget(self.claim.key, self.claim.epoch)
        await self.control.store.release([(self.claim.key, self.claim.epoch)], now=self.control.at, died=True)
        await self.claimed()

    def enter(self, step: str = "charge-1", attempt: int = 1) -> None:
        """Have all that is called from now on be called in an attempt of a step."""
        self.control.calling = {
            "instance": self.claim.key,
            "step": step,
            "attempt": attempt,
            "key": f"{self.claim.key}:{step}",
            "epoch": self.claim.epoch,
        }

    def held(self) -> Any:
        """Give what a provider gets that is asked now, and may take its time."""
        return self.control.effects(Called(method="create", arguments=[], **self.control.calling))

    def leave(self) -> None:
        """Have what is called from now on be called by a Worker."""
        self.control.calling = {}

    @property
    def kv(self) -> Any:
        return link(kv, self.control, "shop")

    @property
    def orders(self) -> Any:
        return link(workflow, self.control, "orders")

    async def settle(self, step: str = "charge-1", attempt: int = 1) -> Appended:
        return await self.say(Settled(step, "do", self.control.at, Ok(), attempt=attempt))

    async def give_up(self, step: str = "charge-1", attempt: int = 1) -> Appended:
        at = self.control.at
        return await self.say(
            Failed(step, attempt, at, at, BOOM), Settled(step, "do", at, Err(BOOM), attempt=attempt)
        )

    async def fail(self, step: str = "charge-1", attempt: int = 1, failure: Failure = BOOM) -> Appended:
        at = self.control.at
        return await self.say(Failed(step, attempt, at, at, failure, at))

    async def say(self, *told: Fact) -> Appended:
        """Commit facts, as the fleet does; then nothing is called in a step any more."""
        key = self.claim.key
        rows = [
            (key, seq, facts.tag(fact), self.control.at, facts.encode(fact))
            for seq, fact in enumerate(told, self.seq + 1)
        ]
        self.seq += len(rows)
        batch = self.control.holding.joined(Batch(claims=[(key, self.claim.epoch)], rows=rows))
        appended = await self.control.store.append(batch)
        self.control.holding.committed(batch)
        self.leave()
        return appended
