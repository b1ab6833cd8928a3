"""How the API shows things: plain values under Cloudflare's keys, and instants as ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import status, values
from wflow.engine.outcome import Failure
from wflow.engine.retry import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.engine.timeline import AttemptShown, StepShown
    from wflow.server.tokens import Token
    from wflow.stores.store import Instance
    from wflow.wire.types import Registered, Version

Shown = dict[str, object]

_KINDS: Final = {"do": "step"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_799_999
_SUCCESS: Final = {status.COMPLETE: True, status.ERRORED: False, status.TERMINATED: False}
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


def workflow(registered: Registered, counts: Mapping[str, int], triggered_at: int | None) -> Shown:
    """Show a workflow with its instances per status; its name is its id."""
    limit = registered.concurrency
    return {
        "id": registered.name,
        "name": registered.name,
        "script_name": registered.script_name,
        "class_name": registered.class_name,
        "version_id": registered.version,
        "created_on": moment(registered.created_at),
        "modified_on": moment(registered.modified_at),
        "triggered_on": moment(triggered_at),
        "instances": {each: counts.get(each, 0) for each in status.ALL},
        "concurrency": None if limit is None else {"limit": limit},
        "limits": {"steps": registered.step_limit},
    }


def instance_in_list(instance: Instance) -> Shown:
    """Show an instance as one of many."""
    return {
        "id": instance.id,
        "status": instance.status,
        "created_on": moment(instance.created_at),
        "modified_on": moment(instance.modified_at),
        "started_on": moment(instance.started_at),
        "ended_on": moment(instance.ended_at),
        "version_id": instance.version,
        "workflow_id": instance.workflow,
        "trigger_source": instance.trigger,
    }


def instance(one: Instance, steps: list[Shown] | None, step_count: int) -> Shown:
    """Show an instance with all that is known of it; without its steps when they are not wanted."""
    told: Shown = {
        "id": one.id,
        "status": one.status,
        "params": value(one.params),
        "trigger": {"source": one.trigger},
        "versionId": one.version,
        "queued": moment(one.created_at),
        "start": moment(one.started_at),
        "end": moment(one.ended_at),
        "success": _SUCCESS.get(one.status),
        "error": None if one.failure is None else failure(_failure_decoder.decode(one.failure), traced=True),
        "output": None if one.output is None else value(one.output),
        "rollback": None,
        "step_count": step_count,
    }
    return told if steps is None else {**told, "steps": steps}


def step(one: StepShown) -> Shown:
    """Show a step; the keys depend on its kind, as Cloudflare's do."""
    told: Shown = {
        "name": one.key,
        "type": _KINDS.get(one.kind, one.kind),
        "start": moment(one.start),
        "end": moment(one.end),
        "success": one.success,
        "finished": one.finished,
        "config": one.config or (_DEFAULT_CONFIG if one.kind == "do" else {}),
        "output": _output(one),
        "error": None if one.error is None else failure(one.error),
    }
    if one.kind == "do":
        told["attempts"] = [attempt(each) for each in one.attempts]
        told["retry_at"] = moment(one.retry_at)
    if one.until is not None:
        told["until"] = moment(one.until)
    return told


def attempt(one: AttemptShown) -> Shown:
    """Show an attempt."""
    return {
        "start": moment(one.start),
        "end": moment(one.end),
        "success": one.success,
        "error": None if one.error is None else failure(one.error),
    }


def failure(one: Failure, *, traced: bool = False) -> Shown:
    """Show an error with Cloudflare's two keys, and with its traceback where it is the whole story."""
    told: Shown = {"name": one.name, "message": one.message}
    return {**told, "trace": one.trace} if traced and one.trace else told


def version(one: Version) -> Shown:
    """Show a version."""
    return {
        "id": one.id,
        "number": one.number,
        "script_name": one.worker,
        "digest": one.digest,
        "message": one.message,
        "author": one.author,
        "created_on": moment(one.created_at),
        "size_bytes": one.size_bytes,
        "workflows": one.workflows,
    }


def token(one: Token) -> Shown:
    """Show a token, which has no secret any more."""
    return {"id": one.id, "name": one.name, "scope": one.scope, "created_on": moment(one.created_at)}


def value(raw: bytes) -> object:
    """Show an encoded value with JSON's types."""
    return values.json_ready(values.decode(raw))


def _output(one: StepShown) -> object:
    if one.event is not None:
        event = one.event
        return {"payload": value(event.payload), "timestamp": moment(event.sent_at), "type": event.type}
    return None if one.output is None else value(one.output)


_failure_decoder = msgspec.msgpack.Decoder(Failure)
