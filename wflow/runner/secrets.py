"""What may be done with the secrets of a Worker, and how code that runs gets those that have changed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from wflow.bundle.declared import declared
from wflow.errors import InvalidInput, LoadError, UsageError, WflowError, WorkerNotFound
from wflow.runner.project import VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wflow.runner.fleet import Fleet
    from wflow.runner.registry import Registry
    from wflow.runner.vault import Vault
    from wflow.runner.versions import Versions


class Secrets:
    """The secrets of all Workers.

    A version stays what it is when a secret changes: its runtimes are replaced. New ones come up with the new
    values and get all that begins from then on; attempts and requests that run end in the old ones.
    """

    def __init__(self, vault: Vault, registry: Registry, versions: Versions, fleet: Fleet) -> None:
        """Put it together."""
        self._vault = vault
        self._registry = registry
        self._versions = versions
        self._fleet = fleet
        self._changed: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, now: int) -> None:
        """Seal anew what an older key sealed, and tell what does not open; its Worker is not run meanwhile.

        Raises UsageError for a key that is none, or that others may read.
        """
        anew, lost = await self._vault.renew(now)
        if anew:
            self._fleet.tell("info", f"{anew} secrets are sealed with the new key; the older keys may go")
        for line in lost:
            self._fleet.tell("error", line)

    async def find(self, worker: str, now: int) -> list[str]:
        """Name a Worker's secrets; raises WorkerNotFound when there is neither a Worker nor a secret."""
        current = self._registry.current.get(worker)
        if current is not None and current.version == VERSION:
            return sorted(current.secrets)
        found = await self._vault.names(worker, now)
        if not found:
            await self._versions.find(worker, now)
        return found

    async def change(self, worker: str, secrets: Mapping[str, str | None], now: int) -> None:
        """Set secrets, or delete those that are None, all or none; the Worker may come later.

        What runs gets them soon after. Raises InvalidInput for a name that breaks the rule or is a binding's,
        in a dev session, and when they cannot be sealed; TooLarge and TooMany.
        """
        current = self._registry.current.get(worker)
        if any(one.version == VERSION for one in self._registry.current.values()):
            raise InvalidInput(
                "a dev session has its secrets from `.dev.vars` or `.env`", hint="write them there"
            )
        bound = set() if current is None else {one.name for one in declared(current.manifest)}
        for name, text in secrets.items():
            if text is not None and name in bound:
                raise InvalidInput(
                    f"Binding name '{name}' already in use. Please use a different name and try again."
                )
        try:
            changed = await self._vault.change(worker, secrets, now)
        except UsageError as unsealed:
            raise InvalidInput(f"secrets cannot be sealed: {unsealed.message}", hint=unsealed.hint) from None
        if changed:
            with contextlib.suppress(WorkerNotFound):
                self._renew([one.id for one in await self._versions.find(worker, now)])

    async def delete(self, worker: str, name: str, now: int) -> None:
        """Delete a secret; raises InvalidInput when there is none of that name."""
        if name not in await self.find(worker, now):
            raise InvalidInput(f"Worker {worker!r} has no secret {name!r}")
        await self.change(worker, {name: None}, now)

    async def close(self) -> None:
        """Let nothing more come up."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

    # -- inside ----------------------------------------------------------------------------------------------

    def _renew(self, versions: Collection[str]) -> None:
        """Replace the runtimes of versions, one after another; those that change meanwhile once more."""
        self._changed.update(versions)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        while self._changed:
            version = self._changed.pop()
            try:
                await self._fleet.renew(version)
            except WflowError as broken:
                trace = broken.trace if isinstance(broken, LoadError) else ""
                told = f"version {version} keeps the secrets that it came up with: {broken.message}"
                self._fleet.tell("error", told, trace=trace)
