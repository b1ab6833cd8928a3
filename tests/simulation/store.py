"""The store of a simulation: the contract of `wflow/stores/store.py` in memory, as plainly as it can be said.

What is called is durable when it returns; when it is called is the world's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wflow.engine import facts, status
from wflow.engine.changes import Change, Ended, Held, Rested, Rolling, Row, Told
from wflow.engine.facts import Fact, Moved, Received
from wflow.engine.outcome import Failure
from wflow.engine.requests import CANCEL, CHILD, is_request
from wflow.stores.family import heard
from wflow.stores.store import Claim, Delivery, New

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A fact in a journal; ``epoch`` is that of the claim it came under, None when the store wrote it.

    ``tick`` orders all that happens in the world, ``at`` is when it was kept.
    """

    seq: int
    fact: Fact
    raw: bytes
    epoch: int | None
    tick: int
    at: int


@dataclass(slots=True, kw_only=True)
class Instance:
    """What is kept of one instance."""

    key: int
    new: New
    status: str = status.QUEUED
    epoch: int = 0
    held: bool = False
    died: bool = False
    wake_at: int | None = None
    awaits: tuple[str, ...] = ()
    started_at: int | None = None
    shown: bytes | None = None
    journal: list[Kept] = field(default_factory=list)
    inbox: list[Received] = field(default_factory=list)
    output: bytes | None = None
    failure: Failure | None = None
    ended: Ended | None = None
    gone: list[Received] = field(default_factory=list)
    """Events that were still in its inbox when it ended."""
    given_up: dict[int, int] = field(default_factory=dict)
    """The ticks at which its holders ended their claims themselves, by epoch."""

    @property
    def seq(self) -> int:
        return self.journal[-1].seq if self.journal else 0

    @property
    def over(self) -> bool:
        return self.status in status.ENDED


class Store:
    """See the module; ``now`` tells the time."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.instances: dict[int, Instance] = {}
        self.ticks = 0
        self._names: dict[tuple[str, str], int] = {}
        self._events = 0

    def tick(self) -> int:
        self.ticks += 1
        return self.ticks

    def create(self, new: New) -> int | None:
        if (new.workflow, new.id) in self._names:
            return None
        key = self._names[new.workflow, new.id] = len(self.instances) + 1
        self.instances[key] = Instance(key=key, new=new)
        parent = None if new.parent is None else self.instances[new.parent]
        if new.follows and parent is not None and parent.over:
            self._keep(self.instances[key], CANCEL, b"\xc0", new.at)
        return key

    def find(self, workflow: str, id_: str) -> Instance | None:
        key = self._names.get((workflow, id_))
        return None if key is None else self.instances[key]

    def due_at(self) -> int | None:
        """Say when the next claim can be made; 0 for at once."""
        times = [
            0 if one.status == status.QUEUED else one.wake_at
            for one in self.instances.values()
            if not one.held and (one.status == status.QUEUED or one.wake_at is not None)
        ]
        return min((at for at in times if at is not None), default=None)

    def claim(self, now: int) -> list[Claim]:
        free = [one for one in self.instances.values() if not one.held]
        due = [one for one in free if one.wake_at is not None and one.wake_at <= now]
        due.sort(key=lambda one: (one.wake_at, one.key))
        return [
            self._claimed(one, now) for one in (*due, *(one for one in free if one.status == status.QUEUED))
        ]

    def _claimed(self, one: Instance, now: int) -> Claim:
        died, one.died = one.died, False
        one.epoch += 1
        one.held, one.wake_at, one.awaits = True, None, ()
        one.started_at = now if one.started_at is None else one.started_at
        if one.status not in (status.PAUSING, status.ROLLING_BACK):
            one.status = status.RUNNING
        return Claim(
            key=one.key,
            epoch=one.epoch,
            workflow=one.new.workflow,
            id=one.new.id,
            version=one.new.version,
            created_at=one.new.at,
            params=one.new.params,
            seq=one.seq,
            has_events=bool(one.inbox),
            started_at=one.started_at,
            seed=one.new.seed,
            pausing=one.status == status.PAUSING,
            died=died,
            shown=one.shown,
        )

    def load(self, key: int, after: int) -> tuple[list[bytes], list[Received]]:
        one = self.instances[key]
        return [kept.raw for kept in one.journal if kept.seq > after], list(one.inbox)

    def release(
        self, claims: Sequence[tuple[int, int]], now: int, *, died: bool = False, willing: bool = False
    ) -> None:
        """End claims; ``willing`` says that their holder did."""
        for key, epoch in claims:
            one = self.instances[key]
            if willing:
                one.given_up[epoch] = self.tick()
            if one.held and one.epoch == epoch:
                one.held, one.died, one.wake_at = False, died, now

    # -- what holders say ----------------------------------------------------------------------------------

    def live(self, key: int, epoch: int) -> bool:
        """Tell whether a claim is not over."""
        one = self.instances[key]
        return one.held and one.epoch == epoch

    def append(
        self,
        claims: Sequence[tuple[int, int]],
        rows: Sequence[Row],
        changes: Sequence[Change],
        received: Sequence[int],
    ) -> tuple[list[int], list[Delivery]]:
        """Keep what live claims say, if it goes on where journals end; give the refused, and deliveries."""
        epochs = dict(claims)
        touched = {*epochs, *(row[0] for row in rows), *(change.instance for change in changes)}
        refused = {key for key in touched if key not in epochs or not self.live(key, epochs[key])}
        ends = {key: self.instances[key].seq for key in touched - refused}
        for key, seq, *_ in rows:
            if key in ends and ends[key] == seq - 1:
                ends[key] = seq
            else:
                refused.add(key)
        for key, _seq, _tag, _at, raw in rows:
            if key not in refused:
                one = self.instances[key]
                self._append(one, facts.decode(raw), raw, epochs[key])
        for key in touched - refused:
            one = self.instances[key]
            one.inbox = [event for event in one.inbox if event.event not in received]
        over = [
            self.instances[change.instance]
            for change in changes
            if change.instance not in refused and self._change(self.instances[change.instance], change)
        ]
        return sorted(refused), [each for one in over for each in self._spread(one)]

    def _change(self, one: Instance, change: Change) -> bool:
        """Make a change; tell whether the instance is over by that."""
        if isinstance(change, (Rested, Ended, Held)):
            one.given_up[one.epoch] = self.tick()
        match change:
            case Rested():
                self._rest(one, change)
            case Ended():
                one.ended, one.output, one.failure = change, change.output, change.failure
                self._end(one, change.status)
                return True
            case Held():
                one.status, one.held, one.failure, one.wake_at = status.PAUSED, False, change.failure, None
            case Rolling():
                one.status = status.MOVES[one.status].get("rollBack", one.status)
            case Told():
                one.shown = one.shown if change.shown is None else change.shown
        return False

    def _rest(self, one: Instance, change: Rested) -> None:
        one.status, one.held = status.MOVES[one.status]["rest"], False
        asked = any(is_request(event.type) for event in one.inbox)
        if one.status == status.PAUSED:
            one.wake_at = change.at if asked else None
            self._record(one, Moved(status.PAUSED, change.at))
            return
        one.awaits = tuple(change.awaits)
        there = asked or any(event.type in one.awaits for event in one.inbox)
        one.wake_at = change.at if there else max(change.wake_at, 1)

    # -- what is done from outside -------------------------------------------------------------------------

    def move(self, key: int, verb: str, now: int) -> tuple[bool, list[Delivery]] | None:
        """Move an instance; tell whether its claim goes on, or None when it cannot be moved so."""
        one = self.instances[key]
        after = status.MOVES[one.status].get(verb)
        if after is None:
            return None
        under_a_claim = (one.status, verb) in {(status.RUNNING, "pause"), (status.PAUSING, "resume")}
        if under_a_claim:
            one.status = after
            if not one.held:
                self._record(one, Moved(after, now))
            return one.held, []
        one.status, one.held, one.epoch, one.awaits = after, False, one.epoch + 1, ()
        asked = after == status.PAUSED and any(is_request(event.type) for event in one.inbox)
        one.wake_at = now if asked else None
        one.died = False
        self._record(one, Moved(after, now))
        if not one.over:
            return False, []
        self._end(one, after)
        return False, self._spread(one)

    def deliver(self, key: int, type_: str, payload: bytes, now: int) -> Delivery | None:
        """Keep an event; None for an instance that is over."""
        one = self.instances[key]
        return None if one.over else self._keep(one, type_, payload, now)

    def _keep(self, one: Instance, type_: str, payload: bytes, now: int) -> Delivery:
        ours = is_request(type_) or type_.startswith(CHILD)
        event = next((each for each in one.inbox if ours and each.type == type_), None)
        if event is None:
            self._events += 1
            event = Received(self._events, type_, payload, now, now)
            one.inbox.append(event)
        if is_request(type_):
            if one.status == status.PAUSING:
                one.status = status.RUNNING
            if not one.held and one.status != status.QUEUED:
                one.wake_at = now if one.wake_at is None else min(one.wake_at, now)
        elif type_ in one.awaits and not one.held and one.wake_at is not None:
            one.wake_at = min(one.wake_at, now)
        return Delivery(event, claimed=one.held, key=one.key, workflow=one.new.workflow)

    def _end(self, one: Instance, to: str) -> None:
        one.status, one.held, one.wake_at, one.awaits = to, False, None, ()
        one.gone, one.inbox = one.inbox, []
        self.tick()

    def _spread(self, one: Instance) -> list[Delivery]:
        """Tell the parent of one that is over, and ask the children that follow it to cancel."""
        told = []
        at = one.journal[-1].fact.at
        parent = None if one.new.parent is None else self.instances[one.new.parent]
        if parent is not None and not parent.over:
            payload = heard(one.status, one.output, one.failure)
            told.append(self._keep(parent, one.new.awaited, payload, at))
        children = [child for child in self.instances.values() if child.new.parent == one.key]
        told += [
            self._keep(child, CANCEL, b"\xc0", at)
            for child in children
            if child.new.follows and not child.over
        ]
        return told

    def _record(self, one: Instance, moved: Moved) -> None:
        self._append(one, moved, facts.encode(moved), None)

    def _append(self, one: Instance, fact: Fact, raw: bytes, epoch: int | None) -> None:
        kept = Kept(seq=one.seq + 1, fact=fact, raw=raw, epoch=epoch, tick=self.tick(), at=self._now())
        one.journal.append(kept)
