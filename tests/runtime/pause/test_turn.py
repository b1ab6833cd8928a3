"""Pausing: what runs comes to its end, nothing else begins, and time stands still until it is resumed."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from tests.runtime.stage import number, play
from wflow.engine import facts
from wflow.engine.changes import Rested
from wflow.engine.facts import Failed, Moved, Opened, Received, Settled, Tried
from wflow.errors import WorkflowTimeoutError
from wflow.runtime.clock import now


class Gate:
    """A step that ends when the test lets it."""

    def __init__(self) -> None:
        self.ran = 0
        self.open = False

    async def step(self, value=None, error=None):
        self.ran += 1
        while not self.open:  # noqa: ASYNC110 - the test sets it
            await asyncio.sleep(0.001)
        if error is not None:
            raise error
        return value


def settled(stage):
    return [fact.key for fact in stage.facts if isinstance(fact, Settled)]


def test_attempts_that_run_come_to_their_end_and_nothing_else_begins():
    gate = Gate()

    async def run(event, ctx):
        async def second():
            await ctx.do("slow", gate.step, 2)
            return await ctx.do("after", number, 3)

        return await asyncio.gather(ctx.do("slow", gate.step, 1), second())

    async def script(stage):
        await stage.until(lambda: len(stage.running) == 2)
        stage.pause()
        await asyncio.sleep(0.005)
        assert not stage.paused
        gate.open = True
        await stage.until(lambda: stage.paused)
        assert sorted(settled(stage)) == ["slow-1", "slow-2"]
        assert stage.turn.state.name == "OVER"
        stage.unpause()

    played = play(run, script)
    assert played.result == [1, 3]
    assert gate.ran == 2
    assert played.moves == ["running", "waitingForPause", "paused", "queued", "running", "complete"]


def test_it_says_that_it_rests_and_nothing_of_its_status_when_nothing_runs_any_more():
    async def run(event, ctx):
        await asyncio.gather(ctx.do("slow", asyncio.sleep, 0.01), ctx.sleep("nap", "1 hour"))

    rests = []

    async def script(stage):
        await stage.until(lambda: "slow-1" in stage.running)
        stage.pause()
        await stage.until(lambda: stage.paused)
        rests.append(stage.change)
        assert stage.facts[-1].status == "paused", "the store's, right after ours"
        assert stage.facts[-2].key == "nap-1"
        stage._over.set_result(None)

    play(run, script)
    (rest,) = rests
    assert isinstance(rest, Rested)
    assert rest.awaits == []


def test_an_attempt_that_fails_meanwhile_is_not_made_again_before_it_is_resumed():
    gate = Gate()

    async def run(event, ctx):
        try:
            await ctx.do("fail", gate.step, None, ValueError("no"), retries={"limit": 2, "delay": 0})
        except ValueError as error:
            return str(error)

    async def script(stage):
        await stage.until(lambda: stage.running)
        stage.pause()
        gate.open = True
        await stage.until(lambda: stage.paused)
        assert gate.ran == 1
        assert [fact.attempt for fact in stage.facts if isinstance(fact, Failed)] == [1]
        stage.unpause()

    assert play(run, script).result == "no"
    assert gate.ran == 3


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_events_that_come_meanwhile_are_kept(cold):
    gate = Gate()

    async def run(event, ctx):
        wait = asyncio.create_task(ctx.wait_for_event("wait", "paid"))
        await ctx.do("slow", gate.step)
        return [(await wait).payload, (await ctx.wait_for_event("wait", "paid")).payload]

    async def script(stage):
        await stage.until(lambda: stage.running)
        stage.pause()
        stage.send("paid", 1)
        gate.open = True
        await stage.until(lambda: stage.paused)
        assert "wait-1" not in settled(stage)
        stage.send("paid", 2)
        await asyncio.sleep(0.002)
        assert stage.paused
        stage.unpause()

    assert play(run, script, cold=cold).result == [1, 2]


@pytest.mark.resident("it goes on where it stands")
def test_it_may_be_resumed_before_it_has_paused_and_goes_on_where_it_stands():
    gate = Gate()
    ran: list[int] = []

    async def run(event, ctx):
        ran.append(1)
        after = asyncio.create_task(two_steps(ctx))
        await ctx.do("slow", gate.step)
        return await after

    async def two_steps(ctx):
        return [await ctx.do("quick", number, 1), await ctx.do("after", number, 2)]

    async def script(stage):
        stage.pause()
        await stage.until(lambda: "quick-1" in settled(stage))
        await asyncio.sleep(0.005)
        assert "after-1" not in settled(stage)
        stage.unpause()
        await stage.until(lambda: "after-1" in settled(stage))
        gate.open = True

    played = play(run, script)
    assert played.result == [1, 2]
    assert ran == [1]
    assert played.moves == ["running", "waitingForPause", "running", "complete"]
    assert played.stage.starts == 1


def test_time_goes_on_until_it_has_paused_so_that_a_timeout_ends_what_it_waits_for():
    cut = []

    async def hang():
        try:
            await asyncio.Event().wait()
        finally:
            cut.append(1)

    async def run(event, ctx):
        try:
            async with asyncio.timeout(0.01):
                await ctx.do("slow", hang)
        except TimeoutError:
            return await ctx.do("late", number, 1)

    async def script(stage):
        await stage.until(lambda: stage.running)
        stage.pause()
        await stage.until(lambda: stage.paused)
        assert cut == [1]
        assert settled(stage) == ["asyncio timer-1"]
        stage.unpause()

    assert play(run, script).result == 1


def test_what_else_is_due_meanwhile_is_put_off():
    gate, opened_at = Gate(), now() - 980

    async def fail_once(ctx):
        if ctx.attempt == 1:
            raise ValueError("no")
        return "again"

    async def run(event, ctx):
        async def wait():
            try:
                return (await ctx.wait_for_event("wait", "paid", timeout=1_000)).payload
            except WorkflowTimeoutError:
                return "late"

        retries = {"limit": 1, "delay": 10}
        fails = ctx.do("fail", fail_once, retries=retries)
        return await asyncio.gather(fails, wait(), ctx.do("slow", gate.step), ctx.sleep("nap", 12))

    async def script(stage):
        await stage.until(lambda: any(isinstance(fact, Failed) for fact in stage.facts))
        stage.pause()
        await stage.until(lambda: "nap-1" in settled(stage))
        await asyncio.sleep(0.015)
        assert settled(stage) == ["nap-1"]
        stage.unpause()
        await stage.until(lambda: len(settled(stage)) == 3)
        gate.open = True

    wait = Opened("wait-1", "waitForEvent", opened_at, detail={"type": "paid", "timeout": 1_000})
    assert play(run, script, journal=[facts.encode(wait)]).result == ["again", "late", None, None]


def test_being_told_twice_is_being_told_once():
    gate = Gate()

    async def run(event, ctx):
        await ctx.do("slow", gate.step)

    async def script(stage):
        await stage.until(lambda: stage.running)
        for pausing in (False, True, True, False, False):
            stage.turn.steer(pausing=pausing)
        gate.open = True
        await stage.end()
        stage.turn.steer(pausing=True)

    assert play(run, script).moves == ["running", "waitingForPause", "running", "complete"]


def test_a_workflow_that_comes_to_its_end_meanwhile_is_complete():
    gate = Gate()

    async def run(event, ctx):
        return await ctx.do("slow", gate.step, 5)

    async def script(stage):
        await stage.until(lambda: stage.running)
        stage.pause()
        gate.open = True

    played = play(run, script)
    assert played.result == 5
    assert played.moves == ["running", "waitingForPause", "complete"]


def test_steps_are_undone_when_the_code_fails_meanwhile():
    gate = Gate()
    undone: list[int] = []

    async def run(event, ctx):
        await ctx.do("charge", number, 1, rollback=lambda: undone.append(1))
        await ctx.do("slow", gate.step)
        raise ValueError("no")

    async def script(stage):
        await stage.until(lambda: "slow-1" in stage.running)
        stage.pause()
        gate.open = True

    played = play(run, script)
    assert played.moves == ["running", "waitingForPause", "rollingBack", "errored"]
    assert undone == [1]


def test_a_claim_of_an_instance_that_is_to_pause_does_nothing_but_rest():
    ran: list[int] = []

    async def run(event, ctx):
        ran.append(1)
        return (await ctx.wait_for_event("wait", "paid")).payload

    async def script(stage):
        await stage.until(lambda: stage.paused)
        assert ran == []
        assert [type(fact) for fact in stage.facts] == [Moved]
        assert len(stage.pending) == 1, "it is received when it goes on"
        stage.unpause()

    pending = [Received(1, "paid", b"\x05", now(), 0)]
    assert play(run, script, pausing=True, pending=pending).result == 5


def test_a_turn_in_memory_is_not_resumed_by_a_claim_that_is_to_pause():
    async def run(event, ctx):
        await ctx.sleep("nap", 30)

    async def script(stage):
        await stage.until(lambda: stage.change)
        await asyncio.sleep(0)
        stage.pausing = True
        assert not stage.turn.resume(stage._spec(None))
        stage.pausing = False

    assert play(run, script).status == "complete"


# -- time stands still -------------------------------------------------------------------------------------

PAUSE_S = 0.06


@pytest.mark.parametrize("kind", ["sleep", "timer", "wait", "retry", "until"])
def test_what_was_waiting_goes_on_waiting_for_what_was_left_of_it(kind):
    gate, until = Gate(), now() + 40

    async def timed_out(ctx):
        with contextlib.suppress(WorkflowTimeoutError):
            await ctx.wait_for_event("wait", "paid", timeout=1_000)

    async def fail_once(ctx):
        if ctx.attempt == 1:
            raise ValueError("no")

    waits = {
        "sleep": lambda ctx: ctx.sleep("nap", 40),
        "timer": lambda _: asyncio.sleep(0.04),
        "until": lambda ctx: ctx.sleep_until("nap", until),
        "wait": timed_out,
        "retry": lambda ctx: ctx.do("again", fail_once, retries={"limit": 1, "delay": 40}),
    }

    async def run(event, ctx):
        # Held in `running` until all of them are told, so that the pause comes in the middle.
        await asyncio.gather(
            ctx.do("slow", asyncio.sleep, 0.005), waits[kind](ctx), ctx.do("long", gate.step)
        )

    async def script(stage):
        await stage.until(lambda: "slow-1" in settled(stage))
        stage.pause()
        gate.open = True
        await stage.until(lambda: stage.paused)
        await asyncio.sleep(PAUSE_S)
        stage.unpause()

    opened = []
    if kind == "wait":
        # A wait lasts a second at least: it began a while ago.
        opened = [Opened("wait-1", "waitForEvent", now() - 960, detail={"type": "paid", "timeout": 1_000})]
    played = play(run, script, journal=[facts.encode(fact) for fact in opened])
    (paused,) = (fact.at for fact in played.facts if isinstance(fact, Moved) and fact.status == "paused")
    (resumed,) = (fact.at for fact in played.facts if isinstance(fact, Moved) and fact.status == "queued")
    assert resumed - paused >= PAUSE_S * 1_000 - 1
    key = {
        "sleep": "nap-1",
        "timer": "asyncio timer-1",
        "until": "nap-1",
        "wait": "wait-1",
        "retry": "again-1",
    }
    (ended,) = (fact.at for fact in played.facts if isinstance(fact, Settled) and fact.key == key[kind])
    begun = [fact.at for fact in played.facts if isinstance(fact, (Opened, Failed)) and fact.key == key[kind]]
    if kind == "until":
        assert ended < until + (resumed - paused) + 40
    else:
        lasts_ms = 1_000 if kind == "wait" else 40
        assert ended - begun[-1] >= lasts_ms + resumed - paused - 1


def test_a_moment_does_not_wait_for_a_pause_to_end():
    until = now() + 20

    async def run(event, ctx):
        await ctx.sleep_until("later", until)

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.turn.drop()
        stage.pausing = True
        stage.claim()
        await stage.until(lambda: stage.paused)
        await asyncio.sleep(0.03)
        begun.append(now())
        stage.unpause()

    begun: list[int] = []
    played = play(run, script)
    (ended,) = (fact.at for fact in played.facts if isinstance(fact, Settled))
    assert until <= begun[0] <= ended < begun[0] + 20


# -- with crashes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_crash_anywhere_in_a_pause_loses_nothing(when):
    async def run(event, ctx):
        async def one(n):
            await ctx.do("step", number, n)
            await ctx.sleep("nap", 1)
            return await ctx.do("step", number, n + 10)

        return await asyncio.gather(*(one(n) for n in range(3)))

    async def script(stage):
        await stage.until(lambda: len(settled(stage)) >= 2)
        stage.pause()
        await stage.until(lambda: stage.paused or stage._over.done())
        if stage.paused:
            stage.unpause()

    whole = play(run, script)
    for n in range(whole.commits + 1):
        played = play(run, script, **{when: {n}})
        assert played.result == [10, 11, 12]


def test_what_was_put_on_disk_to_begin_does_begin_also_when_it_is_to_pause():
    gate = Gate()

    async def run(event, ctx):
        return [await ctx.do("slow", gate.step, 1), await ctx.do("after", number, 2)]

    async def script(stage):
        await stage.until(lambda: gate.ran)
        stage.crash()
        stage.pause()
        gate.open = True
        await stage.until(lambda: stage.paused)
        assert settled(stage) == ["slow-1"]
        stage.unpause()

    played = play(run, script)
    assert played.result == [1, 2]
    assert gate.ran == 2


@pytest.mark.parametrize("seed", range(20))
def test_pauses_at_random_change_no_result(seed):
    chance = random.Random(seed)
    ran: list[int] = []

    async def body(n):
        ran.append(n)
        await asyncio.sleep(chance.random() / 500)
        return n

    async def run(event, ctx):
        async def one(n):
            first = await ctx.do(f"first {n}", body, n)
            await ctx.sleep("nap", n % 3)
            return first + await ctx.do(f"second {n}", body, 10 * n)

        return sum(await asyncio.gather(*(one(n) for n in range(4))))

    async def script(stage):
        while not stage._over.done():
            await asyncio.sleep(chance.random() / 200)
            if stage._over.done():
                break
            stage.pause()
            await asyncio.sleep(chance.random() / 200)
            if not stage._over.done():
                stage.unpause()

    played = play(run, script)
    assert played.result == 66
    assert sorted(ran) == [0, 0, 1, 2, 3, 10, 20, 30], "a pause cuts nothing off"
    assert Tried not in {type(fact) for fact in played.facts}
