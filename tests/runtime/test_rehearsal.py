from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.runtime.stage import CREATED, INSTANCE, Stage, number, play
from wflow.engine import facts, values
from wflow.engine.facts import Moved
from wflow.engine.outcome import Ok
from wflow.engine.requests import CANCEL
from wflow.engine.seen import Asked, Seen
from wflow.engine.status import QUEUED
from wflow.errors import NonRetryableError
from wflow.link import frames
from wflow.runtime import event
from wflow.runtime.context import Context
from wflow.runtime.output import Lines, Output
from wflow.runtime.rehearsal import Rehearsal, rehearse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from wflow.engine.divergence import Verdict
    from wflow.engine.facts import Fact
    from wflow.engine.seen import News
    from wflow.runtime.turn import Turn

    Run = Callable[..., Coroutine[Any, Any, object]]


def test_a_journal_of_the_same_code_is_clean() -> None:
    verdict = rehearsed(sums, play(sums).facts)
    assert verdict.clean
    assert (verdict.heard, verdict.recorded) == (3, 3)


def test_no_journal_at_all_is_clean() -> None:
    assert rehearsed(sums, []) == rehearsed(fails, [])
    assert rehearsed(sums, []).clean


def test_no_step_is_called() -> None:
    called: list[int] = []

    async def step(n: int) -> int:
        called.append(n)
        return n

    def plain(n: int) -> int:
        called.append(n)
        return n

    async def run(event: Any, ctx: Context) -> int:
        one = await ctx.do("one", step, 1)
        return one + await ctx.do("two", plain, 2)

    journal = play(run).facts
    called.clear()
    for length in range(len(journal) + 1):
        assert rehearsed(run, journal[:length]).clean
    assert called == []


def test_every_beginning_of_a_journal_is_clean() -> None:
    journal = play(sums).facts
    heard = [rehearsed(sums, journal[:length]).heard for length in range(len(journal) + 1)]
    assert heard == sorted(heard)
    assert heard[-1] == 3


def test_code_that_asks_for_another_step_diverges_where_it_does() -> None:
    async def changed(event: Any, ctx: Context) -> int:
        await ctx.do("step", number, 0)
        return await ctx.do("other", number, 1)

    verdict = rehearsed(changed, play(sums).facts)
    assert not verdict.clean
    assert verdict.heard == 1
    assert verdict.failure is not None
    assert verdict.failure.name == "NonDeterminismError"
    assert "step-2" in verdict.failure.message


def test_code_with_other_arguments_diverges() -> None:
    async def changed(event: Any, ctx: Context) -> int:
        await ctx.do("step", number, 0)
        return await ctx.do("step", number, 5)

    verdict = rehearsed(changed, play(sums).facts)
    assert (verdict.clean, verdict.heard) == (False, 1)


def test_another_output_of_an_instance_that_is_over_is_said() -> None:
    async def changed(event: Any, ctx: Context) -> int:
        return 1 + await sums(event, ctx)

    verdict = rehearsed(changed, told(sums))
    assert verdict.heard == verdict.recorded == 3
    assert verdict.failure is not None
    assert verdict.failure.message == "the instance gave 3; the code gives 4"


def test_an_output_that_the_journal_does_not_tell_is_not_compared() -> None:
    async def changed(event: Any, ctx: Context) -> int:
        return 1 + await sums(event, ctx)

    assert rehearsed(changed, play(sums).facts).clean


def test_another_failure_of_an_instance_that_is_over_is_said() -> None:
    async def changed(event: Any, ctx: Context) -> int:
        await sums(event, ctx)
        raise NonRetryableError("quite another thing")

    journal = play(fails).facts
    assert rehearsed(fails, journal).clean
    verdict = rehearsed(changed, journal)
    assert verdict.failure is not None
    assert "the instance failed with NonRetryableError: no more" in verdict.failure.message
    assert "the code fails with NonRetryableError: quite another thing" in verdict.failure.message


def test_code_that_fails_where_the_instance_came_to_its_end_is_said() -> None:
    verdict = rehearsed(fails, play(sums).facts)
    assert verdict.failure is not None
    assert "came to its end; the code fails with NonRetryableError: no more" in verdict.failure.message


def test_code_that_goes_on_where_the_instance_ended_is_said_with_the_step() -> None:
    async def longer(event: Any, ctx: Context) -> int:
        await sums(event, ctx)
        return await ctx.do("more", number, 1)

    verdict = rehearsed(longer, play(sums).facts)
    assert verdict.failure is not None
    assert "the code goes on with step 'more-1'" in verdict.failure.message
    assert verdict.divergence is not None
    assert verdict.divergence.cause == "added"
    assert verdict.divergence.requested is not None
    assert verdict.divergence.requested.key == "more-1"


def test_code_that_may_end_sooner_than_an_unfinished_instance_is_clean() -> None:
    async def sooner(event: Any, ctx: Context) -> int:
        return await ctx.do("step", number, 0)

    assert rehearsed(sooner, cut(play(sums).facts, 1)).clean


def test_an_instance_that_was_terminated_may_have_been_anywhere() -> None:
    journal = [*cut(play(sums).facts, 2), Moved("terminated", CREATED)]
    assert rehearsed(sums, journal).clean


def test_a_failed_step_that_is_caught_is_clean() -> None:
    async def run(event: Any, ctx: Context) -> str:
        try:
            await ctx.do("bad", breaks, retries={"limit": 1, "delay": 1})
        except ValueError as error:
            return str(error)
        return "never"

    assert rehearsed(run, told(run)).clean


def test_an_instance_that_rolled_back_is_clean_and_undoes_nothing() -> None:
    undone: list[object] = []

    async def undo(output: object) -> None:
        undone.append(output)

    async def run(event: Any, ctx: Context) -> None:
        await ctx.do("one", number, 1, rollback=undo)
        await ctx.do("two", number, 2, rollback=undo)
        raise NonRetryableError("no more")

    journal = play(run).facts
    assert undone == [2, 1]
    for length in range(len(journal) + 1):
        assert rehearsed(run, journal[:length]).clean
    assert undone == [2, 1]


def test_a_cancellation_is_heard_where_it_was() -> None:
    async def run(event: Any, ctx: Context) -> str:
        await ctx.do("one", number, 1)
        try:
            await ctx.sleep("long", "1 hour")
        except asyncio.CancelledError:
            await ctx.do("cleanup", number, 2)
            raise
        return "never"

    async def script(stage: Stage) -> None:
        await stage.until(lambda: stage.change)
        stage.send(CANCEL)

    journal = play(run, script).facts
    seen: list[News] = []
    verdict = rehearsed(run, journal, watch=seen.append)
    assert verdict.clean
    assert [type(news) for news in seen] == [Seen, Asked, Seen]
    assert verdict.heard == verdict.recorded == 3


def test_an_event_and_a_race_are_clean() -> None:
    async def run(event: Any, ctx: Context) -> object:
        wait = asyncio.ensure_future(ctx.wait_for_event("go", type="go"))
        nap = asyncio.ensure_future(ctx.sleep("nap", "1 hour"))
        done, late = await asyncio.wait([wait, nap], return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        return [type(task.result()).__name__ for task in done]

    async def script(stage: Stage) -> None:
        await stage.until(lambda: stage.change)
        stage.send("go", {"a": 1})

    assert rehearsed(run, told(run, script)).clean


def test_a_restarted_instance_is_clean() -> None:
    journal = play(sums).facts
    kept = [*cut(journal, 1), journal[-1], Moved(QUEUED, CREATED, detail={"restart": True})]
    verdict = rehearsed(sums, kept)
    assert (verdict.clean, verdict.recorded) == (True, 1)


def test_code_that_never_comes_to_rest_is_no_clean_replay() -> None:
    async def run(event: Any, ctx: Context) -> None:
        while True:  # noqa: ASYNC110 - that is the point
            await asyncio.sleep(0)

    verdict = rehearsed(run, [])
    assert verdict.failure is not None
    assert verdict.failure.name == "WorkflowInternalError"
    assert "runs on and on" in verdict.failure.message


def test_a_journal_that_is_none_is_said() -> None:
    async def main() -> Verdict:
        return rehearse(spec([b"\xff"]), starting(sums), step_limit=10)

    verdict = asyncio.run(main())
    assert verdict.failure is not None
    assert "cannot play this journal" in verdict.failure.message


def test_what_the_code_prints_and_shows_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(event: Any, ctx: Context) -> int:
        print("at first")  # noqa: T201 - as users do
        ctx.progress(1, 2)
        ctx.set_tags(["red"])
        ctx.log("a line")
        try:
            return await ctx.do("step", number, 1)
        finally:
            print("at last")  # noqa: T201 - as users do

    journal: list[Fact] = [fact for fact in play(run).facts if not isinstance(fact, facts.Logged)]
    heard: list[frames.Printed] = []

    async def main() -> Verdict:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr("sys.stdout", Lines(Output(loop, heard.append), "info"))
        verdict = rehearse(spec(encoded(journal)), starting(run), step_limit=10)
        assert rehearse(spec([]), starting(run), step_limit=10).clean
        print("between")  # noqa: T201 - as users do
        await asyncio.sleep(0)
        return verdict

    assert asyncio.run(main()).clean
    assert [line.text for line in heard] == ["between"]


def test_nothing_is_left_behind() -> None:
    async def run(event: Any, ctx: Context) -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(3):
                group.create_task(ctx.do("step", number, n))
            group.create_task(ctx.sleep("nap", "1 hour"))
            async with asyncio.timeout(1_000):
                await ctx.wait_for_event("go", type="go")

    async def script(stage: Stage) -> None:
        await stage.until(lambda: stage.change)
        stage.turn.drop()
        stage._over.set_result(None)

    journal = play(run, script).facts
    threads = threading.active_count()

    async def main() -> None:
        verdict = rehearse(spec(encoded(journal)), starting(run), step_limit=10)
        assert verdict.clean
        assert verdict.heard == 3
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]

    asyncio.run(main())
    assert threading.active_count() == threads


def test_who_watches_hears_of_each_outcome_before_the_code_does() -> None:
    log: list[object] = []

    async def run(event: Any, ctx: Context) -> None:
        for n in range(2):
            value = await ctx.do("step", number, n)
            log.append(value)

    journal = play(run).facts
    log.clear()

    def watch(news: News) -> None:
        assert isinstance(news, Seen)
        assert isinstance(news.outcome, Ok)
        log.append((news.key, values.decode(news.outcome.value)))

    rehearsed(run, journal, watch=watch)
    assert log == [("step-1", 0), 0, ("step-2", 1), 1]


def test_who_watches_may_leave_in_the_middle() -> None:
    class Enough(BaseException):
        pass

    def watch(news: News) -> None:
        raise Enough

    with pytest.raises(Enough):
        rehearsed(sums, play(sums).facts, watch=watch)


def test_the_tasks_of_the_code_can_be_looked_at() -> None:
    async def run(event: Any, ctx: Context) -> None:
        await asyncio.gather(ctx.do("step", number, 1), ctx.do("step", number, 2))

    journal = cut(play(run).facts, 1)

    async def main() -> int:
        rehearsal = Rehearsal(spec(encoded(journal)), starting(run), step_limit=10)
        try:
            assert rehearsal.play().clean
            return len(rehearsal.tasks)
        finally:
            rehearsal.close()

    assert asyncio.run(main()) == 2


# -- how it is done ------------------------------------------------------------------------------------------


async def sums(event: Any, ctx: Context) -> int:
    return sum([await ctx.do("step", number, n) for n in range(3)])


async def fails(event: Any, ctx: Context) -> int:
    await sums(event, ctx)
    raise NonRetryableError("no more")


async def breaks() -> None:
    raise ValueError("as ever")


def told(run: Run, script: Any = None) -> list[Fact]:
    """Play, and put the output where an exported journal has it."""
    played = play(run, script)
    *before, last = played.facts
    assert isinstance(last, Moved)
    return [*before, Moved(last.status, last.at, values.encode(played.result), detail=last.detail)]


def cut(journal: list[Fact], settled: int) -> list[Fact]:
    """Keep the journal up to so many outcomes."""
    at = [index for index, fact in enumerate(journal) if isinstance(fact, facts.Settled)]
    return journal[: at[settled - 1] + 1]


def encoded(journal: list[Fact]) -> list[bytes]:
    return [facts.encode(fact) for fact in journal]


def spec(records: list[bytes]) -> frames.Turn:
    return frames.Turn(
        instance=INSTANCE,
        epoch=0,
        workflow="flow",
        id="order-1",
        created_at=CREATED,
        params=values.encode({}),
        seq=len(records),
        records=records,
        events=[],
        started_at=CREATED + 1_000,
        seed=b"0123456789abcdef",
    )


def starting(run: Run) -> Callable[[Turn], Coroutine[Any, Any, object]]:
    def start(turn: Turn) -> Coroutine[Any, Any, object]:
        output = Output(asyncio.get_running_loop(), lambda _line: None)
        return run(event.opening(spec([])), Context(turn.code, output))

    return start


def rehearsed(run: Run, journal: list[Fact], *, watch: Callable[[News], None] | None = None) -> Verdict:
    async def main() -> Verdict:
        return rehearse(spec(encoded(journal)), starting(run), step_limit=10_000, watch=watch)

    return asyncio.run(main())
