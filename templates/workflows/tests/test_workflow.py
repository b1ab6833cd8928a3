"""Tests of this project. Its instances run in this process: sleeps pass at once, and nothing is left behind."""

from __future__ import annotations

import json

import pytest
from wflow.testing import Kit, crash_everywhere

from workflow import MyWorkflow, process

NUMBERS = {"data": [1, 2, 3]}


def test_process_doubles_each_item() -> None:
    assert process(NUMBERS) == [2, 4, 6]


async def test_numbers_are_fetched_doubled_and_kept(wflow: Kit) -> None:
    async with wflow.introspect_instance(wflow.env.MY_WORKFLOW, "one") as instance:
        instance.mock_step_result("fetchData", NUMBERS)
        await wflow.env.MY_WORKFLOW.create(id="one", params={"url": "https://example.com"})

        assert await instance.wait_for_step_result("process") == [2, 4, 6]
        assert await instance.output() == {"key": "result:one", "items": [2, 4, 6]}

    assert json.loads(await wflow.env.KV.get("result:one")) == [2, 4, 6]


async def test_a_fetch_that_fails_is_tried_again_later(wflow: Kit) -> None:
    began = wflow.clock.now()
    async with wflow.introspect_instance(wflow.env.MY_WORKFLOW, "one") as instance:
        instance.mock_step_error("fetchData", ConnectionError("no route"), times=2)
        instance.mock_step_result("fetchData", NUMBERS)
        await wflow.env.MY_WORKFLOW.create(id="one", params={"url": "https://example.com"})
        await instance.wait_for_status("complete")

    assert (wflow.clock.now() - began).total_seconds() == 10 + 20


async def test_a_payload_without_a_url_fails_at_once(wflow: Kit) -> None:
    instance = await wflow.env.MY_WORKFLOW.create(params={})
    with pytest.raises(Exception, match="the payload has no URL"):
        await instance.result()


@crash_everywhere
async def test_a_crash_changes_nothing(wflow: Kit, monkeypatch: pytest.MonkeyPatch) -> object:
    """It runs once for each durable write, and the process dies right there."""
    monkeypatch.setattr(MyWorkflow, "_fetch_data", fetched)
    instance = await wflow.env.MY_WORKFLOW.create(id="one", params={"url": "https://example.com"})
    await instance.result()
    return await wflow.env.KV.get("result:one")


async def test_the_worker_starts_instances_and_tells_how_they_are(
    wflow: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MyWorkflow, "_fetch_data", fetched)
    started = await wflow.fetch("/", method="POST")
    assert started.status == 201

    instance_id = started.json()["id"]
    await (await wflow.env.MY_WORKFLOW.get(instance_id)).result()
    status = (await wflow.fetch(f"/?id={instance_id}")).json()
    assert status["output"] == {"key": f"result:{instance_id}", "items": [2, 4, 6]}


@pytest.mark.parametrize(
    ("method", "url", "body", "status"),
    [("POST", "/", "{oops", 400), ("GET", "/?id=nobody", "", 404), ("GET", "/data", "", 200)],
)
async def test_the_worker_answers(
    wflow: Kit, method: str, url: str, body: str, status: int
) -> None:
    assert (await wflow.fetch(url, method=method, body=body)).status == status


async def fetched(self: MyWorkflow, url: str) -> dict[str, list[int]]:
    """Stand in for the network."""
    return NUMBERS
