"""What stores are given, and what they give: instances, claims, facts, events, cells, messages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wflow.engine.changes import Change, Row
from wflow.engine.facts import Received


class New(msgspec.Struct, frozen=True, kw_only=True):
    """An instance to create; ``params`` is an encoded value, ``trigger`` what asked for it (api, binding).

    ``seed`` is what its chance comes from. The retentions say for how many milliseconds it is kept once it is
    over: complete, or else errored or terminated; None is for ever. ``parent`` is the key of the instance
    that awaits its end as an event of type ``awaited``; with ``follows`` it is asked to cancel when the
    parent ends first, or has ended already. ``priority`` is 1 (first) to 5; of those with one
    ``concurrency_key``, some at once may run.
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
    priority: int = 3
    concurrency_key: str | None = None


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
    priority: int = 3
    concurrency_key: str | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A hold on an instance: whoever has it may append, until the epoch is over.

    ``seq`` is the number of its last record (0: it has none), ``has_events`` says that events wait to be
    received. ``started_at`` is when it was claimed first. ``pausing`` says that it is waitingForPause,
    ``died`` that its last holder was never heard of again. ``shown`` is the value of the last `Told`.
    ``queued`` says that it comes from the queue, and not from a rest or another holder.
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
    queued: bool = False


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
    """Facts and changes of many instances, kept together: rows for the journal, changes that end claims.

    ``effects`` are what steps did to others whose outcomes are among the rows.
    """

    claims: Sequence[tuple[int, int]]
    rows: Sequence[Row] = ()
    changes: Sequence[Change] = ()
    received: Sequence[int] = ()
    effects: Sequence[Effects] = ()


class Delivery(msgspec.Struct, frozen=True):
    """An event that is kept for the instance ``key``; if it is ``claimed``, its holder should be told."""

    event: Received
    claimed: bool
    key: int = 0
    workflow: str = ""


class Appended(msgspec.Struct, frozen=True):
    """What became of a batch: the keys that were refused, and the events that it made for others.

    An instance that ends tells its parent, and asks the children that follow it to cancel. ``due`` are those
    that rest and are due at once all the same, as something is in their inbox.
    """

    refused: list[int]
    deliveries: list[Delivery]
    due: list[int] = msgspec.field(default_factory=list)


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


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message for the queue with an id; its own ``id`` is 32 hex digits, and is seen by whoever gets it.

    ``at`` is when it was sent, ``due_at`` from when on it is delivered, ``expires_at`` when it is given up.
    """

    queue: str
    id: str
    content_type: str
    body: bytes
    at: int
    due_at: int
    expires_at: int


class Leased(msgspec.Struct, frozen=True):
    """A message that is being handled: its ``number`` and ``attempts`` say which lease of which message.

    ``attempts`` counts the leases, this one too.
    """

    number: int
    id: str
    content_type: str
    at: int
    attempts: int
    body: bytes


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages go that were tried in vain: to a ``queue``, until they expire; None is nowhere."""

    queue: str | None
    expires_at: int = 0


class Handled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a leased message: it is gone, or due again, or goes where the ``dead`` go.

    What is to be due again, or dead, is so only if this was its last lease. What is gone is gone in any case.
    """

    number: int
    attempts: int
    due_at: int | None = None
    dead: Dead | None = None


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a queue, leased or not: so many messages with so many bytes, the oldest one sent at."""

    messages: int = 0
    bytes: int = 0
    oldest_at: int | None = None


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What a step of the instance with a key did to others, kept together with the step's outcome.

    ``cells`` are written in their order. Of ``new`` those are left out whose id is taken by then.
    """

    instance: int
    cells: Sequence[Cell | Absent] = ()
    new: Sequence[New] = ()
    messages: Sequence[Message] = ()


class Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """What waits to be written: so many jobs with so many bytes.

    ``share`` is 0 when nothing waits and 1 at the limit. Whoever can wait, or refuse, should from then on:
    nothing that was taken is refused later.
    """

    jobs: int
    bytes: int
    share: float
