"""Rollbacks: which steps are undone, in what order, with what, and what happens when that goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.runtime.stage import Stage, number, play
from wflow.engine import status
from wflow.engine.facts import Failed, Moved, Received, Settled, Tried
from wflow.engine.outcome import RolledBack
from wflow.engine.requests import ROLL_BACK
from wflow.errors import InvalidInput
from wflow.runtime import loop
from wflow.runtime.step_context import StepContext

NEVER = {"limit": 0, "delay": 0}
AT_ONCE = {"limit": 2, "delay": 0}
DONE = RolledBack(None)


class Shop:
    """Steps that can be undone; ``undone`` says which were, with what they had given."""

    def __init__(self) -> None:
        self.undone: list[tuple[str, Any]] = []

    async def undo(self, step_name: str, output: object) -> None:
        self.undone.append((step_name, output))

    def sell(self, ctx: Any, name: str, value: int, **options: Any) -> Any:
        return ctx.do(name, number, value, rollback=self.undo, **options)


async def fail():
    raise ValueError("no stock")


# -- which, and in what order ------------------------------------------------------------------------------


def test_what_was_done_is_undone_in_the_reverse_order_when_run_fails():
    shop = Shop()

    async def run(event, ctx):
        for n, name in enumerate(["reserve", "charge", "charge"], 1):
            await shop.sell(ctx, name, n)
        raise ValueError("no stock")

    played = play(run)
    assert shop.undone == [("charge-2", 3), ("charge-1", 2), ("reserve-1", 1)]
    assert played.status == "errored"
    assert (played.failure.name, played.failure.message) == ("ValueError", "no stock")
    assert played.rolled_back == DONE
    assert played.moves == ["running", "rollingBack", "errored"]
    assert ended_with(played) == {"rollback": "complete"}
    assert played.stage.rolling is not None
    assert played.stage.rolling.failure == played.failure


def test_parallel_steps_are_undone_by_when_they_began_and_not_by_when_they_ended():
    shop = Shop()
    free = asyncio.Event()

    async def first():
        await free.wait()
        return 1

    async def second():
        free.set()
        return 2

    async def run(event, ctx):
        await asyncio.gather(
            ctx.do("first", first, rollback=shop.undo),
            ctx.do("second", second, rollback=shop.undo),
            shop.sell(ctx, "third", 3),
        )
        await ctx.do("fail", fail, retries=NEVER)

    played = play(run)
    assert played.settled.index("second-1") < played.settled.index("first-1")
    assert shop.undone == [("third-1", 3), ("second-1", 2), ("first-1", 1)]


def test_the_step_that_failed_is_undone_first_and_has_no_output():
    shop = Shop()

    async def run(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        await ctx.do("charge", fail, retries=AT_ONCE, rollback=shop.undo)

    play(run)
    assert shop.undone == [("charge-1", None), ("reserve-1", 1)]


def test_a_step_that_never_began_is_not_undone_nor_does_it_begin_now():
    shop = Shop()
    ran: list[int] = []

    async def run(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        late = asyncio.create_task(ctx.do("late", ran.append, 1, rollback=shop.undo))
        await asyncio.sleep(0)
        raise ValueError(late)

    assert play(run).undone == ["reserve-1"]
    assert shop.undone == [("reserve-1", 1)]
    assert ran == []


def test_a_step_that_ran_beside_the_failure_is_not_called_again_when_a_crash_comes_while_it_is_undone():
    shop = Shop()
    ran: list[int] = []

    async def slow():
        ran.append(1)
        await asyncio.Event().wait()

    async def run(event, ctx):
        await asyncio.gather(
            ctx.do("slow", slow, rollback=shop.undo),
            ctx.do("fail", fail, retries={"limit": 1, "delay": 1}, rollback=shop.undo),
        )

    async def script(stage):
        await stage.until(lambda: stage.rolling)
        stage.crash()

    assert play(run, script).undone == ["fail-1", "slow-1"]
    assert ran == [1]


def test_a_step_that_was_cut_by_a_timeout_or_runs_beside_the_failure_is_undone():
    shop = Shop()

    async def run(event, ctx):
        beside = asyncio.create_task(ctx.do("beside", asyncio.Event().wait, rollback=shop.undo))
        try:
            async with asyncio.timeout(0.01):
                await ctx.do("slow", asyncio.Event().wait, rollback=shop.undo)
        except TimeoutError:
            await shop.sell(ctx, "other", 3)
        raise ValueError(beside)

    for crash in [(), *([n] for n in range(8))]:
        shop.undone.clear()
        assert play(run, crash_at=crash).undone == ["other-1", "beside-1", "slow-1"]
        assert list(dict.fromkeys(shop.undone)) == [("other-1", 3), ("beside-1", None), ("slow-1", None)]


@pytest.mark.resident("it holds back what a turn hears")
def test_a_step_that_the_code_gave_up_before_it_saw_its_outcome_is_undone_with_its_output():
    shop = Shop()

    async def run(event, ctx):
        charge = asyncio.create_task(shop.sell(ctx, "charge", 7))
        await ctx.wait_for_event("wait", "stop")
        charge.cancel()
        raise ValueError("stopped")

    async def script(stage):
        acked, held = stage.outbox.acked, []
        stage.outbox.acked = lambda batch, _: held.append(batch)
        stage.send("stop")
        await stage.until(lambda: {"charge-1", "wait-1"} <= settled_in(stage))
        stage.outbox.acked = acked
        await stage.until(lambda: len(held) == stage.commits)
        for batch in held:
            acked(batch, [])

    played = play(run, script)
    assert played.undone == ["charge-1"]
    assert shop.undone == [("charge-1", 7)]
    last = max(
        n for n, fact in enumerate(played.facts) if isinstance(fact, Settled) and fact.kind != "rollback"
    )
    shop.undone.clear()
    assert play(run, journal=played.stage.journal[: last + 1]).undone == ["charge-1"]
    assert shop.undone == [("charge-1", 7)]


def test_failures_that_the_code_catches_undo_nothing():
    shop = Shop()

    async def run(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        try:
            await ctx.do("charge", fail, retries=NEVER, rollback=shop.undo)
        except ValueError:
            return "later"

    played = play(run)
    assert played.result == "later"
    assert played.rolled_back is None
    assert shop.undone == []
    assert played.moves == ["running", "complete"]


def test_an_instance_without_rollbacks_fails_at_once():
    async def run(event, ctx):
        await ctx.do("reserve", number, 1)
        raise ValueError("no")

    played = play(run)
    assert played.rolled_back is None
    assert played.moves == ["running", "errored"]


def test_rollbacks_do_not_count_as_steps():
    shop = Shop()

    async def run(event, ctx):
        for n in range(3):
            await shop.sell(ctx, "step", n)
        await shop.sell(ctx, "step", 4)

    played = play(run, step_limit=3)
    assert played.failure.message.startswith("The limit of 3 steps has been reached")
    assert played.undone == ["step-3", "step-2", "step-1"]
    assert played.rolled_back == DONE


def test_decorated_steps_are_undone_too():
    shop = Shop()

    async def run(event, ctx):
        @ctx.do("reserve", rollback=shop.undo)
        async def reserve():
            return {"id": 5}

        @ctx.do(rollback=shop.undo, rollback_config={"retries": NEVER})
        async def charge(reserve):
            return reserve["id"] + 1

        await charge()
        raise ValueError("no")

    assert play(run).undone == ["charge-1", "reserve-1"]
    assert shop.undone == [("charge-1", 6), ("reserve-1", {"id": 5})]


# -- what makes it begin -----------------------------------------------------------------------------------


def test_an_output_that_cannot_be_kept_undoes_the_steps():
    shop = Shop()

    async def run(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        return object()

    played = play(run)
    assert played.failure.name == "UnserializableError"
    assert played.undone == ["reserve-1"]


def test_a_step_whose_value_cannot_be_kept_undoes_the_steps_when_nobody_catches_that():
    shop = Shop()

    async def run(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        await ctx.do("charge", object, rollback=shop.undo)

    played = play(run)
    assert played.failure.name == "UnserializableError"
    assert shop.undone == [("charge-1", None), ("reserve-1", 1)]


@pytest.mark.parametrize("crash", range(7))
def test_code_that_waits_for_nothing_or_spins_is_left_and_its_steps_are_undone(crash, monkeypatch):
    monkeypatch.setattr(loop, "CALLBACKS", 5_000)
    shop = Shop()

    async def stuck(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        await asyncio.get_running_loop().create_future()

    async def spinning(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        while True:
            try:
                await asyncio.sleep(0)
            finally:
                asyncio.get_running_loop().call_soon(len, ())

    for run, told in [(stuck, "waits for something"), (spinning, "runs on and on")]:
        played = play(run, crash_at={crash})
        assert played.failure.name == "WorkflowInternalError"
        assert told in played.failure.message
        assert played.undone == ["reserve-1"]
        assert played.rolled_back == DONE


@pytest.mark.parametrize("at", ["running", "resting", "paused", "before", "undoing", "finishing", "twice"])
@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_the_steps_are_undone_when_the_instance_is_told_to_wherever_it_is(at, cold):
    shop = Shop()
    told: list[str] = []
    tasks: list[object] = []

    async def slow_undo(output, step_name):
        told.append(step_name)
        await asyncio.sleep(0.01)
        await shop.undo(step_name, output)

    async def run(event, ctx):
        await ctx.do("reserve", number, 1, rollback=slow_undo)
        if at == "running":
            await ctx.do("slow", asyncio.Event().wait, rollback=shop.undo)
        if at == "finishing":
            tasks.append(asyncio.create_task(ctx.do("slow", asyncio.Event().wait, rollback=shop.undo)))
            await asyncio.sleep(0)
        else:
            await ctx.sleep("nap", "1 hour")

    async def script(stage):
        match at:
            case "running" | "finishing":
                await stage.until(lambda: "slow-1" in stage.running)
            case "resting" | "twice" | "undoing":
                await stage.until(lambda: stage.change)
            case "paused":
                stage.pause()
                await stage.until(lambda: stage.paused)
            case "before":
                return
        stage.send(ROLL_BACK)
        if at == "twice":
            stage.send(ROLL_BACK)
        if at == "undoing":
            await stage.until(lambda: told)
            stage.send(ROLL_BACK)

    pending = [Received(1, ROLL_BACK, b"\xc0", 1, 1)] if at == "before" else []
    played = play(run, script, cold=cold, pending=pending)
    assert played.status == status.TERMINATED
    assert played.rolled_back == DONE
    if at == "before":
        assert shop.undone == []
    elif at in {"running", "finishing"}:
        assert shop.undone == [("slow-1", None), ("reserve-1", 1)]
    else:
        assert shop.undone == [("reserve-1", 1)]
    assert ended_with(played) == {"rollback": "complete"}


@pytest.mark.resident("it holds back what a turn hears")
def test_one_that_is_told_to_before_the_end_is_known_has_not_ended():
    shop = Shop()
    go = asyncio.Event()

    async def run(event, ctx):
        await shop.sell(ctx, "charge", 1)
        return await ctx.do("last", go.wait)

    async def script(stage):
        await stage.until(lambda: "last-1" in stage.running)
        acked, held = stage.outbox.acked, []
        stage.outbox.acked = lambda batch, _: held.append(batch)
        go.set()
        await stage.until(lambda: "last-1" in settled_in(stage))
        stage.send(ROLL_BACK)
        stage.outbox.acked = acked
        await stage.until(lambda: held)
        for batch in held:
            acked(batch, [])

    played = play(run, script)
    assert played.status == status.TERMINATED
    assert shop.undone == [("charge-1", 1)]


def test_an_instance_that_is_told_to_undo_its_steps_hears_nothing_more_of_them():
    heard: list[str] = []

    async def run(event, ctx):
        heard.clear()
        try:
            await ctx.do("slow", asyncio.Event().wait, rollback=lambda: None)
        except asyncio.CancelledError:
            heard.append("cancelled")
            await ctx.do("cleanup", number, 1)

    async def script(stage):
        await stage.until(lambda: stage.running)
        stage.send(ROLL_BACK)

    played = play(run, script)
    assert played.undone == ["slow-1"]
    assert "cleanup-1" not in played.settled
    assert heard == ["cancelled"], "when it is collected, and nothing can be asked for any more"


# -- what a rollback gets ----------------------------------------------------------------------------------


@dataclass
class Receipt:
    id: int


def receipt(n: int) -> Receipt:
    return Receipt(n)


@pytest.mark.parametrize("kind", ["sync", "async", "awaitable"])
def test_a_rollback_gets_by_name_what_it_names(kind):
    told: list[Any] = []

    async def take_all(ctx, error, output, step_name):
        told.append([ctx, error, output, step_name])

    rollbacks = {
        "async": take_all,
        "sync": lambda step_name, *, output, error, ctx: told.append([ctx, error, output, step_name]),
        "awaitable": lambda **all_of_it: take_all(**all_of_it),  # noqa: PLW0108 - what it returns is awaited
    }

    async def run(event, ctx):
        config = {"retries": {"limit": 3, "delay": "1 minute", "backoff": "linear"}, "timeout": "1 hour"}
        await ctx.do("other", number, 1)
        await ctx.do("charge", number, 2)
        await ctx.do("charge", receipt, 4, rollback=rollbacks[kind], rollback_config=config)
        raise KeyError("lost")

    play(run)
    ((context, error, output, step_name),) = told
    assert output == Receipt(4)
    assert isinstance(error, KeyError)
    assert error.args == ("lost",)
    assert step_name == "charge-2"
    assert isinstance(context, StepContext)
    assert (context.step.name, context.step.count, context.attempt) == ("charge", 2, 1)
    assert context.config == {
        "retries": {"limit": 3, "delay": 60_000, "backoff": "linear"},
        "timeout": 3_600_000,
    }
    assert len(context.idempotency_key) == 32


@pytest.mark.parametrize(
    "rollback",
    [
        lambda: TOLD.append(()),
        lambda output: TOLD.append(output),  # noqa: PLW0108 - a builtin does not tell what it takes
        lambda amount=7: TOLD.append(amount),
        lambda *rest: TOLD.append(rest),
    ],
    ids=["nothing", "output", "with-a-default", "by-place"],
)
def test_a_rollback_need_not_take_anything(rollback):
    async def run(event, ctx):
        await ctx.do("charge", number, 4, rollback=rollback)
        raise KeyError("lost")

    TOLD.clear()
    assert play(run).rolled_back == DONE
    assert len(TOLD) == 1


TOLD: list[object] = []


def test_without_a_failure_there_is_no_error_for_a_rollback():
    errors = []

    async def run(event, ctx):
        await ctx.do("charge", number, 4, rollback=lambda error: errors.append(error))  # noqa: PLW0108
        await ctx.sleep("nap", "1 hour")

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.send(ROLL_BACK)

    play(run, script)
    assert errors == [None]


def test_a_rollback_gets_the_plain_output_when_the_code_declares_another_type_now():
    shop = Shop()

    async def before(event, ctx):
        await ctx.do("charge", number, 4, rollback=shop.undo)
        raise KeyError("lost")

    async def after(event, ctx):
        await ctx.do("charge", number, 4, rollback=shop.undo, returns=int | Receipt)
        raise KeyError("lost")

    whole = play(before)
    shop.undone.clear()
    play(after, journal=until_undone(whole))
    assert shop.undone == [("charge-1", 4)]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rollback": 5}, "step 'charge': rollback must be a function, not 5"),
        ({"rollback": lambda amount: amount}, "rollback takes a parameter 'amount'; it can have ctx, error,"),
        ({"rollback": lambda ctx, /: ctx}, "rollback takes a parameter 'ctx'"),
        ({"rollback_config": {}}, "rollback_config is given, and no rollback"),
        ({"rollback": print, "rollback_config": 0}, "rollback_config must be a dict, not 0"),
        ({"rollback": print, "rollback_config": {"limit": 5}}, "rollback_config has no key 'limit'"),
        ({"rollback": print, "rollback_config": {"retries": {"limit": 5}}}, "retries needs 'delay'"),
        (
            {"rollback": print, "rollback_config": {"timeout": 0}},
            "'rollback of charge': timeout must be more",
        ),
    ],
)
def test_a_rollback_that_cannot_be_is_refused_before_anything_is_done(options, told):
    async def run(event, ctx):
        with pytest.raises(InvalidInput) as caught:
            ctx.do("charge", number, 1, **options)
        return caught.value.message

    played = play(run)
    assert told in played.result
    assert played.settled == []


# -- when it goes wrong ------------------------------------------------------------------------------------


def test_a_rollback_has_retries_of_its_own():
    tries = []

    async def flaky(ctx):
        tries.append(ctx.attempt)
        if ctx.attempt < 3:
            raise OSError("busy")

    async def run(event, ctx):
        await ctx.do("charge", number, 1, retries=NEVER, rollback=flaky, rollback_config={"retries": AT_ONCE})
        raise ValueError("no")

    played = play(run)
    assert tries == [1, 2, 3]
    assert played.rolled_back == DONE
    assert [fact.key for fact in played.facts if isinstance(fact, Failed)] == ["rollback:charge-1"] * 2


def test_a_function_may_say_how_long_a_rollback_waits_after_a_failure():
    told: list[Any] = []

    def delay(ctx, error):
        told.append([ctx.step.name, ctx.attempt, ctx.config.retries.delay, str(error)])
        return 0

    async def flaky(ctx):
        if ctx.attempt < 3:
            raise OSError("busy")

    async def run(event, ctx):
        config = {"retries": {"limit": 2, "delay": delay}}
        await ctx.do("charge", number, 1, rollback=flaky, rollback_config=config)
        raise ValueError("no")

    assert play(run).rolled_back == DONE
    assert told == [["charge", 1, "[dynamic]", "busy"], ["charge", 2, "[dynamic]", "busy"]]


def test_the_first_rollback_that_fails_is_the_last_and_the_instance_fails_with_its_own_error():
    shop = Shop()

    async def broken():
        raise OSError("the bank is closed")

    async def run(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        await ctx.do("charge", number, 2, rollback=broken, rollback_config={"retries": NEVER})
        await shop.sell(ctx, "ship", 3)
        raise ValueError("no")

    played = play(run)
    assert shop.undone == [("ship-1", 3)]
    assert played.failure.name == "ValueError"
    assert played.rolled_back is not None
    assert played.rolled_back.failure is not None
    assert (played.rolled_back.failure.name, played.rolled_back.failure.message) == (
        "OSError",
        "the bank is closed",
    )
    assert ended_with(played) == {"rollback": "failed"}


def test_a_rollback_that_takes_too_long_fails():
    async def run(event, ctx):
        await ctx.do(
            "charge",
            number,
            2,
            rollback=asyncio.Event().wait,
            rollback_config={"retries": NEVER, "timeout": 10},
        )
        raise ValueError("no")

    assert rollback_failure(play(run)) == "Execution timed out after 10ms"


def test_a_rollback_cannot_ask_for_steps():
    async def run(event, ctx):
        async def undo():
            await ctx.do("refund", number, 1)

        await ctx.do("charge", number, 2, rollback=undo)
        raise ValueError("no")

    played = play(run)
    assert rollback_failure(played).startswith("step 'refund' is asked for inside another step")
    assert played.settled == ["charge-1", "rollback:charge-1"], "and it is not tried again"


def test_a_rollback_that_the_code_has_no_more_is_missed():
    shop = Shop()

    async def before(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        await shop.sell(ctx, "charge", 2)
        await shop.sell(ctx, "ship", 3)
        raise ValueError("no")

    async def after(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        await ctx.do("charge", number, 2)
        await shop.sell(ctx, "ship", 3)
        raise ValueError("no")

    whole = play(before)
    shop.undone.clear()
    played = play(after, journal=until_undone(whole))
    assert shop.undone == [("ship-1", 3)]
    assert played.failure.name == "ValueError"
    assert (
        rollback_failure(played) == "step 'charge-1' was given a rollback, and the code has none for it now"
    )
    assert played.rolled_back.failure.name == "RollbackMissing"  # type: ignore[union-attr]


# -- crashes, rests and reloads ----------------------------------------------------------------------------


async def saga(event, ctx):
    """Undo a step that was cut, parallel ones, one that failed; one rollback needs a second attempt."""
    shop = event.payload["shop"]

    async def flaky(step_name, ctx):
        if ctx.attempt == 1:
            raise OSError("busy")
        await shop.undo(step_name, "flaky")

    await ctx.do("a", number, 1, rollback=flaky, rollback_config={"retries": {"limit": 5, "delay": 2}})
    await asyncio.gather(shop.sell(ctx, "b", 2), shop.sell(ctx, "b", 3), ctx.do("plain", number, 4))
    try:
        async with asyncio.timeout(0.002):
            await ctx.do("c", asyncio.Event().wait, rollback=shop.undo)
    except TimeoutError:
        pass
    await ctx.do("d", fail, retries=NEVER, rollback=shop.undo)


SAGA = ["d-1", "c-1", "b-2", "b-1", "a-1"]


@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_a_crash_at_any_commit_changes_nothing_of_what_is_undone(when, cold):
    def perform(crash):
        shop = Shop()

        async def run(event, ctx):
            await saga(type("Event", (), {"payload": {"shop": shop}}), ctx)

        played = play(run, cold=cold, **{when: crash})
        assert played.undone == SAGA, crash
        assert played.rolled_back == DONE
        assert played.failure.message == "no stock"
        assert list(dict.fromkeys(name for name, _ in shop.undone)) == SAGA
        return played.commits

    commits = perform(set())
    assert commits > 8
    for number_of in range(commits + 1):
        perform({number_of})
    perform(set(range(3, 100, 4)))


def test_a_rollback_rests_between_its_attempts_and_the_instance_is_rolling_back_all_the_same():
    tries = []

    async def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("busy")

    async def run(event, ctx):
        config = {"retries": {"limit": 5, "delay": 10, "backoff": "constant"}}
        await ctx.do("charge", number, 1, rollback=flaky, rollback_config=config)
        raise ValueError("no")

    for cold in (False, True):
        tries.clear()
        played = play(run, cold=cold)
        assert played.rolled_back == DONE
        assert len(tries) == 3
        assert set(played.moves) == {"running", "rollingBack", "errored"}
        assert played.stage.starts >= (3 if cold else 1)


def test_a_runtime_that_drains_hands_an_instance_back_between_two_rollbacks():
    shop = Shop()
    free: list[int] = []

    async def slow(step_name, output):
        while not free:  # noqa: ASYNC110 - the test sets it
            await asyncio.sleep(0.001)
        await shop.undo(step_name, output)

    async def run(event, ctx):
        await shop.sell(ctx, "reserve", 1)
        await ctx.do("charge", number, 2, rollback=slow)
        raise ValueError("no")

    async def script(stage):
        await stage.until(lambda: "rollback:charge-1" in stage.running)
        stage.drain()
        free.append(1)
        await stage.until(lambda: stage.released)
        assert shop.undone == [("charge-1", 2)]
        stage.claim()

    played = play(run, script)
    assert played.undone == ["charge-1", "reserve-1"]


def test_a_pause_does_not_stop_what_is_being_undone():
    async def slow():
        await asyncio.sleep(0.01)

    async def run(event, ctx):
        await ctx.do("charge", number, 2, rollback=slow)
        raise ValueError("no")

    async def script(stage):
        await stage.until(lambda: "rollback:charge-1" in stage.running)
        stage.turn.steer(pausing=True)

    played = play(run, script)
    assert played.moves == ["running", "rollingBack", "errored"]


def test_what_can_be_undone_is_in_the_journal_before_anything_is_that_may_end_it():
    """A replay that gives up a step must know that it began; or it would not be undone."""

    async def run(event, ctx):
        await asyncio.gather(
            ctx.do("slow", asyncio.Event().wait, rollback=lambda: None),
            ctx.do("plain", asyncio.Event().wait),
            ctx.do("quick", number, 1),
            ctx.wait_for_event("wait", "go"),
        )

    async def script(stage):
        await stage.until(lambda: "quick-1" in settled_in(stage))
        tried = [fact.key for fact in stage.facts if isinstance(fact, Tried)]
        assert tried == ["slow-1"]
        stage.crash()
        await stage.until(lambda: "slow-1" in stage.running)
        stage.send("go")
        stage.send(ROLL_BACK)

    assert play(run, script).undone == ["slow-1"]


@pytest.mark.resident("it holds back what a turn hears")
def test_a_step_that_begins_while_an_outcome_is_on_its_way_to_disk_begins_when_that_is_known():
    """That outcome may be what the code gives the step up for, and a replay would do so before it began."""
    began = []
    go = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def charge():
        began.append(1)
        await asyncio.Event().wait()

    async def run(event, ctx):
        async def first():
            await ctx.do("a", go["a"].wait)
            await ctx.do("charge", charge, rollback=lambda: None)

        await asyncio.gather(first(), ctx.do("b", go["b"].wait))

    async def script(stage):
        await stage.until(lambda: stage.commits == 1)
        acked, held = stage.outbox.acked, []
        stage.outbox.acked = lambda batch, _: held.append(batch)
        for name in ("a", "b"):
            go[name].set()
            await stage.until(lambda name=name: f"{name}-1" in settled_in(stage))
        await stage.until(lambda: held)
        acked(held.pop(0), [])
        await stage.until(lambda: Tried in {type(fact) for fact in stage.facts})
        await stage.until(lambda: len(held) == 2)
        assert began == []
        stage.outbox.acked = acked
        for batch in held:
            acked(batch, [])
        await stage.until(lambda: began)
        stage.send(ROLL_BACK)

    assert play(run, script).undone == ["charge-1"]


def test_the_values_of_steps_are_kept_in_memory_only_for_rollbacks_that_take_them():
    outcomes: list[Any] = []

    def nothing(step_name):
        pass

    def something(output):
        pass

    async def run(event, ctx):
        await ctx.do("big", lambda: "x" * 1_000, rollback=nothing)
        await ctx.do("wanted", lambda: "x" * 1_000, rollback=something)
        outcomes.extend(ctx._code.undoings._outcomes.values())

    play(run)
    assert [len(outcome.value) for outcome in outcomes] == [1, 1_003]


def settled_in(stage: Stage) -> set[str]:
    return {fact.key for fact in stage.facts if isinstance(fact, Settled)}


def rollback_failure(played: Any) -> str:
    assert played.rolled_back is not None
    assert played.rolled_back.failure is not None
    return str(played.rolled_back.failure.message)


def ended_with(played: Any) -> object:
    last = played.facts[-1]
    assert isinstance(last, Moved)
    return last.detail


def until_undone(whole: Any) -> list[bytes]:
    """Give the journal as it was when the steps were about to be undone."""
    begun = [isinstance(fact, Moved) and fact.status == status.ROLLING_BACK for fact in whole.facts]
    return list(whole.stage.journal[: begun.index(True) + 1])
