"""When the instances that were handed over begin: not all at once.

What a hundred instances touch at each of their steps stays in the processor's cache, what a thousand do does
not, and then every step takes half as long again. So while many are in memory and have something on its way
to disk, others wait for these to come to an end, to a rest or to a step that lasts. The workflows take turns.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sized

    from wflow.link.frames import Turn

BRISK: Final = 250
"""Instances that may have something on its way to disk before others wait for them."""
ANYWAY: Final = 4
"""How many begin all the same whenever a commit is on disk: those that are brisk may be so for ever."""


class Speaking(Protocol):
    """What is on its way to disk, as far as it matters here."""

    @property
    def speakers(self) -> int:
        """How many instances have something there."""
        ...


class Starting:
    """Turns that wait to begin, by workflow and in the order in which they came; ``start`` begins one."""

    def __init__(self, turns: Sized, outbox: Speaking, start: Callable[[Turn], None]) -> None:
        """Begin with none, on the running loop; ``turns`` are in memory, ``outbox`` has what they say."""
        self._turns = turns
        self._outbox = outbox
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._waiting: OrderedDict[str, OrderedDict[int, Turn]] = OrderedDict()
        self._scheduled = False

    def add(self, spec: Turn) -> None:
        """Begin a turn, now or later."""
        if not self._waiting and len(self._turns) < BRISK:
            self._start(spec)
            return
        self._waiting.setdefault(spec.workflow, OrderedDict())[spec.instance] = spec
        self.look()

    def take(self, instances: Iterable[int]) -> list[Turn]:
        """Take those out that wait, for whoever has something to say to them."""
        found = []
        for instance in instances if self._waiting else ():
            for workflow, specs in self._waiting.items():
                if instance in specs:
                    found.append(specs.pop(instance))
                    if not specs:
                        del self._waiting[workflow]
                    break
        return found

    def take_all(self) -> list[Turn]:
        """Take all of them out."""
        waiting, self._waiting = self._waiting, OrderedDict()
        return [spec for specs in waiting.values() for spec in specs.values()]

    def look(self) -> None:
        """Begin those for which there is room, once those who begin a step in this pass have spoken."""
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        left = max(BRISK - self._outbox.speakers, ANYWAY)
        while left and self._waiting:
            workflow, specs = next(iter(self._waiting.items()))
            _, spec = specs.popitem(last=False)
            self._waiting.move_to_end(workflow)  # the others come next
            if not specs:
                del self._waiting[workflow]
            self._start(spec)
            left -= 1
        if not self._outbox.speakers:
            self.look()
