from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.stage import until
from wflow import stores
from wflow.bundle.manifest import Manifest, WorkflowEntry
from wflow.engine import facts
from wflow.errors import LinkError, TooMany, WorkflowNotFound
from wflow.runner import schedules
from wflow.runner.notes import Notes
from wflow.runner.registry import Build, Registry
from wflow.runner.schedules import SCHEDULES, Schedules
from wflow.runtime import clock
from wflow.testing.clock import Clock
from wflow.wire.types import Schedule, Version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from wflow.runner.schedules import When
    from wflow.stores.store import Store
    from wflow.wire.types import Wanted

START = round(datetime(2026, 11, 22, 22, 0, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
HOUR = 60 * MINUTE
QUIET = 10
"""Passes of the loop in which nothing waits for the store."""


class Watched:
    """A store that knows how many calls of it are unanswered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.under_way = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*given: Any, **options: Any) -> Any:
            self.under_way += 1
            try:
                return await method(*given, **options)
            finally:
                self.under_way -= 1

        return call


class Life:
    """A runner's schedules over a real store, and what they did."""

    def __init__(self, store: Any, time: Clock, when: When) -> None:
        self.store = store
        self.time = time
        self.registry = Registry()
        self.notes = Notes(store)
        self.created: list[tuple[str, str]] = []
        self.called: list[tuple[str, int]] = []
        self.raising: list[Exception] = []
        self.stuck: asyncio.Event | None = None
        self.schedules = Schedules(store, self.registry, self, self.notes, when=when)

    async def create(self, workflow: str, wanted: Sequence[Wanted], *, trigger: str) -> object:
        if self.raising:
            raise self.raising.pop(0)
        assert trigger == "cron"
        self.created += [(workflow, str(one.id)) for one in wanted]
        return None

    async def scheduled(self, worker: str, cron: str, at: int) -> object:
        assert worker == "shop"
        if self.stuck is not None:
            await self.stuck.wait()
        if self.raising:
            raise self.raising.pop(0)
        self.called.append((cron, at - START))
        return None

    def deploy(self, crons: Sequence[str] | None = None, nightly: Sequence[str] = ()) -> None:
        entry = WorkflowEntry(name="report", class_name="R", binding="R", schedules=tuple(nightly))
        self.registry.activate(build(None if crons is None else tuple(crons), (entry,)))

    async def passes(self, span_ms: int, step_ms: int = MINUTE) -> None:
        """Let time pass, and what is due happen on the way."""
        for _ in range(span_ms // step_ms):
            await self.quiet()
            self.time.move_to(self.time.now_ms() + step_ms)
            self.time.ring()
        await self.quiet()

    async def quiet(self) -> None:
        still = 0
        while still < QUIET:
            await asyncio.sleep(0 if not self.store.under_way else 0.001)
            still = 0 if self.store.under_way else still + 1

    async def log(self) -> list[str]:
        await self.notes.close()
        records = await self.store.tail(0)
        lines = [facts.decode(record.body) for record in records]
        return [line.message for line in lines if isinstance(line, facts.Logged)]

    async def marks(self) -> dict[str, int]:
        cells = await self.store.scan(SCHEDULES, now=0)
        whole = await self.store.read(SCHEDULES, [cell.key for cell in cells], now=0)
        return {key: int(cell.value) - START for key, cell in whole.items()}


def build(crons: tuple[str, ...] | None, workflows: tuple[WorkflowEntry, ...]) -> Build:
    manifest = Manifest(
        name="shop",
        main="worker.py",
        python="3.11",
        wflow="0",
        compatibility_date=None,
        workflows=workflows,
        kv=(),
        vars={},
        files={},
        crons=crons,
    )
    version = Version(
        id="v1",
        worker="shop",
        number=1,
        digest="",
        message="",
        author="",
        created_at=START,
        size_bytes=0,
        workflows=[],
    )
    return Build(described=version, manifest=manifest, root=Path(), folder=Path())


@asynccontextmanager
async def life(folder: Path, at: int = START, when: When = "made up") -> AsyncIterator[Life]:
    store: Any = Watched(await stores.connect(f"sqlite://{folder}"))
    time = Clock(at, _nobody)
    before = clock.follow(time.now_ms, time.ring_at)
    one = Life(store, time, when)
    task = asyncio.create_task(one.schedules.run())
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one.schedules.close()
        clock.follow(before)
        await one.notes.close()
        await store.close()


async def _nobody(_at: int) -> None:
    pass


def play(story: Any) -> None:
    asyncio.run(story)


def test_a_handler_is_called_at_each_instant_of_its_cron(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy(["*/5 * * * *", "30 * * * *"])
            await on.passes(31 * MINUTE)
            five = [("*/5 * * * *", n * 5 * MINUTE) for n in range(1, 7)]
            assert sorted(on.called) == sorted([*five, ("30 * * * *", 30 * MINUTE)])
            assert '"30 * * * *" @ 2026-11-22T22:30:00Z - Ok (0ms)' in await on.log()

    play(story())


def test_a_schedule_of_a_workflow_creates_an_instance_for_each_firing_named_after_it(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy(nightly=["0 * * * *"])
            await on.passes(2 * HOUR)
            assert on.created == [
                ("report", f"0 * * * *-{START + HOUR}"),
                ("report", f"0 * * * *-{START + 2 * HOUR}"),
            ]

    play(story())


def test_what_was_missed_is_made_up_for_once_with_the_latest_instant(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy(["0 * * * *"])
            await on.passes(HOUR)
            assert on.called == [("0 * * * *", HOUR)]
        async with life(tmp_path, START + 5 * HOUR + 7 * MINUTE) as on:
            on.deploy(["0 * * * *"])
            await on.passes(2 * MINUTE)
            assert on.called == [("0 * * * *", 5 * HOUR)]
        async with life(tmp_path, START + 5 * HOUR + 20 * MINUTE) as on:
            on.deploy(["0 * * * *"])
            await on.passes(2 * MINUTE)
            assert on.called == []

    play(story())


def test_a_dev_session_makes_up_for_nothing_and_keeps_nothing(tmp_path):
    async def story() -> None:
        async with life(tmp_path, when="live") as on:
            on.deploy(["0 * * * *"])
            await on.passes(HOUR)
            assert on.called == [("0 * * * *", HOUR)]
            assert await on.marks() == {}
        async with life(tmp_path, START + 5 * HOUR + 7 * MINUTE, when="live") as on:
            on.deploy(["0 * * * *"])
            await on.passes(2 * MINUTE)
            assert on.called == []

    play(story())


def test_nothing_fires_where_it_is_only_fired_by_hand(tmp_path):
    async def story() -> None:
        async with life(tmp_path, when="never") as on:
            on.deploy(["* * * * *"], ["* * * * *"])
            await on.passes(3 * MINUTE)
            assert (on.called, on.created) == ([], [])
            assert await on.schedules.fire(Schedule("shop", "* * * * *"), START) is None
            id_ = await on.schedules.fire(Schedule("shop", "1 2 3 4 *", "report"), START + 7)
            assert (on.called, id_) == ([("* * * * *", 0)], f"1 2 3 4 *-{START + 7}")

    play(story())


def test_a_handler_that_was_cut_off_is_called_again_after_the_restart(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.stuck = asyncio.Event()
            on.deploy(["0 * * * *"])
            await on.passes(HOUR)
            assert on.called == []
        async with life(tmp_path, START + HOUR + MINUTE) as on:
            on.deploy(["0 * * * *"])
            await until(lambda: on.called, "the firing that was cut off")
            assert on.called == [("0 * * * *", HOUR)]

    play(story())


@pytest.mark.parametrize("error", [TooMany("full"), LinkError("no runtime")])
def test_a_firing_that_finds_no_room_is_tried_again(tmp_path, error):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.raising = [error, error]
            on.deploy(nightly=["0 * * * *"])
            await on.passes(HOUR)
            assert on.created == []
            await on.passes(4_000, 1_000)
            assert on.created == [("report", f"0 * * * *-{START + HOUR}")]

    play(story())


def test_it_is_given_up_in_the_end_and_the_next_one_fires(tmp_path, monkeypatch):
    monkeypatch.setattr(schedules, "TRIES", 2)

    async def story() -> None:
        async with life(tmp_path) as on:
            on.raising = [TooMany("the queue is full")] * 2
            on.deploy(nightly=["0 * * * *"])
            await on.passes(2 * HOUR)
            assert on.created == [("report", f"0 * * * *-{START + 2 * HOUR}")]
            assert any("given up after 2 tries: the queue is full" in line for line in await on.log())

    play(story())


def test_a_handler_that_raises_is_told_and_not_called_again(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.raising = [RuntimeError("no such table")]
            on.deploy(["0 * * * *"])
            await on.passes(2 * HOUR)
            assert on.called == [("0 * * * *", 2 * HOUR)]
            lines = await on.log()
            assert any("scheduled: no such table" in line for line in lines)
            assert any("- Error (" in line for line in lines)

    play(story())


def test_a_workflow_that_is_gone_is_told_and_takes_no_other_schedule_along(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy(["30 * * * *"], ["0 * * * *"])
            await on.passes(40 * MINUTE)
            on.raising = [WorkflowNotFound("there is no workflow 'report'")]
            await on.passes(80 * MINUTE)
            assert on.called == [("30 * * * *", 30 * MINUTE), ("30 * * * *", 90 * MINUTE)]
            assert len(on.created) == 1

    play(story())


def test_another_version_has_other_schedules_and_one_that_comes_back_begins_anew(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy(["0 * * * *"])
            await on.passes(10 * MINUTE)
            on.deploy(["*/20 * * * *"])
            await on.passes(HOUR)
            on.deploy(["0 * * * *"])
            await on.passes(20 * MINUTE)
            assert on.called == [("*/20 * * * *", n * 20 * MINUTE) for n in (1, 2, 3)]
            assert await on.marks() == {"shop//0 * * * *": 70 * MINUTE}

    play(story())


def test_a_config_that_says_nothing_of_crons_leaves_them_as_they_were_and_none_ends_them(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy(["0 * * * *"])
            await on.passes(MINUTE)
            on.deploy(None)
            await on.passes(HOUR)
            assert on.called == [("0 * * * *", HOUR)]
        async with life(tmp_path, START + HOUR + 5 * MINUTE) as on:
            on.deploy(None)
            await on.passes(HOUR)
            assert on.called == [("0 * * * *", 2 * HOUR)]
            on.deploy([])
            await on.passes(2 * HOUR)
            assert len(on.called) == 1

    play(story())


def test_a_clock_that_is_set_back_fires_nothing_twice(tmp_path):
    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy(["0 * * * *"])
            await on.passes(HOUR + MINUTE)
        async with life(tmp_path, START + 30 * MINUTE) as on:
            on.deploy(["0 * * * *"])
            await on.passes(HOUR)
            assert on.called == []
            await on.passes(HOUR)
            assert on.called == [("0 * * * *", 2 * HOUR)]

    play(story())


def test_there_is_a_limit_to_what_is_under_way_and_the_rest_waits_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(schedules, "FIRINGS", 2)

    async def story() -> None:
        async with life(tmp_path) as on:
            on.stuck = asyncio.Event()
            on.deploy(["* * * * *"])
            await on.passes(4 * MINUTE)
            on.stuck.set()
            await on.quiet()
            assert on.called == [("* * * * *", MINUTE), ("* * * * *", 2 * MINUTE)]
            await on.passes(2_000, 1_000)
            assert on.called[2:] == [("* * * * *", 4 * MINUTE)]
            assert sum("this one waits" in line for line in await on.log()) == 1


def test_of_many_schedules_at_one_instant_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(schedules, "FIRINGS", 2)

    async def story() -> None:
        async with life(tmp_path) as on:
            on.deploy([], nightly=[f"0 0 {day},23 * *" for day in range(1, 8)])
            await on.passes(2 * HOUR + 4 * MINUTE)
            midnight = START + 2 * HOUR
            assert sorted(on.created) == [("report", f"0 0 {day},23 * *-{midnight}") for day in range(1, 8)]

    play(story())


def test_a_handler_has_no_more_than_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(schedules, "HANDLER_S", 0.02)

    async def story() -> None:
        async with life(tmp_path) as on:
            on.stuck = asyncio.Event()
            with pytest.raises(TimeoutError):
                await on.schedules.fire(Schedule("shop", "* * * * *"), START)
            assert any("- Error (" in line for line in await on.log())

    play(story())
