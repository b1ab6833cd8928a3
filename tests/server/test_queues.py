"""Queues over HTTP: made, listed, changed, purged, deleted."""

from __future__ import annotations

import pytest

from tests.server.queued import made, problem, queued
from tests.server.small_host import result
from wflow.bindings import queue_records as records

__all__ = ["queued"]


def test_a_queue_is_made_with_settings_and_shown_as_cloudflare_does(queued):
    shown = made(queued, "mail", delivery_delay=5)
    assert shown == {
        "queue_id": records.id_of("mail"),
        "queue_name": "mail",
        "created_on": shown["created_on"],
        "modified_on": shown["created_on"],
        "producers_total_count": 0,
        "producers": [],
        "consumers_total_count": 0,
        "consumers": [],
        "settings": {"delivery_delay": 5, "delivery_paused": False, "message_retention_period": 345_600},
    }
    assert result(queued.api("GET", f"/queues/{shown['queue_id']}")) == shown


def test_a_name_is_taken_once_and_must_be_one(queued):
    made(queued, "mail")
    for name in ("mail", "jobs", "dead"):
        told = problem(queued.api("POST", "/queues", json={"queue_name": name}), 409)
        assert (told["code"], told["message"]) == (11009, f"Queue name '{name}' is already taken")
    for wrong in ("", "-a", "a b", None, 7):
        problem(queued.api("POST", "/queues", json={"queue_name": wrong}), 400)


def test_what_a_live_version_names_is_there_with_who_uses_it(queued):
    listed = queued.api("GET", "/queues")
    assert [each["queue_name"] for each in result(listed)] == ["dead", "jobs"]
    assert listed.json()["result_info"]["total_count"] == 2
    (jobs,) = result(queued.api("GET", "/queues?name=jobs"))
    assert jobs["producers"] == [{"type": "worker", "script": "shop"}]
    (consumer,) = jobs["consumers"]
    assert (consumer["script_name"], consumer["dead_letter_queue"]) == ("shop", "dead")
    assert consumer["settings"] == {
        "batch_size": 5,
        "max_concurrency": None,
        "max_retries": 3,
        "max_wait_time_ms": 5_000,
        "retry_delay": 0,
    }
    told = problem(queued.api("DELETE", f"/queues/{jobs['queue_id']}"), 409)
    assert "in use by the Worker 'shop'" in told["message"]


def test_a_page_is_as_long_as_it_is_asked_to_be(queued):
    second = queued.api("GET", "/queues?page=2&per_page=1")
    assert [each["queue_name"] for each in result(second)] == ["jobs"]
    assert result(queued.api("GET", "/queues?page=3&per_page=1")) == []
    problem(queued.api("GET", "/queues?per_page=101"), 400)


def test_patch_changes_some_settings_and_put_all(queued):
    path = f"/queues/{made(queued, 'mail', delivery_delay=5)['queue_id']}"
    changed = result(queued.api("PATCH", path, json={"settings": {"delivery_paused": True}}))
    assert changed["settings"] == {
        "delivery_delay": 5,
        "delivery_paused": True,
        "message_retention_period": 345_600,
    }
    put = result(queued.api("PUT", path, json={"queue_name": "mail", "settings": {"delivery_delay": 1.0}}))
    assert put["settings"] == {
        "delivery_delay": 1,
        "delivery_paused": False,
        "message_retention_period": 345_600,
    }
    assert put["modified_on"] > put["created_on"]
    problem(queued.api("PUT", path, json={"queue_name": "post"}), 400)


@pytest.mark.parametrize(
    "settings",
    [
        {"delivery_delay": -1},
        {"delivery_delay": 86_401},
        {"delivery_delay": 1.5},
        {"delivery_delay": True},
        {"delivery_paused": 1},
        {"message_retention_period": 59},
        {"message_retention_period": 1_209_601},
        {"retention": 60},
        [],
    ],
)
def test_a_setting_that_breaks_its_rule_changes_nothing(queued, settings):
    before = made(queued, "mail")
    problem(queued.api("PATCH", f"/queues/{before['queue_id']}", json={"settings": settings}), 400)
    problem(queued.api("POST", "/queues", json={"queue_name": "other", "settings": settings}), 400)
    assert result(queued.api("GET", f"/queues/{before['queue_id']}")) == before
    assert result(queued.api("GET", "/queues?name=other")) == []


def test_a_queue_that_there_is_not_is_not_found(queued):
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/metrics"), ("GET", "/consumers")):
        told = problem(queued.api(method, f"/queues/{'0' * 32}{path}"), 404)
        assert (told["code"], "Queue not found" in told["message"]) == (11000, True)


def test_a_purge_empties_a_queue_and_must_be_meant(queued):
    id_ = made(queued, "mail")["queue_id"]
    queued.api("POST", f"/queues/{id_}/messages", json={"body": "x"})
    assert result(queued.api("GET", f"/queues/{id_}/metrics"))["backlog_count"] == 1
    problem(queued.api("POST", f"/queues/{id_}/purge", json={}), 400)
    assert result(queued.api("GET", f"/queues/{id_}/purge")) == {"started_at": "", "completed": "true"}
    started = queued.api("POST", f"/queues/{id_}/purge", json={"delete_messages_permanently": True})
    assert result(started)["queue_name"] == "mail"
    while (told := result(queued.api("GET", f"/queues/{id_}/purge")))["completed"] == "false":
        pass
    assert told["started_at"]
    assert result(queued.api("GET", f"/queues/{id_}/metrics")) == {
        "backlog_count": 0,
        "backlog_bytes": 0,
        "oldest_message_timestamp_ms": 0,
    }


def test_a_queue_is_deleted_with_its_messages(queued):
    id_ = made(queued, "mail")["queue_id"]
    queued.api("POST", f"/queues/{id_}/messages", json={"body": "x"})
    assert queued.api("DELETE", f"/queues/{id_}").status_code == 200
    problem(queued.api("GET", f"/queues/{id_}"), 404)
    assert made(queued, "mail")["queue_id"] == id_
    assert result(queued.api("GET", f"/queues/{id_}/metrics"))["backlog_count"] == 0
