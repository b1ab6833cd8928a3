"""A body, played as the code of a workflow: what an author could have written, with all that `ctx` has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from tests.simulation.bodies import (
    Bag,
    Child,
    Do,
    Fail,
    First,
    Gather,
    Group,
    Guard,
    Locked,
    Loose,
    Map,
    Nap,
    Part,
    Poll,
    Seq,
    Sleep,
    Tell,
    Timeout,
    Try,
    Wait,
)
from wflow.errors import NonRetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

DAY_MS = 86_400_000


class Witness(Protocol):
    """Who is told of all that the code sees, and of all that its functions do."""

    def asks(self, name: str) -> None:
        """Hear that the code is about to ask for a step."""
        ...

    def sees(self, what: str, value: object) -> None:
        """Hear that the code goes on with something."""
        ...

    def begins(self, key: str, attempt: int) -> str:
        """Hear that a function is called; gives the call a mark that no other has."""
        ...

    def ends(self, mark: str) -> None:
        """Hear that it has come to its end by itself."""
        ...


class Play:
    """One pass through a body."""

    def __init__(self, ctx: Any, env: Any, witness: Witness, began_ms: int) -> None:
        self._ctx = ctx
        self._env = env
        self._witness = witness
        self._began_ms = began_ms
        self._loose: list[asyncio.Task[Any]] = []

    async def play(self, part: Part) -> Any:
        match part:
            case Do() | Sleep() | Wait() | Poll() | Map() | Child():
                return await self._seen(part)
            case Nap(ms):
                await asyncio.sleep(ms / 1000)
                return "napped"
            case Tell(what):
                return self._tell(what)
            case Fail():
                raise ArithmeticError("by itself")
            case Seq(items):
                return [await self.play(item) for item in items]
            case Gather() | Group() | Bag() | Locked() | Loose() | First():
                return await self._side_by_side(part)
            case Timeout() | Try() | Guard():
                return await self._within(part)
        raise AssertionError(part)

    # -- steps ---------------------------------------------------------------------------------------------

    async def _seen(self, part: Part) -> Any:
        """Do a step, and tell what the code sees of it."""
        name, step = self._step(part)
        self._witness.asks(name)
        try:
            value = await step
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._witness.sees(name, ["error", type(error).__name__, str(error)])
            raise
        if isinstance(part, Wait):
            value = [value.type, value.payload]
        self._witness.sees(name, value)
        return list(value) if isinstance(part, Map) else value

    def _step(self, part: Part) -> tuple[str, Coroutine[Any, Any, Any]]:
        ctx = self._ctx
        match part:
            case Do():
                return part.name, self._do(part)
            case Sleep(ms, until):
                if until:
                    return "until", ctx.sleep_until("until", self._began_ms + ms)
                return "sleep", ctx.sleep("sleep", ms)
            case Wait(type_, timeout):
                return f"wait {type_}", ctx.wait_for_event(f"wait {type_}", type_, timeout or DAY_MS)
            case Poll():
                check = self._check(part)
                return "poll", ctx.poll("poll", check, every=part.every, timeout=part.timeout)
            case Map():
                return "map", ctx.map(
                    self._item(part),
                    range(part.items),
                    name="item",
                    concurrency=part.concurrency,
                    tolerated_failures=part.tolerated if part.enough is None else None,
                    min_successful=part.enough,
                    retries={"limit": 0, "delay": 0},
                )
            case Child(number, timeout, follows):
                child = self._env[f"CHILD{number}"]
                name = f"call {number}"
                return name, ctx.call(child, {}, name=name, timeout=timeout, cancel_with_parent=follows)
        raise AssertionError(part)

    def _do(self, part: Do) -> Coroutine[Any, Any, Any]:
        options: dict[str, Any] = {"retries": {"limit": part.limit, "delay": part.delay, "backoff": "linear"}}
        if part.once:
            options["at_most_once"] = True
        if part.timeout is not None:
            options["timeout"] = part.timeout
        if part.undo is not None:
            options["rollback"] = self._undo(part.undo)
            options["rollback_config"] = {"retries": {"limit": 2, "delay": 10, "backoff": "constant"}}
        return self._ctx.do(part.name, self._body(part), **options)  # type: ignore[no-any-return]

    def _body(self, part: Do) -> Callable[..., object]:
        def end(mark: str, attempt: int) -> str:
            self._witness.ends(mark)
            if attempt <= part.failures:
                raise (NonRetryableError if part.fatal else ValueError)(mark)
            return mark

        def plain(ctx: Any) -> str:
            return end(self._begin(ctx), ctx.attempt)

        async def body(ctx: Any) -> str:
            mark = self._begin(ctx)
            if part.takes:
                await asyncio.sleep(part.takes / 1000)
            return end(mark, ctx.attempt)

        return plain if part.plain else body

    def _begin(self, ctx: Any) -> str:
        return self._witness.begins(f"{ctx.step.name}-{ctx.step.count}", ctx.attempt)

    def _undo(self, failures: int) -> Callable[..., object]:
        async def undo(ctx: Any, step_name: str, output: object) -> None:
            mark = self._witness.begins(f"rollback:{step_name}", ctx.attempt)
            await asyncio.sleep(0.005)
            self._witness.ends(mark)
            if ctx.attempt <= failures:
                raise OSError(mark)

        return undo

    def _check(self, part: Poll) -> Callable[..., object]:
        async def check(ctx: Any) -> object:
            mark = self._begin(ctx)
            await asyncio.sleep(part.takes / 1000)
            self._witness.ends(mark)
            return mark if ctx.attempt > part.checks else None

        return check

    def _item(self, part: Map) -> Callable[..., object]:
        async def item(number: int, ctx: Any) -> str:
            mark = self._begin(ctx)
            await asyncio.sleep(part.takes / 1000)
            self._witness.ends(mark)
            if number < part.bad:
                raise ValueError(mark)
            return mark

        return item

    def _tell(self, what: str) -> object:
        ctx, value = self._ctx, None
        match what:
            case "now":
                value = ctx.now().isoformat()
            case "uuid":
                value = str(ctx.uuid4())
            case "random":
                value = ctx.random()
            case "state":
                ctx.set_state({"at": len(self._loose)})
            case "patched" if hasattr(ctx, "patched"):
                value = ctx.patched("mended")
            case _:
                what = "log"
                ctx.log("a line")
        self._witness.sees(f"ctx.{what}", value)
        return f"told {what}"

    # -- parts of several ----------------------------------------------------------------------------------

    async def _side_by_side(self, part: Part) -> Any:
        match part:
            case Gather(items, errors):
                given = await asyncio.gather(*map(self.play, items), return_exceptions=errors)
                return [plain(one) for one in given]
            case Group(items):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self.play(item)) for item in items]
                return [task.result() for task in tasks]
            case Bag(items, queue):
                return {"bag": await (self._queued(items) if queue else self._completed(items))}
            case Locked(items, room):
                lock = asyncio.Lock() if room == 1 else asyncio.Semaphore(room)
                return await asyncio.gather(*(self._locked(lock, item) for item in items))
            case Loose(items):
                self._loose += [asyncio.create_task(self.play(item)) for item in items]
                await asyncio.sleep(0)
                return "loose"
            case First(items, cancels):
                return await self._first(items, cancels=cancels)
        raise AssertionError(part)

    async def _first(self, items: Sequence[Part], *, cancels: bool) -> Any:
        tasks = [asyncio.create_task(self.play(item)) for item in items]
        try:
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        if cancels:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._loose += pending
        # In the order of a set: that has to be the same on a replay as well.
        return {"first": [[tasks.index(task), plain(task.exception() or task.result())] for task in done]}

    async def _queued(self, items: Sequence[Part]) -> list[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue(1)

        async def put(item: Part) -> None:
            try:
                value = await self.play(item)
            except Exception as error:  # noqa: BLE001 - whatever it is, it counts as one
                value = plain(error)
            await queue.put(value)

        tasks = [asyncio.create_task(put(item)) for item in items]
        try:
            return [await queue.get() for _ in tasks]
        finally:
            for task in tasks:
                task.cancel()

    async def _completed(self, items: Sequence[Part]) -> list[Any]:
        found = []
        for one in asyncio.as_completed([self.play(item) for item in items]):
            try:
                found.append(await one)
            except Exception as error:  # noqa: BLE001 - whatever it is, it counts as one
                found.append(plain(error))
        return found

    async def _locked(self, lock: asyncio.Lock | asyncio.Semaphore, item: Part) -> Any:
        async with lock:
            return await self.play(item)

    async def _within(self, part: Part) -> Any:
        match part:
            case Timeout(ms, items, waits):
                try:
                    if waits:
                        return await asyncio.wait_for(self.play(Seq(items)), ms / 1000)
                    async with asyncio.timeout(ms / 1000):
                        return await self.play(Seq(items))
                except TimeoutError:
                    return "late"
            case Try((first, second), cleans):
                if cleans:
                    try:
                        return await self.play(first)
                    finally:
                        await self.play(second)
                try:
                    return await self.play(first)
                except Exception:  # noqa: BLE001 - as authors write it
                    return {"instead": await self.play(second)}
            case Guard((first, second), stays):
                try:
                    return await self.play(first)
                except asyncio.CancelledError:
                    self._witness.sees("cancelled", None)
                    cleaned = await self.play(second)
                    if stays:
                        return {"stayed": cleaned}
                    raise
        raise AssertionError(part)


def plain(value: object) -> object:
    """Show an exception among values."""
    return ["error", type(value).__name__, str(value)] if isinstance(value, BaseException) else value
