"""The secrets of a Worker: set, deleted and listed; never read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wflow.client.answers import Many, many
from wflow.client.exchange import Exchange, path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_ONCE = 100
"""Secrets that one request may change."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What can be asked of secrets."""

    exchange: Exchange

    def list(self, worker: str) -> Many:
        """List them by name: `name` and `type`."""
        return many(self.exchange.ask("GET", self._path(worker)))

    def put(self, worker: str, name: str, text: str) -> None:
        """Set one; the Worker may come later."""
        self.exchange.tell("PUT", self._path(worker), {"name": name, "text": text, "type": "secret_text"})

    def delete(self, worker: str, name: str) -> None:
        """Delete one."""
        self.exchange.ask("DELETE", self._path(worker, name))

    def change(self, worker: str, changes: Mapping[str, str | None]) -> None:
        """Set secrets, and delete those that are None: all of them, or none."""
        secrets = {
            name: None if text is None else {"name": name, "text": text, "type": "secret_text"}
            for name, text in changes.items()
        }
        self.exchange.tell("PATCH", self._path(worker), {"secrets": secrets})

    def _path(self, worker: str, *parts: str) -> str:
        account = self.exchange.remote.account
        return path_of("accounts", account, "workers", "scripts", worker, "secrets", *parts)
