"""Programs, what is sent to them, and schedules, drawn from choices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.bodies import (
    Bag,
    Child,
    Do,
    Fail,
    First,
    Gather,
    Group,
    Guard,
    Locked,
    Loose,
    Map,
    Nap,
    Part,
    Poll,
    Program,
    Seq,
    Sleep,
    Tell,
    Timeout,
    Try,
    Wait,
    is_calm,
)
from tests.simulation.schedules import Mishap, Schedule, Sent

if TYPE_CHECKING:
    from tests.simulation.choices import Choices

TAKES = (0, 0, 0, 1, 5, 30, 45, 400, 1_000, 1_000, 2_500)
SPANS = (0, 1, 10, 50, 400, 1_000, 1_000, 2_000, 15_000)
WAITS = (1_000, 1_000, 2_000, 15_000)
TYPES = ("x", "x", "y")
TOLD = ("log", "now", "uuid", "random", "state", "patched")
MOMENTS = (0, 1, 5, 25, 400, 500, 999, 1_000, 1_000, 1_001, 1_500, 2_000, 2_000, 2_001, 3_000, 15_000, 16_000)
LEAVES = 9


def program(choices: Choices, *, calm: bool = False) -> Program:
    """Draw a program; of what is ``calm`` nothing races."""
    children = tuple(
        _Drawer(choices, calm=calm, children=0, leaves=3).part() for _ in range(choices.pick((0, 0, 1, 2)))
    )
    leaves = 1 + choices.below(LEAVES)
    drawer = _Drawer(choices, calm=calm, children=len(children), leaves=leaves)
    items = [drawer.part()]
    while drawer.leaves > 0 and len(items) < 4:
        items.append(drawer.part())
    if choices.often(12):
        items.append(Fail())
    return Program(main=items[0] if len(items) == 1 else Seq(tuple(items)), children=children)


class _Drawer:
    """Draws parts until there are ``leaves`` of them."""

    def __init__(self, choices: Choices, *, calm: bool, children: int, leaves: int) -> None:
        self.leaves = leaves
        self._choices = choices
        self._calm = calm
        self._children = children

    def part(self, depth: int = 0) -> Part:
        if self.leaves > 1 and depth < 4 and self._choices.often(45):
            return self._made(depth + 1)
        self.leaves -= 1
        return self._leaf()

    def _items(self, depth: int, least: int = 2, most: int = 3) -> tuple[Part, ...]:
        count = least + self._choices.below(most - least + 1)
        return tuple(self.part(depth) for _ in range(count))

    def _made(self, depth: int) -> Part:
        c = self._choices
        kinds = ["seq", "gather", "group", "try", "bag", "locked", "loose"]
        kinds += [] if self._calm else ["first", "first", "timeout", "timeout", "guard"]
        match c.pick(kinds):
            case "gather":
                return Gather(self._items(depth), errors=c.often(30))
            case "seq":
                return Seq(self._items(depth))
            case "group":
                return Group(self._items(depth))
            case "try":
                return Try(self._items(depth, most=2), cleans=c.often(30))
            case "bag":
                return Bag(self._items(depth), queue=c.often(50))
            case "locked":
                return Locked(self._items(depth, most=4), room=1 + c.below(2))
            case "loose":
                return Loose(self._items(depth, least=1, most=1))
            case "first":
                return First(self._items(depth), cancels=not c.often(20))
            case "timeout":
                return Timeout(c.pick(SPANS[1:]), self._items(depth, least=1, most=2), waits=c.often(40))
        return Guard(self._items(depth, most=2), stays=c.often(50))

    def _leaf(self) -> Part:
        c = self._choices
        match c.below(20):
            case n if n < 8:
                return self._do()
            case 8 | 9:
                return Sleep(c.pick(SPANS), until=c.often(30))
            case 10 | 11 | 12:
                return Wait(c.pick(TYPES), c.pick((None, *WAITS)))
            case 13:
                checks = c.pick((0, 1, 2, 99))
                return Poll(checks, 1_000, 3_500 if checks == 99 else 86_400_000, c.pick((0, 0, 5)))
            case 14:
                enough = None if self._calm else c.pick((None, None, 1))
                return Map(
                    2 + c.below(2), c.pick((0, 0, 1)), 1 + c.below(2), c.below(2), enough, c.pick((0, 5, 400))
                )
            case 15 | 16 if self._children:
                timeout = None if self._calm else c.pick((None, None, 1_000))
                return Child(c.below(self._children), timeout, follows=not c.often(30))
            case 17:
                return Nap(c.pick(SPANS))
            case 18 | 19:
                return Tell(c.pick(TOLD))
        return self._do()

    def _do(self) -> Do:
        c = self._choices
        undo = c.pick((None, None, 0, 0, 1, 99))
        if not self._calm and c.often(12):
            return Do(c.pick("ab"), c.pick(TAKES), c.pick((0, 0, 1)), c.pick((0, 0, 1)), once=True, undo=undo)
        failures, fatal = c.pick((0, 0, 0, 0, 1, 2, 99)), c.often(8)
        return Do(
            c.pick("abc"),
            c.pick(TAKES),
            99 if fatal else failures,
            limit=2,
            delay=c.pick((0, 0, 10, 1_000)),
            timeout=c.pick((None, None, None, 300, 2_500)),
            fatal=fatal,
            plain=c.often(15),
            undo=undo,
        )


def sent(choices: Choices, program: Program, *, calm: bool = False) -> tuple[Sent, ...]:
    """Draw what is sent to a program's instances; to what is ``calm`` as much as it waits for."""
    whats = [part.type for part in program.main.everything() if isinstance(part, Wait)]
    if calm:
        if choices.often(50):
            whats = []
        told = [Sent(choices.pick(MOMENTS), what) for what in whats]
    else:
        count = choices.pick((0, 1, 2, 2, 3, 5))
        told = [
            Sent(
                choices.pick(MOMENTS),
                choices.pick(TYPES),
                choices.pick((0, 0, 0, *range(1, 1 + len(program.children)))),
            )
            for _ in range(count)
        ]
        if choices.often(35):
            told.append(Sent(choices.pick(MOMENTS), choices.pick(("cancel", "rollBack", "terminate"))))
    if choices.often(25):
        at = choices.pick(MOMENTS)
        told += [Sent(at, "pause"), Sent(at + choices.pick((1, 50, 1_000, 20_000)), "resume")]
    return tuple(sorted(told, key=lambda one: one.ms))


def case_of(choices: Choices, *, calm: bool) -> tuple[Program, tuple[Sent, ...]]:
    """Draw a program with what is sent to it; really calm it is only if `is_calm` says so."""
    made = program(choices, calm=calm)
    return made, sent(choices, made, calm=calm)


def schedule(choices: Choices) -> Schedule:
    """Draw what goes wrong, and with how many processes."""
    slow = ((0,), (0,), (0, 1), (3, 0, 7), (40, 0), (900, 0, 0))
    drawn = Schedule(
        mishaps=tuple(_mishap(choices) for _ in range(choices.pick((0, 1, 1, 2, 2, 3, 4)))),
        link=choices.pick(slow),
        store=choices.pick(slow),
        cold=choices.often(30),
        echo=choices.often(20),
        swaps=choices.often(20),
        late=choices.pick((0, 0, 1, 50, 3_000)),
        processes=choices.pick((1, 1, 1, 2, 3)),
    )
    mishaps = tuple(replace(one, of=choices.below(drawn.processes)) for one in drawn.mishaps)
    return replace(drawn, mishaps=mishaps)


def _mishap(choices: Choices) -> Mishap:
    what = choices.pick(
        ("crash", "crash", "crash", "kept", "kept", "fence", "reload", "evict", "twice", "handback", "keep")
    )
    if what in ("kept", "evict") or choices.often(60):
        return Mishap(what, commit=1 + choices.below(14))
    return Mishap(what, ms=choices.pick(MOMENTS) + choices.pick((0, 0, 1, 3)))


__all__ = ["case_of", "is_calm", "program", "schedule", "sent"]
