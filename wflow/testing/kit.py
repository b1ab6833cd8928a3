"""The fixture `wflow`: a real runner on a store of its own, in the process of the test."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import shutil
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin

import msgspec

from wflow import bindings, catalogue
from wflow.bindings import subscription
from wflow.bindings.binding import Called, Raised
from wflow.bundle.declared import declared
from wflow.engine import values
from wflow.errors import InvalidInput
from wflow.link.frames import FRAME_BYTES
from wflow.runtime import clock as clocks
from wflow.runtime import env, site
from wflow.runtime.failures import error_of
from wflow.runtime.loop import in_order
from wflow.testing import world as worlds
from wflow.testing.answer import Answer
from wflow.testing.fate import Fate
from wflow.testing.introspection import Introspections, is_over
from wflow.testing.passing import Passing
from wflow.testing.writes import Call, mine
from wflow.wire.types import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
    from pathlib import Path

    from wflow.bindings.workflow import WorkflowBinding
    from wflow.link import frames
    from wflow.runtime.code import Code
    from wflow.stores.store import New
    from wflow.testing.clock import Clock
    from wflow.testing.introspection import InstanceIntrospector, WorkflowIntrospector
    from wflow.testing.loop import Selector
    from wflow.testing.under_test import UnderTest
    from wflow.testing.world import World

T = TypeVar("T")

HOST: Final = "http://localhost/"
"""What a path that is fetched is relative to."""
_LOST: Final = object()


class Kit:
    """The project under test, alive: what its own code can do with `env`, and what only a test can."""

    def __init__(self, under: UnderTest, folder: Path, selector: Selector, runner: asyncio.Runner) -> None:
        """Put one together for the running loop, whose ``selector`` it listens to; `begin` opens it."""
        self.under = under
        self.fate = Fate()
        self.effects: list[Any] = []
        """A list for the steps of a test to note in what they have done; empty when a run begins."""
        build = under.build
        self.env = env.build(build.manifest, build.secrets, self._call)
        self._targets = {one.name: one for one in declared(build.manifest)}
        self._folder = folder
        self._over = True
        self._selector = selector
        self._runner = runner
        self._runs = itertools.count(1)
        self._resets: list[Callable[[], object]] = []
        self._start_ms = clocks.system()

    # -- what a test uses ------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The time, which passes by itself: see `wflow.testing.clock.Clock`."""
        return self._passing.clock

    async def fetch(
        self,
        url: str = "/",
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | bytes = b"",
        json: object = msgspec.UNSET,
    ) -> Answer:
        """Send the Worker a request and give its answer; ``json`` is a body too. A path will do for a URL.

        The method is GET, or POST with a body. A handler that raises answers 500 with its traceback.
        """
        given = dict(headers or {})
        if json is not msgspec.UNSET:
            body = msgspec.json.encode(json)
            given.setdefault("content-type", "application/json")
        raw = body.encode() if isinstance(body, str) else body
        request = HttpRequest(
            method=(method or ("POST" if raw else "GET")).upper(),
            url=urljoin(HOST, url),
            headers=[(name.lower(), value) for name, value in given.items()],
            body=raw,
        )
        with self._passing.waiting(f"an answer to {request.method} {url}") as stuck:
            self._passing.requests += 1
            try:
                answer = await self.ask(lambda world: world.runner.fetch(None, request), stuck=stuck)
                rest = () if answer.rest is None else [piece async for piece in answer.rest]
            finally:
                self._passing.requests -= 1
        return Answer(answer.status, dict(answer.headers), b"".join((answer.body, *rest)))

    def introspect_instance(self, binding: WorkflowBinding | str, id: str) -> InstanceIntrospector:
        """Look into one instance, by its id; to modify how it runs, do so before it is created."""
        return self.introspections.instance(self.workflow_of(binding), id)

    def introspect(self, binding: WorkflowBinding | str) -> WorkflowIntrospector:
        """Look into all instances of a workflow that are created from now on."""
        return self.introspections.workflow(self.workflow_of(binding))

    async def assert_deterministic(
        self,
        binding: WorkflowBinding | str,
        payload: object = None,
        *,
        events: Iterable[tuple[str, object]] = (),
    ) -> Any:
        """Run an instance, and play its journal against the code again: see `wflow.testing.deterministic`.

        ``events`` are there from the beginning. Gives the output; raises NotDeterministic.
        """
        __tracebackhide__ = True
        from wflow.testing import deterministic

        return await deterministic.check(self, binding, payload, events)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something async in a test that is not: ``wflow.run(wflow.env.SHOP.create())``."""
        __tracebackhide__ = True
        return self._runner.run(work)

    def each_run(self, reset: Callable[[], object]) -> None:
        """Call ``reset`` before each run of a test that runs more than once: `crash_everywhere`."""
        self._resets.append(reset)

    async def crash(self) -> None:
        """End the process that runs the instances, here and now; another one goes on from the disk."""
        self.world.store.die()
        await self._alive()

    # -- for the rest of the kit -----------------------------------------------------------------------------

    async def begin(self, fate: Fate | None = None) -> None:
        """Begin a run: an empty store, the clock at the start, nothing modified."""
        self.fate = fate or Fate()
        self.effects.clear()
        for reset in self._resets:
            reset()
        self._ids = itertools.count(1)
        self._life = asyncio.Event()
        self._passing = Passing(lambda: self.world if self._life.is_set() else None, self._start_ms)
        self.introspections = Introspections(self)
        site.seen_from(self.under.build.root)
        clocks.follow(self._passing.clock.now_ms, self._passing.clock.ring_at)
        self._place = self._folder / f"run-{next(self._runs)}"
        self.world = await self._live()
        self._over = False
        self._life.set()
        self.fate.counts = True
        self._selector.idle = self._passing.idle
        self._guard = asyncio.get_running_loop().create_task(self._watch())

    async def end(self) -> None:
        """End a run, and leave nothing behind; once is enough."""
        if self._over:
            return
        self._over = True
        self.fate.counts = False
        with contextlib.suppress(Exception):  # whoever waited for it has heard why there is no other life
            await self._alive()
        self._selector.idle = lambda: False
        await self._passing.close()
        self._guard.cancel()
        await asyncio.gather(self._guard, return_exceptions=True)
        if self.world.dead:
            await self.world.bury()
        else:
            await self.world.close()
        clocks.follow(clocks.system)
        await asyncio.to_thread(shutil.rmtree, self._place, ignore_errors=True)

    async def settle(self) -> None:
        """Wait until nothing runs any more; no time passes."""
        await self._passing.settle()

    async def ask(
        self, what: Callable[[World], Awaitable[T]], *, stuck: asyncio.Future[None] | None = None
    ) -> T:
        """Ask the runner for something, as a patient client would: over a death, too.

        What was durable when the process died is not asked for again; the answer may then be `_LOST`.
        """
        __tracebackhide__ = True
        while True:
            world = await self._alive()
            call = Call()
            task = asyncio.get_running_loop().create_task(_asked(what, world, call))
            try:
                wanted: set[asyncio.Future[Any]] = {task, world.store.died}
                if stuck is not None:
                    wanted.add(stuck)
                await asyncio.wait(wanted, return_when=asyncio.FIRST_COMPLETED)
                if not task.done() and stuck is not None and stuck.done():
                    stuck.result()
                if not task.done() and world.dead:
                    await self._alive()
                if task.done() and not task.cancelled():
                    return task.result()
                if call.written:
                    return _LOST  # type: ignore[return-value]  # whoever asks knows what that means
            finally:
                task.cancel()

    async def until(self, check: Callable[[World], Awaitable[T | None]], what: str) -> T:
        """Wait until a look at the store gives something; look after each commit."""
        __tracebackhide__ = True
        with self._passing.waiting(what, exactly=True) as stuck:
            while True:
                world = await self._alive()
                seen = world.runner.feed.position
                found = await self.ask(check, stuck=stuck)
                if found is not None and found is not _LOST:
                    return found
                await self.ask(functools.partial(_changed, seen), stuck=stuck)

    def workflow_of(self, binding: WorkflowBinding | str) -> str:
        """Name the workflow of a binding, or of its name in `env`; raises InvalidInput."""
        return self._targets[self.name_of(binding)].target

    def name_of(self, binding: WorkflowBinding | str) -> str:
        """Name a workflow's binding, or of its name in `env`; raises InvalidInput."""
        for name, target in self._targets.items():
            if target.kind == "workflow" and (name == binding or self.env[name] is binding):
                return name
        known = ", ".join(name for name, one in self._targets.items() if one.kind == "workflow") or "none"
        raise InvalidInput(f"{binding!r} is no workflow's binding", hint=f"there are: {known}")

    # -- what a life tells (`wflow.testing.world.Guest`) -----------------------------------------------------

    def handed(self, code: Code, spec: frames.Turn) -> None:
        """Put the modifiers of an instance between it and its steps."""
        self.introspections.handed(code, spec)

    def named(self, method: str, arguments: list[object]) -> list[object]:
        """Give what is to be created an id, if it has none."""
        match method, arguments:
            case "create", [dict() as given] if given.get("id") is None:
                return [{**given, "id": self.new_id()}]
            case "create_batch", [list() as given]:
                return [[self.named("create", [one])[0] for one in given]]
            case "create_batch", [{"count": int() as count, **shared}] if 0 < count <= 100:
                return [[{**shared, "id": self.new_id()} for _ in range(count)]]
        return arguments

    async def created(self, new: New, key: int) -> None:
        """Hear that an instance was created."""
        await self.introspections.created(new.workflow, new.id, key)

    def new_id(self) -> str:
        """Make an id that is the same in each run of a test."""
        return f"instance-{next(self._ids)}"

    # -- inside ----------------------------------------------------------------------------------------------

    async def _live(self) -> World:
        return await worlds.World.begin(self._place, self.under, self.fate, self)

    async def _watch(self) -> None:
        """Bury each life that has died, and begin another."""
        while True:
            await asyncio.wait([self.world.store.died])
            self._life.clear()
            self.clock.forget()
            await self.world.bury()
            self.world = await self._live()
            if not self.world.dead:
                await self.introspections.again()
                self._life.set()

    async def _alive(self) -> World:
        """Give the life at hand, once there is one."""
        while not self._life.is_set() or self.world.dead:
            if self._guard.done():
                self._guard.result()
            if self._life.is_set():  # the guard has not heard of the death yet
                await asyncio.sleep(0)
                continue
            waiting = asyncio.ensure_future(self._life.wait())
            await asyncio.wait({waiting, self._guard}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        return self.world

    async def _call(self, binding: str, method: str, arguments: list[object]) -> object:
        """Call a binding's provider on behalf of the test."""
        __tracebackhide__ = True
        given = self.named(method, _crossed(arguments))
        target = self._targets[binding]
        module = catalogue.find(bindings, target.kind)
        assert module is not None

        async def serve(world: World) -> object:
            called = Called(method=method, arguments=given)
            try:
                return _crossed(await module.serve(world.runner.instances, target.target, called))
            except Raised as raised:
                raise error_of(raised.failure) from None

        if method == "result":
            told = await self._result(serve, target.target, given)
        elif method in subscription.METHODS:
            with self._passing.waiting(f"events of {given[0]!r}") as stuck:
                told = await self.ask(serve, stuck=stuck)
        else:
            told = await self.ask(serve)
        if told is _LOST:
            return {"id": _id_of(given), "created": True} if method == "create" else None
        return told

    async def _result(
        self, serve: Callable[[World], Awaitable[object]], workflow: str, given: list[Any]
    ) -> object:
        """Wait for an instance's end by the virtual clock; give what it gave."""
        __tracebackhide__ = True
        id_, patience_ms = given
        late = asyncio.Event()
        until = None if patience_ms is None else self.clock.now_ms() + patience_ms
        alarm = None if until is None else self.clock.ring_at(until, late.set)
        try:
            ended = self.until(is_over(workflow, id_), f"the result of {workflow} {id_!r}")
            if not await _first(ended, late):
                return {"over": False, "waited_ms": patience_ms}
        finally:
            if alarm is not None:
                alarm.cancel()
        return await self.ask(serve)


async def _asked(what: Callable[[World], Awaitable[T]], world: World, call: Call) -> T:
    mine.set(call)
    return await what(world)


async def _changed(seen: int, world: World) -> int | None:
    return await world.runner.feed.changed(seen)


def _id_of(given: Any) -> object:
    return given[0]["id"]


async def _first(work: Coroutine[Any, Any, object], late: asyncio.Event) -> bool:
    """Do some work, and say whether it was done before it was too late."""
    __tracebackhide__ = True
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(late.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            return False
        tasks[0].result()
        return True
    finally:
        for task in tasks:
            task.cancel()


def _crossed(value: Any) -> Any:
    """Give a value as it comes out of the link."""
    return values.decode(values.encode(value, limit=FRAME_BYTES // 4))


@contextlib.contextmanager
def ordered() -> Any:
    """Have `asyncio.as_completed` keep the order of a replay in workflow code, as a runtime does."""
    before = asyncio.as_completed
    asyncio.as_completed = asyncio.tasks.as_completed = in_order(before)
    try:
        yield
    finally:
        asyncio.as_completed = asyncio.tasks.as_completed = before
