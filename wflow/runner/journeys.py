"""Instances on their way from the store to a runtime, and what becomes of them meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from wflow.engine.facts import Received
from wflow.stores.store import Claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    Back = Callable[[Sequence["Journey"], int], Awaitable[None]]


@dataclass(slots=True)
class Journey:
    """One claim on its way: the events that came meanwhile, and whether it has ended."""

    claim: Claim
    events: list[Received] = field(default_factory=list)
    recalled: bool = False


class Journeys:
    """All that are on their way, by instance; whoever changes an instance tells it here."""

    def __init__(self) -> None:
        """Begin with none."""
        self._under_way: dict[int, Journey] = {}
        self._counts: dict[str, int] = {}

    def __contains__(self, instance: int) -> bool:
        """Tell whether an instance is on its way."""
        return instance in self._under_way

    def claims(self) -> list[Claim]:
        """List the claims."""
        return [journey.claim for journey in self._under_way.values()]

    def count(self) -> Mapping[str, int]:
        """Count them by workflow."""
        return self._counts

    def set_out(self, claims: Iterable[Claim]) -> list[Journey]:
        """Begin journeys."""
        begun = [Journey(claim) for claim in claims]
        for journey in begun:
            key, workflow = journey.claim.key, journey.claim.workflow
            if key not in self._under_way:
                self._counts[workflow] = self._counts.get(workflow, 0) + 1
            self._under_way[key] = journey
        return begun

    def end(self, journey: Journey) -> None:
        """Take an instance off the way, unless it is claimed anew meanwhile."""
        if self._under_way.get(journey.claim.key) is journey:
            del self._under_way[journey.claim.key]
            self._counts[journey.claim.workflow] -= 1

    def arrived(self, instance: int, event: Received) -> None:
        """Have an instance take an event along."""
        journey = self._under_way.get(instance)
        if journey is not None:
            journey.events.append(event)

    def steered(self, instance: int, *, pausing: bool) -> None:
        """Have an instance arrive knowing that it is to pause, or not."""
        journey = self._under_way.get(instance)
        if journey is not None:
            journey.claim = msgspec.structs.replace(journey.claim, pausing=pausing)

    def recalled(self, instance: int) -> None:
        """Have an instance not get there: its claim is over."""
        journey = self._under_way.get(instance)
        if journey is not None:
            journey.recalled = True


class Reservation:
    """The next claim of an instance, kept from the runtimes; what was caught is given back at its end."""

    def __init__(self, instance: int, back: Back) -> None:
        """Give back what is caught by ``back``."""
        self.instance = instance
        self._back = back
        self._caught: list[Journey] = []
        self._news = asyncio.Event()

    @property
    def caught(self) -> bool:
        """Whether the instance is claimed for whoever reserved it, and for nobody else."""
        return bool(self._caught)

    async def wait(self, seconds: float) -> None:
        """Wait until it is claimed, but no longer than so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def give_back(self) -> None:
        """End the claim; with `Admission.claiming` held, nobody has another one until that is let go."""
        caught, self._caught = self._caught, []
        self._news.clear()
        if caught:
            await self._back(caught, 0)

    def catch(self, journey: Journey) -> None:
        """Take a claim in."""
        self._caught.append(journey)
        self._news.set()


class Reservations:
    """Who has reserved which instance; one at a time can."""

    def __init__(self, back: Back) -> None:
        """Give back what is caught by ``back``."""
        self._back = back
        self._reserved: dict[int, Reservation] = {}

    @contextlib.asynccontextmanager
    async def reserving(self, instance: int) -> AsyncIterator[Reservation]:
        """Have whatever is claimed of an instance meanwhile."""
        assert instance not in self._reserved
        reservation = self._reserved[instance] = Reservation(instance, self._back)
        try:
            yield reservation
        finally:
            del self._reserved[instance]
            await reservation.give_back()

    def caught(self, journey: Journey) -> bool:
        """Take a claim that somebody has reserved, and tell that."""
        reservation = self._reserved.get(journey.claim.key)
        if reservation is None:
            return False
        reservation.catch(journey)
        return True
