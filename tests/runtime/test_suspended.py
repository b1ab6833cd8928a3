from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from tests.runtime.stage import number, play
from tests.runtime.test_rehearsal import cut, encoded, spec, starting
from wflow.runtime import suspended
from wflow.runtime.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from wflow.runtime.context import Context


async def inner(ctx: Context, n: int) -> int:
    own = n * 10
    return own + await ctx.do("step", number, n)


async def generated(ctx: Context) -> AsyncIterator[int]:
    for n in range(2):
        yield await ctx.do("made", number, n)


async def several(event: Any, ctx: Context) -> object:
    await ctx.do("first", number, 0)
    return await asyncio.gather(inner(ctx, 1), inner(ctx, 2))


async def looped(event: Any, ctx: Context) -> list[int]:
    return [each async for each in generated(ctx)]


def at(run: Any, settled: int, look: Callable[[Rehearsal], None]) -> None:
    """Replay up to an outcome, and look at the code while it waits for the next."""
    journal = cut(play(run).facts, settled)

    async def main() -> None:
        rehearsal = Rehearsal(spec(encoded(journal)), starting(run), step_limit=100)
        try:
            assert rehearsal.play().clean
            look(rehearsal)
        finally:
            rehearsal.close()

    asyncio.run(main())


def names(task: asyncio.Task[Any]) -> list[str]:
    return [frame.f_code.co_qualname for frame in suspended.frames(task)]


def test_the_frames_of_a_task_are_the_users_the_innermost_last() -> None:
    def look(rehearsal: Rehearsal) -> None:
        run, one, two = suspended.tasks(rehearsal)
        assert names(run) == ["several"]
        assert [names(one), names(two)] == [["inner"], ["inner"]]
        (frame,) = suspended.frames(two)
        assert (frame.f_locals["n"], frame.f_locals["own"]) == (2, 20)

    at(several, 1, look)


def test_the_task_that_hears_of_a_step_is_known() -> None:
    def look(rehearsal: Rehearsal) -> None:
        _, one, two = suspended.tasks(rehearsal)
        assert suspended.waiter(rehearsal, "step-1") is one
        assert suspended.waiter(rehearsal, "step-2") is two
        assert suspended.waiter(rehearsal, "first-1") is None

    at(several, 1, look)


def test_tasks_with_names_of_their_own_come_last() -> None:
    async def run(event: Any, ctx: Context) -> None:
        await ctx.do("first", number, 0)
        named = asyncio.get_running_loop().create_task(inner(ctx, 1), name="Aaron")
        await asyncio.gather(named, inner(ctx, 2))

    def look(rehearsal: Rehearsal) -> None:
        assert [task.get_name() == "Aaron" for task in suspended.tasks(rehearsal)] == [False, False, True]

    at(run, 1, look)


def test_an_async_generator_is_followed_as_far_as_python_tells() -> None:
    def look(rehearsal: Rehearsal) -> None:
        (task,) = suspended.tasks(rehearsal)
        assert names(task)[0] == "looped"

    at(looped, 1, look)


def test_frames_of_wflow_and_of_python_are_not_the_users() -> None:
    frame = sys._getframe()
    assert suspended.is_users(frame)
    assert [each.f_code.co_qualname for each in suspended.running(frame)][-1] == frame.f_code.co_qualname
    assert not any("/_pytest/" in each.f_code.co_filename for each in suspended.running(frame))
    code = compile("import sys; found = sys._getframe()", "<made up>", "exec")
    place: dict[str, Any] = {}
    exec(code, place)  # noqa: S102 - as templates of code do
    assert not suspended.is_users(place["found"])


def test_the_code_that_calls_is_found_on_the_stack() -> None:
    seen: list[list[str]] = []

    async def run(event: Any, ctx: Context) -> int:
        task = asyncio.current_task()
        assert task is not None
        seen.append(names(task))
        return await ctx.do("step", number, 1)

    play(run)
    assert seen[0][-2:] == ["test_the_code_that_calls_is_found_on_the_stack.<locals>.run", "names"]
