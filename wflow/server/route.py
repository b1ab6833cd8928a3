"""What a file under `routes/` is made of: a table of routes, and functions from a call to an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from wflow.server.auth import Auth, Caller
from wflow.server.host import Host
from wflow.server.termination import Termination

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams


FOLLOWERS: Final = 100
"""Log tails that one runner serves at once."""


@dataclass(slots=True, kw_only=True)
class Site:
    """What all requests of one app share."""

    host: Host
    auth: Auth
    followers: int = 0
    subscribers: int = 0
    terminations: dict[str, Termination] = field(default_factory=dict)
    tokens_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    kv_lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An admitted request."""

    site: Site
    request: Request
    caller: Caller

    @property
    def host(self) -> Host:
        """The runner."""
        return self.site.host

    @property
    def query(self) -> QueryParams:
        """What stands behind the `?`."""
        return self.request.query_params

    def part(self, name: str) -> str:
        """Give a part of the path by its name in the route."""
        return str(self.request.path_params[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes into the envelope: a result, and what a list says of its page."""

    result: object = None
    info: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API; ``scope`` is what a token needs, ``path`` lies below the API's prefix."""

    method: str
    path: str
    scope: str
    answer: Callable[[Call], Awaitable[Answer | Response]]
