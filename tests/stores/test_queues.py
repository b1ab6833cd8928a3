"""What every store does with messages; and what it does in any order, beside a model of plain lists."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.stores.shop import Shop
from wflow.errors import StoreError, TooMany
from wflow.stores import _sqlite_queues, queues
from wflow.stores import statements as sql
from wflow.stores.queues import Backlog, Dead, Handled, Leased, Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.stores.queues import Queues

FAR = 10**12


def message(name: str, queue: str = "jobs", at: int = 1, **more: Any) -> Message:
    """Make a message whose id and body are its name."""
    given = {"due_at": at, "expires_at": FAR, "content_type": "text", **more}
    return Message(queue=queue, id=name, body=name.encode(), at=at, **given)


async def send(shop: Shop, *names: str, **more: Any) -> None:
    await shop.store.queues.send([message(name, **more) for name in names])


async def lease(shop: Shop, limit: int = 10, *, now: int = 10, **more: Any) -> list[Leased]:
    return await shop.store.queues.lease(
        more.pop("queue", "jobs"), limit=limit, now=now, until=more.pop("until", None), **more
    )


def ids(leased: list[Leased]) -> list[str]:
    return [one.id for one in leased]


def gone(one: Leased) -> Handled:
    return Handled(number=one.number, attempts=one.attempts)


def again(one: Leased, due_at: int) -> Handled:
    return Handled(number=one.number, attempts=one.attempts, due_at=due_at)


def buried(one: Leased, queue: str | None, at: int = 20) -> Handled:
    dead = Dead(queue=queue, expires_at=FAR)
    return Handled(number=one.number, attempts=one.attempts, due_at=at, dead=dead)


async def test_messages_are_leased_in_the_order_in_which_they_are_due_each_once(shop: Shop):
    await send(shop, "a", "b")
    await send(shop, "late", due_at=11)
    await send(shop, "c")
    first = await lease(shop, 2)
    assert [(one.id, one.body, one.attempts, one.at, one.content_type) for one in first] == [
        ("a", b"a", 1, 1, "text"),
        ("b", b"b", 1, 1, "text"),
    ]
    assert ids(await lease(shop)) == ["c"]
    assert await lease(shop) == []
    assert ids(await lease(shop, now=11)) == ["late"]


async def test_a_queue_has_its_own_messages_only(shop: Shop):
    await send(shop, "a")
    await send(shop, "other", queue="others")
    (one,) = await lease(shop)
    assert await shop.store.queues.settle("others", [gone(one)]) == [False]
    assert ids(await lease(shop, queue="others")) == ["other"]


async def test_what_is_acknowledged_is_gone_for_good(shop: Shop):
    await send(shop, "a", "b")
    a, b = await lease(shop)
    assert await shop.store.queues.settle("jobs", [gone(a)]) == [True]
    assert await shop.store.queues.settle("jobs", [gone(a)]) == [False]
    await shop.reopen()
    assert ids(await lease(shop)) == ["b"]
    assert await shop.store.queues.settle("jobs", [gone(b)]) == [True]
    assert await shop.store.queues.backlog("jobs") == Backlog()


async def test_what_is_to_be_delivered_again_comes_with_one_more_attempt_when_it_is_due(shop: Shop):
    await send(shop, "a")
    (one,) = await lease(shop)
    assert await shop.store.queues.settle("jobs", [again(one, 15)]) == [True]
    assert await lease(shop, now=14) == []
    (two,) = await lease(shop, now=15)
    assert (two.id, two.attempts, two.number) == ("a", 2, one.number)


async def test_only_the_last_lease_decides_but_any_lease_acknowledges(shop: Shop):
    await send(shop, "a")
    (first,) = await lease(shop, until=12)
    assert await lease(shop, now=11) == []
    (second,) = await lease(shop, now=12)
    late = [again(first, 13), buried(first, "dead"), buried(first, None)]
    assert await shop.store.queues.settle("jobs", late) == [False, False, False]
    assert await shop.store.queues.settle("jobs", [gone(first)]) == [True]
    assert await shop.store.queues.settle("jobs", [again(second, 13)]) == [False]
    assert await shop.store.queues.backlog("jobs") == Backlog()


async def test_leases_that_end_with_the_process_are_over_after_it_and_others_are_not(shop: Shop):
    await send(shop, "held", "pulled", "free")
    await lease(shop, 1)
    await lease(shop, 1, until=500)
    await shop.reopen()
    found = await lease(shop)
    assert [(one.id, one.attempts) for one in found] == [("held", 2), ("free", 1)]
    assert [(one.id, one.attempts) for one in await lease(shop, now=500)] == [("pulled", 2)]


async def test_a_dead_message_moves_with_a_fresh_count_or_is_gone(shop: Shop):
    await send(shop, "a", "b")
    a, b = await lease(shop)
    assert await shop.store.queues.settle("jobs", [buried(a, "dead"), buried(b, None)]) == [True, True]
    assert await shop.store.queues.backlog("jobs") == Backlog()
    assert await shop.store.queues.backlog("dead") == Backlog(messages=1, bytes=1, oldest_at=1)
    assert await shop.store.queues.settle("jobs", [gone(a)]) == [False], "it is in another queue now"
    assert [(one.id, one.attempts) for one in await lease(shop, queue="dead", now=20)] == [("a", 1)]


async def test_a_lease_passes_over_those_that_were_tried_too_often(shop: Shop):
    await send(shop, *"abcd")
    await lease(shop, 3, until=0)
    dead = Dead(queue="dead", expires_at=FAR)
    found = await lease(shop, 2, now=12, attempts=1, dead=dead)
    assert [(one.id, one.attempts) for one in found] == [("d", 1)]
    assert sorted(ids(await lease(shop, queue="dead", now=12))) == ["a", "b", "c"]


async def test_expired_messages_are_not_delivered_and_are_deleted_in_pieces(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_sqlite_queues, "GONE", 2)
    await send(shop, *"abcde", expires_at=10)
    await send(shop, "stays", expires_at=11)
    assert ids(await lease(shop)) == ["stays"]
    assert await shop.store.queues.lapse(now=10, limit=3) == 3
    assert await shop.store.queues.lapse(now=10, limit=100) == 2
    assert (await shop.store.queues.backlog("jobs")).messages == 1


async def test_a_purge_deletes_what_is_there_leased_or_not(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_sqlite_queues, "GONE", 2)
    await send(shop, *"abcde")
    await send(shop, "other", queue="others")
    (one,) = await lease(shop, 1)
    assert await shop.store.queues.purge("jobs") == 5
    assert await shop.store.queues.settle("jobs", [again(one, 1)]) == [False]
    assert await shop.store.queues.backlog("jobs") == Backlog()
    assert await shop.store.queues.purge("jobs") == 0
    assert ids(await lease(shop, queue="others")) == ["other"]


async def test_a_number_is_never_used_again(shop: Shop):
    await send(shop, "a")
    (a,) = await lease(shop)
    await shop.store.queues.settle("jobs", [gone(a)])
    await shop.reopen()
    await send(shop, "b")
    await lease(shop)
    assert await shop.store.queues.settle("jobs", [gone(a)]) == [False], "it is of another message"


async def test_sending_tells_the_backlog_and_a_full_queue_takes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_sqlite_queues, "BACKLOG_BYTES", 5)
    assert await shop.store.queues.send([message("aaaa", at=7)]) == {
        "jobs": Backlog(messages=1, bytes=4, oldest_at=7)
    }
    with pytest.raises(TooMany, match="Storage Limit Exceeded"):
        await shop.store.queues.send([message("b", queue="others"), message("c"), message("d")])
    assert await shop.store.queues.backlog("others") == Backlog()
    assert (await shop.store.queues.send([message("e")]))["jobs"].bytes == 5


async def test_when_the_next_messages_are_due_is_told_without_those_that_are_held(shop: Shop):
    await send(shop, "a")
    await lease(shop)
    await send(shop, "b", due_at=30)
    await send(shop, "c", due_at=20)
    assert await shop.store.queues.due("jobs", limit=10) == [20, 30]
    assert await shop.store.queues.due("jobs", limit=1) == [20]
    assert await shop.store.queues.due("others", limit=1) == []


async def test_messages_are_shown_without_being_leased(shop: Shop):
    await send(shop, "held", "a")
    await lease(shop, 1)
    await send(shop, "later", due_at=30)
    found = await shop.store.queues.peek("jobs", limit=5)
    assert [(one.id, one.attempts, one.body) for one in found] == [("a", 0, b"a"), ("later", 0, b"later")]
    assert ids(await shop.store.queues.peek("jobs", limit=1)) == ["a"]
    assert ids(await lease(shop)) == ["a"]


async def test_who_waits_for_messages_hears_of_those_that_are_sent_and_of_dead_ones(shop: Shop):
    heard: list[str] = []
    shop.store.queues.on_arrival(heard.append)
    await send(shop, "a")
    await asyncio.sleep(0)
    assert heard == ["jobs"]
    (one,) = await lease(shop)
    await shop.store.queues.settle("jobs", [buried(one, "dead")])
    assert heard == ["jobs", "dead"]


async def test_who_waits_for_messages_hears_of_those_that_somebody_gives_back(shop: Shop):
    await send(shop, "a", "b")
    heard: list[str] = []
    one, other = await lease(shop)
    shop.store.queues.on_arrival(heard.append)
    await shop.store.queues.settle("jobs", [gone(one)])
    assert heard == []
    await shop.store.queues.settle("jobs", [again(other, 20)])
    assert heard == ["jobs"]


async def test_a_message_is_heard_of_though_its_sender_has_gone(shop: Shop):
    heard = asyncio.Event()
    shop.store.queues.on_arrival(lambda _: heard.set())
    sending = asyncio.ensure_future(shop.store.queues.send([message("a")]))
    await asyncio.sleep(0)
    sending.cancel()
    await heard.wait()
    assert ids(await lease(shop)) == ["a"]


async def test_a_message_that_the_database_cannot_take_leaves_nothing(shop: Shop):
    with pytest.raises(StoreError):
        await shop.store.queues.send([message("a"), message("b", expires_at=None)])
    assert await lease(shop) == []


async def test_a_lease_costs_the_same_behind_a_long_backlog(shop: Shop):
    plan = [
        str(row)
        for statement, given in (
            (sql.NEXT_MESSAGES, {"queue": "jobs", "now": 1, "limit": 1}),
            (sql.MESSAGES_DUE, ("jobs", 1, 1)),
            (sql.BACKLOG, ("jobs",)),
            (sql.EXPIRE_MESSAGES, (1, 1)),
            (sql.PURGE, ("jobs", 1, 1)),
            (sql.LET_GO, (1,)),
        )
        for row in shop.store._db.execute(f"EXPLAIN QUERY PLAN {statement}", given)  # type: ignore[attr-defined]
    ]
    assert [row for row in plan if "SCAN messages" in row or "TEMP B-TREE" in row] == []


# -- any order -----------------------------------------------------------------------------------------------


@dataclass
class Modelled:
    """A message as the model knows it."""

    id: str
    queue: str
    due_at: int
    expires_at: int
    attempts: int = 0
    held: bool = False
    until: int = 0


class Machine(RuleBasedStateMachine):
    """Sends, leases, settles, restarts and purges in any order; the store must say what the model says."""

    url: Callable[[], str]

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.shop = Shop(type(self).url())
        self.runner.run(self.shop.open())
        self.now = 10
        self.count = 0
        self.kept: list[Modelled] = []
        self.leases: list[tuple[str, Leased]] = []

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.shop.close())
            self.runner.close()

    @property
    def queues(self) -> Queues:
        return self.shop.store.queues

    @rule(
        queue=st.sampled_from(["jobs", "dead"]),
        count=st.integers(1, 4),
        delay=st.integers(0, 5),
        keep=st.integers(1, 20),
    )
    def send(self, queue: str, count: int, delay: int, keep: int) -> None:
        names = [f"m{self.count + n}" for n in range(count)]
        self.count += count
        due_at, expires_at = self.now + delay, self.now + keep
        sent = [message(name, queue, self.now, due_at=due_at, expires_at=expires_at) for name in names]
        self.runner.run(self.queues.send(sent))
        self.kept += [Modelled(name, queue, due_at, expires_at) for name in names]

    @rule(
        queue=st.sampled_from(["jobs", "dead"]),
        limit=st.integers(1, 5),
        lasts=st.none() | st.integers(0, 6),
        tries=st.none() | st.integers(1, 3),
    )
    def lease(self, queue: str, limit: int, lasts: int | None, tries: int | None) -> None:
        dead = Dead(queue="dead", expires_at=self.now + 20) if tries and queue == "jobs" else None
        until = None if lasts is None else self.now + lasts
        found = self.runner.run(
            self.queues.lease(queue, limit=limit, now=self.now, until=until, attempts=tries, dead=dead)
        )
        wanted: list[Modelled] = []
        while not wanted:
            page = self._next(queue, limit)
            if dead is None or tries is None:
                wanted = page
                break
            wanted = [one for one in page if one.attempts < tries]
            for one in page:
                if one.attempts >= tries:
                    self._bury(one)
            if not page:
                break
        for one in wanted:
            one.attempts += 1
            one.held, one.due_at = until is None, one.due_at if until is None else until
        assert [(one.id, one.attempts) for one in found] == [(one.id, one.attempts) for one in wanted]
        self.leases += [(queue, one) for one in found]

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), what=st.sampled_from(["ack", "again", "bury", "discard"]), delay=st.integers(0, 5))
    def settle(self, data: st.DataObject, what: str, delay: int) -> None:
        queue, lease = data.draw(st.sampled_from(self.leases))
        at = self.now + delay
        handled = {
            "ack": gone(lease),
            "again": again(lease, at),
            "bury": buried(lease, "dead", at),
            "discard": buried(lease, None, at),
        }[what]
        (told,) = self.runner.run(self.queues.settle(queue, [handled]))
        known = [one for one in self.kept if one.id == lease.id and one.queue == queue]
        known = [one for one in known if what == "ack" or one.attempts == lease.attempts]
        assert told == bool(known)
        for one in known:
            match what:
                case "ack" | "discard":
                    self.kept.remove(one)
                case "again":
                    one.due_at, one.held = at, False
                case "bury":
                    one.queue, one.attempts = "dead", 0
                    one.due_at, one.held, one.expires_at = at, False, FAR

    @rule(queue=st.sampled_from(["jobs", "dead"]))
    def purge(self, queue: str) -> None:
        there = [one for one in self.kept if one.queue == queue]
        assert self.runner.run(self.queues.purge(queue)) == len(there)
        self.kept = [one for one in self.kept if one.queue != queue]

    @rule(limit=st.integers(1, 20))
    def lapse(self, limit: int) -> None:
        over = [one for one in self.kept if one.expires_at <= self.now]
        if limit >= len(over):
            assert self.runner.run(self.queues.lapse(now=self.now, limit=limit)) == len(over)
            self.kept = [one for one in self.kept if one.expires_at > self.now]

    @rule(by=st.integers(1, 8))
    def wait(self, by: int) -> None:
        self.now += by

    @rule()
    def restart(self) -> None:
        self.runner.run(self.shop.reopen())
        for one in self.kept:
            if one.held:
                one.held, one.due_at = False, 0

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "runner"):
            return
        for queue in ("jobs", "dead"):
            there = [one for one in self.kept if one.queue == queue]
            backlog = self.runner.run(self.queues.backlog(queue))
            assert backlog.messages == len(there)
            assert backlog.bytes == sum(len(one.id) for one in there)
            due = sorted(one.due_at for one in there if not one.held)
            assert self.runner.run(self.queues.due(queue, limit=5)) == due[:5]

    def _next(self, queue: str, limit: int) -> list[Modelled]:
        there = [
            one
            for one in self.kept
            if one.queue == queue and not one.held and one.due_at <= self.now < one.expires_at
        ]
        return sorted(there, key=lambda one: (one.due_at, int(one.id[1:])))[:limit]

    def _bury(self, one: Modelled) -> None:
        one.queue, one.attempts, one.due_at = "dead", 0, self.now
        one.expires_at = self.now + 20


def test_in_any_order_a_queue_does_what_its_model_does(urls: Callable[[], str]):
    machine = type("Here", (Machine,), {"url": staticmethod(urls)})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=max(30, settings().max_examples // 3), stateful_step_count=25)
    )


def test_the_limit_of_a_backlog_is_cloudflares():
    assert queues.BACKLOG_BYTES == 25_000_000_000
