"""The consumer of a queue over HTTP: added, changed, removed; one at the most."""

from __future__ import annotations

import pytest

from tests.server.queued import made, problem, queued
from tests.server.small_host import result
from wflow.bindings import queue_records as records

__all__ = ["queued"]


def consumers(house, queue):
    return result(house.api("GET", f"/queues/{queue}/consumers"))


def test_a_worker_is_added_changed_and_removed(queued):
    path = f"/queues/{made(queued, 'mail')['queue_id']}/consumers"
    wanted = {"type": "worker", "script_name": "shop", "settings": {"batch_size": 7, "max_concurrency": 2}}
    added = result(queued.api("POST", path, json=wanted))
    assert (added["script_name"], added["queue_name"], added["type"]) == ("shop", "mail", "worker")
    assert (added["settings"]["batch_size"], added["settings"]["max_concurrency"]) == (7, 2)
    one = f"{path}/{added['consumer_id']}"
    assert result(queued.api("GET", one)) == added
    changes = {"dead_letter_queue": "dead", "settings": {"max_retries": 9, "max_concurrency": None}}
    changed = result(queued.api("PUT", one, json=changes))
    assert changed["settings"] == {**added["settings"], "max_retries": 9, "max_concurrency": None}
    assert changed["dead_letter_queue"] == "dead"
    assert result(queued.api("GET", path)) == [changed]
    assert queued.api("DELETE", one).status_code == 200
    assert result(queued.api("GET", path)) == []
    problem(queued.api("DELETE", one), 404)


def test_a_queue_has_one_consumer(queued):
    jobs = records.id_of("jobs")
    told = problem(queued.api("POST", f"/queues/{jobs}/consumers", json={"type": "http_pull"}), 409)
    assert "has a consumer already" in told["message"]


def test_a_declared_consumer_is_changed_or_removed_until_the_next_version(queued):
    jobs = records.id_of("jobs")
    (declared,) = consumers(queued, jobs)
    one = f"/queues/{jobs}/consumers/{declared['consumer_id']}"
    changed = result(queued.api("PUT", one, json={"settings": {"batch_size": 9}}))
    assert consumers(queued, jobs) == [changed]
    assert changed["settings"]["batch_size"] == 9
    assert queued.api("DELETE", one).status_code == 200
    assert consumers(queued, jobs) == []
    pulls = result(queued.api("POST", f"/queues/{jobs}/consumers", json={"type": "http_pull"}))
    assert pulls["settings"]["visibility_timeout_ms"] == 30_000
    registry = queued.host.queues._registry
    build = registry.current["shop"]
    later = type(build)(
        described=type(build.described)(
            **{name: getattr(build.described, name) for name in build.described.__struct_fields__}
            | {"id": "v2"}
        ),
        manifest=build.manifest,
        root=build.root,
        folder=build.folder,
    )
    registry.activate(later)
    assert consumers(queued, jobs) == [declared]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "worker", "script_name": "nobody"}, 404),
        ({"type": "worker"}, 404),
        ({"type": "mail"}, 400),
        ({"type": "http_pull", "dead_letter_queue": "nowhere"}, 404),
        ({"type": "http_pull", "dead_letter_queue": 7}, 400),
        ({"type": "http_pull", "settings": {"batch_size": 0}}, 400),
        ({"type": "http_pull", "settings": {"batch_size": 101}}, 400),
        ({"type": "http_pull", "settings": {"max_retries": 101}}, 400),
        ({"type": "http_pull", "settings": {"retry_delay": 86_401}}, 400),
        ({"type": "http_pull", "settings": {"max_wait_time_ms": 60_001}}, 400),
        ({"type": "http_pull", "settings": {"max_concurrency": 251}}, 400),
        ({"type": "http_pull", "settings": {"visibility_timeout_ms": 43_200_001}}, 400),
        ({"type": "http_pull", "settings": {"size": 1}}, 400),
        ({"type": "http_pull", "batch_size": 1}, 400),
    ],
)
def test_what_makes_no_consumer_is_refused_and_adds_none(queued, body, status):
    id_ = made(queued, "mail")["queue_id"]
    problem(queued.api("POST", f"/queues/{id_}/consumers", json=body), status)
    assert consumers(queued, id_) == []
