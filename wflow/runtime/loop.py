"""The event loop that workflow code runs on: a ready queue and nothing else.

Each instance in memory has one. It is run until nothing is ready, inside a callback of the process's real loop, so that
"quiet" is exact: nothing can happen to the code but what the journal, or a decision that is about to enter it, says. Task switches,
`gather`, `wait`, `TaskGroup`, locks and queues work as ever and always in the same order. Timers are steps of the workflow,
hence durable; sockets, threads and subprocesses do not exist here.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Coroutine, Generator

    from wflow.engine.steps import Step
    from wflow.runtime.attempt import Body

CALLBACKS: Final = 2_000_000
"""Callbacks in one run; code that wants more without ever awaiting a step spins for ever."""


class Spinning(Exception):
    """The code never comes to rest."""


class Owner(Protocol):
    """Whose loop it is: a turn, which keeps the loop's timers and does steps."""

    async def step(self, step: Step, body: Body | None = None, digest: bytes = b"") -> object:
        """Do a step."""
        ...

    def set_timer(self, delay_ms: int, ring: Callable[[], None]) -> Callable[[], None]:
        """Call ``ring`` after so many milliseconds, durably; gives what cancels it."""
        ...


class Call:
    """A callback in the queue."""

    __slots__ = ("_arguments", "_callback", "_cancel", "_context", "_when", "cancelled_")

    def __init__(
        self,
        callback: Callable[..., object],
        arguments: tuple[object, ...],
        context: contextvars.Context | None,
    ) -> None:
        """Keep what to call."""
        self._callback = callback
        self._arguments = arguments
        self._context = context
        self._when = 0.0
        self._cancel: Callable[[], None] | None = None
        self.cancelled_ = False

    def cancel(self) -> None:
        """Do not call it."""
        if not self.cancelled_:
            self.cancelled_ = True
            if self._cancel is not None:
                self._cancel()

    def cancelled(self) -> bool:
        """Tell whether it was cancelled."""
        return self.cancelled_

    def when(self) -> float:
        """Tell when a timer rings, on the loop's clock."""
        return self._when

    def run(self) -> None:
        """Call it, unless it was cancelled."""
        if self.cancelled_:
            return
        if self._context is None:
            self._callback(*self._arguments)
        else:
            self._context.run(self._callback, *self._arguments)


class WorkflowLoop(asyncio.AbstractEventLoop):
    """See the module. ``turn`` is whose loop it is; ``now`` the instance's time in seconds, which only its journal moves."""

    def __init__(self, turn: Owner, now: float) -> None:
        """Make an empty loop."""
        self.turn = turn
        self.now = now
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._ready: deque[Call] = deque()
        self._running = False

    def run(self) -> None:
        """Run callbacks until none is ready; raises Spinning when the code never comes to rest."""
        ready = self._ready
        if not ready:
            return
        outer = events._get_running_loop()  # noqa: SLF001 - asyncio's documented hook for loop authors
        events._set_running_loop(self)  # noqa: SLF001
        self._running = True
        left = CALLBACKS
        try:
            while ready:
                try:
                    ready.popleft().run()
                except BaseException:  # noqa: BLE001, S110 - a task keeps what it raised; SystemExit must end no runtime
                    pass
                left -= 1
                if not left:
                    raise Spinning("workflow code runs on and on without awaiting a step")
        finally:
            self._running = False
            events._set_running_loop(outer)  # noqa: SLF001

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> Any:  # noqa: ANN401 - ours is no asyncio.Handle, but does what one does
        """Queue a callback."""
        call = Call(callback, args, context)
        self._ready.append(call)
        return call

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> Any:  # noqa: ANN401
        """Queue a callback for later, as a durable timer; ``delay`` is in seconds."""
        if delay <= 0:
            return self.call_soon(callback, *args, context=context)
        call = Call(callback, args, context)
        call._when = self.now + delay  # noqa: SLF001
        call._cancel = self.turn.set_timer(round(delay * 1000), lambda: self._ready.append(call))  # noqa: SLF001
        return call

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: contextvars.Context | None = None,
    ) -> Any:  # noqa: ANN401
        """Queue a callback for an instant of the loop's clock."""
        return self.call_later(when - self.now, callback, *args, context=context)

    def time(self) -> float:
        """Tell the instance's time: that of the last outcome it has seen."""
        return self.now

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], **options: Any  # noqa: ANN401
    ) -> asyncio.Task[Any]:
        """Make a task of this loop."""
        task = asyncio.Task(coro, loop=self, **options)
        self.tasks.add(task)
        return task

    def is_running(self) -> bool:
        """Tell whether a callback runs now."""
        return self._running

    def is_closed(self) -> bool:
        """It is never closed, only forgotten."""
        return False

    def get_debug(self) -> bool:
        """Asyncio's debug mode is off."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: an exception that nobody awaited changes nothing in a workflow."""


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        message = f"workflow code cannot use the loop's {name}(): this is I/O or a thread; put it in a step (ctx.do)"
        raise RuntimeError(message)

    return refuse


for _name in (
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "call_soon_threadsafe",
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
    "run_forever",
    "run_in_executor",
    "run_until_complete",
    "sendfile",
    "shutdown_asyncgens",
    "shutdown_default_executor",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
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
