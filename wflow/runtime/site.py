"""Where user code asks for a step: the nearest line on the stack that is not wflow's own.

A site is a text, see `wflow.engine.divergence`. One is made once for each place in the code and shared by all
steps that it asks for: what a step costs is a look at the stack and into a dictionary.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import wflow
from wflow.engine.causes import GONE, MOVED, SAME
from wflow.engine.divergence import SITE_CHARS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, FrameType

PLACES: Final = 20_000
"""Places that are remembered; code that makes code at run time has no end of them."""
LINES: Final = 12
"""Lines of one call that are looked at."""

_STOPS: Final = ("WorkflowLoop.run", "WorkflowLoop.evict")
"""Below these functions of wflow's there is no workflow code on the stack."""
_OWN: Final = tuple(folder + os.sep for folder in (*wflow.__path__, *asyncio.__path__))

_SITE: Final = re.compile(r"(?P<file>.+?):(?P<line>\d+) (?P<text>.*)", re.DOTALL)

_places: dict[tuple[int, int], tuple[CodeType, str | None]] = {}
"""By the code object's address and the instruction: the code object, so that the address stays its own, and
its site; None for code of wflow or asyncio, "" for where the search ends."""
remembered: dict[object, Any] = {}
"""What others know by places; it is forgotten with them."""
_roots: list[str] = []


def seen_from(root: Path) -> None:
    """Show files as they are called from ``root`` on, the project's folder."""
    _roots[:] = [str(root)]
    _places.clear()
    remembered.clear()


def within(file: str) -> str | None:
    """Show a file of the project as the project calls it; None for one that is not the project's."""
    for root in _roots:
        if file.startswith(root + os.sep) and "site-packages" not in file:
            return file[len(root) + 1 :].replace(os.sep, "/")
    return None


def of(frame: FrameType) -> str | None:
    """Tell the site of the code at ``frame``; None when it is wflow's own or asyncio's."""
    key = id(frame.f_code), frame.f_lasti
    place = _places.get(key) or _remember(key, frame)
    return place[1]


def here(depth: int = 1) -> str:
    """Tell who calls the function that calls this, or one further up by ``depth``; "" when that is nobody."""
    frame: FrameType | None = sys._getframe(depth + 1)  # noqa: SLF001 - what inspect.currentframe is made of
    while frame is not None:
        code = frame.f_code
        # A code object's own hash goes through all of its instructions.
        key = id(code), frame.f_lasti
        place = _places.get(key)
        if place is None:
            place = _remember(key, frame)
        site = place[1]
        if site is not None:
            return site
        frame = frame.f_back
    return ""


def standing(site: str) -> str | None:
    """Tell where the line of a recorded site is now: `causes.SAME`, MOVED or GONE; None when nobody knows."""
    found = _SITE.fullmatch(site)
    if found is None:
        return None
    lines = _lines(found["file"])
    text, at = found["text"], int(found["line"]) - 1
    if not lines or not text:
        return None
    stripped = [line.strip() for line in lines]
    there = [number for number, _ in enumerate(stripped) if _begins(stripped, number, text)]
    if not there:
        return GONE
    return SAME if at in there else MOVED


def _lines(file: str) -> list[str]:
    """Read a file that is named as `_shown` names it."""
    folders = (*_roots, *filter(None, sys.path))
    return next(filter(None, (linecache.getlines(str(Path(folder, file))) for folder in folders)), [])


def _begins(lines: Sequence[str], number: int, text: str) -> bool:
    """Tell whether the call that begins on a line reads as ``text``, which may have been cut."""
    first = lines[number]
    if not first or not text.startswith(first[: len(text)]):
        return False
    return _joined(lines[number : number + LINES]).startswith(text)


def _remember(key: tuple[int, int], frame: FrameType) -> tuple[CodeType, str | None]:
    if len(_places) >= PLACES:
        _places.clear()
    place = _places[key] = frame.f_code, _site(frame)
    return place


def _site(frame: FrameType) -> str | None:
    code = frame.f_code
    file = code.co_filename
    if file.startswith(_OWN):
        return "" if code.co_qualname in _STOPS and file.startswith(_OWN[0]) else None
    first, last = frame.f_lineno, frame.f_lineno
    positions = _span(code, frame.f_lasti)
    if positions is not None:
        first, last = positions
    source = []
    for line in range(first, min(last, first + LINES) + 1):
        source.append(linecache.getline(file, line).strip())
        if source[-1].endswith(":"):  # the rest is what stands in the block
            break
    return f"{_shown(file)}:{first} {_joined(source)}".rstrip()[:SITE_CHARS]


def _span(code: CodeType, instruction: int) -> tuple[int, int] | None:
    """Tell on which lines the call begins and ends."""
    for number, (first, last, _, _) in enumerate(code.co_positions()):
        if number * 2 == instruction:
            return None if first is None or last is None else (first, last)
    return None


def _joined(lines: Sequence[str]) -> str:
    """Make one line of a call that is written on several, the way it would be written on one."""
    text = ""
    for line in lines:
        tight = not text or text[-1] in "([{" or line[:1] in ")]}"
        if line[:1] in ")]}":
            text = text.removesuffix(",")
        text += line if tight else f" {line}"
    return text


def _shown(file: str) -> str:
    """Show a file as its project calls it, or else whoever imports it."""
    for folder in (*_roots, *sorted(filter(None, sys.path), key=len, reverse=True)):
        prefix = folder.rstrip(os.sep) + os.sep
        if file.startswith(prefix):
            return file[len(prefix) :].replace(os.sep, "/")
    return file.rpartition(os.sep)[2]
