"""Versions: taken in, tried, kept, made live, and let go in the end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.errors import InvalidInput, LinkError, LoadError, StoreError, WorkerNotFound
from wflow.runner import deployments
from wflow.runner.deployments import WORKERS
from wflow.runner.environments import Environments, packages, shipped
from wflow.runner.peer import Peer
from wflow.runner.registry import Beside
from wflow.runner.shelf import Shelf
from wflow.stores.store import Cell
from wflow.wire.types import Deployment, Share, Version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from pathlib import Path

    from wflow.bundle.manifest import Manifest
    from wflow.link import frames
    from wflow.runner.registry import Build, Registry
    from wflow.runner.vault import Vault
    from wflow.stores.store import Store

KEPT: Final = 100
"""Versions that are kept of a Worker; older ones go, unless they are needed."""
NEEDED: Final = 10
"""The versions of so many of the last deployments can be rolled back to, however old they are."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle with what comes along: ``digest`` is the one that the sender computed."""

    worker: str
    bundle: bytes
    digest: str
    message: str = ""
    author: str = ""
    tag: str = ""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants a deployment, and why; without a ``trigger`` it is found out."""

    message: str = ""
    author: str = ""
    trigger: str | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """When a workflow was first declared, and the last live version that declared it."""

    created_at: int
    version: str


class Versions:
    """The versions of all Workers: what is done with them, one change at a time."""

    def __init__(self, store: Store, registry: Registry, folder: Path, vault: Vault) -> None:
        """Keep them in ``store``, and their code below ``folder``; their secrets are in the ``vault``."""
        self._vault = vault
        self._store = store
        self._registry = registry
        self._shelf = Shelf(store, folder)
        self.environments = Environments(folder.parent / "environments")
        self._numbers: dict[str, int] = {}
        self._in_use: Counter[str] = Counter()
        self._trying = asyncio.Lock()
        self._changing = asyncio.Lock()

    async def restore(self, now: int) -> None:
        """Register what was live when the runner stopped, and retired workflows that are not over yet."""
        lost: dict[str, Known] = {}
        begun: set[str] = set()
        for cell in await self._shelf.cells(WORKERS, now):
            known = await self._known(cell, now)
            live = (await deployments.find(self._store, cell.key, now=now))[0]
            builds = [await self.build(share.version, now) for share in live.shares]
            self._activate(live, builds, {name: one.created_at for name, one in known.items()})
            lost.update(known)
            begun |= await self._begun_by(live, known, now)
        for name, one in lost.items():
            if self._registry.find(name) is None and (name in begun or await self._store.counts(name)):
                await self._retire(name, one, now)
        await self._shelf.sweep(now)
        await self.environments.sweep(now)

    async def find(self, worker: str, now: int) -> list[Version]:
        """Read a Worker's versions, newest first; raises WorkerNotFound when there is none."""
        found = await self._shelf.find(worker, now)
        if not found and worker in self._registry.current:
            return [self._registry.current[worker].described]  # a dev session's, which was never uploaded
        return _some(found, worker)

    async def get(self, worker: str, version: str, now: int) -> Version:
        """Read a version; raises WorkerNotFound, VersionNotFound."""
        for found in await self.find(worker, now):
            if found.id == version:
                return found
        raise deployments.unknown(worker, version)

    async def numbers(self, versions: Collection[str], now: int) -> dict[str, int]:
        """Give the numbers of versions that are kept, by id."""
        for version in set(versions) - self._numbers.keys():
            number = await self._shelf.number(version, now)
            if number is not None:
                self._numbers[version] = number
        return {version: self._numbers[version] for version in versions if version in self._numbers}

    async def manifest(self, worker: str, version: str, now: int) -> Manifest:
        """Read what the bundle of a version says of itself; raises as `get` does."""
        await self.get(worker, version, now)
        known = self._registry.builds.get(version)
        return await self._shelf.manifest(version, now) if known is None else known.manifest

    async def deployments(self, worker: str, now: int) -> list[Deployment]:
        """Read a Worker's deployments, newest first; raises WorkerNotFound."""
        await self.find(worker, now)
        found = await deployments.find(self._store, worker, now=now)
        if not found and worker in self._registry.current:
            return [deployments.made_before(self._registry.current[worker].described)]
        return found

    async def build(self, version: str, now: int) -> Build:
        """Give the build of a version, live or not; raises LoadError when the store does not have it."""
        known = self._registry.builds.get(version)
        if known is None:
            known = self._registry.builds[version] = await self._shelf.build(version, now)
        return known

    async def ready(self, version: str, now: int) -> Build:
        """Give the build of a version with its secrets, to be run; raises LoadError."""
        return await self._equipped(await self.build(version, now), now)

    @contextlib.asynccontextmanager
    async def keeping(self, worker: str, version: str, now: int) -> AsyncIterator[Build]:
        """Give the build of a Worker's version, which is not let go of meanwhile, with its secrets.

        Raises what `get` and `ready` do.
        """
        self._in_use[version] += 1
        try:
            async with self._changing:  # what is let go right now is gone by then
                await self.get(worker, version, now)
                build = await self.ready(version, now)
            yield build
        finally:
            self._in_use[version] -= 1
            if not self._in_use[version]:
                del self._in_use[version]

    async def upload(self, offer: Offer, now: int) -> Version:
        """Take a bundle in, try its import in a process of its own, and keep it; it is not live.

        Raises BundleError, InvalidInput for a name that is another Worker's and for secrets that are missing,
        LoadError with the user's traceback; then nothing has changed.
        """
        return await self._take_in(offer, None, now)

    async def deploy(self, offer: Offer, now: int) -> Version:
        """Take a bundle in and make it its Worker's only live version, both or neither."""
        ask = Ask(message=offer.message, author=offer.author, trigger=deployments.UPLOAD)
        return await self._take_in(offer, ask, now)

    async def release(self, worker: str, shares: Sequence[Share], ask: Ask, now: int) -> Deployment:
        """Make versions live that were uploaded; raises what `deployments.checked` does, and LoadError."""
        async with self._changing:
            versions = _some(await self._shelf.find(worker, now), worker)
            ordered = deployments.checked(worker, shares, versions)
            before = await deployments.find(self._store, worker, now=now)
            if ask.trigger is None:
                trigger = deployments.trigger_of(ordered, before, versions)
                ask = msgspec.structs.replace(ask, trigger=trigger)
            builds = [await self.build(share.version, now) for share in ordered]
            for build in builds:
                self._check_names(worker, build.manifest)
            return await self._go_live(ordered, builds, ask, before=before, now=now)

    async def _equipped(self, build: Build, now: int) -> Build:
        """Give a build with its secrets and its packages, which are installed if they are not there."""
        wheels = shipped(build.manifest, build.root)
        folder = await self.environments.ready(build.manifest.requirements, wheels)
        return dataclasses.replace(await self._vault.joined(build, now), packages=packages(folder))

    # -- taking in -------------------------------------------------------------------------------------------

    async def _take_in(self, offer: Offer, ask: Ask | None, now: int) -> Version:
        version_id = _new_id()
        try:
            async with self._trying:
                build = await self._unpack(offer, version_id, now)
            equipped = await self._equipped(build, now)  # which may take minutes
            async with self._trying:
                await _try(equipped)
            async with self._changing:
                build, cells = await self._numbered(build, offer)
                if ask is None:
                    await self._store.write(cells)
                    self._registry.builds[version_id] = build
                else:
                    share = Share(version=version_id, percentage=100)
                    before = await deployments.find(self._store, offer.worker, now=now)
                    await self._go_live([share], [build], ask, before=before, now=now, along=cells)
                with contextlib.suppress(StoreError):  # the next one tries it again
                    await self._let_go(offer.worker, now)
        except BaseException:
            if version_id not in self._registry.builds:
                await self._shelf.clear(version_id)
            raise
        return build.described

    async def _unpack(self, offer: Offer, version_id: str, now: int) -> Build:
        manifest = await self._shelf.unpack(offer.bundle, version_id, digest=offer.digest)
        self._check_names(offer.worker, manifest)
        await self._vault.check(offer.worker, manifest.required_secrets, now)
        version = Version(
            id=version_id,
            worker=offer.worker,
            number=0,
            digest=manifest.digest,
            message=offer.message,
            author=offer.author,
            created_at=now,
            size_bytes=len(offer.bundle),
            workflows=[entry.name for entry in manifest.workflows],
            tag=offer.tag,
        )
        return self._shelf.laid_out(version, manifest)

    async def _numbered(self, build: Build, offer: Offer) -> tuple[Build, list[Cell]]:
        """Give a build that is to be kept the next number, and the cells that keep it."""
        self._check_names(offer.worker, build.manifest)  # others may have changed since it was unpacked
        described = msgspec.structs.replace(build.described, number=1)
        if before := await self._shelf.find(offer.worker, described.created_at):
            described = msgspec.structs.replace(
                described,
                number=before[0].number + 1,
                created_at=max(described.created_at, before[0].created_at + 1),
            )
        build = dataclasses.replace(build, described=described)
        return build, self._shelf.cells_of(described, offer.bundle)

    def _check_names(self, worker: str, manifest: Manifest) -> None:
        if manifest.name != worker:
            raise InvalidInput(f"the bundle is of {manifest.name!r}, and was sent for {worker!r}")
        for entry in manifest.workflows:
            owner = self._registry.owner(entry.name)
            if owner not in {None, worker}:
                raise InvalidInput(
                    f"workflow {entry.name!r} belongs to the Worker {owner!r} on this runner",
                    hint="names of workflows are unique on a runner; choose another one in the config",
                )
        for consumer in manifest.consumers:
            owner = self._registry.consumer(consumer.queue)
            if owner not in {None, worker}:
                raise InvalidInput(
                    f"queue {consumer.queue!r} is consumed by the Worker {owner!r} on this runner",
                    hint="a queue has one consumer; it is to be in the config of one Worker only",
                )

    # -- being live ------------------------------------------------------------------------------------------

    async def _go_live(
        self,
        shares: Sequence[Share],
        builds: Sequence[Build],
        ask: Ask,
        *,
        before: Sequence[Deployment],
        now: int,
        along: Sequence[Cell] = (),
    ) -> Deployment:
        """Make builds live, in one transaction; ``along`` are cells that must be there by then."""
        main = builds[0].described
        deployment = Deployment(
            id=_new_id(),
            worker=main.worker,
            created_at=max(now, before[0].created_at + 1) if before else now,
            shares=list(shares),
            message=ask.message,
            author=ask.author,
            trigger=ask.trigger or deployments.DEPLOYMENT,
        )
        known = {
            one.name: Known(created_at=one.created_at, version=one.version)
            for one in self._registry.workflows()
            if one.script_name == main.worker
        }
        for name in main.workflows:
            since = known[name].created_at if name in known else main.created_at
            known[name] = Known(created_at=since, version=main.id)
        await self._store.write(
            [
                *along,
                Cell(
                    space=WORKERS,
                    key=main.worker,
                    value=msgspec.json.encode(main),
                    meta=msgspec.json.encode(known),
                ),
                deployments.cell(main.worker, [deployment, *before]),
            ]
        )
        self._activate(deployment, builds, {})
        return deployment

    def _activate(self, live: Deployment, builds: Sequence[Build], since: Mapping[str, int]) -> None:
        beside = None
        if len(builds) > 1:
            beside = Beside(build=builds[1], percentage=live.shares[1].percentage)
        self._registry.activate(builds[0], beside=beside, since=since)

    async def _known(self, worker: Cell, now: int) -> dict[str, Known]:
        """Read of which workflows a Worker's deployments have told so far, those it lost among them."""
        if worker.meta:
            return msgspec.json.decode(worker.meta, type=dict[str, Known])
        known: dict[str, Known] = {}  # written before that was kept: then every version was live
        for one in reversed(await self._shelf.find(worker.key, now)):
            for name in one.workflows:
                since = known[name].created_at if name in known else one.created_at
                known[name] = Known(created_at=since, version=one.id)
        return known

    async def _begun_by(self, live: Deployment, workflows: Collection[str], now: int) -> set[str]:
        """Name the workflows of which the code of a Worker, the older one too, may begin instances."""
        running = await self._store.versions(sorted(workflows))
        running |= {share.version for share in live.shares}
        found = await self._shelf.find(live.worker, now)
        return {name for version in found if version.id in running for name in version.workflows}

    async def _retire(self, name: str, known: Known, now: int) -> None:
        build = await self.build(known.version, now)
        entry = next(entry for entry in build.manifest.workflows if entry.name == name)
        self._registry.retire(build.described, entry, since=known.created_at)

    async def _let_go(self, worker: str, now: int) -> None:
        """Drop the oldest versions beyond KEPT that nobody needs."""
        old = (await self._shelf.find(worker, now))[KEPT:]
        last = (await deployments.find(self._store, worker, now=now))[:NEEDED]
        needed = {share.version for deployment in last for share in deployment.shares}
        needed |= {one.version for one in self._registry.workflows()}  # the last ones of retired workflows
        # Known before the store is asked, which may not see an instance yet that is moved to one of these.
        needed |= set(self._in_use)
        old = [version for version in old if version.id not in needed]
        names = sorted({name for version in old for name in version.workflows})
        going_on = await self._store.versions(names)
        gone = [version for version in old if version.id not in going_on]
        for version in gone:
            self._registry.builds.pop(version.id, None)
            self._numbers.pop(version.id, None)
        if gone:
            await self._shelf.drop(gone)


async def _try(build: Build) -> None:
    """Import the code in a process that does nothing else and is thrown away."""
    peer = Peer(_Nobody())
    try:
        await peer.start(build.folder)
        await peer.load(build)
    except LinkError as gone:
        raise LoadError(gone.message, hint=gone.hint) from gone
    finally:
        peer.kill()
        await peer.gone()


class _Nobody:
    """Hears a throw-away process, which has no turns and so nothing to say but its prints."""

    def heard(self, peer: Peer, message: frames.ToRunner) -> None:
        """Take no notice."""

    def died(self, peer: Peer) -> None:
        """Take no notice."""


def _some(found: list[Version], worker: str) -> list[Version]:
    if not found:
        raise WorkerNotFound(
            f"there is no Worker {worker!r} here", hint="`wflow deploy` in its project brings it here"
        )
    return found


def _new_id() -> str:
    """Make an id that reads like Cloudflare's version ids."""
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
