"""Deployed versions: taken in, tried, kept in the store, and laid out on disk to be run."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bundle import manifest as manifests
from wflow.bundle import unpack
from wflow.errors import InvalidInput, LinkError, LoadError, WorkerNotFound
from wflow.runner.peer import Peer
from wflow.runner.registry import Build
from wflow.stores.store import Cell
from wflow.wire.types import Version

if TYPE_CHECKING:
    from pathlib import Path

    from wflow.link import frames
    from wflow.runner.registry import Registry
    from wflow.stores.store import Store

WORKERS: Final = "workers"
"""The space of cells that says which version of a Worker is current."""
BUNDLES: Final = "bundles"
"""The space of bundles by version id; their meta is the Version."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Versions:
    """The versions in a store; their code lies below ``folder``, which can be made anew from the store."""

    def __init__(self, store: Store, registry: Registry, folder: Path) -> None:
        """Work on ``store``."""
        self._store = store
        self._registry = registry
        self._folder = folder
        self._deploying = asyncio.Lock()

    async def restore(self, now: int) -> None:
        """Register what was current when the runner stopped, and retired workflows that have instances."""
        for version in await self.current(now):
            history = await self._read(_space(version.worker), now)
            since = {name: one.created_at for one in reversed(history) for name in one.workflows}
            self._registry.activate(await self._build(version, now), since=since)
            for name in since.keys() - set(version.workflows):
                last = next(one for one in reversed(history) if name in one.workflows)
                await self._retire(name, last, since[name], now)
        await self._sweep(now)

    async def current(self, now: int) -> list[Version]:
        """Read the current version of every Worker."""
        return await self._read(WORKERS, now)

    async def find(self, worker: str, now: int) -> list[Version]:
        """Read a Worker's versions, newest first; raises InvalidInput when there is none."""
        found = await self._read(_space(worker), now)
        if not found:
            raise WorkerNotFound(f"there is no Worker {worker!r} here")
        return found[::-1]

    async def build(self, version: str, now: int) -> Build:
        """Give the build of a version, current or not; raises LoadError when the store does not have it."""
        known = self._registry.builds.get(version)
        if known is not None:
            return known
        cells = await self._store.read(BUNDLES, [version], now=now)
        if version not in cells:
            raise LoadError(f"this runner does not have version {version}")
        found = msgspec.json.decode(cells[version].meta, type=Version)
        build = self._registry.builds[version] = await self._build(found, now)
        return build

    async def deploy(
        self, worker: str, bundle: bytes, *, digest: str, message: str, author: str, now: int
    ) -> Version:
        """Take a bundle in, try its import in a process of its own, keep it, and make it current.

        Raises BundleError, InvalidInput for a name that is another Worker's, LoadError with the user's
        traceback; then nothing has changed.
        """
        async with self._deploying:
            version_id = _new_id()
            root = self._folder / version_id / "code"
            try:
                manifest = await asyncio.to_thread(unpack.unpack, bundle, root, expected=digest)
                self._check_names(worker, manifest)
                before = await self._read(_space(worker), now)
                version = Version(
                    id=version_id,
                    worker=worker,
                    number=before[-1].number + 1 if before else 1,
                    digest=manifest.digest,
                    message=message,
                    author=author,
                    created_at=now,
                    size_bytes=len(bundle),
                    workflows=[entry.name for entry in manifest.workflows],
                )
                build = self._laid_out(version, manifest)
                await _try(build)
                await self._keep(version, bundle)
            except BaseException:
                await asyncio.to_thread(shutil.rmtree, self._folder / version_id, ignore_errors=True)
                raise
            self._registry.activate(build)
            return version

    def _check_names(self, worker: str, manifest: manifests.Manifest) -> None:
        if manifest.name != worker:
            raise InvalidInput(f"the bundle is of {manifest.name!r}, and was sent for {worker!r}")
        for entry in manifest.workflows:
            owner = self._registry.owner(entry.name)
            if owner not in {None, worker}:
                raise InvalidInput(
                    f"workflow {entry.name!r} belongs to the Worker {owner!r} on this runner",
                    hint="names of workflows are unique on a runner; choose another one in the config",
                )

    async def _retire(self, name: str, last: Version, since: int, now: int) -> None:
        if self._registry.find(name) is not None or not await self._store.counts(name):
            return
        manifest = await asyncio.to_thread(unpack.read_manifest, await self._bundle(last, now))
        entry = next(entry for entry in manifest.workflows if entry.name == name)
        self._registry.retire(last, entry, since=since)

    async def _sweep(self, now: int) -> None:
        """Remove the folders of deploys that came to nothing because the runner was killed."""
        if not self._folder.is_dir():
            return
        known: set[str] = set()
        last = ""
        while page := await self._store.scan(BUNDLES, now=now, after=last):
            known.update(cell.key for cell in page)
            last = page[-1].key
        for folder in list(self._folder.iterdir()):
            if _ID.fullmatch(folder.name) and folder.name not in known:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _keep(self, version: Version, bundle: bytes) -> None:
        raw = msgspec.json.encode(version)
        await self._store.write(
            [
                Cell(space=BUNDLES, key=version.id, value=bundle, meta=raw),
                Cell(space=_space(version.worker), key=f"{version.number:08d}", value=raw),
                Cell(space=WORKERS, key=version.worker, value=raw),
            ]
        )

    async def _build(self, version: Version, now: int) -> Build:
        root = self._folder / version.id / "code"
        bundle = await self._bundle(version, now)
        if root.exists():
            manifest = await asyncio.to_thread(unpack.read_manifest, bundle)
        else:
            manifest = await asyncio.to_thread(unpack.unpack, bundle, root, expected=version.digest)
        return self._laid_out(version, manifest)

    async def _bundle(self, version: Version, now: int) -> bytes:
        cells = await self._store.read(BUNDLES, [version.id], now=now)
        if version.id not in cells:
            raise LoadError(f"the bundle of version {version.id} is gone")
        return cells[version.id].value

    def _laid_out(self, version: Version, manifest: manifests.Manifest) -> Build:
        scratch = self._folder / version.id / "work"
        scratch.mkdir(parents=True, exist_ok=True)
        return Build(
            described=version,
            manifest=manifest,
            root=self._folder / version.id / "code",
            folder=scratch,
        )

    async def _read(self, space: str, now: int) -> list[Version]:
        keys: list[str] = []
        while page := await self._store.scan(space, now=now, after=keys[-1] if keys else ""):
            keys += [cell.key for cell in page]
        cells = await self._store.read(space, keys, now=now)
        return [msgspec.json.decode(cells[key].value, type=Version) for key in keys]


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


def _space(worker: str) -> str:
    return f"versions:{worker}"


def _new_id() -> str:
    """Make an id that reads like Cloudflare's version ids."""
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
