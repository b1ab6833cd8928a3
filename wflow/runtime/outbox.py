"""What the turns of one runtime have to say, many turns to a commit."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from wflow.engine import facts
from wflow.link.frames import Commit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wflow.engine.changes import Change, Row
    from wflow.engine.facts import Fact

IN_FLIGHT: Final = 2
"""Commits that wait for their answer at once; what comes meanwhile makes the next one larger."""
COMMIT_BYTES: Final = 16 * 1024 * 1024
"""A commit that holds so much is full; the rest goes into the next one."""


class Speaker(Protocol):
    """Who says something: a turn."""

    instance: int
    epoch: int

    def acked(self, seq: int) -> None:
        """Hear that the facts up to ``seq`` are on disk."""
        ...

    def drop(self) -> None:
        """Hear that the claim is over."""
        ...

    def broke(self, error: Exception) -> None:
        """Hear what went wrong in one of these."""
        ...


class _Said:
    """What one speaker has to say in one commit."""

    __slots__ = ("changes", "received", "rows", "seq", "size", "speaker")

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.seq = 0
        self.size = 0
        self.rows: list[Row] = []
        self.changes: Sequence[Change] = ()
        self.received: list[int] | None = None


class Outbox:
    """Gathers facts and changes; ``send`` takes a Commit, `acked` brings its answer."""

    def __init__(self, send: Callable[[Commit], None]) -> None:
        """Make an empty one, for the running loop."""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._batch = 0
        self._scheduled = False
        self._in_flight: dict[int, list[_Said]] = {}
        self._waiting: deque[_Said] = deque()
        self._open: dict[int, _Said] = {}

    def add(
        self, speaker: Speaker, new: Sequence[Fact], *, last_seq: int, change: Change | None = None
    ) -> None:
        """Commit ``new`` facts, the last of which is number ``last_seq``, and a change after them."""
        instance = speaker.instance
        said = self._open.get(instance)
        if said is None or said.speaker is not speaker or said.size > COMMIT_BYTES:
            said = self._begin(speaker, said)
        for seq, fact in enumerate(new, last_seq - len(new) + 1):
            raw, tag = facts.encode(fact), facts.tag(fact)
            said.rows.append((instance, seq, tag, fact.at, raw))
            said.size += len(raw)
            if tag == facts.RECEIVED:
                assert isinstance(fact, facts.Received)
                said.received = said.received or []
                said.received.append(fact.event)
        if change is not None:
            said.changes = (*said.changes, change)
        said.seq = last_seq
        self._schedule()

    def acked(self, batch: int, refused: Sequence[int]) -> None:
        """Hand the answer to a commit to those who spoke in it."""
        stale = set(refused)
        for said in self._in_flight.pop(batch, ()):
            speaker = said.speaker
            try:
                if speaker.instance in stale:
                    speaker.drop()
                else:
                    speaker.acked(said.seq)
            except Exception as error:  # noqa: BLE001 - one that breaks must not take the others with it
                speaker.broke(error)
        if self._waiting:
            self._schedule()

    def _begin(self, speaker: Speaker, before: _Said | None) -> _Said:
        if before is not None and before.speaker is not speaker:
            # An earlier turn of the instance, whose claim is over: what it says now would pass for ours.
            self._waiting = deque(said for said in self._waiting if said.speaker is not before.speaker)
        said = self._open[speaker.instance] = _Said(speaker)
        self._waiting.append(said)
        return said

    def _schedule(self) -> None:
        if not self._scheduled and len(self._in_flight) < IN_FLIGHT:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._waiting:
            return
        self._batch += 1
        speakers = self._in_flight[self._batch] = self._take()
        self._send(
            Commit(
                self._batch,
                [(said.speaker.instance, said.speaker.epoch) for said in speakers],
                [row for said in speakers for row in said.rows],
                [change for said in speakers for change in said.changes],
                [number for said in speakers for number in said.received or ()],
            )
        )
        if self._waiting:
            self._schedule()

    def _take(self) -> list[_Said]:
        """Take what goes into one commit; of each speaker once, so that each has one answer."""
        waiting, taken, size = self._waiting, [], 0
        instances: set[int] = set()
        while waiting and size <= COMMIT_BYTES and waiting[0].speaker.instance not in instances:
            said = waiting.popleft()
            instance = said.speaker.instance
            if self._open.get(instance) is said:
                del self._open[instance]
            instances.add(instance)
            taken.append(said)
            size += said.size
        return taken
