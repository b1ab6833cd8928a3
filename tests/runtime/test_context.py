"""What `run` is given: steps, sleeps, waits and the log, as workflow code uses them."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.runtime.stage import CREATED, INSTANCE, current_task, number, play
from wflow.engine import values
from wflow.engine.facts import Failed, Logged, Opened, Received, Settled
from wflow.engine.outcome import Ok
from wflow.errors import (
    InvalidInput,
    NonRetryableError,
    StepFailed,
    TooLarge,
    TooMany,
    UnserializableError,
    WorkflowTimeoutError,
)
from wflow.runtime.clock import now

ONCE = {"limit": 0, "delay": 0}
AT_ONCE = {"limit": 2, "delay": 0}


class Till:
    """Functions of every shape that a step may call."""

    def __init__(self, rate):
        self.rate = rate

    def plain(self, amount):
        return amount * self.rate

    async def slow(self, amount):
        await asyncio.sleep(0)
        return amount * self.rate

    def __call__(self, amount):
        return amount * self.rate


class SlowTill(Till):
    async def __call__(self, amount):
        await asyncio.sleep(0)
        return amount * self.rate


TILL = Till(2)


@pytest.mark.parametrize(
    "function",
    [
        TILL.plain,
        TILL.slow,
        TILL,
        SlowTill(2),
        lambda amount: amount * 2,
        lambda amount: TILL.slow(amount),  # noqa: PLW0108 - what it returns is awaited
        functools.partial(TILL.plain),
        functools.partial(functools.partial(TILL.slow)),
        functools.wraps(TILL.slow)(lambda amount: TILL.slow(amount)),  # noqa: PLW0108
        functools.partial(max, 42),
    ],
    ids=[
        "method",
        "async-method",
        "object",
        "async-object",
        "lambda",
        "lambda-async",
        "partial",
        "partial-async",
        "wrapped-async",
        "builtin",
    ],
)
def test_a_step_calls_whatever_can_be_called(function):
    async def run(event, ctx):
        return await ctx.do("charge", function, 21)

    assert play(run).result == 42


def test_an_async_step_runs_on_the_real_loop_and_a_plain_one_in_a_thread():
    main = threading.get_ident()

    async def slow():
        await asyncio.sleep(0.001)  # a timer of the real loop, not a step
        return threading.get_ident()

    async def run(event, ctx):
        return [await ctx.do("async", slow), await ctx.do("sync", threading.get_ident)]

    played = play(run)
    here, there = played.result
    assert here == main
    assert there != main
    assert played.settled == ["async-1", "sync-1"]


def test_a_value_comes_back_as_a_replay_would_give_it():
    async def run(event, ctx):
        given = await ctx.do("pair", lambda: (1, {"at": datetime(2026, 1, 1, tzinfo=UTC)}))
        assert given == [1, {"at": datetime(2026, 1, 1, tzinfo=UTC)}]
        return type(given).__name__

    assert play(run).result == "list"


def test_what_a_step_returned_can_be_changed_without_changing_what_is_kept():
    async def run(event, ctx):
        items = await ctx.do("items", lambda: [1])
        items.append(2)
        await ctx.do("next", len, items)
        return items

    played = play(run, crash_after={0, 1})
    assert played.result == [1, 2]
    assert values.decode(settled(played, "items-1").outcome.value) == [1]


def test_a_value_that_cannot_be_kept_fails_the_step_at_once_and_says_where_it_is():
    calls = []

    def broken():
        calls.append(1)
        return {"rows": [1, {"handle": threading.Lock()}]}

    async def run(event, ctx):
        try:
            await ctx.do("load", broken)
        except NonRetryableError as error:
            return [error.name, str(error)]

    name, message = play(run).result
    assert name == "UnserializableError"
    assert "step 'load-1'" in message
    assert "value['rows'][1]['handle']" in message
    assert "_thread.lock" in message
    assert calls == [1], "no retry makes it any better"


def test_a_value_over_the_limit_fails_the_step_with_the_number():
    async def run(event, ctx):
        try:
            await ctx.do("load", lambda: "x" * 2**20)
        except TooLarge as error:
            return error.message

    assert "1,048,581 bytes; the limit is 1,048,576" in play(run).result


def test_an_object_that_fails_when_it_is_looked_at_fails_the_step():
    class Trap(dict[str, int]):
        def items(self):
            raise OSError("the disk is gone")

    async def run(event, ctx):
        try:
            await ctx.do("load", Trap, {"a": 1})
        except NonRetryableError as error:
            return [error.name, str(error)]

    assert play(run).result == ["OSError", "step 'load-1' returned what cannot be kept: the disk is gone"]


def test_an_output_that_cannot_be_kept_is_the_instances_failure():
    async def run(event, ctx):
        return {"lock": threading.Lock()}

    failure = play(run).failure
    assert failure.name == "UnserializableError"
    assert failure.message.startswith("`run` returned what cannot be kept: value['lock']")


# -- retries -----------------------------------------------------------------------------------------------


def test_a_failing_step_is_tried_again_as_often_as_its_policy_says_and_rests_between():
    calls = []

    async def flaky():
        calls.append(now())
        raise ValueError(f"attempt {len(calls)}")

    async def run(event, ctx):
        try:
            await ctx.do("flaky", flaky, retries={"limit": 2, "delay": 15, "backoff": "linear"})
        except ValueError as error:
            return str(error)

    played = play(run)
    assert played.result == "attempt 3"
    first, second, third = calls
    assert (second - first) >= 15
    assert (third - second) >= 30
    failed = [fact for fact in played.facts if isinstance(fact, Failed)]
    assert [fact.attempt for fact in failed] == [1, 2, 3]
    assert [fact.retry_at is None for fact in failed] == [False, False, True]
    assert played.moves == ["running", "waiting", "running", "waiting", "running", "complete"]


def test_a_retry_without_delay_does_not_rest():
    calls = []

    def flaky():
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("not yet")
        return len(calls)

    async def run(event, ctx):
        return await ctx.do("flaky", flaky, retries=AT_ONCE)

    played = play(run)
    assert played.result == 3
    assert played.told == ["Opened", "Failed", "Failed", "Settled"]


def test_the_error_of_the_last_attempt_is_raised_in_run_and_fails_the_instance_when_nobody_catches_it():
    def fail():
        raise KeyError("order")

    async def run(event, ctx):
        await ctx.do("fail", fail, retries=ONCE)

    played = play(run)
    assert played.status == "errored"
    assert (played.failure.name, played.failure.message) == ("KeyError", "'order'")
    assert "def fail" not in played.failure.trace
    assert 'raise KeyError("order")' in played.failure.trace, "the step's own traceback is told"
    assert 'await ctx.do("fail"' in played.failure.trace, "and where `run` asked for the step"


@pytest.mark.parametrize("message", ["never again", ""])
def test_a_non_retryable_error_ends_the_step_at_once(message):
    calls = []

    def fail():
        calls.append(1)
        raise NonRetryableError(message)

    async def run(event, ctx):
        try:
            await ctx.do("fail", fail, retries=AT_ONCE)
        except NonRetryableError as error:
            return [str(error), error.name]

    assert play(run).result == [message, "NonRetryableError"]
    assert calls == [1]


def test_a_non_retryable_error_keeps_the_name_it_was_given():
    def fail():
        raise NonRetryableError("no such order", "OrderError")

    async def run(event, ctx):
        await ctx.do("fail", fail)

    failure = play(run).failure
    assert (failure.name, failure.message) == ("OrderError", "no such order")


def test_an_error_whose_class_is_local_comes_back_as_a_stand_in_that_names_it():
    class Odd(Exception):
        pass

    def fail():
        raise Odd("strange")

    async def run(event, ctx):
        try:
            await ctx.do("fail", fail, retries=ONCE)
        except StepFailed as error:
            return [error.original, str(error)]

    (name, message) = play(run).result
    assert name.endswith("Odd")
    assert message == "strange"


def test_a_stop_iteration_in_a_plain_step_is_an_error_like_any_other():
    async def run(event, ctx):
        try:
            await ctx.do("fail", next, iter(()), retries=ONCE)
        except RuntimeError as error:
            return str(error)

    assert play(run).result == "the step raised StopIteration"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_is_no_exception_ends_the_step_and_not_the_process(error, kind):
    def fail():
        raise error

    async def slow_fail():
        raise error

    async def run(event, ctx):
        try:
            await ctx.do("fail", fail if kind == "sync" else slow_fail, retries=AT_ONCE)
        except NonRetryableError as raised:
            return str(raised)

    assert play(run).result == f"the step raised {type(error).__name__}"


def test_a_step_that_cancels_itself_is_tried_again():
    calls = []

    async def cancelled():
        calls.append(1)
        if len(calls) == 1:
            current_task().cancel()
            await asyncio.sleep(1)
        return len(calls)

    async def run(event, ctx):
        return await ctx.do("fetch", cancelled, retries=AT_ONCE)

    assert play(run).result == 2


# -- timeouts ----------------------------------------------------------------------------------------------


def test_an_async_step_that_takes_too_long_is_cancelled_and_tried_again():
    calls = []

    async def hang():
        calls.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            calls.append("ended")

    async def run(event, ctx):
        try:
            await ctx.do("hang", hang, timeout=20, retries={"limit": 1, "delay": 0})
        except WorkflowTimeoutError as error:
            return str(error)

    assert play(run).result == "Execution timed out after 20ms"
    assert calls == ["begun", "ended"] * 2


def test_a_plain_step_that_takes_too_long_goes_on_unheard():
    free, ended = threading.Event(), threading.Event()

    def hang():
        free.wait(10)
        ended.set()
        return "too late"

    async def run(event, ctx):
        try:
            await ctx.do("hang", hang, timeout=20, retries=ONCE)
        except TimeoutError as error:
            return type(error).__name__

    async def script(stage):
        await stage.end()
        free.set()
        assert ended.wait(5)

    played = play(run, script)
    assert played.result == "WorkflowTimeoutError"
    assert played.settled == ["hang-1"]


def test_a_body_that_ends_well_although_it_was_cancelled_has_a_value():
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "saved"

    async def run(event, ctx):
        return await ctx.do("save", stubborn, timeout=20, retries=ONCE)

    assert play(run).result == "saved"


# -- wrong calls -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda ctx: ctx.do("", number, 1), "a step name is 1-256 characters"),
        (lambda ctx: ctx.do("a\nb", number, 1), "a step name is 1-256 characters"),
        (lambda ctx: ctx.do("x" * 257, number, 1), "a step name is 1-256 characters"),
        (lambda ctx: ctx.do(7, number, 1), "a step name is 1-256 characters"),
        (lambda ctx: ctx.do("a", 5), "step 'a': the second argument must be a function, not int"),
        (lambda ctx: ctx.do("a", number, 1, retries={"limits": 1}), "retries has no key 'limits'"),
        (lambda ctx: ctx.do("a", number, 1, retries={"limit": -1, "delay": 0}), "from 0 to 10000, not -1"),
        (lambda ctx: ctx.do("a", number, 1, retries={"limit": 1}), "retries needs 'delay'"),
        (lambda ctx: ctx.do("a", number, 1, retries={"delay": 1}), "retries needs 'limit'"),
        (lambda ctx: ctx.do("a", number, 1, timeout=0), "timeout must be more than 0"),
        (lambda ctx: ctx.do("a", number, 1, timeout="5 parsecs"), "'5 parsecs' is no duration"),
        (lambda ctx: ctx.sleep("a", -1), "step 'a': -1 is negative"),
        (lambda ctx: ctx.sleep("a", "366 days"), "more than 365 days"),
        (lambda ctx: ctx.sleep("a", None), "None is no duration"),
        (
            lambda ctx: ctx.sleep_until("a", datetime.now(UTC) + timedelta(days=10_000)),
            "more than 365 days ahead",
        ),
        (lambda ctx: ctx.sleep_until("a", float("inf")), "datetime or milliseconds, not inf"),
        (lambda ctx: ctx.sleep_until("a", float("nan")), "datetime or milliseconds, not nan"),
        (lambda ctx: ctx.sleep_until("a", "tomorrow"), "datetime or milliseconds, not 'tomorrow'"),
        (lambda ctx: ctx.sleep_until("a", True), "datetime or milliseconds, not True"),
        (lambda ctx: ctx.wait_for_event("a", "b", timeout=999), "at least 1 second, not 999 ms"),
        (lambda ctx: ctx.wait_for_event("a", "no spaces"), "an event type is"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_can_be_caught(call, told):
    async def run(event, ctx):
        try:
            await call(ctx)
        except InvalidInput as error:
            return error.message

    played = play(run)
    assert told in played.result
    assert played.told == [], "it changed nothing"


def test_a_wrong_call_to_log_says_what_is_wrong():
    async def run(event, ctx):
        told = []
        for wrong in ({"level": "loud"}, {"detail": [1]}, {"detail": {"lock": threading.Lock()}}):
            try:
                ctx.log("hello", **wrong)
            except (InvalidInput, UnserializableError) as error:
                told.append(str(error))
        return told

    level, detail, value = play(run).result
    assert level == "a log level is one of debug, info, warn, error, not 'loud'"
    assert detail == "ctx.log takes a dict of values beside the message, not [1]"
    assert value.startswith("value['lock']")


def test_steps_over_the_limit_are_refused_and_sleeps_do_not_count():
    async def run(event, ctx):
        for _ in range(3):
            await ctx.do("step", number, 1)
            await ctx.sleep("nap", 0)
        try:
            await ctx.do("step", number, 1)
        except TooMany as error:
            return error.message

    played = play(run, step_limit=3)
    assert played.result.startswith("The limit of 3 steps has been reached.")
    assert played.settled.count("step-3") == 1


@pytest.mark.parametrize("kind", ["async", "sync", "sleep"])
def test_a_step_inside_a_step_is_refused_and_not_tried_again(kind):
    calls = []

    async def run(event, ctx):
        async def outer():
            calls.append(1)
            await (ctx.sleep("inner", 1) if kind == "sleep" else ctx.do("inner", number, 1))

        def thread():
            calls.append(1)
            ctx.do("inner", number, 1)

        try:
            await ctx.do("outer", thread if kind == "sync" else outer, retries=AT_ONCE)
        except NonRetryableError as error:
            return str(error)

    played = play(run)
    assert played.result.startswith("step 'inner' is asked for inside another step")
    assert "return the value, and do the next step in `run`" in played.result
    assert calls == [1]


def test_a_step_may_not_be_asked_for_by_another_instance():
    stolen = []

    async def lend(event, ctx):
        stolen.append(ctx)

    async def steal(event, ctx):
        await stolen[0].do("step", number, 1)

    play(lend)
    assert play(steal).failure.message.startswith(
        "step 'step' is asked for inside another step, or outside `run`"
    )


# -- sleeping and waiting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_a_sleep_lasts_at_least_as_long_as_it_says_and_rests_meanwhile(cold):
    async def run(event, ctx):
        await ctx.sleep("nap", 25)

    played = play(run, cold=cold)
    (settled,) = (fact for fact in played.facts if isinstance(fact, Settled))
    assert settled.at - settled.opened_at >= 25
    assert played.told == ["Opened", "Settled"]


@pytest.mark.parametrize(
    "moment",
    [
        lambda: datetime.now(UTC) + timedelta(milliseconds=20),
        lambda: datetime.now() + timedelta(milliseconds=20),  # noqa: DTZ005
        lambda: now() + 20,
    ],
    ids=["aware", "naive-is-local", "milliseconds"],
)
def test_it_sleeps_until_a_moment(moment, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()

    async def run(event, ctx):
        await ctx.sleep_until("later", until)

    until, begun = moment(), now()
    try:
        play(run)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert 19 <= now() - begun < 1_000


@pytest.mark.parametrize(
    "moment",
    [datetime(1999, 1, 1), datetime(1, 1, 1), 0, -(10**30), datetime(1, 1, 1, tzinfo=UTC)],  # noqa: DTZ001
)
def test_a_past_moment_is_over_at_once(moment):
    async def run(event, ctx):
        await ctx.sleep_until("before", moment)
        return "here"

    played = play(run)
    assert played.result == "here"
    assert played.told == ["Settled"], "one fact, and no rest"


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_a_wait_gives_the_event_that_comes(cold):
    async def run(event, ctx):
        paid = await ctx.wait_for_event("wait", "paid")
        return [paid.payload, paid["type"], paid.timestamp <= datetime.now(UTC), sorted(paid)]

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.send("refused", 1)
        stage.send("paid", {"by": "card"})

    assert play(run, script, cold=cold).result == [
        {"by": "card"},
        "paid",
        True,
        ["payload", "timestamp", "type"],
    ]


def test_events_that_came_before_the_wait_are_given_first_in_first_out():
    async def run(event, ctx):
        await ctx.wait_for_event("begin", "begin")
        return [(await ctx.wait_for_event("next", "item")).payload for _ in range(3)]

    async def script(stage):
        for n in range(2):
            stage.send("item", n)
        await stage.until(lambda: stage.change)
        stage.send("item", 2)
        stage.send("begin")

    for crash in range(6):
        assert play(run, script, crash_at={crash}).result == [0, 1, 2]


def test_of_two_waits_for_one_type_the_first_asked_for_has_the_first_event():
    async def run(event, ctx):
        waits = [ctx.wait_for_event(f"wait {n}", "item") for n in range(3)]
        return [one.payload for one in await asyncio.gather(*waits)]

    async def script(stage):
        for n in range(3):
            await stage.until(lambda: stage.change)
            stage.send("item", n)

    for cold in (False, True):
        assert play(run, script, cold=cold).result == [0, 1, 2]


def test_many_waits_share_a_burst_of_events():
    async def run(event, ctx):
        waits = [ctx.wait_for_event("wait", "item") for _ in range(300)]
        return [one.payload for one in await asyncio.gather(*waits)]

    async def script(stage):
        await stage.until(lambda: stage.change)
        for n in range(300):
            stage.send("item", n)

    assert play(run, script).result == list(range(300))


def test_a_wait_that_is_not_answered_times_out_and_swallows_nothing():
    async def run(event, ctx):
        try:
            await ctx.wait_for_event("wait", "paid", timeout="1 second")
        except WorkflowTimeoutError as error:
            told = str(error)
        return [told, (await ctx.wait_for_event("again", "paid")).payload]

    async def script(stage):
        await stage.until(lambda: len(stage.facts) >= 5)
        stage.send("paid", "late")

    opened = Opened("wait-1", "waitForEvent", now() - 1_000, detail={"type": "paid", "timeout": 1_000})
    played = play(run, script, journal=journal_of(opened))
    assert played.result == ["Execution timed out after 1000ms", "late"]


def test_an_event_sent_in_time_wins_although_the_instance_was_down_past_the_deadline():
    async def run(event, ctx):
        return (await ctx.wait_for_event("wait", "paid", timeout="1 second")).payload

    opened_at = now() - 5_000
    journal = journal_of(Opened("wait-1", "waitForEvent", opened_at))
    in_time = Received(1, "paid", values.encode("in time"), opened_at + 900, 0)
    assert play(run, journal=journal, pending=[in_time]).result == "in time"


def test_durations_are_milliseconds_words_or_a_timedelta():
    async def run(event, ctx):
        await asyncio.gather(
            ctx.sleep("number", 5),
            ctx.sleep("words", "0.005 seconds"),
            ctx.sleep("delta", timedelta(milliseconds=5)),
        )

    opened = [fact.detail for fact in play(run).facts if isinstance(fact, Opened)]
    assert opened == [{"duration": 5}] * 3


# -- the log -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash_at", range(5))
@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_line_is_logged_once_however_often_the_code_replays(crash_at, when):
    async def run(event, ctx):
        ctx.log("begin", {"id": event.instance_id})
        for n in range(3):
            await ctx.do("step", number, n)
            ctx.log(f"after {n}", level="warn")

    options: dict[str, Any] = {when: {crash_at}}
    played = play(run, **options)
    assert played.logged == ["begin", "after 0", "after 1", "after 2"]
    first = next(fact for fact in played.facts if isinstance(fact, Logged))
    assert (first.detail, first.level, first.source) == ({"id": "order-1"}, "info", "workflow")


def test_a_line_logged_inside_a_step_is_told_with_its_place():
    async def run(event, ctx):
        def sync_step():
            ctx.log("from a thread")

        async def step():
            ctx.log("inside", {"n": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}, level="debug")

        await ctx.do("step", step)
        await ctx.do("sync", sync_step)

    played = play(run)
    assert played.logged == []
    inside, thread = played.stage.printed
    assert (inside.level, inside.text, inside.instance, inside.step) == (
        "debug",
        "inside",
        INSTANCE,
        "step-1",
    )
    assert inside.detail == {"n": 1, "at": "2026-01-01T00:00:00Z"}
    assert (thread.text, thread.step) == ("from a thread", "sync-1")


def test_a_long_line_is_cut_and_says_so():
    async def run(event, ctx):
        ctx.log("x" * 20_000)

    (line,) = play(run).logged
    assert len(line) == 16_384
    assert line.endswith("x... (20,000 characters)")


def test_a_message_need_not_be_text():
    async def run(event, ctx):
        ctx.log(42)

    assert play(run).logged == ["42"]


def test_the_event_is_that_of_the_creation_on_every_replay():
    seen = []

    async def run(event, ctx):
        seen.append((event.instance_id, event.workflowName, event.timestamp, event.payload["items"]))
        event.payload["items"].append("mine")
        await ctx.do("step", number, 1)

    play(run, params={"items": [1]}, crash_at={1})
    moment = datetime.fromtimestamp(CREATED / 1000, UTC)
    assert len(seen) >= 2
    assert all(one == ("order-1", "flow", moment, [1, "mine"]) for one in seen), (
        "a change of the payload is no part of the event"
    )


def journal_of(*given):
    from wflow.engine import facts

    return [facts.encode(fact) for fact in given]


def settled(played, key):
    (fact,) = (fact for fact in played.facts if isinstance(fact, Settled) and fact.key == key)
    assert isinstance(fact.outcome, Ok)
    return fact
