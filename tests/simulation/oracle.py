"""What a journal means, told by asyncio itself: the body runs on a plain loop, and hears what is kept.

It is played anew, with no engine and no loop of wflow's: each outcome of the journal is handed over in its
order, the next when nothing is ready. What comes out has to be what the instance came to.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.simulation.bodies import Child, Map
from tests.simulation.playing import Play, plain
from wflow.engine import values
from wflow.engine.facts import Received, Settled
from wflow.engine.outcome import Err

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.bodies import Part
    from tests.simulation.life import Life

TIMER = "asyncio timer"


def as_asyncio_has_it(life: Life) -> list[str]:
    """Give what is wrong with the end of an instance; nothing for one that it cannot judge.

    It knows no compositions of wflow's own, and not where in its journal a request was heard.
    """
    program, flow = life.world.case.program, life.instance.new.workflow
    body = program.main if flow == "main" else program.children[int(flow.removeprefix("child"))]
    asked = any(kept.fact.type.startswith(".") for kept in life.received.values())  # type: ignore[union-attr]
    if asked or life.stopped or any(isinstance(part, (Map, Child)) for part in body.everything()):
        return []
    came = _Loop(life).come_to(body)
    status = life.instance.status
    output = None if status != "complete" else _sorted(values.decode(life.instance.output or b""))
    if came != (status, output):
        return [f"it is {status} with {output!r}, and asyncio comes to {came}"]
    return []


class _Loop(asyncio.BaseEventLoop):
    """A loop whose timers ring when the journal says so."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self.visits: Counter[str] = Counter()
        self.open: dict[str, Callable[[Settled], None]] = {}
        self._life = life
        self._selector = self

    def come_to(self, body: Part) -> tuple[str, Any]:
        task = self.create_task(_Play(self).play(body))
        self.run_forever()
        for kept in self._life.journal:
            fact = kept.fact
            if task.done():
                break
            if isinstance(fact, Settled) and (hand := self.open.pop(fact.key, None)) is not None:
                hand(fact)
                self.run_forever()
        try:
            if not task.done():
                return "waiting", None
            if task.cancelled() or task.exception() is not None:
                return "errored", None
            return "complete", _sorted(values.decode(values.encode(task.result())))
        finally:
            self._end()

    def ask(self, name: str) -> asyncio.Future[Any]:
        """Ask for the outcome of the next visit of a step."""
        self.visits[name] += 1
        future: asyncio.Future[Any] = self.create_future()
        self.open[f"{name}-{self.visits[name]}"] = lambda fact: self._hand(future, fact)
        return future

    def _hand(self, future: asyncio.Future[Any], fact: Settled) -> None:
        if future.done():
            return
        if isinstance(fact.outcome, Err):
            module, _, name = fact.outcome.failure.path.partition(":")
            kind = getattr(importlib.import_module(module), name)
            future.set_exception(kind(fact.outcome.failure.message))
        elif fact.event is None:
            future.set_result(values.decode(fact.outcome.value))
        else:
            arrived = self._life.received[fact.event].fact
            assert isinstance(arrived, Received)
            future.set_result([arrived.type, values.decode(arrived.payload)])

    def _end(self) -> None:
        self.open.clear()
        for task in asyncio.all_tasks(self):
            task.cancel()
        self.run_forever()
        self.close()

    # -- a loop without a time -----------------------------------------------------------------------------

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Ring when the journal has the timer's end."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.visits[TIMER] += 1
        key = f"{TIMER}-{self.visits[TIMER]}"
        self.open[key] = lambda _: None if handle.cancelled() else self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Do the same."""
        return self.call_at(delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: object) -> None:
        """Nothing is kept of it elsewhere."""

    def time(self) -> float:
        return 0.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            self.stop()
        return []

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There is one thread."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody awaits changes nothing."""


class _Play(Play):
    """A pass through the body with nothing behind it."""

    def __init__(self, loop: _Loop) -> None:
        super().__init__(None, None, _Blind(), 0)
        self._loop = loop

    async def _seen(self, part: Any) -> Any:
        kind = type(part).__name__
        name = {"Do": lambda: part.name, "Wait": lambda: f"wait {part.type}", "Poll": lambda: "poll"}.get(
            kind, lambda: "until" if part.until else "sleep"
        )()
        return await self._loop.ask(name)

    def _tell(self, what: str) -> object:
        return f"told {what}"

    async def _completed(self, items: Sequence[Part]) -> list[Any]:
        tasks = [
            asyncio.create_task(self.play(item)) for item in items
        ]  # asyncio would begin them in any order
        found = []
        for one in asyncio.as_completed(tasks):
            try:
                found.append(await one)
            except Exception as error:  # noqa: BLE001 - whatever it is, it counts as one
                found.append(plain(error))
        return found


class _Blind:
    """Sees nothing."""

    def asks(self, name: str) -> None: ...

    def sees(self, what: str, value: object) -> None: ...

    def begins(self, key: str, attempt: int) -> str:
        raise AssertionError(key, attempt)

    def ends(self, mark: str) -> None:
        raise AssertionError(mark)


def _sorted(value: object) -> object:
    """Leave out the order of a set of tasks: asyncio's own is by chance."""
    match value:
        case {"first": list(items)}:
            return {"first": sorted(map(_sorted, items), key=repr)}
        case dict():
            return {key: _sorted(inner) for key, inner in value.items()}
        case list():
            return [_sorted(item) for item in value]
    return value


RULES: tuple[Callable[[Life], list[str]], ...] = (as_asyncio_has_it,)
