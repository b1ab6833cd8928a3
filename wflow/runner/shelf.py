"""What is kept of versions: bundles as cells of the store, and code in folders that follow from these."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bundle import unpack
from wflow.errors import LoadError
from wflow.runner.registry import Build
from wflow.stores.store import Absent, Cell
from wflow.wire.types import Version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wflow.bundle.manifest import Manifest
    from wflow.stores.store import Store

BUNDLES: Final = "bundles"
"""The space of bundles by version id; their meta is the Version."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Shelf:
    """The versions in a store; their code lies below ``folder``, which can be made anew from the store."""

    def __init__(self, store: Store, folder: Path) -> None:
        """Keep them in ``store``."""
        self._store = store
        self._folder = folder

    async def find(self, worker: str, now: int) -> list[Version]:
        """Read a Worker's versions, newest first."""
        found = await self.cells(_space(worker), now)
        return [msgspec.json.decode(cell.value, type=Version) for cell in reversed(found)]

    async def number(self, version: str, now: int) -> int | None:
        """Give the number of a version, without its bundle; None when it is not kept."""
        for cell in await self._store.scan(BUNDLES, now=now, prefix=version, limit=1):
            if cell.key == version:
                return msgspec.json.decode(cell.meta, type=Version).number
        return None

    async def build(self, version: str, now: int) -> Build:
        """Give the build of a version, its code laid out; raises LoadError when it is not kept."""
        cell = await self._bundle(version, now)
        described = msgspec.json.decode(cell.meta, type=Version)
        root = self._folder / version / "code"
        if root.exists():
            manifest = await asyncio.to_thread(unpack.read_manifest, cell.value)
        else:
            manifest = await asyncio.to_thread(unpack.unpack, cell.value, root, expected=described.digest)
        return self.laid_out(described, manifest)

    async def manifest(self, version: str, now: int) -> Manifest:
        """Read what the bundle of a version says of itself; raises LoadError."""
        return await asyncio.to_thread(unpack.read_manifest, (await self._bundle(version, now)).value)

    async def unpack(self, bundle: bytes, version: str, *, digest: str) -> Manifest:
        """Check a bundle and lay its code out, before it is kept; raises BundleError."""
        root = self._folder / version / "code"
        return await asyncio.to_thread(unpack.unpack, bundle, root, expected=digest)

    def laid_out(self, version: Version, manifest: Manifest) -> Build:
        """Give the build of a version whose code is there."""
        scratch = self._folder / version.id / "work"
        scratch.mkdir(parents=True, exist_ok=True)
        return Build(
            described=version,
            manifest=manifest,
            root=self._folder / version.id / "code",
            folder=scratch,
        )

    def cells_of(self, version: Version, bundle: bytes) -> list[Cell]:
        """Give the cells that keep a version."""
        raw = msgspec.json.encode(version)
        return [
            Cell(space=BUNDLES, key=version.id, value=bundle, meta=raw),
            Cell(space=_space(version.worker), key=_key(version), value=raw),
        ]

    async def drop(self, versions: Iterable[Version]) -> None:
        """Let versions go, and then their code."""
        gone = list(versions)
        bundles = [Absent(space=BUNDLES, key=version.id) for version in gone]
        listed = [Absent(space=_space(version.worker), key=_key(version)) for version in gone]
        await self._store.write([*bundles, *listed])
        for version in gone:
            await self.clear(version.id)

    async def clear(self, version: str) -> None:
        """Remove the folder of a version."""
        await asyncio.to_thread(shutil.rmtree, self._folder / version, ignore_errors=True)

    async def sweep(self, now: int) -> None:
        """Remove folders whose versions are not kept: a runner was killed over them."""
        if not self._folder.is_dir():
            return
        known: set[str] = set()
        last = ""
        while page := await self._store.scan(BUNDLES, now=now, after=last):
            known.update(cell.key for cell in page)
            last = page[-1].key
        for folder in list(self._folder.iterdir()):
            if _ID.fullmatch(folder.name) and folder.name not in known:
                await self.clear(folder.name)

    async def cells(self, space: str, now: int) -> list[Cell]:
        """Read all cells of a space, by their keys."""
        keys: list[str] = []
        while page := await self._store.scan(space, now=now, after=keys[-1] if keys else ""):
            keys += [cell.key for cell in page]
        cells = await self._store.read(space, keys, now=now)
        return [cells[key] for key in keys if key in cells]

    async def _bundle(self, version: str, now: int) -> Cell:
        cells = await self._store.read(BUNDLES, [version], now=now)
        if version not in cells:
            raise LoadError(f"this runner does not have version {version}")
        return cells[version]


def _space(worker: str) -> str:
    return f"versions:{worker}"


def _key(version: Version) -> str:
    return f"{version.number:08d}"
