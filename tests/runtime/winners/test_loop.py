"""Whatever of asyncio decides who is first, among steps, sleeps and events, decides the same on every replay.

A program says what it sees in the order in which it sees it, in the instance's log. Who replays a journal up
to any of its facts, or dies at any commit, must have seen just what is logged there.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import Any

import pytest

from tests.runtime.stage import play
from wflow.engine import facts
from wflow.engine.facts import Logged
from wflow.runtime.loop import in_order

DELAYS = itertools.count()
NEVER = {"limit": 0, "delay": 0}


async def a_while(n):
    """Take a time that is another one at each call."""
    await asyncio.sleep(next(DELAYS) * 7 % 4 / 1000)
    return n


def things(ctx, count=3):
    """Give steps, sleeps and waits for events that end in an order that nobody knows."""
    made = [ctx.do(f"step {n}", a_while, n) for n in range(count)]
    made += [ctx.sleep(f"nap {n}", n + 1) for n in range(2)]
    made += [ctx.wait_for_event(f"wait {n}", "go") for n in range(2)]
    return made


async def said(what, name, say):
    await what
    say(name)
    return name


async def gather(ctx, say):
    await asyncio.gather(*(said(one, n, say) for n, one in enumerate(things(ctx))))


async def first_completed(ctx, say):
    left = {asyncio.create_task(one, name=str(n)) for n, one in enumerate(things(ctx))}
    while left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            say(task.get_name())


async def first_exception(ctx, say):
    async def fails(n):
        await a_while(n)
        raise ValueError(n)

    made = [ctx.do("fails", fails, 1, retries=NEVER), ctx.do("fails", fails, 2, retries=NEVER)]
    tasks = [asyncio.create_task(one, name=str(n)) for n, one in enumerate([*made, *things(ctx)])]
    done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    say(sorted(task.get_name() for task in done))
    for task in left:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def as_completed(ctx, say):
    for one in in_order(asyncio.as_completed)([said(one, n, say) for n, one in enumerate(things(ctx))]):
        say(f"after {await one}")


async def timeout(ctx, say):
    for n in range(4):
        try:
            async with asyncio.timeout(0.002):
                await ctx.do("slow", a_while, n)
                say(f"in time {n}")
        except TimeoutError:
            say(f"late {n}")


async def nested_timeouts(ctx, say):
    for n in range(3):
        try:
            async with asyncio.timeout(0.003):
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.002):
                        await ctx.do("slow", a_while, n)
                        say("inner")
                await ctx.do("after", a_while, n)
                say("outer")
        except TimeoutError:
            say(f"late {n}")


async def wait_for(ctx, say):
    for n in range(2):
        try:
            await asyncio.wait_for(ctx.wait_for_event("wait", "go"), 0.002)
            say(f"came {n}")
        except TimeoutError:
            say(f"late {n}")


async def task_group(ctx, say):
    async def fails():
        await ctx.do("a while", a_while, 1)
        raise ValueError("no")

    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for n, one in enumerate(things(ctx)):
                group.create_task(said(one, n, say))
            group.create_task(fails())
    say("over")


async def queue(ctx, say):
    jobs: asyncio.Queue[int] = asyncio.Queue(2)

    async def produce(n):
        for m in range(3):
            await ctx.do(f"make {n}", a_while, m)
            await jobs.put(10 * n + m)

    async def consume(n):
        while True:
            job = await jobs.get()
            say(f"{n} takes {job}")
            await ctx.do(f"use {n}", a_while, job)
            jobs.task_done()

    consumers = [asyncio.create_task(consume(n)) for n in range(2)]
    await asyncio.gather(produce(0), produce(1))
    await jobs.join()
    for one in consumers:
        one.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)


async def priority_queue(ctx, say):
    jobs: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()

    async def produce(n):
        await ctx.do("make", a_while, n)
        jobs.put_nowait(-n)

    async def consume():
        for _ in range(4):
            say(await jobs.get())
            await ctx.do("use", a_while, 0)

    await asyncio.gather(consume(), *(produce(n) for n in range(4)))


async def lock(ctx, say):
    held = asyncio.Lock()

    async def work(n):
        await ctx.do("come", a_while, n)
        async with held:
            say(n)
            await ctx.do("hold", a_while, n)

    await asyncio.gather(*(work(n) for n in range(4)))


async def semaphore(ctx, say):
    held = asyncio.BoundedSemaphore(2)

    async def work(n):
        async with held:
            say(f"in {n}")
            await ctx.do("hold", a_while, n)
        say(f"out {n}")

    await asyncio.gather(*(work(n) for n in range(5)))


async def event(ctx, say):
    ready = asyncio.Event()

    async def wait(n):
        await ctx.do("come", a_while, n)
        await ready.wait()
        say(n)

    async def open_it():
        await ctx.wait_for_event("wait", "go")
        say("open")
        ready.set()

    await asyncio.gather(open_it(), *(wait(n) for n in range(4)))


async def condition(ctx, say):
    changed = asyncio.Condition()
    stock: list[int] = []

    async def bring(n):
        await ctx.do("bring", a_while, n)
        async with changed:
            stock.append(n)
            changed.notify()

    async def take(who):
        async with changed:
            await changed.wait_for(lambda: stock)
            say(f"{who} takes {stock.pop()}")

    await asyncio.gather(*(take(n) for n in range(3)), *(bring(n) for n in range(3)))


async def barrier(ctx, say):
    met = asyncio.Barrier(3)

    async def come(n):
        await ctx.do("come", a_while, n)
        say(f"{n} is number {await met.wait()}")

    await asyncio.gather(*(come(n) for n in range(3)))


PROGRAMS = [
    gather,
    first_completed,
    first_exception,
    as_completed,
    timeout,
    nested_timeouts,
    wait_for,
    task_group,
    queue,
    priority_queue,
    lock,
    semaphore,
    event,
    condition,
    barrier,
]


class Watched:
    """A program, and what its last pass has seen."""

    def __init__(self, program: Any) -> None:
        self.program = program
        self.seen: list[str] = []

    async def run(self, event: object, ctx: Any) -> None:
        self.seen = []

        def say(what: object) -> None:
            self.seen.append(str(what))
            ctx.log(str(what))

        await self.program(ctx, say)

    def play(self, **options: Any) -> Any:
        async def script(stage):
            for n in range(2):
                stage.send("go", n)

        played = play(self.run, script, **options)
        assert played.status == "complete", played.failure
        assert self.seen == logged(played.stage.journal), "what was seen last is what is written"
        return played


def logged(journal: list[bytes]) -> list[str]:
    return [fact.message for fact in map(facts.decode, journal) if isinstance(fact, Logged)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_who_replays_a_journal_up_to_any_fact_sees_the_same_come_first(program):
    watched = Watched(program)
    whole = watched.play()
    assert watched.seen
    for cut in range(1, len(whole.stage.journal)):
        journal = whole.stage.journal[:cut]
        watched.play(journal=journal)
        recorded = logged(journal)
        assert watched.seen[: len(recorded)] == recorded


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_who_dies_at_any_commit_sees_the_same_come_first(program):
    watched = Watched(program)
    for crash in range(watched.play().commits):
        watched.play(crash_at={crash})
        watched.play(crash_after={crash}, cold=True)
