"""How a run of a test has ended: what the test gave, what became of each instance, what steps have done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from wflow.engine import values
from wflow.engine.outcome import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from wflow.stores.store import Instance
    from wflow.testing.kit import Kit
    from wflow.testing.world import World

PAGE: Final = 1_000
SHOWN_CHARS: Final = 400
"""A longer value is cut where it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of one run."""

    returned: object = None
    error: BaseException | None = None
    instances: Mapping[str, tuple[str, object]] = field(default_factory=dict)
    """What became of each: its status, and its output or its error."""
    effects: Sequence[object] = ()


async def ending(kit: Kit, body: Callable[[], Coroutine[Any, Any, object]], effects: Any) -> Ending:
    """Run a test on a kit that has begun, let all that it left settle, and tell how that ended."""
    returned, error = None, None
    try:
        returned = await body()
    except (Exception, pytest.fail.Exception) as raised:  # noqa: BLE001 - it is what is compared
        error = raised
    else:
        await kit.settle()
    done = [*kit.effects, *(effects if effects is not None else ())]
    instances = {} if error is not None else await kit.ask(_instances)
    return Ending(returned=returned, error=error, instances=instances, effects=done)


def difference(first: Ending, other: Ending, *, deaths: int) -> str | None:
    """Say how an ending differs from the ``first``; None when it does not."""
    if other.error is not None:
        return f"  it raised {type(other.error).__name__}: {other.error}"
    if other.returned != first.returned:
        return _both("returned", first.returned, other.returned)
    for name in sorted({*first.instances, *other.instances}):
        before, now = first.instances.get(name), other.instances.get(name)
        if before != now:
            return _both(name, before or "was not there", now or "was not there")
    return _effects(first.effects, other.effects, deaths)


def _effects(first: Sequence[object], other: Sequence[object], deaths: int) -> str | None:
    """Compare what was done: more often, perhaps, once for each death; nothing else, and nothing less."""
    for effect in other:
        if effect not in first:
            return f"  it did {_shown(effect)}, which no step does without a death"
    for effect in first:
        before, now = first.count(effect), other.count(effect)
        if not before <= now <= before + deaths:
            return _both(f"{_shown(effect)} was done", f"{before} times", f"{now} times")
    return None


async def _instances(world: World) -> dict[str, tuple[str, object]]:
    found: dict[str, tuple[str, object]] = {}
    for registered in world.runner.workflows():
        last = None
        while page := await world.store.find(registered.name, after=last, newest_first=False, limit=PAGE):
            found |= {f"{registered.name} {one.id!r}": _of(one) for one in page}
            last = page[-1].key
    return found


def _of(one: Instance) -> tuple[str, object]:
    if one.failure is not None:
        failure = msgspec.msgpack.decode(one.failure, type=Failure)
        return one.status, f"{failure.name}: {failure.message}"
    return one.status, None if one.output is None else values.decode(one.output)


def _both(what: str, before: object, now: object) -> str:
    return f"  {what}\n    without: {_shown(before)}\n    with:    {_shown(now)}"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
