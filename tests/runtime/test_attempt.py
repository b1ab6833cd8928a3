"""One call of the user's function, from the outside."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from wflow.engine import values
from wflow.engine.outcome import NOT_YET, Err, Ok, Outcome
from wflow.engine.steps.do import Do
from wflow.errors import InstanceExists, TooLarge, TooMany
from wflow.runtime import attempt
from wflow.runtime.attempt import Attempt, Body, Place, here, is_async
from wflow.runtime.together import Together

PLACE = Place(7, "step-1")
COLOR = contextvars.ContextVar("color", default="none")


class Heard:
    """Who hears how an attempt ends."""

    def __init__(self, threads):
        self.threads = threads
        self.outcomes: list[Outcome] = []
        self.lasting: list[str] = []

    def lasts(self, key):
        self.lasting.append(key)

    def ended(self, key, outcome, delay_ms):
        self.outcomes.append(outcome)


def outcome_of(function, *arguments, timeout_ms=5_000, script=None, **more):
    """Run an attempt to its end; None when nobody heard of one."""

    async def perform():
        with ThreadPoolExecutor(2) as threads:
            heard = Heard(threads)
            running = Attempt(heard, Body(function, arguments, **more), PLACE, timeout_ms, Do("step"), True)
            Together().add(running)
            if script is not None:
                await script(running)
            for _ in range(2_000):
                await asyncio.sleep(0.001)
                if running.task is None or running.task.done():
                    break
        assert len(heard.outcomes) <= 1
        return heard.outcomes[0] if heard.outcomes else None

    return asyncio.run(perform())


async def add(a, b):
    return a + b


def test_a_value_is_an_outcome():
    assert outcome_of(add, 1, 2) == Ok(values.encode(3))


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (add, True),
        (functools.partial(functools.partial(add, 1), 2), True),
        (lambda: add(1, 2), False),
        (print, False),
        (max, False),
        (dict, False),
        (functools.partial(max, 1), False),
    ],
)
def test_it_is_known_which_functions_are_async(function, answer):
    assert is_async(function) is answer


def test_the_body_knows_where_it_is_in_a_task_and_in_a_thread():
    def thread():
        place = here.get()
        return place and [place.step, place.instance]

    async def task():
        return thread()

    for function in (task, thread):
        assert outcome_of(function) == Ok(values.encode(["step-1", 7]))


def test_what_a_body_sets_in_its_context_stays_there():
    def thread():
        COLOR.set("red")

    async def task():
        COLOR.set("red")

    async def script(running):
        await asyncio.sleep(0.01)
        assert COLOR.get() == "none"
        assert here.get() is None

    outcome_of(thread, script=script)
    outcome_of(task, script=script)


def test_an_attempt_that_was_given_up_is_not_heard_of():
    ended = []

    async def slow():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def give_up(running):
        await asyncio.sleep(0)
        running.give_up()
        running.give_up()
        running.watch()

    assert outcome_of(slow, script=give_up) is None
    assert ended == [1]
    assert outcome_of(add, 1, 2, script=give_up) in {None, Ok(values.encode(3))}


def test_an_attempt_given_up_before_it_began_never_begins():
    begun = []

    async def body():
        begun.append(1)

    async def give_up(running):
        running.give_up()

    assert outcome_of(body, script=give_up) is None
    assert begun == []


def test_a_body_that_ends_well_after_it_was_given_up_is_not_heard_of():
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 1

    async def give_up(running):
        await asyncio.sleep(0)
        running.give_up()

    assert outcome_of(stubborn, script=give_up) is None


def test_a_body_that_will_not_be_cancelled_does_not_hold_its_step_for_ever(monkeypatch):
    monkeypatch.setattr(attempt, "GOODBYE_S", 0.02)
    free: list[int] = []

    async def stubborn():
        while not free:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.2)

    async def script(running):
        while not running.over:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
        free.append(1)

    outcome = outcome_of(stubborn, timeout_ms=10, script=script)
    assert outcome.failure.message == "Execution timed out after 10ms"


def test_an_error_raised_on_the_way_out_of_a_timeout_is_the_timeout():
    async def body():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("cannot clean up")

    assert outcome_of(body, timeout_ms=10).failure.name == "WorkflowTimeoutError"


def test_a_long_timeout_is_minded_from_the_time_it_is_watched():
    async def script(running):
        timers = [running.timer]
        for _ in range(2):
            running.watch()
            timers.append(running.timer)
        unarmed, armed, again = timers
        assert unarmed is None
        assert armed is again is not None

    outcome_of(asyncio.sleep, 0.005, timeout_ms=60_000, script=script)


def test_errors_of_a_final_class_are_not_tried_again():
    async def fail(error):
        raise error

    final = (InstanceExists, TooLarge)
    assert not outcome_of(fail, InstanceExists("taken"), final=final).failure.retryable
    assert outcome_of(fail, TooMany("full"), final=final).failure.retryable
    assert outcome_of(fail, ValueError("no"), final=final).failure.retryable


def test_an_error_of_the_body_is_not_taken_for_one_of_its_value():
    async def fail():
        raise TooLarge("KV PUT failed: 413")

    outcome = outcome_of(fail)
    assert (outcome.failure.name, outcome.failure.message) == ("TooLarge", "KV PUT failed: 413")
    assert outcome.failure.retryable


@pytest.mark.parametrize("value", [object(), {1.5: 2}, "\udc80", [[threading.Lock()]], lambda: 1, asyncio])
def test_a_value_that_cannot_be_kept_is_a_failure_with_the_step_in_it(value):
    outcome = outcome_of(lambda: value)
    assert isinstance(outcome, Err)
    assert outcome.failure.message.startswith("step 'step-1' returned what cannot be kept: value")
    assert not outcome.failure.retryable


def test_a_failing_thread_leaves_nothing_behind():
    class Heavy:
        pass

    kept = []

    def fail():
        heavy = Heavy()
        kept.append(weakref.ref(heavy))
        raise ValueError("no")

    gc.disable()
    try:
        outcome_of(fail)
        assert kept[0]() is None, "no cycle holds the frame of the failed body"
    finally:
        gc.enable()


def test_an_async_generator_of_anything_but_bytes_is_no_step():
    async def generate():
        yield 1

    outcome = outcome_of(generate)
    problem = "step 'step-1' gave a stream of bytes, and in it 1, a int"
    assert outcome.failure.message.startswith(problem)
    assert not outcome.failure.retryable


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (None, Err(NOT_YET)),
        (False, Err(NOT_YET)),
        (0, Ok(values.encode(0))),
        ("", Ok(values.encode(""))),
        ([], Ok(values.encode([]))),
        (True, Ok(values.encode(True))),
    ],
)
def test_none_and_false_of_a_check_are_noted_as_what_is_pending(value, outcome):
    assert outcome_of(lambda: value, pending=NOT_YET) == outcome


def test_a_value_that_is_of_no_interest_need_not_be_one_that_can_be_kept():
    assert outcome_of(threading.Lock, discards=True) == Ok()
