"""How often a step is tried, how long between two attempts, and how long each may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wflow.engine import names
from wflow.engine.durations import milliseconds
from wflow.engine.names import shown
from wflow.errors import InvalidInput

BACKOFFS: Final = ("constant", "linear", "exponential")
TIMEOUT_MS: Final = 10 * names.MINUTE_MS


@dataclass(frozen=True, slots=True)
class Retry:
    """A step's policy; the defaults are Cloudflare's documented ones.

    ``limit`` is the number of retries, so a step has ``limit + 1`` attempts.
    """

    limit: int = 5
    delay_ms: int = 10_000
    backoff: str = "exponential"
    timeout_ms: int = TIMEOUT_MS

    def delay_after(self, failures: int, delay_ms: int | None = None) -> int:
        """Say how many milliseconds to wait after so many failures; 365 days at most.

        ``delay_ms`` takes the place of the policy's own delay.
        """
        base = self.delay_ms if delay_ms is None else delay_ms
        if self.backoff == "exponential":
            # 2**39 ms is beyond the limit whatever the delay is, and keeps the number small.
            grown = base << min(failures - 1, 39)
        elif self.backoff == "linear":
            grown = base * failures
        else:
            grown = base
        return min(grown, names.WAIT_MS_MAX)


DEFAULT: Final = Retry()


def policy(step: str, retries: object, timeout: object) -> Retry:
    """Read what user code gave as ``retries={"limit", "delay", "backoff"}`` and ``timeout``.

    Raises InvalidInput naming the step and the key. As with Cloudflare, unknown keys are refused, and retries
    need both a limit and a delay.
    """
    if retries is None and timeout is None:
        return DEFAULT
    if retries is not None and not isinstance(retries, Mapping):
        raise _wrong(step, f"retries must be a dict with limit, delay and backoff, not {shown(retries)}")
    given = dict(retries or {})
    if unknown := [key for key in given if key not in {"limit", "delay", "backoff"}]:
        raise _wrong(step, f"retries has no key {shown(unknown[0])}; it takes limit, delay and backoff")
    for needed in ("limit", "delay") if retries is not None else ():
        if given.get(needed) is None:
            raise _wrong(step, f"retries needs {needed!r}; it takes limit, delay and backoff")
    limit = given.get("limit", DEFAULT.limit)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= names.RETRIES_MAX:
        rule = f"a whole number from 0 to {names.RETRIES_MAX}"
        raise _wrong(step, f"retries.limit must be {rule}, not {shown(limit)}")
    backoff = given.get("backoff", DEFAULT.backoff)
    if backoff not in BACKOFFS:
        raise _wrong(step, f"retries.backoff must be one of {', '.join(BACKOFFS)}, not {shown(backoff)}")
    timeout_ms = _duration(step, "timeout", TIMEOUT_MS if timeout is None else timeout)
    if timeout_ms == 0:
        raise _wrong(step, "timeout must be more than 0")
    delay_ms = _duration(step, "retries.delay", given.get("delay", DEFAULT.delay_ms))
    return Retry(limit=limit, delay_ms=delay_ms, backoff=str(backoff), timeout_ms=timeout_ms)


def _duration(step: str, key: str, value: object) -> int:
    try:
        return milliseconds(value)
    except ValueError as wrong:
        raise _wrong(step, f"{key}: {wrong}") from None


def _wrong(step: str, problem: str) -> InvalidInput:
    return InvalidInput(f"step {step!r}: {problem}")
