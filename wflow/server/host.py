"""What the HTTP API needs of a runner; the runner hands itself in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wflow.bindings.control import Control

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Mapping, Sequence

    from wflow.bindings.queue_records import Consumer, Record
    from wflow.bundle.manifest import Manifest
    from wflow.errors import LoadError
    from wflow.wire.types import (
        Deployment,
        HttpAnswer,
        HttpRequest,
        Registered,
        Rehearsal,
        Rehearsals,
        Schedule,
        Share,
        Version,
    )


class Scheduling(Protocol):
    """What fires by the clock."""

    def live(self) -> Sequence[Schedule]:
        """List the schedules of what is live."""
        ...

    async def fire(self, schedule: Schedule, at: int) -> str | None:
        """Fire one by hand for the instant ``at``, declared or not; give the id of a workflow's instance.

        Raises what the handler raised (Raised), WorkerNotFound, WorkflowNotFound, LoadError, LinkError,
        TimeoutError after 15 minutes.
        """
        ...


class Secrets(Protocol):
    """The secrets of Workers; what they are is never told."""

    async def find(self, worker: str, now: int) -> Sequence[str]:
        """Name a Worker's secrets by the alphabet; raises WorkerNotFound."""
        ...

    async def change(self, worker: str, secrets: Mapping[str, str | None], now: int) -> None:
        """Set secrets of a Worker, and delete those that are None, all or none; what runs gets them soon.

        Raises InvalidInput for a name that no secret can have, or when they cannot be sealed; TooLarge,
        TooMany.
        """
        ...

    async def delete(self, worker: str, name: str, now: int) -> None:
        """Delete a secret; raises WorkerNotFound, InvalidInput when there is none."""
        ...


class Queues(Protocol):
    """The queues of a runner, beside their messages, which are in its store."""

    async def records(self) -> list[Record]:
        """List them by name."""
        ...

    async def find(self, id_: str) -> Record | None:
        """Find one by its id."""
        ...

    async def keep(self, record: Record) -> None:
        """Keep one, new or changed."""
        ...

    async def delete(self, record: Record) -> None:
        """Delete one with its messages."""
        ...

    def consumer(self, record: Record) -> Consumer | None:
        """Say who consumes one."""
        ...

    def version(self, name: str) -> str:
        """Name the live version that declares to consume one, and how; empty if none does."""
        ...

    def producers(self, name: str) -> list[str]:
        """Name the Workers that send to one."""
        ...

    def users(self, name: str) -> list[str]:
        """Name the Workers whose live version names one in any way."""
        ...

    def purge(self, record: Record, at: int) -> None:
        """Begin to delete all messages that are there."""
        ...

    def purged(self, record: Record) -> tuple[int, bool] | None:
        """Tell when the last purge began, and whether it is done."""
        ...


class Installing(Protocol):
    """An installation of packages, under way or over."""

    failed: LoadError | None
    over: asyncio.Event

    @property
    def lines(self) -> Sequence[str]:
        """What its installer has said, but for what is too long ago."""
        ...

    @property
    def first(self) -> int:
        """The number of the first line that is kept."""
        ...


class Installs(Protocol):
    """Where versions' packages are installed."""

    def begin(self, requirements: Sequence[str]) -> tuple[str, Installing] | None:
        """Install these unless they are; give the name of the environment. None when none is needed."""
        ...

    def find(self, name: str) -> Installing | None:
        """Find one that was begun."""
        ...


class Host(Control, Protocol):
    """A runner, as the HTTP API sees it."""

    @property
    def queues(self) -> Queues:
        """Its queues."""
        ...

    @property
    def secrets(self) -> Secrets:
        """The secrets that its Workers get in `env`."""
        ...

    def workflows(self) -> Sequence[Registered]:
        """List the workflows of all Workers, by name."""
        ...

    def workers(self) -> Sequence[Version]:
        """List the current version of every Worker, by the Worker's name."""
        ...

    async def fetch(self, worker: str | None, request: HttpRequest) -> HttpAnswer:
        """Hand a request to a Worker's `fetch`; None is the dev session's only Worker.

        Waits while the code is being swapped. A handler that raises gives a 500; raises InvalidInput when
        there is no such Worker, LinkError when its runtime is down.
        """
        ...

    async def deploy(
        self, worker: str, bundle: bytes, *, digest: str, message: str, author: str, tag: str = ""
    ) -> Version:
        """Take a bundle in and make it the Worker's only live version: `upload` and `release` in one.

        Raises what they do; nothing is changed then.
        """
        ...

    async def upload(
        self, worker: str, bundle: bytes, *, digest: str, message: str, author: str, tag: str = ""
    ) -> Version:
        """Take a bundle in, try its import in a process of its own, and keep it as a version; not live.

        Raises BundleError, InvalidInput, LoadError with the user's traceback; nothing is changed then.
        """
        ...

    async def rehearse(
        self, worker: str, version: str, *, limit: int | None, after: int | None = None
    ) -> Rehearsals:
        """Try a Worker's unfinished instances that have begun on a version of it, newest first.

        At most ``limit`` of them (None: all, for a minute), from beyond the key ``after``; nothing of it has
        any effect. Raises WorkerNotFound, VersionNotFound, LoadError.
        """
        ...

    async def rehearse_one(self, workflow: str, id_: str, version: str | None) -> Rehearsal:
        """Try one instance on a version of its Worker, None is the current one; raises as `migrate` does."""
        ...

    async def migrate(self, workflow: str, id_: str, version: str | None) -> Rehearsal:
        """Put one instance on a version of its Worker, None is the current one, if its journal fits that.

        Gives it as it is then, and the verdict; nothing has changed when that is not clean. No running step
        is cut: raises WrongMove when one runs for longer than a few seconds. Raises InstanceEnded,
        VersionNotFound, and InvalidInput in a dev session, which has one version.
        """
        ...

    async def release(
        self, worker: str, shares: Sequence[Share], *, message: str, author: str, trigger: str | None = None
    ) -> Deployment:
        """Make one version live, or two with shares that make 100; in the answer the newest comes first.

        Without a ``trigger`` an older version alone is a `rollback`, anything else a `deployment`. Raises
        InvalidInput, WorkerNotFound, VersionNotFound, LoadError for a bundle that is gone.
        """
        ...

    async def versions(self, worker: str) -> Sequence[Version]:
        """List the versions that are kept of a Worker, live or not, newest first; raises WorkerNotFound."""
        ...

    async def version(self, worker: str, version: str) -> Version:
        """Get a version; raises WorkerNotFound, VersionNotFound."""
        ...

    async def manifest(self, worker: str, version: str) -> Manifest:
        """Get what the bundle of a version says of itself; raises as `version` does."""
        ...

    async def numbers(self, versions: Collection[str]) -> dict[str, int]:
        """Give the numbers of versions by id; those that are not kept, and a dev session's, are left out."""
        ...

    async def deployments(self, worker: str) -> Sequence[Deployment]:
        """List a Worker's deployments, newest first: the first is the live one; raises WorkerNotFound."""
        ...

    @property
    def schedules(self) -> Scheduling:
        """What fires by the clock."""
        ...

    @property
    def environments(self) -> Installs:
        """Where versions' packages are installed."""
        ...
