"""The queues of a runner: which there are, who consumes them, and that somebody does."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bindings import queue_records as records
from wflow.bindings.queue_records import Consumer, Record
from wflow.errors import StoreError
from wflow.runner.queues_delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.bundle.manifest import ConsumerEntry
    from wflow.runner.queues_delivery import Around
    from wflow.runner.registry import Build

LAPSE_S: Final = 60.0
"""How often messages are looked for whose retention is over."""
LAPSED: Final = 10_000
"""How many of them are deleted before the clock is looked at again."""
AGAIN_S: Final = 2.0
"""When a store that could not be read is read again."""


class Queues:
    """What is known of queues, and a `Delivery` for each that a Worker consumes.

    A queue exists when somebody made it, or a live version names it. Its consumer is the one that a live
    version declares, unless somebody has added or removed one by hand since that version is live.
    """

    def __init__(self, around: Around) -> None:
        """Know nothing yet; `execute` begins to deliver."""
        self._around = around
        self._store = around.store
        self._registry = around.registry
        self._fleet = around.fleet
        self._now = around.now
        self._deliveries: dict[str, Delivery] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._purges: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._registry.on_activate.append(self._changed.set)
        self._store.queues.on_arrival(self._arrived)

    def execute(self) -> None:
        """Deliver from now on."""
        loop = asyncio.get_running_loop()
        self._changed.set()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._lapse())]

    async def close(self) -> None:
        """Stop: what is being handled will be delivered again."""
        tasks = [*self._tasks, *self._leaving, *(task for _, task in self._purges.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(one.close() for one in self._deliveries.values()))

    # -- what the API asks -----------------------------------------------------------------------------------

    async def records(self) -> list[Record]:
        """List all queues by name."""
        kept = {record.name: record for record in await records.listed(self._store, self._now())}
        declared = {name: self._new(name, build) for name, build in self._named()}
        return [record for _, record in sorted({**declared, **kept}.items())]

    async def find(self, id_: str) -> Record | None:
        """Find a queue by its id."""
        kept = await records.find(self._store, id_, self._now())
        if kept is not None:
            return kept
        found = (self._new(name, build) for name, build in self._named() if records.id_of(name) == id_)
        return next(found, None)

    async def keep(self, record: Record) -> None:
        """Keep a queue, new or changed, and act on it."""
        await records.keep(self._store, record)
        self._changed.set()

    async def delete(self, record: Record) -> None:
        """Forget a queue that nobody declares, with all its messages."""
        await records.forget(self._store, record.id)
        self._changed.set()
        await self._store.queues.purge(record.id)

    def purge(self, record: Record, at: int) -> None:
        """Begin to delete all messages that are there; it goes on by itself."""
        if (before := self._purges.get(record.id)) is not None and not before[1].done():
            return
        task = asyncio.get_running_loop().create_task(self._purge(record))
        self._purges[record.id] = (at, task)

    def purged(self, record: Record) -> tuple[int, bool] | None:
        """Tell when the last purge began, since the runner is up, and whether it is done."""
        found = self._purges.get(record.id)
        return None if found is None else (found[0], found[1].done())

    def consumer(self, record: Record) -> Consumer | None:
        """Say who consumes a queue."""
        declared = self._declared(record.name)
        own = record.consumer
        if own is not None and own.version in {"", self.version(record.name)}:
            return None if own.removed else own
        if declared is None:
            return None if own is None or own.removed else own
        return _of(record.name, *declared)

    def version(self, name: str) -> str:
        """Name the live version that declares to consume a queue, and how it does; empty if none does.

        A dev session has but one version, whose config changes.
        """
        declared = self._declared(name)
        if declared is None:
            return ""
        build, entry = declared
        return f"{build.version} {hashlib.sha256(msgspec.json.encode(entry)).hexdigest()[:16]}"

    def producers(self, name: str) -> list[str]:
        """Name the Workers whose live version sends to a queue."""
        return sorted(
            worker
            for worker, build in self._registry.current.items()
            if any(entry.queue == name for entry in build.manifest.producers)
        )

    def users(self, name: str) -> list[str]:
        """Name the Workers whose live version names a queue in any way."""
        return sorted({build.worker for named, build in self._named() if named == name})

    # -- inside ----------------------------------------------------------------------------------------------

    def _arrived(self, queue: str) -> None:
        if (delivery := self._deliveries.get(queue)) is not None:
            delivery.wake()

    def _named(self) -> Iterator[tuple[str, Build]]:
        """Give every name of a queue in a live version."""
        for build in list(self._registry.current.values()):
            manifest = build.manifest
            for producer in manifest.producers:
                yield producer.queue, build
            for consumer in manifest.consumers:
                yield consumer.queue, build
                if consumer.dead_letter_queue:
                    yield consumer.dead_letter_queue, build

    def _new(self, name: str, build: Build) -> Record:
        at = build.described.created_at
        return Record(id=records.id_of(name), name=name, created_at=at, modified_at=at)

    def _declared(self, name: str) -> tuple[Build, ConsumerEntry] | None:
        worker = self._registry.consumer(name)
        if worker is None:
            return None
        build = self._registry.current[worker]
        return build, next(entry for entry in build.manifest.consumers if entry.queue == name)

    async def _follow(self) -> None:
        """Have each queue delivered as it is to be, whenever anything about that changes."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._look()
            except StoreError:
                await asyncio.sleep(AGAIN_S)
                self._changed.set()

    async def _look(self) -> None:
        kept = {record.name for record in await records.listed(self._store, self._now())}
        for name, build in {name: build for name, build in self._named() if name not in kept}.items():
            await records.keep(self._store, self._new(name, build))
        wanted = {}
        for record in await self.records():
            consumer = self.consumer(record)
            if consumer is None or consumer.type != "worker" or record.settings.delivery_paused:
                continue
            if consumer.script in self._registry.current:
                wanted[record.id] = (record, consumer)
        for id_, delivery in list(self._deliveries.items()):
            if id_ in wanted and delivery.is_for(*wanted[id_]):
                delivery.renew()  # there may be other code
            else:
                del self._deliveries[id_]
                self._leave(delivery)
        for id_, (record, consumer) in wanted.items():
            if id_ not in self._deliveries:
                self._deliveries[id_] = self._begin(record, consumer)

    def _begin(self, record: Record, consumer: Consumer) -> Delivery:
        delivery = Delivery(record, consumer, self._around)
        delivery.start()
        return delivery

    def _leave(self, delivery: Delivery) -> None:
        """Let a delivery end what it has begun, and begin nothing new."""
        task = asyncio.get_running_loop().create_task(delivery.end())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _purge(self, record: Record) -> None:
        try:
            await self._store.queues.purge(record.id)
        except StoreError as broken:
            self._fleet.tell("error", f"queue {record.name} is not purged: {broken.message}")

    async def _lapse(self) -> None:
        while True:
            with contextlib.suppress(StoreError):
                while await self._store.queues.lapse(now=self._now(), limit=LAPSED) == LAPSED:
                    pass
            await asyncio.sleep(LAPSE_S)


def _of(name: str, build: Build, entry: ConsumerEntry) -> Consumer:
    """Make the consumer that a version declares."""
    timeout_ms = entry.visibility_timeout_ms
    return Consumer(
        id=records.id_of(f"{name}:{build.worker}"),
        type=entry.type,
        script=build.worker if entry.type == "worker" else "",
        created_at=build.described.created_at,
        batch_size=entry.max_batch_size,
        max_wait_time_ms=entry.max_batch_timeout * 1000,
        max_retries=entry.max_retries,
        max_concurrency=entry.max_concurrency,
        retry_delay=entry.retry_delay,
        visibility_timeout_ms=30_000 if timeout_ms is None else timeout_ms,
        dead_letter_queue=entry.dead_letter_queue or "",
    )
