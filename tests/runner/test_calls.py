from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.runner.stage import PaperPeer, desk, entry, stage
from wflow.engine import values
from wflow.engine.changes import Ended
from wflow.link import frames
from wflow.runner import calls
from wflow.runtime.failures import failure_of

if TYPE_CHECKING:
    from tests.runner.stage import Desk
    from wflow.stores.store import Claim


class Till:
    """A peer whose code calls the binding ORDERS."""

    def __init__(self, on: Desk) -> None:
        self.on = on
        self.peer = PaperPeer(on.declare(entry("orders")))
        self.told: list[str] = []

    async def hold(self, id_: str) -> Claim:
        """Have the peer hold an instance."""
        await self.on.create("orders", id_)
        (claim,) = await self.on.store.claim({"orders": 1}, owner="test", now=self.on.control.at)
        self.peer.holds[claim.key] = claim
        return claim

    async def ask(self, method: str, arguments: Any, *, binding: str = "ORDERS", instance: int = 0) -> Any:
        call = frames.Call(7, binding, method, values.encode(arguments), instance, "charge-1")
        reply = await calls.answer(
            self.on.control,
            self.peer,  # type: ignore[arg-type]
            call,
            lambda level, text: self.told.append(f"{level}: {text}"),
        )
        assert reply.call == 7
        return values.decode(reply.value) if reply.failure is None else reply.failure


def test_a_call_is_answered_with_a_value_or_with_what_was_refused(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            till = Till(on)
            assert await till.ask("create", [{"id": "a"}]) == {"id": "a", "created": True}
            failure = await till.ask("get", ["nobody"])
            assert (failure.name, failure.trace) == ("InstanceNotFound", "")
            for refused in (
                await till.ask("get", ["a"], binding="RETURNS"),
                await till.ask("get", "a"),
                await till.ask("dance", ["a"]),
            ):
                assert refused.name == "InvalidInput"
            assert till.told == []

    asyncio.run(story())


def test_code_calls_for_the_instance_that_its_runtime_holds_and_for_no_other(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            till = Till(on)
            mine = await till.hold("mine")
            await on.create("orders", "other")
            other = (await on.get("orders", "other")).key
            asked = [None, "child", ".child-charge-1", True]
            for instance in (0, other, 99):
                refused = await till.ask("call", asked, instance=instance)
                assert "only the code of an instance can call" in refused.message
            for instance in (other, 99):
                refused = await till.ask("create", [{"id": "late"}], instance=instance)
                assert "under a claim that lives" in refused.message
            assert await on.store.find_one("orders", "late") is None, "a step's, not a Worker's"
            assert await on.store.find_one("orders", "child") is None
            assert (await till.ask("call", asked, instance=mine.key))["created"]
            assert (await on.get("orders", "child")).parent == mine.key

    asyncio.run(story())


def test_an_error_of_user_code_is_carried_as_it_was_raised(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            till = Till(on)
            claim = await till.hold("a")
            failure = msgspec.structs.replace(failure_of(LookupError("no card")), trace="in charge()")
            await on.change(claim, Ended(claim.key, 1, "errored", None, failure))
            carried = await till.ask("result", ["a", 0])
            assert (carried.path, carried.message, carried.trace) == (failure.path, "no card", "in charge()")
            assert till.told == []

    asyncio.run(story())


@pytest.mark.parametrize("broken", [RuntimeError("a bug"), OSError(28, "No space left on device")])
def test_a_fault_of_our_own_is_logged_and_told_without_its_details(tmp_path, broken):
    async def story() -> None:
        async with desk(tmp_path) as on:
            till = Till(on)
            on.control._registry = Broken(broken)  # type: ignore[assignment]
            failure = await till.ask("get", ["a"])
            assert failure.message == "internal error; see the log"
            assert till.told == [f"error: ORDERS.get failed: {broken!r}"]

    asyncio.run(story())


FRONT = """

class Failing(WorkflowEntrypoint):
    async def run(self, event, ctx):
        await ctx.do("fall", self._fall, retries={"limit": 0, "delay": 1})

    async def _fall(self):
        raise LookupError("no card")


class Door(WorkerEntrypoint):
    async def fetch(self, request):
        given = {"steps": 2, "pause_s": 0}
        made = await self.env.COUNTING.createBatch({"count": 2, "params": given})
        results = [await one.result(timeout="10 seconds") for one in made.created]
        status = await made.created[0].status(steps=True)
        failing = await self.env.GATED.create(id="f", params={}, exists="return")
        try:
            await failing.result()
        except LookupError as error:
            failed = [str(error), error.__notes__[0]]
        return Response.json([results, [step.name for step in status.steps], failed])


Gated, Default = Failing, Door
"""


def test_a_workers_own_code_makes_instances_and_gets_what_they_give_or_raise(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            with (on.project / "src" / "worker.py").open("a") as file:
                file.write(FRONT)
            on.runner.registry.activate(on.build())
            on.runner.execute()
            status, body = await on.fetch("/")
            assert (status, msgspec.json.decode(body)) == (
                200,
                [
                    [1, 1],
                    ["step-1", "step-2"],
                    ["no card", "raised by instance 'f' of workflow 'gated'"],
                ],
            )

    asyncio.run(story())


class Broken:
    """Fails whatever it is asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        raise self.error
