"""How batches are made, handed over and settled: on a real store, with hands that do what the test says."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.runner.stage import build, meanwhile, until
from wflow import stores
from wflow.bindings import queue_records as records
from wflow.bindings.binding import Raised
from wflow.engine.outcome import Failure
from wflow.errors import LinkError, LoadError, StoreError
from wflow.runner import queues_delivery
from wflow.runner.asked import Ended
from wflow.runner.queues_delivery import Around, Delivery
from wflow.runner.registry import Registry
from wflow.runtime import clock
from wflow.stores.queues import Message

JOBS, DEAD = records.id_of("jobs"), records.id_of("dead")
FINE: dict[str, Any] = {"retries": [], "raised": None}


class Hands:
    """A fleet whose runtimes answer what the test puts into ``answers``, or that all is fine."""

    def __init__(self):
        self.batches = []
        self.answers: deque[Any] = deque()
        self.told = []
        self.handlers = ["queue"]
        self.broken = None
        self.asked = 0
        self.at_once = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def peer(self, version):
        self.asked += 1
        if self.broken is not None:
            raise self.broken
        return SimpleNamespace(handlers=self.handlers)

    async def handle(self, version, kind, event):
        assert (kind, event["queue"]) == ("queue", "jobs")
        self.batches.append([(id_, attempts) for id_, _, attempts, _, _ in event["messages"]])
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.gate.wait()
            answer = self.answers.popleft() if self.answers else FINE
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.at_once -= 1

    def tell(self, level, text):
        self.told.append(text)


class Post:
    """A queue `jobs`, and somebody who takes its messages to the hands."""

    def __init__(self, store, **settings):
        self.store = store
        hands: Any = Hands()
        self.hands = hands
        self.lines: list[Any] = []
        notes: Any = SimpleNamespace(add=self.lines.append)
        registry = Registry()
        registry.activate(build(version="v1"))
        self.around = Around(
            store=store,
            registry=registry,
            fleet=hands,
            notes=notes,
            now=clock.now,
        )
        given = {"batch_size": 2, "max_wait_time_ms": 0, "max_retries": 2, **settings}
        self.delivery = Delivery(
            records.Record(id=JOBS, name="jobs", created_at=1, modified_at=1),
            records.Consumer(id="c", script="shop", **given),
            self.around,
        )
        store.queues.on_arrival(lambda queue: self.delivery.wake() if queue == JOBS else None)

    async def send(self, *names):
        at = clock.now()
        expires_at = at + 600_000
        await self.store.queues.send(
            [
                Message(
                    queue=JOBS, id=n, content_type="text", body=b"1", at=at, due_at=at, expires_at=expires_at
                )
                for n in names
            ]
        )

    async def count(self, queue=JOBS):
        return (await self.store.queues.backlog(queue)).messages

    async def empty(self, queue=JOBS):
        async def is_empty():
            return not await self.count(queue)

        await until(is_empty, "the queue to be empty")

    async def batches(self, count):
        await until(lambda: len(self.hands.batches) >= count, f"{count} batches")
        return self.hands.batches


def on_post(tmp_path, story, **settings):
    """Run a story with a delivery that has begun."""

    async def told():
        store = await stores.connect(f"sqlite://{tmp_path}")
        post = Post(store, **settings)
        post.delivery.start()
        try:
            await story(post)
        finally:
            await post.delivery.close()
            await store.close()

    asyncio.run(told())


def test_a_full_batch_goes_at_once_and_one_that_is_not_waits_for_its_time(tmp_path):
    async def story(post):
        await post.send("a", "b", "c")
        assert await post.batches(1) == [[("a", 1), ("b", 1)]]
        await meanwhile(0.02)
        assert len(post.hands.batches) == 1
        await post.send("d")
        assert (await post.batches(2))[1] == [("c", 1), ("d", 1)]
        await post.empty()

    on_post(tmp_path, story, max_wait_time_ms=60_000)


def test_a_batch_is_old_enough_when_its_first_message_is(tmp_path):
    async def story(post):
        await post.send("a")
        assert await post.batches(1) == [[("a", 1)]]
        await post.empty()

    on_post(tmp_path, story, max_wait_time_ms=30)


def test_what_the_answer_names_comes_again_and_all_else_is_gone(tmp_path):
    async def story(post):
        post.hands.answers += [{"retries": [[1, None]], "raised": None}]
        await post.send("a", "b")
        assert await post.batches(2) == [[("a", 1), ("b", 1)], [("b", 2)]]
        await post.empty()
        assert [line.message.split(" (")[0] for line in post.lines] == ["QUEUE jobs 1/2", "QUEUE jobs 1/1"]
        assert [(line.level, line.source) for line in post.lines] == [("info", "queue")] * 2

    on_post(tmp_path, story)


def test_after_so_many_retries_a_message_is_dead(tmp_path):
    async def story(post):
        post.hands.answers += [{"retries": [[0, None]], "raised": "Boom: no"}] * 3
        await post.send("a")
        await post.empty()
        assert post.hands.batches == [[("a", 1)], [("a", 2)], [("a", 3)]]
        assert await post.count(DEAD) == 1
        assert [line.level for line in post.lines] == ["error"] * 3
        assert post.lines[0].detail["error"] == "Boom: no"

    on_post(tmp_path, story, dead_letter_queue="dead")


def test_without_a_queue_for_dead_letters_a_message_is_gone(tmp_path):
    async def story(post):
        post.hands.answers += [{"retries": [[0, None]], "raised": None}]
        await post.send("a")
        await post.empty()
        assert post.hands.batches == [[("a", 1)]]

    on_post(tmp_path, story, max_retries=0)


def test_a_retry_waits_as_long_as_the_message_says_or_the_consumer(tmp_path):
    async def story(post):
        post.hands.answers += [{"retries": [[0, None], [1, 500]], "raised": None}]
        before = clock.now()
        await post.send("a", "b")
        await post.batches(1)

        async def both():
            return await post.store.queues.due(JOBS, limit=9)

        due = await until(both, "both to wait")
        assert len(due) == 2
        assert [round((at - before) / 1000) for at in due] == [60, 500]

    on_post(tmp_path, story, retry_delay=60)


@pytest.mark.parametrize(
    ("answer", "is_counted"),
    [
        (LinkError("the runtime is gone"), True),
        (Raised(Failure("Boom", "no")), True),
        ({"retries": 7}, True),
        ({"retries": [[0, -1]], "raised": None}, True),
        (Ended("the runner ended it"), False),
        (LoadError("it does not import any more"), False),
    ],
)
def test_whatever_goes_wrong_the_batch_comes_again_and_counts_as_tried_if_the_code_was_to_blame(
    tmp_path, answer, is_counted
):
    async def story(post):
        post.hands.answers += [answer]
        await post.send("a")
        if is_counted:
            await post.empty()
            assert (post.hands.batches, await post.count(DEAD)) == ([[("a", 1)]], 1)
        else:
            assert await post.batches(2) == [[("a", 1)], [("a", 2)]]
            await post.empty()
            assert await post.count(DEAD) == 0

    on_post(tmp_path, story, max_retries=0, dead_letter_queue="dead")


@pytest.mark.parametrize(
    ("handlers", "broken", "told"),
    [
        ([], None, "the Worker shop has no `queue` handler"),
        (["queue"], LoadError("main.py:1: SyntaxError"), "SyntaxError"),
        (["queue"], LinkError("the process died"), "the process died"),
    ],
)
def test_code_that_cannot_be_given_a_batch_is_told_once_and_tried_again_when_it_is_new(
    tmp_path, handlers, broken, told
):
    async def story(post):
        post.hands.handlers, post.hands.broken = handlers, broken
        await post.send("a", "b")
        await until(lambda: post.hands.told, "a complaint")
        await meanwhile(0.03)
        assert post.hands.asked == 1
        post.delivery.renew()
        await until(lambda: post.hands.asked == 2, "another try")
        assert [told in text for text in post.hands.told] == [True]
        assert (post.hands.batches, await post.count()) == ([], 2)
        post.hands.handlers, post.hands.broken = ["queue"], None
        post.delivery.renew()
        assert await post.batches(1) == [[("a", 1), ("b", 1)]]

    on_post(tmp_path, story)


def test_as_many_batches_are_handled_at_once_as_the_consumer_says(tmp_path):
    async def story(post):
        post.hands.gate.clear()
        await post.send(*map(str, range(12)))
        await until(lambda: post.hands.at_once == 2, "two at once")
        await meanwhile(0.03)
        assert post.hands.at_once == 2
        post.hands.gate.set()
        await post.empty()
        assert (post.hands.most, len(post.hands.batches)) == (2, 6)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queues_delivery, "GROW_S", 0.001)
        on_post(tmp_path, story, max_concurrency=2)


def test_a_backlog_brings_more_hands_and_failures_fewer(tmp_path, monkeypatch):
    monkeypatch.setattr(queues_delivery, "GROW_S", 0.001)

    async def story(post):
        post.hands.gate.clear()
        await post.send(*map(str, range(20)))
        await until(lambda: post.hands.at_once == 10, "all at once")
        post.hands.answers += [{"retries": [[0, 60], [1, 60]], "raised": "Boom: no"}] * 10
        post.hands.gate.set()
        await until(lambda: not post.hands.at_once, "all to be done")
        await until(lambda: post.delivery._room == 1, "few hands")

    on_post(tmp_path, story)


def test_too_many_bytes_under_way_let_a_queue_wait_that_has_a_batch_at_work(tmp_path, monkeypatch):
    monkeypatch.setattr(queues_delivery, "GROW_S", 0.001)

    async def story(post):
        post.hands.gate.clear()
        post.around.under_way = queues_delivery.BYTES
        await post.send("a", "b", "c", "d")
        await until(lambda: post.hands.at_once == 1, "the first")
        await meanwhile(0.02)
        assert post.hands.at_once == 1
        post.around.under_way -= queues_delivery.BYTES
        await until(lambda: post.hands.at_once == 2, "the second")
        post.hands.gate.set()
        await post.empty()
        assert post.around.under_way == 0

    on_post(tmp_path, story)


def test_a_store_that_fails_is_tried_again_until_it_is_known_what_became_of_a_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(queues_delivery, "BACKOFF_S", (0.001,))

    async def story(post):
        real, failures = post.store.queues.settle, [StoreError("full")] * 3

        async def settle(queue, handled):
            if failures:
                raise failures.pop()
            return await real(queue, handled)

        post.store.queues.settle = settle
        await post.send("a", "b")
        await post.empty()
        assert (post.hands.batches, failures) == ([[("a", 1), ("b", 1)]], [])

    on_post(tmp_path, story)


def test_what_is_under_way_when_it_is_closed_comes_again_after_a_restart(tmp_path):
    @asynccontextmanager
    async def opened():
        store = await stores.connect(f"sqlite://{tmp_path}")
        post = Post(store)
        post.delivery.start()
        try:
            yield post
        finally:
            await post.delivery.close()
            await store.close()

    async def told():
        async with opened() as post:
            post.hands.gate.clear()
            await post.send("a", "b")
            await post.batches(1)
        async with opened() as post:
            assert await post.batches(1) == [[("a", 2), ("b", 2)]]
            await post.empty()

    asyncio.run(told())


def test_one_that_ends_begins_nothing_new_and_lets_what_runs_come_to_its_end(tmp_path):
    async def story(post):
        post.hands.gate.clear()
        await post.send("a", "b", "c", "d")
        await post.batches(1)
        ending = asyncio.ensure_future(post.delivery.end())
        await meanwhile(0.01)
        assert not ending.done()
        post.hands.gate.set()
        await ending
        assert (len(post.hands.batches), await post.count()) == (1, 2)

    on_post(tmp_path, story, max_concurrency=1)


def test_what_is_leased_while_a_delivery_ends_is_handled_all_the_same(tmp_path, monkeypatch):
    async def story(post):
        queues = post.store.queues
        lease, leased = queues.lease, asyncio.Event()

        async def slow(*args, **more):
            found = await lease(*args, **more)
            leased.set()
            await meanwhile(0.01)
            return found

        monkeypatch.setattr(queues, "lease", slow)
        await post.send("a", "b")
        await leased.wait()
        await post.delivery.end()
        assert (post.hands.batches, await post.count()) == ([[("a", 1), ("b", 1)]], 0)

    on_post(tmp_path, story)


def test_what_an_ended_delivery_gives_back_the_next_one_hears_of(tmp_path):
    async def story(post):
        post.hands.gate.clear()
        post.hands.answers.append({"retries": [[0, None], [1, None]], "raised": None})
        await post.send("a", "b")
        await post.batches(1)
        before, post.delivery = (
            post.delivery,
            Delivery(post.delivery._record, post.delivery._consumer, post.around),
        )
        ending = asyncio.ensure_future(before.end())
        post.delivery.start()
        await meanwhile(0.05)  # it has looked, and waits to be told
        post.hands.gate.set()
        await ending
        assert (await post.batches(2))[1] == [("a", 2), ("b", 2)]

    on_post(tmp_path, story)


def test_a_queue_of_expired_messages_does_not_spin_until_they_are_deleted(tmp_path):
    async def story(post):
        old = Message(queue=JOBS, id="a", content_type="text", body=b"1", at=1, due_at=1, expires_at=2)
        await post.store.queues.send([old, old])
        await until(lambda: post.hands.asked, "the first look")
        await meanwhile(0.1)
        assert post.hands.asked == 1

    on_post(tmp_path, story)


@pytest.mark.parametrize(("deaths", "dead"), [(5, 0), (6, 1)])
def test_what_the_runner_keeps_dying_over_is_a_dead_letter_in_the_end(tmp_path, deaths, dead):
    async def told():
        store = await stores.connect(f"sqlite://{tmp_path}")
        post = Post(store, max_retries=0, dead_letter_queue="dead")
        await post.send("a")
        for _ in range(deaths):
            assert await store.queues.lease(JOBS, limit=1, now=clock.now(), until=0)
        post.delivery.start()
        try:
            await post.empty()
            assert await post.count(DEAD) == dead
            assert post.hands.batches == ([] if dead else [[("a", deaths + 1)]])
        finally:
            await post.delivery.close()
            await store.close()

    asyncio.run(told())
