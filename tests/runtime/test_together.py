"""Attempts that begin in one task: nobody can tell it from a task for each."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.engine import values
from wflow.engine.outcome import Ok, Outcome
from wflow.engine.steps.do import Do
from wflow.runtime.attempt import Attempt, Body, Place
from wflow.runtime.together import TASKS, Together

COLOR = contextvars.ContextVar("color", default="none")


class Owner:
    """Who hears of attempts."""

    def __init__(self, threads):
        self.threads = threads
        self.outcomes: dict[str, Outcome] = {}
        self.lasting: list[str] = []

    def lasts(self, key):
        self.lasting.append(key)

    def ended(self, key, outcome, delay_ms):
        assert key not in self.outcomes
        self.outcomes[key] = outcome


def together(*bodies, script=None):
    """Begin bodies in one pass, and give who heard of them when all is over."""

    async def perform():
        with ThreadPoolExecutor(2) as threads:
            owner, starter = Owner(threads), Together()
            attempts = [
                Attempt(owner, Body(body, is_async=True), Place(7, str(n)), 60_000, Do("step"), True)
                for n, body in enumerate(bodies)
            ]
            for attempt in attempts:
                starter.add(attempt)
            if script is not None:
                await script(attempts)
            for _ in range(2_000):
                await asyncio.sleep(0)
                if len(owner.outcomes) + sum(one.over for one in attempts) >= 2 * len(bodies):
                    break
            await asyncio.sleep(0)
            return owner

    return asyncio.run(perform())


def test_bodies_that_wait_for_nothing_share_a_task_and_nothing_else():
    tasks: list[object] = []

    async def body():
        tasks.append(asyncio.current_task())
        color = COLOR.get()
        COLOR.set("red")
        return color

    async def plain():
        task: Any = asyncio.current_task()
        said = [id(task), await body()]
        tasks.clear()
        return said

    owner = together(plain, plain, plain)
    found: list[Any] = [values.decode(one.value) for one in owner.outcomes.values() if isinstance(one, Ok)]
    assert [color for _, color in found] == ["none"] * 3
    assert len({task for task, _ in found}) == 1
    assert owner.lasting == []


def test_a_body_that_waits_keeps_its_task_and_the_others_go_on_in_another():
    tasks = {}

    def body(n, waits):
        async def run():
            task = asyncio.current_task()
            if waits:
                await asyncio.sleep(0)
            assert asyncio.current_task() is task
            tasks[n] = weakref.ref(task)
            return n

        return run

    owner = together(body(0, waits=False), body(1, waits=True), body(2, waits=True), body(3, waits=False))
    assert owner.lasting == ["1", "2"]
    assert owner.outcomes == {str(n): Ok(values.encode(n)) for n in range(4)}


MARKS: dict[str, Any] = {
    "a reference": lambda task, kept: kept.append(task),
    "a weak reference": lambda task, kept: kept.append(weakref.ref(task)),
    "a name": lambda task, _: task.set_name("mine"),
    "a cancellation": lambda task, _: task.cancel(),
    "a callback": lambda task, kept: task.add_done_callback(kept.append),
}


@pytest.mark.parametrize("mark", MARKS)
def test_a_task_that_a_body_has_left_its_mark_on_is_nobody_elses(mark):
    kept: list[Any] = []
    seen = []

    async def marks():
        MARKS[mark](asyncio.current_task(), kept)

    async def after():
        task: Any = asyncio.current_task()
        seen.append((task.get_name() == "mine", task.cancelling(), task._callbacks, task in kept))
        await asyncio.sleep(0)
        return "well"

    owner = together(marks, after)
    assert seen == [(False, 0, None, False)]
    assert owner.outcomes == {"0": Ok(), "1": Ok(values.encode("well"))}


def test_they_begin_in_the_order_in_which_they_were_added_however_many_wait():
    begun = []

    def body(n):
        async def run():
            begun.append(n)
            if n % 3:
                await asyncio.sleep(0)

        return run

    count = 3 * TASKS
    together(*map(body, range(count)))
    assert begun == list(range(count))


def test_one_that_is_given_up_before_it_begins_is_not_called():
    called = []

    def body(n):
        async def run():
            called.append(n)
            await asyncio.sleep(0)

        return run

    async def script(attempts):
        attempts[1].give_up()

    owner = together(body(0), body(1), body(2), script=script)
    assert called == [0, 2]
    assert sorted(owner.outcomes) == ["0", "2"]


def test_one_that_is_given_up_is_cancelled_and_no_other():
    left = []

    def body(n):
        async def run():
            try:
                await asyncio.sleep(0.005 if n else 60)
            except asyncio.CancelledError:
                left.append(n)
                raise

        return run

    async def script(attempts):
        for _ in range(3):
            await asyncio.sleep(0)
        attempts[0].give_up()
        await asyncio.sleep(0.02)

    owner = together(body(0), body(1), body(2), script=script)
    assert left == [0]
    assert sorted(owner.outcomes) == ["1", "2"]


def test_what_goes_wrong_with_one_does_not_keep_the_others_from_beginning():
    class Broken:
        def begin(self):
            raise RuntimeError("ours")

        def lasts(self, task):
            raise AssertionError

    begun = []

    class Whole(Broken):
        def begin(self):
            begun.append(self)

    async def perform():
        wrong = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: wrong.append(context["exception"])
        )
        starter = Together()
        for one in (Broken(), Whole(), Whole()):
            starter.add(one)
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()  # a task tells then that nobody has asked what it raised
        return wrong

    wrong = asyncio.run(perform())
    assert len(begun) == 2
    assert [str(error) for error in wrong] == ["ours"]


def test_one_that_is_added_while_they_begin_begins_with_the_next_pass():
    passes = []

    async def perform():
        starter, now = Together(), [0]

        class Again:
            def begin(self):
                passes.append(now[0])
                if len(passes) < 3:
                    starter.add(self)

            def lasts(self, task):
                raise AssertionError

        starter.add(Again())
        for _ in range(6):
            now[0] += 1
            await asyncio.sleep(0)

    asyncio.run(perform())
    assert passes == [1, 2, 3]


# -- whatever they do --------------------------------------------------------------------------------------

DEEDS = [
    *("wait", "color", "limit", "late", "group", "child", "name", "cancel", "uncancel"),
    *("keep", "weak", "callback", "raise", "exit", "swallow", "nested"),
]


async def color():
    return "blue"


async def child(log):
    log.append(("child", COLOR.get()))
    await asyncio.sleep(0)


async def waits(deed, task, log):
    """Do what suspends, or may."""
    match deed:
        case "wait":
            await asyncio.sleep(0)
        case "limit":
            async with asyncio.timeout(60):  # noqa: ASYNC100 - it is to be over at once
                pass
        case "late":
            try:
                async with asyncio.timeout(0):
                    await asyncio.sleep(60)
            except TimeoutError:
                log.append("late")
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(child(log))
        case "child":
            await asyncio.create_task(child(log))
        case "swallow":
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                log.append("swallowed")
        case "nested":
            COLOR.set(await asyncio.shield(asyncio.ensure_future(color())))
        case _:
            marks(deed, task, log)


def marks(deed, task, log):
    """Do what does not."""
    match deed:
        case "color":
            COLOR.set("red")
        case "name":
            task.set_name("mine")
        case "cancel":
            task.cancel()
        case "uncancel":
            task.uncancel()
        case "keep":
            log.append(task)
        case "weak":
            log.append(weakref.ref(task))
        case "callback":
            task.add_done_callback(lambda _: None)
        case "raise":
            raise ValueError("no")
        case "exit":
            raise SystemExit(3)


def doing(deeds, log):
    """Make a body that does things to its task and tells what it sees of it."""

    async def run():
        task: Any = asyncio.current_task()
        log.append((COLOR.get(), task.get_name() == "mine", task.cancelling(), task._callbacks))
        for deed in deeds:
            await waits(deed, task, log)
            log.append((deed, asyncio.current_task() is task, COLOR.get(), task.get_name() == "mine"))
            log.append(task.cancelling())
        return len(log)

    return run


def alone(bodies):
    """Do each in a task of its own, and tell how it ended."""

    async def one(body):
        try:
            return "Ok", await body()
        except BaseException as error:  # noqa: BLE001 - as an attempt takes it
            return type(error).__name__, None

    async def perform():
        ends: dict[int, Any] = {}

        async def noting(n, body):
            ends[n] = await one(body)

        tasks = [asyncio.create_task(noting(n, body)) for n, body in enumerate(bodies)]
        while len(ends) < len(tasks):  # noqa: ASYNC110 - to await the tasks would leave a mark on them
            await asyncio.sleep(0)
        return [ends[n] for n in range(len(bodies))]

    return asyncio.run(perform())


def shown(log):
    """Leave out whose task it was."""
    return ["a task" if isinstance(one, (asyncio.Task, weakref.ref)) else one for one in log]


@given(st.lists(st.lists(st.sampled_from(DEEDS), max_size=4), min_size=1, max_size=5))
def test_no_body_can_tell_that_it_was_begun_together_with_others(programs):
    logs: list[list[Any]] = [[] for _ in programs]
    expected: list[list[Any]] = [[] for _ in programs]
    owner = together(*map(doing, programs, logs))
    ends = alone(list(map(doing, programs, expected)))
    assert [shown(log) for log in logs] == [shown(log) for log in expected]
    for n, (end, value) in enumerate(ends):
        outcome = owner.outcomes[str(n)]
        if end == "Ok":
            assert outcome == Ok(values.encode(value))
        elif end == "SystemExit":
            assert outcome.failure.name == "NonRetryableError"
        else:
            assert outcome.failure.name == end
    tasks = [[one for one in log if isinstance(one, asyncio.Task)] for log in logs]
    owners = [{id(one) for one in mine} for mine in tasks]
    assert all(len(mine) <= 1 for mine in owners)
    assert len(set().union(*owners)) == sum(map(len, owners)), "what one keeps is no other's"
