"""The fixture `wflow`: what its user can do with it, on the real runner, in this process."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from wflow import (
    Context,
    Event,
    InstanceExists,
    InstanceNotFound,
    InvalidInput,
    NonRetryableError,
    Request,
    Response,
    WorkerEntrypoint,
    WorkflowEntrypoint,
    WorkflowTimeoutError,
)
from wflow.testing import Kit, Stuck, project
from wflow.testing.running import alive

if TYPE_CHECKING:
    from pathlib import Path

GREETING = {"text": "hello"}


class Greets(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        said = await ctx.do("greet", self.greet, event.payload.get("name", "you"))
        await self.env.KV.put("last", said)
        return said

    def greet(self, name: str) -> str:
        return f"{greeting()} {name}{self.env.MARK}"


class Parent(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> object:
        first = await ctx.call(self.env.GREETS, {"name": "one"})
        return await ctx.do("second", self.second, first)

    async def second(self, first: str) -> list[str]:
        """Await another instance inside a step."""
        other = await self.env.NAPS.create()
        return [first, await other.result()]


class Naps(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> str:
        await ctx.sleep("nap", "2 hours")
        return "awake"


class Fails(WorkflowEntrypoint):
    async def run(self, event: Event, ctx: Context) -> None:
        raise NonRetryableError("no way")


class Front(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        if request.path == "/boom":
            raise RuntimeError("boom")
        if request.path == "/naps":
            instance = await self.env.NAPS.create()
            return Response.json({"id": instance.id, "was": await instance.result()})
        return Response.json({"method": request.method, "path": request.path, "body": await request.text()})


pytestmark = pytest.mark.wflow(
    {"GREETS": Greets, "PARENT": Parent, "NAPS": Naps, "FAILS": Fails},
    worker=Front,
    kv=["KV"],
    vars={"MARK": "!"},
)


def greeting() -> str:
    return GREETING["text"]


async def test_an_instance_runs_to_its_end_with_its_bindings_and_variables(wflow: Kit):
    instance = await wflow.env.GREETS.create(params={"name": "Ada"})
    assert await instance.result() == "hello Ada!"
    assert await wflow.env.KV.get("last") == "hello Ada!"


async def test_a_test_can_patch_what_a_step_calls_since_it_runs_in_its_process(
    wflow: Kit, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(GREETING, "text", "bye")
    assert await (await wflow.env.GREETS.create()).result() == "bye you!"


async def test_what_a_binding_refuses_is_raised_as_ever(wflow: Kit):
    await wflow.env.GREETS.create(id="one")
    with pytest.raises(InstanceExists):
        await wflow.env.GREETS.create(id="one")
    with pytest.raises(InstanceNotFound):
        await wflow.env.GREETS.get("two")
    with pytest.raises(AttributeError, match="GREETS"):
        _ = wflow.env.GREET


async def test_an_error_has_its_class(wflow: Kit):
    with pytest.raises(NonRetryableError, match="no way"):
        await (await wflow.env.FAILS.create()).result()


async def test_a_child_and_a_result_that_a_step_awaits_pass_with_the_time(wflow: Kit):
    assert await (await wflow.env.PARENT.create()).result() == ["hello one!", "awake"]


@pytest.mark.parametrize("number", [1, 2])
async def test_each_test_begins_with_an_empty_store_and_the_same_ids(wflow: Kit, number: int):
    assert (await wflow.env.GREETS.list()).instances == []
    assert (await wflow.env.GREETS.create()).id == "instance-1"
    await wflow.env.KV.put("number", str(number))
    assert await wflow.env.KV.get("number") == str(number)


async def test_the_worker_answers(wflow: Kit):
    answer = await wflow.fetch("/a?b=c", json={"d": 1}, method="PUT", headers={"X-Why": "so"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"method": "PUT", "path": "/a", "body": '{"d":1}'}
    assert (await wflow.fetch("/", body="x")).json()["method"] == "POST"


async def test_a_handler_that_raises_answers_with_its_traceback(wflow: Kit):
    answer = await wflow.fetch("/boom")
    assert answer.status == 500
    assert "RuntimeError: boom" in answer.text


async def test_time_passes_for_a_request_that_waits_for_an_instance(wflow: Kit):
    assert (await wflow.fetch("/naps")).json()["was"] == "awake"


def test_a_plain_test_can_use_it_too(wflow: Kit):
    instance = wflow.run(wflow.env.GREETS.create(params={"name": "Bob"}))
    assert wflow.run(instance.result()) == "hello Bob!"


async def test_a_result_is_awaited_for_as_long_as_is_said_by_the_virtual_clock(wflow: Kit):
    instance = await wflow.env.NAPS.create()
    began = wflow.clock.now()
    with pytest.raises(WorkflowTimeoutError):
        await instance.result(timeout="1 hour")
    assert (wflow.clock.now() - began).total_seconds() == 3600
    assert await instance.result(timeout="1 hour") == "awake"


async def test_whoever_waits_in_vain_is_told(wflow: Kit):
    instance = await wflow.env.NAPS.create(id="stays")
    await instance.pause()
    with pytest.raises(Stuck, match=r"the result of naps 'stays'.*naps 'stays' is paused"):
        await instance.result()


async def test_events_can_be_followed(wflow: Kit):
    instance = await wflow.env.NAPS.create()
    seen = [event.type async for event in await instance.subscribe()]
    assert seen[0] == "workflow_queued"
    assert "sleep_completed" in seen or seen


async def test_after_a_crash_instances_go_on_from_the_disk(wflow: Kit):
    instance = await wflow.env.NAPS.create()
    async with wflow.introspect_instance(wflow.env.NAPS, instance.id) as inside:
        await inside.wait_for_status("waiting")
        await wflow.crash()
        assert await inside.output() == "awake"
        assert await inside.steps() == ["nap-1"]


async def test_a_binding_is_named_by_itself_or_by_its_name(wflow: Kit):
    assert wflow.workflow_of("NAPS") == wflow.workflow_of(wflow.env.NAPS) == "naps"
    for wrong in ("naps", wflow.env.KV):
        with pytest.raises(InvalidInput, match="no workflow's binding"):
            wflow.introspect(wrong)


async def test_instances_run_side_by_side_and_calls_of_a_test_too(wflow: Kit):
    made = await asyncio.gather(*(wflow.env.GREETS.create(params={"name": str(n)}) for n in range(10)))
    assert await asyncio.gather(*(one.result() for one in made)) == [f"hello {n}!" for n in range(10)]


async def test_a_batch_gets_ids_that_are_the_same_each_time(wflow: Kit):
    made = await wflow.env.GREETS.create_batch(count=2, params={"name": "x"})
    assert [one.id for one in made.created] == ["instance-1", "instance-2"]
    more = await wflow.env.GREETS.create_batch([{"params": {}}, {"id": "own"}])
    assert [one.id for one in more] == ["instance-3", "own"]


def test_when_it_is_over_no_thread_and_no_file_is_left(tmp_path: Path):
    under = project({"NAPS": Naps, "GREETS": Greets}, kv=["KV"], vars={"MARK": ""})
    before = set(threading.enumerate())
    with alive(under, tmp_path) as kit:
        kit.run(kit.env.NAPS.create())
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) == before
