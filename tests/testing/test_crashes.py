"""A test that runs once for each durable write, with the death of the process right there."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

import pytest

from wflow import Context, Event, InvalidInput, WorkflowEntrypoint
from wflow.stores.store import Store
from wflow.testing import CrashFailed, Kit, crash_at, crash_everywhere, project
from wflow.testing.crashes import Crashes, Plan
from wflow.testing.running import alive
from wflow.testing.writes import WRITES

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

ACCOUNT: dict[str, int] = {}
DONE: list[str] = []


class Order(WorkflowEntrypoint):
    """What a workflow may do, in one."""

    async def run(self, event: Event, ctx: Context) -> object:
        both = await asyncio.gather(ctx.do("a", self.keep, "a"), ctx.do("b", plain))
        await ctx.sleep("nap", "1 day")
        paid = await ctx.wait_for_event("wait", "paid", timeout="2 days")
        tried = await ctx.do("try", attempt, retries={"limit": 2, "delay": "1 minute"})
        child = await ctx.call(self.env.CHILD, 4)
        return [both, paid.payload, tried, child, ctx.random(), str(ctx.uuid4())]

    async def keep(self, key: str) -> str:
        await self.env.KV.put(key, key)
        DONE.append(key)
        return key


class Counting(WorkflowEntrypoint):
    """Does in steps what would show if any of it were done twice, or undone."""

    async def run(self, event: Event, ctx: Context) -> object:
        await ctx.do("one", self.count)
        await asyncio.gather(
            ctx.do("two", self.count), ctx.do("fails", self.fail, retries={"limit": 1, "delay": 1})
        )
        await self.env.KV.put("end", "there")
        made = await self.env.CHILD.create(params=7)
        return [await self.env.KV.get(key) for key in ("one-1", "two-1", "fails-1", "end")], made.id

    async def count(self, ctx: Any) -> str:
        key = f"{ctx.step.name}-{ctx.step.count}"
        count = int(await self.env.KV.get(key) or 0)
        await self.env.KV.put(key, str(count + 1))
        child = await self.env.CHILD.create(params=count)
        if ctx.step.name == "two":
            await child.status()
        return str(child.id)

    async def fail(self, ctx: Any) -> None:
        await self.count(ctx)
        raise LookupError


class Child(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> int:
        return await ctx.do("square", lambda: int(event.payload) ** 2)


class Careless(WorkflowEntrypoint):
    """Takes money in a step that does not notice that it was there before."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.do("look", lambda: None)
        await ctx.do("charge", self.charge)
        await ctx.do("thank", lambda: None)

    async def charge(self) -> None:
        ACCOUNT["euros"] = ACCOUNT.get("euros", 100) - 10


class Forgetful(WorkflowEntrypoint):
    """Keeps in memory what belongs to disk; the step after a restart of the process misses it."""

    seen: frozenset[str] = frozenset()

    async def run(self, event: Event, ctx: Context) -> object:
        await ctx.do("first", remember)
        await ctx.sleep("nap", "1 hour")
        return await ctx.do("second", lambda: len(DONE))


def plain() -> str:
    time.sleep(0.002)
    return "b"


def attempt(ctx: Any) -> int:
    if ctx.attempt == 1:
        raise ConnectionError
    return 1


def remember() -> None:
    DONE.append("first")


pytestmark = pytest.mark.wflow(
    {"ORDER": Order, "CHILD": Child, "CARELESS": Careless, "FORGETFUL": Forgetful, "COUNTING": Counting},
    kv=["KV"],
)


@crash_everywhere(schedules=5, effects=DONE)
async def test_an_instance_ends_the_same_whenever_its_process_dies(wflow: Kit) -> object:
    instance = await wflow.env.ORDER.create()
    await instance.send_event("paid", 5)
    output = await instance.result()
    assert output[:4] == [["a", "b"], 5, 1, 16]
    assert await wflow.env.KV.get("a") == "a"
    return output


@crash_everywhere(schedules=0)
async def test_what_steps_do_to_others_is_there_once_whenever_the_process_dies(wflow: Kit) -> object:
    """A counter that is read and written in steps, and children: whatever were done twice would show."""
    instance = await wflow.env.COUNTING.create()
    with pytest.raises(LookupError):
        await instance.result()
    assert [await wflow.env.KV.get(key) for key in ("one-1", "two-1", "fails-1")] == ["1", "1", None]
    children = (await wflow.env.CHILD.list()).instances
    return sorted([[one.id, await one.result()] for one in children])


@crash_everywhere(schedules=0)
async def test_what_a_test_asks_for_is_carried_over_the_death(wflow: Kit) -> object:
    kept = [await wflow.env.CHILD.create(params=number) for number in (1, 2)]
    batch = await wflow.env.CHILD.create_batch(count=2, params=3)
    await wflow.env.KV.put("k", "v")
    order = await wflow.env.ORDER.create(id="order")
    await order.cancel()
    with pytest.raises(Exception, match="terminated"):
        await order.result()
    deleted = await wflow.env.CHILD.delete_batch([kept[0].id])
    listed = await wflow.env.CHILD.list(newest_first=False)
    return [
        [one.id for one in batch.created],
        batch.errors,
        await kept[1].result(),
        deleted,
        [one.id for one in listed.instances],
        await wflow.env.KV.get("k"),
    ]


@crash_at((3, "after"), (5, "before"))
async def test_a_schedule_that_was_kept_runs_as_it_is(wflow: Kit) -> object:
    instance = await wflow.env.CHILD.create(params=3)
    assert await instance.result() == 9
    return wflow.fate.names[:2]


@crash_at((2, "before"))
async def test_events_that_a_test_has_ready_are_there_after_a_death_too(wflow: Kit) -> object:
    one = wflow.introspect_instance("ORDER", "one").mock_event("paid", 1).mock_step_result("try", 8)
    await wflow.env.ORDER.create(id="one")
    return (await one.output())[1:3]


def crashed(folder: Path, body: Callable[[Kit], Coroutine[Any, Any, object]], **plan: Any) -> Crashes:
    """Run a body as a test with a plan would be run."""
    under = project({"CARELESS": Careless, "FORGETFUL": Forgetful, "CHILD": Child}, kv=["KV"])
    with alive(under, folder) as kit:
        found = Crashes(kit, Plan(**plan), lambda: body(kit), "test_it")
        found.all()
        return found


async def careless(wflow: Kit) -> int:
    await (await wflow.env.CARELESS.create()).result()
    return ACCOUNT["euros"]


def test_a_step_that_is_not_idempotent_is_found_with_the_smallest_schedule(tmp_path: Path):
    with pytest.raises(CrashFailed) as failed:
        crashed(tmp_path, careless, reset=ACCOUNT.clear)
    told = str(failed.value)
    assert "the test ends otherwise when the process dies before durable write 5 (append)" in told
    assert "without: 90" in told
    assert "with:    80" in told
    assert '    @crash_at((5, "before"))\n    async def test_it(wflow): ...' in told


def test_a_schedule_that_fails_with_many_deaths_is_shrunk_to_the_fewest(tmp_path: Path):
    async def body(wflow: Kit) -> object:
        await (await wflow.env.CHILD.create(params=1)).result()
        return "well" if len(wflow.fate.met) < 2 else "ill"

    with pytest.raises(CrashFailed, match="then before durable write 2") as failed:
        crashed(tmp_path, body, deaths=4)
    assert '@crash_at((1, "before"), (2, "before"))' in str(failed.value)


def test_what_an_effect_may_do_once_more_is_what_was_cut_off(tmp_path: Path):
    async def body(wflow: Kit) -> None:
        await (await wflow.env.CHILD.create(params=1)).result()

    async def invents(wflow: Kit) -> None:
        wflow.effects.append(len(wflow.fate.met))
        await body(wflow)
        wflow.effects.append(len(wflow.fate.met))

    crashed(tmp_path / "same", body, schedules=0)
    with pytest.raises(CrashFailed, match="it did 1, which no step does without a death"):
        crashed(tmp_path / "new", invents, schedules=0)


def test_memory_that_is_taken_for_durable_is_found(tmp_path: Path):
    async def body(wflow: Kit) -> object:
        DONE.clear()
        made = await wflow.env.FORGETFUL.create()
        return await made.result()

    with pytest.raises(CrashFailed, match="returned"):
        crashed(tmp_path, body, schedules=0)


def test_a_test_that_keeps_something_between_its_runs_is_not_blamed_on_a_death(tmp_path: Path):
    runs: list[int] = []

    async def body(wflow: Kit) -> int:
        await (await wflow.env.CHILD.create(params=1)).result()
        runs.append(1)
        return len(runs)

    with pytest.raises(CrashFailed, match="run again, without any death") as failed:
        crashed(tmp_path, body)
    assert "crash_at" not in str(failed.value)
    assert "`reset=`" in str(failed.value)
    crashed(tmp_path, body, reset=runs.clear)


def test_an_error_that_only_a_death_brings_is_shown_with_its_cause(tmp_path: Path):
    async def body(wflow: Kit) -> None:
        await careless(wflow)
        assert ACCOUNT["euros"] == 90, "charged twice"

    with pytest.raises(CrashFailed, match="it raised AssertionError: charged twice") as failed:
        crashed(tmp_path, body, reset=ACCOUNT.clear)
    assert isinstance(failed.value.__cause__, AssertionError)


def test_a_test_that_fails_without_a_death_fails_as_ever(tmp_path: Path):
    async def body(wflow: Kit) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crashed(tmp_path, body)


def test_there_are_no_more_runs_than_are_wanted(tmp_path: Path):
    async def body(wflow: Kit) -> None:
        await (await wflow.env.CHILD.create(params=1)).result()

    under = project({"CHILD": Child})
    with alive(under, tmp_path) as kit:
        few = Crashes(kit, Plan(runs=5, schedules=1), lambda: body(kit))
        assert few.all().startswith("5 runs, a sample of the ")
        assert few.runs <= 5


@pytest.mark.parametrize("wrong", [(0, "after"), (1, "during"), 5, ("1", "after")])
def test_a_death_is_a_number_and_when(wrong):
    with pytest.raises(InvalidInput, match="a death is"):
        crash_at(wrong)


def test_every_method_of_a_store_is_either_a_write_or_known_to_be_none():
    others = {"load", "find_one", "find", "counts", "versions", "due_at", "journal", "note", "trim", "tail"}
    others |= {"position", "read", "scan", "retire", "expire", "close"}
    methods = {name for name, one in vars(Store).items() if inspect.iscoroutinefunction(one)}
    assert methods == WRITES | others
