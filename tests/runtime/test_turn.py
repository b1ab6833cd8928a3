"""One instance: crashed at every point, raced, evicted, drained, held."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import os
import random
import sys
import weakref
from collections import Counter, deque
from typing import Any

import pytest

import wflow
from tests.runtime.stage import Stage, current_task, number, play, steps_of
from wflow.engine import facts, status
from wflow.engine.changes import Ended, Rested
from wflow.engine.facts import Failed, Moved, Opened, Received, Settled
from wflow.engine.outcome import Err, Ok
from wflow.errors import StepInterrupted, TooMany, WorkflowTimeoutError
from wflow.runtime import loop
from wflow.runtime.clock import now
from wflow.runtime.loop import in_order

AT_ONCE = {"limit": 2, "delay": 0}


# -- crashes -----------------------------------------------------------------------------------------------


def test_an_instance_that_is_let_go_at_each_await_starts_again_for_each_outcome(mode):
    assert play(steps_of(3)).stage.starts == {"resident": 1, "evicting": 4}[mode]


@pytest.mark.parametrize("crash_at", range(12))
def test_a_crash_before_any_append_of_ten_steps_changes_nothing(crash_at):
    ran: Counter[int] = Counter()

    async def body(n):
        ran[n] += 1
        return n * n

    async def run(event, ctx):
        return [await ctx.do("step", body, n) for n in range(10)]

    played = play(run, crash_at={crash_at})
    assert played.result == [n * n for n in range(10)]
    assert played.settled == [f"step-{n}" for n in range(1, 11)]
    assert sum(ran.values()) <= 11, "at most the step whose outcome was lost ran again"


@pytest.mark.parametrize("crash_after", range(11))
def test_a_crash_after_any_append_runs_no_settled_step_again(crash_after):
    ran: Counter[int] = Counter()

    async def body(n):
        ran[n] += 1
        return n * n

    async def run(event, ctx):
        return [await ctx.do("step", body, n) for n in range(10)]

    played = play(run, crash_after={crash_after})
    assert played.result == [n * n for n in range(10)]
    assert set(ran.values()) == {1}


def test_a_process_that_dies_at_every_third_commit_gets_there_all_the_same():
    played = play(steps_of(10), crash_at=set(range(2, 100, 3)))
    assert played.result == list(range(10))
    assert len(played.settled) == 10


@pytest.mark.parametrize("crash_at", range(4))
@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_caught_failure_is_the_same_failure_on_a_replay(crash_at, when):
    async def run(event, ctx):
        try:
            await ctx.do("open", open, "/no/such/file", retries={"limit": 0, "delay": 0})
        except FileNotFoundError as error:
            told = [error.errno, error.filename, str(error)]
        await ctx.do("next", number, 1)
        return told

    options: dict[str, Any] = {when: {crash_at}}
    played = play(run, **options)
    assert played.result == [2, "/no/such/file", "[Errno 2] No such file or directory: '/no/such/file'"]
    assert played.settled == ["open-1", "next-1"]


# -- races -------------------------------------------------------------------------------------------------


async def racing(event, ctx):
    """Six steps and a timer; what comes first goes on, and says so."""
    order = []

    async def one(n):
        await ctx.do(f"racer {n}", wait_a_little, n)
        order.append(n)
        await ctx.do("passed", number, n)

    async with asyncio.TaskGroup() as group:
        for n in range(6):
            group.create_task(one(n))
        await ctx.sleep("clock", 3)
        order.append("clock")
    return order


async def first_of(event, ctx):
    tasks = [asyncio.create_task(ctx.do("racer", wait_a_little, n)) for n in range(5)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    rest = [await ctx.do("seen", number, task.result()) for task in done]
    for task in pending:
        task.cancel()
    left = await asyncio.gather(*pending, return_exceptions=True)
    return [rest, [type(one).__name__ for one in left]]


async def as_they_come(event, ctx):
    coming = in_order(asyncio.as_completed)([ctx.do("racer", wait_a_little, n) for n in range(5)])
    return [await ctx.do("seen", number, await one) for one in coming]


async def sets_of_tasks(event, ctx):
    tasks = [asyncio.create_task(ctx.do("same", number, n)) for n in range(8)]
    done, _ = await asyncio.wait(tasks)
    return [await ctx.do(f"seen {task.result()}", number, task.result()) for task in done]


async def timed_out(event, ctx):
    told = []
    for n in range(3):
        try:
            async with asyncio.timeout(0.004):
                told.append(await ctx.do("slow", wait_a_little, 3 * n))
        except TimeoutError:
            told.append(await ctx.do("late", number, -n))
    return told


async def waited_for(event, ctx):
    told = []
    for n in range(3):
        try:
            told.append(await asyncio.wait_for(ctx.do("slow", wait_a_little, 3 * n), 0.004))
        except TimeoutError:
            told.append(await ctx.do("late", number, -n))
    return told


async def pipeline(event, ctx):
    queue: asyncio.Queue[int | None] = asyncio.Queue(2)
    lock, seen = asyncio.Lock(), []

    async def produce():
        for n in range(5):
            await queue.put(await ctx.do("make", wait_a_little, n % 2))
        await queue.put(None)

    async def consume():
        while (item := await queue.get()) is not None:
            async with lock:
                seen.append(await ctx.do("use", number, item))

    await asyncio.gather(produce(), consume())
    return seen


async def wait_a_little(n):
    await asyncio.sleep(next(DELAYS) % 3 / 1000)
    return n


DELAYS = itertools.count()
RACES = [racing, first_of, as_they_come, sets_of_tasks, timed_out, waited_for, pipeline]


@pytest.mark.cut_off
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
def test_a_race_has_the_same_winner_when_it_is_replayed_from_any_point(race):
    whole = play(race)
    assert whole.status == "complete", whole.failure
    for cut in range(1, len(whole.facts)):
        journal = list(whole.stage.journal[:cut])
        played = play(race, journal=journal)
        assert played.status == "complete", (cut, played.failure)
        assert played.stage.journal[:cut] == journal
    again = replay(race, whole)
    assert again.result == whole.result
    assert again.told == whole.told, "a replay of the whole journal adds nothing"


@pytest.mark.cut_off
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
def test_a_race_survives_a_crash_at_every_commit(race):
    commits = play(race).commits
    for crash in range(commits):
        assert play(race, crash_at={crash}).status == "complete"
        assert play(race, crash_after={crash}, cold=True).status == "complete"


@pytest.mark.parametrize("race", [timed_out, waited_for, pipeline], ids=lambda race: race.__name__)
def test_a_cold_instance_goes_on_as_a_hot_one(race):
    assert play(race, cold=True).status == "complete"


def replay(run, whole):
    """Play from all of a journal but its end."""
    last = max(n for n, fact in enumerate(whole.facts) if isinstance(fact, Settled))
    return play(run, journal=list(whole.stage.journal[: last + 1]))


def program(chance, depth=0):
    """Make up a workflow out of everything there is."""
    kinds = ["do", "do", "fail", "sleep", "log", "event"] + (
        ["all", "race", "seq", "timeout"] * 2 if depth < 3 else []
    )
    kind = chance.choice(kinds)
    parts = (
        [program(chance, depth + 1) for _ in range(chance.randint(1, 4))]
        if kind in {"all", "race", "seq"}
        else []
    )
    if kind == "timeout":
        parts = [program(chance, depth + 1)]
    return kind, chance.randint(0, 3), parts


async def perform(ctx, part, order):
    kind, n, parts = part
    match kind:
        case "do":
            order.append(await ctx.do(f"do {n}", wait_a_little, n))
        case "fail":
            try:
                await ctx.do("fail", fail_a_little, n, retries={"limit": n % 2, "delay": 1})
            except (ValueError, StepInterrupted) as error:  # the latter when it died too often
                order.append(str(error))
        case "sleep":
            await ctx.sleep(f"nap {n}", n)
        case "log":
            ctx.log(f"{len(order)} things")
        case "event":
            order.append((await ctx.wait_for_event("wait", f"type-{n}")).payload)
        case "all":
            await asyncio.gather(*(perform(ctx, one, order) for one in parts))
        case "race":
            tasks = [asyncio.create_task(perform(ctx, one, order)) for one in parts]
            _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            order.append(len(pending))
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        case "seq":
            for one in parts:
                await perform(ctx, one, order)
        case "timeout":
            try:
                async with asyncio.timeout((n + 1) / 1000):
                    await perform(ctx, parts[0], order)
            except TimeoutError:
                order.append("late")


async def fail_a_little(n):
    await asyncio.sleep(0)
    raise ValueError(f"no {n}")


@pytest.mark.cut_off
@pytest.mark.parametrize("seed", range(10_000 if os.environ.get("WFLOW_STORM") else 60))
def test_whatever_a_workflow_is_made_of_crashes_change_nothing_that_is_kept(seed):
    chance = random.Random(seed)
    made = program(chance)

    async def run(event, ctx):
        order: list[object] = []
        await perform(ctx, made, order)
        return order

    async def script(stage):
        while not stage._over.done():
            await asyncio.sleep(0.001)
            for n in range(4):
                if len(stage.pending) < 20:
                    stage.send(f"type-{n}", stage._events)

    crashes = {chance.randint(0, 30) for _ in range(chance.randint(0, 6))}
    options = {chance.choice(["crash_at", "crash_after"]): crashes, "cold": chance.random() < 0.5}
    played = play(run, script, linger_s=chance.choice([None, 0.001]), **options)
    assert played.status == "complete", (made, played.failure)
    order = replay(run, played) if played.settled else played
    assert order.result == played.result


@pytest.mark.resident("it holds back what a turn hears")
def test_an_event_that_a_cancelled_wait_had_taken_goes_to_the_next_one():
    async def run(event, ctx):
        first = asyncio.create_task(ctx.wait_for_event("wait", "item"))
        second = asyncio.create_task(ctx.wait_for_event("wait", "item"))
        await ctx.do("go", number, 1)
        first.cancel()
        got = [(await second).payload]
        await ctx.do("slow", asyncio.sleep, 0.01)
        return [*got, (await ctx.wait_for_event("wait", "item")).payload]

    async def script(stage):
        acked, held = stage.outbox.acked, []
        stage.outbox.acked = lambda batch, _: held.append(batch)
        await stage.until(lambda: any(isinstance(fact, Settled) for fact in stage.facts))
        stage.send("item", 1)
        stage.outbox.acked = acked
        await stage.until(lambda: held)
        for batch in held:
            acked(batch, [])
        await stage.until(lambda: "slow-1" in stage.running)
        stage.send("item", 2)

    assert play(run, script).result == [1, 2]


def test_a_thousand_parallel_steps_are_one_rest_of_the_code_and_few_commits():
    async def run(event, ctx):
        return sum(await asyncio.gather(*(ctx.do("step", number, n) for n in range(1_000))))

    played = play(run)
    assert played.result == 499_500
    assert played.commits < 20
    assert len(played.settled) == 1_000


def test_a_step_that_two_await_is_done_once():
    ran: list[int] = []

    async def run(event, ctx):
        task = asyncio.create_task(ctx.do("step", ran.append, 1))
        await asyncio.gather(task, asyncio.shield(task))
        return len(ran)

    assert play(run).result == 1


def test_a_coroutine_of_a_step_that_is_never_awaited_never_runs():
    async def run(event, ctx):
        ctx.do("step", number, 1)
        await ctx.do("other", number, 1)

    with pytest.warns(RuntimeWarning, match="never awaited"):
        played = play(run)
    assert played.settled == ["other-1"]


def test_a_timer_that_was_cancelled_leaves_no_trace():
    parked = []

    async def run(event, ctx):
        for _ in range(200):
            async with asyncio.timeout(3600):
                await ctx.do("step", number, 1)
        parked.append(len(ctx._code._steps.parked))

    played = play(run)
    assert set(played.told) == {"Settled"}
    assert len(played.told) == 200
    assert parked == [0]


# -- what a turn keeps on disk -----------------------------------------------------------------------------


def test_a_step_that_lasts_is_opened_and_tried_in_the_journal_and_a_quick_one_is_one_row():
    async def run(event, ctx):
        await ctx.do("quick", number, 1)
        await ctx.do("slow", asyncio.sleep, 0.05)

    played = play(run, linger_s=0.01)
    assert played.told == ["Settled", "Opened", "Tried", "Settled"]


def test_a_sleep_beside_a_long_step_keeps_its_deadline_over_a_crash():
    async def run(event, ctx):
        step = asyncio.create_task(ctx.do("slow", asyncio.Event().wait))
        await ctx.sleep("nap", 60)
        step.cancel()

    async def script(stage):
        await stage.until(
            lambda: any(isinstance(fact, Opened) and fact.kind == "sleep" for fact in stage.facts)
        )
        stage.crash()

    played = play(run, script, linger_s=0.01)
    (nap,) = (fact for fact in played.facts if isinstance(fact, Settled))
    (opened,) = (fact for fact in played.facts if isinstance(fact, Opened) and fact.kind == "sleep")
    assert nap.opened_at == opened.at, "and not when the new process came to it"


def test_a_timeout_shorter_than_a_step_ends_it_also_when_it_rests_on_nothing_else():
    async def run(event, ctx):
        try:
            async with asyncio.timeout(0.02):
                await ctx.do("slow", asyncio.Event().wait)
        except TimeoutError:
            return "late"

    played = play(run)
    assert played.result == "late"
    assert played.settled == ["asyncio timer-1"]


def test_asyncio_sleep_is_durable():
    async def run(event, ctx):
        await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        return asyncio.get_running_loop().time()

    played = play(run, cold=True)
    (settled,) = (fact for fact in played.facts if isinstance(fact, Settled))
    assert settled.at - settled.opened_at >= 20
    assert played.told == ["Opened", "Settled"]
    assert played.result == settled.at / 1000


# -- endings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt(), GeneratorExit(), ValueError("no")])
@pytest.mark.parametrize("where", ["run", "task"])
def test_whatever_workflow_code_raises_fails_the_instance_and_not_the_process(error, where):
    async def fail():
        raise error

    async def run(event, ctx):
        await ctx.do("step", number, 1)
        await (fail() if where == "run" else asyncio.create_task(fail()))

    played = play(run)
    assert played.status == "errored"
    assert played.failure.name == type(error).__name__


def test_a_workflow_that_waits_for_what_nobody_brings_is_told_so():
    async def run(event, ctx):
        await ctx.do("step", number, 1)
        await asyncio.get_running_loop().create_future()

    played = play(run)
    assert played.failure.name == "WorkflowInternalError"
    assert "waits for something that no step, event or timer can bring" in played.failure.message
    assert "ctx.do" in played.failure.message


def test_a_workflow_that_cancels_itself_is_errored():
    async def run(event, ctx):
        current_task().cancel()
        await ctx.do("step", number, 1)

    played = play(run)
    assert (played.failure.name, played.failure.message) == (
        "CancelledError",
        "the workflow cancelled itself",
    )


def test_a_failure_has_its_cause():
    async def run(event, ctx):
        try:
            await ctx.do("read", {}.__getitem__, "x", retries={"limit": 0, "delay": 0})
        except KeyError as error:
            raise RuntimeError("no order") from error

    failure = play(run).failure
    assert failure.cause is not None
    assert (failure.name, failure.cause.name, failure.cause.message) == ("RuntimeError", "KeyError", "'x'")


def test_an_instance_that_ended_appends_nothing():
    async def run(event, ctx):
        try:
            return "done"
        finally:
            ctx.log("bye")

    async def script(stage):
        await stage.end()
        stage.turn.acked(99)
        stage.turn.announce("step-1")
        stage.turn.drain()

    played = play(run, script)
    assert played.told == ["Logged"]
    assert played.facts[-1] == Moved(status.COMPLETE, played.facts[-1].at)


# -- divergence --------------------------------------------------------------------------------------------


def changed(*, journal_of, code, **options):
    """Play ``code`` on the journal that other code left in the middle of its work."""
    before = play(journal_of)
    kept = [raw for raw in before.stage.journal if not isinstance(facts.decode(raw), Moved)]
    after = play(code, journal=kept, **options)
    new = [facts.decode(raw) for raw in after.stage.journal[len(kept) :]]
    return after, new


async def two_steps(event, ctx):
    await ctx.do("first", number, 1)
    await ctx.do("second", number, 2)


async def renamed(event, ctx):
    await ctx.do("first", number, 1)
    await ctx.do("zweiter", number, 2)


async def other_kind(event, ctx):
    await ctx.do("first", number, 1)
    await ctx.sleep("second", 1)


async def other_arguments(event, ctx):
    await ctx.do("first", number, 7)
    await ctx.do("second", number, 2)


async def other_order(event, ctx):
    await ctx.do("second", number, 2)
    await ctx.do("first", number, 1)


async def ends_early(event, ctx):
    await ctx.do("first", number, 1)
    return "early"


async def broken(event, ctx):
    raise KeyError("typo")


async def first_is_a_timer(event, ctx):
    await asyncio.sleep(1)


async def waits_for_nothing(event, ctx):
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (renamed, "the journal goes on with step 'second-1' (do), which the code does not ask for here"),
        (other_kind, "step 'second-1' is recorded as do, and the code asks for sleep"),
        (other_arguments, "step 'first-1' is called with other arguments than the recorded ones"),
        (other_order, "the journal goes on with step 'first-1' (do), which the code does not ask for here"),
        (ends_early, "the journal goes on with step 'second-1' (do), which the code does not ask for here"),
        (broken, "which the code does not ask for here; it ended with KeyError: 'typo'"),
        (
            first_is_a_timer,
            "the journal goes on with step 'first-1' (do), which the code does not ask for here",
        ),
        (
            waits_for_nothing,
            "the journal goes on with step 'first-1' (do), which the code does not ask for here",
        ),
    ],
)
def test_code_that_contradicts_the_journal_is_held_and_nothing_else_is_kept(code, told):
    played, new = changed(journal_of=two_steps, code=code)
    assert played.status == "held"
    assert played.failure.name == "NonDeterminismError"
    assert told in played.failure.message
    (moved,) = new
    assert (moved.status, moved.failure) == (status.PAUSED, played.failure)


def test_a_divergence_cannot_be_caught():
    caught = []

    async def run(event, ctx):
        try:
            await other_arguments(event, ctx)
        except BaseException as error:
            caught.append(type(error).__name__)
            await ctx.do("cleanup", number, 1)
            raise
        finally:
            ctx.log("bye")

    played, new = changed(journal_of=two_steps, code=run)
    assert played.status == "held"
    assert caught == ["CancelledError"], "it is on its way out when it hears of it"
    assert len(new) == 1


def test_a_timer_where_the_journal_has_something_else_is_a_divergence():
    async def before(event, ctx):
        await ctx.do("asyncio timer", number, 1)

    async def after(event, ctx):
        await asyncio.sleep(0.001)

    played, _ = changed(journal_of=before, code=after)
    assert "step 'asyncio timer-1' is recorded as do, and the code asks for sleep" in played.failure.message


def test_a_step_that_was_under_way_and_is_not_asked_for_is_a_divergence():
    kept = facts.encode(Opened("gone-1", "do", now()))

    async def run(event, ctx):
        await ctx.do("new", number, 1)

    for code in (run, broken):
        played = play(code, journal=[kept])
        assert (
            "the journal has step 'gone-1' (do) under way, which the code never asks for"
            in played.failure.message
        )


def test_new_steps_after_the_recorded_ones_are_no_divergence():
    async def longer(event, ctx):
        await two_steps(event, ctx)
        return await ctx.do("third", number, 3)

    played, _ = changed(journal_of=two_steps, code=longer)
    assert played.result == 3


def test_steps_whose_outcome_nobody_awaited_are_no_divergence_when_the_end_was_lost():
    async def run(event, ctx):
        task = asyncio.create_task(ctx.do("beside", number, 1))
        await ctx.do("step", number, 2)
        return "end", task

    settled = [
        Settled("step-1", "do", 1, Ok(b"\x02"), b"", 1, 1, 1),
        Settled("beside-1", "do", 1, Ok(b"\x01"), b"", 1, 1, 1),
    ]

    async def fixed(event, ctx):
        return (await run(event, ctx))[0]

    assert play(fixed, journal=[facts.encode(fact) for fact in settled]).result == "end"


# -- eviction ----------------------------------------------------------------------------------------------


def evicted(run, *, at="resting"):
    """Play until the instance rests or runs a step, drop it there, and see what is left in memory."""
    left = []

    async def perform():
        stage = Stage(run=run)
        stage.begin()
        await stage.until(lambda: stage.change if at == "resting" else stage.running)
        stage.turn.drop()
        left.append(len([task for task in stage.turn.code.loop._tasks if not task.done()]))
        stage.close()
        await asyncio.sleep(0)

    asyncio.run(perform())
    gc.collect()
    return left[0]


def test_eviction_is_no_exception_that_user_code_can_catch():
    told = []

    async def run(event, ctx):
        while True:
            try:
                await ctx.sleep("nap", "1 hour")
            except Exception as error:  # noqa: BLE001 - this is what people write
                told.append(error)

    assert evicted(run) == 0
    assert told == []


def test_finally_blocks_that_ask_for_steps_do_not_hang():
    told = []

    async def run(event, ctx):
        try:
            await ctx.do("slow", asyncio.Event().wait)
        finally:
            for _ in range(5):
                try:
                    await ctx.do("cleanup", number, 1)
                except asyncio.CancelledError:
                    told.append("no")
                ctx.log("bye")
                await asyncio.sleep(0)

    assert evicted(run, at="running") == 0
    assert told == ["no"] * 5


@pytest.mark.parametrize("awaiting", ["step", "sleep", "event", "asyncio.sleep", "future", "zero"])
def test_code_that_will_not_be_cancelled_is_left_where_it_is(awaiting):
    rounds = itertools.count()

    async def run(event, ctx):
        while True:
            assert next(rounds) < 1_000_000
            try:
                match awaiting:
                    case "step":
                        await ctx.do("slow", asyncio.Event().wait)
                    case "sleep":
                        await ctx.sleep("nap", "1 hour")
                    case "event":
                        await ctx.wait_for_event("wait", "paid")
                    case "asyncio.sleep":
                        await asyncio.sleep(3600)
                    case "future":
                        await asyncio.gather(ctx.sleep("nap", "1 hour"), asyncio.Event().wait())
                    case "zero":
                        await ctx.sleep("nap", "1 hour")
            except asyncio.CancelledError:
                if awaiting == "zero":
                    await asyncio.sleep(0)

    evicted(run, at="running" if awaiting == "step" else "resting")
    assert next(rounds) < 1_000


def test_code_that_catches_everything_for_ever_hangs_nothing_also_when_it_is_collected(monkeypatch):
    rounds, complaints = itertools.count(), []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: complaints.append(str(told.exc_value)))

    async def run(event, ctx):
        while True:
            assert next(rounds) < 1_000, "it spins"
            try:
                await ctx.sleep("nap", "1 hour")
            except:  # noqa: E722, S112 - this is what people write
                continue

    evicted(run)
    gc.collect()
    assert next(rounds) < 1_000
    assert set(complaints) <= {"coroutine ignored GeneratorExit"}


def test_tasks_and_errors_that_nobody_looked_at_make_no_noise():
    async def fail():
        raise ValueError("nobody looks")

    async def on_the_way_out(ctx):
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("nobody looks at this either")

    async def run(event, ctx):
        tasks = [asyncio.create_task(fail()), asyncio.create_task(on_the_way_out(ctx))]
        tasks += [asyncio.create_task(ctx.do("slow", asyncio.Event().wait)) for _ in range(3)]
        del tasks
        await ctx.sleep("nap", "1 hour")

    assert evicted(run, at="running") == 0


def test_an_async_generator_that_was_left_in_the_middle_is_closed_in_its_place():
    told = []

    async def pages(ctx):
        try:
            for n in range(5):
                yield await ctx.do("page", number, n)
        finally:
            told.append(asyncio.get_running_loop() is ctx._code.loop)
            await ctx.do("close", number, 0)

    async def run(event, ctx):
        told.clear()
        async for page in pages(ctx):
            if page == 1:
                break
        await ctx.do("after", number, 1)

    played = play(run)
    assert played.settled[:2] == ["page-1", "page-2"]
    assert set(played.settled) == {"page-1", "page-2", "close-1", "after-1"}
    assert told == [True]
    for crash in range(played.commits):
        assert play(run, crash_after={crash}).settled == played.settled


def test_workflow_code_that_never_rests_is_errored(monkeypatch):
    monkeypatch.setattr(loop, "CALLBACKS", 5_000)

    async def run(event, ctx):
        while True:  # noqa: ASYNC110 - this is the mistake
            await asyncio.sleep(0)

    played = play(run)
    assert played.failure.name == "WorkflowInternalError"
    assert played.failure.message == "workflow code runs on and on without awaiting a step"


def test_code_that_tries_on_and_on_over_the_limit_of_steps_is_errored(monkeypatch):
    monkeypatch.setattr(loop, "CALLBACKS", 5_000)

    async def run(event, ctx):
        while True:
            try:
                await ctx.do("step", number, 1)
            except Exception:  # noqa: BLE001, S112 - this is what people write
                continue

    played = play(run, step_limit=3)
    assert played.failure.message == "workflow code runs on and on without awaiting a step"
    assert len(played.settled) == 3


# -- rest, drain and resume --------------------------------------------------------------------------------


@pytest.mark.resident("it is about one that does not start again")
def test_a_hot_turn_goes_on_where_it_stands():
    entered = []

    async def run(event, ctx):
        entered.append(1)
        await ctx.sleep("one", 5)
        await ctx.sleep("two", 5)

    played = play(run)
    assert entered == [1]
    assert played.stage.starts == 1


def test_a_rest_says_when_it_wakes_and_what_it_awaits():
    async def run(event, ctx):
        await asyncio.gather(
            ctx.sleep("short", "1 minute"),
            ctx.sleep("long", "1 hour"),
            ctx.wait_for_event("b", "beta", timeout="2 hours"),
            ctx.wait_for_event("a", "alpha"),
            ctx.wait_for_event("a", "alpha"),
        )

    rests = []

    async def script(stage):
        await stage.until(lambda: stage.change)
        rests.append((now(), stage.change))
        stage._over.set_result(None)

    play(run, script)
    ((at, rest),) = rests
    assert isinstance(rest, Rested)
    assert 59_000 < rest.wake_at - at <= 60_000
    assert rest.awaits == ["alpha", "beta"]


def test_a_turn_is_not_resumed_by_a_claim_that_knows_more_or_less():
    async def run(event, ctx):
        await ctx.sleep("nap", 50)

    async def script(stage):
        await stage.until(lambda: stage.change)
        await asyncio.sleep(0)
        spec = stage._spec(None)
        import msgspec

        for seq in (spec.seq - 1, spec.seq + 1):
            assert not stage.turn.resume(msgspec.structs.replace(spec, seq=seq))

    assert play(run, script).status == "complete"


def test_a_turn_that_plays_is_not_resumed():
    async def run(event, ctx):
        await ctx.do("slow", asyncio.sleep, 0.02)

    async def script(stage):
        assert not stage.turn.resume(stage._spec(None))
        stage.turn.epoch = stage._epoch = 1

    play(run, script)


def test_draining_lets_what_runs_end_and_hands_the_instance_back():
    free: list[bool] = []

    async def slow(n):
        while not free:  # noqa: ASYNC110 - the test sets it
            await asyncio.sleep(0.001)
        return n

    async def run(event, ctx):
        both = await asyncio.gather(ctx.do("slow", slow, 1), ctx.do("slow", slow, 2), ctx.sleep("nap", 1))
        return [*both[:2], await ctx.do("after", number, 3)]

    async def script(stage):
        await stage.until(lambda: len(stage.running) == 2)
        stage.drain()
        assert not stage.released
        free.append(True)
        await stage.until(lambda: stage.released)
        assert {"slow-1", "slow-2"} <= {fact.key for fact in stage.facts if isinstance(fact, Settled)}
        assert "after-1" not in {fact.key for fact in stage.facts if isinstance(fact, Settled)}
        stage.claim()

    played = play(run, script)
    assert played.result == [1, 2, 3]
    assert played.stage.released == 1


def test_draining_commits_a_failed_attempt_and_begins_no_other():
    ran: list[int] = []
    free: list[bool] = []

    async def fail():
        ran.append(1)
        while not free:  # noqa: ASYNC110 - the test sets it
            await asyncio.sleep(0.001)
        raise ValueError("no")

    async def run(event, ctx):
        try:
            await ctx.do("fail", fail, retries={"limit": 1, "delay": 0})
        except ValueError:
            return len(ran)

    async def script(stage):
        await stage.until(lambda: ran)
        stage.drain()
        free.append(True)
        await stage.until(lambda: stage.released)
        assert ran == [1]
        assert any(isinstance(fact, Failed) for fact in stage.facts)
        stage.claim()

    assert play(run, script).result == 2


@pytest.mark.resident("it counts the starts")
def test_draining_drops_what_rests_and_says_nothing():
    async def run(event, ctx):
        await ctx.sleep("nap", 40)

    async def script(stage):
        await stage.until(lambda: stage.change)
        await asyncio.sleep(0)
        stage.drain()
        assert stage.turn.state.name == "OVER"
        stage.draining = False

    played = play(run, script)
    assert played.stage.released == 0
    assert played.stage.starts == 2


def test_draining_takes_an_event_in_and_leaves_the_rest_to_the_next():
    free: list[bool] = []

    async def slow():
        while not free:  # noqa: ASYNC110 - the test sets it
            await asyncio.sleep(0.001)

    async def run(event, ctx):
        _, paid = await asyncio.gather(ctx.do("slow", slow), ctx.wait_for_event("wait", "paid"))
        return paid.payload

    async def script(stage):
        await stage.until(lambda: stage.running)
        stage.drain()
        stage.send("paid", 5)
        free.append(True)
        await stage.until(lambda: stage.released)
        assert stage.pending == []
        stage.claim()

    assert play(run, script).result == 5


@pytest.mark.resident("it hands back the one turn there is")
def test_one_turn_is_handed_back_as_soon_as_nothing_of_it_runs():
    free: list[bool] = []

    async def slow(n):
        while not free:  # noqa: ASYNC110 - the test sets it
            await asyncio.sleep(0.001)
        return n

    async def run(event, ctx):
        return [await ctx.do("slow", slow, 1), await ctx.do("after", number, 2)]

    async def script(stage):
        await stage.until(lambda: stage.running)
        stage.turn.hand_back()
        assert not stage.released
        free.append(True)
        await stage.until(lambda: stage.released)
        assert [fact.key for fact in stage.facts if isinstance(fact, Settled)] == ["slow-1"]
        assert not stage.draining
        stage.claim()

    played = play(run, script)
    assert played.result == [1, 2]
    assert played.stage.released == 1


@pytest.mark.resident("it counts the starts")
def test_a_turn_at_rest_that_is_handed_back_is_dropped():
    async def run(event, ctx):
        await ctx.sleep("nap", 40)

    async def script(stage):
        await stage.until(lambda: stage.change)
        await asyncio.sleep(0)
        stage.turn.hand_back()
        assert stage.turn.state.name == "OVER"

    assert play(run, script).stage.starts == 2


def test_a_turn_played_while_the_runtime_drains_is_handed_back_at_once():
    async def script(stage):
        await stage.until(lambda: stage.released)
        assert not any(isinstance(fact, Settled) for fact in stage.facts)
        stage.claim()

    assert play(steps_of(2), script, draining=True).result == [0, 1]


@pytest.mark.resident("it ends the one turn there is")
def test_a_refused_commit_ends_the_turn_without_a_word():
    async def script(stage):
        await stage.until(lambda: stage.commits == 1)
        stage.turn.drop()
        assert stage.turn.state.name == "OVER"
        await asyncio.sleep(0.01)
        assert stage.commits == 1
        stage._over.set_result(None)

    play(steps_of(3), script)


def test_an_event_that_comes_twice_is_received_once():
    async def run(event, ctx):
        again = asyncio.create_task(ctx.wait_for_event("again", "paid", timeout=1_000))
        first = await ctx.wait_for_event("wait", "paid")
        try:
            await again
        except WorkflowTimeoutError:
            return first.payload

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.send("paid", 1)
        await asyncio.sleep(0)
        stage.turn.receive(facts.Received(1, "paid", b"\x01", now(), now()))

    opened = facts.encode(Opened("again-1", "waitForEvent", now() - 1_000))
    played = play(run, script, journal=[opened])
    assert played.result == 1
    assert played.told.count("Received") == 1


# -- memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["complete", "errored", "dropped", "released"])
def test_a_turn_that_is_over_can_be_collected(ending):
    async def run(event, ctx):
        await ctx.do("step", number, 1)
        if ending == "errored":
            raise ValueError("no")
        if ending == "dropped":
            await ctx.sleep("nap", "1 hour")
        if ending == "released":
            await ctx.do("slow", asyncio.sleep, 0.01)

    async def perform():
        kept = await play_on()
        await asyncio.sleep(0.01)
        gc.collect()
        return [one() for one in kept]

    async def play_on():
        stage = Stage(run=run)
        stage.begin()
        kept = [weakref.ref(stage.turn), weakref.ref(stage.turn.code.loop)]
        match ending:
            case "dropped":
                await stage.until(lambda: stage.change)
                await asyncio.sleep(0)
            case "released":
                await stage.until(lambda: stage.running)
                stage.drain()
                await stage.until(lambda: stage.released)
            case _:
                await stage.end()
        stage.close()
        return kept

    assert asyncio.run(perform()) == [None, None]


@pytest.mark.resident("it measures a stay in memory")
def test_ten_thousand_steps_keep_nothing_in_memory_and_cost_the_same_at_the_end_as_at_the_beginning():
    calls: Counter[int] = Counter()
    sizes = []

    def count(at, frame, what, given):
        calls[at] += what == "call"

    async def run(event, ctx):
        for n in range(10_000):
            at, within = divmod(n, 5_000)
            if within == 4_900:
                gc.collect()
                sizes.append((held(ctx._code), len(gc.get_objects())))
                sys.setprofile(functools.partial(count, at))
            await ctx.do("step", number, n)
            if within == 4_910:
                sys.setprofile(None)
        try:
            await ctx.do("step", number, 10_000)
        except TooMany as error:
            return error.message

    played = play(run)
    assert played.result == (
        "The limit of 10000 steps has been reached. This limit can be changed in your worker configuration."
    )
    assert len(played.settled) == 10_000
    (early, few), (late, many) = sizes
    assert late == early
    assert many < few + 100
    assert calls[1] <= calls[0] * 1.02


def side_by_side(count):
    async def run(event, ctx):
        return len(await asyncio.gather(*(ctx.do("step", number, n) for n in range(count))))

    return run


def lines_run(run, **options):
    """Count the lines of wflow that are run while a workflow is played to its end."""
    lines = 0

    def trace(frame, what, given):
        nonlocal lines
        if what == "line":
            lines += 1
        return trace if frame.f_code.co_filename.startswith(wflow.__path__[0]) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        played = play(run, **options)
    finally:
        sys.settrace(before)
    assert played.status == "complete"
    return lines


@pytest.mark.resident("whoever is let go after each step plays all that came before it again")
@pytest.mark.parametrize("shape", [steps_of, side_by_side])
def test_the_work_of_many_steps_is_so_many_times_the_work_of_one(shape):
    few, many = (lines_run(shape(count)) for count in (100, 400))
    assert many < 4.2 * few


@pytest.mark.resident("it replays by itself")
@pytest.mark.parametrize("shape", [steps_of, side_by_side])
def test_the_work_of_a_replay_is_so_many_times_the_work_of_replaying_one_step(shape):
    few, many = (
        lines_run(shape(count), journal=play(shape(count)).stage.journal[:-1]) for count in (100, 400)
    )
    assert many < 4.2 * few


@pytest.mark.resident("it counts what a step costs while its instance stays in memory")
def test_a_step_takes_few_calls():
    def calls_of(count):
        calls = 0

        def profile(frame, what, given):
            nonlocal calls
            calls += what == "call" and frame.f_code.co_filename.startswith(wflow.__path__[0])

        sys.setprofile(profile)
        try:
            play(plainly(count))
        finally:
            sys.setprofile(None)
        return calls

    def plainly(count):
        async def run(event, ctx):
            for _ in range(count):
                await ctx.do("step", nothing)

        return run

    async def nothing():
        return None

    assert calls_of(60) - calls_of(10) <= 50 * 60


@pytest.mark.resident("so many are played once")
def test_a_workflow_may_have_twenty_five_thousand_steps_if_its_config_says_so():
    async def run(event, ctx):
        done = 0
        for _ in range(25):
            done += sum(await asyncio.gather(*(ctx.do("step", number, 1) for _ in range(1_000))))
        with pytest.raises(TooMany, match="The limit of 25000 steps has been reached"):
            await ctx.do("step", number, 1)
        return done

    assert play(run, step_limit=25_000).result == 25_000


def test_the_journal_is_not_kept_in_memory_once_it_is_folded():
    whole = play(steps_of(50))
    steps = [raw for raw in whole.stage.journal if isinstance(facts.decode(raw), Settled)]

    async def run(event, ctx):
        await steps_of(50)(event, ctx)
        await ctx.sleep("nap", "1 hour")

    async def perform():
        stage = Stage(run=run, journal=list(steps))
        stage.begin()
        await stage.until(lambda: stage.change)
        stage.journal.clear()
        gc.collect()
        held = [
            one
            for one in gc.get_objects()
            if isinstance(one, list) and len(one) >= 50 and one[:3] == steps[:3]
        ]
        stage.close()
        return len(held)

    assert asyncio.run(perform()) == 1, "only this test has it"


def held(code):
    """Count what the tables of a turn hold, however deep."""
    containers = (dict, list, set, tuple, deque)
    seen, left, count = set(), [code.machine, code._steps, code._bells], 0
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            count += len(one) if isinstance(one, containers) else 0
            left += [
                part
                for part in gc.get_referents(one)
                if isinstance(part, containers) or type(part).__module__.startswith(OWN)
            ]
    return count


OWN = ("wflow.engine", "wflow.runtime.running", "wflow.runtime.undoing", "wflow.runtime.parked")


@pytest.mark.resident("it breaks the one turn there is")
def test_an_error_of_ours_pauses_the_instance_and_says_so(capsys):
    async def run(event, ctx):
        return await ctx.do("step", number, 1)

    async def script(stage):
        await stage.until(lambda: stage.commits == 1)
        stage.turn.broke(ZeroDivisionError("in wflow"))

    played = play(run, script)
    assert played.status == "held"
    assert played.failure.message == "wflow failed inside this instance: ZeroDivisionError('in wflow')"
    assert "ZeroDivisionError: in wflow" in capsys.readouterr().err


def test_a_value_in_the_journal_that_cannot_be_read_pauses_the_instance(capsys):
    broken_row = facts.encode(Settled("step-1", "do", 1, Ok(b"\xc1"), b"", 1, 1, 1))

    async def script(stage):
        await stage.end()

    async def run(event, ctx):
        return await ctx.do("step", number, 1)

    with pytest.raises(Exception, match=r"malformed|Trailing|invalid|MessagePack"):
        play(run, script, journal=[broken_row])
    assert "wflow failed" not in capsys.readouterr().out


@pytest.mark.resident("it holds back what a turn hears")
def test_an_outcome_is_given_to_the_code_only_when_it_is_on_disk():
    seen = []

    async def run(event, ctx):
        seen.append(await ctx.do("step", number, 1))

    async def script(stage):
        stage.outbox.acked, acked = lambda *_: None, stage.outbox.acked
        await stage.until(lambda: any(isinstance(fact, Settled) for fact in stage.facts))
        await asyncio.sleep(0.01)
        assert seen == []
        for batch in list(stage.outbox._in_flight):
            acked(batch, [])
        stage.outbox.acked = acked

    play(run, script)
    assert seen == [1]


def test_a_step_begins_while_the_outcome_of_another_is_on_its_way_to_disk():
    async def run(event, ctx):
        return await asyncio.gather(ctx.do("a", number, 1), ctx.do("b", wait_a_little, 2))

    played = play(run)
    assert played.result == [1, 2]
    (end,) = (change for change in [played.stage.change] if isinstance(change, Ended))
    assert end.status == status.COMPLETE


def test_failures_are_kept_as_they_were_and_settle_the_step():
    def fail():
        raise ValueError("no")

    async def run(event, ctx):
        await ctx.do("fail", fail, retries={"limit": 1, "delay": 0})

    played = play(run)
    (settled,) = (fact for fact in played.facts if isinstance(fact, Settled))
    assert isinstance(settled.outcome, Err)
    assert settled.outcome.failure.message == "no"
    assert played.told == ["Opened", "Failed", "Failed", "Settled"]


@pytest.mark.parametrize("cold", [False, True])
def test_events_that_nobody_awaits_stay_in_the_inbox_beyond_a_number_and_come_in_their_order(
    cold, monkeypatch
):
    monkeypatch.setattr("wflow.engine.names.EVENTS_BUFFERED", 3)

    async def run(event, ctx):
        await ctx.wait_for_event("go", "go")
        await ctx.do("slow", gate.wait)
        return [(await ctx.wait_for_event("paid", "paid")).payload for _ in range(6)]

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.send("go")
        await stage.until(lambda: stage.running)
        for each in range(6):
            stage.send("paid", each)
        await stage.until(lambda: sum(isinstance(fact, Received) for fact in stage.facts) == 4)
        assert len(stage.pending) == 3
        gate.set()

    gate = asyncio.Event()
    assert play(run, script, cold=cold).result == [0, 1, 2, 3, 4, 5]
