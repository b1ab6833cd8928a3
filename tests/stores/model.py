"""What a store does with instances, claims, events and families, as plain lists: it must do the same."""

from __future__ import annotations

import asyncio
from collections import Counter
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
from wflow.engine import requests, status
from wflow.engine.changes import Ended, Told
from wflow.engine.facts import Logged
from wflow.errors import InstanceEnded, StoreError, WrongMove
from wflow.stores.store import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from wflow.engine.facts import Fact
    from wflow.stores.store import Delivery

PAID = "paid"
TYPES = st.sampled_from([PAID, "shipped", requests.CANCEL, requests.ROLL_BACK])
AWAITED = st.sampled_from([PAID, "shipped", ".child-a", ".child-b"])
TICKS = st.integers(0, 3)
TAGS = ["red", "blue"]
RETENTION = st.none() | st.integers(0, 5)
KEYS = st.sampled_from(["ann", "ann", "bob", None])

Heard = tuple[int, str]
"""An event for an instance: its key, and the event's type."""


@dataclass
class Modelled:
    """An instance, as far as the model knows.

    ``said`` counts the lines of log in its journal, ``heard`` are the ends of children that are in it.
    """

    key: int
    id: str
    status: str = status.QUEUED
    claim: Claim | None = None
    wake_at: int | None = None
    died: bool = False
    awaits: tuple[str, ...] = ()
    last: int = 0
    records: int = 0
    said: int = 0
    heard: set[str] = field(default_factory=set)
    inbox: list[str] = field(default_factory=list)
    tags: tuple[str, ...] = ()
    keep: tuple[int | None, int | None] = (None, None)
    expires_at: int | None = None
    parent: int | None = None
    awaited: str = ""
    follows: bool = False
    version: str = "v1"
    priority: int = 3
    under: str | None = None

    @property
    def over(self) -> bool:
        return self.status in status.ENDED

    def let_go(self, to: str, wake_at: int | None = None, awaits: Sequence[str] = ()) -> None:
        """End the claim."""
        self.status, self.claim, self.wake_at, self.awaits = to, None, wake_at, tuple(awaits)
        self.died = False

    def record(self, count: int = 1) -> None:
        self.last += count
        self.records += count


class StoreAgainstModel(RuleBasedStateMachine):
    """Does the same to a store and to its model, and compares what both say."""

    instances = Bundle("instances")
    claims = Bundle("claims")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.shop = Shop(url)
        self.poisoned = False
        self.run(self.shop.open())
        self.now = 1
        self.model: dict[int, Modelled] = {}
        self.numbers = 0
        self.moves = 1
        self.per_key: int | None = 1

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        poisoned, self.poisoned = self.poisoned, False
        return self.loop.run(self.beside_poison(work) if poisoned else work)

    def look(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Read something between two operations."""
        return self.loop.run(work)

    async def beside_poison(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in a transaction that is run twice, as part of it is refused by the database."""
        asked = asyncio.ensure_future(work)
        poison = asyncio.ensure_future(self.shop.store.note([(None, 1, b"")]))  # type: ignore[list-item]
        await asyncio.wait([asked, poison])
        assert isinstance(poison.exception(), StoreError)
        return asked.result()

    def teardown(self) -> None:
        self.run(self.shop.close())
        self.loop.close()

    # -- what can be done

    @initialize(target=instances)
    def begin(self) -> Any:
        return multiple(*(self.made() for _ in range(2)))

    @rule(target=instances, tags=st.sets(st.sampled_from(TAGS)), success=RETENTION, error=RETENTION)
    def create(self, tags: set[str], success: int | None, error: int | None) -> Any:
        kept = {"success_retention_ms": success, "error_retention_ms": error}
        return self.made(tags=tuple(sorted(tags)), keep=(success, error), **kept)

    @rule(target=instances, priority=st.integers(1, 5), under=KEYS)
    def create_in_line(self, priority: int, under: str | None) -> Any:
        return self.made(priority=priority, concurrency_key=under)

    @rule(
        target=instances,
        parent=instances,
        awaited=st.sampled_from([".child-a", ".child-b"]),
        follows=st.booleans(),
    )
    def bear(self, parent: int, awaited: str, follows: bool) -> Any:  # noqa: FBT001
        key = self.made(parent=parent, awaited=awaited, follows=follows)
        of = self.model.get(parent)
        if follows and (of is None or of.over):
            self.put(key, requests.CANCEL)
        return key

    @rule(key=instances)
    def create_again(self, key: int) -> None:
        if key in self.model:
            assert self.run(self.shop.store.create([new(self.model[key].id)])) == [None]

    @rule()
    def poison(self) -> None:
        self.poisoned = True

    @rule(ticks=TICKS)
    def wait(self, ticks: int) -> None:
        self.now += ticks

    @rule(target=claims, count=st.integers(0, 4), new=st.none() | st.integers(0, 2))
    def claim(self, count: int, new: int | None) -> Any:
        wanted = self.next_in_line(count, count if new is None else new)
        bounds: dict[str, Any] = {"new": None if new is None else {"shop": new}}
        bounds["per_key"] = None if self.per_key is None else {"shop": self.per_key}
        claims: list[Claim] = self.run(self.shop.claim(count, now=self.now, **bounds))
        assert [claim.key for claim in claims] == [one.key for one in wanted]
        for one, claim in zip(wanted, claims, strict=True):
            assert claim.queued is (one.status == status.QUEUED)
            assert (claim.seq, claim.has_events, claim.died) == (one.last, bool(one.inbox), one.died)
            assert claim.pausing is (one.status == status.PAUSING)
            kept = one.status in {status.PAUSING, status.ROLLING_BACK}
            one.let_go(one.status if kept else status.RUNNING)
            one.claim = claim
        return multiple(*claims)

    @rule(per_key=st.none() | st.integers(1, 3))
    def bound(self, per_key: int | None) -> None:
        self.per_key = per_key

    @rule(claim=claims, count=st.integers(1, 3), off=st.sampled_from([0, 0, 0, 1, -1]))
    def say(self, claim: Claim, count: int, off: int) -> None:
        one = self.held(claim)
        after = (one.last if one else claim.seq) + off
        refused = self.run(self.shop.say(claim, *[line("x")] * count, after=after))
        if one is None or off:
            assert refused == [claim.key]
        else:
            assert refused == []
            one.said += count
            one.record(count)

    @rule(claim=claims)
    def receive(self, claim: Claim) -> None:
        one = self.held(claim)
        past = self.run(self.shop.store.load({claim.key: 0}))[claim.key]
        refused = self.run(self.shop.say(claim, *past.events, after=past.seq))
        if one is None:
            assert refused == [claim.key]
        else:
            assert refused == []
            one.record(len(one.inbox))
            one.heard |= {type_ for type_ in one.inbox if type_.startswith(requests.CHILD)}
            one.inbox = []

    @rule(claim=claims, tags=st.none() | st.sets(st.sampled_from(TAGS)))
    def tell(self, claim: Claim, tags: set[str] | None) -> None:
        one = self.held(claim)
        listed = None if tags is None else sorted(tags)
        refused = self.run(self.shop.say(claim, change=Told(claim.key, self.now, b"x", listed)))
        assert refused == ([] if one else [claim.key])
        if one is not None and listed is not None:
            one.tags = tuple(listed)

    @rule(claim=claims, ticks=TICKS, awaits=st.lists(AWAITED, unique=True))
    def rest(self, claim: Claim, ticks: int, awaits: list[str]) -> None:
        one = self.held(claim)
        refused = self.run(self.shop.rest(claim, self.now + ticks, *awaits, at=self.now))
        assert refused == ([] if one else [claim.key])
        if one is None:
            return
        asked = any(requests.is_request(type_) for type_ in one.inbox)
        if one.status == status.PAUSING:
            one.let_go(status.PAUSED, self.now if asked else None)
            one.record()
            return
        there = asked or any(type_ in awaits for type_ in one.inbox)
        to = status.MOVES[one.status]["rest"]
        one.let_go(to, self.now if there else self.now + ticks, awaits)

    @rule(claim=claims)
    def roll_back(self, claim: Claim) -> None:
        one = self.held(claim)
        assert self.run(self.shop.roll(claim, at=self.now)) == ([] if one else [claim.key])
        if one is not None:
            one.status = status.ROLLING_BACK

    @rule(claim=claims, ended=st.sampled_from([status.COMPLETE, status.ERRORED, status.TERMINATED, None]))
    def end(self, claim: Claim, ended: str | None) -> None:
        one = self.held(claim)
        if ended is None:
            assert self.run(self.shop.hold(claim, at=self.now)) == ([] if one else [claim.key])
            if one is not None:
                one.let_go(status.PAUSED)
            return
        change = Ended(claim.key, self.now, ended)
        appended = self.run(self.shop.append(claim, changes=[change], after=0))
        assert appended.refused == ([] if one else [claim.key])
        assert told(appended.deliveries) == ([] if one is None else self.ends(one, ended))

    @rule(claim=consumes(claims), died=st.booleans())
    def release(self, claim: Claim, died: bool) -> None:  # noqa: FBT001
        one = self.held(claim)
        self.run(self.shop.store.release([(claim.key, claim.epoch)], now=self.now, died=died))
        if one is not None:
            one.claim, one.wake_at, one.died = None, 0 if died else self.now, died

    @rule(key=instances, verb=st.sampled_from(["terminate", "pause", "pause", "resume", "resume"]))
    def move(self, key: int, verb: str) -> None:
        if (one := self.model.get(key)) is None:
            return
        before, after = one.status, status.after(one.status, verb)
        if after is None:
            try:
                self.run(self.shop.store.move(key, verb, now=self.now))
            except WrongMove:
                return
            raise AssertionError(f"{one.status} is no status to {verb} from")
        moving = self.run(self.shop.store.move(key, verb, now=self.now))
        assert moving.instance.status == after
        if (before, verb) in {(status.RUNNING, "pause"), (status.PAUSING, "resume")}:
            assert moving.held is (one.claim is not None)
            one.status = after
            if one.claim is None:
                one.record()
            return
        one.record()
        assert not moving.held
        if after in status.ENDED:
            assert told(moving.deliveries) == self.ends(one, after)
            return
        asked = after == status.PAUSED and any(requests.is_request(type_) for type_ in one.inbox)
        one.let_go(after, self.now if asked else None)

    @rule(key=instances, cut=st.booleans())
    def restart(self, key: int, cut: bool) -> None:  # noqa: FBT001
        if (one := self.model.get(key)) is None:
            return
        how = {"cut": lines} if cut else {}
        work = self.shop.store.restart(key, version="v1", seed=b"", now=self.now, **how)
        if one.status == status.ROLLING_BACK:
            try:
                self.run(work)
            except WrongMove:
                return
            raise AssertionError("what rolls back cannot be restarted")
        moving = self.run(work)
        one.let_go(status.QUEUED)
        one.version = "v1"
        if cut:
            one.records -= one.said
        else:
            one.records, one.heard = 0, set()
        one.inbox = [type_ for type_ in one.inbox if type_ in one.heard]
        assert told(moving.deliveries) == self.part(one)
        one.said, one.expires_at = 0, None
        one.record()

    @rule(key=instances, off=st.sampled_from([0, 0, 0, 1, -1]))
    def migrate(self, key: int, off: int) -> None:
        if (one := self.model.get(key)) is None:
            return
        self.moves += 1
        version = f"v{self.moves}"
        work = self.shop.store.migrate(key, version=version, seq=one.last + off, now=self.now)
        if one.over:
            try:
                self.run(work)
            except InstanceEnded:
                return
            raise AssertionError("what is over cannot be put on another version")
        moving = self.run(work)
        assert (moving is None) is (one.claim is not None or bool(off))
        if moving is not None:
            one.version = version
            one.record()

    @rule(key=instances, type_=TYPES)
    def deliver(self, key: int, type_: str) -> None:
        if (one := self.model.get(key)) is None or one.over:
            return
        delivery = self.run(self.shop.store.deliver(key, type_, b"", now=self.now))
        assert delivery.claimed is (one.claim is not None)
        self.put(key, type_)

    @rule(keys=st.lists(consumes(instances), min_size=1, max_size=2))
    def delete(self, keys: list[int]) -> None:
        gone = [one for key in keys if (one := self.model.pop(key, None)) is not None]
        deliveries = self.run(self.shop.store.delete(keys, now=self.now))
        unfinished = [one for one in gone if not one.over]
        heard = [each for one in unfinished for each in self.tell_parent(one)]
        assert told(deliveries) == heard + self.ask_followers([one.key for one in unfinished])

    @rule(limit=st.integers(1, 2))
    def retire(self, limit: int) -> None:
        late = [
            one for one in self.model.values() if one.expires_at is not None and one.expires_at <= self.now
        ]
        late.sort(key=lambda one: (one.expires_at, one.key))
        assert self.run(self.shop.store.retire(now=self.now, limit=limit)) == len(late[:limit])
        for one in late[:limit]:
            del self.model[one.key]

    @rule()
    def reopen(self) -> None:
        self.run(self.shop.reopen())
        for one in self.model.values():
            if one.claim is not None:
                one.claim, one.wake_at, one.died = None, 0, True

    # -- what that means

    def next_in_line(self, count: int, new: int) -> list[Modelled]:
        """Say who goes: all in one order, but for those whose key is full."""
        due = [one for one in self.model.values() if one.wake_at is not None and one.wake_at <= self.now]
        due.sort(key=lambda one: (one.wake_at, one.key))
        queued = [one for one in self.model.values() if one.status == status.QUEUED]
        queued.sort(key=lambda one: (one.priority, one.key))
        held = Counter(one.under for one in self.model.values() if one.claim is not None)
        chosen: list[Modelled] = []
        for one in (*due, *queued):
            is_over = one.status == status.QUEUED and not new
            is_full = None not in (one.under, self.per_key) and held[one.under] >= (self.per_key or 0)
            if is_over or is_full or len(chosen) == count:
                continue
            chosen.append(one)
            held[one.under] += 1
            new -= one.status == status.QUEUED
        return chosen

    def made(
        self, *, tags: tuple[str, ...] = (), keep: tuple[int | None, int | None] = (None, None), **more: Any
    ) -> int:
        self.numbers += 1
        id_ = f"i{self.numbers}"
        (key,) = self.run(self.shop.create(id_, at=self.now, tags=tags, **more))
        family = {name: more[name] for name in ("parent", "awaited", "follows", "priority") if name in more}
        under = more.get("concurrency_key")
        self.model[key] = Modelled(key, id_, tags=tags, keep=keep, under=under, **family)
        return int(key)

    def held(self, claim: Claim) -> Modelled | None:
        """Find the instance that a claim holds still."""
        one = self.model.get(claim.key)
        return one if one is not None and one.claim == claim else None

    def put(self, key: int, type_: str) -> Heard:
        """Have an event in an inbox."""
        one = self.model[key]
        is_ours = type_.startswith(".")
        if not (is_ours and type_ in one.inbox):
            one.inbox.append(type_)
        if requests.is_request(type_) and one.status == status.PAUSING:
            one.status = status.RUNNING
        if one.claim is None and one.status != status.QUEUED:
            if requests.is_request(type_):
                one.wake_at = self.now if one.wake_at is None else min(one.wake_at, self.now)
            elif type_ in one.awaits and one.wake_at is not None:
                one.wake_at = min(one.wake_at, self.now)
        return (key, type_)

    def ends(self, one: Modelled, to: str) -> list[Heard]:
        """Let an instance end, and its family hear of it."""
        one.let_go(to)
        one.inbox = []
        keep = one.keep[0 if to == status.COMPLETE else 1]
        one.expires_at = None if keep is None else self.now + keep
        return self.tell_parent(one) + self.ask_followers([one.key])

    def tell_parent(self, one: Modelled) -> list[Heard]:
        parent = None if one.parent is None else self.model.get(one.parent)
        return [] if parent is None or parent.over else [self.put(parent.key, one.awaited)]

    def ask_followers(self, keys: list[int]) -> list[Heard]:
        return [
            self.put(one.key, requests.CANCEL)
            for one in sorted(self.model.values(), key=lambda one: one.key)
            if one.parent in keys and one.follows and not one.over
        ]

    def part(self, one: Modelled) -> list[Heard]:
        """Part an instance from the children whose ends are not in what is left of its journal."""
        parted = [
            child
            for child in sorted(self.model.values(), key=lambda child: child.key)
            if child.parent == one.key and child.awaited not in one.heard
        ]
        asked = [self.put(each.key, requests.CANCEL) for each in parted if each.follows and not each.over]
        for child in parted:
            child.parent, child.awaited, child.follows = None, "", False
        return asked

    # -- what must be the same at any time

    @invariant()
    def lists_are_the_same(self) -> None:
        found = self.look(self.shop.store.find("shop", newest_first=False, limit=1000))
        assert [
            (one.key, one.id, one.status, one.version, one.wake_at, one.expires_at, one.tags, one.parent)
            for one in found
        ] == [
            (one.key, one.id, one.status, one.version, one.wake_at, one.expires_at, one.tags, one.parent)
            for one in sorted(self.model.values(), key=lambda one: one.key)
        ]
        red = self.look(self.shop.store.find("shop", tag="red", limit=1000))
        assert [one.key for one in red] == sorted(
            (one.key for one in self.model.values() if "red" in one.tags), reverse=True
        )
        further = self.look(self.shop.store.find("shop", newest_first=False, skip=2, limit=1000))
        assert [one.key for one in further] == sorted(self.model)[2:]

    @invariant()
    def tallies_are_the_same(self) -> None:
        counted = Counter(one.status for one in self.model.values())
        assert self.look(self.shop.store.counts("shop")) == counted
        needed = {one.version for one in self.model.values() if not one.over}
        assert self.look(self.shop.store.versions(["shop"])) == needed

    @invariant()
    def pasts_are_the_same(self) -> None:
        pasts = self.look(self.shop.store.load(dict.fromkeys(self.model, 0)))
        for one in self.model.values():
            past = pasts[one.key]
            assert (past.seq, len(past.records)) == (one.last, one.records)
            assert [event.type for event in past.events] == one.inbox

    @invariant()
    def the_next_instant_is_the_same(self) -> None:
        rest = [(one.wake_at, one.under) for one in self.model.values() if one.wake_at is not None]
        told = self.look(self.shop.store.due_at(["shop"]))
        if told != min((at for at, _ in rest), default=None):
            # What is due already and waits for others of its key is not spoken of.
            spoken = [at for at, under in rest if under is None or at > self.now]
            assert told in [at for at, _ in rest] or told is None
            assert all(told is not None and told <= at for at in spoken)


def told(deliveries: list[Delivery]) -> list[Heard]:
    """Name what was delivered."""
    return [(one.key, one.event.type) for one in deliveries]


def lines(journal: Sequence[tuple[int, Fact]]) -> list[int]:
    """Cut all that was logged."""
    return [seq for seq, fact in journal if isinstance(fact, Logged)]


def play(urls: Callable[[], str]) -> None:
    """Let Hypothesis play, on a new store each time; shorter than elsewhere, as each step is on disk."""
    shorter = settings(max_examples=settings().max_examples // 3, stateful_step_count=30)
    run_state_machine_as_test(lambda: StoreAgainstModel(urls()), settings=shorter)  # type: ignore[arg-type]
