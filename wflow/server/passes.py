"""Passes: who may follow one instance's events for a minute, for clients that cannot send a header.

A browser's WebSocket takes no `Authorization`. A pass is a signature, by a key that is in the store, over
what it is for and until when: nothing has to be kept of it, and it is of no use for anything else.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.errors import Unauthorized
from wflow.server import signed
from wflow.server.auth import Auth, Caller
from wflow.server.host import Host
from wflow.server.scopes import DEPLOY, READ
from wflow.server.upgrade import socket_of
from wflow.stores.store import Cell

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from wflow.stores.store import Store

PASS_S: Final = 60
"""How long a pass opens the door; who is in may stay."""
PLACE: Final = "/subscribe"
"""What the only path ends with that a pass is for."""

_SPACE: Final = "settings"
_KEY: Final = "pass-key"
_TEXT: Final = re.compile(r"wfs_([0-9]{1,15})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """A policy that lets in whom another one does, and who has a pass or a signature for what is asked."""

    auth: Auth
    host: Host

    async def admit(self, request: HTTPConnection) -> Caller:
        """Ask the other policy; only one who showed it no token may show a pass."""
        try:
            return await self.auth.admit(request)
        except Unauthorized:
            if await signed.is_signed(self.host.store, request, now=self.host.now()):
                return Caller(id="signed", name="a signed address", scope=DEPLOY)
            if not await self._has_pass(request):
                raise
        return Caller(id="pass", name="pass", scope=READ)

    async def _has_pass(self, request: HTTPConnection) -> bool:
        given = _TEXT.fullmatch(request.query_params.get("token", ""))
        if given is None or socket_of(request) is None or not request.scope["path"].endswith(PLACE):
            return False
        workflow, id_ = (str(request.path_params.get(name)) for name in ("workflow", "id"))
        key = await _key(self.host.store, now=self.host.now())
        expires_at = int(given[1])
        if key is None or expires_at <= self.host.now():
            return False
        return hmac.compare_digest(given[2], _signature(key, workflow, id_, expires_at))


async def make(store: Store, workflow: str, id_: str, *, now: int) -> tuple[str, int]:
    """Make a pass for an instance's events; give its text and when it expires.

    It is the caller's to keep two calls at once apart: the first one ever makes the key.
    """
    key = await _key(store, now=now)
    if key is None:
        key = secrets.token_bytes(32)
        await store.write([Cell(space=_SPACE, key=_KEY, value=key)])
    expires_at = now + PASS_S * 1_000
    return f"wfs_{expires_at}_{_signature(key, workflow, id_, expires_at)}", expires_at


async def _key(store: Store, *, now: int) -> bytes | None:
    cell = (await store.read(_SPACE, [_KEY], now=now)).get(_KEY)
    return None if cell is None else cell.value


def _signature(key: bytes, workflow: str, id_: str, expires_at: int) -> str:
    # Neither name can have a slash, so no two instances are signed for with the same text.
    signed = hmac.digest(key, f"{workflow}/{id_}/{expires_at}".encode(), "sha256")
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")
