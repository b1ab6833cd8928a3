"""Queues: a test for each feature from J11 to J17 of the table, named after its id."""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.featured import Bound, gate_of, open_gate, open_project, open_site
from tests.stories.processes import PLAIN, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.featured import Shown

HERE: dict[str, Any] = {"account_id": "local"}


@dataclass(slots=True)
class Queued(Bound):
    """A site whose Worker sends to queues and consumes some of them."""

    def post(self, queue: str, body: object, **options: object) -> Shown:
        """Send a message."""
        asked = {"body": body, "options": options} if options else {"body": body}
        return dict(self.call(f"{queue}/send", asked))

    def got(self, queue: str) -> list[Any]:
        """Give the id, the attempts and the body of each message that was delivered, in order."""
        told = (json.loads(each) for each in self.effects("got"))
        return [each[1:] for each in told if each[0] == queue]

    def bodies(self, queue: str, wanted: int) -> list[Any]:
        """Wait until so many messages were delivered; give their bodies."""
        wait_for(lambda: len(self.got(queue)) >= wanted, f"{wanted} messages of {queue}")
        return [body for _, _, body in self.got(queue)]

    def attempts(self, queue: str, body: object, wanted: int) -> list[int]:
        """Wait until a message was delivered so often; give the attempts."""

        def told() -> list[int] | None:
            found = [attempts for _, attempts, told in self.got(queue) if told == body]
            return found if len(found) >= wanted else None

        return wait_for(told, f"{wanted} attempts of {body}")

    def backlog(self, queue: str) -> int:
        """Count what is in a queue."""
        return int(self.metrics(queue)["backlog_count"])

    def metrics(self, queue: str) -> Shown:
        """Ask the API what is in a queue."""
        return self.api.queues.metrics(queue)

    def empty(self, queue: str) -> None:
        """Wait until nothing is in a queue."""
        wait_for(lambda: self.backlog(queue) == 0, f"{queue} to be empty")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queued]:
    with open_queues(tmp_path_factory.mktemp("queues")) as site:
        yield site


@pytest.fixture(scope="module")
def client(site: Queued) -> Iterator[Any]:
    """Give Cloudflare's own client for Python, which raises an error for an answer that breaks its types."""
    cloudflare = importlib.import_module("cloudflare")
    with cloudflare.Cloudflare(
        api_token="none",
        base_url=f"{site.session.url}/client/v4",
        http_client=importlib.import_module("httpx").Client(**PLAIN),
        _strict_response_validation=True,
    ) as client:
        yield client.queues


def test_j11_send_takes_every_content_type_and_tells_the_backlog(site: Queued):
    told = site.post("LATE", {"held": "back"}, delaySeconds=60)
    metrics = told["metadata"]["metrics"]
    assert metrics["backlogCount"] == 1
    assert metrics["backlogBytes"] == len(json.dumps({"held": "back"}, separators=(",", ":")))
    assert metrics == site.call("LATE/metrics", {})
    assert metrics["oldestMessageTimestamp"] > 1_700_000_000_000
    for body, options in (
        ({"json": [1, None, "ü"]}, {}),
        ("text", {"contentType": "text"}),
        ("json text", {"content_type": "json"}),
    ):
        site.post("JOBS", body, **options)
    site.call("JOBS/bytes", {"body": [0, 255]})
    site.call("JOBS/set", {})
    site.call("JOBS/send", {"body": "named", "named": {"contentType": "text", "delaySeconds": 0}})
    assert [body for body in site.bodies("jobs", 6) if body != {"held": "back"}] == [
        {"json": [1, None, "ü"]},
        "text",
        "json text",
        [0, 255],
        [1, 2],
        "named",
    ]


def test_j11_a_batch_is_sent_as_a_whole_or_not_at_all(site: Queued):
    batch = [{"body": {"batch": n}} for n in range(3)]
    told = site.call("LATE/sendBatch", {"body": batch, "options": {"delaySeconds": 60}})
    assert told["metadata"]["metrics"]["backlogCount"] >= 3
    before = site.backlog("late")
    wrong: list[tuple[object, str, str]] = [
        ([], "InvalidInput", "1 to 100 messages"),
        ([{"body": 1}] * 101, "InvalidInput", "1 to 100 messages"),
        ([{"body": "x" * 127_000}] * 3, "TooLarge", "256,000"),
        ([{"body": 1}, {"body": "x" * 128_001}], "TooLarge", "128000"),
        ([{"body": 1}, {"content_type": "json"}], "InvalidInput", "`body`"),
        ([{"body": 1, "contentType": "yaml"}], "InvalidInput", "json, text, bytes, v8"),
        ([{"body": 1, "delaySeconds": 86_401}], "InvalidInput", "86400"),
        ([{"body": 1, "delay": 1}], "InvalidInput", "'delay'"),
    ]
    for messages, name, part in wrong:
        refused = site.refusal("LATE/sendBatch", {"body": messages})
        assert (refused["name"], part in refused["message"]) == (name, True), refused
    assert site.backlog("late") == before


def test_j11_a_message_waits_for_its_delay_and_a_binding_has_one_of_its_own(site: Queued):
    site.post("LATE", "mine", delaySeconds=0)
    site.post("LATE", "its own")
    queue = site.api.queues.get("late")
    site.api.queues.add_consumer("late", {"type": "http_pull"})
    pulled = pull(site, queue["queue_id"], 100)
    assert [json.loads(base64.b64decode(each["body"])) for each in pulled] == ["mine"]
    site.api.queues.remove_consumer("late", "http_pull")


def test_j12_a_consumer_gets_batches_and_what_it_returns_from_is_gone(site: Queued):
    gate = gate_of(site.world, "j12")
    site.post("JOBS", {"gate": gate, "j12": "first"})
    wait_for(lambda: site.effects("waits"), "the first")
    more = [{"body": {"j12": n, "order": f"j12-{n}", "later": n}} for n in range(9)]
    site.call("JOBS/send_batch", {"body": more})
    open_gate(site.world, "j12")
    site.empty("jobs")
    got = [body["j12"] for _, attempts, body in site.got("jobs") if "j12" in str(body) and attempts == 1]
    assert sorted(map(str, got)) == sorted(["first", *map(str, range(9))])
    sizes = [json.loads(each) for each in site.effects("batch")]
    assert max(size for queue, size in sizes if queue == "jobs") == 5
    assert sorted(site.effects("later")) == [str(n) for n in range(9)], "ctx.wait_until is part of it"
    assert site.end("order", "order-j12-8")["output"]["j12"] == 8
    site.session.says("QUEUE jobs 5/5 (")


def test_j12_a_message_beats_its_batch_and_the_first_word_counts(site: Queued):
    site.post("JOBS", {"j12": "retry then ack", "retry": 1, "ack": True})
    assert site.attempts("jobs", {"j12": "retry then ack", "retry": 1, "ack": True}, 2) == [1, 2]
    body = {"j12": "acked, then all again", "ack": True, "retry_all": True}
    site.post("JOBS", body)
    site.post("JOBS", {"j12": "again", "retry_all": True})
    assert site.attempts("jobs", {"j12": "again", "retry_all": True}, 2) == [1, 2]
    raised = {"j12": "acked, then raised", "ack_all": True, "fail": 0, "delay": -1}
    site.post("JOBS", raised)
    site.empty("jobs")
    assert site.attempts("jobs", body, 1) == [1]
    assert site.attempts("jobs", raised, 1) == [1]


def test_j13_a_handler_that_raises_gets_the_batch_again_until_it_is_dead(site: Queued):
    site.post("JOBS", {"j13": "mended", "fail": 2})
    assert site.attempts("jobs", {"j13": "mended", "fail": 2}, 3) == [1, 2, 3]
    before = site.backlog("dead")
    site.post("JOBS", {"j13": "hopeless", "fail": 9})
    wait_for(lambda: site.backlog("dead") == before + 1, "the dead letter")
    assert site.attempts("jobs", {"j13": "hopeless", "fail": 9}, 3) == [1, 2, 3]
    site.session.says("QUEUE jobs 0/1 (")
    site.session.says("ValueError: fail 3")


def test_j13_a_retry_waits_for_its_delay(site: Queued):
    body = {"j13": "later", "retry": 1, "delay": 1}
    began = time.monotonic()
    site.post("JOBS", body)
    assert site.attempts("jobs", body, 2) == [1, 2]
    assert time.monotonic() - began >= 1


def test_j14_more_batches_are_handled_at_once_while_there_is_a_backlog_or_as_many_as_it_says(site: Queued):
    gate = gate_of(site.world, "j14")
    waiting = len(site.effects("waits"))
    site.call("SLOW/sendBatch", {"body": [{"body": {"gate": gate, "j14": n}} for n in range(6)]})
    site.call("ALONE/sendBatch", {"body": [{"body": {"gate": gate, "j14": n}} for n in range(3)]})
    # Of SLOW's batches of two each waits over its first message, of ALONE's there is one.
    wait_for(lambda: len(site.effects("waits")) - waiting >= 3, "two of SLOW's, and one of ALONE's")
    assert len(site.got("alone")) == 1
    open_gate(site.world, "j14")
    site.empty("slow")
    site.empty("alone")
    steps = [line.split()[0] for line in site.world.effects]
    assert steps.count("goes") == steps.count("waits")


def test_j15_cloudflares_client_pulls_acknowledges_and_retries(site: Queued, client: Any):
    made = client.create(queue_name="pulled", **HERE)
    assert (made.queue_name, made.consumers_total_count) == ("pulled", 0)
    added = client.consumers.create(
        made.queue_id, type="http_pull", settings={"max_retries": 1, "visibility_timeout_ms": 60_000}, **HERE
    )
    assert (added.type, added.settings.max_retries) == ("http_pull", 1)
    client.messages.push(made.queue_id, body={"n": 1}, content_type="json", **HERE)
    bulk: list[dict[str, object]] = [{"body": "two", "content_type": "text"}, {"body": 3}]
    told = client.messages.bulk_push(made.queue_id, messages=bulk, **HERE)
    assert told.metadata.metrics.backlog_count == 3
    peeked = client.messages.peek(made.queue_id, batch_size=10, **HERE).messages
    assert [each.attempts for each in peeked] == [0, 0, 0]
    found = client.messages.pull(made.queue_id, batch_size=10, **HERE)
    assert (len(found.messages), found.message_backlog_count) == (3, 3)
    one, two, three = found.messages
    assert (json.loads(base64.b64decode(one.body)), two.body, one.attempts) == ({"n": 1}, "two", 1)
    assert client.messages.pull(made.queue_id, **HERE).messages == [], "they are leased"
    done = client.messages.ack(
        made.queue_id,
        acks=[{"lease_id": one.lease_id}],
        retries=[{"lease_id": two.lease_id}, {"lease_id": three.lease_id, "delay_seconds": 600}],
        **HERE,
    )
    assert (done.ack_count, done.retry_count, done.warnings) == (1, 2, {})
    (again,) = client.messages.pull(made.queue_id, visibility_timeout_ms=0, **HERE).messages
    assert (again.id, again.attempts) == (two.id, 2)
    late = client.messages.ack(
        made.queue_id, acks=[{"lease_id": one.lease_id}, {"lease_id": again.lease_id}], **HERE
    )
    assert (late.ack_count, list(late.warnings)) == (1, [one.lease_id]), "late is not too late"
    assert client.get_metrics(made.queue_id, **HERE).backlog_count == 1
    assert client.messages.purge(made.queue_id, refs=[{"ref": peeked[2].ref}], **HERE).warnings == {}
    assert client.get_metrics(made.queue_id, **HERE).backlog_count == 0
    client.delete(made.queue_id, **HERE)
    assert "pulled" not in {queue.queue_name for queue in client.list(**HERE)}


def test_j15_what_was_pulled_too_often_is_a_dead_letter(site: Queued, client: Any):
    made = client.create(queue_name="often", **HERE)
    grave = client.create(queue_name="grave", **HERE)
    client.consumers.create(
        made.queue_id, type="http_pull", dead_letter_queue="grave", settings={"max_retries": 1}, **HERE
    )
    client.messages.push(made.queue_id, body="x", content_type="text", **HERE)
    for attempt in (1, 2):
        (one,) = client.messages.pull(made.queue_id, visibility_timeout_ms=0, **HERE).messages
        assert one.attempts == attempt
    assert client.messages.pull(made.queue_id, visibility_timeout_ms=0, **HERE).messages == []
    assert client.get_metrics(grave.queue_id, **HERE).backlog_count == 1
    path = f"/client/v4/accounts/local/queues/{grave.queue_id}/messages/pull"
    (error,) = site.session.ask("POST", path).json()["errors"]
    assert error["message"].startswith("queue 'grave' has no consumer that pulls")


def test_j15_one_kind_of_consumer_at_a_time(site: Queued):
    refused = site.world.wflow("queues", "consumer", "http", "add", "jobs", "--local")
    assert (refused.code, "has a consumer already" in refused.err) == (1, True)
    path = f"/client/v4/accounts/local/queues/{site.api.queues.get('jobs')['queue_id']}/messages/pull"
    assert site.session.ask("POST", path).status_code == 400


def test_j16_delivery_is_paused_and_goes_on(site: Queued):
    assert run(site, "pause-delivery", "jobs") == "Paused message delivery for queue jobs.\n"
    wait_for(lambda: site.api.queues.get("jobs")["settings"]["delivery_paused"], "the pause")
    site.post("JOBS", "paused")
    assert site.backlog("jobs") == 1
    assert "paused" in run(site, "info", "jobs")
    assert run(site, "resume-delivery", "jobs") == "Resumed message delivery for queue jobs.\n"
    site.empty("jobs")
    assert site.attempts("jobs", "paused", 1) == [1]


def test_j16_a_queue_is_made_looked_at_changed_purged_and_deleted(site: Queued):
    assert run(site, "create", "made", "--message-retention-period-secs", "60") == "Created queue 'made'\n"
    assert site.world.wflow("queues", "create", "made", "--local").code == 1
    assert {each["queue_name"] for each in json.loads(run(site, "list", "--json"))} > {"jobs", "dead", "made"}
    assert run(site, "update", "made", "--delivery-delay-secs", "30") == "Updated queue made.\n"
    shown = json.loads(run(site, "info", "made", "--json"))
    assert shown["settings"] == {
        "delivery_delay": 30,
        "delivery_paused": False,
        "message_retention_period": 60,
    }
    site.api.queues.send("made", {"n": 1})
    assert site.backlog("made") == 1
    assert run(site, "purge", "made", "--force") == "Purged queue 'made'\n"
    assert site.backlog("made") == 0
    assert run(site, "consumer", "add", "made", "queues", "--batch-size", "7") == (
        "Added consumer to queue made.\n"
    )
    (consumer,) = json.loads(run(site, "consumer", "list", "made", "--json"))
    assert (consumer["script_name"], consumer["settings"]["batch_size"]) == ("queues", 7)
    assert run(site, "consumer", "remove", "made", "queues") == "Removed consumer from queue made.\n"
    assert run(site, "delete", "made", "--yes") == "Deleted queue made.\n"
    used = site.world.wflow("queues", "delete", "jobs", "--yes", "--local")
    assert (used.code, "in use by the Worker 'queues'" in used.err) == (1, True)


def test_j16_what_nobody_acknowledges_is_given_up_after_its_retention(site: Queued, client: Any):
    made = client.create(queue_name="short", **HERE)
    for wrong in (59, 14 * 86_400 + 1):
        settings = {"message_retention_period": wrong}
        path = f"/client/v4/accounts/local/queues/{made.queue_id}"
        assert site.session.ask("PATCH", path, json={"settings": settings}).status_code == 400
    assert client.get(made.queue_id, **HERE).settings.message_retention_period == 4 * 86_400
    changed = client.edit(made.queue_id, settings={"message_retention_period": 60}, **HERE)
    assert (changed.settings.message_retention_period, changed.settings.delivery_delay) == (60, 0)
    started = client.purge.start(made.queue_id, delete_messages_permanently=True, **HERE)
    assert started.queue_name == "short"
    wait_for(lambda: client.purge.status(made.queue_id, **HERE).completed == "true", "the purge")


def test_j17_messages_outlive_every_death_and_come_again_to_who_had_them(
    tmp_path_factory: pytest.TempPathFactory,
):
    folder = tmp_path_factory.mktemp("deaths")
    with open_queues(folder) as site:
        gate = gate_of(site.world, "j17")
        site.post("SLOW", {"gate": gate, "j17": 1})
        site.post("LATE", "kept")
        wait_for(lambda: site.effects("waits"), "the message to be handled")
        site.lose_runtimes()
        assert site.attempts("slow", {"gate": gate, "j17": 1}, 2) == [1, 2]
        site.post("JOBS", "before")
        site.empty("jobs")
        site.session.kill()
        world = site.world
    with world.dev() as session, session.api() as api:
        site = Queued(world, session, api)
        assert site.attempts("slow", {"gate": gate, "j17": 1}, 3) == [1, 2, 3]
        open_gate(world, "j17")
        site.empty("slow")
        assert site.backlog("late") == 1
        assert [body for _, _, body in site.got("jobs")] == ["before"], "what was acknowledged stays so"


def test_j17_a_consumer_that_cannot_load_or_handle_loses_nothing(tmp_path_factory: pytest.TempPathFactory):
    with open_queues(tmp_path_factory.mktemp("mended")) as site:
        site.world.edit("worker.py", "async def queue(self", "async def no_queue(self")
        site.session.says("Ready on")
        wait_for(lambda: "Reloaded" in site.session.err or "reload" in site.session.err.lower(), "a reload")
        site.post("JOBS", "waits")
        site.session.says("queue jobs is not delivered: the Worker queues has no `queue` handler")
        assert site.backlog("jobs") == 1
        site.world.edit("worker.py", "async def no_queue(self", "async def queue(self")
        assert site.attempts("jobs", "waits", 1) == [1]
        assert site.session.err.count("is not delivered") == 1


def test_j18_a_step_that_sends_and_is_made_again_has_sent_once(site: Queued):
    assert site.output("sender", {"name": "j18", "failures": 2}) == 3
    site.empty("jobs")
    assert Counter(site.effects("sending"))["j18"] == 3
    assert site.attempts("jobs", {"from": "j18"}, 1) == [1]


@contextlib.contextmanager
def open_queues(folder: Path) -> Iterator[Queued]:
    """Have a session of the project."""
    with open_site(open_project(folder, "queues")) as site:
        yield Queued(site.world, site.session, site.api)


def run(site: Queued, *arguments: str) -> str:
    """Run a command of `wflow queues` that goes well; give what it prints."""
    done = site.world.wflow("queues", *arguments, "--local")
    assert done.code == 0, done.err
    return done.out


def pull(site: Queued, queue: str, size: int) -> list[Shown]:
    """Pull messages."""
    path = f"/client/v4/accounts/local/queues/{queue}/messages/pull"
    answer = site.session.ask("POST", path, json={"batch_size": size})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["result"]["messages"])
