"""What happens to a program beside what it does: what people send it, and what goes wrong meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.bodies import Part, Program

ASKS = ("cancel", "rollBack", "terminate", "pause", "resume")
"""What an instance is asked, by the names that people ask it by."""


@dataclass(frozen=True, slots=True, repr=False)
class Sent(Part):
    """An event, or what is in `ASKS`, for the instances of a workflow (0 is the first), after so long."""

    ms: int = 0
    what: str = "x"
    to: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Mishap(Part):
    """What goes wrong at an instant, or when the runner has the nth ``commit`` at hand (from 1 on).

    `crash`: the process dies. `kept`: it dies when the commit is kept and not acknowledged yet. `fence`:
    the runner takes its claims away, and it goes on without knowing. `reload`: it is replaced. `handback`: it
    is to give back what it has; `keep`: and a little later it is not. `evict`: what rests leaves its memory.
    `twice`: what is handed to a runtime next is handed to it twice. It happens to the process whose commit it
    is, at an instant to the one with the number ``of``.
    """

    what: str = "crash"
    ms: int | None = None
    commit: int | None = None
    of: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Schedule(Part):
    """One course of the world: how slow links and store are, and what goes wrong.

    The delays, in milliseconds, are taken in turn for each message and each transaction. ``cold`` evicts
    whatever rests at once. ``echo`` delivers each event and each acknowledgment twice, ``swaps`` gives
    acknowledgments in another order, ``late`` tells the runner so much later of a death. There are so many
    ``processes``.
    """

    mishaps: tuple[Mishap, ...] = ()
    link: tuple[int, ...] = (0,)
    store: tuple[int, ...] = (0,)
    cold: bool = False
    echo: bool = False
    swaps: bool = False
    late: int = 0
    processes: int = 1

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong, and all is done at once."""
        return not self.mishaps and not any((*self.link, *self.store))


@dataclass(frozen=True, slots=True, repr=False)
class Case(Part):
    """All that is needed to play it again."""

    program: Program
    sent: tuple[Sent, ...] = ()
    schedule: Schedule = Schedule()

    @property
    def events(self) -> tuple[str, ...]:
        """The types of the events that the first instance gets."""
        return tuple(one.what for one in self.sent if one.what not in ASKS and one.to == 0)

    @property
    def steered(self) -> bool:
        """Whether it is asked for anything that may change its end."""
        return any(one.what in ("cancel", "rollBack", "terminate") for one in self.sent)
