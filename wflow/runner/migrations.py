"""Migrations: an instance goes on in another version, once its journal as it stands has been tried there."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from wflow.engine import facts, status
from wflow.engine.divergence import Verdict
from wflow.engine.timeline import timeline
from wflow.errors import InstanceEnded, InvalidInput, WrongMove
from wflow.link import frames
from wflow.runner.project import VERSION
from wflow.wire.types import Rehearsal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wflow.bindings.control import Control
    from wflow.runner.admission import Admission
    from wflow.runner.fleet import Fleet
    from wflow.runner.journeys import Reservation
    from wflow.runner.registry import Build, Registry
    from wflow.runner.rehearsals import Builds, Rehearsals, Tried
    from wflow.stores.store import Instance

WAIT_S: Final = 5.0
"""How long a migration waits until nothing of the instance runs."""
LOOK_S: Final = 0.1
"""How often it looks meanwhile whether the instance has come to rest."""
NAMED: Final = 3
"""Steps that run and are named."""


class Migrations:
    """Puts instances on other versions, one by one; what runs is never cut."""

    def __init__(self, control: Control, registry: Registry, builds: Builds, rehearsals: Rehearsals) -> None:
        """Work on the store of ``control``; `attach` adds what runs instances."""
        self._control = control
        self._registry = registry
        self._builds = builds
        self._rehearsals = rehearsals
        self._admission: Admission | None = None
        self._fleet: Fleet | None = None
        self._moving: set[int] = set()

    def attach(self, admission: Admission, fleet: Fleet) -> None:
        """Ask these for what is claimed."""
        self._admission = admission
        self._fleet = fleet

    async def rehearse(self, workflow: str, id_: str, version: str | None) -> Rehearsal:
        """Tell how one instance fits a version of its Worker (None: the current one), and change nothing."""
        instance, worker, wanted = await self._wanted(workflow, id_, version)
        async with self._builds.keeping(worker, wanted) as build:
            return (await self._rehearsals.one(build, instance)).shown()

    async def migrate(self, workflow: str, id_: str, version: str | None) -> Rehearsal:
        """Put one instance on a version of its Worker (None: the current one), if its journal fits that.

        Gives it as it is then, and the verdict; when that is not clean, nothing has changed. Raises
        InstanceEnded, VersionNotFound, InvalidInput, and WrongMove when a step runs for too long.
        """
        instance, worker, wanted = await self._wanted(workflow, id_, version)
        if instance.key in self._moving:
            raise WrongMove(f"(instance.cannot_migrate) instance {id_!r} is being migrated already")
        self._moving.add(instance.key)
        try:
            async with self._builds.keeping(worker, wanted) as build:
                if instance.version == build.version:
                    return _shown(instance, Verdict(heard=0, recorded=0))
                tried = await self._try(instance, build)
                if not tried.verdict.clean or await self._put(tried, build):
                    return await self._told(tried)
                # Somebody holds it, or did meanwhile.
                return await self._told(await self._catch(instance, build))
        finally:
            self._moving.discard(instance.key)

    async def _catch(self, instance: Instance, build: Build) -> Tried:
        """Have whoever holds an instance give it back, and move it before anybody else holds it."""
        async with self._reserved(instance.key) as reservation:
            try:
                return await self._await(instance, build, reservation)
            except BaseException:
                # Else its runtime would begin nothing new of it, for ever.
                self._tell_holder(instance.key, frames.Keep([instance.key]))
                raise

    async def _await(self, instance: Instance, build: Build, reservation: Reservation | None) -> Tried:
        ends = asyncio.get_running_loop().time() + WAIT_S
        while True:
            if self._is_free(instance.key, reservation):
                tried = await self._try(instance, build)
                if not tried.verdict.clean or await self._put(tried, build, reservation):
                    return tried
            if asyncio.get_running_loop().time() >= ends:
                raise WrongMove(await self._busy(instance), hint=_BUSY)
            # Asked once it may be lost, when its runtime is yet to hear of the instance.
            self._tell_holder(instance.key, frames.HandBack([instance.key]))
            if reservation is not None:
                await reservation.wait(LOOK_S)

    async def _try(self, instance: Instance, build: Build) -> Tried:
        return await self._rehearsals.one(build, await self._again(instance))

    async def _put(self, tried: Tried, build: Build, reservation: Reservation | None = None) -> bool:
        """Move an instance if it is as it was tried; False when it is not, or somebody holds it."""
        one, admission = tried.instance, self._admission
        async with admission.claiming if admission is not None else contextlib.nullcontext():
            if reservation is not None:
                await reservation.give_back()
            moving = await self._control.store.migrate(
                one.key, version=build.version, seq=tried.seq, now=self._control.now()
            )
            if moving is None:
                return False
            if self._fleet is not None:
                self._fleet.drop(one.key)  # a runtime of the version before may have it in memory
        if admission is not None:
            admission.wake(one.workflow)
        return True

    @contextlib.asynccontextmanager
    async def _reserved(self, instance: int) -> AsyncIterator[Reservation | None]:
        if self._admission is None:
            yield None
            return
        async with self._admission.reserving(instance) as reservation:
            yield reservation

    def _is_free(self, instance: int, reservation: Reservation | None) -> bool:
        """Tell whether nobody has an instance but, perhaps, whoever migrates it."""
        if self._admission is None or self._fleet is None or reservation is None or reservation.caught:
            return True
        return self._fleet.holder(instance) is None and not self._admission.under_way(instance)

    def _tell_holder(self, instance: int, message: frames.HandBack | frames.Keep) -> None:
        peer = None if self._fleet is None else self._fleet.holder(instance)
        if peer is not None:
            peer.send(message)

    async def _busy(self, instance: Instance) -> str:
        past = (await self._control.store.load({instance.key: 0}))[instance.key]
        now = self._control.now()
        running = [
            f"{step.key} for {(now - step.attempts[-1].start) / 1000:.0f} s"
            for step in timeline(map(facts.decode, past.records))
            if not step.finished and step.attempts and step.attempts[-1].success is None
        ]
        named = ", ".join(running[:NAMED]) + (f" and {len(running) - NAMED} more" if running[NAMED:] else "")
        return (
            f"(instance.cannot_migrate) instance {instance.id!r} did not come to rest within {WAIT_S:g} s"
            f"{f': it runs {named}' if named else ''}"
        )

    async def _wanted(self, workflow: str, id_: str, version: str | None) -> tuple[Instance, str, str]:
        """Find an instance that can be moved, its Worker, and the version that is meant."""
        instance = await self._control.get(workflow, id_)
        registered = self._registry.workflow(workflow)
        if VERSION in {instance.version, registered.version}:
            raise InvalidInput(
                "a dev session has one version, the code as it lies: there is none to migrate to",
                hint="save the code; what no longer fits is shown in the session's terminal",
            )
        if instance.status in status.ENDED:
            raise InstanceEnded(
                "(instance.cannot_migrate) Cannot migrate instance since its on a finite state",
                hint="`restart` runs it anew, on the current version",
            )
        return instance, registered.script_name, version or registered.version

    async def _again(self, instance: Instance) -> Instance:
        return await self._control.get(instance.workflow, instance.id)

    async def _told(self, tried: Tried) -> Rehearsal:
        if not tried.verdict.clean:
            return tried.shown()
        return _shown(await self._again(tried.instance), tried.verdict)


_BUSY: Final = (
    "nothing has changed; try again when that is over, or pause it first: what is paused can be migrated"
)


def _shown(instance: Instance, verdict: Verdict) -> Rehearsal:
    return Rehearsal(
        workflow=instance.workflow,
        id=instance.id,
        version=instance.version,
        status=instance.status,
        verdict=verdict,
    )
