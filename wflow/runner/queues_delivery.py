"""Takes the messages of one queue to the Worker that consumes it, in batches, several at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wflow.bindings import queue_records as records
from wflow.bindings.binding import Raised
from wflow.bindings.queue import DELAY_S
from wflow.engine import facts
from wflow.errors import LinkError, LoadError, StoreError, WflowError
from wflow.runner.asked import Ended
from wflow.runner.fleet import Fleet
from wflow.runner.notes import Notes
from wflow.runner.registry import Registry
from wflow.runtime import clock
from wflow.stores.queues import Dead, Handled
from wflow.stores.store import Store

if TYPE_CHECKING:
    from wflow.bindings.queue_records import Consumer, Record
    from wflow.runner.registry import Build
    from wflow.stores.queues import Leased

AT_ONCE: Final = 250
"""Batches of one queue that are handled at once, unless its consumer says fewer; Cloudflare's limit."""
BYTES: Final = 256 * 1024 * 1024
"""What messages that are being handled may have together before a queue that has a batch at work waits."""
INTERRUPTIONS: Final = 5
"""How often a message is delivered beyond its tries that was cut off, which is no fault of its own."""
GROW_S: Final = 0.5
"""How long a backlog waits for those that are at work before one more begins."""
LOOK_S: Final = 60.0
"""How often a queue is looked at when nothing is heard of it."""
BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Before code is tried again that cannot be loaded, or a store that cannot be written."""


@dataclass(slots=True, kw_only=True)
class Around:
    """What deliveries work with; ``under_way`` are the bytes of all messages that are being handled."""

    store: Store
    registry: Registry
    fleet: Fleet
    notes: Notes
    now: Callable[[], int]
    under_way: int = 0


class Delivery:
    """Waits for a batch to be full, or old enough, and has it handled; as many at once as the backlog asks.

    That begins with one. It is one more whenever all are at work, none has just failed, and another batch has
    waited for GROW_S or a batch has ended well; half as many after a failure; and one again when all is done.
    """

    def __init__(self, record: Record, consumer: Consumer, around: Around) -> None:
        """Deliver the messages of ``record`` to ``consumer`` once it is started."""
        self._record = record
        self._consumer = consumer
        self._store = around.store
        self._fleet = around.fleet
        self._registry = around.registry
        self._notes = around.notes
        self._now = around.now
        self._around = around
        self._woken = asyncio.Event()
        self._renewed = asyncio.Event()
        self._freed = asyncio.Event()
        self._at_work: set[asyncio.Task[None]] = set()
        self._most = min(consumer.max_concurrency or AT_ONCE, AT_ONCE)
        self._room = 1
        self._task: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[bool] | None = None
        self._complaint = ""

    def is_for(self, record: Record, consumer: Consumer) -> bool:
        """Tell whether it does what is to be done."""
        return record.settings == self._record.settings and consumer == self._consumer

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Hear that there are messages."""
        self._woken.set()

    def renew(self) -> None:
        """Hear that there may be other code."""
        self._renewed.set()

    async def end(self) -> None:
        """Begin nothing new, and wait for what is being handled."""
        await self._stop()
        if self._at_work:
            await asyncio.wait(list(self._at_work))

    async def close(self) -> None:
        """Stop at once."""
        await self._stop()
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._taking is not None:
            await asyncio.gather(self._taking, return_exceptions=True)

    # -- when ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._ready()
                await self._slot()
                build = self._choose()
                await self._bring_up(build)
                # Whole or not at all: of what is leased while this is cancelled nobody else would hear.
                self._taking = asyncio.get_running_loop().create_task(self._take(build))
                took = await asyncio.shield(self._taking)
            except (LoadError, LinkError, StoreError) as wrong:
                # Nothing was taken from the queue: it all waits there for better code.
                self._complain(wrong)
                await self._pause(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1
            except Exception as broken:  # noqa: BLE001 - it is ours, and the messages must not wait for ever
                self._fleet.tell("error", f"queue {self._record.name}: {broken!r}")
                await self._pause(BACKOFF_S[-1])
            else:
                failures, self._complaint = 0, ""
                if not took:  # all that is due has expired, and is about to be deleted
                    await self._pause(BACKOFF_S[0])

    async def _ready(self) -> None:
        """Wait until a batch is full, or its first message has waited for long enough."""
        while True:
            self._woken.clear()
            due = await self._store.queues.due(self._record.id, limit=self._consumer.batch_size)
            now = self._now()
            there = [at for at in due if at <= now]
            if len(there) == self._consumer.batch_size:
                return
            until = due[len(there) : len(there) + 1]
            if there:
                ripe_at = there[0] + self._consumer.max_wait_time_ms
                if ripe_at <= now:
                    return
                until.append(ripe_at)
            elif not self._at_work:
                self._room = 1
            # The loop's timers come a little early.
            alarm = clock.ring_at(min(until) + 1, self._woken.set) if until else None
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._woken.wait()
            finally:
                if alarm is not None:
                    alarm.cancel()

    async def _slot(self) -> None:
        """Wait until another batch may begin."""
        while (is_full := len(self._at_work) >= self._room) or (
            self._at_work and self._around.under_way >= BYTES
        ):
            self._freed.clear()
            try:
                async with asyncio.timeout(GROW_S):
                    await self._freed.wait()
            except TimeoutError:
                if is_full:
                    self._room = min(self._room + 1, self._most)

    def _choose(self) -> Build:
        """Choose the version that gets the batch: a live one, by its share."""
        worker = self._consumer.script
        main = self._registry.current.get(worker)
        if main is None:
            raise LoadError(f"there is no Worker {worker} any more")
        build = self._registry.choose(worker)
        names = {entry.queue for entry in build.manifest.consumers}
        return build if self._record.name in names else main

    async def _bring_up(self, build: Build) -> None:
        """See that the code is up, and has somebody to give a batch to."""
        peer = await self._fleet.peer(build.version)
        if "queue" not in peer.handlers:
            raise LoadError(f"the Worker {build.worker} has no `queue` handler")

    async def _take(self, build: Build) -> bool:
        """Lease a batch and begin with it; tells whether there was one."""
        batch = await self._lease()
        if batch:
            self._begin(build, batch)
        return bool(batch)

    async def _lease(self) -> list[Leased]:
        dead = await self._dead()
        return await self._store.queues.lease(
            self._record.id,
            limit=self._consumer.batch_size,
            now=self._now(),
            until=None,
            # What the runner itself keeps dying over goes where dead letters go, if there is such a place.
            attempts=self._consumer.max_retries + 1 + INTERRUPTIONS,
            dead=dead if dead.queue else None,
        )

    async def _pause(self, seconds: float) -> None:
        """Wait, or until there is other code."""
        self._renewed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._renewed.wait()

    def _complain(self, wrong: WflowError) -> None:
        if wrong.message != self._complaint:
            self._complaint = wrong.message
            self._fleet.tell("error", f"queue {self._record.name} is not delivered: {wrong.message}")

    # -- what ------------------------------------------------------------------------------------------------

    def _begin(self, build: Build, batch: list[Leased]) -> None:
        size = sum(len(one.body) for one in batch)
        self._around.under_way += size
        task = asyncio.get_running_loop().create_task(self._deliver(build, batch))
        self._at_work.add(task)
        task.add_done_callback(lambda done: self._ended(done, size))

    def _ended(self, task: asyncio.Task[None], size: int) -> None:
        self._around.under_way -= size
        self._at_work.discard(task)
        self._freed.set()
        if not task.cancelled() and (broken := task.exception()) is not None:
            self._fleet.tell("error", f"queue {self._record.name}: {broken!r}")

    async def _deliver(self, build: Build, batch: list[Leased]) -> None:
        """Have a batch handled, and see to what becomes of it."""
        began = time.perf_counter()
        retries, raised, at_fault = await self._handled(build, batch)
        took_ms = round((time.perf_counter() - began) * 1000)
        if raised is None:
            self._room = min(self._room + 1, self._most)
        elif at_fault:
            self._room = max(1, self._room // 2)
        self._log(len(batch) - len(retries), len(batch), took_ms, raised)
        await self._settle(batch, retries, at_fault=at_fault)

    async def _handled(
        self, build: Build, batch: Sequence[Leased]
    ) -> tuple[dict[int, int | None], str | None, bool]:
        """Give the places of those to be delivered again, what was raised, and whether the code did it."""
        told = [[one.id, one.at, one.attempts, one.content_type, one.body] for one in batch]
        everything: dict[int, int | None] = dict.fromkeys(range(len(batch)))
        try:
            answer: Any = await self._fleet.handle(
                build.version, "queue", {"queue": self._record.name, "messages": told}
            )
            retries = {place: _delay(delay) for place, delay in answer["retries"] if place in everything}
            raised = None if answer["raised"] is None else str(answer["raised"])
        except (Ended, LoadError) as broken:
            return everything, broken.message, False
        except LinkError as broken:
            return everything, broken.message, True
        except Raised as broken:
            return everything, broken.failure.message, True
        except Exception as broken:  # noqa: BLE001 - user code shares its process with the link: it may say anything
            return everything, f"the runtime's answer makes no sense: {broken!r}", True
        return retries, raised, True

    async def _settle(
        self, batch: Sequence[Leased], retries: dict[int, int | None], *, at_fault: bool
    ) -> None:
        """Note what became of each, however long the store takes."""
        failures = 0
        while True:
            try:
                dead = await self._dead()
                now = self._now()
                handled = []
                for place, one in enumerate(batch):
                    if place not in retries:
                        handled.append(Handled(number=one.number, attempts=one.attempts))
                        continue
                    given = retries[place]
                    delay = self._consumer.retry_delay if given is None else given
                    is_over = at_fault and one.attempts > self._consumer.max_retries
                    handled.append(
                        Handled(
                            number=one.number,
                            attempts=one.attempts,
                            due_at=now if is_over or not at_fault else now + delay * 1000,
                            dead=dead if is_over else None,
                        )
                    )
                await self._store.queues.settle(self._record.id, handled)
            except StoreError as broken:
                self._complain(broken)
                await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1
            else:
                self._woken.set()
                return

    async def _dead(self) -> Dead:
        """Say where messages go that were tried too often."""
        name = self._consumer.dead_letter_queue
        if not name:
            return Dead(queue=None)
        now = self._now()
        queue = await records.named(self._store, name, now)
        return Dead(queue=queue.id, expires_at=now + queue.settings.message_retention_period * 1000)

    def _log(self, acked: int, all_: int, took_ms: int, raised: str | None) -> None:
        name = self._record.name
        detail: dict[str, object] = {"queue": name, "messages": all_, "acked": acked, "ms": took_ms}
        if raised is not None:
            detail["error"] = raised
        level = "info" if raised is None else "error"
        text = f"QUEUE {name} {acked}/{all_} ({took_ms}ms)"
        self._notes.add(facts.Logged(level, text, self._now(), detail, source="queue"))


def _delay(given: object) -> int | None:
    """Read the delay that a consumer wants for a message."""
    if given is None:
        return None
    if not isinstance(given, int) or not 0 <= given <= DELAY_S:
        raise ValueError(f"a delay of {given!r}")
    return given
