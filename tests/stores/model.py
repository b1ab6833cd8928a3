"""What a store does with instances, claims and events, as plain lists: the store must do the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.stores.shop import Shop, line, new
from wflow.engine import status
from wflow.engine.facts import Received
from wflow.errors import InstanceEnded
from wflow.stores.store import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

TYPES = st.sampled_from(["paid", "shipped"])
TICKS = st.integers(0, 3)


@dataclass
class Modelled:
    """An instance, as far as the model knows."""

    key: int
    id: str
    status: str = status.QUEUED
    claim: Claim | None = None
    wake_at: int | None = None
    awaits: tuple[str, ...] = ()
    length: int = 0
    inbox: list[Received] = field(default_factory=list)


class StoreAgainstModel(RuleBasedStateMachine):
    """Does the same to a store and to its model, and compares what both say."""

    instances = Bundle("instances")
    claims = Bundle("claims")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.shop = Shop(url)
        self.run(self.shop.open())
        self.now = 0
        self.model: dict[int, Modelled] = {}
        self.numbers = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    def teardown(self) -> None:
        self.run(self.shop.close())
        self.loop.close()

    # -- what can be done

    @initialize(target=instances)
    def begin(self) -> Any:
        return self.create(2)

    @rule(target=instances, count=st.integers(1, 3))
    def create(self, count: int) -> Any:
        ids = [f"i{self.numbers + n}" for n in range(count)]
        self.numbers += count
        keys = self.run(self.shop.create(*ids, at=self.now))
        for key, id_ in zip(keys, ids, strict=True):
            self.model[key] = Modelled(key, id_)
        return multiple(*keys)

    @rule(key=instances)
    def create_again(self, key: int) -> None:
        if key in self.model:
            assert self.run(self.shop.store.create([new(self.model[key].id)])) == [None]

    @rule(ticks=TICKS)
    def wait(self, ticks: int) -> None:
        self.now += ticks

    @rule(target=claims, count=st.integers(0, 4))
    def claim(self, count: int) -> Any:
        due = [one for one in self.model.values() if one.wake_at is not None and one.wake_at <= self.now]
        due.sort(key=lambda one: (one.wake_at, one.key))
        queued = [one for one in self.model.values() if one.status == status.QUEUED]
        wanted = [*due, *sorted(queued, key=lambda one: one.key)][:count]
        claims: list[Claim] = self.run(self.shop.claim(count, now=self.now))
        assert [claim.key for claim in claims] == [one.key for one in wanted]
        for one, claim in zip(wanted, claims, strict=True):
            assert (claim.seq, claim.has_events) == (one.length, bool(one.inbox))
            one.claim, one.wake_at, one.awaits = claim, None, ()
            if one.status != status.PAUSING:
                one.status = status.RUNNING
        return multiple(*claims)

    @rule(claim=claims, count=st.integers(1, 3), off=st.sampled_from([0, 0, 0, 1, -1]))
    def say(self, claim: Claim, count: int, off: int) -> None:
        one = self.held(claim)
        after = (one.length if one else claim.seq) + off
        refused = self.run(self.shop.say(claim, *[line("x")] * count, after=after))
        if one is None or off:
            assert refused == [claim.key]
        else:
            assert refused == []
            one.length += count

    @rule(claim=claims)
    def receive(self, claim: Claim) -> None:
        one = self.held(claim)
        past = self.run(self.shop.store.load({claim.key: 0}))[claim.key]
        refused = self.run(self.shop.say(claim, *past.events, after=past.seq))
        if one is None:
            assert refused == [claim.key]
        else:
            assert refused == []
            one.length += len(one.inbox)
            one.inbox = []

    @rule(claim=claims, ticks=TICKS, awaits=st.lists(TYPES, unique=True))
    def rest(self, claim: Claim, ticks: int, awaits: list[str]) -> None:
        one = self.held(claim)
        refused = self.run(self.shop.rest(claim, self.now + ticks, *awaits, at=self.now))
        assert refused == ([] if one else [claim.key])
        if one is None:
            return
        one.claim = None
        if one.status == status.PAUSING:
            one.status = status.PAUSED
            return
        there = any(event.type in awaits for event in one.inbox)
        one.status, one.awaits = status.WAITING, tuple(awaits)
        one.wake_at = self.now if there else self.now + ticks

    @rule(claim=claims, ended=st.sampled_from([status.COMPLETE, status.ERRORED, None]))
    def end(self, claim: Claim, ended: str | None) -> None:
        one = self.held(claim)
        if ended is None:
            refused = self.run(self.shop.hold(claim, at=self.now))
        else:
            refused = self.run(self.shop.end(claim, ended, at=self.now))
        assert refused == ([] if one else [claim.key])
        if one is not None:
            one.claim, one.status = None, ended or status.PAUSED
            if ended:
                one.inbox = []

    @rule(claim=consumes(claims))
    def release(self, claim: Claim) -> None:
        one = self.held(claim)
        self.run(self.shop.store.release([(claim.key, claim.epoch)], now=self.now))
        if one is not None:
            one.claim, one.wake_at = None, self.now

    @rule(key=instances, verb=st.sampled_from(["terminate", "pause", "pause", "resume", "resume"]))
    def move(self, key: int, verb: str) -> None:
        if (one := self.model.get(key)) is None:
            return
        after = status.after(one.status, verb)
        if after is None:
            try:
                self.run(self.shop.store.move(key, verb, now=self.now))
            except InstanceEnded:
                return
            raise AssertionError(f"{one.status} is no status to {verb} from")
        assert self.run(self.shop.store.move(key, verb, now=self.now)).status == after
        one.status, one.claim, one.awaits, one.length = after, None, (), one.length + 1
        one.wake_at = self.now if after in {status.PAUSING, status.RUNNING} else None
        if after in status.ENDED:
            one.inbox = []

    @rule(key=instances, type_=TYPES)
    def deliver(self, key: int, type_: str) -> None:
        if (one := self.model.get(key)) is None or one.status in status.ENDED:
            return
        delivery = self.run(self.shop.store.deliver(key, type_, b"", now=self.now))
        assert delivery.claimed is (one.claim is not None)
        one.inbox.append(delivery.event)
        if type_ in one.awaits and one.wake_at is not None:
            one.wake_at = min(one.wake_at, self.now)

    @rule(key=consumes(instances))
    def delete(self, key: int) -> None:
        expected = 1 if self.model.pop(key, None) else 0
        assert self.run(self.shop.store.delete([key])) == expected

    @rule()
    def restart(self) -> None:
        self.run(self.shop.reopen())
        for one in self.model.values():
            if one.claim is not None:
                one.claim, one.wake_at = None, 0

    def held(self, claim: Claim) -> Modelled | None:
        """Find the instance that a claim holds still."""
        one = self.model.get(claim.key)
        return one if one is not None and one.claim == claim else None

    # -- what must be the same at any time

    @invariant()
    def lists_are_the_same(self) -> None:
        found = self.run(self.shop.store.find("shop", newest_first=False, limit=1000))
        assert [(each.key, each.id, each.status, each.wake_at) for each in found] == [
            (one.key, one.id, one.status, one.wake_at)
            for one in sorted(self.model.values(), key=lambda one: one.key)
        ]

    @invariant()
    def pasts_are_the_same(self) -> None:
        pasts = self.run(self.shop.store.load(dict.fromkeys(self.model, 0)))
        for one in self.model.values():
            past = pasts[one.key]
            assert (past.seq, len(past.records)) == (one.length, one.length)
            assert [event.event for event in past.events] == [event.event for event in one.inbox]

    @invariant()
    def the_next_instant_is_the_same(self) -> None:
        due = [one.wake_at for one in self.model.values() if one.wake_at is not None]
        assert self.run(self.shop.store.due_at(["shop"])) == min(due, default=None)


def play(urls: Callable[[], str]) -> None:
    """Let Hypothesis play, on a new store each time; shorter than elsewhere, as each step is on disk."""
    shorter = settings(max_examples=settings().max_examples // 5, stateful_step_count=30)
    run_state_machine_as_test(lambda: StoreAgainstModel(urls()), settings=shorter)  # type: ignore[arg-type]
