"""A runner's API as Python: one object a noun, one method an operation, plain values in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wflow.client.answers import Listed, Many, Shown, listed, many, one
from wflow.client.d1 import D1
from wflow.client.exchange import Exchange, path_of
from wflow.client.happenings import Happenings
from wflow.client.history import Histories
from wflow.client.instances import Instances
from wflow.client.kv import Kv
from wflow.client.logs import Logs
from wflow.client.queues import Queues
from wflow.client.remote import Remote
from wflow.client.resources import Resources
from wflow.client.scripts import Scripts
from wflow.client.secrets import Secrets

if TYPE_CHECKING:
    from types import TracebackType

    from wflow.client.exchange import Query

__all__ = ["Api", "Listed", "Remote", "connect"]


def connect(remote: Remote) -> Api:
    """Make an Api, to be used as a context; the first call connects."""
    return Api(Exchange(remote))


class Api:
    """All that a runner can be asked; every method raises RunnerError, whose `status` is HTTP's."""

    def __init__(self, exchange: Exchange) -> None:
        """Ask through ``exchange``."""
        self._exchange = exchange
        self.workflows = Workflows(exchange)
        self.instances = Instances(exchange)
        self.scripts = Scripts(exchange)
        self.resources = Resources(exchange)
        self.secrets = Secrets(exchange)
        self.queues = Queues(exchange)
        self.kv = Kv(exchange)
        self.d1 = D1(exchange)
        self.tokens = Tokens(exchange)
        self.logs = Logs(exchange)
        self.happenings = Happenings(exchange)
        self.histories = Histories(exchange)

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._exchange.__exit__(kind, error, trace)

    def verify(self) -> Shown:
        """Say whose token this is: id, name, scope."""
        return one(self._exchange.ask("GET", path_of("user", "tokens", "verify")))


@dataclass(frozen=True, slots=True)
class Workflows:
    """The workflows that the runner serves."""

    exchange: Exchange

    def list(self, *, page: int = 1, per_page: int | None = None, search: str | None = None) -> Listed:
        """List them by name."""
        query: Query = {"page": page, "per_page": per_page, "search": search}
        return listed(self.exchange.ask("GET", self._path(), query=query))

    def get(self, name: str) -> Shown:
        """Get one."""
        return one(self.exchange.ask("GET", self._path(name)))

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "workflows", *parts)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The runner's tokens; for admins."""

    exchange: Exchange

    def list(self) -> Many:
        """List them, oldest first."""
        return many(self.exchange.ask("GET", self._path()))

    def create(self, name: str, scope: str) -> Shown:
        """Make one; `token` is its text, which nobody will ever see again."""
        return one(self.exchange.tell("POST", self._path(), {"name": name, "scope": scope}))

    def revoke(self, name_or_id: str) -> Shown:
        """Make one worthless."""
        return one(self.exchange.ask("DELETE", self._path(name_or_id)))

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "tokens", *parts)
