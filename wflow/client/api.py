"""A runner's API as Python: one object a noun, one method an operation, plain values in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from wflow.client.exchange import Exchange, path_of
from wflow.client.logs import Logs
from wflow.client.remote import Remote
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from types import TracebackType

    from wflow.client.exchange import Query
    from wflow.wire.envelope import Envelope

__all__ = ["Api", "Listed", "Remote", "connect"]

Shown = dict[str, Any]
Many = list[Shown]
T = TypeVar("T")

NOTHING: Final = object()
"""No params at all, as None is a value."""


def connect(remote: Remote) -> Api:
    """Make an Api, to be used as a context; the first call connects."""
    return Api(Exchange(remote))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page of a list, with what the API says of it: count, total_count, cursor or page."""

    items: Many
    info: Shown


class Api:
    """All that a runner can be asked; every method raises RunnerError, whose `status` is HTTP's."""

    def __init__(self, exchange: Exchange) -> None:
        """Ask through ``exchange``."""
        self._exchange = exchange
        self.workflows = Workflows(exchange)
        self.instances = Instances(exchange)
        self.scripts = Scripts(exchange)
        self.tokens = Tokens(exchange)
        self.logs = Logs(exchange)

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
        return _one(self._exchange.ask("GET", path_of("user", "tokens", "verify")))


@dataclass(frozen=True, slots=True)
class Workflows:
    """The workflows that the runner serves."""

    exchange: Exchange

    def list(self, *, page: int = 1, per_page: int | None = None, search: str | None = None) -> Listed:
        """List them by name."""
        query: Query = {"page": page, "per_page": per_page, "search": search}
        return _listed(self.exchange.ask("GET", self._path(), query=query))

    def get(self, name: str) -> Shown:
        """Get one."""
        return _one(self.exchange.ask("GET", self._path(name)))

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "workflows", *parts)


@dataclass(frozen=True, slots=True)
class Instances:
    """The instances of a workflow; ``id_`` may be `latest`, but where it creates or deletes."""

    exchange: Exchange

    def list(
        self,
        workflow: str,
        *,
        status: str | None = None,
        direction: str | None = None,
        per_page: int | None = None,
        cursor: str | None = None,
        page: int | None = None,
        date_start: str | None = None,
        date_end: str | None = None,
    ) -> Listed:
        """List them, newest first unless ``direction`` is asc; ``cursor`` is of the last answer's `info`."""
        query: Query = {
            "status": status,
            "direction": direction,
            "per_page": per_page,
            "cursor": cursor,
            "page": page,
            "date_start": date_start,
            "date_end": date_end,
        }
        return _listed(self.exchange.ask("GET", self._path(workflow), query=query))

    def create(self, workflow: str, params: object = NOTHING, *, id_: str | None = None) -> Shown:
        """Create one; ``params`` is anything that JSON can say."""
        body: Shown = {} if params is NOTHING else {"params": params}
        if id_ is not None:
            body["instance_id"] = id_
        return _one(self.exchange.tell("POST", self._path(workflow), body))

    def create_batch(self, workflow: str, wanted: Many) -> Many:
        """Create up to 100 of ``{"instance_id", "params"}``; gives those that did not exist."""
        return _many(self.exchange.tell("POST", self._path(workflow, "batch"), wanted))

    def get(self, workflow: str, id_: str, *, simple: bool = False, order: str | None = None) -> Shown:
        """Get one with its steps, newest first when ``order`` is desc; without them when ``simple``."""
        query: Query = {"simple": True if simple else None, "order": order}
        return _one(self.exchange.ask("GET", self._path(workflow, id_), query=query))

    def delete(self, workflow: str, id_: str) -> Shown:
        """Delete one with all it has."""
        return _one(self.exchange.ask("DELETE", self._path(workflow, id_)))

    def steer(self, workflow: str, id_: str, verb: str) -> Shown:
        """Pause, resume, restart or terminate one."""
        return _one(self.exchange.tell("PATCH", self._path(workflow, id_, "status"), {"status": verb}))

    def send_event(self, workflow: str, id_: str, type_: str, payload: object) -> None:
        """Send an event."""
        self.exchange.tell("POST", self._path(workflow, id_, "events", type_), payload)

    def _path(self, workflow: str, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "workflows", workflow, "instances", *parts)


@dataclass(frozen=True, slots=True)
class Scripts:
    """The Workers that were deployed."""

    exchange: Exchange

    def list(self) -> Many:
        """List them, each with its current version."""
        return _many(self.exchange.ask("GET", self._path()))

    def deploy(self, worker: str, bundle: bytes, *, digest: str, message: str = "") -> Shown:
        """Deploy a bundle and give its version.

        Raises LoadError with the user's traceback when the code does not import.
        """
        metadata = msgspec.json.encode({"digest": digest, "message": message})
        parts = {
            "metadata": (None, metadata, "application/json"),
            "bundle": ("bundle.tar.gz", bundle, "application/gzip"),
        }
        return _one(self.exchange.send("PUT", self._path(worker), parts))

    def versions(self, worker: str) -> Many:
        """List a Worker's versions, newest first."""
        return _many(self.exchange.ask("GET", self._path(worker, "versions")))

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "workers", "scripts", *parts)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The runner's tokens; for admins."""

    exchange: Exchange

    def list(self) -> Many:
        """List them, oldest first."""
        return _many(self.exchange.ask("GET", self._path()))

    def create(self, name: str, scope: str) -> Shown:
        """Make one; `token` is its text, which nobody will ever see again."""
        return _one(self.exchange.tell("POST", self._path(), {"name": name, "scope": scope}))

    def revoke(self, name_or_id: str) -> Shown:
        """Make one worthless."""
        return _one(self.exchange.ask("DELETE", self._path(name_or_id)))

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "tokens", *parts)


def _one(answer: Envelope) -> Shown:
    return _as(answer.result, Shown)


def _many(answer: Envelope) -> Many:
    return _as(answer.result, Many)


def _listed(answer: Envelope) -> Listed:
    info = answer.result_info
    return Listed(items=_many(answer), info=info if isinstance(info, dict) else {})


def _as(result: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(result, kind)
    except msgspec.ValidationError as wrong:
        raise RunnerError(f"the runner's answer is not of the expected shape: {wrong}") from None
