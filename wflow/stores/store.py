"""The contract of every store, on one screen; `tests/stores/` gives it meaning, for each store the same.

Times are integer milliseconds, values are bytes. Every method is durable when it returns: on disk, fsynced. A
method that changes nothing because its input is wrong raises a typed error and leaves no trace; an error of
the database becomes a StoreError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wflow.stores.kept import (
    Absent,
    Appended,
    Batch,
    Cell,
    Claim,
    Delivery,
    Effects,
    Instance,
    Moving,
    New,
    Past,
    Pressure,
    Record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from wflow.engine.facts import Fact
    from wflow.stores.queues import Queues

__all__ = [
    "Absent",
    "Appended",
    "Batch",
    "Cell",
    "Claim",
    "Delivery",
    "Effects",
    "Instance",
    "Moving",
    "New",
    "Past",
    "Pressure",
    "Record",
    "Store",
]


class Store(Protocol):
    """Durable state. Positions are of the store's one order of commits; keys and seqs never change."""

    @property
    def pressure(self) -> Pressure:
        """Tell how far the disk is behind; beyond the limit `create` raises TooMany, and appends queue."""
        ...

    @property
    def queues(self) -> Queues:
        """Give the queues, whose messages are kept with everything else."""
        ...

    async def create(self, new: Sequence[New]) -> list[int | None]:
        """Create instances, queued; None in the place of one whose id its workflow has already."""
        ...

    async def claim(
        self,
        wanted: Mapping[str, int],
        *,
        owner: str,
        now: int,
        new: Mapping[str, int] | None = None,
        per_key: Mapping[str, int] | None = None,
    ) -> list[Claim]:
        """Claim at most so many instances of each workflow: due ones, then queued ones, oldest first.

        Queued ones go by priority (1 first) before age; of a workflow in ``new`` at most so many of them are
        claimed. Of a workflow in ``per_key`` at most so many with one concurrency key are claimed at once,
        whoever claimed them: one that finds its key full waits, in the same order, until one of its key ends
        its claim, and costs nothing meanwhile. Who got fewer than wanted had no more that may run.
        """
        ...

    async def load(self, after: Mapping[int, int]) -> dict[int, Past]:
        """Read what instances are played from: for each key its records from beyond a seq, and its events."""
        ...

    async def append(self, batch: Batch) -> Appended:
        """Append facts and make changes under their claims; tell what was refused.

        A claim is refused when it is over, or when its facts do not follow the last one that is kept, one by
        one. What the claims do not cover is refused too: rows, changes, received events, effects.

        Effects of an instance that is not refused are there from the same instant as its facts.

        A Rested instance that has an event of an awaited type, or a request, is due at once, and is named in
        the answer. One that was told to pause is paused, with a record of it that follows the last one of the
        batch.
        """
        ...

    async def release(self, claims: Sequence[tuple[int, int]], *, now: int, died: bool = False) -> None:
        """Give claims back in the middle of the work: the instances are due at once.

        With ``died`` the next claim says so. When a store is opened, whoever held a claim before has died.
        """
        ...

    async def move(
        self, key: int, verb: str, *, now: int, accepted: Mapping[str, int] | None = None
    ) -> Moving:
        """Move an instance by a verb of `wflow.engine.status.MOVES`: `pause`, `resume` or `terminate`.

        A claim goes on when the instance is told to pause, or to resume before it has paused; then the holder
        writes the record of it. Any other move ends the claim, and is recorded here, as is one that nobody
        holds a claim to hear of. ``accepted`` has the keys of recorded steps that the code need not ask for,
        each with the order up to which its new steps were seen; it goes with `resume` from being paused, and
        is in the record of that.

        Raises InstanceNotFound, WrongMove for a move that its status does not allow, InstanceEnded for any of
        one that is over.
        """
        ...

    async def restart(
        self,
        key: int,
        *,
        version: str,
        seed: bytes,
        now: int,
        cut: Callable[[Sequence[tuple[int, Fact]]], Collection[int]] | None = None,
    ) -> Moving:
        """Queue an instance anew under ``version``, with a record of it; it keeps its params, id and tags.

        Without ``cut`` its journal, its events and what it shows are gone, and it gets the ``seed``. With it,
        ``cut`` is called with the whole journal in the same transaction; only the records whose numbers it
        gives are gone, and the events. What ``cut`` raises changes nothing. The outcome is gone in either
        case, and the new record's number is greater than any before.

        Children whose awaited type what is left of the journal does not mention are its children no more;
        those that follow it and are not over are asked to cancel. The end of one that it does mention is kept
        as an event once more, unless that is in the journal still.

        Raises InstanceNotFound, and WrongMove when it is rolling back.
        """
        ...

    async def migrate(self, key: int, *, version: str, seq: int, now: int) -> Moving | None:
        """Put an instance that is not over and not claimed on another version, with a record of it.

        ``seq`` is the number of its last record as the caller knows it; None, and nothing has changed, when
        there is a later one or somebody holds a claim. Its status stays, its deadlines too; one that is
        paused because of a divergence (its last Moved record tells) is queued.

        Raises InstanceNotFound, InstanceEnded.
        """
        ...

    async def deliver(self, key: int, type_: str, payload: bytes, *, now: int) -> Delivery:
        """Keep an event for an instance, which is due at once if it rests and awaits the type.

        What `engine.requests.is_request` names makes one due that rests or is paused, whatever it awaits, and
        takes back a pause that has not come yet. Of each kind of request, and of each child's end, one is
        kept at most, beyond all limits.

        Raises InstanceNotFound, InstanceEnded, and TooMany over EVENTS_BUFFERED.
        """
        ...

    async def find_one(self, workflow: str, id_: str) -> Instance | None:
        """Find an instance by its name."""
        ...

    async def find(
        self,
        workflow: str,
        *,
        status: str | None = None,
        tag: str | None = None,
        after: int | None = None,
        newest_first: bool = True,
        limit: int = 100,
        skip: int = 0,
    ) -> list[Instance]:
        """List instances by key, from beyond the key ``after``, without the first ``skip`` of those.

        However far it is, only with a ``tag`` the way there is read.
        """
        ...

    async def counts(self, workflow: str) -> dict[str, int]:
        """Count a workflow's instances by status."""
        ...

    async def versions(self, workflows: Sequence[str]) -> set[str]:
        """Name the versions on which there are instances of these workflows that are not over."""
        ...

    async def due_at(self, workflows: Sequence[str]) -> int | None:
        """Say when the next resting instance of these workflows is due; None when none rests.

        One that is due already, and waits for others of its concurrency key, may be passed over.
        """
        ...

    async def delete(self, keys: Sequence[int], *, now: int) -> list[Delivery]:
        """Delete instances with all they have, and their claims; those that are not there are passed over.

        The parent of one that was not over hears a failure of it, children that follow are asked to cancel.
        """
        ...

    async def retire(self, *, now: int, limit: int) -> int:
        """Delete at most ``limit`` instances whose retention is over; give how many there were."""
        ...

    async def journal(self, key: int, *, after: int = 0, limit: int = 1_000) -> list[Record]:
        """Read an instance's facts from beyond the seq ``after``."""
        ...

    async def note(self, lines: Sequence[tuple[int, int, bytes]]) -> None:
        """Keep lines that belong to no instance: (tag, at, encoded fact)."""
        ...

    async def trim(self, *, before: int, keep: int, limit: int) -> int:
        """Delete the oldest lines of no instance: those older than ``before``, and all but about ``keep``.

        Deletes at most ``limit`` at once and gives how many it did, so that nobody waits long for it.
        """
        ...

    async def tail(
        self,
        after: int,
        *,
        tags: Sequence[int] = (),
        workflow: str | None = None,
        instance: str | None = None,
        limit: int = 1_000,
    ) -> list[Record]:
        """Read facts in commit order from beyond the position ``after``; empty ``tags`` means all."""
        ...

    async def position(self, *, at: int | None = None) -> int:
        """Give the last position, or the last one whose fact is older than the instant ``at``."""
        ...

    async def read(self, space: str, keys: Sequence[str], *, now: int) -> dict[str, Cell]:
        """Read cells that exist and have not expired."""
        ...

    async def scan(
        self, space: str, *, now: int, prefix: str = "", after: str = "", limit: int = 1_000
    ) -> list[Cell]:
        """List cells by key (UTF-8 order) from beyond the key ``after``, without their values."""
        ...

    async def expire(self, *, now: int, limit: int) -> int:
        """Delete at most ``limit`` cells that have expired; gives how many it did."""
        ...

    async def write(self, changes: Sequence[Cell | Absent]) -> None:
        """Write and remove cells, all or nothing."""
        ...

    def on_commit(self, told: Callable[[int], None]) -> None:
        """Call ``told`` with the last position after commits that added records, on the loop of `connect`."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, and let go."""
        ...
