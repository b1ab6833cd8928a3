"""What every file of this folder offers: the stub that user code holds, the provider that the runner runs.

The two meet over the link: a stub's call is a method's name and a list of values, the provider's answer a
value. What a provider raises is raised by the stub. The file's name is the binding's kind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from wflow.bindings.control import Control
    from wflow.engine.outcome import Failure

Send = Callable[[str, list[object]], Awaitable[object]]
"""Calls a method of the provider with these arguments."""


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a provider's method.

    ``instance`` is the key of the instance whose code calls under the claim ``epoch``, ``step`` the key of
    the step it is in and ``attempt`` which attempt of that; None, empty and 0 for a Worker's own call.
    ``key`` is the step's idempotency key: the same at each attempt, another for each step of each instance,
    and for a step that is made anew because its instance was restarted.
    """

    method: str
    arguments: list[Any]
    instance: int | None = None
    step: str = ""
    attempt: int = 0
    key: str = ""
    epoch: int = 0


class Raised(Exception):
    """What a provider raises to have the stub raise an error of user code, as that was raised."""

    def __init__(self, failure: Failure) -> None:
        """Raise what is kept as ``failure``; one that is not ``retryable`` ends a step for good."""
        super().__init__(failure.message)
        self.failure = failure


class Binding(Protocol):
    """A module of this folder."""

    def stub(self, send: Send) -> object:
        """Make what user code holds as ``env.NAME``."""
        ...

    async def serve(self, control: Control, target: str, call: Called) -> object:
        """Answer a call for the resource ``target``; raises a Refused that user code sees, or Raised."""
        ...
