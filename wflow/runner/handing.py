"""Claims that are handed to runtimes, with what these need to play them, or else given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from wflow.errors import LinkError, LoadError, StoreError, WflowError
from wflow.link import frames
from wflow.runner import translate
from wflow.runner.releases import give_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wflow.bindings.control import Control
    from wflow.runner.beginnings import Beginnings
    from wflow.runner.fleet import Fleet
    from wflow.runner.journeys import Journey, Journeys
    from wflow.runner.peer import Peer
    from wflow.runner.registry import Registry
    from wflow.runner.releases import Held
    from wflow.stores.store import Claim
    from wflow.wire.types import Registered

BROKEN_MS: Final = (1_000, 2_000, 5_000, 15_000, 60_000)
"""When a version is tried again that cannot be loaded; the last one for all that follow."""
RECORDS: Final = 5_000
"""Records of journals that are read at once, to be handed to runtimes; of one instance more."""


class Ends(Protocol):
    """Who hears of claims that end before a runtime has them: admission."""

    def freed(self, claim: Held) -> None:
        """Hear that a claim ended."""
        ...

    def due(self, workflow: str, at: int) -> None:
        """Hear that an instance wants to go on at an instant."""
        ...


class Handing:
    """Hands claims out; knows which versions cannot be run, and when each is tried again."""

    def __init__(
        self, control: Control, registry: Registry, journeys: Journeys, beginnings: Beginnings, *, ends: Ends
    ) -> None:
        """Hand out what is on its way in ``journeys``; tell ``beginnings`` of what runtimes got."""
        self._control = control
        self._registry = registry
        self._journeys = journeys
        self._beginnings = beginnings
        self._ends = ends
        self._broken: dict[str, tuple[int, int]] = {}

    def blocked_until(self, workflow: Registered) -> int | None:
        """Say until when nothing of a workflow can run; None when something can."""
        until, _ = self._tried(workflow.version)
        # What is live beside it goes on, and so do its instances.
        blocked = until > self._control.now() and self._registry.is_alone(workflow)
        return until if blocked else None

    def _tried(self, version: str) -> tuple[int, int]:
        """Say until when a version is not tried again (0: it may be), and how often it was in vain."""
        until, times = self._broken.get(version, (0, 0))
        put_back = until > self._control.now() + BROKEN_MS[-1]  # the clock was
        return (0 if put_back else until), times

    def mended(self, version: str) -> None:
        """Hear that a version can be loaded."""
        self._broken.pop(version, None)

    async def hand_out(self, fleet: Fleet, version: str, journeys: Sequence[Journey]) -> None:
        """Have runtimes of a version play instances; few journals are in this process's memory at once."""
        for portion in _portions(journeys):
            await self._hand_out(fleet, version, portion)

    async def _hand_out(self, fleet: Fleet, version: str, journeys: Sequence[Journey]) -> None:
        try:
            async with fleet.placing(version, [one.claim.key for one in journeys]) as chosen:
                for peer in set(chosen.values()):
                    await peer.listening()
                turns = await self._turns(chosen, [one.claim for one in journeys])
                stay, gone = self._play(fleet, chosen, journeys, turns)
        except StoreError:
            await self.give_back(journeys, BROKEN_MS[0])
        except Exception as broken:  # noqa: BLE001 - whatever is wrong with its code, a claim must not be lost
            await self._give_up(fleet, version, journeys, broken)
        else:
            self._broken.pop(version, None)
            await self.give_back(gone, 0)
            await self.give_back(stay, BROKEN_MS[-1])

    async def give_back(self, journeys: Sequence[Journey], delay_ms: int) -> None:
        """End claims that no runtime has; their instances are due after so long."""
        at = self._control.now() + delay_ms
        await give_back(self._control.store, [journey.claim for journey in journeys], at)
        for journey in journeys:
            self._journeys.end(journey)
            self._ends.freed(journey.claim)
            self._ends.due(journey.claim.workflow, at)

    def _play(
        self,
        fleet: Fleet,
        chosen: Mapping[int, Peer],
        journeys: Sequence[Journey],
        turns: Sequence[frames.Turn],
    ) -> tuple[list[Journey], list[Journey]]:
        """Hand turns over, with the news of their journeys.

        Gives those that their runtime cannot play, and those whose runtime is on its way out.
        """
        stay, gone = [], []
        # A dev session's code may have lost a workflow since the instance was claimed.
        declared = {peer: _declared(peer) for peer in set(chosen.values())}
        for journey, turn in zip(journeys, turns, strict=True):
            claim, peer = journey.claim, chosen[journey.claim.key]
            if journey.recalled:
                self._journeys.end(journey)
                self._ends.freed(claim)
            elif not fleet.takes(peer):
                gone.append(journey)
            elif claim.workflow not in declared[peer] or not _sent(peer, turn, pausing=claim.pausing):
                stay.append(journey)
            else:
                self._journeys.end(journey)
                fleet.hold(peer, claim)
                self._beginnings.handed(peer, claim.key, claim.workflow)
                for event in journey.events:
                    peer.send(frames.Deliver(claim.key, event))
        return stay, gone

    async def _turns(self, chosen: Mapping[int, Peer], claims: Sequence[Claim]) -> list[frames.Turn]:
        """Read what runtimes do not have: journals, unless they have them in memory, and events."""
        hot = {claim.key for claim in claims if claim.key in chosen[claim.key].hot}
        after = {
            claim.key: claim.seq if claim.key in hot else 0
            for claim in claims
            if claim.has_events or (claim.seq and claim.key not in hot)
        }
        pasts = await self._control.store.load(after) if after else {}
        turns = []
        for claim in claims:
            past = pasts.get(claim.key)
            records = None if claim.key in hot else past.records if past else []
            turns.append(translate.turn(claim, records, past.events if past else []))
        return turns

    async def _give_up(
        self, fleet: Fleet, version: str, journeys: Sequence[Journey], broken: Exception
    ) -> None:
        """Leave instances alone whose version does not come up, and try again later."""
        now = self._control.now()
        until, times = self._tried(version)
        if until <= now:
            delay_ms = BROKEN_MS[min(times, len(BROKEN_MS) - 1)]
            until = now + delay_ms
            self._broken[version] = (until, times + 1)
            again = f"next try in {delay_ms // 1000} s"
            trace = broken.trace if isinstance(broken, LoadError) else ""
            fleet.tell("error", f"version {version} cannot be run, {again}: {shown(broken)}", trace=trace)
        # What is the current version's is not claimed before `until`, and goes on at once when it is mended.
        current = {
            one.name
            for one in self._registry.workflows()
            if one.version == version and self._registry.is_alone(one)
        }
        await self.give_back([one for one in journeys if one.claim.workflow in current], 0)
        await self.give_back([one for one in journeys if one.claim.workflow not in current], until - now)


def shown(broken: Exception) -> str:
    """Say what went wrong, for the log."""
    return broken.message if isinstance(broken, WflowError) else repr(broken)


def _portions(journeys: Sequence[Journey]) -> Iterator[list[Journey]]:
    """Divide journeys so that the journals of each portion have RECORDS together, or there is but one."""
    portion: list[Journey] = []
    records = 0
    for journey in journeys:
        if portion and records + journey.claim.seq > RECORDS:
            yield portion
            portion, records = [], 0
        portion.append(journey)
        records += journey.claim.seq
    yield portion


def _declared(peer: Peer) -> set[str]:
    return set() if peer.build is None else {entry.name for entry in peer.build.manifest.workflows}


def _sent(peer: Peer, turn: frames.Turn, *, pausing: bool) -> bool:
    """Hand a turn over; a journal that is too long for a frame stays here, and takes no others along."""
    told = turn if turn.pausing == pausing else msgspec.structs.replace(turn, pausing=pausing)
    try:
        peer.send(frames.Play([told]))
    except LinkError:
        return False
    return True
