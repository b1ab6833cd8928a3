"""The processes of a simulation: which of them take new work, who gets what, and when others come up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Process

START_MS = 20


class Crew:
    """Up to ``most`` processes at a time, which ``make`` makes; ``after`` has things done later."""

    def __init__(
        self,
        most: int,
        make: Callable[[int], Process],
        after: Callable[[float, Callable[[], object]], None],
    ) -> None:
        self.members: list[Process] = []
        self.everyone: list[Process] = []
        """All that there ever were."""
        self._most = most
        self._make = make
        self._after = after
        self._starting = 0
        self._chosen: dict[Process, int] = {}

    def muster(self, up: Callable[[], object]) -> None:
        """Bring those up that are missing, one after the other; ``up`` hears of each."""
        while len(self.members) + self._starting < self._most:
            delay_ms = START_MS * (self._starting + bool(self.everyone))
            self._starting += 1
            self._after(delay_ms, lambda: self._start(up))

    def place(self, key: int) -> Process:
        """Choose who has an instance in memory, else who has the fewest, of several another one each time."""
        hot = [one for one in self.members if key in one.hot]
        if hot:
            return hot[0]
        chosen = min(self.members, key=lambda one: (len(one.holds), self._chosen.get(one, 0)))
        self._chosen[chosen] = 1 + max(self._chosen.values(), default=0)
        return chosen

    def strike(self, process: Process) -> None:
        """Give a process nothing new."""
        if process in self.members:
            self.members.remove(process)

    def holder(self, key: int) -> Process | None:
        """Find who holds an instance."""
        return next((one for one in self.everyone if key in one.holds and not one.dead), None)

    def _start(self, up: Callable[[], object]) -> None:
        self._starting -= 1
        process = self._make(len(self.everyone) + 1)
        self.members.append(process)
        self.everyone.append(process)
        up()
