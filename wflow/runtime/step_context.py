"""What a step's function gets as `ctx`, if it has a parameter of that name: which step and attempt it is."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from wflow.engine.steps.do import described
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from wflow.engine.retry import Retry

NAME: Final = "ctx"
"""The parameter; the name is Cloudflare's."""


class StepContext(View):
    """Read-only: ``step`` (``name``, ``count``), ``attempt`` (from 1 on), ``config``, ``idempotency_key``.

    ``config`` has ``retries`` (``limit``, ``delay``, ``backoff``) and ``timeout``, in milliseconds. The key
    is the same at each attempt, and another one for each visit of a step and each instance.
    """

    __slots__ = ()


def context_of(
    key: str, attempt: int, settings: Mapping[str, object], idempotency_key: str = ""
) -> StepContext:
    """Make the context of an attempt of the step ``key``, ``name-n``."""
    name, _, count = key.rpartition("-")
    return StepContext(
        step=View(name=name, count=int(count)),
        attempt=attempt,
        config=settings,
        idempotencyKey=idempotency_key,
    )


def settings_of(retry: Retry, *, dynamic: bool = False) -> View:
    """Show a policy, defaults and all; a delay that a function gives as Cloudflare's ``[dynamic]``."""
    shown: Any = described(retry, dynamic=dynamic)
    return View(retries=View(shown["retries"]), timeout=shown["timeout"])


def wants_context(function: Callable[..., object], given: int) -> bool:
    """Tell whether ``function`` has a parameter `ctx` that ``given`` positional arguments leave empty."""
    # Nearly every step is a plain function or method; reading its signature would take longer than its step.
    code: CodeType | None = getattr(function, "__code__", None)
    if code is None or (code.co_flags & inspect.CO_VARKEYWORDS and hasattr(function, "__wrapped__")):
        return _wants_by_signature(function, given)
    names, by_position = code.co_varnames, code.co_argcount
    if NAME not in names[code.co_posonlyargcount : by_position + code.co_kwonlyargcount]:
        return False
    at = names.index(NAME)
    return at >= by_position or at >= given + inspect.ismethod(function)


def _wants_by_signature(function: Callable[..., object], given: int) -> bool:
    if isinstance(function, functools.partial) and NAME in function.keywords:
        return False
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin that does not tell
        return False
    parameter = parameters.get(NAME)
    if parameter is None:
        return False
    if parameter.kind is parameter.KEYWORD_ONLY:
        return True
    return parameter.kind is parameter.POSITIONAL_OR_KEYWORD and list(parameters).index(NAME) >= given
