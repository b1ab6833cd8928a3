"""The secrets of Workers: kept sealed in the store, and opened for those who run the code."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import names
from wflow.errors import InvalidInput, LoadError, TooLarge, TooMany, UsageError
from wflow.runner.project import VERSION
from wflow.stores.store import Absent, Cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wflow.runner.registry import Build
    from wflow.runner.sealing import Sealing
    from wflow.stores.store import Store

SPACE: Final = "secrets"
"""The space of secrets by Worker and name."""
MOST: Final = 128
"""Secrets of a Worker."""
TEXT_BYTES: Final = 64 * 1024
NAME_CHARS: Final = 255
AT_ONCE: Final = 100
"""Secrets that one request may change."""


class Vault:
    """Secrets by Worker and name. What comes out of it goes into a runtime, and nowhere else."""

    def __init__(self, store: Store, sealing: Sealing) -> None:
        """Keep them in ``store``."""
        self._store = store
        self._sealing = sealing
        self._lock = asyncio.Lock()

    async def names(self, worker: str, now: int) -> list[str]:
        """List the names of a Worker's secrets, in alphabetical order."""
        prefix = _place(worker, "")
        found = await self._store.scan(SPACE, now=now, prefix=prefix, limit=MOST + 1)
        return [cell.key.removeprefix(prefix) for cell in found]

    async def change(self, worker: str, secrets: Mapping[str, str | None], now: int) -> bool:
        """Keep secrets, or delete those that are None; all or none. Tells whether anything changed.

        Raises InvalidInput for a name that no variable can have, TooLarge, TooMany for more than MOST, and
        UsageError when they cannot be sealed.
        """
        if "/" in worker or not worker.isprintable() or len(worker) > NAME_CHARS:
            raise InvalidInput(f"no Worker can be called {names.shown(worker)}")
        if len(secrets) > AT_ONCE:
            raise TooMany(f"{len(secrets):,} secrets in one request; the limit is {AT_ONCE}")
        for name, text in secrets.items():
            _check(name, text)
        async with self._lock:
            known = set(await self.names(worker, now))
            given = {name: text for name, text in secrets.items() if text is not None}
            gone = {name for name, text in secrets.items() if text is None} & known
            count = len((known - gone) | given.keys())
            if count > MOST:
                raise TooMany(f"Worker {worker!r} would have {count:,} secrets; the limit is {MOST}")
            if given:
                await self._check_key(now)
            sealed = [
                Cell(
                    space=SPACE,
                    key=_place(worker, name),
                    value=self._sealing.seal(text, _place(worker, name)),
                    meta=msgspec.json.encode({"modified_at": now}),
                )
                for name, text in given.items()
            ]
            await self._store.write(
                [*sealed, *(Absent(space=SPACE, key=_place(worker, name)) for name in sorted(gone))]
            )
        return bool(given or gone)

    async def joined(self, build: Build, now: int) -> Build:
        """Give a build with its Worker's secrets; raises LoadError when one of them does not open."""
        if build.version == VERSION:
            return build  # a dev session's come from its files
        known = await self.names(build.worker, now)
        if not known:
            return build
        cells = await self._store.read(SPACE, [_place(build.worker, name) for name in known], now=now)
        return dataclasses.replace(build, secrets=self._opened(build.worker, cells))

    async def check(self, worker: str, required: Sequence[str], now: int) -> None:
        """Raise InvalidInput for required secrets that a Worker does not have."""
        if not required:
            return
        known = set(await self.names(worker, now))
        if missing := [name for name in required if name not in known]:
            raise InvalidInput(
                f"Worker {worker!r} lacks required secrets: {', '.join(missing)}",
                hint=f"`wflow secret put {missing[0]}` sets one",
            )

    async def renew(self, now: int) -> tuple[int, list[str]]:
        """Seal anew what is not sealed with the first key.

        Gives how many that were, and what does not open, a line each: these stay as they are. Raises
        UsageError for a key that is none, or that others may read.
        """
        self._sealing.check()
        found = await self._all(now)
        lost: list[str] = []
        anew: list[Cell] = []
        for cell in found:
            try:
                if not self._sealing.is_current(cell.value):
                    text = self._sealing.open(cell.value, cell.key)
                    sealed = self._sealing.seal(text, cell.key)
                    anew.append(msgspec.structs.replace(cell, value=sealed))
                else:
                    self._sealing.open(cell.value, cell.key)
            except UsageError as closed:
                worker, _, name = cell.key.partition("/")
                lost.append(f"secret {name} of {worker} does not open: {closed.message}")
        if anew:
            await self._store.write(anew)
        return len(anew), lost

    # -- inside ----------------------------------------------------------------------------------------------

    def _opened(self, worker: str, cells: Mapping[str, Cell]) -> dict[str, str]:
        opened = {}
        for key, cell in cells.items():
            name = key.removeprefix(_place(worker, ""))
            try:
                opened[name] = self._sealing.open(cell.value, key)
            except UsageError as closed:
                raise LoadError(
                    f"secret {name} of {worker} does not open: {closed.message}", hint=closed.hint
                ) from None
        return opened

    async def _check_key(self, now: int) -> None:
        """Refuse to make a new key beside secrets that are sealed with one that is gone."""
        if not self._sealing.has_key and await self._store.scan(SPACE, now=now, limit=1):
            raise InvalidInput(
                "the key of the secrets is gone, and what is sealed with it cannot be read without",
                hint="put the key back, or delete the secrets and set them anew",
            )

    async def _all(self, now: int) -> list[Cell]:
        found: list[Cell] = []
        last = ""
        while page := await self._store.scan(SPACE, now=now, after=last):
            last = page[-1].key
            found += (await self._store.read(SPACE, [cell.key for cell in page], now=now)).values()
        return found


def _place(worker: str, name: str) -> str:
    return f"{worker}/{name}"


def _check(name: str, text: str | None) -> None:
    if not (name.isidentifier() and name.isascii() and len(name) <= NAME_CHARS and name[:2] != "__"):
        raise InvalidInput(
            "a secret's name is a name in `env`: letters, digits and `_`, with no digit and no `__` first, "
            f"at most {NAME_CHARS} of them"
        )
    if text is not None and len(text.encode()) > TEXT_BYTES:
        raise TooLarge(f"secret {name} has {len(text.encode()):,} bytes; the limit is {TEXT_BYTES:,}")
