"""Queues under the fixture `wflow`: batches and retries wait on the clock that jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wflow import InstanceNotFound
from wflow.testing import crash_everywhere

if TYPE_CHECKING:
    from wflow.testing import Kit

pytestmark = pytest.mark.wflow(project="mail")


async def test_a_batch_that_is_not_full_waits_for_its_timeout_in_no_time(wflow: Kit):
    await wflow.env.JOBS.send({"id": "a"})
    await wflow.clock.advance("59 seconds")
    with pytest.raises(InstanceNotFound):
        await wflow.env.ORDERS.get("a")
    await wflow.clock.advance("2 seconds")
    assert await (await wflow.env.ORDERS.get("a")).result() == 1
    assert (await wflow.env.JOBS.metrics()).backlog_count == 0


async def test_a_retry_waits_for_its_delay(wflow: Kit):
    await wflow.env.JOBS.send_batch([{"body": {"id": name, "fails": 1}} for name in "abc"])
    await wflow.clock.advance("59 minutes")
    with pytest.raises(InstanceNotFound):
        await wflow.env.ORDERS.get("a")
    await wflow.clock.advance("2 minutes")
    assert await (await wflow.env.ORDERS.get("c")).result() == 2


async def test_a_message_outlives_the_death_of_the_runner(wflow: Kit):
    await wflow.env.JOBS.send({"id": "a"})
    await wflow.crash()
    await wflow.clock.advance("61 seconds")
    assert await (await wflow.env.ORDERS.get("a")).result() == 1


@crash_everywhere(runs=20, schedules=2)
async def test_a_death_at_any_write_loses_no_message(wflow: Kit):
    await wflow.env.JOBS.send_batch([{"body": {"id": name}} for name in "ab"])
    await wflow.clock.advance("61 seconds")
    ended = [await (await wflow.env.ORDERS.get(name)).result() for name in "ab"]
    return ended, (await wflow.env.JOBS.metrics()).backlog_count
