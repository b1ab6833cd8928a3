"""The queues of a runner: made, changed, emptied, and who consumes them; known by their names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.client.answers import Many, Shown, many, one
from wflow.client.exchange import Exchange, path_of
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK_S: Final = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Between two looks at a purge; the last for all that follow."""


@dataclass(frozen=True, slots=True)
class Queues:
    """What can be asked of queues; a name that no queue has is a UsageError with those that there are."""

    exchange: Exchange

    def list(self, *, page: int = 1) -> Many:
        """List them by name."""
        return many(self.exchange.ask("GET", self._path(), query={"page": page}))

    def get(self, name: str) -> Shown:
        """Get one, with its producers and consumers."""
        found = many(self.exchange.ask("GET", self._path(), query={"name": name}))
        if not found:
            known = ", ".join(str(each["queue_name"]) for each in self.list()) or "none"
            raise UsageError(f"there is no queue {name!r}", hint=f"there are: {known}")
        return found[0]

    def create(self, name: str, settings: Mapping[str, object]) -> Shown:
        """Make one."""
        return one(self.exchange.tell("POST", self._path(), {"queue_name": name, "settings": settings}))

    def update(self, name: str, settings: Mapping[str, object]) -> Shown:
        """Change some settings."""
        return one(self.exchange.tell("PATCH", self._path(self._id(name)), {"settings": settings}))

    def delete(self, name: str) -> None:
        """Delete one with its messages."""
        self.exchange.ask("DELETE", self._path(self._id(name)))

    def purge(self, name: str) -> None:
        """Delete all messages, and wait until they are gone."""
        path = self._path(self._id(name), "purge")
        self.exchange.tell("POST", path, {"delete_messages_permanently": True})
        looks = iter(LOOK_S)
        while one(self.exchange.ask("GET", path)).get("completed") != "true":
            time.sleep(next(looks, LOOK_S[-1]))

    def metrics(self, name: str) -> Shown:
        """Tell what is in it."""
        return one(self.exchange.ask("GET", self._path(self._id(name), "metrics")))

    def send(self, name: str, body: object, *, delay_seconds: int | None = None) -> Shown:
        """Send a message of JSON."""
        message = {"body": body, "content_type": "json", "delay_seconds": delay_seconds}
        return one(self.exchange.tell("POST", self._path(self._id(name), "messages"), message))

    def add_consumer(self, name: str, consumer: Mapping[str, object]) -> Shown:
        """Add the consumer."""
        return one(self.exchange.tell("POST", self._path(self._id(name), "consumers"), consumer))

    def remove_consumer(self, name: str, kind: str, script: str | None = None) -> None:
        """Remove the consumer of a kind, if it is that Worker."""
        queue = self.get(name)
        for each in queue["consumers"]:
            if each["type"] == kind and script in {None, each.get("script_name")}:
                path = self._path(str(queue["queue_id"]), "consumers", str(each["consumer_id"]))
                self.exchange.ask("DELETE", path)
                return
        what = "HTTP consumer" if script is None else f"consumer {script!r}"
        raise UsageError(f"queue {name!r} has no {what}")

    def _id(self, name: str) -> str:
        return str(self.get(name)["queue_id"])

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "queues", *parts)
