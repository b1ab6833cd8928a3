"""An instance's steps, read from its journal page by page: all of them cut short, or one as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.engine.facts import MOVED, RECEIVED, Received, Settled, decode
from wflow.engine.timeline import timeline
from wflow.wire.shown import OUTPUT_BYTES, OUTPUTS_BYTES, STEP_TAGS, trimmed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wflow.engine.facts import Fact
    from wflow.engine.timeline import StepShown
    from wflow.stores.store import Record, Store

RECORDS: Final = 200
"""Facts read at once: each may hold a value of a MiB."""


async def steps(store: Store, key: int) -> list[StepShown]:
    """Read all steps, with outputs that are cut so that all of it stays small."""
    facts: list[Fact] = []
    left = OUTPUTS_BYTES
    async for record in _records(store, key):
        fact, taken = trimmed(decode(record.body), min(left, OUTPUT_BYTES))
        left -= taken
        facts.append(fact)
    return timeline(facts)


async def step(store: Store, key: int, name: str) -> StepShown | None:
    """Read one step, which is called ``name`` with the number of its visit; None when there is none."""
    written = name.encode(errors="replace")
    facts: list[Fact] = []
    events: dict[int, int] = {}
    async for record in _records(store, key):
        if record.tag == RECEIVED:
            event = decode(record.body)
            assert isinstance(event, Received)
            events[event.event] = record.seq
        elif record.tag == MOVED or written in record.body:  # what is of other steps need not be decoded
            facts.append(decode(record.body))
    own = [fact for fact in facts if getattr(fact, "key", name) == name]
    consumed = [fact.event for fact in own if isinstance(fact, Settled) and fact.event is not None]
    for number in consumed:
        (record,) = await store.journal(key, after=events[number] - 1, limit=1)
        own.insert(0, decode(record.body))
    found = timeline(own)
    return found[0] if found else None


async def _records(store: Store, key: int) -> AsyncIterator[Record]:
    """Give the records that tell of steps."""
    seq = 0
    while records := await store.journal(key, after=seq, limit=RECORDS):
        for record in records:
            if record.tag in STEP_TAGS:
                yield record
        seq = records[-1].seq
