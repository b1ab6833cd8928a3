"""The calls of one turn that go on: attempts under way, and those that must be on disk before they begin."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wflow.engine.steps.do import Do
from wflow.engine.steps.poll import Poll
from wflow.engine.steps.rollback import Rollback
from wflow.runtime.attempt import Attempt, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wflow.engine.decisions import Run
    from wflow.engine.machine import Machine
    from wflow.engine.outcome import Outcome
    from wflow.engine.past import Past
    from wflow.link import frames
    from wflow.runtime.attempt import Body
    from wflow.runtime.home import Home

    Done = Callable[[str, Outcome, int | None], None]


class Running:
    """Attempts by the key of their step; ``done`` hears how each ends, with what its delay function said.

    That an attempt begins is on disk before it does when that matters: for an ``at_most_once`` step, for one
    that may have ended its process before (`mind`), and for one that can be undone if the code may yet give
    it up because of something that is on its way to disk already: a replay, which gives it up before it
    begins, must know that it did. None begins before it is on disk that the code is new where it is.
    """

    __slots__ = (
        "_done",
        "_home",
        "_instance",
        "_loop",
        "_machine",
        "_minded",
        "_seed",
        "attempts",
        "prepared",
        "undoable",
    )

    def __init__(self, spec: frames.Turn, machine: Machine, home: Home, done: Done) -> None:
        """Begin with none."""
        self._instance = spec.instance
        self._seed = spec.seed
        self._machine = machine
        self._home = home
        self._loop = asyncio.get_running_loop()
        self._done = done
        self._minded: frozenset[str] = frozenset()
        self.attempts: dict[str, Attempt | None] = {}
        """None is one that is prepared: it begins when that is on disk."""
        self.prepared: dict[str, tuple[int, Past, Body, Run]] = {}
        self.undoable: dict[str, None] = {}
        """Those whose steps can be undone."""

    def mind(self, keys: Iterable[str]) -> None:
        """Put attempts of these steps, which were open when the process died, on disk before they begin."""
        self._minded = frozenset(keys)

    def begin(self, key: str, body: Body, run: Run, at: int) -> bool:
        """Begin an attempt; False when it begins only once what the machine has made of it is durable."""
        machine = self._machine
        past = machine.begin(key, run.attempt, at)
        step: Any = past.step
        undoable = step.kind == "do" and step.undoable
        if undoable:
            self.undoable[key] = None
        told = step.at_most_once or key in self._minded or (undoable and machine.awaiting)
        if told:
            machine.announce([key])
        if told or machine.unsure:
            self.attempts[key] = None
            self.prepared[key] = machine.seq, past, body, run
            return False
        self._call(past, body, run)
        return True

    def durable(self, seq: int) -> list[str]:
        """Begin those that were waiting for what is on disk now; give their keys."""
        ready = [key for key, (wanted, *_) in self.prepared.items() if wanted <= seq]
        for key in ready:
            _, past, body, run = self.prepared.pop(key)
            self._call(past, body, run)
        return ready

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

    def _call(self, past: Past, body: Body, run: Run) -> None:
        key, step = past.key, past.step
        assert isinstance(step, (Do, Poll, Rollback)), "nothing else is called"
        self.attempts[key] = Attempt(
            body,
            Place(
                self._instance,
                key,
                run.attempt,
                self._seed,
                past.generation,
                self._home.pieces,
                self._machine.room,
            ),
            self._home.threads,
            timeout_ms=run.timeout_ms,
            step=step,
            last=body.delay is not None and past.last,
            done=self._ended,
            loop=self._loop,
        )

    def _ended(self, key: str, outcome: Outcome, delay_ms: int | None) -> None:
        del self.attempts[key]
        if self.undoable:
            self.undoable.pop(key, None)
        self._done(key, outcome, delay_ms)
