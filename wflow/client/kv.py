"""The KV namespaces of a runner, and their keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from wflow.client.answers import Many, Shown, listed, many, one
from wflow.client.exchange import Exchange, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wflow.client.exchange import Query

BULK_PAIRS: Final = 1_000
"""Keys that are sent at once."""
_PAGE: Final = 1_000
_BYTES: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Kv:
    """What can be asked of namespaces."""

    exchange: Exchange

    def list(self) -> Many:
        """List the namespaces: `id`, `title`."""
        found: Many = []
        page = 1
        while some := many(self.exchange.ask("GET", self._path(), query={"page": page, "per_page": _PAGE})):
            found += some
            if len(some) < _PAGE:
                break
            page += 1
        return found

    def create(self, title: str) -> Shown:
        """Make a namespace."""
        return one(self.exchange.tell("POST", self._path(), {"title": title}))

    def rename(self, id_: str, title: str) -> Shown:
        """Give a namespace another title."""
        return one(self.exchange.tell("PUT", self._path(id_), {"title": title}))

    def delete(self, id_: str) -> None:
        """Delete a namespace with all its keys."""
        self.exchange.ask("DELETE", self._path(id_))

    def put(self, id_: str, key: str, value: bytes, *, metadata: bytes | None = None, **times: int) -> None:
        """Keep a value; ``times`` are `expiration` or `expiration_ttl`, ``metadata`` is JSON."""
        parts: dict[str, tuple[str | None, bytes, str]] = {"value": ("value", value, _BYTES)}
        if metadata is not None:
            parts["metadata"] = (None, metadata, "application/json")
        query = f"?{urlencode(times)}" if times else ""
        self.exchange.send("PUT", self._path(id_, "values", key) + query, parts)

    def get(self, id_: str, key: str) -> Iterator[bytes]:
        """Read a value as it comes."""
        with self.exchange.stream(self._path(id_, "values", key), query={}, accept=_BYTES) as pieces:
            yield from pieces

    def remove(self, id_: str, key: str) -> None:
        """Remove a key."""
        self.exchange.ask("DELETE", self._path(id_, "values", key))

    def keys(self, id_: str, *, prefix: str = "") -> Many:
        """List all keys with a prefix."""
        found: Many = []
        cursor = None
        while cursor != "":
            query: Query = {"prefix": prefix or None, "cursor": cursor}
            page = listed(self.exchange.ask("GET", self._path(id_, "keys"), query=query))
            found += page.items
            cursor = str(page.info.get("cursor") or "")
        return found

    def put_many(self, id_: str, pairs: Sequence[Any]) -> None:
        """Keep many values."""
        self.exchange.tell("PUT", self._path(id_, "bulk"), pairs)

    def get_many(self, id_: str, keys: Sequence[str]) -> dict[str, Any]:
        """Read up to 100 values as texts, None for a key that is not there."""
        found: dict[str, Any] = one(
            self.exchange.tell("POST", self._path(id_, "bulk", "get"), {"keys": keys})
        )
        return dict(found["values"])

    def remove_many(self, id_: str, keys: Sequence[str]) -> None:
        """Remove many keys."""
        self.exchange.tell("POST", self._path(id_, "bulk", "delete"), keys)

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "storage", "kv", "namespaces", *parts)
