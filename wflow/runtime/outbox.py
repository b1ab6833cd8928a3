"""What the turns of one runtime have to say, many turns to a commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from wflow.engine import facts
from wflow.link.frames import Commit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wflow.engine.changes import Change, Row
    from wflow.engine.facts import Fact

IN_FLIGHT: Final = 2
"""Commits that wait for their answer at once; what comes meanwhile makes the next one larger."""


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


class Outbox:
    """Gathers facts and changes; ``send`` takes a Commit, `acked` brings its answer."""

    def __init__(self, send: Callable[[Commit], None]) -> None:
        """Make an empty one, for the running loop."""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._batch = 0
        self._scheduled = False
        self._in_flight: dict[int, dict[int, tuple[Speaker, int]]] = {}
        self._speakers: dict[int, tuple[Speaker, int]] = {}
        self._rows: list[Row] = []
        self._changes: list[Change] = []
        self._received: list[int] = []

    def add(
        self, speaker: Speaker, new: Sequence[Fact], *, last_seq: int, change: Change | None = None
    ) -> None:
        """Commit ``new`` facts, the last of which is number ``last_seq``, and a change after them."""
        instance = speaker.instance
        seq = last_seq - len(new)
        for fact in new:
            seq += 1
            self._rows.append((instance, seq, facts.tag(fact), fact.at, facts.encode(fact)))
            if isinstance(fact, facts.Received):
                self._received.append(fact.event)
        if change is not None:
            self._changes.append(change)
        self._speakers[instance] = (speaker, last_seq)
        self._schedule()

    def acked(self, batch: int, refused: Sequence[int]) -> None:
        """Hand the answer to a commit to those who spoke in it."""
        speakers = self._in_flight.pop(batch, {})
        stale = set(refused)
        for instance, (speaker, seq) in speakers.items():
            if instance in stale:
                speaker.drop()
            else:
                speaker.acked(seq)
        if self._speakers:
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and len(self._in_flight) < IN_FLIGHT:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._speakers:
            return
        self._batch += 1
        speakers, self._speakers = self._speakers, {}
        rows, self._rows = self._rows, []
        changes, self._changes = self._changes, []
        received, self._received = self._received, []
        claims = [(instance, speaker.epoch) for instance, (speaker, _) in speakers.items()]
        self._in_flight[self._batch] = speakers
        self._send(Commit(self._batch, claims, rows, changes, received))
