"""How the API shows what the runner and its store hold, under Cloudflare's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.engine import status
from wflow.wire.shown import Shown, kept_failure, moment, rollback, told, value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.server.tokens import Token
    from wflow.stores.store import Instance
    from wflow.wire.types import Registered, Version

_SUCCESS: Final = {status.COMPLETE: True, status.ERRORED: False, status.TERMINATED: False}


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
        "default_retention": {
            "success_retention": registered.success_retention_ms,
            "error_retention": registered.error_retention_ms,
        },
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
        "expires_on": moment(instance.expires_at),
        "version_id": instance.version,
        "workflow_id": instance.workflow,
        "trigger_source": instance.trigger,
        "tags": list(instance.tags),
    }


def instance(one: Instance, steps: list[Shown] | None, step_count: int) -> Shown:
    """Show an instance with all that is known of it; without its steps when they are not wanted."""
    shown: Shown = {
        "id": one.id,
        "status": one.status,
        "params": value(one.params),
        "trigger": {"source": one.trigger},
        "versionId": one.version,
        "queued": moment(one.created_at),
        "start": moment(one.started_at),
        "end": moment(one.ended_at),
        "expires_on": moment(one.expires_at),
        "success": _SUCCESS.get(one.status),
        "error": kept_failure(one.failure, traced=True),
        "output": None if one.output is None else value(one.output),
        "rollback": rollback(one.rollback),
        **told(one.shown),
        "tags": list(one.tags),
        "step_count": step_count,
    }
    return shown if steps is None else {**shown, "steps": steps}


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
