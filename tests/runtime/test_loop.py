"""The loop that workflow code runs on: what there is, in which order, and what there is not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.stage import Played, Stage, current_task, number, play
from wflow.errors import InvalidInput
from wflow.runtime.loop import Task, WorkflowLoop, in_order

ROOT = Path(__file__).parents[2]


class Keeper:
    """Whose loop it is: it keeps timers until they are rung."""

    instance = 1

    def __init__(self):
        self.timers = {}

    def set_timer(self, delay_ms, ring):
        key = len(self.timers)
        self.timers[key] = (delay_ms, ring)
        return lambda: self.timers.pop(key, None)


def loop_of(owner=None):
    keeper: Any = owner or Keeper()
    return WorkflowLoop(keeper, 100.0)  # type: ignore[abstract]


def test_it_runs_until_nothing_is_ready_and_the_thread_has_its_own_loop_back():
    loop = loop_of()
    seen: list[object] = []

    async def code():
        seen.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        seen.append("end")

    async def outside():
        loop.create_task(code())
        assert not loop.is_running()
        loop.run()
        return asyncio.get_running_loop()

    with asyncio.Runner() as runner:
        assert runner.run(outside()) is runner.get_loop()
    assert seen == [loop, "end"]


def test_an_error_in_a_callback_ends_neither_the_run_nor_the_process():
    loop = loop_of()
    seen: list[object] = []

    def fail(error):
        raise error

    for error in (ValueError(), SystemExit(), KeyboardInterrupt()):
        loop.call_soon(fail, error)
    loop.call_soon(seen.append, 1)
    loop.run()
    assert seen == [1]


def test_a_cancelled_callback_is_not_called():
    loop = loop_of()
    seen: list[object] = []
    call = loop.call_soon(seen.append, 1)
    call.cancel()
    call.cancel()
    assert call.cancelled()
    loop.run()
    assert seen == []


def test_timers_are_the_owners_and_tell_when_they_ring():
    owner = Keeper()
    loop = loop_of(owner)
    seen: list[object] = []
    later = loop.call_later(1.5, seen.append, "later")
    at = loop.call_at(100.25, seen.append, "at")
    now = loop.call_later(0, seen.append, "now")
    assert (later.when(), at.when()) == (101.5, 100.25)
    assert [delay for delay, _ in owner.timers.values()] == [1_500, 250]
    for _, ring in list(owner.timers.values()):
        ring()
    later.cancel()
    loop.run()
    assert seen == ["now", "at"]
    assert not now.cancelled()


@pytest.mark.parametrize("delay", [366 * 86_400, 1e300, float("inf"), float("nan")])
def test_a_timer_beyond_a_year_is_refused_with_the_number(delay):
    with pytest.raises(InvalidInput, match="at most 365 days"):
        loop_of().call_later(delay, print)


def test_a_timer_beyond_a_year_is_refused_in_workflow_code():
    async def run(event, ctx):
        await asyncio.sleep(10**12)

    assert (
        play(run).failure.message
        == "a timer in workflow code lasts at most 365 days, not 1000000000000 seconds"
    )


def test_a_callback_has_the_context_it_was_queued_in():
    color = contextvars.ContextVar("color", default="none")
    loop = loop_of()
    seen: list[object] = []

    async def code():
        color.set("red")
        asyncio.get_running_loop().call_soon(lambda: seen.append(color.get()))

    loop.create_task(code())
    loop.run()
    assert seen == ["red"]
    assert color.get() == "none"


def test_tasks_are_in_a_set_in_the_same_order_in_every_process():
    code = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.runtime.test_loop import loop_of

async def nothing(): pass

rubbish = [object() for _ in range({rubbish})]
loop = loop_of()
tasks = [loop.create_task(nothing(), name=str(n)) for n in range(50)]
print([task.get_name() for task in set(tasks)])
loop.run()
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", code.format(root=str(ROOT), rubbish=n * 1_001)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
        for n in range(3)
    }
    assert len(printed) == 1


def test_the_first_tasks_of_many_instances_do_not_crowd_one_place():
    async def nothing():
        pass

    loop = loop_of()
    tasks = [Task(nothing(), (instance, 1), loop=loop) for instance in range(1_000)]
    loop.run()
    assert len({hash(task) for task in tasks}) == 1_000


@pytest.mark.parametrize("given", [list, tuple, iter])
def test_as_completed_starts_coroutines_in_the_order_given(given):
    started, loop = [], loop_of()

    async def one(n):
        started.append(n)

    async def code():
        for coming in in_order(asyncio.as_completed)(given([one(n) for n in range(50)])):
            await coming

    task = loop.create_task(code())
    loop.run()
    assert task.done()
    assert started == list(range(50))


def test_as_completed_is_as_ever_elsewhere():
    async def code():
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(number(n)) for n in range(3)]
        return sorted([await coming for coming in in_order(asyncio.as_completed)(tasks, timeout=5)])

    assert asyncio.run(code()) == [0, 1, 2]
    future: concurrent.futures.Future[None] = concurrent.futures.Future()
    with pytest.raises(TypeError, match="iterable of"):
        list(in_order(asyncio.as_completed)(asyncio.wrap_future(future, loop=loop_of())))


FOREIGN = (
    "workflow code cannot await a future that is no step's; put what it stands for in a step (ctx.do): Task <"
)


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda loop: loop.getaddrinfo("localhost", 80), "getaddrinfo(): this is I/O or a thread"),
        (lambda loop: loop.run_in_executor(None, print), "run_in_executor(): this is I/O or a thread"),
        (lambda _: asyncio.to_thread(print), "run_in_executor(): this is I/O or a thread"),
        (lambda _: asyncio.open_connection("localhost", 80), "create_connection(): this is I/O or a thread"),
        (lambda _: asyncio.start_server(print, "localhost", 0), "create_server(): this is I/O or a thread"),
        (lambda _: asyncio.create_subprocess_exec("true"), "subprocess_exec(): this is I/O or a thread"),
        (lambda loop: loop.add_reader(0, print), "add_reader(): this is I/O or a thread"),
        (lambda loop: loop.call_soon_threadsafe(print), "call_soon_threadsafe(): this is I/O or a thread"),
        (lambda loop: loop.stop(), "stop(): this is I/O or a thread"),
    ],
)
def test_what_does_not_exist_there_says_where_it_belongs(use, told):
    async def run(event, ctx):
        await use(asyncio.get_running_loop())

    failure = play(run).failure
    assert failure.name == "RuntimeError"
    assert told in failure.message
    assert "put it in a step (ctx.do)" in failure.message


@pytest.mark.parametrize("how", ["await", "gather"])
def test_a_future_from_elsewhere_says_where_it_belongs(how):
    foreign: list[asyncio.Future[None]] = []

    async def run(event, ctx):
        await (foreign[0] if how == "await" else asyncio.gather(foreign[0]))

    async def perform():
        foreign.append(asyncio.get_running_loop().create_future())
        stage = Stage(run=run)
        stage.begin()
        await stage.end()
        stage.close()
        return Played(stage=stage).failure

    failure = asyncio.run(perform())
    assert failure.name == "RuntimeError"
    assert failure.message.startswith(FOREIGN)
    assert "attached to a different loop" in failure.message


def test_waiting_for_a_thread_in_workflow_code_ends_with_a_hint():
    async def run(event, ctx):
        await asyncio.wait_for(asyncio.wrap_future(concurrent.futures.Future()), None)

    assert "threads and futures from elsewhere belong in a step" in play(run).failure.message


def test_asyncio_run_inside_workflow_code_is_refused_by_asyncio():
    async def run(event, ctx):
        coroutine = number(1)
        try:
            asyncio.run(coroutine)
        finally:
            coroutine.close()

    assert "cannot be called from a running event loop" in play(run).failure.message


def test_the_loop_answers_what_libraries_ask_of_it():
    loop = loop_of()
    assert loop.time() == 100.0
    assert not loop.is_closed()
    assert not loop.get_debug()
    assert loop.get_task_factory() is None
    assert loop.create_future().get_loop() is loop
    loop.call_exception_handler({"message": "nobody looked"})


def test_a_task_takes_a_name_and_a_context():
    color = contextvars.ContextVar("color", default="none")
    seen = []

    async def run(event, ctx):
        async def look():
            seen.append((current_task().get_name(), color.get()))

        context = contextvars.copy_context()
        context.run(color.set, "blue")
        await asyncio.get_running_loop().create_task(look(), name="looker", context=context)

    play(run)
    assert seen == [("looker", "blue")]
