"""The events of an instance as they happen: read from its journal, page by page, for whoever subscribes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from wflow.engine import facts, names
from wflow.engine.facts import Moved
from wflow.engine.happenings import Happening, Happenings, Told, is_restart, last_number, wanted
from wflow.engine.status import COMPLETE, ENDED
from wflow.errors import InstanceNotFound, InvalidInput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from wflow.bindings.control import Control
    from wflow.stores.store import Instance, Record

READ_AT_ONCE: Final = 100
"""Records of one look at the journal: each may hold a value of a MiB."""
PAGE_BYTES: Final = 4 * names.MIB
"""Records that are this long together are a page, however few they are."""
HEARTBEAT_S: Final = 10.0
"""Whoever follows hears something so often, be it that there is nothing."""
_BIGGEST: Final = 2**62
"""Beyond the number of any event."""

Count = Annotated[int, msgspec.Meta(ge=0, le=_BIGGEST)]


class Mark(msgspec.Struct, array_like=True):
    """How far a journal was read, and for whom; who keeps it can have it read on from there, at any time.

    All events up to the number ``after`` were given, or not wanted. ``seq`` and ``position`` are of the last
    record that was read, ``restarted`` is the position of the last restart. ``ended`` is the status of the
    instance if it was over by then.
    """

    key: Count
    wanted: frozenset[str]
    after: Count = 0
    seq: Count = 0
    position: Count = 0
    restarted: Count = 0
    begun: bool = False
    ended: str = ""
    told: Told = msgspec.field(default_factory=Told)


def mark(instance: Instance, cursor: object, chosen: object, *, end: int) -> Mark:
    """Begin beyond the event number ``cursor`` (None: at the first) with events of the ``chosen`` types.

    ``end`` is the store's last position: a cursor that is beyond it is of a store that has been emptied
    since, and leads to what is new. Raises InvalidInput.
    """
    if cursor is not None and (
        isinstance(cursor, bool) or not isinstance(cursor, int) or not 0 <= cursor <= _BIGGEST
    ):
        raise InvalidInput(f"a cursor is the `eventId` of an event, not {names.shown(cursor)}")
    return Mark(instance.key, wanted(chosen), after=min(cursor or 0, last_number(end)))


class Reader:
    """Reads an instance's journal on from a mark; ``over`` says that there is nothing more to come."""

    def __init__(self, control: Control, instance: Instance, start: Mark) -> None:
        """Read for ``control``; raises InstanceNotFound when the mark is of one that was deleted since."""
        if instance.key != start.key:
            raise _gone(instance)
        self.control = control
        self.instance = instance
        self.mark = start
        self.over = False
        self._fold = self._made()

    async def read(self) -> list[Happening]:
        """Give the next events that are wanted; none when there is nothing more just now.

        Raises InstanceNotFound when the instance was deleted.
        """
        given: list[Happening] = []
        if not self.mark.begun:
            self.mark.begun = True
            given = self._fold.begin(self.instance.created_at)
        while not given and not self.over:
            records = await self._beyond()
            if records is None:
                continue
            given = await self._taken(records)
            if not records:
                break
        return given

    async def _taken(self, records: list[Record]) -> list[Happening]:
        """Take records in, as many as fit on a page; after a restart, begin the journal anew."""
        mark = self.mark
        given: list[Happening] = []
        size = 0
        for record in records:
            fact = _read(record)
            if fact is not None and is_restart(fact) and record.position > mark.restarted:
                mark.restarted = record.position
                if mark.seq:  # a part of what was read before may be gone
                    await self._rewind()
                    return given
            if fact is not None:
                happened = self._fold.take(record.position, await self._whole(fact))
                size += len(record.body) if happened else 0
                given += happened
            if isinstance(fact, Moved):
                mark.ended = fact.status if fact.status in ENDED else ""
            mark.seq, mark.position, mark.after = record.seq, record.position, last_number(record.position)
            if size >= PAGE_BYTES:
                return given
        self.over = bool(mark.ended) and len(records) < READ_AT_ONCE - 1
        return given

    async def _beyond(self) -> list[Record] | None:
        """Read what comes after the last record; None when the journal is no longer what it was."""
        mark = self.mark
        records = await self.control.store.journal(mark.key, after=max(0, mark.seq - 1), limit=READ_AT_ONCE)
        if not mark.seq:
            if not records:
                await self._get()
            return records
        if records and (records[0].seq, records[0].position) == (mark.seq, mark.position):
            return records[1:]
        await self._rewind()
        return None

    async def _rewind(self) -> None:
        """Go back to the journal's beginning; what was given is not given again."""
        await self._get()
        mark = self.mark
        mark.seq = mark.position = 0
        mark.ended = ""
        mark.told = Told()
        self._fold = self._made()

    async def _whole(self, fact: facts.Fact) -> facts.Fact:
        """Add the output to the fact that the instance is complete, which leaves it to the instance's row."""
        if isinstance(fact, Moved) and fact.status == COMPLETE and fact.output is None:
            return msgspec.structs.replace(fact, output=(await self._get()).output)
        return fact

    async def _get(self) -> Instance:
        """Look at the instance again; raises InstanceNotFound when it is gone, or another has its name."""
        found = await self.control.get(self.instance.workflow, self.instance.id)
        if found.key != self.mark.key:
            raise _gone(found)
        return found

    def _made(self) -> Happenings:
        mark = self.mark
        return Happenings(self.instance.params, wanted=mark.wanted, after=mark.after, told=mark.told)


async def follow(reader: Reader, breath_s: Callable[[], float]) -> AsyncGenerator[list[Happening], None]:
    """Give pages of events as they happen, and an empty one every HEARTBEAT_S in which there was none.

    Ends when the instance is over, as `reader.over` says, or the runner stops. A busy store is looked at
    every ``breath_s()``, not after each commit.
    """
    control, loop = reader.control, asyncio.get_running_loop()
    seen = await control.store.position()
    told_at = loop.time()
    while True:
        page = await reader.read()
        if page:
            yield page
            told_at = loop.time()
        if reader.over:
            return
        if page:
            continue
        changed = await control.changed(seen)
        if changed is None:
            return
        if loop.time() - told_at >= HEARTBEAT_S:
            yield []
            told_at = loop.time()
        seen = changed
        await asyncio.sleep(breath_s())


def _read(record: Record) -> facts.Fact | None:
    """Read a fact; None for one that a later release wrote."""
    try:
        return facts.decode(record.body)
    except msgspec.DecodeError:
        return None


def _gone(instance: Instance) -> InstanceNotFound:
    return InstanceNotFound(f"instance.not_found: instance {instance.id!r} was deleted, and made anew since")
