"""Why a journal and the code may have parted, as a guess, and the ways on from there.

All that is known is what the journal has, what the code asks for, and the lines that asked for either.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from wflow.engine.divergence import Divergence, Point, error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.engine.past import Past
    from wflow.errors import NonDeterminismError

SAME, MOVED, GONE = "same", "moved", "gone"
"""Where the recorded line is now: where it was, elsewhere in its file, or not in it any more."""
ALIKE: Final = 0.6
"""How much alike two names are that may be one; 1 is the same."""

_SOURCES: Final = "a clock, chance, a global, the environment"
_CHANGING: Final = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"  # a UUID
    r"|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"  # a digest, an id
    r"|\d+(?:[-:.T ]\d+)*Z?",  # numbers, times
    re.IGNORECASE,
)
_ADDRESS: Final = "NAME ID"
_SITE: Final = re.compile(r"(?P<place>.*?):\d+ (?P<text>.*)", re.DOTALL)


def other_kind(past: Past, kind: str, site: str) -> NonDeterminismError:
    """Say that the code asks for another kind of step under a recorded key."""
    guess = f"the name {_name(past.key)!r} is now that of another kind of step; a new step wants a new name"
    requested = Point(key=past.key, kind=kind, site=site)
    what = f"step {past.key!r} is recorded as {past.kind}, and the code asks for {kind}"
    return error(_made("kind", guess, past, requested), what)


def other_arguments(past: Past, site: str) -> NonDeterminismError:
    """Say that the code calls a recorded step with other arguments."""
    if past.site and _text(past.site) == _text(site):
        guess = f"the call is the same, so its arguments come from outside the journal: {_SOURCES}"
    else:
        guess = "the call was changed, or what it is given"
    requested = Point(key=past.key, kind=past.kind, site=site)
    what = f"step {past.key!r} is called with other arguments than the recorded ones"
    return error(_made("arguments", guess, past, requested), what)


def unasked(past: Past, new: Sequence[Past], later: Sequence[Past], *, open_: bool) -> NonDeterminismError:
    """Say that the code does not ask for a recorded step, which is still ``open_`` or has an outcome.

    It asks for ``new`` steps that the journal does not have, and for those that it has ``later``.
    """
    if open_:
        what = f"the journal has step {past.key!r} ({past.kind}) under way, which the code never asks for"
    else:
        what = (
            f"the journal goes on with step {past.key!r} ({past.kind}), which the code does not ask for here"
        )
    order = max((one.order for one in new), default=0)
    return error(replace(_guess(past, new, later), order=order), what)


def reconsidered(divergence: Divergence, standing: str | None) -> Divergence:
    """Guess again, now that it is known where the recorded line is: one of the words above, None if not."""
    recorded, requested, cause = divergence.recorded, divergence.requested, divergence.cause
    if recorded is None or standing is None or cause in ("kind", "arguments", "chance"):
        return divergence
    if standing == SAME or (standing == MOVED and requested is None):
        return _as(divergence, "branch", _branch(recorded))
    if standing == GONE and cause != "renamed":
        return _as(divergence, "removed", _removed(recorded, requested))
    if standing == MOVED and cause == "renamed" and requested is not None:
        return _as(divergence, "added", _added(recorded, requested))
    return divergence


def addressed(divergence: Divergence, workflow: str, id_: str) -> Divergence:
    """Name the instance in the commands that lead on."""
    ways = [way.replace(_ADDRESS, f"{workflow} {id_}") for way in divergence.ways]
    return replace(divergence, ways=ways)


def _guess(past: Past, new: Sequence[Past], later: Sequence[Past]) -> Divergence:
    name = _name(past.key)
    for one in new:
        other = _name(one.key)
        if one.kind == past.kind and other != name and _steady(other) == _steady(name):
            guess = f"{name!r} and {other!r} differ in what changes with every run: {_SOURCES}"
            return _made("chance", guess, past, _point(one))
    for one in new:
        if one.kind == past.kind and past.site and _text(one.site) == _text(past.site):
            guess = f"the same line asks for another name, which comes from outside the journal: {_SOURCES}"
            return _made("chance", guess, past, _point(one))
    for one in new:
        if one.kind == past.kind and _alike(past, one):
            guess = f"{past.key!r} is called {one.key!r} now"
            return _made("renamed", guess, past, _point(one))
    if new:
        return _made("added", _added(_point(past), _point(new[0])), past, _point(new[0]))
    if later:
        guess = (
            f"{later[0].key!r} was asked for after {past.key!r} when this was recorded: "
            "they changed places, or that one is gone"
        )
        return _made("reordered", guess, past, _point(later[0]))
    return _made("removed", _removed(_point(past), None), past, None)


def _alike(past: Past, one: Past) -> bool:
    """Tell whether a step may be a recorded one under another name."""
    if past.digest and past.digest == one.digest:
        return True
    if past.site and _text(one.site) in _under(_text(past.site), _name(past.key), _name(one.key)):
        return True
    return SequenceMatcher(None, _name(past.key), _name(one.key), autojunk=False).ratio() >= ALIKE


def _under(line: str, old: str, new: str) -> set[str]:
    """Write a line with another name in it: the text alone, or whatever else bears it as well."""
    return {line.replace(f"{mark}{old}{mark}", f"{mark}{new}{mark}") for mark in ('"', "'", "")}


def _branch(recorded: Point) -> str:
    return (
        f"the line that asked for {recorded.key!r} is still there, and the code goes another way, by "
        f"{_SOURCES}, or by a condition that was changed"
    )


def _removed(recorded: Point, requested: Point | None) -> str:
    more = "" if requested is None else f"; the code goes on with {requested.key!r}"
    return f"nothing asks for {recorded.key!r} any more{more}"


def _added(recorded: Point, requested: Point) -> str:
    return f"{requested.key!r} is new, and comes before {recorded.key!r}"


def _as(divergence: Divergence, cause: str, guess: str) -> Divergence:
    assert divergence.recorded is not None
    ways = _ways(cause, divergence.recorded, divergence.requested)
    return replace(divergence, cause=cause, guess=guess, ways=ways)


def _made(cause: str, guess: str, past: Past, requested: Point | None) -> Divergence:
    recorded = _point(past)
    ways = _ways(cause, recorded, requested)
    return Divergence(cause=cause, guess=guess, recorded=recorded, requested=requested, ways=ways)


def _ways(cause: str, recorded: Point, requested: Point | None) -> list[str]:
    name, visit = _name(recorded.key), recorded.key.rpartition("-")[2]
    ways = []
    if cause == "renamed" and requested is not None:
        ways += [f"if it was renamed, say so: `formerly={name!r}` beside {_name(requested.key)!r}"]
    elif cause in ("added", "removed", "reordered", "branch"):
        ways += ['keep the old way for what began with it: `if ctx.patched("an-id"): ... else: ...`']
    if cause in ("chance", "arguments", "branch"):
        ways += ["take time and chance from `ctx.now()`, `ctx.uuid4()`, `ctx.random()`, all else from a step"]
    moved = f"`wflow workflows instances migrate {_ADDRESS}`"
    ways += [f"mend the code; a dev session goes on as you save it, a runner once it is deployed: {moved}"]
    if recorded.kind != "rollback":
        step = f"--from-step-name {_quoted(name)} --from-step-count {visit}"
        ways += [f"forget this step and all after it: `wflow workflows instances restart {_ADDRESS} {step}`"]
    if cause != "kind":
        new = "" if requested is None or requested.key == recorded.key else f"{requested.key!r} runs, and "
        kept = f"{new}what is recorded of {recorded.key!r} is kept for when it is asked for"
        ways += [f"take the code as it is; {kept}: `wflow workflows instances resume {_ADDRESS} --accept`"]
    return ways


def _point(past: Past) -> Point:
    return Point(key=past.key, kind=past.kind, site=past.site)


def _name(key: str) -> str:
    """Give a step's name without the number of its visit."""
    return key.rpartition("-")[0] or key


def _steady(name: str) -> str:
    """Give what of a name does not look like a number, a time or an id."""
    return _CHANGING.sub("#", name)


def _text(site: str) -> str:
    """Give the line of a site, wherever it is."""
    found = _SITE.fullmatch(site)
    return found["text"] if found else site


def _quoted(text: str) -> str:
    """Write a name as a shell takes it."""
    return text if re.fullmatch(r"[\w.:/-]+", text) else "'" + text.replace("'", "'\\''") + "'"
