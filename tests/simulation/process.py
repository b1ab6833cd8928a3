"""A runtime process of a simulation: the real `Runtime`, at the end of a link that takes its time."""

from __future__ import annotations

import struct
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from tests.simulation.playing import Play
from wflow.bindings.workflow import stub
from wflow.engine import values
from wflow.link import frames
from wflow.runtime import env, loader
from wflow.runtime.authoring import WorkflowEntrypoint
from wflow.runtime.home import State
from wflow.runtime.process import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.bodies import Part, Program
    from tests.simulation.clock import VirtualLoop
    from wflow.stores.store import Claim

_HEAD = struct.Struct(">I")
_said = msgspec.msgpack.Decoder(list[frames.ToRunner])
_heard = msgspec.msgpack.Encoder()


class Inline(Executor):
    """Where sync steps run: at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


class Process:
    """See the module; ``said`` gets each message, when it arrives, ``watch`` makes a witness of each pass.

    ``holds`` are the claims that the runner believes it has, ``hot`` what it believes to be in its memory.
    """

    def __init__(
        self,
        number: int,
        flows: dict[str, type],
        loop: VirtualLoop,
        delays: Iterator[int],
        *,
        said: Callable[[Process, frames.ToRunner], None],
        watch: Callable[[Process, Any], Any],
    ) -> None:
        self.number = number
        self.holds: dict[int, Claim] = {}
        self.hot: set[int] = set()
        self.dead = False
        self.draining = False
        self.runtime = Runtime()
        self.runtime.threads.shutdown(wait=False)
        self.runtime.threads = Inline()  # type: ignore[assignment]
        self._loop = loop
        self._delays = delays
        self._said = said
        self._arrivals = [0.0, 0.0]
        self._down: list[tuple[float, object]] = []
        self.runtime.channel.connection_made(self)  # type: ignore[arg-type]
        self.runtime._code = loader.Code(workflows=flows)
        self.runtime._limits = dict.fromkeys(flows, 1_000)
        held: dict[str, object] = {"WATCH": partial(watch, self)}
        for name in flows:
            sending = env._Sending(name.upper(), self.runtime.call)
            held[name.upper()] = stub(sending)
        self.runtime._env = env.Env(held)

    # -- the link ------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Take a frame on its way to the runner (the channel's transport)."""
        messages = _said.decode(data[_HEAD.size :])
        self._later(0, lambda: self._arrive(messages))

    def set_write_buffer_limits(self, high: int) -> None:
        """Hear how much may wait (the channel's transport): it never does."""

    def close(self) -> None:
        """Hang up (the channel's transport)."""

    abort = close

    def send(self, *messages: object) -> None:
        """Send messages to the runtime, which gets them in this order; what arrives at once is one frame."""
        raw = _heard.encode(messages)
        self._later(1, lambda: self._hand_over(raw))

    def _later(self, way: int, what: Callable[[], None]) -> None:
        at = max(self._arrivals[way], self._loop.time() + next(self._delays) / 1000)
        self._arrivals[way] = at
        if at <= self._loop.time():
            self._loop.call_soon(what)
        else:
            # Timers of one instant ring in any order: they come a moment apart.
            self._arrivals[way] = at + 1e-7
            self._loop.call_at(at, what)

    def _arrive(self, messages: list[frames.ToRunner]) -> None:
        for message in messages:
            if not self.dead:
                self._said(self, message)

    def _hand_over(self, raw: bytes) -> None:
        if not self.dead:
            self.runtime.channel.data_received(_HEAD.pack(len(raw)) + raw)

    # -- its end -------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Die: nothing more is said or heard, and what runs leaves no trace."""
        self.dead = True
        for turn in list(self.runtime._turns.values()):
            turn.drop()
        for future in self.runtime._calls.values():
            future.cancel()

    def evict(self) -> int:
        """Let go of what rests, which the runtime does when it is on disk; give how many that were."""
        gone = [key for key, turn in self.runtime._turns.items() if turn.state is State.RESTING]
        for key in gone:
            self.runtime._turns[key].drop()
        if gone:
            self.runtime.channel.send(frames.Evicted(gone))
        return len(gone)

    def epoch(self, key: int) -> int:
        """Tell under which claim an instance is played here."""
        turn = self.runtime._turns.get(key)
        return -1 if turn is None else turn.epoch


def flows_of(program: Program) -> dict[str, type]:
    """Make the workflows of a program, as a project would have them."""
    bodies = {"main": program.main} | {f"child{n}": one for n, one in enumerate(program.children)}
    return {name: _flow(body) for name, body in bodies.items()}


def _flow(body: Part) -> type:
    class Flow(WorkflowEntrypoint):
        async def run(self, event: Any, ctx: Any) -> object:
            witness = self.env.WATCH(ctx._code)
            began_ms = round(event.timestamp.timestamp() * 1000)
            witness.sees("event", event.payload)
            value = await Play(ctx, self.env, witness, began_ms).play(body)
            witness.sees("returns", value)
            return value

    return Flow


def reply(call: frames.Call, value: object) -> frames.Reply:
    return frames.Reply(call.call, values.encode(value))
