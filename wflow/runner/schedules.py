"""What fires by the clock: `[triggers] crons` call a Worker's `scheduled`, `schedules` create instances.

An instance of a schedule is named after it and the instant, so one firing creates one, however often it is
tried. A handler is called at least once: a firing is noted when it is over, and one that a crash cut off
comes again. What was missed while the runner stood still is made up for once, with the latest instant.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol

from wflow.engine import facts, values
from wflow.errors import LinkError, StoreError, TooMany
from wflow.runner.instances import CRON
from wflow.runtime import clock
from wflow.stores.store import Absent, Cell
from wflow.wire import crons
from wflow.wire.types import Schedule, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wflow.runner.notes import Notes
    from wflow.runner.registry import Registry
    from wflow.stores.store import Store

SCHEDULES: Final = "schedules"
"""The space of cells that says when each schedule fired last."""
HANDLER_S: Final = 15 * 60.0
"""How long `scheduled` may take, as with Cloudflare."""
FIRINGS: Final = 100
"""Firings under way at once; further ones wait, and are told: of several of one schedule the latest fires."""
TRIES: Final = 8
"""How often a firing is tried that finds no room, no disk or no runtime, ever more slowly."""
_LOOK_MS: Final = 60_000
"""The system's clock may be set while we wait by another one."""
_FULL_MS: Final = 1_000
"""When those are looked at again for which there was no room."""
_PAGE: Final = 1_000

When = Literal["made up", "live", "never"]
"""Whether schedules fire: missed ones too, only while the runner runs, or only by hand."""


class Fires(Protocol):
    """What is done when something fires: a runner."""

    async def create(self, workflow: str, wanted: Sequence[Wanted], *, trigger: str) -> object:
        """Create instances; one that is there already is no error."""
        ...

    async def scheduled(self, worker: str, cron: str, at: int) -> object:
        """Call a Worker's handler; raises what that raises, LoadError, LinkError."""
        ...


class Schedules:
    """See the module. `run` fires what is live; `fire` fires by hand."""

    def __init__(
        self, store: Store, registry: Registry, fires: Fires, notes: Notes, *, when: When = "made up"
    ) -> None:
        """Fire what the ``registry`` says is live; ``fires`` does it, ``notes`` tell of it."""
        self._store = store
        self._registry = registry
        self._fires = fires
        self._notes = notes
        self._when: When = when
        self._marks: dict[str, int] | None = None
        """When each fired last, or was seen first; None before the store was asked."""
        self._under_way: set[asyncio.Task[None]] = set()
        self._late: set[str] = set()
        self._changed = asyncio.Event()
        registry.on_activate.append(self._changed.set)

    def live(self) -> list[Schedule]:
        """List the schedules of what is live."""
        found: list[Schedule] = []
        for build in self._registry.current.values():
            manifest = build.manifest
            named = self._left(build.worker) if manifest.crons is None else dict.fromkeys(manifest.crons)
            found += [Schedule(build.worker, cron) for cron in named]
            for entry in manifest.workflows:
                own = dict.fromkeys(entry.schedules or ())
                found += [Schedule(build.worker, cron, entry.name) for cron in own]
        return found

    async def run(self) -> None:
        """Fire for ever."""
        while self._when != "never":
            self._changed.clear()
            try:
                due = await self._look()
            except StoreError:
                due = clock.now() + 1_000
            timer = clock.ring_at(min(due, clock.now() + _LOOK_MS), self._changed.set)
            try:
                await self._changed.wait()
            finally:
                timer.cancel()

    async def close(self) -> None:
        """Fire no more; what is cut off fires again when there is a runner."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def fire(self, schedule: Schedule, at: int) -> str | None:
        """Fire now, whether declared or not; give the id of the instance. Raises what goes wrong."""
        if schedule.workflow is not None:
            id_ = crons.instance_id(schedule.cron, at)
            wanted = Wanted(id=id_, params=values.encode({}))
            await self._fires.create(schedule.workflow, [wanted], trigger=CRON)
            return id_
        began = time.perf_counter()
        outcome = "exception"
        try:
            async with asyncio.timeout(HANDLER_S):
                await self._fires.scheduled(schedule.worker, schedule.cron, at)
            outcome = "ok"
        finally:
            self._tell(schedule, at, outcome, round((time.perf_counter() - began) * 1000))
        return None

    # -- inside ----------------------------------------------------------------------------------------------

    def _left(self, worker: str) -> list[str]:
        """Name the crons that a Worker had, whose config says nothing of them now; in a dev session none."""
        prefix = _key(Schedule(worker, ""))
        known = self._marks if self._when == "made up" and self._marks else ()
        return [key.removeprefix(prefix) for key in known if key.startswith(prefix)]

    async def _look(self) -> int:
        """Fire what is due, and tell when the next one is."""
        if self._marks is None:
            self._marks = await self._kept() if self._when == "made up" else {}
        live = {_key(schedule): schedule for schedule in self.live()}
        marks = await self._known(self._marks, live)
        at = clock.now()
        due = at + _LOOK_MS
        for key, schedule in live.items():
            cron = crons.Cron(schedule.cron)
            if cron.next(marks[key]) <= at and (last := cron.last(at)) is not None:
                if not self._begin(schedule, last):
                    due = min(due, at + _FULL_MS)
                    continue
                marks[key] = last
            due = min(due, cron.next(max(marks[key], at)))
        return due

    async def _known(self, marks: dict[str, int], live: Mapping[str, Schedule]) -> dict[str, int]:
        """Have a mark for each that is live, and for no other: what comes back begins anew."""
        at = clock.now()
        new = live.keys() - marks.keys()
        gone = marks.keys() - live.keys()
        for key in gone:
            self._late.discard(key)
            del marks[key]  # before its cell: a firing that ends meanwhile must not write it anew
        if self._when == "made up" and (new or gone):
            absent = [Absent(space=SCHEDULES, key=key) for key in gone]
            await self._store.write([*(_mark(key, at) for key in new), *absent])
        marks |= dict.fromkeys(new, at)
        return marks

    async def _kept(self) -> dict[str, int]:
        """Read when each fired last."""
        found: dict[str, int] = {}
        after = ""
        while cells := await self._store.scan(SCHEDULES, after=after, limit=_PAGE, now=clock.now()):
            after = cells[-1].key
            whole = await self._store.read(SCHEDULES, [cell.key for cell in cells], now=clock.now())
            found |= {key: int(cell.value) for key, cell in whole.items()}
        return found

    def _begin(self, schedule: Schedule, at: int) -> bool:
        """Begin to fire, if there is room for it."""
        key = _key(schedule)
        if len(self._under_way) >= FIRINGS:
            if key not in self._late:
                self._late.add(key)
                self._complain(schedule, at, f"{FIRINGS} firings are under way; this one waits")
            return False
        self._late.discard(key)
        task = asyncio.get_running_loop().create_task(self._see_to(schedule, at))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True

    async def _see_to(self, schedule: Schedule, at: int) -> None:
        """Fire, again where that may help, and note that it is over."""
        key = _key(schedule)
        for left in reversed(range(TRIES)):
            try:
                await self.fire(schedule, at)
            except (LinkError, StoreError, TooMany) as error:
                if not left:
                    self._complain(schedule, at, f"given up after {TRIES} tries: {error}")
                    break
                await _pause(1_000 * 2 ** (TRIES - 1 - left))
            except Exception as error:  # noqa: BLE001 - the others fire all the same
                self._complain(schedule, at, str(error) or type(error).__name__)
                break
            else:
                break
        if self._when == "made up" and self._marks is not None and key in self._marks:
            # A later one may be over already, and noted.
            with contextlib.suppress(StoreError):
                if self._marks[key] == at:
                    await self._store.write([_mark(key, at)])

    def _tell(self, schedule: Schedule, at: int, outcome: str, took_ms: int) -> None:
        text = f'"{schedule.cron}" @ {_shown(at)} - {"Ok" if outcome == "ok" else "Error"} ({took_ms}ms)'
        detail: dict[str, object] = {
            "cron": schedule.cron,
            "scheduledTime": at,
            "outcome": outcome,
            "ms": took_ms,
        }
        level = "info" if outcome == "ok" else "error"
        self._notes.add(facts.Logged(level, text, clock.now(), detail, source="request"))

    def _complain(self, schedule: Schedule, at: int, why: str) -> None:
        what = "scheduled" if schedule.workflow is None else f"workflow {schedule.workflow!r}"
        text = f'{schedule.worker}: "{schedule.cron}" @ {_shown(at)}: {what}: {why}'
        detail: dict[str, object] = {"cron": schedule.cron, "scheduledTime": at}
        self._notes.add(facts.Logged("error", text, clock.now(), detail, source="request"))


def _key(schedule: Schedule) -> str:
    """Name it in the store."""
    return "/".join((schedule.worker, schedule.workflow or "", schedule.cron))


async def _pause(delay_ms: int) -> None:
    over = asyncio.Event()
    timer = clock.ring_at(clock.now() + delay_ms, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()


def _mark(key: str, at: int) -> Cell:
    return Cell(space=SCHEDULES, key=key, value=str(at).encode())


def _shown(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
