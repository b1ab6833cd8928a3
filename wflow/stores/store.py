"""The contract of every store, on one screen; `tests/stores/` gives it meaning, for each store the same.

Times are integer milliseconds, values are bytes. Every method is durable when it returns: on disk, fsynced. A
method that changes nothing because its input is wrong raises a typed error and leaves no trace; an error of
the database becomes a StoreError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from wflow.engine.changes import Change, Row
from wflow.engine.facts import Fact, Received

if TYPE_CHECKING:
    from collections.abc import Mapping


class New(msgspec.Struct, frozen=True, kw_only=True):
    """An instance to create; ``params`` is an encoded value, ``trigger`` what asked for it (api, binding).

    ``seed`` is what its chance comes from. The retentions say for how many milliseconds it is kept once it is
    over: complete, or else errored or terminated; None is for ever. ``parent`` is the key of the instance
    that awaits its end as an event of type ``awaited``; with ``follows`` it is asked to cancel when the
    parent ends first, or has ended already.
    """

    workflow: str
    id: str
    version: str
    params: bytes
    at: int
    trigger: str = "api"
    seed: bytes = b""
    tags: Sequence[str] = ()
    success_retention_ms: int | None = None
    error_retention_ms: int | None = None
    parent: int | None = None
    awaited: str = ""
    follows: bool = False


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as lists and `get` show it: ``failure`` is an encoded Failure, ``output`` a value.

    ``rollback`` is an encoded RolledBack, ``shown`` the value of the last `Told`; ``expires_at`` is when it
    is to be deleted, None while it is not over or when it is kept for ever. ``parent`` awaits its end as an
    event of type ``awaited``. ``seed`` is what its chance comes from; only a history tells it.
    """

    key: int
    workflow: str
    id: str
    version: str
    status: str
    created_at: int
    modified_at: int
    started_at: int | None
    ended_at: int | None
    wake_at: int | None
    trigger: str
    params: bytes
    output: bytes | None
    failure: bytes | None
    rollback: bytes | None = None
    shown: bytes | None = None
    tags: tuple[str, ...] = ()
    expires_at: int | None = None
    parent: int | None = None
    awaited: str | None = None
    seed: bytes = b""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A hold on an instance: whoever has it may append, until the epoch is over.

    ``seq`` is the number of its last record (0: it has none), ``has_events`` says that events wait to be
    received. ``started_at`` is when it was claimed first. ``pausing`` says that it is waitingForPause,
    ``died`` that its last holder was never heard of again. ``shown`` is the value of the last `Told`.
    """

    key: int
    epoch: int
    workflow: str
    id: str
    version: str
    created_at: int
    params: bytes
    seq: int
    has_events: bool
    started_at: int = 0
    seed: bytes = b""
    pausing: bool = False
    died: bool = False
    shown: bytes | None = None


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What an instance is played from: its records' bodies in order, and the events it has not received.

    ``seq`` is the number of its last record.
    """

    seq: int
    records: list[bytes]
    events: list[Received]


class Record(msgspec.Struct, frozen=True):
    """One fact in the store's order of commits; ``workflow`` and ``id`` are None for a Worker's own line."""

    position: int
    instance: int | None
    seq: int
    tag: int
    at: int
    body: bytes
    workflow: str | None = None
    id: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Facts and changes of many instances, kept together: rows for the journal, changes that end claims."""

    claims: Sequence[tuple[int, int]]
    rows: Sequence[Row] = ()
    changes: Sequence[Change] = ()
    received: Sequence[int] = ()


class Delivery(msgspec.Struct, frozen=True):
    """An event that is kept for the instance ``key``; if it is ``claimed``, its holder should be told."""

    event: Received
    claimed: bool
    key: int = 0
    workflow: str = ""


class Appended(msgspec.Struct, frozen=True):
    """What became of a batch: the keys that were refused, and the events that it made for others.

    An instance that ends tells its parent, and asks the children that follow it to cancel.
    """

    refused: list[int]
    deliveries: list[Delivery]


class Moving(msgspec.Struct, frozen=True):
    """An instance that was moved, with the events that this made for others.

    ``held`` says that its claim goes on, and that the holder should be told of the move.
    """

    instance: Instance
    deliveries: list[Delivery]
    held: bool = False


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A value under a key in a named space; ``meta`` is the writer's own, ``expires_at`` None is never."""

    space: str
    key: str
    value: bytes
    meta: bytes = b""
    expires_at: int | None = None


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """The wish that a key be gone from a space."""

    space: str
    key: str


class Store(Protocol):
    """Durable state. Positions are of the store's one order of commits; keys and seqs never change."""

    async def create(self, new: Sequence[New]) -> list[int | None]:
        """Create instances, queued; None in the place of one whose id its workflow has already."""
        ...

    async def claim(self, wanted: Mapping[str, int], *, owner: str, now: int) -> list[Claim]:
        """Claim at most so many instances of each workflow: due ones, then queued ones, oldest first."""
        ...

    async def load(self, after: Mapping[int, int]) -> dict[int, Past]:
        """Read what instances are played from: for each key its records from beyond a seq, and its events."""
        ...

    async def append(self, batch: Batch) -> Appended:
        """Append facts and make changes under their claims; tell what was refused.

        A claim is refused when it is over, or when its facts do not follow the last one that is kept, one by
        one. What the claims do not cover is refused too: rows, changes, received events.

        A Rested instance that has an event of an awaited type, or a request, is due at once. One that was
        told to pause is paused, with a record of it that follows the last one of the batch.
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
    ) -> list[Instance]:
        """List instances by key, from beyond the key ``after``."""
        ...

    async def counts(self, workflow: str) -> dict[str, int]:
        """Count a workflow's instances by status."""
        ...

    async def versions(self, workflows: Sequence[str]) -> set[str]:
        """Name the versions on which there are instances of these workflows that are not over."""
        ...

    async def due_at(self, workflows: Sequence[str]) -> int | None:
        """Say when the next resting instance of these workflows is due; None when none rests."""
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
