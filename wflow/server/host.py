"""What the HTTP API needs of a runner; the runner hands itself in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wflow.bindings.control import Control

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wflow.bundle.manifest import Manifest
    from wflow.wire.types import (
        Deployment,
        HttpAnswer,
        HttpRequest,
        Registered,
        Rehearsal,
        Rehearsals,
        Share,
        Version,
    )


class Host(Control, Protocol):
    """A runner, as the HTTP API sees it."""

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
