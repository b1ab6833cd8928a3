"""What bindings are bound to, found by name on a runner or made there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wflow.client.answers import many, one
from wflow.client.exchange import Exchange, path_of
from wflow.errors import RunnerError

PAGE: Final = 1_000
"""Namespaces that are listed at once."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Each method gives the id of what has that name, which is made if it is not there."""

    exchange: Exchange

    def namespace(self, title: str) -> str:
        """Give a KV namespace."""
        found = self._titled(title)
        if found is None:
            try:
                path = self._path("storage", "kv", "namespaces")
                return str(one(self.exchange.tell("POST", path, {"title": title}))["id"])
            except RunnerError:
                found = self._titled(title)  # somebody else was quicker
                if found is None:
                    raise
        return found

    def database(self, name: str) -> str:
        """Give a D1 database."""
        found = self._named(name)
        if found is None:
            try:
                path = self._path("d1", "database")
                return str(one(self.exchange.tell("POST", path, {"name": name}))["uuid"])
            except RunnerError:
                found = self._named(name)
                if found is None:
                    raise
        return found

    def queue(self, name: str) -> str:
        """Give a queue."""
        path = self._path("queues")
        found = many(self.exchange.ask("GET", path, query={"name": name}))
        if all(each["queue_name"] != name for each in found):
            one(self.exchange.tell("POST", path, {"queue_name": name}))
        return name

    def _titled(self, title: str) -> str | None:
        path, page = self._path("storage", "kv", "namespaces"), 1
        while found := many(self.exchange.ask("GET", path, query={"page": page, "per_page": PAGE})):
            for each in found:
                if each["title"] == title:
                    return str(each["id"])
            if len(found) < PAGE:
                break
            page += 1
        return None

    def _named(self, name: str) -> str | None:
        found = many(self.exchange.ask("GET", self._path("d1", "database"), query={"name": name}))
        return next((str(each["uuid"]) for each in found if each["name"] == name), None)

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, *parts)
