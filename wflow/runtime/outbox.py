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
    from wflow.link import frames

IN_FLIGHT: Final = 2
"""Commits that wait for their answer at once; what comes meanwhile makes the next one larger."""
_TAGS: Final = facts.TAGS
encode: Final = facts.encoder.encode
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


class _Batch:
    """What goes into one commit; ``said`` tells who spoke, by instance, and the number of the last fact."""

    __slots__ = ("changes", "received", "rows", "said", "size")

    def __init__(self) -> None:
        self.said: dict[int, tuple[Speaker, int]] = {}
        self.rows: list[Row] = []
        self.changes: list[Change] = []
        self.received: list[tuple[int, int]] = []
        self.size = 0

    def forget(self, instance: int) -> None:
        """Take back what was said of an instance."""
        del self.said[instance]
        self.rows = [row for row in self.rows if row[0] != instance]
        self.changes = [change for change in self.changes if change.instance != instance]
        self.received = [each for each in self.received if each[0] != instance]


class Outbox:
    """Gathers facts and changes; ``send`` takes a Commit, `acked` brings its answer."""

    def __init__(self, send: Callable[[Commit], None]) -> None:
        """Make an empty one, for the running loop."""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._scheduled = False
        self._in_flight: dict[int, _Batch] = {}
        self._waiting: deque[_Batch] = deque()

    @property
    def speakers(self) -> int:
        """How many have something on its way to disk; who speaks in two commits counts twice."""
        return sum(len(batch.said) for batch in (*self._in_flight.values(), *self._waiting))

    def add(
        self, speaker: Speaker, new: Sequence[Fact], *, last_seq: int, change: Change | None = None
    ) -> None:
        """Commit ``new`` facts, the last of which is number ``last_seq``, and a change after them."""
        instance, waiting = speaker.instance, self._waiting
        if not waiting or waiting[-1].size > COMMIT_BYTES:
            waiting.append(_Batch())
        batch = waiting[-1]
        if instance in batch.said or len(waiting) > 1:
            self._forget_others(speaker)
        seq = last_seq - len(new)
        for fact in new:
            seq += 1
            try:
                raw = encode(fact)
            except UnicodeEncodeError:
                raw = facts.encode(fact)
            tag = _TAGS[type(fact)]
            batch.rows.append((instance, seq, tag, fact.at, raw))
            batch.size += len(raw)
            if tag == facts.RECEIVED:
                assert isinstance(fact, facts.Received)
                batch.received.append((instance, fact.event))
        if change is not None:
            batch.changes.append(change)
        batch.said[instance] = speaker, last_seq
        if not self._scheduled:
            self._schedule()

    def acked(self, number: int, refused: Sequence[int]) -> None:
        """Hand the answer to a commit to those who spoke in it."""
        batch = self._in_flight.pop(number, None)
        if batch is None:
            return
        stale = set(refused)
        for instance, (speaker, seq) in batch.said.items():
            try:
                if instance in stale:
                    speaker.drop()
                else:
                    speaker.acked(seq)
            except Exception as error:  # noqa: BLE001 - one that breaks must not take the others with it
                speaker.broke(error)
        if self._waiting or not self._in_flight:
            # After the calls that this has begun, most of which end at once: they have spoken by then.
            self._schedule()

    def _forget_others(self, speaker: Speaker) -> None:
        """Take back what an earlier turn of the instance said: its claim is over, and ours would keep it."""
        for batch in self._waiting:
            known = batch.said.get(speaker.instance)
            if known is not None and known[0] is not speaker:
                batch.forget(speaker.instance)

    def _schedule(self) -> None:
        if not self._scheduled and len(self._in_flight) < IN_FLIGHT:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._waiting:
            return
        batch = self._waiting.popleft()
        self._number += 1
        self._in_flight[self._number] = batch
        self._send(
            Commit(
                self._number,
                [(instance, speaker.epoch) for instance, (speaker, _) in batch.said.items()],
                batch.rows,
                batch.changes,
                [number for _, number in batch.received],
            )
        )
        batch.rows, batch.changes = [], []
        if self._waiting:
            self._schedule()


class Unplayed:
    """Speaks for an instance that has no turn, and hears nothing."""

    def __init__(self, spec: frames.Turn) -> None:
        """Speak under its claim."""
        self.instance = spec.instance
        self.epoch = spec.epoch

    def acked(self, seq: int) -> None:
        """Hear that it is on disk."""

    def drop(self) -> None:
        """Hear that the claim is over."""

    def broke(self, error: Exception) -> None:
        """Hear what went wrong, which cannot be in this one."""
