"""A step's folded facts: all that its kind needs to judge what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from wflow.engine import causes
from wflow.engine.facts import Opened, Received, Settled
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Failure, Outcome
from wflow.engine.steps import Step

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Past(msgspec.Struct, gc=False):
    """What has happened to one step so far.

    ``attempt`` is the number of the last attempt that began, ``failure`` the error of the last one that
    failed; ``interrupted`` says that the last one began and was never heard of again. ``failures`` counts
    those that failed by themselves, ``deaths`` those that were cut off with their process.
    """

    key: str
    kind: str
    opened_at: int
    digest: bytes = b""
    generation: int = 0
    """How often the instance had been restarted when the step opened."""
    order: int = 0
    site: str = ""
    """Where the code asks for it, or did when it was recorded."""
    step: Step | None = None
    """What the code at hand asks for, as it holds for this step; None if it has not asked."""
    attempt: int = 0
    began_at: int = 0
    failure: Failure | None = None
    failed_at: int = 0
    retry_at: int | None = None
    failures: int = 0
    deaths: int = 0
    checks: int = 0
    """Of a poll: how many of its checks have said that it goes on."""
    delay_ms: int | None = None
    """What the step's delay function said after the last failure."""
    interrupted: bool = False
    shift_ms: int = 0
    """How long the instance stood still since the step opened, or since its last attempt failed."""
    paused_ms: int = 0
    """How long it stood still since the step opened."""
    detail: Mapping[str, Any] = _NONE
    """The settings that it began with, as `describe` gave them."""
    event: Received | None = None
    told: int = 0
    """How much of it is in the journal: 0 nothing, 1 that it opened, 1 + n its attempts up to the nth too."""
    accepted: bool = False
    """What is recorded of it was accepted, though the code did not ask for it, or not like that."""
    late: bool = False
    """It was recorded before something was accepted, so the code may come to ask for it later than it did."""
    outcome: Outcome | None = None
    """How it ended, as a fact, though the code may not have seen it yet."""

    @property
    def asked(self) -> bool:
        """Whether the code at hand has asked for it."""
        return self.step is not None

    @property
    def settled(self) -> bool:
        """Whether it has ended."""
        return self.outcome is not None

    @property
    def last(self) -> bool:
        """Whether the attempt that goes on is the last one that the policy allows; a poll has no such."""
        step: Any = self.step
        if self.kind not in {"do", "rollback"}:
            return False
        return bool(self.failures + (self.deaths if step.at_most_once else 0) >= step.retry.limit)

    def compare(self, kind: str, digest: bytes, site: str) -> None:
        """Raise NonDeterminismError when the code asks for another kind of step, or with other arguments."""
        if self.kind != kind:
            raise causes.other_kind(self, kind, site)
        if self.digest and digest and self.digest != digest and not self.accepted:
            raise causes.other_arguments(self, site)

    def fail(self, failure: Failure, at: int, delay_ms: int | None = None) -> None:
        """Note that the last attempt failed; that a poll goes on is no failure, and begins the count anew."""
        self.failure, self.failed_at, self.delay_ms = failure, at, delay_ms
        self.retry_at, self.shift_ms = None, 0
        self.interrupted = False
        self.told = self.attempt + 1
        if failure == INTERRUPTED:
            self.deaths += 1
        elif failure == NOT_YET:
            self.failures = self.deaths = 0
            self.checks += 1
        else:
            self.failures += 1

    def shift(self, still_ms: int) -> None:
        """Note that the instance stood still: its time did not run."""
        self.shift_ms += still_ms
        self.paused_ms += still_ms

    def opening(self, detail: dict[str, object]) -> Opened:
        """Tell that it opened."""
        return Opened(self.key, self.kind, self.opened_at, self.digest, detail, self.order, self.site)

    def settling(self, outcome: Outcome, at: int) -> Settled:
        """Note how it ended, and tell that and of its last attempt."""
        self.outcome = outcome
        step, told, event = self.step, self.told, self.event
        return Settled(
            self.key,
            self.kind,
            at,
            outcome,
            self.digest,
            self.opened_at,
            self.attempt,
            self.began_at,
            None if event is None else event.event,
            {} if told or step is None else step.describe(),
            self.order,
            "" if told else self.site,
        )
