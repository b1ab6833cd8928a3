"""A delay that the user's function gives, after each failed attempt of a step."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine.durations import milliseconds
from wflow.errors import NonRetryableError
from wflow.runtime.failures import error_of, failure_of, message_of
from wflow.runtime.named import picked, taken

if TYPE_CHECKING:
    from wflow.engine.outcome import Failure
    from wflow.runtime.step_context import StepContext

BUDGET_S: Final = 5.0
"""How long a delay function may take; Cloudflare's number."""
_OFFERED: Final = ("ctx", "error")

Call = Callable[[Callable[[], Any]], Awaitable[Any]]


class Delay(msgspec.Struct, frozen=True):
    """A delay function, what it takes, and how long it may take."""

    function: Callable[..., Any]
    wanted: tuple[str, ...]
    budget_s: float = BUDGET_S

    async def ask(self, context: StepContext, failure: Failure, call: Call) -> int | Failure:
        """Give the milliseconds that it says, or the failure, not to be retried, of one that does not.

        ``call`` calls a function of the user's where it belongs.
        """
        function = functools.partial(
            self.function, **picked(self.wanted, {"ctx": context, "error": error_of(failure)})
        )
        problem = f'The delay function for step "{context.step.name}-{context.step.count}"'
        budget = asyncio.timeout(self.budget_s)
        try:
            async with budget:
                said = await call(function)
        except BaseException as broken:  # noqa: BLE001 - the user's, SystemExit too: it ends a step and no runtime
            if budget.expired():
                return _failed(f"{problem} took longer than {self.budget_s:g} seconds", failure)
            return _failed(f"{problem} failed with {type(broken).__name__}: {message_of(broken)}", failure)
        try:
            return milliseconds(said)
        except ValueError as wrong:
            return _failed(f"{problem} gave no duration: {wrong}", failure)


def delay_of(step: str, function: Callable[..., Any]) -> Delay:
    """Make one; raises InvalidInput for a function that takes what there is not."""
    return Delay(function, taken(function, _OFFERED, what=f"step {step!r}: retries.delay"))


def _failed(message: str, cause: Failure) -> Failure:
    return msgspec.structs.replace(failure_of(NonRetryableError(message)), cause=cause)
