"""Messages over HTTP: sent one by one and in batches, pulled, acknowledged, delivered again."""

from __future__ import annotations

import base64
import json

import pytest

from tests.server.queued import made, problem, queued
from tests.server.small_host import result
from wflow.bindings import queue_records as records

__all__ = ["queued"]


@pytest.fixture
def mail(queued):
    """Have a queue that is pulled from; a second passes with each look at the clock."""
    id_ = made(queued, "mail")["queue_id"]
    settings = {"max_retries": 1, "visibility_timeout_ms": 3_600_000}
    wanted = {"type": "http_pull", "dead_letter_queue": "dead", "settings": settings}
    assert queued.api("POST", f"/queues/{id_}/consumers", json=wanted).status_code == 200
    return f"/queues/{id_}"


def pull(house, path, **more):
    return result(house.api("POST", f"{path}/messages/pull", json=more))["messages"]


def push(house, path, body, **more):
    return result(house.api("POST", f"{path}/messages", json={"body": body, **more}))


def ack(house, path, *acks, retries=()):
    told = {"acks": [{"lease_id": lease} for lease in acks], "retries": list(retries)}
    return result(house.api("POST", f"{path}/messages/ack", json=told))


def test_text_is_pulled_as_it_is_and_all_else_in_base64(queued, mail):
    push(queued, mail, {"a": 1})
    push(queued, mail, "é", content_type="text")
    told = push(queued, mail, base64.b64encode(b"\xff").decode(), content_type="bytes")
    assert told["metadata"]["metrics"]["backlog_count"] == 3
    one, two, three = pull(queued, mail, batch_size=10)
    assert json.loads(base64.b64decode(one["body"])) == {"a": 1}
    assert (two["body"], base64.b64decode(three["body"])) == ("é", b"\xff")
    assert [each["metadata"]["CF-Content-Type"] for each in (one, two, three)] == ["json", "text", "bytes"]
    assert (one["attempts"], len(one["id"])) == (1, 32)
    assert one["timestamp_ms"] <= two["timestamp_ms"]


def test_a_batch_is_sent_as_a_whole_with_delays(queued, mail):
    batch = {"delay_seconds": 600, "messages": [{"body": 1}, {"body": 2, "delay_seconds": 0}]}
    sent = result(queued.api("POST", f"{mail}/messages/batch", json=batch))
    assert sent["metadata"]["metrics"]["backlog_count"] == 2
    assert [base64.b64decode(each["body"]) for each in pull(queued, mail)] == [b"2"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"body": 1, "content_type": "text"}, 400),
        ({"body": "x", "content_type": "v8"}, 400),
        ({"body": "ä", "content_type": "bytes"}, 400),
        ({"body": 1, "delay_seconds": -1}, 400),
        ({"body": 1, "delay": 1}, 400),
        ({"body": "x" * 128_000}, 413),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused(queued, mail, body, status):
    problem(queued.api("POST", f"{mail}/messages", json=body), status)
    problem(queued.api("POST", f"{mail}/messages/batch", json={"messages": [{"body": 1}, body]}), status)
    assert pull(queued, mail) == []


def test_a_pull_takes_five_unless_it_says_otherwise_and_leases_them(queued, mail):
    batch = [{"body": n} for n in range(8)]
    queued.api("POST", f"{mail}/messages/batch", json={"messages": batch})
    assert len(pull(queued, mail)) == 5
    rest = result(queued.api("POST", f"{mail}/messages/pull"))
    assert (len(rest["messages"]), rest["message_backlog_count"]) == (3, 8)
    assert rest["metadata"]["metrics"]["backlog_count"] == 8
    assert pull(queued, mail) == []
    for wrong in ({"batch_size": 0}, {"batch_size": 101}, {"visibility_timeout_ms": 43_200_001}, {"size": 1}):
        problem(queued.api("POST", f"{mail}/messages/pull", json=wrong), 400)


def test_what_is_acknowledged_is_gone_and_what_is_not_comes_again(queued, mail):
    queued.api("POST", f"{mail}/messages/batch", json={"messages": [{"body": n} for n in range(3)]})
    one, two, three = pull(queued, mail)
    retries = [{"lease_id": two["lease_id"]}, {"lease_id": three["lease_id"], "delay_seconds": 600}]
    told = ack(queued, mail, one["lease_id"], retries=retries)
    assert told == {"ackCount": 1, "retryCount": 2, "warnings": {}}
    (again,) = pull(queued, mail)
    assert (again["id"], again["attempts"]) == (two["id"], 2)
    told = ack(queued, mail, one["lease_id"], two["lease_id"])
    assert (told["ackCount"], list(told["warnings"])) == (1, [one["lease_id"]]), "late is not too late"


def test_a_lease_ends_and_after_its_last_try_a_message_is_dead(queued, mail):
    push(queued, mail, 1)
    (first,) = pull(queued, mail, visibility_timeout_ms=0)
    (second,) = pull(queued, mail, visibility_timeout_ms=0)
    assert (first["attempts"], second["attempts"]) == (1, 2)
    assert pull(queued, mail) == []
    dead = f"/queues/{records.id_of('dead')}"
    assert result(queued.api("GET", f"{dead}/metrics"))["backlog_count"] == 1
    assert ack(queued, mail, second["lease_id"])["ackCount"] == 0, "it is in another queue now"


def test_a_retry_beyond_the_last_one_is_a_dead_letter_too(queued, mail):
    push(queued, mail, 1)
    for _ in range(2):
        (one,) = pull(queued, mail)
        assert ack(queued, mail, retries=[{"lease_id": one["lease_id"]}])["retryCount"] == 1
    assert pull(queued, mail) == []
    dead = f"/queues/{records.id_of('dead')}"
    assert result(queued.api("GET", f"{dead}/metrics"))["backlog_count"] == 1


@pytest.mark.parametrize(
    "told",
    [
        {"acks": [{"lease_id": "nonsense"}]},
        {"acks": [{"lease_id": "1-1-1"}]},
        {"acks": [{}]},
        {"acks": {}},
        {"acks": ["1-1"]},
        {"retries": [{"lease_id": "1-1", "delay_seconds": 86_401}]},
        {"acks": [{"lease_id": "1-1"}] * 1_001},
        {"ack": []},
    ],
)
def test_leases_that_make_no_sense_are_refused(queued, mail, told):
    problem(queued.api("POST", f"{mail}/messages/ack", json=told), 400)


def test_nothing_is_pulled_while_delivery_is_paused(queued, mail):
    push(queued, mail, 1)
    queued.api("PATCH", mail, json={"settings": {"delivery_paused": True}})
    assert pull(queued, mail) == []
    queued.api("PATCH", mail, json={"settings": {"delivery_paused": False}})
    assert len(pull(queued, mail)) == 1


def test_messages_are_peeked_at_and_single_ones_deleted(queued, mail):
    queued.api("POST", f"{mail}/messages/batch", json={"messages": [{"body": n} for n in range(3)]})
    seen = result(queued.api("POST", f"{mail}/messages/peek", json={"batch_size": 2}))["messages"]
    assert [(base64.b64decode(each["body"]), each["attempts"]) for each in seen] == [(b"0", 0), (b"1", 0)]
    assert "lease_id" not in seen[0]
    one, two, three = pull(queued, mail)
    assert (one["id"], one["attempts"]) == (seen[0]["id"], 1)
    refs = [{"ref": seen[0]["ref"]}, {"ref": "fff-0"}]
    gone = result(queued.api("POST", f"{mail}/messages/purge", json={"refs": refs}))
    assert gone == {"errors": [], "warnings": {"fff-0": "there is no such message"}}
    assert ack(queued, mail, *(each["lease_id"] for each in (one, two, three)))["ackCount"] == 2
    problem(queued.api("POST", f"{mail}/messages/purge", json={"refs": [{"ref": "x"}]}), 400)
    problem(queued.api("POST", f"{mail}/messages/peek", json={"batch_size": 101}), 400)


def test_only_a_queue_that_is_pulled_from_is_pulled_from(queued):
    for queue in ("jobs", "dead"):
        told = problem(queued.api("POST", f"/queues/{records.id_of(queue)}/messages/pull"), 400)
        assert "has no consumer that pulls" in told["message"]
        problem(queued.api("POST", f"/queues/{records.id_of(queue)}/messages/ack", json={}), 400)
