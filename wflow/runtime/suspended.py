"""Where workflow code stands while it waits: the frames of its tasks, as far as they are the user's."""

from __future__ import annotations

import dis
import re
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import wflow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from wflow.runtime.rehearsal import Rehearsal

DEEP: Final = 1_000
"""Coroutines that wait for one another, at the most, in one task."""


def tasks(rehearsal: Rehearsal) -> list[asyncio.Task[Any]]:
    """List the tasks that wait, the one of `run` first, the others in the order in which they began."""
    return sorted(rehearsal.tasks, key=_number)


def waiter(rehearsal: Rehearsal, key: str) -> asyncio.Task[Any] | None:
    """Find the task that hears next of the step ``key``; None when none waits for it by itself."""
    asked = rehearsal.turn.steps.asked.get(key)
    if asked is None:
        return None
    future = asked[0]
    return next((task for task in tasks(rehearsal) if getattr(task, "_fut_waiter", None) is future), None)


def frames(task: asyncio.Task[Any]) -> list[FrameType]:
    """List the user's frames of a task that waits, or is the one that calls this; the innermost last."""
    waiting = task.get_coro()
    if getattr(waiting, "cr_running", False):
        return running(sys._getframe())  # noqa: SLF001 - what inspect.currentframe is made of
    return [frame for frame in _chain(waiting) if is_users(frame)]


def running(frame: FrameType | None) -> list[FrameType]:
    """List the user's frames of code that runs, up from ``frame``, the innermost last."""
    return [each for each in reversed(list(_outwards(frame))) if is_users(each)]


def is_users(frame: FrameType) -> bool:
    """Tell whether a frame is of the user's own code: not of wflow, of Python, or of an installed package."""
    file = frame.f_code.co_filename
    if file.startswith("<"):
        return False
    return not any(file.startswith(folder) for folder in _OTHERS)


def waits(frame: FrameType) -> bool:
    """Tell whether a coroutine's frame that is being left is left only for a while, to wait."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in {"YIELD_VALUE", "SEND"}


def _chain(waiting: Any) -> Iterator[FrameType]:
    """Follow what waits for what: coroutines, generators that are awaited, and what these wait for."""
    for _ in range(DEEP):
        for prefix, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            frame = getattr(waiting, f"{prefix}_frame", None)
            if frame is not None:
                yield frame
                waiting = getattr(waiting, inner)
                break
        else:
            return


def _outwards(frame: FrameType | None) -> Iterable[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _number(task: asyncio.Task[Any]) -> tuple[int, str]:
    """Order tasks by the number that asyncio gave them; those with names of their own come last."""
    name = task.get_name()
    found = re.fullmatch(r"Task-(\d+)", name)
    return (int(found[1]) if found else 2**62, name)


_OTHERS: Final = tuple(
    f"{Path(folder)}/"
    for folder in {
        *wflow.__path__,
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)
