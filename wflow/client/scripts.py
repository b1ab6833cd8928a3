"""The Workers of a runner: what was uploaded, and which versions are live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.client.answers import Many, Shown, listed_in, many, one
from wflow.client.exchange import DEPLOY_S, Exchange, path_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wflow.client.answers import Listed
    from wflow.client.exchange import Query


FIRE_S: Final = 16 * 60.0
"""How long a handler that is called by hand is waited for: a little longer than it may take."""


@dataclass(frozen=True, slots=True)
class Scripts:
    """What can be asked of Workers; versions and deployments are named by their whole ids."""

    exchange: Exchange

    def list(self) -> Many:
        """List them, each with its current version."""
        return many(self.exchange.ask("GET", self._path()))

    def deploy(self, worker: str, bundle: bytes, *, digest: str, message: str = "", tag: str = "") -> Shown:
        """Upload a bundle, make it live at once, and give its version.

        Raises LoadError with the user's traceback when the code does not import.
        """
        parts = _parts(bundle, digest=digest, message=message, tag=tag)
        return one(self.exchange.send("PUT", self._path(worker), parts))

    def upload(self, worker: str, bundle: bytes, *, digest: str, message: str = "", tag: str = "") -> Shown:
        """Upload a bundle and give its version, which is not live; raises LoadError as `deploy` does."""
        parts = _parts(bundle, digest=digest, message=message, tag=tag)
        return one(self.exchange.send("POST", self._path(worker, "versions"), parts))

    def versions(self, worker: str) -> Many:
        """List all versions that the runner keeps of a Worker, newest first."""
        answer = self.exchange.ask("GET", self._path(worker, "versions"), query={"deployable": True})
        return listed_in(answer, "items").items

    def version(self, worker: str, version: str) -> Shown:
        """Get a version with its `resources`: bindings, classes, settings."""
        return one(self.exchange.ask("GET", self._path(worker, "versions", version)))

    def rehearse(
        self, worker: str, version: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Shown:
        """Try unfinished instances on a version: ``limit`` of them, the newest, or all.

        Gives those that were `tried`, of `total`, and a `cursor` when there are more than one request takes.
        """
        query: Query = {"limit": "all" if limit is None else limit, "cursor": cursor}
        path = self._path(worker, "versions", version, "rehearsals")
        return one(self.exchange.ask("POST", path, query=query, timeout_s=DEPLOY_S))

    def deployments(self, worker: str, *, page: int = 1, per_page: int | None = None) -> Listed:
        """List deployments, newest first: the first of the first page is the live one."""
        query: Query = {"page": page, "per_page": per_page}
        answer = self.exchange.ask("GET", self._path(worker, "deployments"), query=query)
        return listed_in(answer, "deployments")

    def release(
        self, worker: str, shares: Mapping[str, float], *, message: str = "", trigger: str | None = None
    ) -> Shown:
        """Make one version live, or two with shares that make 100, and give the deployment.

        ``trigger`` says what asks for it: `upload`, `rollback` or `deployment`; None lets the runner tell.
        """
        annotations = {"workers/message": message}
        if trigger is not None:
            annotations["workers/triggered_by"] = trigger
        body = {
            "strategy": "percentage",
            "versions": [{"version_id": id_, "percentage": share} for id_, share in shares.items()],
            "annotations": annotations,
        }
        return one(self.exchange.tell("POST", self._path(worker, "deployments"), body))

    def install(self, requirements: Sequence[str]) -> Shown:
        """Have packages installed for a version to come; `installing` tells how it goes on from there."""
        path = path_of("accounts", self.exchange.remote.account, "workers", "environments")
        return one(self.exchange.tell("POST", path, {"requirements": list(requirements)}))

    def installing(self, environment: str, *, after: int = 0) -> Shown:
        """Tell the `state` of an installation (`installing`, `ready`, `failed` with the `error`).

        Its `lines` from number ``after`` on come along; `next` is the number of the next one.
        """
        path = path_of("accounts", self.exchange.remote.account, "workers", "environments", environment)
        return one(self.exchange.ask("GET", path, query={"after": after}))

    def schedules(self, worker: str) -> Many:
        """List what fires by the clock, with when that is next."""
        return listed_in(self.exchange.ask("GET", self._path(worker, "schedules")), "schedules").items

    def fire(
        self, worker: str, cron: str | None = None, *, workflow: str | None = None, at: int | None = None
    ) -> Shown:
        """Fire by hand: the only schedule there is, or that of a ``cron``; ``at`` is the instant it is told.

        Gives the `outcome` (`ok` or `exception`, with the `error`), and the `id` of a workflow's instance.
        """
        body = {"cron": cron, "workflow": workflow, "time": at}
        path = self._path(worker, "schedules", "run")
        said = {key: value for key, value in body.items() if value is not None}
        return one(self.exchange.tell("POST", path, said, timeout_s=FIRE_S))

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "workers", "scripts", *parts)


def _parts(bundle: bytes, *, digest: str, message: str, tag: str) -> dict[str, tuple[str | None, bytes, str]]:
    metadata = msgspec.json.encode({"digest": digest, "message": message, "tag": tag})
    return {
        "metadata": (None, metadata, "application/json"),
        "bundle": ("bundle.tar.gz", bundle, "application/gzip"),
    }
