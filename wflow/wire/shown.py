"""How a step, a failure, an instant and a value are shown: as plain values, under Cloudflare's keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import names, values
from wflow.engine.facts import (
    FAILED,
    MOVED,
    OPENED,
    RECEIVED,
    SETTLED,
    TRIED,
    Fact,
    Failed,
    Received,
    Settled,
)
from wflow.engine.outcome import NOT_YET, Failure, Ok, Outcome, RolledBack
from wflow.engine.requests import CHILD
from wflow.engine.retry import DEFAULT
from wflow.engine.steps.do import REDACTED

if TYPE_CHECKING:
    from wflow.engine.timeline import AttemptShown, StepShown

Shown = dict[str, object]

OUTPUT_BYTES: Final = 16 * names.KIB
"""A step's output in the list of steps; a longer one is cut."""
OUTPUTS_BYTES: Final = 8 * names.MIB
"""All outputs in one list of steps; those after it are cut to nothing."""
CUT: Final = "[truncated output]"
STEP_TAGS: Final = frozenset({OPENED, TRIED, FAILED, SETTLED, RECEIVED, MOVED})
"""The tags of the facts that `timeline` makes steps of."""

_KINDS: Final = {"do": "step", "poll": "step"}
_TRIED_KINDS: Final = frozenset({"do", "poll", "rollback"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_799_999
_DEFAULT_CONFIG: Final[Shown] = {
    "retries": {"limit": DEFAULT.limit, "delay": DEFAULT.delay_ms, "backoff": DEFAULT.backoff},
    "timeout": DEFAULT.timeout_ms,
}


def moment(at: int | None) -> str | None:
    """Show an instant in UTC, to the millisecond; those beyond the year 9999 as its last."""
    if at is None:
        return None
    instant = _EPOCH + timedelta(milliseconds=min(at, _LAST))
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1_000:03}Z"


def step(one: StepShown) -> Shown:
    """Show a step; the keys depend on its kind, as Cloudflare's do.

    A sleep and a wait that go on have the ``end`` that is planned for them.
    """
    tried = is_tried(one)
    told: Shown = {
        "name": one.key,
        "type": kind(one),
        "start": moment(one.start),
        "end": moment(one.end if one.finished or tried else one.until),
        "success": one.success,
        "finished": one.finished,
        "config": {**_DEFAULT_CONFIG, **one.config} if tried else one.config,
        "output": output(one),
        "error": None if one.error is None else failure(one.error),
    }
    if tried:
        told["attempts"] = [attempt(each) for each in one.attempts]
        told["retry_at"] = moment(one.retry_at)
    if one.until is not None:
        told["until"] = moment(one.until)
    if one.kind == "waitForEvent":
        told["event_type"] = one.config.get("type")
    return told


def kind(one: StepShown) -> str:
    """Name a step's kind in Cloudflare's words: step, sleep, waitForEvent, rollback."""
    return _KINDS.get(one.kind, one.kind)


def is_tried(one: StepShown) -> bool:
    """Tell whether a step calls a function of the user's, so that it has attempts."""
    return one.kind in _TRIED_KINDS


def output(one: StepShown) -> object:
    """Show what a step gave: a value, the event of a wait, None while there is none; a secret is kept."""
    if one.event is not None:
        event = one.event
        return {"payload": payload(event), "timestamp": moment(event.sent_at), "type": event.type}
    if one.output is None:
        return None
    return REDACTED if is_sensitive(one.config) else value(one.output)


def payload(event: Received) -> object:
    """Show what an event brought; of a child that is over, what it gave, or its `error`."""
    if not event.type.startswith(CHILD):
        return value(event.payload)
    outcome = _outcome(event)
    return value(outcome.value) if isinstance(outcome, Ok) else {"error": failure(outcome.failure)}


def is_sensitive(detail: dict[str, object]) -> bool:
    """Tell by a step's detail whether nobody but its workflow may see its output."""
    return detail.get("sensitive") == "output"


def attempt(one: AttemptShown) -> Shown:
    """Show an attempt; a check of a poll that said to go on has done what it should."""
    said_no = one.error == NOT_YET
    return {
        "start": moment(one.start),
        "end": moment(one.end),
        "success": True if said_no else one.success,
        "error": None if one.error is None or said_no else failure(one.error),
    }


def failure(one: Failure, *, traced: bool = False) -> Shown:
    """Show an error with Cloudflare's two keys, and with its traceback where it is the whole story."""
    told: Shown = {"name": one.name, "message": one.message}
    return {**told, "trace": one.trace} if traced and one.trace else told


def kept_failure(raw: bytes | None, *, traced: bool = False) -> Shown | None:
    """Show an encoded Failure; None when there is none."""
    return None if raw is None else failure(_failure_decoder.decode(raw), traced=traced)


def rollback(raw: bytes | None) -> Shown | None:
    """Show an encoded RolledBack, that is how undoing an instance's steps went; None when it was not done."""
    if raw is None:
        return None
    failed = _rollback_decoder.decode(raw).failure
    if failed is None:
        return {"outcome": "complete", "error": None}
    return {"outcome": "failed", "error": failure(failed)}


def told(raw: bytes | None) -> Shown:
    """Show what an instance's code tells of it: ``progress`` and ``state``, None while it has not."""
    found = None if raw is None else value(raw)
    given = found if isinstance(found, dict) else {}
    return {"progress": given.get("progress"), "state": given.get("state")}


def value(raw: bytes) -> object:
    """Show an encoded value with JSON's types."""
    return values.json_ready(values.decode(raw))


def trimmed(fact: Fact, limit: int) -> tuple[Fact, int]:
    """Cut the value of a fact to ``limit`` bytes of its JSON, and leave tracebacks out; say what it takes."""
    match fact:
        case Settled(outcome=Ok(kept)) if not is_sensitive(fact.detail):
            short = _cut(kept, limit)
            return msgspec.structs.replace(fact, outcome=Ok(short)), len(short)
        case Received(type=type_) if type_.startswith(CHILD):
            outcome = _outcome(fact)
            left = Ok(_cut(outcome.value, limit)) if isinstance(outcome, Ok) else outcome
            short = values.encode(msgspec.msgpack.encode(left))
            return msgspec.structs.replace(fact, payload=short), len(short)
        case Received(payload=raw):
            short = _cut(raw, limit)
            return msgspec.structs.replace(fact, payload=short), len(short)
        case Failed(failure=failed):
            return msgspec.structs.replace(fact, failure=Failure(name=failed.name, message=failed.message)), 0
    return fact, 0


def _outcome(event: Received) -> Outcome:
    """Read how a child ended."""
    return _outcome_decoder.decode(msgspec.convert(values.decode(event.payload), bytes))


def _cut(raw: bytes, limit: int) -> bytes:
    if len(raw) <= max(limit, 16):
        return raw
    text = msgspec.json.encode(value(raw), enc_hook=str)[: max(limit, 0)]
    return values.encode(text.decode(errors="ignore") + CUT)


_failure_decoder = msgspec.msgpack.Decoder(Failure)
_outcome_decoder: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)
_rollback_decoder = msgspec.msgpack.Decoder(RolledBack)
