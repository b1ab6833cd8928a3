"""The workflow binding, from the stub through the provider to the disk."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.runner.stage import meanwhile, until
from wflow.bindings import _workflow_served as served
from wflow.bindings import workflow
from wflow.bindings.binding import Called
from wflow.bindings.workflow import WorkflowBinding, WorkflowInstance
from wflow.engine import values
from wflow.engine.changes import Ended, Rested, Rolling, Told
from wflow.engine.facts import Moved, Opened, Received, Settled
from wflow.engine.outcome import Failure, Ok, RolledBack
from wflow.errors import (
    InstanceEnded,
    InstanceExists,
    InstanceNotFound,
    InstanceTerminated,
    InvalidInput,
    StepFailed,
    TooLarge,
    WorkflowTimeoutError,
    WrongMove,
)
from wflow.runtime.failures import failure_of
from wflow.runtime.http import Response

DAY_MS = 86_400_000


async def refused(coroutine, error=InvalidInput):
    with pytest.raises(error) as raised:
        await coroutine
    return raised.value.message


async def params_of(control, instance):
    return values.decode((await control.get("orders", instance.id)).params)


async def status_of(control, id_):
    return (await control.get("orders", id_)).status


# -- create ----------------------------------------------------------------------------------------------


def test_create_takes_arguments_or_cloudflares_mapping(on_workflow):
    async def story(control, orders):
        one = await orders.create(id="order-1", params={"n": 1})
        two = await orders.create({"id": "order-2", "params": {"n": 2}})
        three = await orders.create({"params": [3]})
        four = await orders.create()
        assert (one.id, two.id) == ("order-1", "order-2")
        assert len({three.id, four.id}) == 2
        assert [await params_of(control, made) for made in (one, two, three, four)] == [
            {"n": 1},
            {"n": 2},
            [3],
            {},
        ]
        assert repr(one) == "<WorkflowInstance order-1>"
        assert (await control.get("orders", "order-1")).trigger == "binding"

    on_workflow(story)


def test_params_keep_their_types_and_none_is_one_of_them(on_workflow):
    async def story(control, orders):
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        made = await orders.create(params={"at": moment, "raw": b"\xff"})
        assert await params_of(control, made) == {"at": moment, "raw": b"\xff"}
        assert await params_of(control, await orders.create(params=None)) is None
        assert await params_of(control, await orders.create({"params": None})) is None
        (batched,) = (await orders.create_batch(count=1, params=None)).created
        assert await params_of(control, batched) is None

    on_workflow(story)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (({"name": "x"},), "create has no option 'name'; it takes id, params, retention, tags"),
        (("order-1",), "create takes a mapping or keywords, not str"),
        (({"id": "a b"},), "an instance id is 1-100"),
        (({"id": ""},), "an instance id is 1-100"),
        (({"id": 5},), "an instance id is 1-100"),
        (({"id": "x" * 101},), "an instance id is 1-100"),
        (({"id": "-x"},), "an instance id is 1-100"),
        (({"tags": "urgent"},), "`tags` must be a list of texts"),
        (({"tags": [""]},), "a tag is 1-64 characters"),
        (({"tags": ["x" * 65]},), "a tag is 1-64 characters"),
        (({"tags": [*map(str, range(11))]},), "an instance has at most 10 tags, not 11"),
        (({"retention": "3 days"},), "`retention` must have successRetention and errorRetention"),
        (({"retention": {"success": 1}},), "`retention` has no key 'success'"),
        (({"retention": {"errorRetention": "3 dys"}},), "`retention.errorRetention`: '3 dys' is no duration"),
        (({"retention": {"error_retention": -1}},), "`retention.error_retention`: -1 is negative"),
        (({"retention": {"successRetention": "2 years"}},), "is more than 365 days"),
        (({"locationHint": "mars"},), "a location hint is one of wnam, enam, sam"),
    ],
)
def test_wrong_options_create_nothing(on_workflow, options, told):
    async def story(control, orders):
        assert told in await refused(orders.create(*options))
        assert await control.store.counts("orders") == {}

    on_workflow(story)


def test_a_mapping_beside_arguments_is_refused(on_workflow):
    async def story(control, orders):
        told = await refused(orders.create({"params": 1}, id="x"))
        assert told == "create takes one mapping, or keywords, not both"
        assert await control.store.counts("orders") == {}

    on_workflow(story)


def test_tags_retention_and_a_place_can_be_given_in_both_spellings(on_workflow):
    async def story(control, orders):
        await orders.create(
            id="a", tags=("eu", "eu", "big"), retention={"success_retention": 7, "error_retention": "1 day"}
        )
        await orders.create(
            {
                "id": "b",
                "tags": {"eu"},
                "retention": {"errorRetention": timedelta(hours=1)},
                "locationHint": "weur",
            }
        )
        await orders.create({"id": "c", "location_hint": "afr", "retention": None, "tags": None})
        tags = [sorted((await control.get("orders", id_)).tags) for id_ in "abc"]
        assert tags == [["big", "eu"], ["eu"], []]
        kept = [(await control.steer("orders", id_, "terminate")).expires_at - control.at for id_ in "abc"]
        assert kept == [DAY_MS, DAY_MS // 24, 7 * DAY_MS]

    on_workflow(story)


def test_an_id_that_is_taken_is_an_error_and_changes_nothing(on_workflow):
    async def story(control, orders):
        await orders.create(id="order-1", params=1)
        told = await refused(orders.create(id="order-1", params=2), InstanceExists)
        assert told == "instance.already_exists: 'order-1' exists already"
        assert values.decode((await control.get("orders", "order-1")).params) == 1

    on_workflow(story)


def test_an_id_that_is_taken_gives_its_instance_by_choice(on_workflow):
    async def story(control, orders):
        for params in (1, 2):
            made = await orders.create({"id": "order-1", "params": params}, exists="return")
            assert made.id == "order-1"
        assert values.decode((await control.get("orders", "order-1")).params) == 1
        told = await refused(orders.create(id="order-2", exists="ignore"))
        assert told == '`exists` is "error" or "return", not \'ignore\''
        assert await control.store.find_one("orders", "order-2") is None

    on_workflow(story)


def test_params_over_the_limit_are_refused(on_workflow):
    async def story(control, orders):
        assert "the limit is 1,048,576" in await refused(orders.create(params="x" * 2**20), TooLarge)
        assert await control.store.counts("orders") == {}

    on_workflow(story)


# -- create_batch ----------------------------------------------------------------------------------------


def test_a_batch_makes_many_of_one_kind(on_workflow):
    async def story(control, orders):
        asked = {"params": {"n": 1}, "tags": ["bulk"], "retention": {"errorRetention": 5}}
        first = await orders.create_batch({"count": 3, **asked})
        second = await orders.create_batch(count=2, **asked)
        made = [*first.created, *second["created"]]
        assert (first.errors, second.errors, len({one.id for one in made})) == ([], [], 5)
        for one in made:
            assert isinstance(one, WorkflowInstance)
            kept = await control.get("orders", one.id)
            assert (values.decode(kept.params), kept.tags) == ({"n": 1}, ("bulk",))

    on_workflow(story)


def test_a_batch_tells_of_each_that_was_not_made_why(on_workflow):
    async def story(control, orders):
        await orders.create(id="b", params="before")
        wanted = [{"id": "a"}, {"id": "b"}, {"params": 1}, {"id": "a"}, {"id": "b"}]
        told = await orders.create_batch({"instances": wanted})
        assert told.created[0].id == "a"
        assert len(told.created) == 2
        assert [dict(error) for error in told.errors] == [
            {"index": 1, "id": "b", "code": 10405, "message": "instance.already_exists: 'b' exists already"},
            {"index": 3, "id": "a", "code": 10415, "message": "the batch has the id 'a' twice"},
            {"index": 4, "id": "b", "code": 10415, "message": "the batch has the id 'b' twice"},
        ]
        assert told.errors[0].code == InstanceExists.code
        assert sum((await control.store.counts("orders")).values()) == 3
        again = await orders.createBatch(instances=wanted[:1])
        assert (again.created, again.errors[0].index) == ([], 0)

    on_workflow(story)


def test_a_plain_list_leaves_out_what_exists_already(on_workflow):
    async def story(control, orders):
        await orders.create(id="b")
        made = await orders.create_batch(
            [{"id": "a", "params": 1}, {"id": "b"}, {"id": "c"}, {"id": "a"}, {}]
        )
        assert [one.id for one in made][:2] == ["a", "c"]
        assert len(made) == 3

    on_workflow(story)


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_a_size(on_workflow, count):
    async def story(control, orders):
        forms: list[Any] = [[{}] * count, {"instances": [{}] * count}, {"count": count}]
        for asked in forms:
            told = await refused(orders.create_batch(asked))
            assert told == f"a batch has 1 to 100 instances, not {count}"
        told = await refused(orders.delete_batch(["x"] * count))
        assert told == f"a batch has 1 to 100 instances, not {count}"

    on_workflow(story)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"id": "a b"}, "instances[1]: an instance id is"),
        ({"name": "x"}, "instances[1]: create has no option 'name'"),
        ("order-1", "instances[1]: create takes a mapping"),
        ({"params": "x" * 2**20}, "instances[1]: the value takes 1,048,581 bytes"),
        ({"tags": [5]}, "instances[1]: a tag is"),
    ],
    ids=["id", "option", "text", "big", "tag"],
)
def test_one_malformed_wish_creates_nothing_of_its_batch(on_workflow, bad, told):
    async def story(control, orders):
        for asked in ([{"id": "good"}, bad], {"instances": [{"id": "good"}, bad]}):
            assert told in await refused(orders.create_batch(asked), (InvalidInput, TooLarge))
        assert await control.store.counts("orders") == {}

    on_workflow(story)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "the `count` of a batch is a whole number, not None"),
        ({"count": "3"}, "the `count` of a batch is a whole number, not '3'"),
        ({"count": True}, "the `count` of a batch is a whole number, not True"),
        ({"count": 2, "id": "x"}, "create_batch has no option 'id'"),
        ({"count": 1, "instances": [{}]}, "takes a list of `instances`, or a `count`"),
        ({"instances": {}}, "takes a list of `instances`, or a `count`"),
        ({"instances": [{}], "params": 1}, "takes a list of `instances`, or a `count`"),
        ({"count": 1, "tags": ["\n"]}, "a tag is 1-64 characters"),
        ("abc", "create_batch takes a mapping or keywords, not str"),
    ],
)
def test_a_batch_that_is_none_of_the_three_forms_creates_nothing(on_workflow, asked, told):
    async def story(control, orders):
        assert told in await refused(orders.create_batch(asked))
        assert await control.store.counts("orders") == {}

    on_workflow(story)


def test_a_list_beside_keywords_is_refused(on_workflow):
    async def story(control, orders):
        told = await refused(orders.create_batch([{}], params=1))
        assert told == "create_batch takes a list, or keywords, not both"

    on_workflow(story)


# -- get and list ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", ["nobody", "a b", "", "x" * 101, 5, None])
def test_an_id_that_nobody_has_or_can_have_is_not_found(on_workflow, id_):
    async def story(control, orders):
        assert (await refused(orders.get(id_), InstanceNotFound)).startswith("instance.not_found")
        lost = WorkflowInstance(orders._send, id_)
        for call in (
            lost.status,
            lost.pause,
            lost.resume,
            lost.restart,
            lost.terminate,
            lost.cancel,
            lost.delete,
            lost.result,
            lambda: lost.send_event("paid"),
        ):
            await refused(call(), InstanceNotFound)

    on_workflow(story)


def test_a_list_is_newest_first_and_goes_on_where_a_page_ended(on_workflow):
    async def story(control, orders):
        await orders.create_batch([{"id": f"o{number}"} for number in range(5)])
        pages, cursor = [], None
        while True:
            page = await orders.list(limit=2, cursor=cursor)
            pages.append([one.id for one in page.instances])
            cursor = page.cursor
            if cursor is None:
                break
        assert pages == [["o4", "o3"], ["o2", "o1"], ["o0"]]
        oldest = await orders.list(newest_first=False, limit=2)
        assert [one.id for one in oldest.instances] == ["o0", "o1"]
        rest = await orders.list(newest_first=False, cursor=oldest.cursor)
        assert ([one.id for one in rest.instances], rest.cursor) == (["o2", "o3", "o4"], None)

    on_workflow(story)


def test_a_list_knows_tags_and_statuses_and_gives_what_can_be_steered(on_workflow):
    async def story(control, orders):
        await orders.create_batch([{"id": "a", "tags": ["eu"]}, {"id": "b", "tags": ["eu"]}, {"id": "c"}])
        for one in (await orders.list(tag="eu", limit=1)).instances:
            assert (one.id, one.listed.status, one.listed.tags) == ("b", "queued", ["eu"])
            await one.terminate()
        (ended,) = (await orders.list(status="terminated", tag="eu")).instances
        assert (ended.id, ended.listed.version_id) == ("b", "v1")
        assert ended.listed.created_on == ended.listed["endedOn"] == "2026-11-22T12:00:00.000Z"
        assert ended.listed.started_on is None
        assert (await orders.list(tag="us")).instances == []
        assert (await orders.get("a")).listed is None

    on_workflow(story)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"status": "done"}, "a status is one of queued, running"),
        ({"tag": ""}, "a tag is 1-64 characters"),
        ({"limit": 0}, "a page has 1 to 100 instances, not 0"),
        ({"limit": 101}, "a page has 1 to 100 instances, not 101"),
        ({"limit": True}, "a page has 1 to 100 instances, not True"),
        ({"cursor": "abc"}, "a cursor is one that a page of this list gave, not 'abc'"),
        ({"cursor": 5}, "a cursor is one that a page of this list gave, not 5"),
        ({"cursor": "9" * 19}, "a cursor is one that a page of this list gave"),
    ],
)
def test_a_list_that_cannot_be_is_refused(on_workflow, asked, told):
    async def story(control, orders):
        assert told in await refused(orders.list(**asked))

    on_workflow(story)


# -- delete ----------------------------------------------------------------------------------------------


def test_a_deleted_instance_is_gone_whatever_it_does(on_workflow):
    async def story(control, orders):
        for id_ in ("queued", "running", "over"):
            instance = await orders.create(id=id_)
            if id_ == "running":
                await control.claim(id_)
            if id_ == "over":
                await instance.terminate()
            await instance.delete()
            await refused(instance.status(), InstanceNotFound)
            told = await refused(instance.delete(), InstanceNotFound)
            assert told == f"instance.not_found: workflow 'orders' has no instance {id_!r}"

    on_workflow(story)


def test_a_batch_of_ids_is_deleted_and_each_is_told_of_as_often_as_it_was_named(on_workflow):
    async def story(control, orders):
        await orders.create_batch([{"id": "a"}, {"id": "b"}, {"id": "c"}])
        told = await orders.delete_batch(("a", "nobody", "a", "b"))
        assert [one.id for one in told.deleted] == ["a", "a", "b"]
        (error,) = told.errors
        assert (error.id, error.code) == ("nobody", 10400)
        assert "has no instance 'nobody'" in error.message
        assert [one.id for one in (await orders.list()).instances] == ["c"]
        assert dict(await orders.deleteBatch(["c"])) == {"deleted": [{"id": "c"}], "errors": []}

    on_workflow(story)


@pytest.mark.parametrize("wrong", ["a b", "", 5, None, {}])
def test_one_malformed_id_deletes_nothing_of_its_batch(on_workflow, wrong):
    async def story(control, orders):
        await orders.create(id="a")
        assert "an instance id is" in await refused(orders.delete_batch(["a", wrong]))
        assert "delete_batch takes a list of ids" in await refused(orders.delete_batch("a"))
        assert await status_of(control, "a") == "queued"

    on_workflow(story)


# -- status ----------------------------------------------------------------------------------------------


def test_a_status_answers_to_items_and_attributes_and_is_json_ready(on_workflow):
    async def story(control, orders):
        await orders.create(id="order-1", tags=["eu"])
        instance = await orders.get("order-1")
        status = await instance.status()
        assert status.status == status["status"] == "queued"
        nothing = {"error": None, "output": None, "rollback": None, "progress": None, "state": None}
        assert dict(status) == {"status": "queued", "tags": ["eu"], **nothing}
        await control.finish("order-1", output={"items": [2, 4], "at": datetime(2026, 1, 1, tzinfo=UTC)})
        status = await instance.status()
        assert (status.status, status.output["items"]) == ("complete", [2, 4])
        assert json.loads(await Response.json(status).bytes()) == {
            "status": "complete",
            "tags": ["eu"],
            **nothing,
            "output": {"items": [2, 4], "at": "2026-01-01T00:00:00Z"},
        }

    on_workflow(story)


def test_the_status_of_a_failed_instance_has_its_error_and_how_its_rollback_went(on_workflow):
    async def story(control, orders):
        for id_, rollback in (("good", RolledBack()), ("bad", RolledBack(failure_of(OSError("no till"))))):
            instance = await orders.create(id=id_)
            await control.finish(id_, failure=failure_of(ValueError("no card")), rollback=rollback)
            status = await instance.status()
            assert (status.status, status.output) == ("errored", None)
            assert (status.error.name, status.error.message) == ("ValueError", "no card")
            if id_ == "good":
                assert dict(status.rollback) == {"outcome": "complete", "error": None}
            else:
                assert (status.rollback.outcome, status.rollback.error.message) == ("failed", "no till")

    on_workflow(story)


def test_what_rolls_back_is_running_to_code_as_with_cloudflare(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        claim = await control.claim("a")
        await control.say(claim, change=Rolling(claim.key, control.at))
        assert (await instance.status()).status == "running"
        (listed,) = (await orders.list(status="rollingBack")).instances
        assert listed.listed.status == "rollingBack"

    on_workflow(story)


def test_a_status_has_what_the_code_told_last(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a", tags=["new"])
        claim = await control.claim("a")
        state = {"at": datetime(2026, 1, 1, tzinfo=UTC)}
        told = values.encode({"progress": 0.5, "state": state})
        await control.say(claim, change=Told(claim.key, control.at, told, ["packed"]))
        status = await instance.status()
        assert (status.progress, status.state, status.tags) == (0.5, state, ["packed"])
        status.state["at"] = "mine to change"

    on_workflow(story)


def test_a_status_has_steps_on_request_as_the_api_shows_them(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        claim = await control.claim("a")
        await control.say(
            claim,
            Settled("charge-1", "do", control.at, Ok(values.encode("x" * 100_000)), attempt=1),
            Opened("nap-1", "sleep", control.at, detail={"duration": 1_000}),
            Opened("paid-1", "waitForEvent", control.at, detail={"type": "paid", "timeout": 1_000}),
            Received(1, "paid", values.encode({"by": "card"}), control.at, control.at),
            Settled("paid-1", "waitForEvent", control.at, Ok(), event=1),
        )
        assert "steps" not in await instance.status()
        charge, nap, paid = (await instance.status(steps=True)).steps
        assert (charge.name, charge.type, charge.success) == ("charge-1", "step", True)
        assert charge.output.endswith("[truncated output]")
        assert charge.attempts[0].success
        assert (nap.type, nap.finished, nap.end) == ("sleep", False, "2026-11-22T12:00:01.000Z")
        assert paid.output["payload"] == {"by": "card"}
        json.dumps(await instance.status(steps=True))

    on_workflow(story)


# -- pause, resume, restart, terminate, cancel -----------------------------------------------------------


def test_an_instance_is_paused_and_resumed_and_again_does_no_harm(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        for steer, after in (
            (instance.resume, "queued"),
            (instance.pause, "paused"),
            (instance.pause, "paused"),
            (instance.resume, "queued"),
        ):
            await steer()
            assert (await instance.status()).status == after
        await control.finish("a")
        await instance.pause()
        await instance.resume()
        assert (await instance.status()).status == "complete"

    on_workflow(story)


def test_an_instance_can_be_terminated_once(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        await instance.terminate()
        assert (await instance.status()).status == "terminated"
        over = "(instance.cannot_terminate) Cannot terminate instance since its on a finite state"
        for again in (
            instance.terminate,
            instance.cancel,
            lambda: instance.terminate(rollback=True),
            lambda: instance.terminate({"rollback": True}),
        ):
            assert await refused(again(), InstanceEnded) == over

    on_workflow(story)


@pytest.mark.parametrize("how", ["keyword", "mapping", "cancel"])
def test_a_running_instance_is_asked_to_undo_its_steps_or_to_cancel(on_workflow, how):
    async def story(control, orders):
        instance = await orders.create(id="a")
        claim = await control.claim("a")
        match how:
            case "keyword":
                await instance.terminate(rollback=True)
            case "mapping":
                await instance.terminate({"rollback": True})
            case _:
                await instance.cancel()
        assert await status_of(control, "a") == "running"
        (event,) = (await control.store.load({claim.key: 0}))[claim.key].events
        assert event.type == (".cancel" if how == "cancel" else ".rollback")

    on_workflow(story)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rollback": 1}, "`rollback` is True or False, not 1"),
        ({"undo": True}, "terminate has no option 'undo'; it takes rollback"),
        ("rollback", "terminate takes a mapping or keywords, not str"),
    ],
)
def test_a_termination_that_makes_no_sense_ends_nothing(on_workflow, options, told):
    async def story(control, orders):
        instance = await orders.create(id="a")
        assert await refused(instance.terminate(options)) == told
        assert await refused(instance.terminate({}, rollback=True)) == (
            "terminate takes one mapping, or keywords, not both"
        )
        assert await status_of(control, "a") == "queued"

    on_workflow(story)


def test_an_instance_is_restarted_whatever_it_does(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a", params=1)
        await control.finish("a", output=5)
        await instance.restart()
        status = await instance.status()
        assert (status.status, status.output) == ("queued", None)
        assert await params_of(control, instance) == 1
        await control.claim("a")
        await instance.restart()
        assert (await instance.status()).status == "queued"

    on_workflow(story)


@pytest.mark.parametrize(
    "start",
    [
        {"from_": "ship"},
        {"from_": {"name": "ship"}},
        {"from_": {"name": "ship", "count": 1, "type": "do"}},
        {"options": {"from": {"name": "ship", "type": None}}},
    ],
)
def test_an_instance_is_restarted_from_a_step(on_workflow, start):
    async def story(control, orders):
        instance = await orders.create(id="a")
        claim = await control.claim("a")
        steps = [
            Settled(key, "do", control.at, Ok(), order=n) for n, key in enumerate(("pay-1", "ship-1"), 1)
        ]
        await control.say(claim, *steps, Moved("complete", 1), change=Ended(claim.key, 1, "complete"))
        await instance.restart(**start)
        status = await instance.status(steps=True)
        assert (status.status, [step.name for step in status.steps]) == ("queued", ["pay-1"])

    on_workflow(story)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"from": {}}, "a step name is 1-256 characters"),
        ({"from": ""}, "a step name is 1-256 characters"),
        ({"from": 5}, "from takes a mapping with name, count, type, not 5"),
        ({"from": {"name": "a", "at": 1}}, "from has no option 'at'"),
        ({"from": {"name": "a", "count": 0}}, "the `count` of a step is a whole number from 1 to 25,000"),
        ({"from": {"name": "a", "count": True}}, "the `count` of a step is a whole number"),
        ({"from": {"name": "a", "count": 10**30}}, "the `count` of a step is a whole number"),
        ({"from": {"name": "a", "type": "step"}}, "the `type` of a step is one of do, sleep, waitForEvent"),
        ({"step": "a"}, "restart has no option 'step'; it takes from"),
        ("a", "restart takes a mapping or keywords, not str"),
    ],
)
def test_a_restart_that_makes_no_sense_changes_nothing(on_workflow, options, told):
    async def story(control, orders):
        instance = await orders.create(id="a")
        await control.finish("a", output=1)
        assert told in await refused(instance.restart(options))
        missing = await refused(instance.restart(from_="ship"), WrongMove)
        assert missing.startswith("(instance.cannot_restart) Step ")
        assert (await instance.status()).output == 1

    on_workflow(story)


# -- events ----------------------------------------------------------------------------------------------


def test_an_event_is_kept_until_it_is_received(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        await instance.send_event("paid", {"by": "card"})
        await instance.send_event("paid")
        await instance.sendEvent({"type": "paid", "payload": 3})
        claim = await control.claim("order-1")
        events = (await control.store.load({claim.key: 0}))[claim.key].events
        assert [(one.type, values.decode(one.payload)) for one in events] == [
            ("paid", {"by": "card"}),
            ("paid", None),
            ("paid", 3),
        ]

    on_workflow(story)


def test_an_event_that_cannot_be_is_refused(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        assert "an event type is" in await refused(instance.send_event("no spaces"))
        assert "an event type is" in await refused(instance.send_event(".cancel"))
        assert "send_event has no option 'kind'" in await refused(instance.send_event({"kind": "paid"}))
        assert "the limit is" in await refused(instance.send_event("paid", "x" * 2**20), TooLarge)
        await control.finish("order-1")
        await refused(instance.send_event("paid"), InstanceEnded)

    on_workflow(story)


# -- result ----------------------------------------------------------------------------------------------


def test_a_result_is_waited_for_and_can_be_had_long_after(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        waiting = asyncio.create_task(instance.result())
        await meanwhile(0.05)
        assert not waiting.done()
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        await control.finish("a", output={"at": moment})
        assert await waiting == {"at": moment}
        assert await instance.result(timeout=0) == {"at": moment}

    on_workflow(story)


def test_who_waits_for_a_result_asks_again_now_and_then(on_workflow, monkeypatch):
    monkeypatch.setattr(served, "POLL_MS", 30)

    async def story(control, orders):
        asked: list[str] = []
        send = orders._send

        async def counted(method, arguments):
            asked.append(method)
            return await send(method, arguments)

        await orders.create(id="a")
        waiting = asyncio.create_task(WorkflowInstance(counted, "a").result(timeout="1 minute"))
        await until(lambda: len(asked) >= 3, "some calls")
        await control.finish("a", output=7)
        assert await waiting == 7

    on_workflow(story)


@pytest.mark.parametrize(("timeout", "ms"), [(0, 0), (30, 30), (timedelta(milliseconds=40), 40)])
def test_a_result_that_does_not_come_in_time_is_a_timeout(on_workflow, timeout, ms):
    async def story(control, orders):
        instance = await orders.create(id="a")
        with pytest.raises(WorkflowTimeoutError, match=f"^Execution timed out after {ms}ms$"):
            await instance.result(timeout=timeout)

    on_workflow(story)


def test_a_busy_store_is_no_busy_loop(on_workflow, monkeypatch):
    async def story(control, orders):
        instance = await orders.create(id="a")
        looks = []
        get = control.get

        async def counted(workflow, id_):
            looks.append(id_)
            return await get(workflow, id_)

        monkeypatch.setattr(control, "get", counted)
        waiting = asyncio.create_task(instance.result())
        for _ in range(200):
            await control.store.note([(7, 1, values.NONE)])
        await control.finish("a", output=1)
        assert await waiting == 1
        assert len(looks) < 50

    on_workflow(story)


def charge():
    error = LookupError("no card")
    error.add_note("mine")
    raise error from OSError("no line")


def test_the_result_of_a_failed_instance_is_the_error_that_it_failed_with(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        with pytest.raises(LookupError) as failed:
            charge()
        await control.finish("a", failure=failure_of(failed.value))
        with pytest.raises(LookupError, match="no card") as raised:
            await instance.result()
        assert isinstance(raised.value.__cause__, OSError)
        mine, ours, trace = raised.value.__notes__
        assert (mine, ours) == ("mine", "raised by instance 'a' of workflow 'orders'")
        assert "test_workflow.py" in trace
        assert "mine" not in trace

    on_workflow(story)


def test_an_error_whose_class_is_gone_is_named(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        await control.finish("a", failure=Failure("NoCard", "no card", "gone.module:NoCard"))
        with pytest.raises(StepFailed, match="no card") as raised:
            await instance.result()
        assert raised.value.original == "NoCard"

    on_workflow(story)


def test_an_instance_without_a_result_says_so(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        waiting = asyncio.create_task(instance.result())
        await asyncio.sleep(0)
        await instance.terminate()
        assert await refused(waiting, InstanceTerminated) == "instance 'a' was terminated, and has no result"
        await instance.delete()
        await refused(instance.result(), InstanceNotFound)

    on_workflow(story)


@pytest.mark.parametrize(
    ("timeout", "told"), [(-1, "is negative"), ("soon", "is no duration"), ([], "no dura")]
)
def test_a_timeout_that_is_none_is_refused(on_workflow, timeout, told):
    async def story(control, orders):
        instance = await orders.create(id="a")
        message = await refused(instance.result(timeout=timeout))
        assert message.startswith("`timeout`: ")
        assert told in message

    on_workflow(story)


def test_an_instance_cannot_wait_for_itself(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        control.caller = (await control.get("orders", "a")).key
        assert await refused(instance.result()) == "an instance cannot wait for its own result"

    on_workflow(story)


def test_who_waits_when_the_runner_stops_is_let_go_of(on_workflow, monkeypatch):
    monkeypatch.setattr(served, "STOPPING_S", 0.01)

    async def story(control, orders):
        await orders.create(id="a")
        call = Called(method="result", arguments=["a", None])
        waiting = asyncio.create_task(workflow.serve(control, "orders", call))
        await meanwhile(0.05)
        control.feed.close()
        told: Any = await waiting
        assert not told["over"]

    on_workflow(story)


# -- calling a child -------------------------------------------------------------------------------------


def called(*arguments, instance):
    return Called(method="call", arguments=[*arguments], instance=instance, step="ship-1")


def test_a_child_is_made_once_however_often_it_is_called(on_workflow):
    async def story(control, orders):
        await orders.create(id="parent")
        parent = (await control.claim("parent")).key
        call = called({"n": 1}, "child", ".child-ship-1", True, instance=parent)
        assert await workflow.serve(control, "orders", call) == {"id": "child", "created": True}
        assert await workflow.serve(control, "orders", call) == {"id": "child", "created": False}
        child = await control.get("orders", "child")
        assert (child.parent, values.decode(child.params)) == (parent, {"n": 1})
        await control.finish("child", output=5)
        (event,) = (await control.store.load({parent: 0}))[parent].events
        assert event.type == ".child-ship-1"

    on_workflow(story)


def test_a_child_follows_its_parent_by_choice(on_workflow):
    async def story(control, orders):
        await orders.create(id="parent")
        claim = await control.claim("parent")
        for id_, follows in (("follower", True), ("stays", False)):
            await workflow.serve(
                control, "orders", called(None, id_, f".child-{id_}", follows, instance=claim.key)
            )
            await control.claim(id_)
        await (await orders.get("parent")).terminate()
        for id_, asked in (("follower", [".cancel"]), ("stays", [])):
            key = (await control.get("orders", id_)).key
            assert [event.type for event in (await control.store.load({key: 0}))[key].events] == asked

    on_workflow(story)


def test_an_id_that_is_another_instances_is_no_child(on_workflow):
    async def story(control, orders):
        await orders.create_batch([{"id": "parent"}, {"id": "another"}, {"id": "taken"}])
        parent, another = [(await control.claim(id_)).key for id_ in ("parent", "another")]
        await workflow.serve(control, "orders", called(1, "child", ".child-x-1", True, instance=another))
        for id_ in ("taken", "child"):
            call = called(1, id_, ".child-ship-1", True, instance=parent)
            told = await refused(workflow.serve(control, "orders", call), InstanceExists)
            assert told == f"instance.already_exists: {id_!r} exists already"

    on_workflow(story)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((1, "child", ".cancel", True), "a child's end cannot be awaited as '.cancel'"),
        ((1, "child", "paid", True), "a child's end cannot be awaited as 'paid'"),
        ((1, "child", None, True), "a child's end cannot be awaited as None"),
        ((1, "a b", ".child-x", True), "an instance id is 1-100"),
        ((1, "child", ".child-x", 1), "a workflow has no method 'call' with 4 arguments"),
        ((1, "child"), "a workflow has no method 'call' with 2 arguments"),
    ],
)
def test_a_call_that_makes_no_sense_creates_nothing(on_workflow, arguments, told):
    async def story(control, orders):
        await orders.create(id="parent")
        call = called(*arguments, instance=(await control.claim("parent")).key)
        assert told in await refused(workflow.serve(control, "orders", call))
        assert [one.id for one in await control.store.find("orders")] == ["parent"]

    on_workflow(story)


def test_only_an_instance_can_call(on_workflow):
    async def story(control, orders):
        call = called(1, "child", ".child-x", True, instance=None)
        told = await refused(workflow.serve(control, "orders", call))
        assert told == "only the code of an instance can call a workflow and await its end"
        assert await control.store.counts("orders") == {}

    on_workflow(story)


# -- what there is not -----------------------------------------------------------------------------------


def test_a_method_that_is_not_there_is_refused(on_workflow):
    async def story(control, orders):
        for method, arguments in (
            ("dance", ["order-1"]),
            ("get", []),
            ("status", ["order-1"]),
            ("create", []),
        ):
            told = await refused(
                workflow.serve(control, "orders", Called(method=method, arguments=arguments))
            )
            assert told == f"a workflow has no method {method!r} with {len(arguments)} arguments"

    on_workflow(story)


def test_cloudflares_names_are_the_same_methods():
    assert WorkflowBinding.createBatch is WorkflowBinding.create_batch
    assert WorkflowBinding.deleteBatch is WorkflowBinding.delete_batch
    assert WorkflowInstance.sendEvent is WorkflowInstance.send_event


def test_what_rests_is_woken_by_an_event_and_not_by_another(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="a")
        claim = await control.claim("a")
        await control.say(claim, change=Rested(claim.key, control.at, control.at + DAY_MS, ["paid"]))
        await instance.send_event("shipped")
        assert (await control.get("orders", "a")).wake_at == control.at + DAY_MS
        await instance.send_event("paid")
        assert (await control.get("orders", "a")).wake_at == control.at

    on_workflow(story)


def test_a_priority_is_that_of_each_instance_and_of_all_of_a_batch(on_workflow):
    async def story(control, orders):
        await orders.create(id="a", priority=1)
        await orders.create({"id": "b", "priority": 5})
        await orders.create(id="c")
        await orders.create_batch(instances=[{"id": "d", "priority": 2}])
        made = await orders.create_batch(count=1, priority=4)
        ids = [*"abcd", made.created[0].id]
        assert [(await control.get("orders", id_)).priority for id_ in ids] == [1, 5, 3, 2, 4]

    on_workflow(story)


@pytest.mark.parametrize("wrong", [0, 6, True, "1", 1.0, None])
def test_a_priority_that_is_none_is_refused(on_workflow, wrong):
    async def story(control, orders):
        with pytest.raises(
            InvalidInput, match=r"`priority` is a whole number from 1 \(first\) to 5 \(last\)"
        ):
            await orders.create(priority=wrong)

    on_workflow(story)
