"""ctx.map: in item order, so many at once, to the end or as far as its policy says."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.runtime.stage import play
from wflow.engine import values
from wflow.engine.facts import Settled
from wflow.errors import InvalidInput, MapFailed, TooMany, WorkflowTimeoutError
from wflow.runtime.failures import error_of, failure_of
from wflow.runtime.mapped import CONCURRENCY, ITEMS, Mapped

ONCE = {"limit": 0, "delay": 0}


async def square(n: int) -> int:
    """Fail for an odd number."""
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n * n


def double(n: int) -> int:
    return 2 * n


class Crowd:
    """Counts how many of it run at once; those of the last ``late`` numbers never end.

    None ends before ``full`` have begun.
    """

    def __init__(self, late=(), full=0):
        self.late = set(late)
        self.full = full
        self.running = self.most = 0
        self.started = []
        self.cancelled = []

    async def join(self, n):
        self.started.append(n)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if n in self.late:
                await asyncio.Event().wait()
            while self.most < self.full:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.cancelled.append(n)
            raise
        finally:
            self.running -= 1
        return n


# -- values in item order ------------------------------------------------------------------------------------


def test_it_gives_the_values_in_item_order_whatever_finished_first():
    async def later_first(n):
        await asyncio.sleep(0.002 * (4 - n))
        return n * 10

    async def run(event, ctx):
        done = await ctx.map(later_first, range(5))
        return [done, done.succeeded, done.failed, len(done.errors), isinstance(done, list)]

    played = play(run)
    assert played.result == [[0, 10, 20, 30, 40], [0, 1, 2, 3, 4], [], 0, True]
    assert sorted(played.settled) == [f"later_first-{n}" for n in range(1, 6)]
    assert played.settled != sorted(played.settled)


def test_each_item_is_a_step_named_after_the_function_in_the_order_of_the_items():
    async def run(event, ctx):
        await ctx.do("double", double, 0)
        await ctx.map(double, [5, 6], concurrency=1)
        await ctx.map(double, (n for n in (7, 8)), name="twice", concurrency=1)
        return await ctx.map(partial(double), {"a": 9}.values())

    played = play(run)
    assert played.result == [18]
    assert played.settled == ["double-1", "double-2", "double-3", "twice-1", "twice-2", "double-4"]


def test_no_items_are_no_steps():
    async def run(event, ctx):
        return [await ctx.map(double, []), await ctx.map(double, [], tolerated_failures="10%")]

    played = play(run)
    assert played.result == [[], []]
    assert played.settled == []


def test_its_result_is_a_value_like_any_list_and_can_be_copied():
    async def run(event, ctx):
        return await ctx.map(square, range(5), tolerated_failures=2, retries=ONCE)

    assert play(run).result == [0, 4, 16]
    done = Mapped({2: "c", 0: "a"}, {1: ValueError("b")})
    for other in copy.copy(done), copy.deepcopy(done), pickle.loads(pickle.dumps(done)):  # noqa: S301
        assert (other, other.succeeded, other.failed) == (["a", "c"], [0, 2], [1])
        assert str(other.errors[1]) == "b"
    assert values.decode(values.encode(done)) == ["a", "c"]


def test_a_step_of_a_map_takes_what_a_step_takes():
    seen = []

    async def flaky(n, ctx):
        seen.append((ctx.step.name, ctx.step.count, ctx.attempt))
        if ctx.attempt == 1:
            raise OSError("not at once")
        return [n]

    async def run(event, ctx):
        pairs = await ctx.map(flaky, [1, 2], retries={"limit": 1, "delay": 0}, returns=tuple[int])
        return isinstance(pairs[0], tuple)

    assert play(run).result is True
    assert sorted(seen) == [("flaky", n, attempt) for n in (1, 2) for attempt in (1, 2)]


# -- how many at once ----------------------------------------------------------------------------------------


def test_no_more_than_so_many_run_at_once():
    crowd = Crowd()

    async def run(event, ctx):
        return await ctx.map(crowd.join, range(20), concurrency=3)

    assert play(run).result == list(range(20))
    assert crowd.most == 3
    assert crowd.started == list(range(20))


def test_a_hundred_run_at_once_unless_it_is_told():
    crowd = Crowd(full=CONCURRENCY)

    async def run(event, ctx):
        return len(await ctx.map(crowd.join, range(CONCURRENCY + 20)))

    assert play(run).result == 120
    assert crowd.most == CONCURRENCY


def test_two_maps_go_on_side_by_side():
    crowd = Crowd()

    async def run(event, ctx):
        first, second = ctx.map(crowd.join, [1, 2, 3]), ctx.map(crowd.join, [4, 5])
        return await asyncio.gather(first, second)

    assert play(run).result == [[1, 2, 3], [4, 5]]
    assert crowd.most == 5


# -- failures ------------------------------------------------------------------------------------------------


def test_one_failure_is_one_too_many_unless_it_is_told_and_it_names_the_item():
    async def run(event, ctx):
        await ctx.do("square", square, 2)
        try:
            await ctx.map(square, [4, 6, 7, 8, 9], retries=ONCE, concurrency=2)
        except MapFailed as failed:
            cause = failed.__cause__
            return [str(failed), failed.failed, str(failed.errors[2]), type(cause).__name__, str(cause)]

    played = play(run)
    told = (
        "item 2 (step 'square-4') failed with ValueError: 7 is odd; 1 of 5 items failed, and 0 are tolerated"
    )
    assert played.result == [told, [2], "7 is odd", "ValueError", "7 is odd"]
    assert "square-6" not in played.settled, "no item starts after that"


def test_what_runs_when_it_is_clear_is_let_finish_and_told_in_the_error():
    gate = asyncio.Event()
    ended = []

    async def body(n):
        if n == 0:
            raise ValueError("first")
        await gate.wait()
        ended.append(n)
        if n == 2:
            raise KeyError("third")

    async def run(event, ctx):
        try:
            await ctx.map(body, range(5), concurrency=3, retries=ONCE)
        except MapFailed as failed:
            return [failed.failed, {index: type(error).__name__ for index, error in failed.errors.items()}]

    async def script(stage):
        await stage.until(lambda: any(isinstance(fact, Settled) for fact in stage.facts))
        gate.set()

    played = play(run, script)
    assert played.result == [[0, 2], {0: "ValueError", 2: "KeyError"}]
    assert sorted(ended) == [1, 2]
    assert len(played.settled) == 3


@pytest.mark.parametrize(
    ("tolerated", "odd", "fails"),
    [(2, 2, False), (2, 3, True), ("25%", 2, False), ("25%", 3, True), ("37.5 %", 3, False), ("0%", 1, True)],
)
def test_failures_are_tolerated_up_to_a_count_or_a_share(tolerated, odd, fails):
    numbers = [2 * n for n in range(8 - odd)] + [2 * n + 1 for n in range(odd)]

    async def run(event, ctx):
        done = await ctx.map(square, numbers, tolerated_failures=tolerated, retries=ONCE)
        return [len(done), done.failed, sorted(map(str, done.errors.values()))]

    played = play(run)
    if fails:
        assert played.failure.message.endswith(f"{odd} of 8 items failed, and {tolerated} are tolerated")
    else:
        failed = list(range(8 - odd, 8))
        assert played.result == [8 - odd, failed, [f"{2 * n + 1} is odd" for n in range(odd)]]


def test_it_is_the_instances_failure_when_nobody_catches_it_and_keeps_what_it_carries():
    async def run(event, ctx):
        await ctx.map(square, range(4), retries=ONCE)

    played = play(run)
    assert played.status == "errored"
    assert played.failure.name == "MapFailed"
    assert played.failure.message.startswith("item 1 (step 'square-2') failed with ValueError: 1 is odd; ")
    with pytest.raises(MapFailed) as caught:
        _ = played.result
    assert list(caught.value.failed) == [1, 3]
    assert {index: str(error) for index, error in caught.value.errors.items()} == {
        1: "1 is odd",
        3: "3 is odd",
    }


def test_of_a_thousand_errors_the_first_few_are_kept():
    thousand = MapFailed("item 0 failed", {n: ValueError(n) for n in range(1_000)})
    assert len(thousand.errors) == 1_000
    kept = error_of(failure_of(thousand))
    assert isinstance(kept, MapFailed)
    assert str(kept) == "item 0 failed"
    assert [*kept.errors][:3] == [0, 1, 2]
    assert 30 <= len(kept.errors) <= 32


def test_errors_can_be_taken_out_of_the_group():
    async def run(event, ctx):
        told = []
        try:
            await ctx.map(square, range(4), retries=ONCE)
        except* ValueError as odd:
            told = [type(odd).__name__, *map(str, odd.exceptions)]
        return told

    assert play(run).result == ["ExceptionGroup", "1 is odd", "3 is odd"]


# -- enough successes ----------------------------------------------------------------------------------------


def test_with_enough_successes_the_others_are_let_go():
    crowd = Crowd(late=[1, 3])

    async def run(event, ctx):
        done = await ctx.map(crowd.join, range(10), concurrency=4, min_successful=3)
        await ctx.do("after", double, 1)
        return [done, done.succeeded, done.failed]

    values_, succeeded, failed = play(run).result
    assert values_ == succeeded
    assert len(succeeded) == 3
    assert failed == []
    assert not {1, 3} & set(succeeded)
    assert sorted(crowd.cancelled)[:2] == [1, 3]


def test_failures_alone_do_not_stop_it_while_there_may_be_enough_successes():
    async def run(event, ctx):
        done = await ctx.map(square, [1, 3, 5, 6, 8], min_successful=2, retries=ONCE, concurrency=1)
        return [done, done.succeeded, done.failed]

    assert play(run).result == [[36, 64], [3, 4], [0, 1, 2]]


def test_it_fails_as_soon_as_there_cannot_be_enough_successes():
    async def run(event, ctx):
        await ctx.map(square, [2, 1, 3, 4, 6], min_successful=4, retries=ONCE, concurrency=1)

    played = play(run)
    assert played.failure.message.startswith("item 1 (step 'square-2')")
    assert played.failure.message.endswith("2 of 5 items failed, and 4 must succeed")
    assert len(played.settled) == 3


def test_with_both_bounds_the_first_that_is_met_counts():
    async def run(event, ctx):
        bounds = {"min_successful": 2, "tolerated_failures": 1, "retries": ONCE, "concurrency": 1}
        told = [await ctx.map(square, [1, 2, 4, 3], **bounds)]
        try:
            await ctx.map(square, [2, 1, 3, 4, 6], **bounds)
        except MapFailed as failed:
            told.append(str(failed).partition("; ")[2])
        return told

    assert play(run).result == [[4, 16], "2 of 5 items failed, and 1 are tolerated"]


# -- replays, crashes, cancellation --------------------------------------------------------------------------


@pytest.mark.parametrize("point", range(8))
@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_crash_at_any_commit_changes_nothing(point, when):
    ran: Counter[int] = Counter()

    async def body(n):
        ran[n] += 1
        return await square(n)

    async def run(event, ctx):
        done = await ctx.map(body, range(12), concurrency=5, tolerated_failures="50%", retries=ONCE)
        return [done, done.failed, await ctx.do("after", double, sum(done))]

    options: dict[str, Any] = {when: {point}}
    played = play(run, **options)
    assert played.result == [[0, 4, 16, 36, 64, 100], [1, 3, 5, 7, 9, 11], 440]
    assert sorted(played.settled[:-1]) == sorted(f"body-{n}" for n in range(1, 13))
    if when == "crash_after":
        assert max(ran.values()) <= 2, "only what was running then runs again"


@pytest.mark.parametrize("point", range(6))
def test_who_wins_a_race_wins_it_for_ever(point):
    """The answer of the first pass, which the journal has, is the answer of every later one."""
    crowd = Crowd(late=[0])
    answers = []

    async def run(event, ctx):
        done = await ctx.map(crowd.join, range(6), min_successful=3)
        answers.append(done.succeeded)
        await ctx.do("after", double, 1)
        return done.succeeded

    played = play(run, crash_after={point})
    assert all(answer == played.result for answer in answers)


def test_a_replay_of_the_whole_journal_appends_nothing_and_gives_the_same():
    async def run(event, ctx):
        done = await ctx.map(square, range(6), tolerated_failures=3, retries=ONCE)
        got = await ctx.wait_for_event("go", "go")
        return [done, done.failed, got.payload]

    async def script(stage):
        await stage.until(lambda: len(stage.journal) > 6 and stage.change is not None)
        before, starts = len(stage.journal), stage.starts
        stage.claim()
        await stage.until(lambda: stage.starts == starts + 1)
        assert [type(fact).__name__ for fact in stage.facts[before:]] in ([], ["Moved"], ["Moved", "Moved"])
        stage.send("go", 1)

    assert play(run, script).result == [[0, 4, 16], [1, 3, 5], 1]


def test_a_map_that_is_cancelled_takes_its_items_with_it():
    crowd = Crowd(late=range(10))

    async def run(event, ctx):
        try:
            async with asyncio.timeout(0.02):
                await ctx.map(crowd.join, range(10), concurrency=4)
        except TimeoutError:
            return await ctx.do("after", double, 4)

    played = play(run)
    assert played.result == 8
    assert sorted(crowd.started) == sorted(crowd.cancelled) == [0, 1, 2, 3]
    assert "join-5" not in played.settled


def test_an_item_that_takes_too_long_fails_like_any_other():
    crowd = Crowd(late=[1])

    async def run(event, ctx):
        options = {"timeout": 20, "retries": ONCE, "tolerated_failures": 1}
        done = await ctx.map(crowd.join, range(3), **options)
        return [done, isinstance(done.errors[1], WorkflowTimeoutError)]

    assert play(run).result == [[0, 2], True]


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda ctx: ctx.map("double", [1]), "ctx.map takes a function first, not 'double'"),
        (lambda ctx: ctx.map(double, "abc"), "a text is no list of items"),
        (lambda ctx: ctx.map(double, {"a", "b"}), "a set has another order in each process"),
        (lambda ctx: ctx.map(double, {"a": 1}), "a dict can mean its keys or its values"),
        (lambda ctx: ctx.map(double, 3), "3 is no list of items"),
        (lambda ctx: ctx.map(double, forever()), "an async iterable does I/O"),
        (lambda ctx: ctx.map(Crowd, [1], name=""), "a step name is 1-256 characters"),
        (lambda ctx: ctx.map(Callable_(), [1]), "has no name; give one: name=..."),
        (
            lambda ctx: ctx.map(double, [1], concurrency=0),
            "concurrency must be a whole number from 1 on, not 0",
        ),
        (lambda ctx: ctx.map(double, [1], concurrency=True), "concurrency must be a whole number"),
        (
            lambda ctx: ctx.map(double, [1], min_successful=0),
            "min_successful must be a whole number from 1 on",
        ),
        (lambda ctx: ctx.map(double, [1], min_successful=2), "min_successful is 2, and there are 1 items"),
        (
            lambda ctx: ctx.map(double, [1], tolerated_failures=-1),
            'from 0 on, or a share from "0%" to "100%"',
        ),
        (lambda ctx: ctx.map(double, [1], tolerated_failures="101%"), "tolerated_failures must be"),
        (lambda ctx: ctx.map(double, [1], tolerated_failures="some"), "tolerated_failures must be"),
        (lambda ctx: ctx.map(double, [1], tolerated_failures=True), "tolerated_failures must be"),
        (lambda ctx: ctx.map(double, [1], retries={"limit": -1, "delay": 0}), "retries.limit must be"),
        (lambda ctx: ctx.map(double, [], timeout="soon"), "'soon' is no duration"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_before_anything_starts(call, told):
    async def run(event, ctx):
        try:
            await call(ctx)
        except InvalidInput as wrong:
            return wrong.message

    played = play(run)
    assert told in played.result
    assert played.settled == []


class Callable_:  # noqa: N801 - an object that can be called and has no name
    def __call__(self, n):
        return n

    def __repr__(self):
        return "<it>"


async def forever():
    yield 1


def test_more_items_than_a_workflow_has_steps_are_refused_before_anything_starts():
    async def run(event, ctx):
        try:
            await ctx.map(double, iter(int, 1))
        except TooMany as wrong:
            return str(wrong)

    played = play(run)
    assert played.result == f"ctx.map 'double': more than {ITEMS:,} items; each is a step"
    assert played.settled == []


def test_items_beyond_the_limit_of_steps_fail_with_the_limit_in_the_message():
    async def run(event, ctx):
        await ctx.map(double, range(5), concurrency=2)

    played = play(run, step_limit=3)
    with pytest.raises(MapFailed, match=r"^item 3 .*TooMany: The limit of 3 steps has been reached"):
        _ = played.result


def test_a_map_inside_a_step_is_refused_like_a_step_inside_a_step():
    async def run(event, ctx):
        async def outer():
            return await ctx.map(double, [1])

        await ctx.do("outer", outer)

    played = play(run)
    assert played.failure.name == "NonRetryableError"
    assert "steps do not nest" in played.failure.message
