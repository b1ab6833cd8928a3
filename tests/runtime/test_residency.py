"""Which instances at rest stay in memory; a runtime in this process, at the end of a real link."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from wflow.engine import names, values
from wflow.engine.changes import Ended, Rested
from wflow.link import frames
from wflow.link.channel import Channel, connect
from wflow.runtime import process, residency
from wflow.runtime.authoring import WorkflowEntrypoint
from wflow.runtime.clock import follow, now, system
from wflow.runtime.loader import Code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PATIENCE_S = 20.0
OURS = ("Turn", "Machine", "Code", "Course", "Running", "OpenSteps", "WorkflowLoop", "Context", "Task")


class Naps(WorkflowEntrypoint):
    async def run(self, event, ctx):
        begun.append(event.instance_id)
        one = await ctx.do("one", count, event.instance_id)
        if event.payload["nap"]:
            await ctx.sleep("nap", "1 hour")
        return one


class Circles(WorkflowEntrypoint):
    async def run(self, event, ctx):
        circle = Circle()
        circle.itself = circle
        left.append(weakref.ref(circle))
        await ctx.sleep("nap", "1 hour")


class Circle:
    itself: object = None


begun: list[str] = []
counted: list[str] = []
left: list[weakref.ref[Circle]] = []


async def count(instance: str) -> str:
    counted.append(instance)
    return instance


class Runner:
    """The other end: it keeps what is committed and answers; if it is told so, not to those that rest."""

    def __init__(self, runtime: process.Runtime) -> None:
        self.runtime = runtime
        self.evicted: list[list[int]] = []
        self.rested: list[int] = []
        self.ended: dict[int, object] = {}
        self.records: dict[int, list[bytes]] = {}
        self.missing: list[int] = []
        self.holds_back_rests = False
        self._unheard: list[int] = []
        self._params: dict[int, bytes] = {}
        self._epochs: Counter[int] = Counter()
        self.channel: Channel[frames.ToRunner] = Channel(frames.ToRunner, self._hear, lambda _: None)

    def play(self, *instances: int, workflow: str = "naps", hot: bool = False, **params: Any) -> None:
        """Claim instances; those that are ``hot`` are to be in memory."""
        for key in instances:
            self._params.setdefault(key, values.encode(params))
            self._epochs[key] += 1
            records = self.records.setdefault(key, [])
            turn = frames.Turn(
                instance=key,
                epoch=self._epochs[key],
                workflow=workflow,
                id=f"n-{key}",
                created_at=now(),
                params=self._params[key],
                seq=len(records),
                records=None if hot else records,
                events=[],
            )
            self.channel.send(frames.Play([turn]))

    def wake(self, *instances: int) -> None:
        """Let the hour of those that rest be over, and claim them: what is in memory goes on there."""
        clock.at += names.HOUR_MS
        gone = {key for evicted in self.evicted for key in evicted}
        for key in instances:
            self.play(key, hot=key not in gone)

    def answer(self) -> None:
        """Answer all that waits for it, and what comes later."""
        self.holds_back_rests = False
        for batch in self._unheard:
            self.channel.send(frames.Acked(batch, []))
        self._unheard.clear()

    async def until(self, there: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not there():
            assert time.monotonic() < deadline, "waited in vain"
            await asyncio.sleep(0.002)

    async def passes(self, count: int = 20) -> None:
        """Let some passes of the loop go by."""
        for _ in range(count):
            await asyncio.sleep(0)

    def _hear(self, messages: list[frames.ToRunner]) -> None:
        for message in messages:
            match message:
                case frames.Commit():
                    self._commit(message)
                case frames.Evicted(instances):
                    self.evicted.append(instances)
                case frames.Missing(instances):
                    self.missing += instances
                    self.play(*instances)

    def _commit(self, commit: frames.Commit) -> None:
        for row in commit.rows:
            self.records[row[0]].append(row[4])
        for change in commit.changes:
            if isinstance(change, Rested):
                self.rested.append(change.instance)
            elif isinstance(change, Ended):
                self.ended[change.instance] = values.decode(change.output or values.NONE)
        if self.holds_back_rests and any(isinstance(change, Rested) for change in commit.changes):
            self._unheard.append(commit.batch)
        else:
            self.channel.send(frames.Acked(commit.batch, []))


class Clock:
    at = 0


clock = Clock()


@pytest.fixture
def perform() -> Iterator[Callable[[Callable[[Runner], Awaitable[None]]], None]]:
    """Run a story with a runtime, whose clock is moved by hand."""
    for seen in (begun, counted, left):
        seen.clear()
    clock.at = system()

    def run(story: Callable[[Runner], Awaitable[None]]) -> None:
        async def told() -> None:
            runtime = process.Runtime()
            runtime._code = Code(workflows={"naps": Naps, "circles": Circles})
            runtime._limits = {"naps": 10, "circles": 10}
            ours, theirs = socket.socketpair()
            for sock in (ours, theirs):
                sock.setblocking(False)
            runner = Runner(runtime)
            await connect(runner.channel, ours)
            serving = asyncio.create_task(runtime.serve(theirs))
            try:
                await story(runner)
            finally:
                runner.channel.close()
                await serving
                runtime.close()
                runtime.threads.shutdown()

        asyncio.run(told())

    before = follow(lambda: clock.at)
    yield run
    follow(before)


def room_for(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many instances have room that were given next to nothing."""
    monkeypatch.setattr(residency, "REST_BYTES", count * (residency.TURN_BYTES + 100))


def test_those_that_rest_longest_make_room_for_others(perform, monkeypatch):
    room_for(10, monkeypatch)

    async def story(on: Runner) -> None:
        on.play(*range(1, 31), nap=True)
        await on.until(lambda: sum(map(len, on.evicted)) == 20)
        await on.passes()
        assert [key for evicted in on.evicted for key in evicted] == on.rested[:20]
        assert list(on.runtime.residency.resting) == on.rested[20:]
        assert on.runtime.residency.size <= residency.REST_BYTES
        assert set(on.runtime._turns) == set(on.rested[20:]), "those that were let go have left nothing"

    perform(story)


def test_whoever_was_let_go_and_whoever_stayed_go_on_alike_and_no_step_is_made_again(perform, monkeypatch):
    room_for(10, monkeypatch)

    async def story(on: Runner) -> None:
        on.play(*range(1, 31), nap=True)
        await on.until(lambda: sum(map(len, on.evicted)) == 20)
        on.wake(*range(1, 31))
        await on.until(lambda: len(on.ended) == 30)
        assert on.ended == {key: f"n-{key}" for key in range(1, 31)}
        assert sorted(counted) == sorted(f"n-{key}" for key in range(1, 31))
        assert len(begun) == 30 + 20, "only those that were let go began anew"
        assert not on.runtime.residency.resting
        assert on.runtime.residency.size == 0

    perform(story)


def test_whoever_is_let_go_while_it_is_being_woken_goes_on_all_the_same(perform, monkeypatch):
    async def story(on: Runner) -> None:
        on.play(*range(1, 9), nap=True)
        await on.until(lambda: len(on.runtime.residency.resting) == 8)
        clock.at += names.HOUR_MS
        on.play(*range(1, 9), hot=True)
        assert sorted(on.runtime.residency.evict(8)) == list(range(1, 9))
        await on.until(lambda: len(on.ended) == 8)
        assert sorted(on.missing) == list(range(1, 9)), "the runtime asks for what it no longer has"
        assert sorted(counted) == sorted(f"n-{key}" for key in range(1, 9))

    perform(story)


def test_large_values_take_more_room(perform, monkeypatch):
    monkeypatch.setattr(residency, "REST_BYTES", names.VALUE_BYTES + 2 * residency.TURN_BYTES)

    async def story(on: Runner) -> None:
        on.play(1, 2, 3, nap=True)
        await on.until(lambda: len(on.runtime.residency.resting) == 3)
        on.play(4, nap=True, much="x" * (names.VALUE_BYTES - 1_000))
        await on.until(lambda: sum(map(len, on.evicted)) == 2)
        assert list(on.runtime.residency.resting) == [3, 4]
        on.play(5, 6, 7, nap=True)
        await on.until(lambda: sum(map(len, on.evicted)) == 4)
        assert list(on.runtime.residency.resting) == [5, 6, 7]

    perform(story)


def test_nobody_is_let_go_before_its_rest_is_on_disk(perform, monkeypatch):
    room_for(0, monkeypatch)

    async def story(on: Runner) -> None:
        on.holds_back_rests = True
        on.play(1, 2, nap=True)
        await on.until(lambda: len(on.rested) == 2)
        await on.passes()
        assert not on.evicted
        on.answer()
        await on.until(lambda: sum(map(len, on.evicted)) == 2)

    perform(story)


def test_many_are_let_go_a_few_in_each_pass(perform, monkeypatch):
    monkeypatch.setattr(residency, "EVICTED", 4)
    monkeypatch.setattr(residency, "GRACE_S", 0.05)

    async def story(on: Runner) -> None:
        on.play(*range(1, 31), nap=True)
        await on.until(lambda: sum(map(len, on.evicted)) == 30)
        assert max(map(len, on.evicted)) <= 4
        assert not on.runtime._turns

    perform(story)


def test_what_user_code_left_in_circles_is_given_back_when_there_is_little_to_do(perform, monkeypatch):
    monkeypatch.setattr(residency, "TIDY", 1)
    monkeypatch.setattr(residency, "GRACE_S", 0.02)

    async def story(on: Runner) -> None:
        gc.disable()
        try:
            on.play(*range(1, 31), workflow="circles")
            await on.until(lambda: sum(map(len, on.evicted)) == 30)
            assert len(left) == 30
            await on.until(lambda: not any(one() for one in left))
        finally:
            gc.enable()

    perform(story)


def test_giving_memory_back_takes_a_small_part_of_the_time(perform, monkeypatch):
    monkeypatch.setattr(residency, "TIDY", 1)
    monkeypatch.setattr(residency, "GRACE_S", 0.004)
    given: list[int] = []

    def slowly() -> None:
        given.append(len(given))
        time.sleep(0.05)  # a hundred times of which is longer than this test

    monkeypatch.setattr(residency, "give_back", slowly)

    async def story(on: Runner) -> None:
        for number in range(1, 6):
            on.play(number, nap=True)
            await on.until(lambda: sum(map(len, on.evicted)) == number)  # noqa: B023
        await on.until(lambda: given)
        assert given == [0]

    perform(story)


def test_nothing_of_a_turn_that_has_left_waits_for_the_collector(perform):
    async def story(on: Runner) -> None:
        gc.collect()
        gc.disable()
        try:
            before = objects()
            on.play(*range(1, 101), nap=False)
            on.play(*range(101, 201), nap=True)
            await on.until(lambda: len(on.ended) == 100 and len(on.runtime.residency.resting) == 100)
            assert objects()["Turn"] >= 100, "this counts what it is to count"
            on.runtime.residency.evict(100)
            # The attempts are looked at once more, a little later.
            await on.until(lambda: (objects() - before).total() <= 2)
        finally:
            gc.enable()

    perform(story)


def objects() -> Counter[str]:
    """Count what turns are made of."""
    return Counter(kind for one in gc.get_objects() if (kind := type(one).__name__) in OURS)
