"""The code of one turn: what it asks for, on a loop of its own, and how it hears of what became of that."""

from __future__ import annotations

import asyncio
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, cast

from wflow.engine import values
from wflow.engine.changes import Told
from wflow.engine.facts import Logged
from wflow.engine.outcome import Ok
from wflow.engine.steps.sleep import Sleep
from wflow.engine.stream import Reference
from wflow.errors import NonDeterminismError, NonRetryableError, TooMany
from wflow.runtime import site as sites
from wflow.runtime.clock import now
from wflow.runtime.failures import error_of
from wflow.runtime.home import OVER, PLAYING, State
from wflow.runtime.loop import WorkflowLoop
from wflow.runtime.returned import read
from wflow.runtime.stream import opened
from wflow.runtime.undoing import Undoings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from wflow.engine.machine import Machine
    from wflow.engine.seen import Seen
    from wflow.engine.steps import Step
    from wflow.link import frames
    from wflow.runtime.attempt import Body
    from wflow.runtime.open_steps import OpenSteps
    from wflow.runtime.undoing import Undoing

TIMER_NAME: Final = "asyncio timer"
"""The step name of asyncio.sleep, timeout and wait_for in workflow code."""


class Code:
    """See the module. ``commit`` is called when something that is told in a step is to be kept."""

    __slots__ = (
        "__dict__",  # a test's kit puts itself before `step`
        "_bells",
        "_commit",
        "_outside",
        "_steps",
        "diverged",
        "instance",
        "loop",
        "machine",
        "seed",
        "shown",
        "state",
        "told",
        "undoings",
    )

    def __init__(
        self, spec: frames.Turn, machine: Machine, steps: OpenSteps, commit: Callable[[], None]
    ) -> None:
        """Make the loop, with nothing on it yet; the running one is the process's."""
        self.instance = spec.instance
        self.seed = spec.seed
        self.shown: dict[str, object] = {}
        if spec.shown is not None:
            self.shown.update(cast("dict[str, object]", values.decode(spec.shown)))
        self.machine = machine
        self.state: State = PLAYING
        started_at = max(spec.created_at, spec.started_at)
        self._outside = steps.running.home.together.loop  # to ask for it is a system call
        self.loop = WorkflowLoop(self, started_at / 1000, self._outside)  # type: ignore[abstract]
        self.undoings = Undoings()
        self.diverged: NonDeterminismError | None = None
        self.told: Told | None = None
        """What the status is to show, if anything is new."""
        self._steps = steps
        self._commit = commit
        self._bells: dict[str, Callable[[], None]] = {}

    # -- what it asks for ----------------------------------------------------------------------------------

    def step(
        self,
        step: Step,
        body: Body | None = None,
        digest: bytes = b"",
        undoing: Undoing | None = None,
        *,
        site: str | None = None,
        formerly: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Do one step: give its value, or raise its error, when its outcome is on disk.

        ``undoing`` is its rollback, ``site`` where it is asked for if that is not on the stack, ``formerly``
        what it was called. Raises NonRetryableError at once when the code at hand is not this one.
        """
        # Code that was evicted and is being collected runs on no loop at all; it may not be told no for ever.
        here = self.loop.thread == get_ident()  # as `here` says it; every step comes this way
        if not here and (self.state is not OVER or self.loop.may_refuse()):
            raise NonRetryableError(
                f"step {step.name!r} is asked for inside another step, or outside `run`; "
                "steps do not nest: return the value, and do the next step in `run`"
            )
        if site is None:
            site = sites.here()
        return self._step(step, body, digest, undoing, site, formerly)

    def here(self) -> bool:
        """Tell whether the code at hand runs on this loop; a step's function does not."""
        return self.loop.thread == get_ident()  # asking for the running loop is a system call

    def set_timer(self, delay_ms: int, ring: Callable[[], None]) -> Callable[[], None]:
        """Keep a timer of the loop as a step."""
        if self.state is not PLAYING:
            return lambda: None
        try:
            key = self.machine.open(Sleep(TIMER_NAME, delay_ms), now(), site=sites.here())
        except NonDeterminismError as diverged:
            self.diverged = diverged
            return lambda: None
        self._bells[key] = ring
        return lambda: self._forget(key)

    def patched(self, id_: str) -> bool:
        """Tell whether the code takes a way that is new; raises NonRetryableError inside a step."""
        if not self.here():
            raise NonRetryableError(
                f"ctx.patched({id_!r}) is asked inside a step, or outside `run`; "
                "ask it in `run`, and give the step what it needs to know"
            )
        return self.state is PLAYING and self.machine.patched(id_, now())

    def log(self, level: str, message: str, detail: dict[str, object]) -> None:
        """Append a log line, once however often the code replays."""
        if self.state is PLAYING:
            self.machine.log(Logged(level, message, now(), detail, order=self.machine.order))

    @property
    def repeats(self) -> bool:
        """Whether what the code at hand tells was told before: a replay takes nothing back."""
        return self.machine.replaying and self.here()

    def tell(self, *, shown: bytes | None = None, tags: list[str] | None = None) -> None:
        """Have the status show something, from the next commit on; a replay changes nothing of it.

        It may be called in a step, and there in a thread.
        """
        if self.repeats:
            return
        if self.here():
            self._tell(shown, tags)
        elif asyncio._get_running_loop() is self._outside:  # noqa: SLF001 - the public one may raise
            self._tell_now(shown, tags)
        else:
            self._outside.call_soon_threadsafe(self._tell_now, shown, tags)

    def _tell(self, shown: bytes | None, tags: list[str] | None) -> None:
        if (before := self.told) is not None:
            shown = before.shown if shown is None else shown
            tags = before.tags if tags is None else tags
        self.told = Told(self.instance, now(), shown, tags)

    def _tell_now(self, shown: bytes | None, tags: list[str] | None) -> None:
        if self.state is PLAYING:
            if self.told is None:  # what is told in a row is one thing to keep
                self._outside.call_soon(self._flush)
            self._tell(shown, tags)

    def _flush(self) -> None:
        if self.state is PLAYING:
            self._commit()

    async def _step(  # noqa: PLR0917 - a call by keyword takes twice as long, and every step makes this one
        self,
        step: Step,
        body: Body | None,
        digest: bytes,
        undoing: Undoing | None,
        site: str,
        formerly: str | None,
    ) -> object:
        if self.state is not PLAYING:
            return await self.loop.farewell()
        future: asyncio.Future[Any] = asyncio.Future(loop=self.loop)
        try:
            key = self.machine.open(step, now(), digest, site, formerly)
        except NonDeterminismError as diverged:
            self.diverged = diverged
            return await future
        except TooMany:
            await asyncio.sleep(0)  # code that catches this and tries on for ever must be seen to spin
            raise
        self._steps.asked[key] = future, body
        if undoing is not None:
            self.undoings.add(key, undoing, self.machine.order)
        try:
            return await future
        except asyncio.CancelledError:
            self._forget(key)
            raise

    def _forget(self, key: str) -> None:
        """Let go of a step that the code gave up before it saw its outcome."""
        if self.state is not PLAYING:
            return
        self.undoings.given_up(key, self.machine)
        self.machine.close(key)
        self._bells.pop(key, None)
        self._steps.forget(key)

    # -- what it hears -------------------------------------------------------------------------------------

    def hand(self, seen: Seen) -> None:
        """Let the code see an outcome."""
        outcome, loop, at = seen.outcome, self.loop, seen.at / 1000
        if at > loop.now:  # noqa: PLR1730 - every step comes this way
            loop.now = at
        asked = self._steps.asked.pop(seen.key, None)
        if asked is None:
            self._bells.pop(seen.key)()
            return
        future, body = asked
        if future.done():
            return
        if isinstance(outcome, Ok):
            value = read(seen, outcome.value, None if body is None else body.returns)
            future.set_result(opened(value) if type(value) is Reference else value)
        else:
            future.set_exception(error_of(outcome.failure))

    def let_go(self, *, keep: list[str]) -> None:
        """Let go of all that it waits for, but for the steps to ``keep``."""
        kept = {*keep}
        for key in [*self._steps.asked, *self._bells]:
            if key not in kept:
                self.undoings.given_up(key, self.machine)
                self.machine.close(key)
                self._steps.forget(key)

    def end(self) -> None:
        """Let go of all that it asks; its turn has left, and nothing is asked any more."""
        del self._steps, self._commit
        self._bells.clear()
        self.loop.let_go()

    def abandon(self) -> None:
        """End all of it by force: it never comes to rest."""
        self.state, state = OVER, self.state
        self.loop.evict()
        self.loop.clear()
        self.state = state
