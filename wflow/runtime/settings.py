"""How a step is to be made: what `ctx.do` takes beside the function, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypedDict

import msgspec

from wflow.engine import names
from wflow.engine.retry import DEFAULT, Retry, policy
from wflow.engine.steps.do import Do
from wflow.errors import InvalidInput
from wflow.runtime.delays import Delay, delay_of
from wflow.runtime.undoing import Undoing, undoing

if TYPE_CHECKING:
    from datetime import timedelta

_OPTIONS: Final = (
    "retries",
    "timeout",
    "config",
    "rollback",
    "rollback_config",
    "sensitive",
    "at_most_once",
    "formerly",
)


class Options(TypedDict, total=False):
    """What every kind of `ctx.do` takes by name.

    ``retries`` has ``limit`` (retries, so attempts are one more), ``delay`` (a duration, or a function of
    `ctx` and `error` that gives one) and ``backoff``; ``timeout`` is for each attempt; ``config`` is a dict
    of both and of ``sensitive``, as Cloudflare has it. ``rollback`` undoes the step, ``rollback_config`` has
    the ``retries`` and the ``timeout`` of that. ``sensitive="output"`` hides what the step gives. With
    ``at_most_once`` an attempt that was cut off is not made again of itself. ``formerly`` is the name that
    the step had: an instance whose journal has it under that one goes on with what is recorded.
    """

    retries: Mapping[str, object] | None
    timeout: float | str | timedelta | None
    config: Mapping[str, object] | None
    rollback: Callable[..., object] | None
    rollback_config: Mapping[str, object] | None
    sensitive: str | None
    at_most_once: bool
    formerly: str | None


class Settings(msgspec.Struct, frozen=True):
    """How a step is tried, shown and undone."""

    retry: Retry = DEFAULT
    delay: Delay | None = None
    rollback: Undoing | None = None
    sensitive: bool = False
    at_most_once: bool = False
    formerly: str | None = None

    def step(self, name: str) -> Do:
        """Make the step."""
        if self is PLAIN:
            return _plain(name)
        undoable, dynamic = self.rollback is not None, self.delay is not None
        return Do(name, self.retry, self.at_most_once, self.sensitive, undoable, dynamic)

    def undoing(self, returns: object) -> Undoing | None:
        """Give the step's rollback, if it has one; it gets what the step gave as ``returns``."""
        rollback = self.rollback
        if rollback is None or returns is None:
            return rollback
        return msgspec.structs.replace(rollback, returns=returns)


PLAIN: Final = Settings()
"""Those of a step of which nothing is said."""


@lru_cache(maxsize=1024)
def _plain(name: str) -> Do:
    return Do(name)


def settings(step: str, options: Mapping[str, Any]) -> Settings:
    """Read the options of a step.

    Raises InvalidInput naming the step and the key for what breaks a rule, TypeError for an unknown option.
    """
    if not options:
        return PLAIN
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(f"step {step!r}: there is no option {name!r}; there are {', '.join(_OPTIONS)}")
    retries, timeout, sensitive = _said(step, options)
    at_most_once = options.get("at_most_once", False)
    if not isinstance(at_most_once, bool):
        raise InvalidInput(f"step {step!r}: at_most_once is True or False, not {names.shown(at_most_once)}")
    if sensitive is not None and sensitive != "output":
        raise InvalidInput(f"step {step!r}: sensitive must be 'output', not {names.shown(sensitive)}")
    retry, delay = _retry(step, retries, timeout)
    if at_most_once and retries is None:
        retry = Retry(0, timeout_ms=retry.timeout_ms)
    return Settings(
        retry=retry,
        delay=delay,
        rollback=_rollback(step, options.get("rollback"), options.get("rollback_config")),
        sensitive=sensitive is not None,
        at_most_once=at_most_once,
        formerly=former(step, options.get("formerly")),
    )


def former(step: str, formerly: object) -> str | None:
    """Read the name that a step had; raises InvalidInput for one that cannot have been its own."""
    if formerly is None:
        return None
    if names.step_name(formerly) == step:
        raise InvalidInput(f"step {step!r}: formerly is another name, which it had before it was called that")
    return str(formerly)


def _said(step: str, options: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Take retries, timeout and sensitive from where they are: in ``config``, or beside it."""
    config = options.get("config")
    beside = options.get("retries"), options.get("timeout"), options.get("sensitive")
    if config is None:
        return beside
    if beside != (None, None, None):
        raise InvalidInput(
            f"step {step!r}: give retries, timeout and sensitive in config or beside it, not both"
        )
    _check_keys(step, "config", config, ("retries", "timeout", "sensitive"))
    return config.get("retries"), config.get("timeout"), config.get("sensitive")


def _retry(step: str, retries: Any, timeout: Any) -> tuple[Retry, Delay | None]:
    if isinstance(retries, Mapping) and callable(retries.get("delay")):
        delay = delay_of(step, retries["delay"])
        return policy(step, {**retries, "delay": DEFAULT.delay_ms}, timeout), delay
    return policy(step, retries, timeout), None


def _rollback(step: str, function: Any, config: object) -> Undoing | None:
    if function is None:
        if config is not None:
            raise InvalidInput(f"step {step!r}: rollback_config is given, and no rollback")
        return None
    known = _check_keys(step, "rollback_config", {} if config is None else config, ("retries", "timeout"))
    retry, delay = _retry(f"rollback of {step}", known.get("retries"), known.get("timeout"))
    return undoing(step, function, retry, delay)


def _check_keys(step: str, what: str, given: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidInput(f"step {step!r}: {what} must be a dict, not {names.shown(given)}")
    for key in given:
        if key not in known:
            problem = (
                f"{what} has no key {names.shown(key)}; it takes {', '.join(known[:-1])} and {known[-1]}"
            )
            raise InvalidInput(f"step {step!r}: {problem}")
    return given
