"""The store of one life of a runner under test: each write is counted, and the process may die over it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import hashlib
import inspect
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from wflow.runner import creations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from wflow.stores.store import Batch, New, Store
    from wflow.testing.fate import Fate

WRITES: Final = frozenset(
    {"append", "claim", "create", "delete", "deliver", "migrate", "move", "release", "restart", "write"}
)
"""What makes something durable that an instance, a client or user code depends on. Lines of the log do not
count, nor does what is tidied away.
"""
QUEUE_WRITES: Final = frozenset({"send", "lease", "settle"})
"""The same of queues."""


class Call:
    """A call of the test itself, on its way: whether something of it is durable already."""

    def __init__(self) -> None:
        """Begin one."""
        self.written = False


mine: contextvars.ContextVar[Call | None] = contextvars.ContextVar("wflow_testing_call", default=None)
"""The call of the test that the code at hand serves."""


class Watched:
    """A `Store` in front of the real one.

    ``under_way`` counts what it is asked for and has not answered. Once ``dead`` it answers nobody any more,
    as if the process were gone: but for the call of the test whose write it was, whose client has asked in
    another process, and would find out that it was heard.
    """

    def __init__(self, store: Store, fate: Fate, created: Callable[[New, int], Awaitable[None]]) -> None:
        """Stand before ``store``; ``fate`` says over which write to die, ``created`` hears of instances."""
        self.real = store
        self.under_way = 0
        self.asked = 0
        """How often it was asked for anything."""
        self.died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._quiet = asyncio.Event()
        self._fate = fate
        self._created = created

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if not inspect.iscoroutinefunction(method):
            return method
        call = functools.partial(self._write if name in WRITES else self._read, method)
        if name == "create":
            call = functools.partial(self._create, call)
        elif name == "append":
            call = functools.partial(self._append, call)
        elif name == "restart":
            call = functools.partial(self._restart, call)
        setattr(self, name, call)
        return call

    @functools.cached_property
    def queues(self) -> Any:
        """Its queues, watched likewise."""
        return _Queues(self)

    async def close(self) -> None:
        """Let go; `World` closes the real one when all is over."""

    @property
    def dead(self) -> bool:
        """Whether it has died."""
        return self.died.done()

    def die(self) -> None:
        """Be gone."""
        if not self.died.done():
            self.died.set_result(None)

    async def settled(self) -> None:
        """Wait until everything that it was asked for is answered."""
        while self.under_way:
            self._quiet.clear()
            await self._quiet.wait()

    async def _read(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        if self.died.done():
            await _never()
        told = await self._ask(method, *given, **named)
        if self.died.done():
            await _never()
        return told

    async def _write(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        call = mine.get()
        if self.died.done():
            await _never()
        number = self._fate.next(method.__name__)
        if self._fate.dies(number, "before"):
            self.die()
            await _never()
        told = await self._ask(method, *given, **named)
        if call is not None:
            call.written = True
        if not self.died.done() and self._fate.dies(number, "after"):
            self.die()
        if self.died.done() and call is None:
            await _never()
        return told

    async def _ask(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.asked += 1
        self.under_way += 1
        try:
            return await method(*given, **named)
        finally:
            self.under_way -= 1
            if not self.under_way:
                self._quiet.set()

    async def _create(self, create: Callable[..., Any], new: Sequence[New]) -> Any:
        """Create instances whose chance is the same in each run of a test."""
        keys = await create([_seeded(one) for one in new])
        for one, key in zip(new, keys, strict=True):
            if key is not None:
                await self._created(one, key)
        return keys

    async def _append(self, append: Callable[..., Any], batch: Batch) -> Any:
        """Append, and tell of instances that steps have created."""
        appended = await append(batch)
        for one in (new for effects in batch.effects for new in effects.new):
            found = await self.real.find_one(one.workflow, one.id)
            if found is not None:
                await self._created(one, found.key)
        return appended

    async def _restart(self, restart: Callable[..., Any], key: int, **named: Any) -> Any:
        return await restart(key, **{**named, "seed": seed_of("restart", str(key))})


class _Queues:
    """The queues of the store behind a `Watched`."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._watched.real.queues, name)
        if not inspect.iscoroutinefunction(method):
            return method
        ask = self._watched._write if name in QUEUE_WRITES else self._watched._read  # noqa: SLF001 - its own
        call = functools.partial(ask, method)
        setattr(self, name, call)
        return call


def _seeded(new: New) -> New:
    """Give an instance the chance that it has in each run of a test, unless a step has seen to that."""
    if len(new.seed) == creations.SEED_BYTES:
        return new
    return msgspec.structs.replace(new, seed=seed_of(new.workflow, new.id))


async def _never() -> NoReturn:
    """Wait for what never comes; the task is ended with the life that it belongs to."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def seed_of(*of: str) -> bytes:
    """Give what an instance's chance comes from: the same in each run of a test."""
    return hashlib.sha256("\0".join(of).encode()).digest()[:16]
