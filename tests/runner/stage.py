"""A runner in this process: over a real store, with real runtimes, or with a fleet that only takes notes."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wflow import stores
from wflow.bundle import manifest as manifests
from wflow.bundle.manifest import Manifest, WorkflowEntry
from wflow.config.load import load
from wflow.link import frames
from wflow.runner.admission import Admission
from wflow.runner.feed import Feed
from wflow.runner.fleet import Fleet
from wflow.runner.instances import Instances
from wflow.runner.notes import Notes
from wflow.runner.project import build_of
from wflow.runner.registry import Build, Registry
from wflow.runner.runner import Runner
from wflow.stores.store import Batch, Claim, Instance, Store
from wflow.wire.types import HttpRequest, Version, Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from wflow.engine.changes import Change
    from wflow.errors import WflowError

SHOP = Path(__file__).parents[1] / "stories" / "shop"
PATIENCE_S = 20.0
POLL_S = 0.002


async def until(ask: Callable[[], Any], what: str) -> Any:
    """Ask again and again until there is something, but not for ever."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = ask()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s in vain: {what}"
        await asyncio.sleep(POLL_S)


async def meanwhile(seconds: float = 0.1) -> None:
    """Let things happen that should not."""
    await asyncio.sleep(seconds)


# -- with a fleet that takes notes -----------------------------------------------------------------------


class Clocked(Instances):
    """The operations on instances, with a clock that the test moves."""

    def __init__(self, store: Any, registry: Registry) -> None:
        feed = Feed(0)
        super().__init__(store, registry, feed)
        store.on_commit(feed.tell)
        self.at = 1_795_348_800_000

    def now(self) -> int:
        return self.at


class PaperPeer:
    """Takes turns and does nothing with them."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.holds: dict[int, Claim] = {}
        self.hot: set[int] = set()
        self.fresh: set[int] = set()
        self.listens = True
        self.is_slow = False
        self.on_fresh: Callable[[], None] | None = None
        self.alive, self.draining = True, False
        self.said: list[frames.ToRuntime] = []
        self.refuses: Callable[[frames.ToRuntime], WflowError | None] = lambda _: None

    def send(self, message: frames.ToRuntime) -> None:
        refused = self.refuses(message)
        if refused is not None:
            raise refused
        self.said.append(message)
        if self.is_slow and isinstance(message, frames.Play):
            self.fresh.update(turn.instance for turn in message.turns)

    def begin(self, count: int) -> None:
        """Begin so many of those that it was handed, the first ones."""
        begun = [turn.instance for turn in self.turns if turn.instance in self.fresh]
        self.fresh.difference_update(begun[:count])
        if self.on_fresh is not None:
            self.on_fresh()

    async def listening(self) -> None:
        """Be told at once: it listens all the time."""

    def settle(self) -> None:
        """Hear that a claim ended."""

    def heard(self, kind: type[Any]) -> list[Any]:
        """Give the messages of a kind that were sent to it."""
        return [message for message in self.said if isinstance(message, kind)]

    @property
    def work(self) -> int:
        return len(self.holds)

    @property
    def turns(self) -> list[frames.Turn]:
        return [turn for message in self.said if isinstance(message, frames.Play) for turn in message.turns]


class PaperFleet:
    """Has a peer for each version that is registered, unless it is told that one is broken."""

    def __init__(self, registry: Registry) -> None:
        self.peers: dict[str, PaperPeer] = {}
        self.broken: dict[str, Exception] = {}
        self.told: list[str] = []
        self.asked: list[str] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.real: Fleet | None = None
        self._registry = registry

    async def peer(self, version: str) -> PaperPeer:
        self.asked.append(version)
        await self.ready.wait()
        if version in self.broken:
            raise self.broken[version]
        return self.peers.setdefault(version, PaperPeer(self._registry.builds[version]))

    def current(self, version: str) -> PaperPeer | None:
        return self.peers.get(version)

    @asynccontextmanager
    async def placing(self, version: str, instances: Sequence[int]) -> AsyncIterator[dict[int, PaperPeer]]:
        yield dict.fromkeys(instances, await self.peer(version))

    def takes(self, peer: PaperPeer) -> bool:
        return self.peers.get(peer.build.version) is peer

    def hold(self, peer: PaperPeer, claim: Claim) -> None:
        peer.holds[claim.key] = claim
        peer.hot.discard(claim.key)
        if self.real is not None:
            self.real._holders[claim.key] = peer  # type: ignore[assignment]

    def strength(self, version: str) -> int:
        return 1

    def tell(self, level: str, text: str, *, trace: str = "") -> None:
        self.told.append(f"{level}: {text}")

    @property
    def turns(self) -> list[str]:
        """Name the instances that were handed out, in order."""
        return [turn.id for peer in self.peers.values() for turn in peer.turns]


class Desk:
    """Admission over a real store, before a fleet of paper."""

    def __init__(self, store: Store, ceiling: int, data: Path) -> None:
        self.store = store
        self.data = data
        self._over: set[tuple[int, int]] = set()
        self.registry = Registry()
        self.control = Clocked(store, self.registry)
        self.admission = Admission(self.control, self.registry, ceiling=ceiling)
        self.fleet = PaperFleet(self.registry)

    def declare(self, *entries: WorkflowEntry, version: str = "v1", worker: str = "shop") -> Build:
        """Make a version current that declares workflows."""
        made = build(*entries, version=version, worker=worker, at=self.control.at)
        self.registry.activate(made)
        return made

    async def create(self, workflow: str, *ids: str, **more: Any) -> None:
        self.control.at += 1
        await self.control.create(workflow, [Wanted(id=id_, **more) for id_ in ids], trigger="api")
        self.admission.wake(workflow)

    def attach(self) -> Fleet:
        """Have the operations tell a real fleet, which has no runtime, and admission."""
        fleet = self.fleet.real = Fleet(self.control, self, Notes(self.store), self.admission)
        self.control.attach(self.admission, fleet)
        return fleet

    async def build(self, version: str) -> Build:
        return self.registry.builds[version]

    async def held(self, *ids: str, workflow: str = "orders") -> PaperPeer:
        """Create instances and wait until a runtime holds them, which the real fleet knows of as well."""
        fleet = self.attach()
        await self.create(workflow, *ids)
        self.start()
        await until(lambda: set(ids) <= set(self.fleet.turns), "the instances to be handed out")
        (peer,) = self.fleet.peers.values()
        fleet._crew("v1").members.append(peer)  # type: ignore[arg-type]
        return peer

    def start(self) -> None:
        self._task = asyncio.create_task(self.admission.run(self.fleet))  # type: ignore[arg-type]

    async def close(self) -> None:
        if hasattr(self, "_task"):
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.admission.close()

    async def change(self, claim: Claim, change: Change) -> None:
        """Have an instance end or rest, as a runtime would say it."""
        await self.store.append(Batch(claims=[(claim.key, claim.epoch)], changes=[change]))
        self._over.add((claim.key, claim.epoch))
        self.admission.freed(claim)

    def claims(self) -> list[Claim]:
        """List the claims that runtimes hold and that have not ended by `change`."""
        held = (claim for peer in self.fleet.peers.values() for claim in peer.holds.values())
        return [claim for claim in held if (claim.key, claim.epoch) not in self._over]

    def claim_of(self, id_: str) -> Claim:
        """Give the last claim of an instance that was handed out."""
        return next(c for peer in self.fleet.peers.values() for c in peer.holds.values() if c.id == id_)

    async def get(self, workflow: str, id_: str) -> Instance:
        found = await self.store.find_one(workflow, id_)
        assert found is not None
        return found


def entry(name: str, limit: int | None = None, **more: Any) -> WorkflowEntry:
    return WorkflowEntry(name=name, class_name=name.title(), binding=name.upper(), concurrency=limit, **more)


def build(*entries: WorkflowEntry, version: str, worker: str = "shop", at: int = 0) -> Build:
    """Make a build out of nothing but its manifest."""
    manifest = Manifest(
        name=worker,
        main="worker.py",
        python=manifests.PYTHON,
        wflow=manifests.WFLOW,
        compatibility_date=None,
        workflows=entries,
        kv=(),
        vars={},
        files={},
    )
    described = Version(
        id=version,
        worker=worker,
        number=1,
        digest=manifest.digest,
        message="",
        author="",
        created_at=at,
        size_bytes=0,
        workflows=[entry.name for entry in entries],
    )
    return Build(described=described, manifest=manifest, root=Path("/nowhere"), folder=Path("/nowhere"))


@asynccontextmanager
async def desk(
    folder: Path, *, ceiling: int = 1_000, through: Callable[[Store], Any] | None = None
) -> AsyncIterator[Desk]:
    """Have an admission; ``through`` may put something between it and the store."""
    store = await stores.connect(f"sqlite://{folder / 'data'}")
    made = Desk(through(store) if through else store, ceiling, folder / "data")
    try:
        yield made
    finally:
        await made.close()
        await store.close()


class Faulty:
    """A store whose methods are as slow, and fail as often, as the test says."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failures: dict[str, list[Exception]] = {}
        self.delay_s = 0.0
        self.delays_s: dict[str, float] = {}
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.store, name)
        if not asyncio.iscoroutinefunction(real):
            return real

        async def call(*arguments: Any, **more: Any) -> Any:
            self.calls.append(name)
            await asyncio.sleep(self.delays_s.get(name, self.delay_s))
            if left := self.failures.get(name):
                raise left.pop(0)
            return await real(*arguments, **more)

        return call


# -- with real runtimes ----------------------------------------------------------------------------------


class Stage:
    """A runner that plays the shop of the stories, as a dev session does."""

    def __init__(self, runner: Runner, project: Path, witness: Path) -> None:
        self.runner = runner
        self.project = project
        self.witness = witness

    @property
    def effects(self) -> list[str]:
        return self.witness.read_text().splitlines() if self.witness.exists() else []

    def build(self, **variables: str) -> Build:
        """Read the project as it lies."""
        given = {"WITNESS": str(self.witness), **variables}
        return build_of(load(path=self.project / "wflow.toml"), given, self.runner.now())

    async def create(self, workflow: str, id_: str, params: object = None) -> Instance:
        from wflow.engine import values

        await self.runner.create(
            workflow, [Wanted(id=id_, params=values.encode(params or {}))], trigger="api"
        )
        return await self.get(workflow, id_)

    async def get(self, workflow: str, id_: str) -> Instance:
        return await self.runner.get(workflow, id_)

    async def status(self, workflow: str, id_: str) -> str:
        return (await self.get(workflow, id_)).status

    async def reaches(self, workflow: str, id_: str, status: str) -> Instance:
        """Wait until an instance has a status."""

        async def there() -> Instance | None:
            found = await self.get(workflow, id_)
            return found if found.status == status else None

        found: Instance = await until(there, f"{id_} to be {status}")
        return found

    async def fetch(self, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, str]:
        asked = HttpRequest(method=method, url=f"http://localhost{path}", headers=[], body=body)
        answer = await self.runner.fetch(None, asked)
        return answer.status, answer.body.decode()

    async def lines(self) -> list[str]:
        """Give what was logged so far."""
        from wflow.server.lines import line_of

        await self.runner.notes.close()
        found = [line_of(record) for record in await self.runner.store.tail(0)]
        return [line.message for line in found if line is not None]


@asynccontextmanager
async def stage(folder: Path, *, run: bool = True, processes: int = 1) -> AsyncIterator[Stage]:
    """Have a runner with the shop on it."""
    project = folder / "shop"
    if not project.exists():
        shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("__pycache__", ".wflow"))
    url = f"sqlite://{folder / 'data'}"
    runner = await Runner.open(url, folder / "versions", processes=processes)
    made = Stage(runner, project, folder / "witness.txt")
    try:
        if run:
            runner.registry.activate(made.build())
            runner.execute()
        yield made
    finally:
        await runner.close()


def names(turns: Sequence[frames.Turn]) -> list[str]:
    return [turn.id for turn in turns]
