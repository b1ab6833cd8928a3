"""What can be asked of instances, against the real API."""

from __future__ import annotations

import pytest

from wflow.client.api import Remote, connect
from wflow.client.instances import LOOK_S
from wflow.engine import values
from wflow.engine.facts import Moved, Settled
from wflow.engine.outcome import Ok
from wflow.errors import RunnerError
from wflow.wire.types import Start


@pytest.fixture
def instances(live):
    with connect(Remote(url=live.url)) as asking:
        yield asking.instances


def test_an_instance_is_created_with_tags_and_found_by_them(instances):
    instances.create("orders", id_="a", tags=["vip"], success_retention="1 day", error_retention=5_000)
    instances.create("orders", id_="b")
    assert [one["id"] for one in instances.list("orders", tag="vip").items] == ["a"]
    assert instances.get("orders", "a")["tags"] == ["vip"]


def test_an_instance_is_paused_resumed_and_cancelled(instances):
    instances.create("orders", id_="a")
    assert instances.steer("orders", "a", "pause")["status"] == "paused"
    assert instances.steer("orders", "latest", "resume") | {"timestamp": ""} == {
        "status": "queued",
        "timestamp": "",
        "instanceId": "a",
    }
    instances.steer("orders", "a", "pause")
    assert instances.steer("orders", "a", "resume", accept=True)["status"] == "queued"
    assert instances.steer("orders", "a", "cancel")["status"] == "terminated"
    with pytest.raises(RunnerError) as caught:
        instances.steer("orders", "a", "terminate", rollback=True)
    assert (caught.value.status, caught.value.number) == (409, 10402)
    assert "instance.cannot_terminate" in caught.value.message


def test_an_instance_is_put_on_another_version_or_it_is_told_whether_it_would_fit(instances):
    instances.create("orders", id_="a")
    tried = instances.migrate("orders", "a", version="v9", dry_run=True)
    assert (tried["fits"], tried["migrated"], tried["version_id"]) == (True, False, "v1")
    assert instances.migrate("orders", "a", version="v9")["version_id"] == "v9"
    assert instances.migrate("orders", "a")["migrated"] is True
    assert instances.get("orders", "a")["versionId"] == "v2"


def test_an_instance_is_restarted_from_a_step(live, instances):
    instances.create("orders", id_="a")
    instances.restart("orders", "a", name="nap", count=2, type_="sleep")
    assert live.host.restarts == [Start(name="nap", count=2, type="sleep")]


def test_a_steps_output_is_all_of_it(live, instances):
    large = ["x" * 100_000]
    done = Settled("fetch-1", "do", 5, Ok(values.encode(large)), b"", 1, 1, 1)
    live.run(live.host.play("a", Moved("running", 1), done))
    assert instances.step("orders", "a", "fetch-1", type_="step", attempt=1)["output"] == large
    with pytest.raises(RunnerError) as caught:
        instances.step("orders", "a", "fetch-2")
    assert (caught.value.status, caught.value.number) == (404, 19002)


def test_many_are_deleted_at_once(instances):
    instances.create("orders", id_="a")
    done = instances.delete_batch("orders", ["a", "b"])
    assert (done["deleted"], [error["id"] for error in done["errors"]]) == ([{"id": "a"}], ["b"])


def test_all_are_terminated_and_waited_for(instances):
    instances.create_batch("orders", [{"instance_id": f"i{number}"} for number in range(100)])
    instances.steer("orders", "i1", "pause")
    assert instances.terminate_all("orders", status="paused")
    assert instances.terminated("orders")["terminated"] == 1
    assert instances.terminate_all("orders")
    job = instances.terminated("orders")
    assert (job["status"], job["terminated"]) == ("complete", 99)


def test_a_job_is_looked_at_ever_less_often(live, instances):
    instances.terminate_all("orders")
    instances.terminated("orders")
    live.site.terminations["orders"].state = "running"
    waited: list[float] = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 7:
            live.site.terminations["orders"].state = "complete"

    assert instances.terminated("orders", sleep=sleep)["status"] == "complete"
    assert waited == [*LOOK_S, LOOK_S[-1], LOOK_S[-1]]


def test_a_job_is_no_instance(instances):
    instances.terminate_all("orders")
    instances.terminated("orders")
    with pytest.raises(RunnerError) as caught:
        instances.get("orders", "terminate")
    assert (caught.value.status, caught.value.number) == (404, 10400)
    instances.create("orders", id_="terminate")
    assert instances.get("orders", "terminate")["id"] == "terminate"
    assert instances.termination("orders")["status"] == "complete"


def test_an_event_says_whom_it_reached(instances):
    instances.create("orders", id_="a")
    assert instances.send_event("orders", "latest", "paid", None)["instanceId"] == "a"
