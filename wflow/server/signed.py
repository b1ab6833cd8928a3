"""Signed addresses: who has one may make that one request for an hour, without a token.

So it is with Cloudflare's files: what an export has written is fetched, and what is to be imported is put, by
clients that send no token there. A signature by a key that is in the store is over the method, the path and
until when; nothing has to be kept of it.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from wflow.stores.store import Cell

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from wflow.stores.store import Store

SIGNED_S: Final = 3_600
"""How long a signed address is good for."""
PARAMETER: Final = "signature"

_SPACE: Final = "settings"
_KEY: Final = "signing-key"
_TEXT: Final = re.compile(r"([0-9]{1,15})-([A-Za-z0-9_-]{43})")


async def signed(store: Store, method: str, path: str, *, now: int) -> str:
    """Give a path, quoted, with a signature for one method.

    It is the caller's to keep two calls at once apart: the first one ever makes the key.
    """
    key = await _key(store, now=now)
    if key is None:
        key = secrets.token_bytes(32)
        await store.write([Cell(space=_SPACE, key=_KEY, value=key)])
    expires_at = now + SIGNED_S * 1_000
    return f"{quote(path)}?{PARAMETER}={expires_at}-{_signature(key, method, path, expires_at)}"


async def is_signed(store: Store, request: HTTPConnection, *, now: int) -> bool:
    """Tell whether a request bears a good signature for what it is."""
    given = _TEXT.fullmatch(request.query_params.get(PARAMETER, ""))
    if given is None or request.scope["type"] != "http":
        return False
    key = await _key(store, now=now)
    expires_at = int(given[1])
    if key is None or expires_at <= now:
        return False
    wanted = _signature(key, request.scope["method"], request.scope["path"], expires_at)
    return hmac.compare_digest(given[2], wanted)


async def _key(store: Store, *, now: int) -> bytes | None:
    cell = (await store.read(_SPACE, [_KEY], now=now)).get(_KEY)
    return None if cell is None else cell.value


def _signature(key: bytes, method: str, path: str, expires_at: int) -> str:
    text = hmac.digest(key, f"{method} {expires_at} {path}".encode(), "sha256")
    return base64.urlsafe_b64encode(text).decode().rstrip("=")
