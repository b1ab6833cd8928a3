"""What is seen while a world is played: what code goes on with, what its functions do, each at its time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflow.engine.facts import Settled
from wflow.runtime.home import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Process
    from tests.simulation.store import Store


@dataclass(frozen=True, slots=True)
class Sight:
    """Something that the code of an instance went on with; ``index`` is how many it had seen before."""

    tick: int
    at: int
    instance: int
    index: int
    what: str
    value: Any


@dataclass(slots=True)
class Called:
    """A function that was called: in which process, under which claim; ``ended`` is the tick of its own end.

    ``passes`` is which pass through the code it was, over all instances.
    """

    tick: int
    at: int
    process: int
    instance: int
    epoch: int
    passes: int
    key: str
    attempt: int
    mark: str
    ended: int | None = None


class Recorder:
    """See the module. ``wrong`` is what cannot be right, whatever comes: (rule, what happened)."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self.wrong: list[tuple[str, str]] = []
        self.sights: dict[int, list[Sight]] = {}
        self.calls: list[Called] = []
        self.passes = 0
        self.events: dict[int, list[str]] = {}
        self.ways: dict[tuple[int, int], list[str]] = {}
        """What was called after an answer of `ctx.patched`, by instance and the answer's index."""
        self._store = store
        self._now = now

    def watch(self, process: Process, code: Any) -> Watch:
        """Begin to watch one pass through the code of an instance."""
        self.passes += 1
        return Watch(self, process, code, self.passes)

    def sent(self, instance: int, type_: str) -> int:
        """Hear that an event is sent; give its number among those of its instance."""
        events = self.events.setdefault(instance, [])
        events.append(type_)
        return len(events)

    def see(self, instance: int, index: int, what: str, value: object) -> None:
        """Compare with what other passes have seen at this place; the first says what it is."""
        seen = self.sights.setdefault(instance, [])
        if index < len(seen) and (seen[index].what, seen[index].value) != (what, value):
            if what != seen[index].what or what != "ctx.patched" or self._is_kept(instance):
                before = f"{seen[index].what} {seen[index].value!r}"
                told = f"instance {instance} saw {what} {value!r} where it had seen {before}"
                self.wrong.append(("replay", told))
                return
            if called := self.ways.pop((instance, index), None):
                told = (
                    f"instance {instance} heard {seen[index].value}, called {called}, and hears {value} now"
                )
                self.wrong.append(("one way or the other", told))
            del seen[index:]
        if index < len(seen):
            return
        seen.append(Sight(self._store.tick(), self._now(), instance, index, what, value))

    def _is_kept(self, instance: int) -> bool:
        """Tell whether an answer of `ctx.patched` is on disk: before that, it may become another one."""
        journal = self._store.instances[instance].journal
        return any(isinstance(kept.fact, Settled) and kept.fact.kind == "patch" for kept in journal)


class Watch:
    """The witness of one pass."""

    def __init__(self, recorder: Recorder, process: Process, code: Any, number: int) -> None:
        self._recorder = recorder
        self._process = process
        self._code = code
        self._number = number
        self._index = 0
        self._calls: dict[str, Called] = {}
        self._visits: Counter[str] = Counter()
        self._way: int | None = None
        self._ways: dict[str, int] = {}

    def asks(self, name: str) -> None:
        self._visits[name] += 1
        if self._way is not None:
            self._ways[f"{name}-{self._visits[name]}"] = self._way

    def sees(self, what: str, value: object) -> None:
        if self._process.dead or self._code.state is State.OVER:
            return
        if what == "ctx.patched" and self._way is None:
            self._way = self._index
        self._recorder.see(self._code.instance, self._index, what, value)
        self._index += 1

    def begins(self, key: str, attempt: int) -> str:
        recorder, process, instance = self._recorder, self._process, self._code.instance
        mark = f"{key}#{len(recorder.calls)}"
        called = Called(
            recorder._store.tick(),
            recorder._now(),
            process.number,
            instance,
            process.epoch(instance),
            self._number,
            key,
            attempt,
            mark,
        )
        recorder.calls.append(called)
        if key in self._ways:
            recorder.ways.setdefault((instance, self._ways[key]), []).append(mark)
        self._calls[mark] = called
        return mark

    def ends(self, mark: str) -> None:
        if not self._process.dead:
            self._calls[mark].ended = self._recorder._store.tick()
