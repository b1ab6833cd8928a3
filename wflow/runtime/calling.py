"""ctx.call: an instance of another workflow as a child, whose result its parent awaits at rest.

Two steps: one creates the child, and is done as soon as that is on disk; the other waits for its end, which
the store tells the parent as an event. The child's id, and the type of that event, come from the first step's
idempotency key, so that whoever makes the step again means the same child.

A call that is given up, by a timeout or a cancellation, asks the child to cancel in a step of its own, and is
over when that is on disk; one that nobody gives up needs none: when the parent ends, the store asks its
children.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from wflow.bindings.workflow import WorkflowBinding
from wflow.engine import names, typed, values
from wflow.engine.outcome import Ok, Outcome
from wflow.engine.requests import CHILD
from wflow.engine.retry import Retry
from wflow.engine.steps.do import Do
from wflow.engine.steps.wait_for_event import WaitForEvent
from wflow.errors import InstanceEnded, InstanceNotFound, InvalidInput, MismatchError, WorkflowTimeoutError
from wflow.runtime import moments
from wflow.runtime import settings as reading
from wflow.runtime import site as sites
from wflow.runtime.annotations import returned
from wflow.runtime.attempt import Body, here
from wflow.runtime.env import FINAL
from wflow.runtime.failures import error_of
from wflow.runtime.loop import Owner
from wflow.runtime.seed import step_key
from wflow.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from datetime import timedelta

    from wflow.engine.steps import Step

    class Upcoming(Protocol):
        """Gives the key that the next step of a name will have."""

        def __call__(self, name: str, formerly: str | None) -> str:
            """Give it."""
            ...


CANCELLING: Final = Retry(limit=2, delay_ms=1 * names.SECOND_MS, backoff="constant")
"""How often a child is asked to cancel when a call is given up; it is asked again when the parent ends."""
NOTHING: Final[Any] = object()
"""None is a value that people give."""

_outcomes: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)


def called(
    turn: Owner,
    upcoming: Upcoming,
    binding: WorkflowBinding,
    params: object = NOTHING,
    *,
    name: str | None = None,
    id: str | None = None,
    timeout: float | str | timedelta | None = None,
    cancel_with_parent: bool = True,
    retries: Mapping[str, object] | None = None,
    returns: object = None,
    formerly: str | None = None,
) -> Coroutine[Any, Any, Any]:
    """Give the coroutine that calls a workflow; see `Context.call`. Raises InvalidInput for what cannot be.

    ``upcoming`` gives the key that the next step of a name will have, which may be one it had formerly.
    """
    if not isinstance(binding, WorkflowBinding):
        raise InvalidInput(
            f"ctx.call takes a workflow of env, not {names.shown(binding)}",
            hint="ctx.call(self.env.OTHER_WORKFLOW, params)",
        )
    if name is None:
        name = getattr(binding._send, "name", None)  # noqa: SLF001 - its stub's way to the runner, and now ours
        if name is None:
            raise InvalidInput("ctx.call: this binding has no name; give the step one: name=...")
    names.step_name(name)
    names.step_name(_waiting(name))
    if id is not None:
        names.instance_id(id)
    if cancel_with_parent not in (True, False):
        given = names.shown(cancel_with_parent)
        raise InvalidInput(f"step {name!r}: cancel_with_parent is True or False, not {given}")
    call = _Call(
        turn=turn,
        binding=binding,
        name=name,
        params={} if params is NOTHING else params,
        id=id,
        follows=cancel_with_parent,
        timeout_ms=names.WAIT_MS_MAX if timeout is None else moments.pause(name, "timeout", timeout),
        settings=reading.settings(name, {} if retries is None else {"retries": retries}),
        returns=None if returns is None else returned(name, called, returns),
        site=sites.here(),
        formerly=reading.former(name, formerly),
    )
    return call.result(upcoming)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What is said of one call."""

    turn: Owner
    binding: WorkflowBinding
    name: str
    params: object
    id: str | None
    follows: bool
    timeout_ms: int
    settings: Settings
    returns: object
    site: str
    formerly: str | None

    async def result(self, upcoming: Upcoming) -> Any:
        """Create the child, wait for its end, and give what it gave or raise what it raised."""
        key = upcoming(self.name, self.formerly)
        child: Any = None
        try:
            child = await self._created()
            wait = WaitForEvent(_waiting(self.name), child["awaited"], self.timeout_ms)
            ended: Any = await self._step(wait, former=_waiting)
        except (asyncio.CancelledError, WorkflowTimeoutError):
            if self.follows:
                await self._let_go(key, None if child is None else child["id"])
            raise
        return self._read(child["id"], ended.payload)

    def _created(self) -> Coroutine[Any, Any, object]:
        """Create the child, or find it created: whoever asks again means the same one."""

        async def create() -> dict[str, str]:
            key = _key()
            child, awaited = self.id or key, CHILD + key
            await self._send("call", [self.params, child, awaited, self.follows])
            return {"id": child, "awaited": awaited}

        body = Body(create, final=FINAL, delay=self.settings.delay)
        digest = values.digest_of((self.params, self.id))
        return self._step(self.settings.step(self.name), body, digest)

    async def _let_go(self, key: str, child: str | None) -> None:
        """Ask the child to cancel; without its id, the one that the step ``key`` may have created."""

        async def cancel() -> bool:
            try:
                await self._send("cancel", [child or self.id or _key(key)])
            except (InstanceEnded, InstanceNotFound):
                return False
            return True

        # Its failure must not take the place of what ends the call; and the parent's end asks once more.
        with suppress(Exception):
            await self._step(Do(_cancelling(self.name), CANCELLING), Body(cancel), former=_cancelling)

    def _step(
        self,
        step: Step,
        body: Body | None = None,
        digest: bytes = b"",
        *,
        former: Callable[[str], str] = str,
    ) -> Coroutine[Any, Any, object]:
        """Do a step of the call; ``former`` makes the name that it had of the one that the call had."""
        formerly = None if self.formerly is None else former(self.formerly)
        return self.turn.step(step, body, digest, site=self.site, formerly=formerly)

    def _read(self, child: str, payload: bytes) -> Any:
        outcome = _outcomes.decode(payload)
        if not isinstance(outcome, Ok):
            error = error_of(outcome.failure)
            error.add_note(f"raised by instance {child!r}, which step {self.name!r} called")
            raise error
        value = values.decode(outcome.value)
        if self.returns is None:
            return value
        try:
            return typed.restore(value, self.returns)
        except MismatchError as wrong:
            what = f"step {self.name!r}: what instance {child!r} gave"
            raise MismatchError(
                f"{what} does not fit {typed.text(self.returns)}: {wrong}"
            ) from wrong.__cause__

    def _send(self, method: str, arguments: list[object]) -> Awaitable[object]:
        """Call the binding's provider from inside a step."""
        return self.binding._send(method, arguments)  # noqa: SLF001 - as its stub does; these calls are ours


def _waiting(name: str) -> str:
    return f"{name} result"


def _cancelling(name: str) -> str:
    return f"{name} cancel"


def _key(step: str | None = None) -> str:
    """Give the idempotency key of the step that runs, or of another one of its instance."""
    place = here.get()
    assert place is not None
    return step_key(place, step)
