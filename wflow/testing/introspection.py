"""Looking into instances: what their steps gave, what became of them, and changing how they run."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from wflow.engine import facts, status, values
from wflow.engine.facts import Logged, Moved, Received, Settled
from wflow.engine.outcome import Err, Failure
from wflow.errors import InstanceNotFound, InvalidInput
from wflow.runtime.failures import error_of
from wflow.runtime.stream import opened
from wflow.testing.modifiers import Modifiers, StepRef, key_of
from wflow.wire import shown
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wflow.engine.facts import Fact
    from wflow.link import frames
    from wflow.runtime.code import Code
    from wflow.stores.store import Instance
    from wflow.testing.kit import Kit
    from wflow.testing.world import World

PAGE = 1_000


class Unreachable(AssertionError):
    """What a test waits for cannot happen any more; the message says why."""


class InstanceIntrospector(Modifiers):
    """Looks into one instance; its modifiers hold from its creation on, also after a restart or a crash."""

    def __init__(self, kit: Kit, workflow: str, id: str) -> None:
        """Look for ``kit``."""
        super().__init__()
        self.id = id
        self.workflow = workflow
        self._kit = kit

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Modify nothing any more; the instance goes on, if it is not over."""
        self.dispose()

    def dispose(self) -> None:
        """Modify nothing any more."""
        self._kit.introspections.forget(self)

    def modify(self, change: Callable[[Modifiers], object]) -> Any:
        """Call ``change`` with what modifies the instance; await this if ``change`` is async."""
        return _after(change(self), self)

    async def wait_for_step_result(self, step: StepRef, index: int | None = None) -> Any:
        """Wait until a step is over and give what it gave; raise its error if it failed.

        ``step`` is a name, or ``{"name": ..., "index": 2}``; so is ``index``. Of a wait for an event this is
        the event's payload. Raises Unreachable when the instance ends without the step.
        """
        if index is not None:
            name = step if isinstance(step, str) else step.get("name")
            step = {"name": name, "index": index}
        key = key_of(step)

        async def look(world: World) -> tuple[Settled, list[Fact]] | None:
            found = await world.store.find_one(self.workflow, self.id)
            if found is None:
                return None
            journal = await _journal(world, found.key)
            for fact in journal:
                if isinstance(fact, Settled) and fact.key == key:
                    return fact, journal
            if found.status in status.ENDED:
                there = sorted({fact.key for fact in journal if isinstance(fact, Settled)})
                raise Unreachable(
                    f"{self._name} {_told(found)}, and step {key!r} was not over; those were: {there}"
                )
            return None

        settled, journal = await self._kit.until(look, f"step {key!r} of {self._name}")
        if isinstance(settled.outcome, Err):
            raise error_of(settled.outcome.failure)
        if settled.event is not None:
            received = (
                fact for fact in journal if isinstance(fact, Received) and fact.event == settled.event
            )
            return values.decode(next(received).payload)
        return opened(values.decode(settled.outcome.value))

    async def wait_for_status(self, wanted: str) -> None:
        """Wait until the instance has a status, as `status()` calls them, or had it meanwhile.

        Raises Unreachable, with the reason, when it has ended otherwise.
        """
        if wanted not in status.ALL:
            raise InvalidInput(f"{wanted!r} is no status; there are: {', '.join(status.ALL)}")
        begun: list[int] = []

        async def look(world: World) -> bool | None:
            found = await world.store.find_one(self.workflow, self.id)
            if found is None:
                begun[:] = [0]
                return None
            moves = [one for one in await _records(world, found.key) if one[1].status]
            begun[:] = begun or [max((seq for seq, _ in moves), default=0)]
            if found.status == wanted or any(seq > begun[0] and one.status == wanted for seq, one in moves):
                return True
            if found.status in status.ENDED:
                raise Unreachable(f"{self._name} {_told(found)}; it does not become {wanted}")
            return None

        await self._kit.until(look, f"{self._name} to be {wanted}")

    async def output(self) -> Any:
        """Wait for its end and give its output; raises Unreachable, with its error, when it has none."""
        found = await self.end()
        if found.status != status.COMPLETE:
            failed = Unreachable(f"{self._name} {_told(found)}; it has no output")
            raise failed from (None if found.failure is None else error_of(_failure(found.failure)))
        return None if found.output is None else values.decode(found.output)

    async def error(self) -> View:
        """Wait for its end and give ``name`` and ``message`` of its error; raises Unreachable for none."""
        found = await self.end()
        if found.failure is None:
            raise Unreachable(f"{self._name} {_told(found)}; it has no error")
        return View(shown.failure(_failure(found.failure)))

    async def status(self) -> str:
        """Tell its status now, as the store has it."""
        found = await self._kit.ask(lambda world: world.store.find_one(self.workflow, self.id))
        if found is None:
            raise InstanceNotFound(f"instance.not_found: {self._name} was not created")
        return str(found.status)

    async def journal(self) -> list[Fact]:
        """Give all that is recorded of it so far."""

        async def read(world: World) -> list[Fact]:
            found = await world.store.find_one(self.workflow, self.id)
            return [] if found is None else await _journal(world, found.key)

        return await self._kit.ask(read)

    async def export(self, file: str | Path) -> None:
        """Write its history to a file, as `wflow workflows instances export` does: a case for `replay`."""
        from wflow.testing.recorded import history_of
        from wflow.wire.history import write

        found = await self._kit.ask(lambda world: world.store.find_one(self.workflow, self.id))
        if found is None:
            raise InstanceNotFound(f"instance.not_found: {self._name} was not created")
        history = await self._kit.ask(lambda world: history_of(world, found))
        await asyncio.to_thread(Path(file).write_text, "".join(write(history)), encoding="utf-8")

    async def steps(self) -> list[str]:
        """Name the steps that are over, in the order in which they ended: `name-1`."""
        return [fact.key for fact in await self.journal() if isinstance(fact, Settled)]

    async def logs(self) -> list[str]:
        """Give what its workflow code has logged."""
        return [fact.message for fact in await self.journal() if isinstance(fact, Logged)]

    @property
    def _name(self) -> str:
        return f"{self.workflow} {self.id!r}"

    async def end(self) -> Instance:
        """Wait for its end and give what the store has of it (for the rest of the kit)."""
        return await self._kit.until(is_over(self.workflow, self.id), f"the end of {self._name}")


class WorkflowIntrospector:
    """Looks into all instances of a workflow that are created while it is there."""

    def __init__(self, kit: Kit, workflow: str) -> None:
        """Look for ``kit``."""
        self.workflow = workflow
        self.modifiers = Modifiers()
        self._kit = kit
        self._found: dict[str, InstanceIntrospector] = {}
        self._changes: list[Callable[[Modifiers], object]] = []

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Modify nothing any more."""
        self.dispose()

    def dispose(self) -> None:
        """Modify nothing any more, and hear of no further instances."""
        self._kit.introspections.forget(self)
        for one in self._found.values():
            one.dispose()

    def modify_all(self, change: Callable[[Modifiers], object]) -> Any:
        """Modify each instance that is created from now on; await this if ``change`` is async."""
        return _after(change(self.modifiers), self)

    def get(self) -> list[InstanceIntrospector]:
        """List those that were created, in that order."""
        return list(self._found.values())

    def created(self, id: str) -> None:
        """Hear of an instance (the kit calls this)."""
        if id not in self._found:
            self._found[id] = self._kit.introspections.instance(self.workflow, id)


class Introspections:
    """All that look in the run of a test."""

    def __init__(self, kit: Kit) -> None:
        """Begin with none."""
        self._kit = kit
        self._instances: dict[tuple[str, str], InstanceIntrospector] = {}
        self._workflows: list[WorkflowIntrospector] = []
        self._delivered: dict[tuple[str, str], int] = {}

    def instance(self, workflow: str, id: str) -> InstanceIntrospector:
        """Give who looks into an instance."""
        name = workflow, id
        if name not in self._instances:
            self._instances[name] = InstanceIntrospector(self._kit, workflow, id)
        return self._instances[name]

    def workflow(self, workflow: str) -> WorkflowIntrospector:
        """Give somebody who looks into a workflow."""
        found = WorkflowIntrospector(self._kit, workflow)
        self._workflows.append(found)
        return found

    def forget(self, one: InstanceIntrospector | WorkflowIntrospector) -> None:
        """Let go of one that looks."""
        if isinstance(one, WorkflowIntrospector):
            self._workflows = [each for each in self._workflows if each is not one]
        elif self._instances.get((one.workflow, one.id)) is one:
            del self._instances[one.workflow, one.id]

    def handed(self, code: Code, spec: frames.Turn) -> None:
        """Have an instance ask for its steps by way of what modifies it."""
        modifiers = self._of(spec.workflow, spec.id)
        if modifiers is None:
            return
        real = code.step

        def step(step: Any, body: Any = None, *rest: Any, **named: Any) -> Any:
            return real(*modifiers.applied(code.machine.upcoming(step.name), step, body), *rest, **named)

        code.step = step  # type: ignore[method-assign]  # between the code and whoever asks it, from outside

    async def created(self, workflow: str, id: str, key: int) -> None:
        """Deliver the events that an instance is to have from the beginning."""
        for one in self._workflows:
            if one.workflow == workflow:
                one.created(id)
        modifiers = self._of(workflow, id)
        events = [] if modifiers is None else modifiers.events
        while (at := self._delivered.get((workflow, id), 0)) < len(events):
            self._delivered[workflow, id] = at + 1
            type_, payload = events[at]
            world = self._kit.world
            await world.store.real.deliver(key, type_, payload, now=self._kit.clock.now_ms())

    async def again(self) -> None:
        """After a death, see to instances that were created, while nobody came to hear of it."""
        world = self._kit.world
        wanted = {one.workflow for one in self._workflows} | {workflow for workflow, _ in self._instances}
        for workflow in sorted(wanted):
            for found in await world.store.real.find(workflow, newest_first=False, limit=PAGE):
                await self.created(workflow, found.id, found.key)

    def _of(self, workflow: str, id: str) -> Modifiers | None:
        one = self._instances.get((workflow, id))
        shared = [each.modifiers for each in self._workflows if each.workflow == workflow]
        return one.joined(shared) if one is not None else None


def is_over(workflow: str, id: str) -> Callable[[World], Awaitable[Instance | None]]:
    """Make a look for the end of an instance; raises InstanceNotFound once it was there and is no more."""
    known: list[int] = []

    async def look(world: World) -> Instance | None:
        found: Instance | None = await world.store.find_one(workflow, id)
        if found is None:
            if known:
                raise InstanceNotFound(f"instance.not_found: {workflow} {id!r} was deleted")
            return None
        known[:] = [found.key]
        return found if found.status in status.ENDED else None

    return look


async def _journal(world: World, key: int) -> list[Fact]:
    found: list[Fact] = []
    seq = 0
    while records := await world.store.journal(key, after=seq, limit=PAGE):
        found += [facts.decode(record.body) for record in records]
        seq = records[-1].seq
    return found


async def _records(world: World, key: int) -> list[tuple[int, Moved]]:
    return [
        (number, fact) for number, fact in enumerate(await _journal(world, key), 1) if isinstance(fact, Moved)
    ]


def _told(found: Instance) -> str:
    """Say how an instance ended."""
    if found.failure is None:
        return f"is {found.status}"
    failure = _failure(found.failure)
    return f"is {found.status}: {failure.name}: {failure.message}"


def _failure(raw: bytes) -> Failure:
    return msgspec.msgpack.decode(raw, type=Failure)


def _after(given: object, then: Any) -> Any:
    """Give ``then``, when what was given is awaited if it is to be."""
    if not inspect.isawaitable(given) or isinstance(given, Modifiers):
        return then

    async def wait() -> Any:
        await given
        return then

    return wait()
