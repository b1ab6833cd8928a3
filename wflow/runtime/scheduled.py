"""The time that has come, as a Worker's `scheduled(controller, env, ctx)` gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wflow.engine.outcome import Failure


class ScheduledController:
    """``cron`` is the expression that says so, ``scheduled_time`` the instant, in milliseconds since 1970."""

    type = "scheduled"

    def __init__(self, given: dict[str, Any]) -> None:
        """Tell both."""
        self.cron: str = given["cron"]
        self.scheduled_time: int = given["scheduledTime"]
        self.scheduledTime = self.scheduled_time
        self._retries = True

    def no_retry(self) -> None:
        """Say that the handler need not be called again for this time, should it raise."""
        self._retries = False

    noRetry = no_retry  # noqa: N815 - Cloudflare's spelling

    def answer(self, failed: Failure | None) -> object:
        """Say what the runner should know."""
        return {"noRetry": not self._retries}

    def failure(self, failed: Failure | None) -> Failure | None:
        """Say what was raised."""
        return failed
