"""What a history tells a person: its outcomes, one a line, in the order in which the code heard of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wflow.engine import values
from wflow.engine.facts import Opened, Received, Settled
from wflow.engine.outcome import Ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.engine.facts import Fact
    from wflow.engine.outcome import Failure
    from wflow.engine.unheard import Unseen

HIDDEN: Final = "[REDACTED]"
"""Stands for what a sensitive step gave."""
SHORT: Final = 60
"""Characters of a value in a list."""
KINDS: Final = {
    "do": "step",
    "sleep": "sleep",
    "waitForEvent": "event",
    "poll": "poll",
    "rollback": "rollback",
}
"""What the kinds of steps are called here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An outcome: ``value`` is JSON's, ``error`` what failed; ``secret`` is what is hidden, decoded."""

    number: int
    name: str
    kind: str
    site: str
    at: int
    value: Any = None
    error: str | None = None
    secret: Any = None

    @property
    def text(self) -> str:
        """Say what it was, at length."""
        if self.error is not None:
            return self.error
        return self.value if self.value is HIDDEN else json.dumps(self.value, ensure_ascii=False)

    @property
    def short(self) -> str:
        """Say it in a few words."""
        text = self.text.replace("\n", " ")
        return text if len(text) <= SHORT else f"{text[: SHORT - 3]}..."


def listed(
    outcomes: Sequence[Unseen], journal: Sequence[Fact], *, with_sensitive: bool = False
) -> list[Shown]:
    """Show ``outcomes``, which are of the ``journal``; outputs of sensitive steps if that is asked for."""
    lines = _Lines(journal, with_sensitive=with_sensitive)
    return [lines.line(number, one) for number, one in enumerate(outcomes, 1)]


class _Lines:
    """What the rest of the journal says of its outcomes."""

    def __init__(self, journal: Sequence[Fact], *, with_sensitive: bool) -> None:
        self._sites: dict[str, str] = {}
        self._details: dict[str, dict[str, object]] = {}
        self._events: dict[int, Received] = {}
        self._hides = not with_sensitive
        for fact in journal:
            match fact:
                case Opened(key=key, site=site, detail=detail):
                    self._sites[key], self._details[key] = site, detail
                case Received(event=event):
                    self._events[event] = fact

    def line(self, number: int, one: Unseen) -> Shown:
        match one:
            case Settled():
                return self._settled(number, one)
            case Received(type=type_):
                return Shown(number=number, name=type_.removeprefix("."), kind="request", site="", at=one.at)
        error = None if one.failure is None else _error(one.failure)
        return Shown(number=number, name="undo", kind="rollback", site="", at=one.at, error=error)

    def _settled(self, number: int, fact: Settled) -> Shown:
        key = fact.key
        value: Any = None
        error: str | None = None
        secret: Any = None
        match fact.outcome:
            case Ok(raw):
                detail = fact.detail or self._details.get(key, {})
                decoded = self._value(fact, raw)
                value = values.json_ready(decoded)
                if self._hides and detail.get("sensitive") == "output":
                    value, secret = HIDDEN, decoded
            case failed:
                error = _error(failed.failure)
        return Shown(
            number=number,
            name=key,
            kind=KINDS.get(fact.kind, fact.kind),
            site=fact.site or self._sites.get(key, ""),
            at=fact.at,
            value=value,
            error=error,
            secret=secret,
        )

    def _value(self, fact: Settled, raw: bytes) -> object:
        event = None if fact.event is None else self._events.get(fact.event)
        return values.decode(raw if event is None else event.payload)


def _error(failure: Failure) -> str:
    return f"{failure.name}: {failure.message}" if failure.message else failure.name
