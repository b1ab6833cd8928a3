"""Values that the HTTP API, the bindings and the runner pass to each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from wflow.engine import names
from wflow.engine.divergence import Verdict

Headers = list[tuple[str, str]]


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """The instance that awaits a new one's end, as an event of type ``awaited``.

    With ``follows`` the new one is asked to cancel when the parent ends first.
    """

    key: int
    awaited: str
    follows: bool = True


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An instance to create; without an id it gets a random one. ``params`` is an encoded value.

    Retentions, in milliseconds, default to the workflow's. ``priority`` is 1 (first) to 5.
    """

    id: str | None = None
    params: bytes = b"\x80"
    tags: tuple[str, ...] = ()
    success_retention_ms: int | None = None
    error_retention_ms: int | None = None
    parent: Parent | None = None
    priority: int = 3


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The step from which an instance runs anew: the ``count``-th visit of ``name``.

    ``type`` is its kind in Cloudflare's words (`do`, `sleep`, `waitForEvent`), None whichever has the name.
    """

    name: str
    count: int = 1
    type: str | None = None


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one Wanted; ``created`` is False when the id existed already: then nothing was done."""

    id: str
    created: bool
    version: str


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow that this runner serves, as its Worker's current version declares it.

    The retentions, in milliseconds, are those of instances that are not created with their own. Of instances
    that have the same at ``concurrency_key``, a dotted path into their params, ``per_key`` run at once;
    ``start_rate`` leave the queue within a second, and ``creation_rate`` are created. Each of ``schedules``
    creates one whenever it fires.
    """

    name: str
    class_name: str
    script_name: str
    binding: str
    version: str
    created_at: int
    modified_at: int
    concurrency: int | None = None
    step_limit: int = 10_000
    success_retention_ms: int = names.RETENTION_MS
    error_retention_ms: int = names.RETENTION_MS
    concurrency_key: str | None = None
    per_key: int | None = None
    start_rate: float | None = None
    creation_rate: float | None = None
    schedules: tuple[str, ...] = ()


class Schedule(msgspec.Struct, frozen=True):
    """When something fires by the clock: an instance of a workflow, or else the Worker's `scheduled`."""

    worker: str
    cron: str
    workflow: str | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable build of a Worker; ``number`` counts from 1, ``digest`` is its manifest's."""

    id: str
    worker: str
    number: int
    digest: str
    message: str
    author: str
    created_at: int
    size_bytes: int
    workflows: list[str]
    tag: str = ""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What part of a Worker's new instances and requests a version gets, in percent."""

    version: str
    percentage: float


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions of a Worker are live since ``created_at``: one, or two with shares that make 100.

    The first of ``shares`` is the main one: its declarations of workflows count. ``trigger`` says what made
    it: `upload` (a deploy), `rollback`, `deployment` (versions deploy).
    """

    id: str
    worker: str
    created_at: int
    shares: list[Share]
    message: str = ""
    author: str = ""
    trigger: str = "upload"


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """How one unfinished instance fits a version: its ``version`` now, and the verdict on its journal."""

    workflow: str
    id: str
    version: str
    status: str
    verdict: Verdict


class Rehearsals(msgspec.Struct, frozen=True, kw_only=True):
    """How the unfinished instances of a Worker fit a version: those that were tried, of ``total``.

    ``after`` is the key to go on after; None when it does not go on.
    """

    tried: list[Rehearsal]
    total: int
    after: int | None = None


class Rest(Protocol):
    """What comes of an answer's body: pieces, until the end; raises LinkError when it breaks off."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Go through it."""
        ...

    async def aclose(self) -> None:
        """Want no more of it; whoever gives it is told."""
        ...


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a Worker's `fetch`.

    ``body`` is all of its body, or what there is of it so far: ``rest`` gives the rest, once. ``entrypoint``
    is the Worker's class that is asked, "" the Worker itself; ``depth`` is how many Workers it came through.
    """

    method: str
    url: str
    headers: Headers
    body: bytes
    rest: AsyncIterator[bytes] | None = None
    entrypoint: str = ""
    depth: int = 0


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a Worker's `fetch` answered.

    ``body`` is all of its body, unless ``rest`` gives it: that goes to its end once, or is to be closed;
    ``length`` is how long it will be, if that is known. ``mishap`` tells of a handler that raised.
    """

    status: int
    headers: Headers
    body: bytes
    rest: Rest | None = None
    length: int | None = None
    mishap: bytes = b""
