"""A rehearsal: a journal played against the code at hand, without a claim and without any effect.

Outcomes are handed to the code in journal order as ever; nothing else is: no step begins, nothing is kept,
and what the code prints or logs is told to nobody. What comes of it is a `Verdict`. The code is left when the
journal is at its end, or where the two part.

A journal that ended is played without its end, and what the code comes to is compared with that.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from wflow.engine import facts, status
from wflow.engine.changes import Ended, Held, Rolling
from wflow.engine.divergence import Divergence, Point, Verdict
from wflow.engine.facts import Moved
from wflow.engine.machine import Machine
from wflow.engine.outcome import Err, Failure, Ok
from wflow.errors import NonDeterminismError, WorkflowInternalError
from wflow.runtime import endings
from wflow.runtime.failures import failure_of
from wflow.runtime.outbox import Outbox
from wflow.runtime.output import muted
from wflow.runtime.streamed import Pieces
from wflow.runtime.together import Together
from wflow.runtime.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence

    from wflow.engine.changes import Change
    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Outcome
    from wflow.engine.seen import News
    from wflow.engine.unheard import Unseen
    from wflow.link import frames
    from wflow.runtime.outbox import Speaker

    Start = Callable[[Turn], Coroutine[Any, Any, object]]
    Watch = Callable[[News], None]
    Parted = Callable[[NonDeterminismError], None]

_OURS: Final = "wflow.errors:WorkflowInternalError"


def rehearse(spec: frames.Turn, start: Start, *, step_limit: int, watch: Watch | None = None) -> Verdict:
    """Play the journal of ``spec`` to its end, and tell whether the code fits; call it on a running loop.

    ``start`` makes the coroutine that runs the user's `run`. ``watch`` is called with each outcome before the
    code hears of it; what it raises is raised here. Whatever else goes wrong is in the verdict.
    """
    try:
        rehearsal = Rehearsal(spec, start, step_limit=step_limit, watch=watch)
    except Exception as error:  # noqa: BLE001 - a journal that cannot be read is what was to be found out
        return unplayed(f"wflow cannot play this journal: {error!r}")
    try:
        return rehearsal.play()
    finally:
        rehearsal.close()


def unplayed(why: str) -> Verdict:
    """Make the verdict on a journal of which nothing could be played."""
    return Verdict(heard=0, recorded=0, failure=failure_of(WorkflowInternalError(why)))


class Rehearsal:
    """One pass of a journal through code; ``turn`` can be looked at until it is closed.

    ``end`` is the end that the journal had, without which it is played. ``parted`` is called where code and
    journal part, while the code still stands there.
    """

    def __init__(
        self,
        spec: frames.Turn,
        start: Start,
        *,
        step_limit: int,
        watch: Watch | None = None,
        parted: Parted | None = None,
    ) -> None:
        """Set it up on the running loop; raises msgspec.DecodeError for a journal that cannot be read."""
        records, self.end = _without_end(spec.records or [])
        self._heard = _Heard()
        self._context = contextvars.copy_context()
        self._context.run(_mute)
        spec = msgspec.structs.replace(
            spec,
            records=records,
            events=[],
            pausing=False,
            died=False,
        )
        machines: list[_Watched] = []

        def machine(journal: Iterable[Fact] = (), **options: Any) -> Machine:
            machines.append(_Watched(journal, watch=watch, parted=parted, **options))
            return machines[0]

        def make() -> Turn:
            return Turn(spec, _Hall(self._heard), start, step_limit=step_limit, machine=machine)

        self.turn = self._context.run(make)
        self._machine = machines[0]

    @property
    def heard(self) -> int:
        """How many outcomes of the journal the code has been told, or has given up."""
        return self._machine.heard

    @property
    def at(self) -> int:
        """The number of the outcome, from 1 on, that the code hears of now or has heard of last."""
        return self._machine.at

    @property
    def outcomes(self) -> list[Unseen]:
        """All that the code is to hear of, in journal order."""
        return self._machine.outcomes

    @property
    def tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks of the code that are not over."""
        return asyncio.all_tasks(self.turn.code.loop)

    def play(self) -> Verdict:
        """Play to the journal's end, or to where the code parts from it; call it once."""
        try:
            self._context.run(self.turn.play)
        except Exception as error:  # noqa: BLE001 - it is ours, and no reason to harm whoever asks
            return self._verdict(failure_of(WorkflowInternalError(f"wflow failed in this replay: {error!r}")))
        held = self._heard.held
        if held is not None:
            return self._verdict(held, _divergence(self._heard.moved))
        ended = self._heard.ended
        if ended is not None and ended.failure is not None and ended.failure.path == _OURS:
            return self._verdict(ended.failure)  # it never comes to rest
        if self.end is None:
            return self._verdict()
        return self._compared(self.end)

    def close(self) -> None:
        """Leave the code; nothing of it goes on."""
        self._context.run(self.turn.drop)

    def _compared(self, end: Moved) -> Verdict:
        """Compare what the code came to with the journal's end."""
        given: Outcome | None = None
        match self._heard.ended or self._heard.rolling:
            case Ended(output=bytes(output)):
                given = Ok(output)
            case Ended(failure=Failure() as failure) | Rolling(failure=Failure() as failure):
                given = Err(failure)
        over = self._heard.ended is not None or self._heard.rolling is not None
        beyond = None if over else self._beyond()
        different = endings.difference(end, given, over=over, beyond=beyond)
        if different is None:
            return self._verdict()
        return self._verdict(failure_of(different), different.divergence)

    def _beyond(self) -> Point | None:
        """Give the first step that the code asks for and the journal does not know."""
        known = self._machine.known
        asked = self._machine.asked_for()
        return next(
            (Point(key=one.key, kind=one.kind, site=one.site) for one in asked if one.key not in known), None
        )

    def _verdict(self, failure: Failure | None = None, divergence: Divergence | None = None) -> Verdict:
        recorded = len(self._machine.outcomes)
        return Verdict(heard=self.heard, recorded=recorded, failure=failure, divergence=divergence)


class _Watched(Machine):
    """A machine that counts what it hands out of its journal, and lets somebody watch."""

    def __init__(
        self,
        journal: Iterable[Fact] = (),
        *,
        watch: Watch | None = None,
        parted: Parted | None = None,
        **options: Any,
    ) -> None:
        super().__init__(journal, **options)
        self.outcomes = [*self.unheard]
        self.known = frozenset(self._pasts)
        self.heard = self.at = 0
        self._watch = watch
        self._parted = parted

    def next(self, durable: int) -> News | None:
        with self._parting():
            news = super().next(durable)
        self.at = len(self.outcomes) - self.unheard.recorded
        if news is not None and self._watch is not None:
            self._watch(news)
        self.heard = self.at
        return news

    def open(self, *arguments: Any, **options: Any) -> str:
        with self._parting():
            return super().open(*arguments, **options)

    @contextlib.contextmanager
    def _parting(self) -> Iterator[None]:
        try:
            yield
        except NonDeterminismError as error:
            if self._parted is not None:
                self._parted(error)
            raise


class _Heard(Outbox):
    """Takes what a turn says, and tells nobody."""

    def __init__(self) -> None:
        super().__init__(lambda _commit: None)
        self.ended: Ended | None = None
        self.held: Failure | None = None
        self.rolling: Rolling | None = None
        self.moved: Moved | None = None

    def add(
        self, speaker: Speaker, new: Sequence[Fact], *, last_seq: int, change: Change | None = None
    ) -> None:
        del speaker, last_seq
        for fact in new:
            if isinstance(fact, Moved):
                self.moved = fact
        match change:
            case Ended():
                self.ended = change
            case Held(failure=failure):
                self.held = failure
            case Rolling():
                self.rolling = change


class _Hall:
    """A `Home` in which nothing new begins."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.draining = True
        self.pieces = Pieces(refuse)
        self.together = Together()

    @property
    def threads(self) -> NoReturn:
        message = "a rehearsal calls no step"
        raise AssertionError(message)

    def began(self, turn: Turn, key: str) -> None:
        pass

    def rested(self, turn: Turn) -> None:
        pass

    def left(self, turn: Turn, *, released: bool) -> None:
        pass


async def refuse(*_arguments: object) -> NoReturn:
    """Refuse a binding's call: outside of steps, and so in a rehearsal, there is none."""
    raise WorkflowInternalError("nothing is called while a journal is only tried against the code")


def _mute() -> None:
    muted.set(True)


def _without_end(records: list[bytes]) -> tuple[list[bytes], Moved | None]:
    """Take out the last change of status if it says that the instance is over."""
    for at in range(len(records) - 1, -1, -1):
        moved = facts.decode(records[at])
        if isinstance(moved, Moved):
            if moved.status in status.ENDED:
                return records[:at] + records[at + 1 :], moved
            break
    return records, None


def _divergence(moved: Moved | None) -> Divergence | None:
    """Read what the turn noted beside its failure."""
    found = None if moved is None else moved.detail.get("divergence")
    return None if found is None else msgspec.convert(found, Divergence)
