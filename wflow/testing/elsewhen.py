"""Another time and other chances for user code: what it must not depend on between its steps."""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import wflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_Real = dt.datetime
_Day = dt.date
_OTHERS: Final = tuple(
    f"{Path(folder)}/"
    for folder in {
        *wflow.__path__,
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)


@contextlib.contextmanager
def elsewhen(offset: dt.timedelta, seed: int) -> Iterator[None]:
    """Have user code see the clocks of ``time`` and ``datetime`` moved, and ``random`` seeded otherwise.

    What its modules have imported by name is replaced there as well, and put back afterwards.
    """
    instead = _moved(offset)
    state = random.getstate()
    undo: list[Callable[[], None]] = []
    try:
        for module in (time, dt, *_users()):
            for name, value in list(vars(module).items()):
                other = instead.get(id(value))
                if other is not None:
                    undo.append(_put(module, name, other))
        random.seed(seed)
        yield
    finally:
        for put in reversed(undo):
            put()
        random.setstate(state)


def _put(module: ModuleType, name: str, value: object) -> Callable[[], None]:
    before = getattr(module, name)
    setattr(module, name, value)
    return lambda: setattr(module, name, before)


def _users() -> list[ModuleType]:
    """List the modules that are neither Python's, nor installed, nor wflow's own."""
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not file.startswith(_OTHERS):
            found.append(module)
    return found


def _moved(offset: dt.timedelta) -> dict[int, Any]:
    """Give what stands in for each clock, by the clock's identity."""
    seconds = offset.total_seconds()

    class Kind(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, _Real)

    class Datetime(_Real, metaclass=Kind):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return _Real.now(tz) + offset

        @classmethod
        def utcnow(cls) -> Any:
            return _Real.now(dt.UTC).replace(tzinfo=None) + offset

        @classmethod
        def today(cls) -> Any:
            return _Real.now() + offset

    class Days(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, _Day)

    class Date(_Day, metaclass=Days):
        @classmethod
        def today(cls) -> Any:
            return (_Real.now() + offset).date()

    def shifted(clock: Callable[[], Any], by: float) -> Callable[[], Any]:
        return lambda: clock() + by

    instead: dict[int, Any] = {id(_Real): Datetime, id(_Day): Date}
    for name in ("time", "monotonic", "perf_counter"):
        instead[id(getattr(time, name))] = shifted(getattr(time, name), seconds)
        nanoseconds = getattr(time, f"{name}_ns")
        instead[id(nanoseconds)] = shifted(nanoseconds, round(seconds * 1_000_000_000))
    return instead
