"""The two classes that user code derives from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wflow.runtime.context import Context
    from wflow.runtime.env import Env
    from wflow.runtime.event import Event
    from wflow.runtime.http import Request, Response


class WorkflowEntrypoint:
    """A workflow: derive from it and write `run`. ``self.env`` holds what the config declares."""

    def __init__(self, ctx: object, env: Env) -> None:
        """Take what wflow hands in; a class that has its own __init__ passes both on."""
        self.ctx = ctx
        self.env: Any = env

    async def run(self, event: Event, ctx: Context) -> object:
        """Do the work in steps; what it returns is the instance's output."""
        raise NotImplementedError


class WorkerEntrypoint:
    """The Worker: derive from it and write `fetch`. ``self.env`` holds what the config declares."""

    def __init__(self, ctx: object, env: Env) -> None:
        """Take what wflow hands in; a class that has its own __init__ passes both on."""
        self.ctx = ctx
        self.env: Any = env

    async def fetch(self, request: Request) -> Response:
        """Answer an HTTP request."""
        raise NotImplementedError
