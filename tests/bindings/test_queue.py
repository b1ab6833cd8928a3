"""Queues, from a producer's stub through the provider to the disk."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.bindings.small_control import NOON, link, with_control
from wflow.bindings import queue, queue_records
from wflow.bindings.binding import Called
from wflow.errors import InvalidInput, TooLarge, TooMany, UnserializableError
from wflow.stores import _sqlite_queues
from wflow.stores.store import Pressure

JOBS = queue_records.id_of("jobs")


@pytest.fixture
def on_queue(tmp_path):
    """Run a story that is given the control and a producer of the queue `jobs`."""
    return lambda story, target="jobs": with_control(
        tmp_path, lambda control: story(control, link(queue, control, target))
    )


async def refused(coroutine, error=InvalidInput):
    with pytest.raises(error) as raised:
        await coroutine
    return raised.value.message


async def sent(control):
    """Take all messages there are, whenever they are due: content type and body."""
    far = control.at + 86_400_000
    leased = await control.store.queues.lease(JOBS, limit=1_000, now=far, until=far)
    return [(one.content_type, queue.read(one.content_type, one.body)) for one in leased]


def test_each_content_type_comes_back_as_what_was_sent(on_queue):
    day = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)

    async def story(control, jobs):
        await jobs.send({"a": [1, None, "é", 1.5]})
        await jobs.send("text", content_type="text")
        await jobs.send(b"\xff\0", {"contentType": "bytes"})
        await jobs.send(bytearray(b"a"), contentType="bytes")
        await jobs.send({"when": day, 1: {2}}, content_type="v8")
        await jobs.send(None)
        assert await sent(control) == [
            ("json", {"a": [1, None, "é", 1.5]}),
            ("text", "text"),
            ("bytes", b"\xff\0"),
            ("bytes", b"a"),
            ("v8", {"when": day, 1: {2}}),
            ("json", None),
        ]

    on_queue(story)


def test_a_body_that_its_type_cannot_carry_is_refused(on_queue):
    async def story(control, jobs):
        assert "text cannot be dict" in await refused(jobs.send({}, content_type="text"))
        assert "bytes cannot be str" in await refused(jobs.send("a", content_type="bytes"))
        assert "json, text, bytes, v8" in await refused(jobs.send("a", content_type="xml"))
        circle: list[object] = []
        circle.append(circle)
        for odd in (object(), {"a": [object()]}, "\ud800", circle):
            assert "a message of type json cannot be" in await refused(jobs.send(odd))
        with pytest.raises(UnserializableError):
            await jobs.send(object(), content_type="v8")
        assert await sent(control) == []

    on_queue(story)


def test_the_limits_of_messages_and_batches_are_cloudflares(on_queue):
    async def story(control, jobs):
        fits = "x" * (128_000 - 2)
        await jobs.send(fits)
        assert "128001 bytes exceeds limit of 128000" in await refused(jobs.send(f"{fits}x"), TooLarge)
        await jobs.send_batch([{"body": fits}, {"body": fits}])
        much = [{"body": fits}, {"body": fits}, {"body": 1}]
        assert "256,001 bytes exceeds the limit of 256,000" in await refused(jobs.send_batch(much), TooLarge)
        await jobs.sendBatch([{"body": n} for n in range(100)])
        assert "not 101" in await refused(jobs.sendBatch([{"body": n} for n in range(101)]))
        assert "not 0" in await refused(jobs.sendBatch([]))
        assert len(await sent(control)) == 103

    on_queue(story)


def test_a_message_of_a_batch_has_its_own_type_and_delay_or_the_batchs(on_queue):
    async def story(control, jobs):
        batch = [
            {"body": "a", "contentType": "text"},
            {"body": "b", "delaySeconds": 5},
            {"body": "c", "delay_seconds": 0},
        ]
        await jobs.send_batch(iter(batch), delay_seconds=9)
        assert await control.store.queues.due(JOBS, limit=9) == [NOON, NOON + 5_000, NOON + 9_000]
        assert "`body`" in await refused(jobs.send_batch([{"Body": 1}]))
        assert "options are a dict, not int" in await refused(jobs.send_batch([1]))
        assert "no option 'delay'" in await refused(jobs.send(1, delay=1))

    on_queue(story)


def test_a_delay_is_the_messages_own_or_the_bindings_or_the_queues(on_queue):
    async def story(control, jobs):
        settings = queue_records.Settings(delivery_delay=7)
        record = queue_records.Record(id=JOBS, name="jobs", created_at=1, modified_at=1, settings=settings)
        await queue_records.keep(control.store, record)
        await jobs.send(1)
        await jobs.send(2, delay_seconds=0)
        await jobs.send(3, {"delaySeconds": 86_400})
        await link(queue, control, "jobs#3").send(4)
        await link(queue, control, "jobs#3").send(5, delay_seconds=1)
        due = await control.store.queues.due(JOBS, limit=9)
        assert [(at - NOON) // 1000 for at in due] == [0, 1, 3, 7, 86_400]
        for wrong in (-1, 86_401, True, "1"):
            assert "0 to 86400" in await refused(jobs.send(1, delay_seconds=wrong))

    on_queue(story)


def test_sending_tells_the_backlog_as_metrics_do(on_queue):
    async def story(control, jobs):
        assert dict(await jobs.metrics()) == {"backlogCount": 0, "backlogBytes": 0}
        told = await jobs.send("abc")
        control.at += 5
        await jobs.send("d")
        assert told.metadata.metrics.backlog_count == 1
        assert told["metadata"]["metrics"] == {
            "backlogCount": 1,
            "backlogBytes": 5,
            "oldestMessageTimestamp": NOON,
        }
        metrics = await jobs.metrics()
        assert (metrics.backlogCount, metrics.backlog_bytes, metrics.oldest_message_timestamp) == (2, 8, NOON)

    on_queue(story)


def test_a_message_expires_after_its_queues_retention(on_queue):
    async def story(control, jobs):
        await jobs.send(1)
        settings = queue_records.Settings(message_retention_period=60)
        record = queue_records.Record(id=JOBS, name="jobs", created_at=1, modified_at=1, settings=settings)
        await queue_records.keep(control.store, record)
        await jobs.send(2)
        assert await control.store.queues.lapse(now=NOON + 60_000, limit=9) == 1
        assert await control.store.queues.lapse(now=NOON + 4 * 86_400_000 - 1, limit=9) == 0
        assert await control.store.queues.lapse(now=NOON + 4 * 86_400_000, limit=9) == 1

    on_queue(story)


def test_a_full_queue_and_a_disk_that_is_behind_say_so(on_queue, monkeypatch):
    async def story(control, jobs):
        monkeypatch.setattr(_sqlite_queues, "BACKLOG_BYTES", 3)
        await jobs.send(1)
        assert "Storage Limit Exceeded" in await refused(jobs.send("abc"), TooMany)
        behind = Pressure(jobs=1, bytes=1, share=1.0)
        monkeypatch.setattr(type(control.store), "pressure", behind)
        assert "Too Many Requests" in await refused(jobs.send(1), TooMany)

    on_queue(story)


def test_the_provider_checks_what_the_stub_did_not(tmp_path):
    async def story(control):
        async def call(method, *arguments):
            called = Called(method=method, arguments=list(arguments))
            return await queue.serve(control, "jobs", called)

        assert "no method 'burn'" in await refused(call("burn"))
        assert "no method 'send'" in await refused(call("send", 1))
        assert "content type" in await refused(call("send", [["xml", b"", None]]))
        assert "must be encoded" in await refused(call("send", [["json", "1", None]]))
        assert "0 to 86400" in await refused(call("send", [["json", b"1", 10**9]]))
        await refused(call("send", [["json", b"x" * 128_001, None]]), TooLarge)
        assert "not 0" in await refused(call("send", []))

    with_control(tmp_path, story)


@pytest.mark.parametrize("name", ["", "-a", "a b", "x" * 64, None, 1])
def test_a_name_that_no_queue_can_have_is_refused(name):
    with pytest.raises(InvalidInput, match="1 to 63 letters"):
        queue_records.queue_name(name)


def test_queues_are_listed_by_name_and_known_by_an_id_that_their_name_gives(tmp_path):
    async def story(control):
        for name in ("b", "a"):
            id_ = queue_records.id_of(name)
            made = queue_records.Record(id=id_, name=name, created_at=1, modified_at=1)
            await queue_records.keep(control.store, made)
        assert [one.name for one in await queue_records.listed(control.store, NOON)] == ["a", "b"]
        assert (await queue_records.named(control.store, "a", NOON)).created_at == 1
        await queue_records.forget(control.store, queue_records.id_of("a"))
        assert await queue_records.find(control.store, queue_records.id_of("a"), NOON) is None
        assert (await queue_records.named(control.store, "a", NOON)).id == queue_records.id_of("a")

    with_control(tmp_path, story)
    assert len(queue_records.id_of("jobs")) == 32
