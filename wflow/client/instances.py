"""The instances of a workflow: create, look at, steer, delete."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.client.answers import Listed, Many, Shown, listed, many, one
from wflow.client.exchange import Exchange, path_of
from wflow.errors import InstanceNotFound, RunnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from wflow.client.exchange import Query

NOTHING: Final = object()
"""No params at all, as None is a value."""
LOOK_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Between two looks at a job; the last for all that follow."""
RUNNING: Final = "running"


@dataclass(frozen=True, slots=True)
class Instances:
    """What can be asked of instances; ``id_`` may be `latest`, but where it creates or deletes."""

    exchange: Exchange

    def list(
        self,
        workflow: str,
        *,
        status: str | None = None,
        tag: str | None = None,
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
            "tag": tag,
            "direction": direction,
            "per_page": per_page,
            "cursor": cursor,
            "page": page,
            "date_start": date_start,
            "date_end": date_end,
        }
        return listed(self.exchange.ask("GET", self._path(workflow), query=query))

    def create(
        self,
        workflow: str,
        params: object = NOTHING,
        *,
        id_: str | None = None,
        tags: Sequence[str] = (),
        success_retention: str | int | None = None,
        error_retention: str | int | None = None,
        priority: int | None = None,
    ) -> Shown:
        """Create one; ``params`` is anything that JSON can say, a retention a duration or milliseconds.

        Without ``priority`` it is 3; 1 goes first, 5 last.
        """
        body: Shown = {} if params is NOTHING else {"params": params}
        if id_ is not None:
            body["instance_id"] = id_
        if tags:
            body["tags"] = [*tags]
        if priority is not None:
            body["priority"] = priority
        kept = {"success_retention": success_retention, "error_retention": error_retention}
        if retention := {key: value for key, value in kept.items() if value is not None}:
            body["instance_retention"] = retention
        return one(self.exchange.tell("POST", self._path(workflow), body))

    def create_batch(self, workflow: str, wanted: Many) -> Many:
        """Create up to 100 of ``{"instance_id", "params"}``; gives those that did not exist."""
        return many(self.exchange.tell("POST", self._path(workflow, "batch"), wanted))

    def get(self, workflow: str, id_: str, *, simple: bool = False, order: str | None = None) -> Shown:
        """Get one with its steps, newest first when ``order`` is desc; without them when ``simple``."""
        query: Query = {"simple": True if simple else None, "order": order}
        found = one(self.exchange.ask("GET", self._path(workflow, id_), query=query))
        if "id" not in found:  # `terminate` is where a job tells of itself when no instance is called so
            raise RunnerError(
                f"workflow {workflow!r} has no instance {id_!r}", status=404, number=InstanceNotFound.code
            )
        return found

    def step(
        self, workflow: str, id_: str, name: str, *, type_: str | None = None, attempt: int | None = None
    ) -> Shown:
        """Get the status, the error and the whole output of a step such as `charge-1`, or of one attempt."""
        query: Query = {"name": name, "type": type_, "attempt": attempt}
        return one(self.exchange.ask("GET", self._path(workflow, id_, "step"), query=query))

    def step_bytes(
        self, workflow: str, id_: str, name: str, *, attempt: int | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Read the stream that a step gave, as a context whose value gives its pieces."""
        query: Query = {"name": name, "attempt": attempt}
        path = self._path(workflow, id_, "step")
        return self.exchange.stream(path, query=query, accept="application/octet-stream")

    def delete(self, workflow: str, id_: str) -> Shown:
        """Delete one with all it has."""
        return one(self.exchange.ask("DELETE", self._path(workflow, id_)))

    def delete_batch(self, workflow: str, ids: Sequence[str]) -> Shown:
        """Delete up to 100; gives those that are `deleted`, and an entry in `errors` for each other one."""
        return one(self.exchange.tell("POST", self._path(workflow, "batch", "delete"), {"instances": [*ids]}))

    def steer(
        self, workflow: str, id_: str, verb: str, *, rollback: bool = False, accept: bool = False
    ) -> Shown:
        """Pause, resume, cancel or terminate one.

        It is terminated after the ``rollback`` of its steps, or resumed so that it may ``accept`` code that
        does not ask for the recorded step that it is held for.
        """
        body: Shown = {"status": verb}
        if rollback:
            body["rollback"] = True
        if accept:
            body["accept"] = True
        return one(self.exchange.tell("PATCH", self._path(workflow, id_, "status"), body))

    def restart(
        self,
        workflow: str,
        id_: str,
        *,
        name: str | None = None,
        count: int | None = None,
        type_: str | None = None,
    ) -> Shown:
        """Restart one: from its beginning, or from the ``count``-th visit of the step ``name``."""
        given = {"name": name, "count": count, "type": type_}
        start = {key: value for key, value in given.items() if value is not None}
        body: Shown = {"status": "restart", "from": start} if start else {"status": "restart"}
        return one(self.exchange.tell("PATCH", self._path(workflow, id_, "status"), body))

    def migrate(self, workflow: str, id_: str, *, version: str | None = None, dry_run: bool = False) -> Shown:
        """Put one on a version, or the current one; it is `migrated` if its journal fits that.

        With ``dry_run`` it is only told whether it `fits`, and why not.
        """
        body: Shown = {} if version is None else {"version": version}
        if dry_run:
            body["dry_run"] = True
        return one(self.exchange.tell("POST", self._path(workflow, id_, "migrate"), body))

    def terminate_all(self, workflow: str, *, status: str | None = None) -> bool:
        """Begin to terminate all, or those in one status; False when such a job runs already."""
        answer = self.exchange.ask("PUT", self._path(workflow, "terminate"), query={"status": status})
        return bool(one(answer).get("status") == "ok")

    def termination(self, workflow: str) -> Shown:
        """Tell how the last `terminate_all` goes: its `status`, and how many it has `terminated`."""
        return one(self.exchange.ask("GET", self._path(workflow, "terminate"), query={"job": True}))

    def terminated(self, workflow: str, *, sleep: Callable[[float], None] = time.sleep) -> Shown:
        """Wait until the last `terminate_all` is over, however long it takes; gives its `termination`."""
        looks = 0
        while (job := self.termination(workflow))["status"] == RUNNING:
            sleep(LOOK_S[min(looks, len(LOOK_S) - 1)])
            looks += 1
        return job

    def send_event(self, workflow: str, id_: str, type_: str, payload: object) -> Shown:
        """Send an event."""
        return one(self.exchange.tell("POST", self._path(workflow, id_, "events", type_), payload))

    def _path(self, workflow: str, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "workflows", workflow, "instances", *parts)
