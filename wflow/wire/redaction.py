"""Taking out of a history what is nobody's business, so that its shape stays and it can still be replayed.

Each text becomes another one, each number another number, the same wherever it comes again; so what was equal
stays equal. What is empty, zero or below zero stays so, as code decides by that. Names of steps, of keys and
of types, ids, times and the code's own lines stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from msgspec.structs import replace

from wflow.engine import names, values
from wflow.engine.facts import Fact, Failed, Logged, Moved, Opened, Received, Settled
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Err, Failure, Ok, Outcome
from wflow.engine.stream import Reference
from wflow.wire import portable
from wflow.wire.shown import is_sensitive

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL: Final = "all"
SENSITIVE: Final = "sensitive"
CHANCE: Final = "chance"
KEY: Final = "key:"
KEYS: Final = 100
"""Names of keys that one history can be asked to redact."""
KEY_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What is to be taken out: everything, what stands under some keys, outputs of sensitive steps.

    Keys are compared without regard to case. ``chance`` is the seed: whoever has it knows what the instance
    draws, now and later, and the keys under which its steps ask others for something.
    """

    everything: bool = False
    keys: frozenset[str] = frozenset()
    sensitive: bool = True
    chance: bool = False

    def words(self) -> list[str]:
        """Say it in a history."""
        found = [ALL] if self.everything else [f"{KEY}{key}" for key in sorted(self.keys)]
        if self.sensitive and not self.everything:
            found.append(SENSITIVE)
        return [*found, CHANCE] if self.chance else found


class Redactor:
    """Takes it out, of one history from its beginning to its end; ``replaced`` counts what was."""

    def __init__(self, redaction: Redaction) -> None:
        """Begin a history."""
        self.replaced = 0
        self._everything = redaction.everything
        self._keys = frozenset(key.casefold() for key in redaction.keys)
        self._hides = redaction.sensitive or redaction.everything
        self._chance = redaction.chance
        self._sensitive: set[str] = set()
        self._texts: dict[bytes, int] = {}
        self._numbers: dict[int | float | Decimal, int] = {}

    def value(self, raw: bytes, *, whole: bool = False) -> bytes:
        """Redact an encoded value; all of it if it is ``whole``."""
        whole = whole or self._everything
        if not whole and not self._keys:
            return raw
        before = self.replaced
        try:
            given = self._within(portable.decoded(raw), whole=whole)
        except ValueError:
            self.replaced += 1
            return values.NONE
        if self.replaced == before:
            return raw
        if isinstance(given, Reference):
            return values.encode_stream(given)
        return values.encode(given, limit=names.STATE_BYTES)

    def seed(self, raw: bytes) -> bytes:
        """Redact the seed."""
        if self._chance and raw:
            self.replaced += 1
            return b""
        return raw

    def tags(self, given: Iterable[str]) -> list[str]:
        """Redact an instance's tags."""
        tags = list(given)
        if self._everything and tags:
            self.replaced += 1
            return []
        return tags

    def failure(self, one: Failure) -> Failure:
        """Redact a failure; with keys to redact, what it carries goes unless it is clear of them."""
        if one in (INTERRUPTED, NOT_YET):
            return one
        cause = None if one.cause is None else self.failure(one.cause)
        group = [self.failure(member) for member in one.group]
        if not self._everything:
            kept, args = (self._carried(raw) for raw in (one.kept, one.args))
            notes = [note for note in one.notes if not note or self._carried(note.encode())]
            trace = self._carried(one.trace.encode()).decode()
            return replace(one, cause=cause, group=group, kept=kept, args=args, notes=notes, trace=trace)
        self.replaced += 1
        said = self._text(one.message)
        message = repr(said) if one.path == "builtins:KeyError" else said
        return Failure(
            name=one.name,
            message=message,
            path=one.path,
            args=values.encode([said]),
            cause=cause,
            retryable=one.retryable,
            group=group,
        )

    def fact(self, fact: Fact) -> Fact:
        """Redact a fact; arguments are compared no more once anything was replaced."""
        match fact:
            case Opened():
                self._note(fact)
                return replace(fact, digest=b"") if self.replaced else fact
            case Settled():
                self._note(fact)
                outcome = self._outcome(fact.outcome, whole=fact.key in self._sensitive and self._hides)
                return replace(fact, outcome=outcome, digest=b"" if self.replaced else fact.digest)
            case Failed():
                return replace(fact, failure=self.failure(fact.failure))
            case Received():
                return self.received(fact)
            case Moved():
                output = None if fact.output is None else self.value(fact.output)
                failure = None if fact.failure is None else self.failure(fact.failure)
                return replace(fact, output=output, failure=failure)
            case Logged() if self._everything or self._keys:
                message = self._text(fact.message) if self._everything else fact.message
                detail: Any = self._within(fact.detail, whole=self._everything)
                return replace(fact, message=message, detail=detail)
        return fact

    def received(self, event: Received) -> Received:
        """Redact an event."""
        outcome = portable.child(event)
        if outcome is None:
            return replace(event, payload=self.value(event.payload))
        return replace(event, payload=portable.as_payload(self._outcome(outcome)))

    def _note(self, fact: Opened | Settled) -> None:
        if is_sensitive(fact.detail):
            self._sensitive.add(fact.key)

    def _outcome(self, outcome: Outcome, *, whole: bool = False) -> Outcome:
        match outcome:
            case Ok(raw, beside):
                return Ok(self.value(raw, whole=whole), beside)
            case Err(failure):
                return Err(self.failure(failure))

    def _carried(self, raw: bytes) -> bytes:
        """Let go of what an error carries, as soon as a key that is to be redacted is written in it."""
        written = raw.decode(errors="replace").casefold()
        if not any(key in written for key in self._keys):
            return raw
        self.replaced += 1
        return b""

    def _within(self, given: object, *, whole: bool) -> object:
        match given:
            case dict():
                return {
                    key: self._within(
                        item, whole=whole or (isinstance(key, str) and key.casefold() in self._keys)
                    )
                    for key, item in given.items()
                }
            case list() | tuple():
                items = [self._within(item, whole=whole) for item in given]
                return tuple(items) if isinstance(given, tuple) else items
            case set() | frozenset():
                members = [self._within(item, whole=whole) for item in given]
                return type(given)(members)
            case None | bool():
                return given
        return self._other(given) if whole else given

    def _other(self, given: object) -> object:
        """Give what takes the place of one thing."""
        if not given and isinstance(given, (str, int, float, Decimal, bytes)):
            return given
        self.replaced += 1
        match given:
            case str():
                return self._text(given)
            case int():
                return self._number(given)
            case float():
                return float(self._number(given))
            case Decimal():
                return Decimal(self._number(given))
            case bytes():
                return b"redacted"
            case datetime():
                return datetime(1970, 1, 1, tzinfo=None if given.tzinfo is None else UTC)
            case date():
                return date(1970, 1, 1)
            case time():
                return time(0)
            case timedelta():
                return timedelta(0)
            case UUID():
                return UUID(int=0)
            case Reference():
                return replace(given, token="", digest="")
        return None

    def _text(self, given: str) -> str:
        digest = blake2b(given.encode(errors="replace"), digest_size=16).digest()
        return f"redacted-{self._texts.setdefault(digest, len(self._texts) + 1)}"

    def _number(self, given: float | Decimal) -> int:
        if isinstance(given, Decimal) and given.is_nan():
            return 1
        number = self._numbers.setdefault(given, len(self._numbers) + 1)
        return -number if given < 0 else number
