"""`wflow queues`: the queues of a runner, and who consumes them."""

from __future__ import annotations

import json

import pytest

AT = "/accounts/local/queues"
ID = "0" * 32
ONE = f"{AT}/{ID}"
WORKER = {
    "consumer_id": "c1",
    "type": "worker",
    "script_name": "shop",
    "queue_name": "jobs",
    "dead_letter_queue": "dead",
    "settings": {"batch_size": 10, "max_retries": 3},
}
PULLS = {**WORKER, "consumer_id": "c2", "type": "http_pull", "script_name": None, "dead_letter_queue": ""}


def queue(**more):
    return {
        "queue_id": ID,
        "queue_name": "jobs",
        "created_on": "2026-11-22T12:00:00.000Z",
        "modified_on": "2026-11-22T12:00:00.000Z",
        "producers_total_count": 1,
        "producers": [{"type": "worker", "script": "shop"}],
        "consumers_total_count": 1,
        "consumers": [WORKER],
        "settings": {"delivery_delay": 0, "delivery_paused": False, "message_retention_period": 345_600},
        **more,
    }


@pytest.fixture
def jobs(logged_in):
    logged_in.gives("GET", AT, [queue()])
    return logged_in


def test_a_queue_is_created_and_told_how_to_use(wflow, logged_in):
    logged_in.gives("POST", AT, queue())
    ran = wflow(
        "queues", "create", "jobs", "--delivery-delay-secs", "5", "--message-retention-period-secs", "60"
    )
    assert (ran.code, ran.out) == (0, "Created queue 'jobs'\n")
    assert '[[queues.producers]]\nbinding = "JOBS"\nqueue = "jobs"' in ran.err
    assert logged_in.asked[-1].json == {
        "queue_name": "jobs",
        "settings": {"delivery_delay": 5, "message_retention_period": 60},
    }


def test_queues_are_listed(wflow, jobs):
    ran = wflow("queues", "list")
    assert ran.code == 0
    assert ran.out.split()[:6] == ["id", "name", "created_on", "modified_on", "producers", "consumers"]
    assert ID in ran.out
    assert json.loads(wflow("queues", "list", "--json").out) == [queue()]
    jobs.gives("GET", AT, [])
    assert "There are no queues yet" in wflow("queues", "list").err


def test_a_queue_is_shown_with_its_backlog(wflow, jobs):
    jobs.gives("GET", f"{ONE}/metrics", {"backlog_count": 1_234, "backlog_bytes": 5})
    ran = wflow("queues", "info", "jobs")
    assert ran.code == 0
    for part in ("worker:shop", "1,234 messages, 5 bytes", "345600 s", "on"):
        assert part in ran.out
    shown = json.loads(wflow("queues", "info", "jobs", "--json").out)
    assert shown["metrics"]["backlog_count"] == 1_234


def test_settings_are_changed_and_delivery_is_paused_and_resumed(wflow, jobs):
    jobs.gives("PATCH", ONE, queue())
    assert wflow("queues", "update", "jobs", "--delivery-delay-secs", "0").out == "Updated queue jobs.\n"
    assert jobs.asked[-1].json == {"settings": {"delivery_delay": 0}}
    ran = wflow("queues", "update", "jobs")
    assert (ran.code, "nothing to change" in ran.err) == (1, True)
    assert wflow("queues", "pause-delivery", "jobs").out == "Paused message delivery for queue jobs.\n"
    assert jobs.asked[-1].json == {"settings": {"delivery_paused": True}}
    assert wflow("queues", "resume-delivery", "jobs").out == "Resumed message delivery for queue jobs.\n"
    assert jobs.asked[-1].json == {"settings": {"delivery_paused": False}}


def test_a_queue_is_purged_and_deleted(wflow, jobs):
    jobs.gives("POST", f"{ONE}/purge", queue())
    jobs.gives("GET", f"{ONE}/purge", {"completed": "true", "started_at": ""})
    assert wflow("queues", "purge", "jobs", "--force").out == "Purged queue 'jobs'\n"
    assert jobs.asked[-2].json == {"delete_messages_permanently": True}
    jobs.gives("DELETE", ONE, None)
    ran = wflow("queues", "delete", "jobs")
    assert (ran.out, "Yes, as there is no terminal" in ran.err) == ("Deleted queue jobs.\n", True)


def test_a_queue_that_there_is_not_is_told_with_those_that_there_are(wflow, logged_in):
    logged_in.gives("GET", AT, [])
    ran = wflow("queues", "info", "jbos")
    assert (ran.code, "there is no queue 'jbos'" in ran.err) == (1, True)


@pytest.mark.parametrize("words", [("consumer", "add"), ("consumer", "worker", "add")])
def test_a_worker_is_added_as_the_consumer(wflow, jobs, words):
    jobs.gives("POST", f"{ONE}/consumers", WORKER)
    flags = "--batch-size 7 --batch-timeout 9 --message-retries 2 --dead-letter-queue dead"
    more = "--max-concurrency 3 --retry-delay-secs 4"
    ran = wflow("queues", *words, "jobs", "shop", *flags.split(), *more.split())
    assert (ran.code, ran.out) == (0, "Added consumer to queue jobs.\n")
    assert jobs.asked[-1].json == {
        "type": "worker",
        "script_name": "shop",
        "dead_letter_queue": "dead",
        "settings": {
            "batch_size": 7,
            "max_wait_time_ms": 9_000,
            "max_retries": 2,
            "max_concurrency": 3,
            "retry_delay": 4,
        },
    }


def test_messages_are_let_be_pulled(wflow, jobs):
    jobs.gives("POST", f"{ONE}/consumers", PULLS)
    ran = wflow("queues", "consumer", "http", "add", "jobs", "--visibility-timeout-secs", "60")
    assert ran.out == "Added consumer to queue jobs.\n"
    assert jobs.asked[-1].json == {"type": "http_pull", "settings": {"visibility_timeout_ms": 60_000}}


@pytest.mark.parametrize("words", [("consumer", "remove"), ("consumer", "worker", "remove")])
def test_a_consumer_is_removed_that_is_there(wflow, jobs, words):
    jobs.gives("DELETE", f"{ONE}/consumers/c1", None)
    assert wflow("queues", *words, "jobs", "shop").out == "Removed consumer from queue jobs.\n"
    ran = wflow("queues", *words, "jobs", "other")
    assert (ran.code, "queue 'jobs' has no consumer 'other'" in ran.err) == (1, True)


def test_the_http_consumer_is_removed_and_listed(wflow, jobs):
    ran = wflow("queues", "consumer", "http", "remove", "jobs")
    assert (ran.code, "has no HTTP consumer" in ran.err) == (1, True)
    jobs.gives("GET", AT, [queue(consumers=[PULLS])])
    jobs.gives("DELETE", f"{ONE}/consumers/c2", None)
    ran = wflow("queues", "consumer", "http", "remove", "jobs")
    assert ran.out == "Removed consumer from queue jobs.\n"
    assert "HTTP Pull Consumer" in wflow("queues", "consumer", "list", "jobs").out
    assert json.loads(wflow("queues", "consumer", "list", "jobs", "--json").out) == [PULLS]
    jobs.gives("GET", AT, [queue(consumers=[])])
    assert "has no consumer" in wflow("queues", "consumer", "list", "jobs").err
