"""All that is known of one instance when its world has been played, put in order for those who judge it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.simulation.schedules import ASKS
from wflow.engine.facts import Failed, Logged, Moved, Opened, Received, Settled, Tried

if TYPE_CHECKING:
    from tests.simulation.record import Called, Sight
    from tests.simulation.store import Kept
    from tests.simulation.world import World
    from wflow.engine.outcome import Err, Ok

ENDED = ("complete", "errored", "terminated")
CUT_OFF = "StepInterrupted"
NOT_YET = "NotYet"
PATCHED = "patched:"


class Life:
    """See the module."""

    def __init__(self, world: World, key: int) -> None:
        self.world = world
        self.key = key
        self.instance = world.store.instances[key]
        self.journal: list[Kept] = self.instance.journal
        self.calls: list[Called] = [one for one in world.record.calls if one.instance == key]
        self.sights: list[Sight] = world.record.sights.get(key, [])
        self.opened: dict[str, Kept] = {}
        self.settled: dict[str, Kept] = {}
        self.details: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, int] = {}
        self.opened_at: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.failed: dict[str, list[Kept]] = {}
        self.tried: dict[str, list[Kept]] = {}
        self.received: dict[int, Kept] = {}
        self.moves: list[Kept] = []
        self.patched: dict[str, Kept] = {}
        for kept in self.journal:
            self._fold(kept)

    def _fold(self, kept: Kept) -> None:
        fact = kept.fact
        match fact:
            case Opened(key=key):
                self.opened[key] = kept
                self.details[key], self.opened_at[key] = fact.detail, fact.at
                self.orders[key], self.kinds[key] = fact.order, fact.kind
            case Settled(key=key) if key.startswith(PATCHED):
                self.patched[key] = kept
            case Settled(key=key):
                self.settled[key] = kept
                self.details.setdefault(key, fact.detail)
                self.opened_at.setdefault(key, fact.opened_at)
                self.orders.setdefault(key, fact.order)
                self.kinds.setdefault(key, fact.kind)
            case Failed(key=key):
                self.failed.setdefault(key, []).append(kept)
            case Tried(key=key):
                self.tried.setdefault(key, []).append(kept)
            case Received():
                self.received.setdefault(fact.event, kept)
            case Moved():
                self.moves.append(kept)
            case Logged():
                pass

    @cached_property
    def pauses(self) -> list[tuple[int, int]]:
        """When it was paused, from when until when."""
        found, since = [], None
        for kept in self.moves:
            if isinstance(kept.fact, Moved) and kept.fact.status == "paused":
                since = kept.fact.at if since is None else since
            elif since is not None:
                found.append((since, kept.fact.at))
                since = None
        return found

    def paused_ms(self, since: int, until: int) -> int:
        """Tell for how long it was paused between two instants."""
        return sum(max(0, min(end, until) - max(begin, since)) for begin, end in self.pauses)

    @cached_property
    def rolling(self) -> Kept | None:
        """Give the fact that its steps are undone."""
        return next((one for one in self.moves if one.fact.status == "rollingBack"), None)  # type: ignore[union-attr]

    @cached_property
    def undisturbed(self) -> bool:
        """Whether nothing went wrong or was slow, and nobody asked for anything but events."""
        case = self.world.case
        return case.schedule.calm and not any(sent.what in ASKS for sent in case.sent)

    @property
    def end(self) -> Kept:
        """Give the last fact."""
        return self.journal[-1]

    @property
    def stopped(self) -> bool:
        """Whether it was ended from outside, in the middle of its work."""
        return self.end.epoch is None

    def limit(self, key: str) -> int:
        """Tell how many retries a step has, by what it began with."""
        detail = self.details.get(key, {})
        return int(detail["retries"]["limit"]) if "retries" in detail else 5

    def once(self, key: str) -> bool:
        return bool(self.details.get(key, {}).get("atMostOnce"))

    def outcome(self, key: str) -> Ok | Err:
        fact = self.settled[key].fact
        assert isinstance(fact, Settled)
        return fact.outcome
