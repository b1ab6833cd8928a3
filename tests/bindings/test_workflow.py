"""The workflow binding, from the stub through the provider to the disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from wflow.bindings import workflow
from wflow.engine import values
from wflow.errors import InstanceEnded, InstanceExists, InstanceNotFound, InvalidInput, TooLarge
from wflow.runtime.failures import failure_of
from wflow.runtime.http import Response


async def refused(coroutine, error=InvalidInput):
    with pytest.raises(error) as raised:
        await coroutine
    return raised.value.message


async def params_of(control, instance):
    return values.decode((await control.get("orders", instance.id)).params)


def test_create_takes_arguments_or_cloudflares_mapping(on_workflow):
    async def story(control, orders):
        one = await orders.create(id="order-1", params={"n": 1})
        two = await orders.create({"id": "order-2", "params": {"n": 2}})
        three = await orders.create({"params": [3]})
        four = await orders.create()
        assert [one.id, two.id, three.id, four.id] == ["order-1", "order-2", "made-1", "made-2"]
        assert [await params_of(control, made) for made in (one, two, three, four)] == [
            {"n": 1},
            {"n": 2},
            [3],
            {},
        ]
        assert repr(one) == "<WorkflowInstance order-1>"
        assert (await control.get("orders", "order-1")).trigger == "binding"

    on_workflow(story)


def test_params_keep_their_types(on_workflow):
    async def story(control, orders):
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        made = await orders.create(params={"at": moment, "raw": b"\xff"})
        assert await params_of(control, made) == {"at": moment, "raw": b"\xff"}

    on_workflow(story)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (({"name": "x"},), "create has no option 'name'; it takes id and params"),
        (("order-1",), "create takes a mapping with id and params, not str"),
        (({"id": "a b"},), "an instance id is 1-100"),
        (({"id": ""},), "an instance id is 1-100"),
        (({"id": 5},), "an instance id is 1-100"),
        (({"id": "x" * 101},), "an instance id is 1-100"),
        (({"id": "-x"},), "an instance id is 1-100"),
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
        assert told == "create takes one mapping, or id= and params=, not both"

    on_workflow(story)


def test_an_id_that_is_taken_is_an_error_and_changes_nothing(on_workflow):
    async def story(control, orders):
        await orders.create(id="order-1", params=1)
        told = await refused(orders.create(id="order-1", params=2), InstanceExists)
        assert told == "instance.already_exists: 'order-1' exists already"
        assert values.decode((await control.get("orders", "order-1")).params) == 1

    on_workflow(story)


def test_params_over_the_limit_are_refused(on_workflow):
    async def story(control, orders):
        assert "the limit is 1,048,576" in await refused(orders.create(params="x" * 2**20), TooLarge)
        assert await control.store.counts("orders") == {}

    on_workflow(story)


def test_a_batch_leaves_out_what_exists_already(on_workflow):
    async def story(control, orders):
        await orders.create(id="b")
        made = await orders.create_batch(
            [{"id": "a", "params": 1}, {"id": "b"}, {"id": "c"}, {"id": "a"}, {}]
        )
        assert [one.id for one in made] == ["a", "c", "made-1"]

    on_workflow(story)


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_a_size(on_workflow, count):
    async def story(control, orders):
        told = await refused(orders.create_batch([{}] * count))
        assert told == f"a batch has 1 to 100 instances, not {count}"

    on_workflow(story)


@pytest.mark.parametrize(
    "bad",
    [{"id": "a b"}, {"name": "x"}, "order-1", {"params": "x" * 2**20}],
    ids=["id", "option", "text", "big"],
)
def test_one_malformed_wish_creates_nothing_of_its_batch(on_workflow, bad):
    async def story(control, orders):
        await refused(orders.create_batch([{"id": "good"}, bad]), (InvalidInput, TooLarge))
        assert await control.store.counts("orders") == {}

    on_workflow(story)


@pytest.mark.parametrize("id_", ["nobody", "a b", "", "x" * 101, 5, None])
def test_an_id_that_nobody_has_or_can_have_is_not_found(on_workflow, id_):
    async def story(control, orders):
        assert (await refused(orders.get(id_), InstanceNotFound)).startswith("instance.not_found")

    on_workflow(story)


def test_a_status_answers_to_items_and_attributes_and_is_json_ready(on_workflow):
    async def story(control, orders):
        await orders.create(id="order-1")
        instance = await orders.get("order-1")
        status = await instance.status()
        assert status.status == status["status"] == "queued"
        assert dict(status) == {"status": "queued", "error": None, "output": None, "rollback": None}
        await control.finish("order-1", output={"items": [2, 4], "at": datetime(2026, 1, 1, tzinfo=UTC)})
        status = await instance.status()
        assert (status.status, status.output["items"]) == ("complete", [2, 4])
        assert json.loads(Response.json(status).parts()[2]) == {
            "status": "complete",
            "error": None,
            "output": {"items": [2, 4], "at": "2026-01-01T00:00:00Z"},
            "rollback": None,
        }

    on_workflow(story)


def test_the_status_of_a_failed_instance_has_its_error(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        await control.finish("order-1", failure=failure_of(ValueError("no card")))
        status = await instance.status()
        assert status.status == "errored"
        assert (status.error.name, status.error.message) == ("ValueError", "no card")
        assert dict(status["error"]) == {"name": "ValueError", "message": "no card"}
        assert status.output is None

    on_workflow(story)


def test_an_event_is_kept_until_it_is_received(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        await instance.send_event("paid", {"by": "card"})
        await instance.send_event("paid")
        (claim,) = await control.store.claim({"orders": 5}, owner="test", now=control.at)
        events = (await control.store.load({claim.key: 0}))[claim.key].events
        assert [(one.type, values.decode(one.payload)) for one in events] == [
            ("paid", {"by": "card"}),
            ("paid", None),
        ]

    on_workflow(story)


def test_an_event_that_cannot_be_is_refused(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        assert "an event type is" in await refused(instance.send_event("no spaces"))
        assert "the limit is" in await refused(instance.send_event("paid", "x" * 2**20), TooLarge)
        await control.finish("order-1")
        await refused(instance.send_event("paid"), InstanceEnded)

    on_workflow(story)


def test_an_instance_can_be_terminated_once(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        await instance.terminate()
        assert (await instance.status()).status == "terminated"
        await refused(instance.terminate(), InstanceEnded)

    on_workflow(story)


def test_an_instance_that_was_deleted_meanwhile_is_not_found(on_workflow):
    async def story(control, orders):
        instance = await orders.create(id="order-1")
        await control.store.delete([(await control.get("orders", "order-1")).key])
        await refused(instance.status(), InstanceNotFound)
        await refused(instance.send_event("paid"), InstanceNotFound)
        await refused(instance.terminate(), InstanceNotFound)

    on_workflow(story)


def test_a_method_that_is_not_there_is_refused(on_workflow):
    async def story(control, orders):
        told = await refused(workflow.serve(control, "orders", "restart", ["order-1"]))
        assert told == "a workflow has no method 'restart' with 1 arguments"

    on_workflow(story)
