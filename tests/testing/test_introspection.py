"""Looking into instances, one by one and all of a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wflow import Context, Event, InvalidInput, WorkflowEntrypoint
from wflow.errors import InstanceNotFound
from wflow.testing import Kit, Unreachable

if TYPE_CHECKING:
    from wflow.testing.modifiers import Modifiers


class Steps(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        ctx.log("begins")
        await ctx.do("twice", lambda: 1)
        await ctx.do("twice", lambda: 2)
        await ctx.sleep("nap", "1 day")
        got = await ctx.wait_for_event("wait", "go", timeout="1 day")
        return got.payload


class Fails(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        await ctx.do("first", lambda: 1)
        return await ctx.do("broken", broken, retries={"limit": 0, "delay": 0})


def broken() -> None:
    raise KeyError("lost")


pytestmark = pytest.mark.wflow({"STEPS": Steps, "FAILS": Fails})


async def test_results_of_steps_are_told_as_they_come(wflow: Kit):
    async with wflow.introspect_instance(wflow.env.STEPS, "one") as one:
        instance = await wflow.env.STEPS.create(id="one")
        assert await one.wait_for_step_result("twice") == 1
        assert await one.wait_for_step_result({"name": "twice", "index": 2}) == 2
        assert await one.wait_for_step_result("twice", index=2) == 2
        assert await one.wait_for_step_result("nap") is None
        await instance.send_event("go", {"fast": True})
        assert await one.wait_for_step_result("wait") == {"fast": True}
        assert await one.output() == {"fast": True}
        assert await one.steps() == ["twice-1", "twice-2", "nap-1", "wait-1"]
        assert await one.logs() == ["begins"]


async def test_one_can_wait_for_an_instance_that_is_not_there_yet(wflow: Kit):
    import asyncio

    one = wflow.introspect_instance("STEPS", "later")
    waiting = asyncio.ensure_future(one.wait_for_step_result("twice"))
    await asyncio.sleep(0)
    await wflow.env.STEPS.create(id="later")
    assert await waiting == 1


async def test_the_error_of_a_step_is_raised(wflow: Kit):
    one = wflow.introspect_instance("FAILS", "one")
    await wflow.env.FAILS.create(id="one")
    with pytest.raises(KeyError, match="lost"):
        await one.wait_for_step_result("broken")
    assert (await one.error()).name == "KeyError"
    assert (await one.error())["message"] == "'lost'"


async def test_a_status_that_cannot_come_any_more_fails_at_once_and_says_why(wflow: Kit):
    one = wflow.introspect_instance("FAILS", "one")
    await wflow.env.FAILS.create(id="one")
    with pytest.raises(
        Unreachable, match=r"fails 'one' is errored: KeyError: 'lost'; it does not become complete"
    ):
        await one.wait_for_status("complete")
    with pytest.raises(
        Unreachable, match=r"step 'never-1' was not over; those were: \['broken-1', 'first-1'\]"
    ):
        await one.wait_for_step_result("never")
    with pytest.raises(Unreachable, match="it has no output") as failed:
        await one.output()
    assert isinstance(failed.value.__cause__, KeyError)
    await one.wait_for_status("errored")


async def test_an_instance_that_is_complete_has_no_error(wflow: Kit):
    one = wflow.introspect_instance("STEPS", "one").mock_event("go", 1)
    await wflow.env.STEPS.create(id="one")
    with pytest.raises(Unreachable, match="is complete; it has no error"):
        await one.error()


async def test_each_status_on_the_way_can_be_waited_for(wflow: Kit):
    one = wflow.introspect_instance("STEPS", "one")
    instance = await wflow.env.STEPS.create(id="one")
    await one.wait_for_status("waiting")
    await instance.pause()
    await one.wait_for_status("paused")
    assert await one.status() == "paused"
    await instance.resume()
    await one.wait_for_status("waiting")
    await instance.terminate()
    await one.wait_for_status("terminated")
    with pytest.raises(InvalidInput, match="is no status"):
        await one.wait_for_status("done")


async def test_an_instance_that_was_never_created_has_no_status(wflow: Kit):
    one = wflow.introspect_instance("STEPS", "nobody")
    with pytest.raises(InstanceNotFound):
        await one.status()
    assert await one.journal() == []


async def test_all_instances_of_a_workflow_are_looked_into_as_they_are_created(wflow: Kit):
    await wflow.env.STEPS.create(id="before")
    async with wflow.introspect(wflow.env.STEPS) as all_of_them:
        all_of_them.modify_all(lambda each: each.disable_sleeps().mock_event("go", "on"))
        await wflow.env.STEPS.create(id="a")
        await wflow.env.STEPS.create(id="b")
        await wflow.env.FAILS.create(id="c")
        assert [one.id for one in all_of_them.get()] == ["a", "b"]
        assert [await one.output() for one in all_of_them.get()] == ["on", "on"]
    await wflow.env.STEPS.create(id="after")
    assert [one.id for one in all_of_them.get()] == ["a", "b"]


async def test_what_modifies_may_be_a_function_plain_or_async(wflow: Kit):
    async def change(one: Modifiers) -> None:
        await one.mock_step_result("twice", 7)
        await one.mock_event("go")

    async with wflow.introspect_instance("STEPS", "one") as one:
        assert one.modify(lambda each: each.disable_sleeps()) is one
        assert await one.modify(change) is one
        await wflow.env.STEPS.create(id="one")
        assert await one.wait_for_step_result("twice") == 7
        await one.wait_for_status("complete")


async def test_what_modifies_holds_over_a_crash(wflow: Kit):
    async with wflow.introspect_instance("STEPS", "one") as one:
        one.mock_step_result({"name": "twice", "index": 2}, "mine").mock_event("go", "event")
        await wflow.env.STEPS.create(id="one")
        await wflow.crash()
        assert await one.output() == "event"
        assert await one.wait_for_step_result("twice", index=2) == "mine"
