"""What `self.env` holds, and how a binding is called from workflow code, from a step and from a thread."""

from __future__ import annotations

import asyncio

import pytest

from tests.runtime.stage import number, play
from wflow.bindings.kv import KV
from wflow.bindings.workflow import WorkflowBinding, WorkflowInstance
from wflow.bundle.manifest import KvEntry, Manifest, WorkflowEntry
from wflow.engine.facts import Failed
from wflow.errors import InstanceExists, InstanceNotFound, InvalidInput, TooMany
from wflow.runtime.env import Env, build

MANIFEST = Manifest(
    name="shop",
    main="src/worker.py",
    python="3.11",
    wflow="0.1.0",
    compatibility_date=None,
    workflows=(WorkflowEntry(name="orders", class_name="Orders", binding="ORDERS"),),
    kv=(KvEntry(binding="KV", id="shop-kv"),),
    vars={"REGION": "eu", "LIMITS": {"a": 1}, "API_KEY": "from the config"},
    files={},
)


class Runner:
    """Answers binding calls, and remembers them."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []
        self.env = build(MANIFEST, {"API_KEY": "secret"}, self.call)

    async def call(self, binding, method, arguments):
        self.calls.append((binding, method, arguments))
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_it_holds_what_the_config_declares_and_secrets_win():
    env = Runner().env
    assert isinstance(env.KV, KV)
    assert isinstance(env.ORDERS, WorkflowBinding)
    assert (env.REGION, env["LIMITS"], env.API_KEY) == ("eu", {"a": 1}, "secret")
    assert "KV" in env
    assert "D1" not in env


def test_a_name_that_is_not_declared_is_refused_with_a_list():
    env = Runner().env
    told = "env has no 'D1'; the config declares API_KEY, KV, LIMITS, ORDERS, REGION"
    with pytest.raises(AttributeError, match=told):
        env.D1  # noqa: B018 - looking is the test
    with pytest.raises(KeyError, match=told):
        env["D1"]
    with pytest.raises(AttributeError, match="the config declares nothing"):
        Env({}).KV  # noqa: B018
    assert getattr(env, "D1", None) is None
    assert not hasattr(env, "__html__")


def test_a_dunder_of_the_class_is_no_item():
    with pytest.raises(KeyError):
        Runner().env["__class__"]


def test_in_a_step_a_binding_is_called_as_it_is():
    runner = Runner([b"1", None])

    async def run(event, ctx):
        return await ctx.do("read", runner.env.KV.get, "a")

    played = play(run)
    assert played.result == "1"
    assert played.settled == ["read-1"]
    assert runner.calls == [("KV", "get", ["a"])]


def test_in_workflow_code_a_binding_call_is_a_step_of_its_own():
    status = {"status": "queued", "error": None, "output": None}
    runner = Runner({"id": "child-1", "created": True}, status)

    async def run(event, ctx):
        child = await runner.env.ORDERS.create(id="child-1")
        told = await child.status()
        await ctx.do("step", number, 1)
        return [child.id, told.status]

    played = play(run, crash_after={1, 3})
    assert played.result == ["child-1", "queued"]
    assert played.settled == ["ORDERS.create-1", "ORDERS.status-1", "step-1"]
    assert len(runner.calls) == 2, "a replay calls nothing again"


def test_a_binding_called_with_other_arguments_on_a_replay_is_a_divergence():
    keys = ["a", "b"]
    runner = Runner()

    async def run(event, ctx):
        await runner.env.KV.delete(keys.pop(0))
        await ctx.do("step", number, 1)

    played = play(run, crash_after={1})
    assert played.failure.name == "NonDeterminismError"
    assert "step 'KV.delete-1' is called with other arguments" in played.failure.message


@pytest.mark.parametrize("error", [InstanceExists("taken"), InstanceNotFound("gone"), InvalidInput("wrong")])
def test_what_a_binding_refuses_is_raised_at_once_in_workflow_code(error):
    runner = Runner(error)

    async def run(event, ctx):
        try:
            await runner.env.ORDERS.create(id="order-1")
        except type(error) as refused:
            return refused.message

    played = play(run)
    assert played.result == error.message
    assert len(runner.calls) == 1, "no other attempt would be told anything else"


def test_a_full_queue_is_worth_another_attempt():
    runner = Runner(TooMany("full"), {"id": "order-1", "created": True})

    async def run(event, ctx):
        return (await runner.env.ORDERS.create(id="order-1")).id

    async def script(stage):
        await stage.until(lambda: stage.change)
        (failed,) = (fact for fact in stage.facts if isinstance(fact, Failed))
        assert failed.retry_at is not None
        stage._over.set_result(None)

    play(run, script)


def test_events_are_followed_in_a_step_and_not_in_workflow_code():
    event = {"eventId": 1, "type": "workflow_queued"}
    runner = Runner("child-1", b"mark", {"events": [event], "mark": b"mark", "over": True})

    async def follow(child):
        return [found.type async for found in await child.subscribe()]

    async def run(event, ctx):
        child = await runner.env.ORDERS.get("child-1")
        try:
            await child.subscribe()
        except InvalidInput as refused:
            return [refused.message, refused.hint, await ctx.do("follow", follow, child)]

    told, hint, found = play(run).result
    assert told == "ORDERS: events cannot be followed in `run`, for on a replay they would be others"
    assert "in a step (ctx.do)" in hint
    assert found == ["workflow_queued"]
    assert [method for _, method, _ in runner.calls] == ["get", "subscribe", "happenings"]


def test_a_refusal_inside_a_users_step_is_tried_again_as_its_policy_says():
    runner = Runner(InstanceNotFound("not yet"), {"status": "queued", "error": None, "output": None})

    async def find():
        return (await runner.env.ORDERS.get("order-1")).id

    async def run(event, ctx):
        return await ctx.do("find", find, retries={"limit": 1, "delay": 0})

    assert play(run).result == "order-1"
    assert len(runner.calls) == 2


def test_the_failure_of_the_instance_whose_result_is_asked_for_is_no_reason_to_ask_again():
    runner = Runner(ValueError("it failed"))

    async def run(event, ctx):
        child = WorkflowInstance(runner.env.ORDERS._send, "child-1")
        with pytest.raises(ValueError, match="it failed"):
            await child.result()

    assert play(run).status == "complete"
    assert len(runner.calls) == 1
