"""Workflow bodies as values: what `run` does, to be drawn, shown, compared and played (`playing`).

Each is a part of a body; its parts are parts. The names of steps are few, so that visits are counted.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Part:
    """What a body is made of; shown as the code that makes it, without what goes without saying."""

    __slots__ = ()

    def __repr__(self) -> str:
        told = []
        for one in fields(self):  # type: ignore[arg-type]
            value = getattr(self, one.name)
            if one.default is MISSING or value != one.default:
                told.append(f"{one.name}={value!r}")
        return f"{type(self).__name__}({', '.join(told)})"

    @property
    def parts(self) -> tuple[Part, ...]:
        """What it is made of."""
        return ()

    def everything(self) -> Iterator[Part]:
        """Walk through it."""
        yield self
        for part in self.parts:
            yield from part.everything()


class _Of(Part):
    """Made of several."""

    __slots__ = ()
    items: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.items


@dataclass(frozen=True, slots=True, repr=False)
class Do(Part):
    """A step: its first attempts fail, each takes so long. ``undo`` is how often its rollback fails."""

    name: str = "a"
    takes: int = 0
    failures: int = 0
    limit: int = 2
    delay: int = 0
    timeout: int | None = None
    fatal: bool = False
    once: bool = False
    plain: bool = False
    undo: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Sleep(Part):
    """`ctx.sleep`, or with ``until`` `ctx.sleep_until`, counted from the beginning."""

    ms: int = 0
    until: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Nap(Part):
    """`asyncio.sleep`."""

    ms: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Wait(Part):
    """`ctx.wait_for_event`; None waits for a day."""

    type: str = "x"
    timeout: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Poll(Part):
    """`ctx.poll` that has something to say after so many checks; 99 is never."""

    checks: int = 0
    every: int = 1_000
    timeout: int = 86_400_000
    takes: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Map(Part):
    """`ctx.map` over so many items, of which some fail."""

    items: int = 2
    bad: int = 0
    concurrency: int = 2
    tolerated: int = 0
    enough: int | None = None
    takes: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Child(Part):
    """`ctx.call` of one of the program's children."""

    number: int = 0
    timeout: int | None = None
    follows: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Tell(Part):
    """What costs no record: the time, chance, a log line, what the status shows."""

    what: str = "log"


@dataclass(frozen=True, slots=True, repr=False)
class Fail(Part):
    """An error of the code's own."""


@dataclass(frozen=True, slots=True, repr=False)
class Seq(_Of):
    """One after the other."""

    items: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Gather(_Of):
    """`asyncio.gather`; with ``errors`` it gives exceptions back."""

    items: tuple[Part, ...] = ()
    errors: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Group(_Of):
    """`asyncio.TaskGroup`."""

    items: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class First(_Of):
    """`asyncio.wait` for the first; the losers are cancelled, or without ``cancels`` left to go on."""

    items: tuple[Part, ...] = ()
    cancels: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Bag(_Of):
    """`asyncio.as_completed`, or with ``queue`` an `asyncio.Queue` that they put their results into."""

    items: tuple[Part, ...] = ()
    queue: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Locked(_Of):
    """Side by side, but for an `asyncio.Lock`, or a `Semaphore` of two."""

    items: tuple[Part, ...] = ()
    room: int = 1


@dataclass(frozen=True, slots=True, repr=False)
class Timeout(_Of):
    """`asyncio.timeout`, or with ``waits`` `asyncio.wait_for`, around one after the other."""

    ms: int = 1_000
    items: tuple[Part, ...] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Try(_Of):
    """The first; if it fails the second; ``cleans`` has the second in a `finally`."""

    items: tuple[Part, ...] = ()
    cleans: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Guard(_Of):
    """The first; when it is cancelled the second, and then it ends, or with ``stays`` goes on."""

    items: tuple[Part, ...] = ()
    stays: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Loose(_Of):
    """A task that nobody awaits."""

    items: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Program(_Of):
    """A body and those that it may call."""

    main: Part = Seq()
    children: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.main, *self.children)


RACES = (First, Timeout, Guard)


def is_calm(program: Program, events: tuple[str, ...]) -> bool:
    """Tell whether the time at which things happen changes nothing about how it ends.

    ``events`` are the types of those that the first instance gets.
    """
    waits = [part.type for part in program.main.everything() if isinstance(part, Wait)]
    for part in program.everything():
        match part:
            case First() | Timeout() | Guard() | Do(once=True) | Child(timeout=int()) | Map(enough=int()):
                return False
            case Wait(type=type_, timeout=int()) if type_ in events:
                return False
            case Wait(type=type_) if type_ in events and events.count(type_) < waits.count(type_):
                return False
            case Poll(timeout=timeout) if timeout < 86_400_000:
                return False
            case Do(timeout=int(limit), takes=takes) if limit <= takes < limit + 1_000:
                return False
    return not any(isinstance(part, Wait) for child in program.children for part in child.everything())
