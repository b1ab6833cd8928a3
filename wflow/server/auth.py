"""Who may use the API: on a runner whoever has a token, in a dev session whoever sits at the machine."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from wflow.errors import Forbidden, Unauthorized
from wflow.server import scopes, tokens
from wflow.stores.store import Store

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a request, and what they may do."""

    id: str
    name: str
    scope: str


class Auth(Protocol):
    """A policy; it sees a request before its body is read."""

    async def admit(self, request: HTTPConnection) -> Caller:
        """Say who it is; raises Unauthorized, or Forbidden when it is of no use to know."""
        ...


async def admit(auth: Auth, request: HTTPConnection, scope: str) -> Caller:
    """Let a request in that wants to do what ``scope`` allows; raises Unauthorized or Forbidden."""
    caller = await auth.admit(request)
    if not scopes.covers(caller.scope, scope):
        raise Forbidden(
            f"token {caller.name!r} has the scope {caller.scope}; this needs {scope}",
            hint=f"ask an admin of the runner for a token: `wflow runner token create NAME --scope {scope}`",
        )
    return caller


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAuth:
    """A runner's policy: ``Authorization: Bearer TOKEN``."""

    store: Store
    now: Callable[[], int]

    async def admit(self, request: HTTPConnection) -> Caller:
        """Look the token up; a revoked one is unknown at once."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not text.strip():
            raise Unauthorized(
                "no token was given", hint="`wflow login` keeps one; or send `Authorization: Bearer TOKEN`"
            )
        token = await tokens.find_one(self.store, text.strip(), now=self.now())
        if token is None:
            raise Unauthorized(
                "this runner does not know the token", hint="it may be revoked; `wflow login` takes a new one"
            )
        return Caller(id=token.id, name=token.name, scope=token.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackAuth:
    """A dev session's policy: no token, but only from this machine, and from no web page of another origin.

    A page that a browser has loaded from anywhere may send requests to localhost. Its Origin tells, or
    Sec-Fetch-Site where there is none, as of an image; and when it hides behind a name that resolves to
    127.0.0.1, its Host does. ``names`` are further names we have.
    """

    names: frozenset[str] = field(default_factory=frozenset)

    async def admit(self, request: HTTPConnection) -> Caller:
        """Check peer, Host and Origin."""
        if not _is_local(request):
            raise Forbidden("a dev session's API answers to this machine only")
        host = request.headers.get("host", "")
        name = _name_of(host)
        if name not in LOOPBACK_NAMES and name not in self.names:
            raise Forbidden(f"a dev session's API is not known as {name!r}", hint="call it as localhost")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() != f"{request.scope['scheme']}://{host}".lower():
            raise Forbidden(f"a page of {origin} may not use a dev session's API")
        if request.headers.get("sec-fetch-site", "").lower() in _ELSEWHERE:
            raise Forbidden("a page of another origin may not use a dev session's API")
        return Caller(id="local", name="local", scope=scopes.ADMIN)


def _is_local(request: HTTPConnection) -> bool:
    if request.headers.get("x-forwarded-for") or request.headers.get("forwarded"):
        return False  # a proxy or a tunnel on this machine speaks for somebody else
    if request.client is None:
        # So it is with a unix socket, and with a TCP peer that left already: only the former has no port.
        server = request.scope.get("server")
        return server is None or server[1] is None
    return _is_loopback(request.client.host)


@functools.lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _name_of(host: str) -> str:
    """Take the port off a Host header; an IPv6 address keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()
