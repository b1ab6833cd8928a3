"""Bugs to plant, to see whether the checker finds them: each is a function of a `pytest.MonkeyPatch`."""

# ruff: noqa: ARG005 - what is replaced is called with all that it takes

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tests.simulation.crew import Crew
from tests.simulation.store import Store
from tests.simulation.world import World
from wflow.engine import facts
from wflow.engine.decisions import Settle
from wflow.engine.events import Events
from wflow.engine.machine import Machine
from wflow.engine.outcome import NOT_YET, Err, Ok
from wflow.engine.retry import Retry
from wflow.engine.steps import poll
from wflow.engine.steps.do import Do
from wflow.engine.steps.sleep import Sleep
from wflow.engine.unheard import Unheard
from wflow.link import frames
from wflow.runner import translate
from wflow.runtime.chance import Chance
from wflow.runtime.code import Code
from wflow.runtime.loop import WorkflowLoop
from wflow.runtime.outbox import Outbox
from wflow.runtime.parked import Alarm
from wflow.runtime.running import Running
from wflow.runtime.together import Together
from wflow.runtime.turn import Turn
from wflow.runtime.undoing import Undoings

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from wflow.stores.store import Delivery

    Plant = Callable[[pytest.MonkeyPatch], None]


def an_outcome_is_shown_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    real = Machine.next
    patch.setattr(Machine, "next", lambda self, durable: real(self, 10**9))


def a_commit_is_acknowledged_before_it_is_kept(patch: pytest.MonkeyPatch) -> None:
    real = World._said

    def said(self: World, process: Any, message: Any) -> None:
        real(self, process, message)
        if hasattr(message, "batch"):
            process.runtime.outbox.acked(message.batch, [])

    patch.setattr(World, "_said", said)


def a_refusal_is_taken_for_an_acknowledgment(patch: pytest.MonkeyPatch) -> None:
    real = Outbox.acked
    patch.setattr(Outbox, "acked", lambda self, batch, refused: real(self, batch, []))


def a_settled_step_is_called_again(patch: pytest.MonkeyPatch) -> None:
    def undecided(self: Any) -> list[str]:
        self._undecided = {}
        return [past.key for past in self.asked_for()]

    def decide(self: Any, key: str, now: int) -> Any:
        past = self._pasts[key]
        step = past.step
        if past.outcome is not None and step.kind != "do":
            return Settle(past.outcome)
        if step.awaits is not None:
            past.event = self._waits.event_for(key, step.awaits, now)
        decision = step.decide(past, now)
        if isinstance(decision, Settle) and past.outcome is None:
            self._settle(past, decision.outcome, now)
        return decision

    patch.setattr(Machine, "undecided", undecided)
    patch.setattr(Machine, "decide", decide)


def a_function_is_called_twice(patch: pytest.MonkeyPatch) -> None:
    real = Together.add

    def add(self: Any, attempt: Any) -> None:
        real(self, attempt)
        if len(attempt.owner.attempts) > 2:
            real(self, replace(attempt))

    patch.setattr(Together, "add", add)


def an_event_is_lost(patch: pytest.MonkeyPatch) -> None:
    real, numbers = Outbox.add, count()

    def add(self: Any, speaker: Any, new: Any, **more: Any) -> None:
        real(self, speaker, new, **more)
        batch = self._waiting[-1]
        if batch.received and next(numbers) % 3 == 2:
            batch.rows = [row for row in batch.rows if row[2] != facts.RECEIVED]

    patch.setattr(Outbox, "add", add)


def an_event_is_not_heard_of(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Turn, "receive", lambda self, arrived: None)


def an_event_is_received_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Events, "admit", lambda self, event, *, awaited: self.add(event) or True)


def the_last_event_comes_first(patch: pytest.MonkeyPatch) -> None:
    real = Events.waiting
    patch.setattr(Events, "waiting", lambda self, type_: list(real(self, type_))[::-1])


def who_timed_out_swallows_an_event(patch: pytest.MonkeyPatch) -> None:
    real = Machine._settle

    def settle(self: Any, past: Any, outcome: Any, now: int) -> None:
        event = past.event
        real(self, past, outcome, now)
        if event is not None and isinstance(outcome, Err):
            self._events.take(event.event)
            past.event = event
            told = self.made[-1] = replace(self.made[-1], event=event.event)
            self.unheard.facts[-1] = self.unheard.facts[-1][0], told

    patch.setattr(Machine, "_settle", settle)


def a_timer_is_early(patch: pytest.MonkeyPatch) -> None:
    real = Sleep.decide
    patch.setattr(Sleep, "decide", lambda self, past, now: real(self, past, now + 2))


def a_timer_is_lost(patch: pytest.MonkeyPatch) -> None:
    real = Alarm.set
    patch.setattr(Alarm, "set", lambda self, at: real(self, None))


def an_epoch_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "live", lambda self, key, epoch: not self.instances[key].over)


def an_instance_is_handed_to_two_processes(patch: pytest.MonkeyPatch) -> None:
    real = World._hand_out

    def hand_out(self: World, key: int, epoch: int, process: Any) -> None:
        real(self, key, epoch, process)
        for other in self._crew.members:
            if key in process.holds and key not in other.holds:
                records, waiting = self.store.load(key, 0)
                other.holds[key] = process.holds[key]
                other.send(frames.Play([translate.turn(other.holds[key], records, waiting)]))
                return

    patch.setattr(World, "_hand_out", hand_out)


def who_has_an_instance_in_memory_is_not_asked(patch: pytest.MonkeyPatch) -> None:
    """It is handed out without its journal, and to another process."""
    real = Crew.place

    def place(self: Crew, key: int) -> Any:
        chosen = real(self, key)
        others = [one for one in self.members if one is not chosen]
        if key in chosen.hot and others:
            chosen.hot.discard(key)
            others[0].hot.add(key)
            return others[0]
        return chosen

    patch.setattr(Crew, "place", place)
    patch.setattr(World, "_resend", lambda self, process, key: None)


def what_is_terminated_goes_on(patch: pytest.MonkeyPatch) -> None:
    real = Store.move

    def move(self: Store, key: int, verb: str, now: int) -> Any:
        one = self.instances[key]
        held, epoch = one.held, one.epoch
        moved = real(self, key, verb, now)
        one.held, one.epoch = held, epoch
        return None if moved is None else (False, [])

    change = Store._change
    patch.setattr(Store, "move", move)
    patch.setattr(Store, "_change", lambda self, one, what: not one.over and change(self, one, what))
    patch.setattr(World, "_drop", lambda self, key: None)


def a_turn_keeps_its_old_epoch(patch: pytest.MonkeyPatch) -> None:
    real = Turn.resume

    def resume(self: Turn, spec: Any) -> bool:
        return real(self, replace(spec, epoch=self.epoch))

    patch.setattr(Turn, "resume", resume)


def the_first_is_undone_first(patch: pytest.MonkeyPatch) -> None:
    real = Undoings.begun
    patch.setattr(Undoings, "begun", lambda self, machine: real(self, machine)[::-1])


def a_rollback_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = Undoings.begun
    patch.setattr(Undoings, "begun", lambda self, machine: real(self, machine)[:1])


def one_attempt_too_many(patch: pytest.MonkeyPatch) -> None:
    real = Do.decide
    patch.setattr(
        Do,
        "decide",
        lambda self, past, now: real(replace(self, retry=_more(self.retry)), past, now),
    )


def _more(retry: Retry) -> Retry:
    return Retry(retry.limit + 1, retry.delay_ms, retry.backoff, retry.timeout_ms)


def a_retry_does_not_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Retry, "delay_after", lambda self, failures, delay_ms=None: 0)


def a_cut_off_counts_as_nothing(patch: pytest.MonkeyPatch) -> None:
    """What may be made once is made again."""
    patch.setattr(Machine, "_cut_off", lambda self, past, step, now: setattr(past, "interrupted", False))


def once_begins_before_it_is_kept(patch: pytest.MonkeyPatch) -> None:
    real = Running.begin

    def begin(self: Any, key: str, *more: Any) -> None:
        real(self, key, *more)
        self.durable(10**9)

    patch.setattr(Running, "begin", begin)


def a_replay_takes_another_order(patch: pytest.MonkeyPatch) -> None:
    real = Unheard.next

    def following(self: Any, durable: int) -> Any:
        at = self._at
        if self.recorded > 1:
            self.facts[at], self.facts[at + 1] = self.facts[at + 1], self.facts[at]
        return real(self, durable)

    patch.setattr(Unheard, "next", following)


def chance_is_another_on_a_replay(patch: pytest.MonkeyPatch) -> None:
    numbers = count()
    patch.setattr(Chance, "random", lambda self: float(next(numbers)))


def a_line_is_logged_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Machine, "log", lambda self, line: self._append(line))


def a_value_is_another_ones(patch: pytest.MonkeyPatch) -> None:
    real, last = Code.hand, [b"\xa4else"]

    def hand(self: Any, seen: Any) -> None:
        if isinstance(seen.outcome, Ok) and seen.outcome.value[:1] > b"\xa0" and seen.event is None:
            before, last[0] = last[0], seen.outcome.value
            seen = replace(seen, outcome=Ok(before)) if len(before) == len(last[0]) else seen
        real(self, seen)

    patch.setattr(Code, "hand", hand)


def a_parent_is_not_told(patch: pytest.MonkeyPatch) -> None:
    real = Store._spread

    def spread(self: Store, one: Any) -> list[Delivery]:
        parent, one.new = one.new.parent, replace(one.new, parent=None)
        told = real(self, one)
        one.new = replace(one.new, parent=parent)
        return told

    patch.setattr(Store, "_spread", spread)


def a_poll_counts_its_checks_as_failures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(poll, "NOT_YET", replace(NOT_YET, name="Other"))


def the_loop_is_unfair(patch: pytest.MonkeyPatch) -> None:
    """What is ready last runs first: the same on every replay, and not what asyncio does."""
    real = WorkflowLoop.call_soon

    def call_soon(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        call = real(self, callback, *args, context=context)
        self._ready.insert(0, self._ready.pop())
        return call

    patch.setattr(WorkflowLoop, "call_soon", call_soon)


PLANTED: dict[str, Plant] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        an_outcome_is_shown_before_it_is_durable,
        a_commit_is_acknowledged_before_it_is_kept,
        a_refusal_is_taken_for_an_acknowledgment,
        a_settled_step_is_called_again,
        a_function_is_called_twice,
        an_event_is_lost,
        an_event_is_not_heard_of,
        an_event_is_received_twice,
        the_last_event_comes_first,
        who_timed_out_swallows_an_event,
        a_timer_is_early,
        a_timer_is_lost,
        an_epoch_is_ignored,
        an_instance_is_handed_to_two_processes,
        who_has_an_instance_in_memory_is_not_asked,
        what_is_terminated_goes_on,
        a_turn_keeps_its_old_epoch,
        the_first_is_undone_first,
        a_rollback_is_forgotten,
        one_attempt_too_many,
        a_retry_does_not_wait,
        a_cut_off_counts_as_nothing,
        once_begins_before_it_is_kept,
        a_replay_takes_another_order,
        chance_is_another_on_a_replay,
        a_line_is_logged_again,
        a_value_is_another_ones,
        a_parent_is_not_told,
        a_poll_counts_its_checks_as_failures,
        the_loop_is_unfair,
    )
}
