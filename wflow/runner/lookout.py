"""After code was loaded in a dev session: how unfinished instances fit it, and which go on thanks to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from wflow.engine.status import PAUSED
from wflow.errors import InstanceEnded, InstanceNotFound, WflowError
from wflow.runner.rehearsals import SAMPLE
from wflow.wire import fit

if TYPE_CHECKING:
    from wflow.runner.registry import Build
    from wflow.runner.rehearsals import Round, Tried
    from wflow.runner.runner import Runner
    from wflow.runner.terminal import Terminal

QUIET_S: Final = 0.2
"""What was loaded answers first; and who saves twice is told once."""
SHOWN: Final = 5
"""Differences that are shown in full."""


class Lookout:
    """Tries what is loaded on the newest unfinished instances, in the background, and tells."""

    def __init__(self, runner: Runner, terminal: Terminal) -> None:
        """Look at the instances of ``runner``; talk on ``terminal``."""
        self._runner = runner
        self._terminal = terminal
        self._looking: asyncio.Task[None] | None = None

    def look(self, build: Build) -> None:
        """Begin to look at what began before now, on other code; an earlier look ends."""
        before = self._looking
        if before is not None:
            before.cancel()
        self._looking = asyncio.get_running_loop().create_task(self._look(build, self._runner.now()))

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self, build: Build, before: int) -> None:
        await asyncio.sleep(QUIET_S)
        rehearsals = self._runner.rehearsals
        try:
            found = await rehearsals.many(build, limit=SAMPLE, before=before)
            await self._mended(found, build.version)
            self._tell(found)
            while found.after is not None:  # what waits for a fix is not forgotten, however old it is
                found = await rehearsals.many(build, limit=SAMPLE, after=found.after, states=(PAUSED,))
                await self._mended(found, build.version)
        except WflowError as broken:
            self._terminal.warn(f"the unfinished instances cannot be tried on this code: {broken.message}")
        finally:
            await rehearsals.let_go()

    async def _mended(self, found: Round, version: str) -> None:
        """Have those go on that code and journal had paused, and that fit again."""
        for one in found.tried:
            if one.diverged and one.verdict.clean:
                with contextlib.suppress(InstanceNotFound, InstanceEnded):  # meanwhile
                    await self._go_on(one, version)

    async def _go_on(self, one: Tried, version: str) -> None:
        """Resume one that code and journal had paused, if it is as it was tried; the feed tells of it."""
        runner, instance = self._runner, one.instance
        async with runner.admission.claiming:
            moved = await runner.store.migrate(instance.key, version=version, seq=one.seq, now=runner.now())
            if moved is not None:
                runner.fleet.drop(instance.key)
        runner.admission.wake(instance.workflow)

    def _tell(self, found: Round) -> None:
        tried = found.tried
        if not tried:
            return
        misfits = [one for one in tried if not one.verdict.clean]
        which = _count(len(tried), "unfinished instance")
        if found.after is not None:
            which = f"the newest {len(tried):,} of {_count(found.total, 'unfinished instance')}"
        if not misfits:
            self._terminal.info(f"{which} {'fits' if len(tried) == 1 else 'fit'} the code")
            return
        do = "does not" if len(misfits) == 1 else "do not"
        of = f"{len(misfits):,} of {which}" if len(tried) > 1 else which
        self._terminal.warn(f"{of} {do} fit the code, and will pause instead of going on")
        self._show(misfits)

    def _show(self, misfits: list[Tried]) -> None:
        """Show each difference once, with the instances that have it."""
        alike: dict[tuple[str, ...], list[Tried]] = {}
        for one in misfits:
            alike.setdefault(tuple(fit.why(fit.shown(one.shown()))), []).append(one)
        for (first, *more), ones in list(alike.items())[:SHOWN]:
            named = f"{ones[0].instance.workflow} {ones[0].instance.id}"
            others = f" and {len(ones) - 1:,} more" if len(ones) > 1 else ""
            self._terminal.say(f"    {named}{others}: {first}")
            for line in more:
                self._terminal.say(f"    {line}")
        if len(alike) > SHOWN:
            self._terminal.say(f"    and {_count(len(alike) - SHOWN, 'more difference')}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
