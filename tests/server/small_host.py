"""The smallest runner that the API can stand on: a real store, and Workers that are Python functions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from wflow import stores
from wflow.bundle.manifest import KvEntry, Manifest, WorkflowEntry
from wflow.engine import facts, requests, status, values
from wflow.engine.changes import Change, Ended
from wflow.engine.divergence import Verdict
from wflow.engine.facts import Moved
from wflow.errors import (
    InstanceEnded,
    InstanceNotFound,
    LoadError,
    VersionNotFound,
    WorkerNotFound,
    WorkflowNotFound,
)
from wflow.server.app import build
from wflow.server.auth import LoopbackAuth
from wflow.server.front import DEV
from wflow.stores.store import Batch, Instance, New, Store
from wflow.wire.types import (
    Deployment,
    HttpAnswer,
    HttpRequest,
    Made,
    Registered,
    Rehearsal,
    Rehearsals,
    Schedule,
    Share,
    Start,
    Version,
    Wanted,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
    from pathlib import Path

    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Failure
    from wflow.server.auth import Auth
    from wflow.server.front import Front

API = "/client/v4/accounts/local"
SEED = b"s" * 16
REQUESTS = {"cancel": requests.CANCEL, "rollBack": requests.ROLL_BACK}
NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z, when every test begins; a second passes with each look at the clock."""


class SmallSchedules:
    """Fires what the test says, and notes it."""

    def __init__(self) -> None:
        self.known: list[Schedule] = []
        self.fired: list[tuple[Schedule, int]] = []
        self.raises: Exception | None = None

    def live(self) -> Sequence[Schedule]:
        return self.known

    async def fire(self, schedule: Schedule, at: int) -> str | None:
        self.fired.append((schedule, at))
        if self.raises is not None:
            raise self.raises
        return None if schedule.workflow is None else f"{schedule.cron}-{at}"


class SmallInstalls:
    """Installs what the test says."""

    def __init__(self) -> None:
        self.known: dict[str, Installation] = {}

    def begin(self, requirements: Sequence[str]) -> tuple[str, Installation] | None:
        name = "-".join(requirements)
        return (name, self.known[name]) if name in self.known else None

    def find(self, name: str) -> Installation | None:
        return self.known.get(name)


class Installation:
    """Has said some lines."""

    def __init__(self, *lines: str, first: int = 0) -> None:
        self.lines = list(lines)
        self.first = first
        self.failed: LoadError | None = None
        self.over = asyncio.Event()


class SmallHost:
    """A `Host` whose instances do what the test says."""

    def __init__(self, store: Store, *, patience_s: float = 0.01) -> None:
        self.store = store
        self.patience_s = patience_s
        self.schedules = SmallSchedules()
        self.environments = SmallInstalls()
        self.services: Any = None
        self.databases: Any = None
        self.queues: Any = None
        self.secrets: Any = None
        self.registered = [workflow("orders"), workflow("returns")]
        self.uploaded: list[Version] = []
        self.deployed: list[Version] = []
        self.released: list[Deployment] = []
        self.described = manifest()
        self.verdict = Verdict(heard=1, recorded=1)
        self.rehearsed: list[tuple[object, ...]] = []
        self.fetched: list[tuple[str | None, HttpRequest]] = []
        self.answer: Callable[[HttpRequest], HttpAnswer] = lambda _: HttpAnswer(
            status=200, headers=[("content-type", "text/plain")], body=b"hello"
        )
        self.refuses: Exception | None = None
        self.restarts: list[Start | None] = []
        self._at = NOON
        self._ids = itertools.count(1)
        self._news = asyncio.Event()
        store.on_commit(lambda _: self._news.set())

    def now(self) -> int:
        self._at += 1_000
        return self._at

    def workflows(self) -> Sequence[Registered]:
        return self.registered

    def workers(self) -> Sequence[Version]:
        newest = {version.worker: version for version in self.deployed}
        return [newest[name] for name in sorted(newest)]

    def effects(self, call: object) -> None:
        """No step calls."""

    async def create(
        self, workflow: str, wanted: Sequence[Wanted], *, trigger: str, held: object = None
    ) -> list[Made]:
        self._expect(workflow)
        at = self.now()
        new = [
            New(
                workflow=workflow,
                id=one.id or f"random-{next(self._ids)}",
                version="v1",
                params=one.params,
                at=at,
                trigger=trigger,
                seed=SEED,
                tags=one.tags,
                success_retention_ms=one.success_retention_ms,
                error_retention_ms=one.error_retention_ms,
                priority=one.priority,
            )
            for one in wanted
        ]
        keys = await self.store.create(new)
        return [
            Made(id=one.id, created=key is not None, version="v1") for one, key in zip(new, keys, strict=True)
        ]

    async def get(self, workflow: str, id_: str) -> Instance:
        self._expect(workflow)
        found = await self.store.find_one(workflow, id_)
        if found is None:
            raise InstanceNotFound(f"workflow {workflow!r} has no instance {id_!r}")
        return found

    async def send_event(self, workflow: str, id_: str, type_: str, payload: bytes) -> None:
        instance = await self.get(workflow, id_)
        await self.store.deliver(instance.key, type_, payload, now=self.now())

    async def steer(self, workflow: str, id_: str, verb: str) -> Instance:
        instance = await self.get(workflow, id_)
        if verb == "accept":
            moved = await self.store.move(instance.key, "resume", now=self.now(), accepted={"charge-1": 0})
            return moved.instance
        if verb in {"pause", "resume"} and status.after(instance.status, verb) is None:
            return instance
        if verb in REQUESTS and instance.status in status.ENDED:
            raise InstanceEnded("(instance.cannot_terminate) it is on a finite state")
        if verb in REQUESTS and instance.started_at is not None:
            await self.store.deliver(instance.key, REQUESTS[verb], values.NONE, now=self.now())
            return await self.get(workflow, id_)
        moved = await self.store.move(instance.key, "terminate" if verb in REQUESTS else verb, now=self.now())
        return moved.instance

    async def restart(self, workflow: str, id_: str, start: Start | None = None) -> Instance:
        instance = await self.get(workflow, id_)
        self.restarts.append(start)
        moved = await self.store.restart(instance.key, version="v2", seed=SEED, now=self.now())
        return moved.instance

    async def delete(self, workflow: str, ids: Sequence[str]) -> set[str]:
        self._expect(workflow)
        found = [await self.store.find_one(workflow, id_) for id_ in ids]
        there = [one for one in found if one is not None]
        await self.store.delete([one.key for one in there], now=self.now())
        return {one.id for one in there}

    async def fetch(self, worker: str | None, request: HttpRequest) -> HttpAnswer:
        self.fetched.append((worker, request))
        if self.refuses is not None:
            raise self.refuses
        return self.answer(request)

    async def deploy(
        self, worker: str, bundle: bytes, *, digest: str, message: str, author: str, tag: str = ""
    ) -> Version:
        version = await self.upload(worker, bundle, digest=digest, message=message, author=author, tag=tag)
        share = Share(version=version.id, percentage=100)
        await self.release(worker, [share], message=message, author=author, trigger="upload")
        return version

    async def upload(
        self, worker: str, bundle: bytes, *, digest: str, message: str, author: str, tag: str = ""
    ) -> Version:
        if self.refuses is not None:
            raise self.refuses
        version = Version(
            id=f"id-{len(self.uploaded) + 1}",
            worker=worker,
            number=1 + sum(one.worker == worker for one in self.uploaded),
            digest=digest,
            message=message,
            author=author,
            created_at=self.now(),
            size_bytes=len(bundle),
            workflows=["orders"],
            tag=tag,
        )
        self.uploaded.append(version)
        return version

    async def release(
        self, worker: str, shares: Sequence[Share], *, message: str, author: str, trigger: str | None = None
    ) -> Deployment:
        if self.refuses is not None:
            raise self.refuses
        known = {version.id: version for version in await self.versions(worker)}
        self.deployed += [known[share.version] for share in shares]
        made = Deployment(
            id=f"deployment-{len(self.released) + 1}",
            worker=worker,
            created_at=self.now(),
            shares=list(shares),
            message=message,
            author=author,
            trigger=trigger or "deployment",
        )
        self.released.insert(0, made)
        return made

    async def versions(self, worker: str) -> Sequence[Version]:
        found = [version for version in reversed(self.uploaded) if version.worker == worker]
        if not found:
            raise WorkerNotFound(f"there is no Worker {worker!r}")
        return found

    async def version(self, worker: str, version: str) -> Version:
        for one in await self.versions(worker):
            if one.id == version:
                return one
        raise VersionNotFound(f"there is no version {version!r}")

    async def rehearse(
        self, worker: str, version: str, *, limit: int | None, after: int | None = None
    ) -> Rehearsals:
        await self.version(worker, version)
        self.rehearsed.append((version, limit, after))
        found = await self.store.find("orders", after=after, limit=limit or 1_000)
        tried = [self._tried(one) for one in found]
        return Rehearsals(tried=tried, total=7, after=found[-1].key if len(found) == limit else None)

    async def rehearse_one(self, workflow: str, id_: str, version: str | None) -> Rehearsal:
        return self._tried(await self.get(workflow, id_))

    async def migrate(self, workflow: str, id_: str, version: str | None) -> Rehearsal:
        if self.refuses is not None:
            raise self.refuses
        found = await self.get(workflow, id_)
        if self.verdict.clean:
            past = (await self.store.load({found.key: 0}))[found.key]
            await self.store.migrate(found.key, version=version or "v2", seq=past.seq, now=self.now())
        return self._tried(await self.get(workflow, id_))

    def _tried(self, one: Instance) -> Rehearsal:
        return Rehearsal(
            workflow=one.workflow, id=one.id, version=one.version, status=one.status, verdict=self.verdict
        )

    async def numbers(self, versions: Collection[str]) -> dict[str, int]:
        return {version: 1 for version in versions if version == "v1"}

    async def manifest(self, worker: str, version: str) -> Manifest:
        await self.version(worker, version)
        return self.described

    async def deployments(self, worker: str) -> Sequence[Deployment]:
        await self.versions(worker)
        return [one for one in self.released if one.worker == worker]

    async def changed(self, after: int) -> int:
        self._news.clear()
        position = await self.store.position()
        if position <= after:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self.patience_s)
            position = await self.store.position()
        return position

    async def play(
        self, id_: str, *journal: Fact, workflow: str = "orders", changes: Sequence[Change] = ()
    ) -> Instance:
        """Create an instance, claim it, and let these be its next facts; it ends with an ended Moved.

        ``changes`` take the place of that end; their instance is filled in.
        """
        if await self.store.find_one(workflow, id_) is None:
            await self.create(workflow, [Wanted(id=id_)], trigger="binding")
        (claim,) = await self.store.claim({workflow: 1}, owner="test", now=self.now())
        assert claim.id == id_, "instances are claimed in the order of their creation"
        rows = [
            (claim.key, claim.seq + seq, facts.tag(fact), fact.at, facts.encode(fact))
            for seq, fact in enumerate(journal, 1)
        ]
        own = [msgspec.structs.replace(change, instance=claim.key) for change in changes]
        ends = own or _ending(claim.key, journal)
        await self.store.append(Batch(claims=[(claim.key, claim.epoch)], rows=rows, changes=ends))
        return await self.get(workflow, id_)

    async def log(self, *lines: facts.Logged) -> None:
        """Keep lines of no instance."""
        await self.store.note([(facts.LOGGED, line.at, facts.encode(line)) for line in lines])

    def _expect(self, workflow: str) -> None:
        if all(one.name != workflow for one in self.registered):
            raise WorkflowNotFound(f"there is no workflow {workflow!r}")


class House:
    """A SmallHost behind the app, in this thread; every call runs the loop until it is done."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        store: Store = self.run(stores.connect(f"sqlite://{folder}"))
        self.host = self.run(self._host(store))
        self.open(LoopbackAuth())

    def run(self, coroutine: Coroutine[Any, Any, Any] | Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await coroutine

        return self._runner.run(wait())

    def open(self, auth: Auth, front: Front = DEV, *, peer: tuple[str, int] = ("127.0.0.1", 50_000)) -> None:
        """Put the app before the host, behind another policy."""
        app = build(self.host, auth=auth, front=front)
        self.site = site_of(app)
        transport = httpx.ASGITransport(app=app, client=peer)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Make a request for any path."""
        response: httpx.Response = self.run(self._http.request(method, path, **more))
        return response

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Make a request below the account."""
        return self.ask(method, f"{API}{path}", **more)

    def get(self, path: str, **query: Any) -> Any:
        """Give the result of a GET that must succeed."""
        return result(self.api("GET", path, params=query))

    def close(self) -> None:
        self.run(self._http.aclose())
        self.run(self.host.store.close())
        self._runner.close()

    async def _host(self, store: Store) -> SmallHost:
        return SmallHost(store)


def site_of(app: Any) -> Any:
    """Find what the app's requests share."""
    return app.api.site


def workflow(name: str, **more: Any) -> Registered:
    """Make a registered workflow."""
    given: dict[str, Any] = {
        "name": name,
        "class_name": name.title(),
        "script_name": "shop",
        "binding": name.upper(),
        "version": "v1",
        "created_at": NOON,
        "modified_at": NOON,
    }
    return Registered(**{**given, **more})


def manifest(**more: Any) -> Manifest:
    """Make what a bundle says of itself."""
    given: dict[str, Any] = {
        "name": "shop",
        "main": "worker.py",
        "python": "3.11",
        "wflow": "0.1.0",
        "compatibility_date": "2026-11-01",
        "workflows": (WorkflowEntry(name="orders", class_name="Orders", binding="ORDERS"),),
        "kv": (KvEntry(binding="STOCK", id="shop-stock"),),
        "vars": {"GREETING": "hello", "LIMITS": {"most": 3}},
        "files": {},
    }
    return Manifest(**{**given, **more})


def result(response: httpx.Response) -> Any:
    """Give the result of an answer that must be a success."""
    body = response.json()
    assert response.status_code == 200, body
    assert (body["success"], body["errors"], body["messages"]) == (True, [], [])
    return body["result"]


def problem(response: httpx.Response) -> tuple[int, int, str]:
    """Give the status, the number and the message of an answer that must be a refusal."""
    body = response.json()
    assert (body["success"], body["result"]) == (False, None), body
    assert response.headers["x-request-id"]
    (error,) = body["errors"]
    return response.status_code, error["code"], error["message"]


def _ending(key: int, journal: Sequence[Fact]) -> list[Ended]:
    last = journal[-1] if journal else None
    if not isinstance(last, Moved) or last.status not in status.ENDED:
        return []
    failure: Failure | None = last.failure
    output = None if failure is not None else last.output or values.encode("done")
    return [Ended(key, last.at, last.status, output, failure)]


__all__ = ["API", "NOON", "House", "SmallHost", "problem", "result", "site_of", "workflow"]
