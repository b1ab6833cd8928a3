"""What the HTTP API needs of a runner; the runner hands itself in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wflow.bindings.control import Control

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.wire.types import HttpAnswer, HttpRequest, Registered, Version


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

    async def deploy(self, worker: str, bundle: bytes, *, digest: str, message: str, author: str) -> Version:
        """Take a bundle in, try its import in a process of its own, and make it the Worker's current version.

        Raises BundleError, LoadError with the user's traceback; nothing is changed then.
        """
        ...

    async def versions(self, worker: str) -> Sequence[Version]:
        """List a Worker's versions, newest first; raises WorkerNotFound."""
        ...
