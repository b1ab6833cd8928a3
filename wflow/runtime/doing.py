"""How `ctx.do` begins a step: what the call says is read and checked, and handed to the code as a step.

A call in the code that says no more than a name, a function and its arguments says the same each time it is
come to; it is read once.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import names, values
from wflow.engine.steps.do import Do
from wflow.errors import InvalidInput
from wflow.runtime import site as sites
from wflow.runtime.annotations import returned
from wflow.runtime.attempt import Body, is_async
from wflow.runtime.settings import PLAIN, Settings
from wflow.runtime.step_context import wants_context

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from wflow.runtime.code import Code

CALLS: Final = 4_000
"""Calls that are remembered; names that are made at run time have no end."""


class Read(msgspec.Struct, frozen=True):
    """What one call says; ``place`` is the code that it stands in, which keeps that code's address its own.

    ``body`` is for calls without arguments. ``site`` is None when it is not the caller's own code that asks,
    but what called that.
    """

    place: CodeType
    step: Do
    body: Body
    site: str | None


def plainly(
    code: Code, name: str | None, function: Callable[..., object], arguments: tuple[object, ...]
) -> Coroutine[Any, Any, Any]:
    """Begin a step of which nothing else is said, for what calls the caller; raises InvalidInput."""
    frame = sys._getframe(2)  # noqa: SLF001 - what inspect.currentframe is made of
    read, key = None, None
    inner: Any = function.__func__ if type(function) is MethodType else function
    # What a function has closed over must not live on here; nor is it the same one when it comes again.
    if type(inner) is FunctionType and inner.__closure__ is None and inner.__defaults__ is None:
        bound = inner is not function
        key = id(frame.f_code), frame.f_lasti, name, inner, bound, len(arguments)
        read = sites.remembered.get(key) if type(name) is str else None
    if read is None:
        name = checked(name, function)
        body = Body(
            inner,
            takes_context=wants_context(function, len(arguments)),
            returns=returned(name, function, None),
            is_async=is_async(function),
        )
        read = Read(frame.f_code, PLAIN.step(name), body, sites.of(frame))
        if key is not None:
            if len(sites.remembered) >= CALLS:
                sites.remembered.clear()
            sites.remembered[key] = read
    body, digest = read.body, b""
    if arguments or function is not inner:
        body = Body(
            function,
            arguments,
            takes_context=body.takes_context,
            returns=body.returns,
            is_async=body.is_async,
        )
        digest = values.digest_of(arguments) if arguments else b""
    return code.step(read.step, body, digest, site=sites.here(2) if read.site is None else read.site)


def begin(  # noqa: PLR0917 - the first is bound at once
    code: Code,
    name: str,
    function: Callable[..., object],
    arguments: Sequence[object],
    settings: Settings,
    *,
    takes_context: bool,
    returns: object,
    site: str,
) -> Coroutine[Any, Any, Any]:
    """Begin a step as ``settings`` say, asked for at ``site``; its name was checked."""
    digest = values.digest_of(tuple(arguments)) if arguments else b""
    type_ = returned(name, function, returns)
    body = Body(function, arguments, takes_context=takes_context, returns=type_, delay=settings.delay)
    return code.step(
        settings.step(name),
        body,
        digest,
        settings.undoing(type_),
        site=site,
        formerly=settings.formerly,
    )


def checked(name: object, function: object) -> str:
    """Give the step's name; raises InvalidInput for one that cannot be, and for what is no function."""
    name = names.step_name(name)
    if not callable(function):
        raise InvalidInput(
            f"step {name!r}: the second argument must be a function, not {type(function).__name__}",
            hint="ctx.do(name, function, *arguments, retries={...}, timeout=...)",
        )
    return name
