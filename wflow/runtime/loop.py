"""The event loop that workflow code runs on: a ready queue and nothing else.

Each instance in memory has one. It is run until nothing is ready, inside a callback of the process's real
loop, so that "quiet" is exact: nothing can happen to the code but what the journal, or a decision that is
about to enter it, says. Task switches, `gather`, `wait`, `TaskGroup`, locks and queues work as ever and
always in the same order. Timers are steps of the workflow, hence durable; sockets, threads and subprocesses
do not exist here.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from asyncio.events import _get_running_loop, _set_running_loop  # the public one raises
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

import msgspec

from wflow.engine import names
from wflow.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Generator, Iterable

    from wflow.engine.steps import Step
    from wflow.runtime.attempt import Body

CALLBACKS: Final = 500_000
"""Callbacks in one run; code that wants more without ever awaiting a step spins for ever."""
EVICTIONS: Final = 3
"""How often code may refuse to end before it is left where it is."""
REFUSALS: Final = 100
"""How often it may ask for a step meanwhile and be told no: enough for any cleanup, and not for ever."""
_ENDED: Final = 16
"""So many tasks, and more when they are the half of all, may be over and still be known."""


class Spinning(Exception):
    """The code never comes to rest."""


class Owner(Protocol):
    """Whose loop it is: a turn, which keeps the loop's timers and does steps."""

    instance: int

    def step(
        self,
        step: Step,
        body: Body | None = None,
        digest: bytes = b"",
        *,
        site: str | None = None,
        formerly: str | None = None,
    ) -> Coroutine[Any, Any, object]:
        """Do a step, asked for at the ``site`` in user code, which may have had another name ``formerly``."""
        ...

    def set_timer(self, delay_ms: int, ring: Callable[[], None]) -> Callable[[], None]:
        """Call ``ring`` after so many milliseconds, durably; gives what cancels it."""
        ...


class Call(msgspec.Struct, eq=False, weakref=True):
    """A callback in the queue; ``stop`` stops the timer that puts it there, ``at`` is when that rings."""

    callback: Callable[..., object]
    arguments: tuple[object, ...]
    context: contextvars.Context
    is_cancelled: bool = False
    at: float = 0.0
    stop: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Do not call it."""
        if not self.is_cancelled:
            self.is_cancelled = True
            if self.stop is not None:
                self.stop()

    def cancelled(self) -> bool:
        """Tell whether it was cancelled."""
        return self.is_cancelled

    def when(self) -> float:
        """Tell when a timer rings, on the loop's clock."""
        return self.at


class Task(asyncio.Task[Any]):
    """A task whose place in a set is the same in every process.

    `asyncio.wait` answers with sets, and a TaskGroup keeps its tasks in one: with the usual hash, an
    address, a loop over them would take another order at each replay.
    """

    __slots__ = ("_hash",)

    def __init__(self, coro: Any, number: tuple[int, int], **options: Any) -> None:
        """Make a task known by ``number``: its instance, and how many tasks that had before."""
        # Before the rest: asyncio puts the task into a set of all tasks while it makes it. The instance is
        # part of it for the sake of that set, where the first tasks of all instances would otherwise lie on
        # one heap.
        self._hash = hash(number)
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._hash


class _Nobody:
    """Owns the loops of turns that are over, whose code may be on its way out still."""

    instance = 0

    def step(self, step: Step, *_given: object, **_options: object) -> NoReturn:
        raise asyncio.CancelledError(f"step {step.name!r} is asked for when all is over")

    def set_timer(self, _delay_ms: int, _ring: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


_NOBODY: Final = _Nobody()


class WorkflowLoop(asyncio.AbstractEventLoop):
    """See the module.

    ``turn`` is whose loop it is, ``now`` the instance's time in seconds, which only its journal moves.
    It is made and run inside callbacks of one real loop.
    """

    thread = 0
    """The thread that runs it now; 0 for none."""
    _room, _made, _refusals = _ENDED, 0, 0

    def __init__(self, turn: Owner, now: float, outer: asyncio.AbstractEventLoop | None = None) -> None:
        """Make an empty loop; ``outer`` is the real one, if that is at hand."""
        self.turn = turn
        self.now = now
        self._outer = outer
        self._instance = turn.instance
        self._tasks: list[asyncio.Task[Any]] = []
        self._ready: list[Call] = []
        self._first, self._last = sys.get_asyncgen_hooks()

    def run(self, more: Callable[[], bool] | None = None) -> None:
        """Run callbacks until none is ready, and ``more``, which may make some ready then, says that was all.

        Raises Spinning when the code never comes to rest, and what ``more`` raises.
        """
        # To ask for the running loop, or to say which it is, is a system call: was the process forked?
        if self._outer is None:
            self._outer = _get_running_loop()
        _set_running_loop(self)
        # The real loop would close an async generator of workflow code, whenever it has the time.
        sys.set_asyncgen_hooks(None, self._close_generator)
        self.thread = get_ident()
        left = CALLBACKS
        ready: list[Call] = []
        call: Call | None = None
        try:
            while True:
                ready = self._ready
                if not ready:
                    if more is None or not more():
                        return
                    left = CALLBACKS
                    continue
                self._ready = []
                for call in ready:
                    try:  # a task keeps what it raised; SystemExit must end no runtime
                        if not call.is_cancelled:
                            call.context.run(call.callback, *call.arguments)
                    except BaseException:  # noqa: BLE001, S110
                        pass
                left -= len(ready)
                if left <= 0:
                    raise Spinning("workflow code runs on and on without awaiting a step")
        finally:
            self.thread = 0
            sys.set_asyncgen_hooks(self._first, self._last)
            _set_running_loop(self._outer)
            # Since Python 3.12 the traceback of what a task was left with holds on to this frame.
            ready, call = [], None

    def evict(self) -> None:
        """Leave the code by cancellation; what will not go after a few rounds is closed where it stands."""
        for _ in range(EVICTIONS):
            living = [task for task in self._tasks if not task.done()]
            if not living:
                return
            for task in living:
                task.cancel()
            del living, task  # see `run`
            try:
                self.run()
            except Spinning:
                break
        self.clear()
        self.run(self._close_all)

    def end(self) -> None:
        """Let go of whose it is, and of its tasks: nothing runs on it any more."""
        del self.turn
        self._tasks.clear()

    def clear(self) -> None:
        """Call nothing of what is queued."""
        self._ready = []

    def let_go(self) -> None:
        """Hold on to nobody who holds on to this: the turn is over."""
        self.turn = _NOBODY
        self._tasks = [task for task in self._tasks if not task.done()]

    def may_refuse(self) -> bool:
        """Tell whether code on its way out that asks for something may be told no once more."""
        self._refusals += 1
        return self._refusals <= REFUSALS

    async def farewell(self) -> object:
        """Refuse what code asks for on its way out; code that goes on asking waits for ever."""
        if self.may_refuse():
            raise asyncio.CancelledError
        return await self.create_future()

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Queue a callback; gives what does all that an asyncio.Handle does."""
        call = Call(callback, args, contextvars.copy_context() if context is None else context)
        self._ready.append(call)
        return call

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Queue a callback for later, as a durable timer; ``delay`` is in seconds.

        Raises InvalidInput for more than 365 days.
        """
        if delay <= 0:
            return self.call_soon(callback, *args, context=context)
        if not delay * 1000 <= names.WAIT_MS_MAX:
            raise InvalidInput(f"a timer in workflow code lasts at most 365 days, not {delay} seconds")
        call = Call(callback, args, contextvars.copy_context() if context is None else context)
        call.at = self.now + delay
        call.stop = self.turn.set_timer(round(delay * 1000), lambda: self._ready.append(call))
        return call

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Queue a callback for an instant of the loop's clock."""
        return self.call_later(when - self.now, callback, *args, context=context)

    def time(self) -> float:
        """Tell the instance's time: that of the last outcome it has seen."""
        return self.now

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """Make a task of this loop."""
        self._made += 1
        task = Task(coro, (self._instance, self._made), loop=self, **options)
        tasks = self._tasks
        tasks.append(task)
        if len(tasks) > self._room:
            self._tasks = [task for task in tasks if not task.done()]
            self._room = _ENDED + 2 * len(self._tasks)
        return task

    def is_running(self) -> bool:
        """Tell whether a callback runs now."""
        return self.thread != 0

    def is_closed(self) -> bool:
        """Tell that it is never closed, only forgotten."""
        return False

    get_debug = staticmethod(bool)  # which is False: asyncio's debug mode is off, and each future asks

    def get_task_factory(self) -> None:
        """Tasks are made as above."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: an exception that nobody awaited changes nothing in a workflow."""

    def _close_all(self) -> bool:
        """Close what would not go, where it stands."""
        for task in list(self._tasks):
            if not task.done():
                _close(task.get_coro())
        return False

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Close one that the code let go of in the middle; it is told at once, so this has its place."""
        if self.thread:
            self.create_task(generator.aclose())


def in_order(as_completed: Callable[..., Any]) -> Callable[..., Any]:
    """Make an `asyncio.as_completed` that starts coroutines in the order in which they are given.

    asyncio's own starts them in the order of a set, and steps that are opened in another order at each
    replay are other steps.
    """

    def ordered(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
        loop = _get_running_loop()
        if isinstance(loop, WorkflowLoop) and not asyncio.isfuture(fs) and not asyncio.iscoroutine(fs):
            fs = [asyncio.ensure_future(one, loop=loop) for one in dict.fromkeys(fs)]
        return as_completed(fs, timeout=timeout)

    return ordered


def _close(coroutine: Any) -> None:
    for _ in range(EVICTIONS):
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001, S112 - the user's code may raise anything on its way out
            continue
        return


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        what = f"workflow code cannot use the loop's {name}()"
        raise RuntimeError(f"{what}: this is I/O or a thread; put it in a step (ctx.do)")

    return refuse


for _name in (
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "call_soon_threadsafe",
    "close",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "remove_reader",
    "remove_signal_handler",
    "remove_writer",
    "run_forever",
    "run_in_executor",
    "run_until_complete",
    "sendfile",
    "set_debug",
    "set_default_executor",
    "set_exception_handler",
    "set_task_factory",
    "shutdown_asyncgens",
    "shutdown_default_executor",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendfile",
    "sock_sendto",
    "start_tls",
    "stop",
    "subprocess_exec",
    "subprocess_shell",
):
    setattr(WorkflowLoop, _name, _refusing(_name))
WorkflowLoop.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
