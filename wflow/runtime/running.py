"""The calls of one turn that go on: attempts under way, and those that must be on disk before they begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from wflow.engine.machine import Machine
from wflow.runtime.attempt import Attempt, Place
from wflow.runtime.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor

    from wflow.engine.decisions import Run
    from wflow.engine.outcome import Outcome
    from wflow.runtime.attempt import Body

    Done = Callable[[str, Outcome, int | None], None]


class Running(msgspec.Struct, eq=False):
    """Attempts by the key of their step.

    ``done`` hears how each ends, with what its delay function said, ``lasts`` of those that do not end at
    once.

    That an attempt begins is on disk before it does when that matters: for an ``at_most_once`` step, for one
    that may have ended its process before (`mind`), and for one that can be undone if the code may yet give
    it up because of something that is on its way to disk already: a replay, which gives it up before it
    begins, must know that it did. None begins before it is on disk that the code is new where it is.
    """

    instance: int
    seed: bytes
    machine: Machine
    home: Home
    done: Done
    lasts: Callable[[str], None]
    attempts: dict[str, Attempt | None] = {}
    """None is one that is prepared: it begins when that is on disk."""
    prepared: dict[str, tuple[int, Attempt]] = {}
    undoable: dict[str, None] = {}
    """Those whose steps can be undone."""
    _minded: frozenset[str] = frozenset()

    def mind(self, keys: Iterable[str]) -> None:
        """Put attempts of these steps, which were open when the process died, on disk before they begin."""
        self._minded = frozenset(keys)

    @property
    def threads(self) -> Executor:
        """Where plain functions run."""
        return self.home.threads

    def begin(self, key: str, body: Body, run: Run, at: int) -> None:
        """Begin an attempt, at once or when what the machine has made of it is durable."""
        machine = self.machine
        past = machine.begin(key, run.attempt, at)
        step: Any = past.step
        undoable = past.kind == "do" and step.undoable
        if undoable:
            self.undoable[key] = None
        last = body.delay is not None and past.last
        place = Place(
            instance=self.instance,
            step=key,
            attempt=run.attempt,
            seed=self.seed,
            generation=past.generation,
            pieces=self.home.pieces,
            room=machine.room,
            checks=past.checks,
        )
        attempt = Attempt(self, body, place, run.timeout_ms, step, last)
        told = step.at_most_once or key in self._minded or (undoable and machine.awaiting)
        if told:
            machine.announce([key])
        if told or machine.unsure:
            self.attempts[key] = None
            self.prepared[key] = machine.seq, attempt
        else:
            self.attempts[key] = attempt
            self.home.together.add(attempt)

    def durable(self, seq: int) -> None:
        """Begin those that were waiting for what is on disk now."""
        for key in [key for key, (wanted, _) in self.prepared.items() if wanted <= seq]:
            _, attempt = self.prepared.pop(key)
            self.attempts[key] = attempt
            self.home.together.add(attempt)

    def ended(self, key: str, outcome: Outcome, delay_ms: int | None) -> None:
        """Hear how an attempt ended."""
        del self.attempts[key]
        if self.undoable:
            self.undoable.pop(key, None)
        self.done(key, outcome, delay_ms)

    def give_up(self, key: str) -> None:
        """End one unheard, if it goes on."""
        self.prepared.pop(key, None)
        self.undoable.pop(key, None)
        attempt = self.attempts.pop(key, None)
        if attempt is not None:
            attempt.give_up()

    def give_up_all(self) -> None:
        """End all of them unheard."""
        for key in list(self.attempts):
            self.give_up(key)
