"""Cloudflare's own client for Python drives a dev session, and gives what its types promise."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stories.processes import PLAIN, Process, World, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

HERE: dict[str, Any] = {"account_id": "local"}
PATIENT: dict[str, Any] = {**HERE, "workflow_name": "patient"}
CLUMSY: dict[str, Any] = {**HERE, "workflow_name": "clumsy"}
RETENTION = {"success_retention": "1 hour", "error_retention": 60_000}
DAY = timedelta(days=1)

Instances = Any
"""The client's `workflows.instances`."""


@pytest.fixture(scope="module")
def cloudflare() -> ModuleType:
    # By its name: it is too big for the type checker to read, and for a collection to wait for.
    return importlib.import_module("cloudflare")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("official")).open_shop()


@pytest.fixture(scope="module")
def session(shop: World) -> Iterator[Process]:
    with shop.dev() as session:
        yield session


@pytest.fixture(scope="module")
def exact(cloudflare: ModuleType, session: Process) -> Iterator[Any]:
    """Give `workflows` of a client that raises an error for an answer that breaks its types."""
    with connect(cloudflare, session, _strict_response_validation=True) as client:
        yield client.workflows


@pytest.fixture(scope="module")
def instances(cloudflare: ModuleType, session: Process) -> Iterator[Instances]:
    """Give `workflows.instances` of a client as people have it.

    Its types know an output as text or a number, though it may be null, or any JSON.
    """
    with connect(cloudflare, session) as client:
        yield client.workflows.instances


def connect(cloudflare: ModuleType, session: Process, **more: Any) -> Any:
    """Open a client that says at once what was refused: by itself it tries again after a 409."""
    return cloudflare.Cloudflare(
        base_url=f"{session.url}/client/v4",
        api_token="anything",
        max_retries=0,
        http_client=httpx.Client(**PLAIN),
        **more,
    )


def comes_to(status: str, instances: Instances, workflow: str, id_: str) -> Any:
    """Wait until an instance has a status; gives the instance."""
    asked = {**HERE, "workflow_name": workflow}
    wait_for(lambda: instances.get(id_, **asked, simple="true").status == status, f"{id_} to be {status}")
    return instances.get(id_, **asked)


def begin(instances: Instances, id_: str) -> None:
    """Create an instance that waits for an event, and wait until it does."""
    instances.create("patient", **HERE, instance_id=id_)
    comes_to("waiting", instances, "patient", id_)


def test_workflows_are_listed_over_pages_and_one_is_looked_at(exact):
    listed = list(exact.list(**HERE, per_page=3))
    assert sorted((one.name, one.script_name, one.class_name) for one in listed) == [
        ("clumsy", "shop", "Clumsy"),
        ("counting", "shop", "Counting"),
        ("gated", "shop", "Gated"),
        ("patient", "shop", "Patient"),
    ]
    assert [one.id for one in exact.list(**HERE, search="pati")] == ["patient"]
    workflow = exact.get("patient", **HERE)
    assert (workflow.id, workflow.class_name) == ("patient", "Patient")
    assert timedelta() <= datetime.now(UTC) - workflow.created_on < DAY
    assert {"queued", "running", "waiting", "complete"} <= set(workflow.instances)
    (version,) = exact.versions.list("patient", **HERE)
    assert (version.id, version.workflow_id, version.class_name) == ("dev", "patient", "Patient")
    assert (version.language, version.has_dag, version.limits.steps) == ("python", False, 10_000)


def test_an_instance_is_created_and_shows_its_steps_while_it_waits(exact, instances):
    made = exact.instances.create(
        "patient", **HERE, instance_id="made", params={"for": "tea"}, instance_retention=RETENTION
    )
    assert (made.id, made.status) == ("made", "queued")
    assert (made.version_id, made.workflow_id) == ("dev", "patient")

    waits = comes_to("waiting", instances, "patient", "made")
    assert (waits.params, waits.version_id, waits.trigger.source) == ({"for": "tea"}, "dev", "api")
    assert waits.queued <= waits.start
    assert (waits.end, waits.success, waits.output, waits.error) == (None, None, None, None)
    before, go = waits.steps
    assert (before.name, before.type, before.output, before.success) == ("before-1", "step", "one", True)
    assert [attempt.success for attempt in before.attempts] == [True]
    assert (before.config.retries.limit, before.config.retries.backoff) == (5, "exponential")
    assert (go.name, go.type, go.event_type) == ("go-1", "waitForEvent", "go")
    assert (go.finished, go.output, go.end - go.start) == (False, None, timedelta(hours=1))

    newest_first = instances.get("made", **PATIENT, order="desc")
    assert [step.name for step in newest_first.steps] == ["go-1", "before-1"]
    simple = instances.get("made", **PATIENT, simple="true")
    assert (simple.step_count, simple.steps) == (2, None)


def test_an_instance_that_slept_and_is_complete_fits_their_types(exact, instances, shop: World):
    gate = shop.folder / "gate"
    gate.touch()
    params = {"sleep": 20, "gate": str(gate)}
    exact.instances.create("gated", **HERE, instance_id="slept", params=params)
    comes_to("complete", instances, "gated", "slept")
    over = exact.instances.get("slept", **HERE, workflow_name="gated")
    assert (over.status, over.success, over.output, over.step_count) == ("complete", True, "one", 2)
    assert over.queued <= over.start <= over.end
    nap, work = over.steps
    assert (nap.name, nap.type, nap.finished, nap.error) == ("nap-1", "sleep", True, None)
    assert nap.end - nap.start >= timedelta(milliseconds=20)
    assert (work.name, work.type, work.output, work.config.timeout) == ("work-1", "step", None, 60_000)


def test_a_step_that_stumbles_shows_its_attempts_and_their_errors(exact, instances):
    exact.instances.create("clumsy", **HERE, instance_id="stumbles", params={"falls": 1})
    comes_to("complete", instances, "clumsy", "stumbles")
    over = exact.instances.get("stumbles", **CLUMSY)
    assert over.output == "stands"
    fell, stood = over.steps[1].attempts
    assert (fell.success, fell.error.name, fell.error.message) == (False, "RuntimeError", "fell 1 times")
    assert (stood.success, stood.error) == (True, None)

    step = {**CLUMSY, "name": "clumsy-1", "type": "step"}
    whole = exact.instances.step("stumbles", **step)
    assert (whole.status, whole.output, whole.error) == ("complete", "stands", None)
    first = exact.instances.step("stumbles", **step, attempt=1)
    assert (first.status, first.output, first.error.message) == ("errored", None, "fell 1 times")


def test_an_instance_that_failed_tells_its_error(exact, instances):
    exact.instances.create("clumsy", **HERE, instance_id="falls", params={"falls": 9})
    over = comes_to("errored", instances, "clumsy", "falls")
    assert (over.success, over.output) == (False, None)
    assert (over.error.name, over.error.message) == ("RuntimeError", "fell 6 times")
    assert [step.success for step in over.steps] == [True, False]


def test_a_batch_is_created_and_its_instances_are_listed(exact, instances):
    exact.instances.create("counting", **HERE, instance_id="count-0", params={"steps": 1})
    wanted = [{"instance_id": f"count-{number}", "params": {"steps": 1}} for number in range(3)]
    made = list(exact.instances.bulk("counting", **HERE, body=wanted))
    assert [(one.id, one.status, one.workflow_id) for one in made] == [
        ("count-1", "queued", "counting"),
        ("count-2", "queued", "counting"),
    ]
    for number in range(3):
        comes_to("complete", instances, "counting", f"count-{number}")

    def ids(**more: Any) -> list[str]:
        return [one.id for one in exact.instances.list("counting", **HERE, **more)]

    oldest_first = ["count-0", "count-1", "count-2"]
    assert ids(per_page=2) == oldest_first[::-1], "two pages, the newest first"
    assert ids(direction="asc", status="complete") == oldest_first
    assert ids(status="errored") == []
    now = datetime.now(UTC)
    assert ids(date_start=now - DAY, date_end=now + DAY) == oldest_first[::-1]
    assert ids(date_start=now + DAY) == []
    newest = exact.instances.list("counting", **HERE).result[0]
    assert (newest.status, newest.version_id, newest.trigger_source) == ("complete", "dev", "api")
    assert newest.created_on <= newest.started_on <= newest.ended_on


def test_an_instance_is_paused_and_sent_an_event_and_resumed(exact, instances, shop: World):
    begin(instances, "steered")
    paused = exact.instances.status.edit("steered", **PATIENT, status="pause")
    assert paused.status == "paused"
    assert abs(datetime.now(UTC) - paused.timestamp) < DAY
    sent = exact.instances.events.create("go", **PATIENT, instance_id="steered", body={"paid": True})
    assert sent.instance_id == "steered"
    assert sent.timestamp >= paused.timestamp
    assert instances.get("steered", **PATIENT).status == "paused"
    assert "steered after" not in shop.effects

    exact.instances.status.edit("steered", **PATIENT, status="resume")
    over = comes_to("complete", instances, "patient", "steered")
    assert over.output == ["one", {"paid": True}, "one"]
    came = exact.instances.step("steered", **PATIENT, name="go-1", type="waitForEvent")
    assert (came.status, came.event_type, came.output) == ("complete", "go", {"paid": True})


def test_an_instance_is_restarted_from_its_start_and_from_a_step(exact, instances, shop: World):
    begin(instances, "again")
    assert exact.instances.status.edit("again", **PATIENT, status="restart").status == "queued"
    comes_to("waiting", instances, "patient", "again")
    assert shop.effects.count("again before") == 2
    instances.events.create("go", **PATIENT, instance_id="again", body=None)
    comes_to("complete", instances, "patient", "again")
    exact.instances.status.edit(
        "again", **PATIENT, status="restart", from_={"name": "go", "type": "waitForEvent"}
    )
    comes_to("waiting", instances, "patient", "again")
    assert shop.effects.count("again before") == 2
    assert shop.effects.count("again after") == 1


def test_an_instance_is_terminated(exact, instances, shop: World):
    begin(instances, "ended")
    assert exact.instances.status.edit("ended", **PATIENT, status="terminate").status == "terminated"
    over = instances.get("ended", **PATIENT)
    assert (over.status, over.success, over.rollback) == ("terminated", False, None)
    assert "ended after" not in shop.effects


def test_what_is_refused_is_raised_as_their_exceptions_with_their_numbers(cloudflare, exact, instances):
    begin(instances, "taken")
    instances.status.edit("taken", **PATIENT, status="terminate")

    def refused(what: Callable[[], object], kind: type[Exception]) -> int:
        with pytest.raises(kind) as raised:
            what()
        (error,) = raised.value.errors  # type: ignore[attr-defined]
        assert error.message
        return int(error.code)

    ours = exact.instances
    missing, conflict = cloudflare.NotFoundError, cloudflare.ConflictError
    assert refused(lambda: exact.get("nothing", **HERE), missing) == 10200
    assert refused(lambda: ours.list("nothing", **HERE), missing) == 10200
    assert refused(lambda: ours.get("nobody", **PATIENT), missing) == 10400
    step = {"name": "none-1", "type": "step"}
    assert refused(lambda: ours.step("taken", **PATIENT, **step), missing) == 19002
    assert refused(lambda: ours.create("patient", **HERE, instance_id="taken"), conflict) == 10405
    assert refused(lambda: ours.status.edit("taken", **PATIENT, status="terminate"), conflict) == 10402
    event = {**PATIENT, "instance_id": "taken", "body": {}}
    assert refused(lambda: ours.events.create("go", **event), conflict) == 10402
    twice = [{"instance_id": "twin"}] * 2
    bad = cloudflare.BadRequestError
    assert refused(lambda: ours.bulk("patient", **HERE, body=twice), bad) == 10415
    assert refused(lambda: ours.create("patient", **HERE, instance_id="not an id"), bad) == 10026
