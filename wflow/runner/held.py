"""What steps do to others, held in memory until the commit that tells how their attempts ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import facts, names
from wflow.engine.facts import Failed, Settled
from wflow.engine.outcome import NOT_YET, Ok
from wflow.errors import InvalidInput, TooLarge, TooMany
from wflow.stores.store import Cell, Effects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wflow.bindings.binding import Called
    from wflow.stores.kept import Absent, Batch, Message, New
    from wflow.stores.store import Store

EFFECTS: Final = 1_000
"""What one attempt of a step may write, send and create; Cloudflare's number of operations an invocation."""
EFFECTS_BYTES: Final = 64 * names.MIB
"""What that may take: it is one transaction."""
HELD_BYTES: Final = 256 * names.MIB
"""What all attempts of a runner may take together."""
LEAST_BYTES: Final = 256
"""What is reckoned for each, besides its value, and for the attempt."""


class Holding:
    """The attempts that have done something, of the instances whose claims are held."""

    def __init__(self, store: Store, wake: Callable[[str], None]) -> None:
        """Hold nothing yet; ``wake`` hears of workflows of which an instance was created."""
        self.store = store
        self.wake = wake
        self.bytes = 0
        self._instances: dict[int, _Instance] = {}

    def of(self, call: Called) -> Attempt | None:
        """Give what the attempt has done that makes a call; None when no step does."""
        if call.instance is None or not call.step:
            return None
        there = self._instances.get(call.instance)
        known = None if there is None or there.epoch != call.epoch else there.steps.get(call.step)
        if known is not None and known.attempt == call.attempt:
            return known
        return Attempt(self, call)

    def is_late(self, attempt: Attempt) -> bool:
        """Tell whether a later attempt of the step has begun to do something, or any under a later claim."""
        there = self._instances.get(attempt.instance)
        if there is None or there.epoch < attempt.epoch:
            return False
        if there.epoch > attempt.epoch:
            return True
        known = there.steps.get(attempt.step)
        return known is not None and known is not attempt and known.attempt >= attempt.attempt

    def keep(self, attempt: Attempt) -> None:
        """Note an attempt that has begun to do something; an earlier one of the step has come to nothing."""
        there = self._instances.get(attempt.instance)
        if there is None or there.epoch != attempt.epoch:
            if there is not None:
                self.forget(attempt.instance, there.epoch)
            there = self._instances[attempt.instance] = _Instance(attempt.epoch)
        before = there.steps.get(attempt.step)
        if before is attempt:
            return
        if before is not None:
            self.bytes -= before.bytes
            before.late = True
        there.steps[attempt.step] = attempt
        attempt.bytes += LEAST_BYTES
        self.bytes += LEAST_BYTES

    def joined(self, batch: Batch) -> Batch:
        """Add to a commit what attempts have done that ended well, and forget what the others have.

        A check of a poll that says "not yet" has done its part, and ends well.
        """
        effects = self._settled(batch) if self._instances else None
        return msgspec.structs.replace(batch, effects=effects) if effects else batch

    def committed(self, batch: Batch) -> None:
        """Hear that a commit is on disk."""
        for workflow in {new.workflow for one in batch.effects for new in one.new}:
            self.wake(workflow)

    def forget(self, instance: int, epoch: int) -> None:
        """Forget what was done under a claim that is over, and under those before it."""
        there = self._instances.get(instance)
        if there is not None and there.epoch <= epoch:
            del self._instances[instance]
            for attempt in there.steps.values():
                self.bytes -= attempt.bytes
                attempt.late = True

    def _settled(self, batch: Batch) -> list[Effects]:
        epochs = dict(batch.claims)
        kept: list[Effects] = []
        for instance, _, tag, _, body in batch.rows:
            there = self._instances.get(instance)
            if there is None or tag not in _ENDS or epochs.get(instance) != there.epoch:
                continue
            fact = facts.decode(body)
            if isinstance(fact, Settled | Failed) and (attempt := there.take(fact.key, fact.attempt)):
                self.bytes -= attempt.bytes
                attempt.late = True
                if _is_good(fact) and attempt.any:
                    kept.append(attempt.effects())
                if not there.steps:
                    del self._instances[instance]
        return kept


_ENDS: Final = (facts.FAILED, facts.SETTLED)


def _is_good(fact: Settled | Failed) -> bool:
    if isinstance(fact, Settled):
        return isinstance(fact.outcome, Ok)
    return fact.failure == NOT_YET


class _Instance:
    __slots__ = ("epoch", "steps")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.steps: dict[str, Attempt] = {}

    def take(self, step: str, attempt: int) -> Attempt | None:
        """Give what an attempt that is over has done; a later one stays."""
        there = self.steps.get(step)
        if there is None or there.attempt > attempt:
            return None
        del self.steps[step]
        if there.attempt < attempt:
            there.clear()
        return there


class Attempt:
    """See `wflow.bindings.effects.Held` for what each method promises."""

    __slots__ = (
        "_cells",
        "_counts",
        "_holding",
        "_made",
        "_messages",
        "_new",
        "_publishing",
        "attempt",
        "bytes",
        "epoch",
        "instance",
        "key",
        "late",
        "step",
    )

    def __init__(self, holding: Holding, call: Called) -> None:
        """Begin with nothing."""
        assert call.instance is not None
        self.instance = call.instance
        self.step = call.step
        self.attempt = call.attempt
        self.epoch = call.epoch
        self.key = call.key
        self.late = False
        self.bytes = 0
        self._holding = holding
        self._cells: dict[str, dict[str, Cell | Absent]] = {}
        self._new: dict[tuple[str, str], New] = {}
        self._made: set[tuple[str, str]] = set()
        self._messages: list[Message] = []
        self._counts: dict[str, int] = {}
        self._publishing: dict[tuple[str, str], asyncio.Task[None]] = {}

    @property
    def any(self) -> bool:
        """Whether anything is held."""
        return bool(self._cells or self._new or self._messages)

    def effects(self) -> Effects:
        """Give all that is held."""
        cells = [cell for space in self._cells.values() for cell in space.values()]
        new = list(self._new.values())
        return Effects(instance=self.instance, cells=cells, new=new, messages=self._messages)

    def clear(self) -> None:
        """Let go of what is held; the attempt has come to nothing."""
        self._cells, self._new, self._messages = {}, {}, []

    def number(self, of: str = "") -> int:
        """Count."""
        self._admit(0, LEAST_BYTES if of not in self._counts else 0)
        self._counts[of] = self._counts.get(of, 0) + 1
        return self._counts[of]

    def cell(self, space: str, key: str) -> Cell | Absent | None:
        """Give what is held of a cell."""
        return self._cells.get(space, {}).get(key)

    def cells(self, space: str) -> Mapping[str, Cell | Absent]:
        """Give what is held of a space."""
        return self._cells.get(space, {})

    def write(self, changes: Sequence[Cell | Absent]) -> None:
        """Hold changes of cells."""
        known = [held for one in changes if (held := self.cell(one.space, one.key)) is not None]
        more = sum(_size(one) for one in changes) - sum(_size(one) for one in known)
        self._admit(len(changes) - len(known), more)
        for one in changes:
            self._cells.setdefault(one.space, {})[one.key] = one

    def send(self, messages: Sequence[Message]) -> None:
        """Hold messages."""
        self._admit(len(messages), sum(LEAST_BYTES + len(one.body) for one in messages))
        self._messages += messages

    def create(self, new: Sequence[New], there: Sequence[New] = ()) -> None:
        """Hold instances."""
        self._admit(len(new), sum(LEAST_BYTES + len(one.params) for one in new))
        self._new |= {(one.workflow, one.id): one for one in new}
        self._made |= {(one.workflow, one.id) for one in (*new, *there)}

    def made(self, workflow: str, id_: str) -> bool:
        """Tell whether an instance was created."""
        return (workflow, id_) in self._made

    async def publish(self, workflow: str, id_: str) -> None:
        """Create an instance now."""
        name = (workflow, id_)
        if name in self._new and name not in self._publishing:
            self._publishing[name] = asyncio.ensure_future(self._publish(self._new[name]))
        if (on_its_way := self._publishing.get(name)) is not None:
            await asyncio.shield(on_its_way)

    async def _publish(self, new: New) -> None:
        name = (new.workflow, new.id)
        try:
            await self._holding.store.create([new])
            # Should the step end meanwhile, it is created with that, whichever comes first.
            self._new.pop(name, None)
        finally:
            del self._publishing[name]
        self._holding.wake(new.workflow)

    def _admit(self, more: int, size: int) -> None:
        """Take so much more in, or raise; nothing is held then."""
        if self.late or self._holding.is_late(self):
            raise InvalidInput(
                f"attempt {self.attempt} of step {self.step!r} is over: what it does now is not kept",
                hint="await what a step does before its function returns",
            )
        held = sum(map(len, self._cells.values())) + len(self._new) + len(self._messages)
        if held + more > EFFECTS:
            raise TooLarge(
                f"one attempt of a step writes, sends and creates {EFFECTS:,} things at the most",
                hint="what a step does is kept in one transaction with its outcome; make it several steps",
            )
        if self.bytes + size > EFFECTS_BYTES:
            raise TooLarge(f"what one attempt of a step does takes {EFFECTS_BYTES:,} bytes at the most")
        if size > 0 and self._holding.bytes + size > HELD_BYTES:
            raise TooMany(f"what steps under way have done takes {HELD_BYTES:,} bytes; that is the limit")
        self.bytes += size
        self._holding.bytes += size
        self._holding.keep(self)


def _size(change: Cell | Absent) -> int:
    if isinstance(change, Cell):
        return LEAST_BYTES + len(change.value) + len(change.meta)
    return LEAST_BYTES
