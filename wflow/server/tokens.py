"""API tokens, kept in the store: a secret is shown once, and only its SHA-256 is kept.

A token reads ``wf_<id>_<secret>``. The secret has 256 random bits: a plain hash is as good as a slow one.
"""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.errors import InvalidInput, TooMany
from wflow.server import scopes
from wflow.stores.store import Absent, Cell

if TYPE_CHECKING:
    from wflow.stores.store import Store

SPACE: Final = "tokens"
MOST: Final = 1_000
"""Tokens of one runner."""

_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.@-]{0,63}")
_TEXT = re.compile(r"wf_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token; its secret is not."""

    id: str
    name: str
    scope: str
    created_at: int


async def create(store: Store, name: str, scope: str, *, now: int) -> tuple[Token, str]:
    """Make a token and give it with its text, which can never be read again.

    Raises InvalidInput for a name that breaks the rule or is taken, or an unknown scope; TooMany over MOST.
    It is the caller's to keep two calls at once apart.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "a token's name is 1-64 letters, digits, `_`, `.`, `@` or `-`, not beginning with the last three"
        )
    if scope not in scopes.ALL:
        raise InvalidInput(f"a token's scope is one of {', '.join(scopes.ALL)}")
    known = await find(store, now=now)
    if any(token.name == name for token in known):
        raise InvalidInput(f"a token named {name!r} exists already", hint="revoke it, or choose another name")
    if len(known) >= MOST:
        raise TooMany(f"there are {len(known):,} tokens; that is the limit", hint="revoke some")
    token = Token(id=secrets.token_hex(8), name=name, scope=scope, created_at=now)
    secret = secrets.token_urlsafe(32)
    await store.write(
        [Cell(space=SPACE, key=token.id, value=_digest(secret), meta=msgspec.json.encode(token))]
    )
    return token, f"wf_{token.id}_{secret}"


async def find(store: Store, *, now: int) -> list[Token]:
    """List all tokens, oldest first."""
    cells = await store.scan(SPACE, now=now, limit=MOST + 1)
    return sorted((_token(cell) for cell in cells), key=lambda token: (token.created_at, token.id))


async def find_one(store: Store, text: str, *, now: int) -> Token | None:
    """Find the token that ``text`` is; None when it is none, or was revoked."""
    parts = _TEXT.fullmatch(text)
    if parts is None:
        return None
    id_, secret = parts.groups()
    cell = (await store.read(SPACE, [id_], now=now)).get(id_)
    if cell is None or not hmac.compare_digest(cell.value, _digest(secret)):
        return None
    return _token(cell)


async def revoke(store: Store, name_or_id: str, *, now: int) -> Token:
    """Delete a token by its name or its id; raises InvalidInput when there is none."""
    for token in await find(store, now=now):
        if name_or_id in {token.name, token.id}:
            await store.write([Absent(space=SPACE, key=token.id)])
            return token
    raise InvalidInput(f"there is no token {name_or_id!r}", hint="`wflow runner token list` shows them")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _token(cell: Cell) -> Token:
    return msgspec.json.decode(cell.meta, type=Token)
