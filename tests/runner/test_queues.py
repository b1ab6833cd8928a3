"""Which queues there are and who consumes them: two Workers on one runner, versions, what is done by hand."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.runner.stage import build, until
from wflow import stores
from wflow.bindings import _queue_served, queue_records
from wflow.bindings.queue_records import Consumer, Record, Settings
from wflow.bundle.manifest import ConsumerEntry, ProducerEntry
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.errors import InvalidInput
from wflow.runner import peer
from wflow.runner.queues import Queues
from wflow.runner.queues_delivery import Around
from wflow.runner.registry import Registry
from wflow.runner.runner import Runner
from wflow.wire.types import HttpRequest, Share

FRONT = """
from wflow import Response, WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        for body in await request.json():
            await self.env.JOBS.send(body)
        return Response("sent")
"""
BACK = """
from pathlib import Path

async def on_queue(batch, env, ctx):
    with Path(env.WITNESS).open("a") as witness:
        for message in batch.messages:
            print(env.NAME, batch.queue, message.body, file=witness)
"""


class World:
    """A runner with the Workers that are deployed to it, each a project of a config and code."""

    def __init__(self, runner, folder):
        self.runner = runner
        self.folder = folder
        self.witness = folder / "witness.txt"

    async def upload(self, name, config, code):
        project = self.folder / name
        project.mkdir(exist_ok=True)
        (project / "worker.py").write_text(code)
        (project / "wflow.toml").write_text(f'name = "{name}"\nmain = "worker.py"\n{textwrap.dedent(config)}')
        packed = pack(load(path=project / "wflow.toml"))
        return await self.runner.upload(
            name, packed.data, digest=packed.manifest.digest, message="", author="me"
        )

    async def deploy(self, name, config, code):
        version = await self.upload(name, config, code)
        share = Share(version=version.id, percentage=100)
        await self.runner.release(name, [share], message="", author="me")
        return version

    async def send(self, *bodies):
        asked = HttpRequest(
            method="POST", url="http://localhost/", headers=[], body=msgspec.json.encode(bodies)
        )
        assert (await self.runner.fetch("front", asked)).status == 200

    async def got(self, count):
        """Wait until so many messages were consumed; give them."""

        def there():
            lines = self.witness.read_text().splitlines() if self.witness.exists() else []
            return lines if len(lines) >= count else None

        return await until(there, f"{count} messages")


def in_world(tmp_path, story):
    async def told():
        runner = await Runner.open(f"sqlite://{tmp_path / 'data'}", tmp_path / "versions")
        runner.execute()
        try:
            await story(World(runner, tmp_path))
        finally:
            await runner.close()

    asyncio.run(told())


def consumes(witness, name):
    return f"""
        vars = {{ WITNESS = "{witness}", NAME = "{name}" }}
        [[queues.consumers]]
        queue = "jobs"
        max_batch_timeout = 0
    """


SENDS = """
    [[queues.producers]]
    binding = "JOBS"
    queue = "jobs"
"""


def test_one_worker_consumes_what_another_sends_and_the_version_does_that_is_live(tmp_path):
    async def story(world):
        await world.deploy("front", SENDS, FRONT)
        await world.send("early")
        await world.deploy("back", consumes(world.witness, "v1"), BACK)
        await world.send("one")
        assert sorted(await world.got(2)) == ["v1 jobs early", "v1 jobs one"]
        await world.deploy("back", consumes(world.witness, "v2"), BACK)
        await world.send("two")
        assert (await world.got(3))[-1] == "v2 jobs two"
        await world.deploy("back", f'vars = {{ WITNESS = "{world.witness}" }}', BACK)
        await world.send("three")
        backlog = await world.runner.store.queues.backlog(queue_records.id_of("jobs"))
        assert (backlog.messages, len(await world.got(3))) == (1, 3), "nobody consumes any more"

    in_world(tmp_path, story)


def test_shares_hold_for_batches_as_well(tmp_path):
    async def story(world):
        await world.deploy("front", SENDS, FRONT)
        first = await world.deploy("back", f"{consumes(world.witness, 'v1')}max_batch_size = 1\n", BACK)
        second = await world.upload("back", f"{consumes(world.witness, 'v2')}max_batch_size = 1\n", BACK)
        shares = [Share(version=first.id, percentage=50), Share(version=second.id, percentage=50)]
        await world.runner.release("back", shares, message="", author="me")
        await world.send(*range(40))
        versions = {line.split()[0] for line in await world.got(40)}
        assert versions == {"v1", "v2"}

    in_world(tmp_path, story)


def test_a_queue_has_one_consumer_on_a_runner(tmp_path):
    async def story(world):
        await world.deploy("back", consumes(world.witness, "v1"), BACK)
        with pytest.raises(InvalidInput, match="'jobs' is consumed by the Worker 'back'"):
            await world.upload("other", consumes(world.witness, "v1"), BACK)

    in_world(tmp_path, story)


BLOCKS = """
import time
from pathlib import Path

def on_queue(batch, env):
    for message in batch.messages:
        if message.attempts == 1:
            time.sleep(600)
        with Path(env.WITNESS).open("a") as witness:
            print(message.body, message.attempts, file=witness)
"""


def test_a_consumer_that_blocks_its_process_for_good_ends_with_it_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(peer, "HANDLE_S", 0.2)

    async def story(world):
        await world.deploy("front", SENDS, FRONT)
        await world.deploy("back", consumes(world.witness, "v1"), BLOCKS)
        await world.send("a")
        assert await world.got(1) == ["a 2"]

    in_world(tmp_path, story)


# -- without a Worker ----------------------------------------------------------------------------------------


def version(name, *entries, producers=(), worker="shop"):
    plain = build(version=name, worker=worker, at=5)
    made = tuple(ProducerEntry(binding=each.upper(), queue=each) for each in producers)
    manifest = msgspec.structs.replace(plain.manifest, consumers=entries, producers=made)
    return replace(plain, manifest=manifest)


def on_queues(tmp_path, story):
    async def told():
        store = await stores.connect(f"sqlite://{tmp_path}")
        registry = Registry()
        nobody: Any = SimpleNamespace(tell=lambda *_: None)
        queues = Queues(Around(store=store, registry=registry, fleet=nobody, notes=nobody, now=lambda: 1_000))
        try:
            await story(queues, registry)
        finally:
            await queues.close()
            await store.close()

    asyncio.run(told())


JOBS = Record(id=queue_records.id_of("jobs"), name="jobs", created_at=1, modified_at=1)


def test_queues_are_those_that_were_made_and_those_that_live_versions_name(tmp_path):
    async def story(queues, registry):
        await queues.keep(JOBS)
        entry = ConsumerEntry(queue="mail", dead_letter_queue="dead")
        registry.activate(version("v1", entry, producers=["out"]))
        assert [(one.name, one.created_at) for one in await queues.records()] == [
            ("dead", 5),
            ("jobs", 1),
            ("mail", 5),
            ("out", 5),
        ]
        assert (await queues.find(queue_records.id_of("mail"))).name == "mail"
        assert await queues.find("0" * 32) is None
        assert (queues.producers("out"), queues.producers("mail")) == (["shop"], [])
        assert (queues.users("dead"), queues.users("jobs")) == (["shop"], [])

    on_queues(tmp_path, story)


def test_a_declared_queue_is_kept_with_its_settings_once_it_is_followed(tmp_path):
    async def story(queues, registry):
        registry.activate(version("v1", producers=["out"]))
        queues.execute()

        async def kept():
            return await queue_records.find(queues._store, queue_records.id_of("out"), 1)

        assert (await until(kept, "the queue to be kept")).settings == Settings()

    on_queues(tmp_path, story)


def test_what_is_done_by_hand_holds_until_the_next_version_that_declares_the_queue(tmp_path):
    async def story(queues, registry):
        registry.activate(version("v1", ConsumerEntry(queue="jobs", max_batch_size=7)))
        declared = queues.consumer(JOBS)
        assert (declared.script, declared.batch_size, declared.max_wait_time_ms) == ("shop", 7, 5_000)
        by_hand = Consumer(id="c", type="http_pull", version=queues.version("jobs"))
        assert queues.consumer(msgspec.structs.replace(JOBS, consumer=by_hand)) == by_hand
        taken_away = msgspec.structs.replace(by_hand, removed=True)
        assert queues.consumer(msgspec.structs.replace(JOBS, consumer=taken_away)) is None
        registry.activate(version("v1", ConsumerEntry(queue="jobs", max_batch_size=7), producers=["a"]))
        assert queues.consumer(msgspec.structs.replace(JOBS, consumer=taken_away)) is None
        registry.activate(version("v1", ConsumerEntry(queue="jobs", max_batch_size=8)))
        assert queues.consumer(msgspec.structs.replace(JOBS, consumer=taken_away)).batch_size == 8
        registry.activate(version("v2", ConsumerEntry(queue="jobs", max_batch_size=8)))
        for own in (by_hand, taken_away):
            assert queues.consumer(msgspec.structs.replace(JOBS, consumer=own)).batch_size == 8
        added_before = msgspec.structs.replace(by_hand, version="")
        assert queues.consumer(msgspec.structs.replace(JOBS, consumer=added_before)) == added_before

    on_queues(tmp_path, story)


def test_one_that_pulls_is_declared_as_well(tmp_path):
    async def story(queues, registry):
        entry = ConsumerEntry(queue="jobs", type="http_pull", visibility_timeout_ms=7)
        registry.activate(version("v1", entry))
        found = queues.consumer(JOBS)
        assert (found.type, found.script, found.visibility_timeout_ms) == ("http_pull", "", 7)
        registry.activate(version("v2"))
        assert queues.consumer(JOBS) is None

    on_queues(tmp_path, story)


def test_expired_messages_are_deleted_by_and_by_however_many_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr("wflow.runner.queues.LAPSED", 2)

    async def story(queues, registry):
        made = _queue_served.message(JOBS, 0, "json", b"1")
        await queues._store.queues.send([msgspec.structs.replace(made, expires_at=999)] * 5)
        queues.execute()

        async def none_left():
            return not (await queues._store.queues.backlog(JOBS.id)).messages

        await until(none_left, "the message to be gone")

    on_queues(tmp_path, story)
