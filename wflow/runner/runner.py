"""The runner: store, registry, admission, fleet and feed put together, and what the API may ask of them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wflow import stores
from wflow.databases import Databases
from wflow.engine import facts
from wflow.errors import InvalidInput, LinkError, StoreError, TooLarge, WorkerNotFound
from wflow.runner import tidying
from wflow.runner.admission import Admission
from wflow.runner.deployments import point
from wflow.runner.feed import Feed
from wflow.runner.fleet import Fleet
from wflow.runner.instances import Instances
from wflow.runner.migrations import Migrations
from wflow.runner.notes import Notes
from wflow.runner.peer import Peer
from wflow.runner.queues import Queues
from wflow.runner.queues_delivery import Around
from wflow.runner.registry import Registry
from wflow.runner.rehearsals import Rehearsals
from wflow.runner.resources import declare
from wflow.runner.schedules import Schedules
from wflow.runner.sealing import Sealing
from wflow.runner.secrets import Secrets
from wflow.runner.vault import Vault
from wflow.runner.versions import Ask, Offer, Versions
from wflow.stores.settings import HASH_SEED, SETTINGS
from wflow.stores.store import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from wflow.bindings.binding import Called
    from wflow.bindings.effects import Held
    from wflow.bindings.service import Services
    from wflow.bundle.manifest import Manifest
    from wflow.runner.peer import Listener
    from wflow.runner.registry import Build
    from wflow.runner.schedules import When
    from wflow.stores.store import Instance, Store
    from wflow.wire import types
    from wflow.wire.types import (
        Deployment,
        HttpAnswer,
        HttpRequest,
        Made,
        Registered,
        Share,
        Start,
        Version,
        Wanted,
    )

IDLE_S: Final = 30.0
"""How often runtimes of old versions are looked at, to end those without work."""
RETIRE_S: Final = 60.0
"""How often instances are looked for that have been over for longer than they are to be kept."""
VERSION_KEY: Final = "cloudflare-workers-version-key"
"""The header whose value has a visitor stay with a version, as far as the shares let it."""
LEFT: Final = 499
"""What is logged of a request whose client left before there was an answer."""

_STATUSES: Final = frozenset(HTTPStatus)


class Runner:
    """One runner in one process. `open` it, `execute` to have it run instances, `close` it."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        position: int,
        *,
        peers: Callable[[Listener], Peer] = Peer,
        processes: int = 1,
        schedules: When = "made up",
    ) -> None:
        """Put it together over an open store; `open` says what is what."""
        self.store = store
        self.registry = Registry()
        self.feed = Feed(position)
        store.on_commit(self.feed.tell)
        self.notes = Notes(store)
        self.databases = Databases(folder.parent / "d1", self.now)
        self.instances = Instances(store, self.registry, self.feed, self.databases)
        vault = Vault(store, Sealing(folder.parent))
        self._versions = Versions(store, self.registry, folder, vault)
        self.environments = self._versions.environments
        self.admission = Admission(self.instances, self.registry)
        self.fleet = Fleet(self.instances, self, self.notes, self.admission, peers=peers, processes=processes)
        self.queues = Queues(
            Around(store=store, registry=self.registry, fleet=self.fleet, notes=self.notes, now=self.now)
        )
        self.rehearsals = Rehearsals(store, self.registry, self.fleet)
        self.secrets = Secrets(vault, self.registry, self._versions, self.fleet)
        self._migrations = Migrations(self.instances, self.registry, self, self.rehearsals)
        self.schedules = Schedules(store, self.registry, self, self.notes, when=schedules)
        self._tasks: list[asyncio.Task[None]] = []
        self._open = asyncio.Event()
        self._open.set()

    @classmethod
    async def open(cls, url: str, folder: Path, *, processes: int = 1, schedules: When = "made up") -> Runner:
        """Open the store at ``url`` and register what is deployed there.

        ``folder`` is for the code of versions, each of which has up to so many ``processes``, and the key of
        secrets lies beside it; ``schedules`` says whether they fire.
        """
        store = await stores.connect(url)
        return await cls.over(store, folder, processes=processes, schedules=schedules)

    @classmethod
    async def over(
        cls,
        store: Store,
        folder: Path,
        *,
        peers: Callable[[Listener], Peer] = Peer,
        processes: int = 1,
        schedules: When = "made up",
    ) -> Runner:
        """Take over a ``store`` that is open, as `open` does; ``peers`` make its runtimes."""
        try:
            position = await store.position()
            runner = cls(
                store,
                folder,
                position,
                peers=peers,
                processes=processes,
                schedules=schedules,
            )
            await runner.secrets.open(runner.now())
            await runner._versions.restore(runner.now())
            runner.fleet.hash_seed = await _hash_seed(store, runner.now())
        except BaseException:
            await store.close()
            raise
        return runner

    def execute(self) -> None:
        """Run instances from now on: those that are unfinished go on by themselves."""
        self.instances.attach(self.admission, self.fleet)
        self._migrations.attach(self.admission, self.fleet)
        self.queues.execute()
        loop = asyncio.get_running_loop()
        work = (self.admission.run(self.fleet), self.schedules.run(), self._tidy(), self._retire())
        self._tasks += [loop.create_task(one) for one in work]

    async def close(self) -> None:
        """Stop: nothing new begins, and everything that goes on does so from the disk the next time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.queues.close()
        self.feed.close()
        await self.schedules.close()
        await self.rehearsals.close()
        await self.secrets.close()
        await self.admission.close()
        await self.fleet.close()
        await self.databases.close()
        await self.notes.close()
        await self.store.close()

    # -- what bindings and the API ask -----------------------------------------------------------------------

    def now(self) -> int:
        """Tell the time."""
        return self.instances.now()

    @property
    def services(self) -> Services:
        """The Workers, for each other."""
        return self.instances.services

    def effects(self, call: Called) -> Held | None:
        """Give what the step that calls has done so far."""
        return self.instances.effects(call)

    async def create(
        self, workflow: str, wanted: Sequence[Wanted], *, trigger: str, held: Held | None = None
    ) -> list[Made]:
        """Create instances."""
        return await self.instances.create(workflow, wanted, trigger=trigger, held=held)

    async def get(self, workflow: str, id_: str) -> Instance:
        """Get an instance."""
        return await self.instances.get(workflow, id_)

    async def send_event(self, workflow: str, id_: str, type_: str, payload: bytes) -> None:
        """Send an event."""
        await self.instances.send_event(workflow, id_, type_, payload)

    async def steer(self, workflow: str, id_: str, verb: str) -> Instance:
        """Tell an instance to pause, resume, cancel, terminate or roll back."""
        return await self.instances.steer(workflow, id_, verb)

    async def restart(self, workflow: str, id_: str, start: Start | None = None) -> Instance:
        """Run an instance anew."""
        return await self.instances.restart(workflow, id_, start)

    async def delete(self, workflow: str, ids: Sequence[str]) -> set[str]:
        """Delete instances."""
        return await self.instances.delete(workflow, ids)

    def workflows(self) -> Sequence[Registered]:
        """List workflows."""
        return self.registry.workflows()

    def workers(self) -> Sequence[Version]:
        """List the current version of every Worker."""
        return [self.registry.current[name].described for name in sorted(self.registry.current)]

    async def upload(
        self, worker: str, bundle: bytes, *, digest: str, message: str, author: str, tag: str = ""
    ) -> Version:
        """Take a bundle in."""
        offer = Offer(worker=worker, bundle=bundle, digest=digest, message=message, author=author, tag=tag)
        version = await self._versions.upload(offer, self.now())
        await self.declare(self.registry.builds[version.id])
        return version

    async def deploy(
        self, worker: str, bundle: bytes, *, digest: str, message: str, author: str, tag: str = ""
    ) -> Version:
        """Take a bundle in and make it live."""
        offer = Offer(worker=worker, bundle=bundle, digest=digest, message=message, author=author, tag=tag)
        version = await self._versions.deploy(offer, self.now())
        await self.declare(self.registry.builds[version.id])
        self._is_live([version.id])
        return version

    async def release(
        self, worker: str, shares: Sequence[Share], *, message: str, author: str, trigger: str | None = None
    ) -> Deployment:
        """Make versions live."""
        ask = Ask(message=message, author=author, trigger=trigger)
        deployment = await self._versions.release(worker, shares, ask, self.now())
        self._is_live([share.version for share in deployment.shares])
        return deployment

    async def versions(self, worker: str) -> Sequence[Version]:
        """List a Worker's versions."""
        return await self._versions.find(worker, self.now())

    async def version(self, worker: str, version: str) -> Version:
        """Get a version."""
        return await self._versions.get(worker, version, self.now())

    async def manifest(self, worker: str, version: str) -> Manifest:
        """Get a version's manifest."""
        return await self._versions.manifest(worker, version, self.now())

    async def numbers(self, versions: Collection[str]) -> dict[str, int]:
        """Give versions their numbers."""
        return await self._versions.numbers(versions, self.now())

    async def deployments(self, worker: str) -> Sequence[Deployment]:
        """List a Worker's deployments."""
        return await self._versions.deployments(worker, self.now())

    async def rehearse(
        self, worker: str, version: str, *, limit: int | None, after: int | None = None
    ) -> types.Rehearsals:
        """Try unfinished instances of a Worker on a version."""
        async with self.keeping(worker, version) as build:
            return (await self.rehearsals.many(build, limit=limit, after=after)).shown()

    async def rehearse_one(self, workflow: str, id_: str, version: str | None) -> types.Rehearsal:
        """Try one instance on a version."""
        return await self._migrations.rehearse(workflow, id_, version)

    async def migrate(self, workflow: str, id_: str, version: str | None) -> types.Rehearsal:
        """Put one instance on a version that it fits."""
        return await self._migrations.migrate(workflow, id_, version)

    async def changed(self, after: int) -> int | None:
        """Wait for records."""
        return await self.instances.changed(after)

    async def fetch(self, worker: str | None, request: HttpRequest) -> HttpAnswer:
        """Hand a request to a Worker, and log it."""
        began = time.perf_counter()
        status = 500
        try:
            answer = await self._fetch(worker, request)
            status = answer.status
        except InvalidInput:
            status = 404
            raise
        except LinkError:
            status = 503
            raise
        except TooLarge:
            status = 413
            raise
        except (asyncio.CancelledError, ConnectionError):
            status = LEFT
            raise
        finally:
            self._log(request, status, round((time.perf_counter() - began) * 1000))
        return answer

    async def scheduled(self, worker: str, cron: str, at: int) -> object:
        """Call a Worker's `scheduled` (schedules ask)."""
        await self._open.wait()
        if worker not in self.registry.current:
            raise WorkerNotFound(f"there is no Worker {worker!r} here")
        version = self.registry.choose(worker).version
        return await self.fleet.handle(version, "scheduled", {"cron": cron, "scheduledTime": at})

    # -- inside ----------------------------------------------------------------------------------------------

    async def declare(self, build: Build) -> None:
        """Make what the bindings of a build are bound to, if it is not there."""
        await declare(build.manifest, self.store, self.databases, self.now())

    async def build(self, version: str) -> Build:
        """Give a version's build with its secrets (the fleet asks)."""
        return await self._versions.ready(version, self.now())

    def keeping(self, worker: str, version: str) -> AbstractAsyncContextManager[Build]:
        """Give the build of a Worker's version, which stays meanwhile (migrations ask)."""
        return self._versions.keeping(worker, version, self.now())

    @contextlib.contextmanager
    def holding_requests(self) -> Iterator[None]:
        """Have requests wait while code is being swapped."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def _is_live(self, versions: Sequence[str]) -> None:
        self.admission.wake()
        if self._tasks:
            for version in versions:
                self.fleet.warm(version)

    async def _fetch(self, worker: str | None, request: HttpRequest) -> HttpAnswer:
        await self._open.wait()
        if worker is None:
            worker = next(iter(self.registry.current), None)
            if worker is None:
                raise LinkError("the code is not loaded")
        if worker not in self.registry.current:
            raise InvalidInput("there is no such Worker here")
        key = next((value for name, value in request.headers if name.lower() == VERSION_KEY), None)
        build = self.registry.choose(worker, None if key is None else point(worker, key))
        return await self.fleet.fetch(build.version, request)

    def _log(self, request: HttpRequest, status: int, took_ms: int) -> None:
        path = urlsplit(request.url).path
        phrase = f" {HTTPStatus(status).phrase}" if status in _STATUSES else ""
        text = f"{request.method} {path} {status}{phrase} ({took_ms}ms)"
        detail: dict[str, object] = {"method": request.method, "path": path, "status": status, "ms": took_ms}
        level = "error" if status >= 500 else "info"
        self.notes.add(facts.Logged(level, text, self.now(), detail, source="request"))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(IDLE_S)
            self.fleet.retire_idle(self.registry.live())
            with contextlib.suppress(StoreError):
                await tidying.trim(self.store, self.now)

    async def _retire(self) -> None:
        while True:
            await asyncio.sleep(RETIRE_S)
            with contextlib.suppress(StoreError):
                await tidying.retire(self.store, self.now)


async def _hash_seed(store: Store, now: int) -> int:
    """Give the hash seed of all runtimes of a store, for ever the same; drawn, so that nobody guesses it."""
    kept = await store.read(SETTINGS, [HASH_SEED], now=now)
    if HASH_SEED not in kept:
        drawn = secrets.randbelow(2**32 - 1) + 1
        await store.write([Cell(space=SETTINGS, key=HASH_SEED, value=str(drawn).encode())])
        return drawn
    return int(kept[HASH_SEED].value)
