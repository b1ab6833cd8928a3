"""What a handler raised, with the lines around each place of its traceback and a hint where one is known."""

from __future__ import annotations

import linecache
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.link.mishap import Mishap, Place
from wflow.runtime import site
from wflow.runtime.failures import failure_of, message_of
from wflow.runtime.rpc import crossing

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACES: Final = 30
"""Places of a traceback that are shown: the last ones."""
AROUND: Final = 4
"""Lines that are shown before and after each."""
LINE_CHARS: Final = 300

_HINTS: Final = (
    (NotImplementedError, "write `async def fetch(self, request)` in the Worker's class"),
    (ModuleNotFoundError, "install it in the environment that runs wflow, or check the import's spelling"),
)
_TEXTS: Final = (
    ("was never awaited", "a call of a binding is a coroutine: put `await` before it"),
    ("'coroutine' object", "a call of a binding is a coroutine: put `await` before it"),
    ("fetch must return a Response", "end every way through `fetch` with `return Response(...)`"),
    ("has no JSON", "make it of dicts, lists, text, numbers, datetimes; or give `Response(text)`"),
)


def of(error: BaseException) -> Mishap:
    """Tell of an exception; never raises."""
    places: list[Place] = []
    with suppress(Exception):  # whatever is wrong with it, the rest is worth telling
        own = str(Path(sys.modules["wflow"].__path__[0]))
        stack = traceback.extract_tb(error.__traceback__)
        stack[:] = [frame for frame in stack if not frame.filename.startswith(own)]
        places = [_place(frame) for frame in stack[-PLACES:]]
    return Mishap(places, _hint(error, message_of(error)), crossing(failure_of(error)))


def _place(frame: traceback.FrameSummary) -> Place:
    line = frame.lineno or 0
    file = site.within(frame.filename)
    return Place(
        file=file or frame.filename,
        line=line,
        function=frame.name,
        own=file is not None,
        lines=list(_around(frame.filename, line)),
    )


def _around(file: str, line: int) -> Iterable[tuple[int, str]]:
    for number in range(max(1, line - AROUND), line + AROUND + 1):
        text = linecache.getline(file, number)
        if text:
            yield number, text.rstrip()[:LINE_CHARS]


def _hint(error: BaseException, message: str) -> str | None:
    own = getattr(error, "hint", None)
    if isinstance(own, str):
        return own
    by_class = next((hint for kind, hint in _HINTS if isinstance(error, kind)), None)
    return by_class or next((hint for text, hint in _TEXTS if text in message), None)
