"""How the API shows what the runner and its store hold, under Cloudflare's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.engine import status
from wflow.wire import crons, rates
from wflow.wire.crons import Cron
from wflow.wire.shown import Shown, kept_failure, moment, rollback, told, value
from wflow.wire.wanted import PRIORITY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.bundle.manifest import Manifest
    from wflow.server.tokens import Token
    from wflow.stores.store import Instance
    from wflow.wire.types import Deployment, Registered, Version

SOURCE: Final = "api"
"""Where versions and deployments come from, in Cloudflare's words."""

_SUCCESS: Final = {status.COMPLETE: True, status.ERRORED: False, status.TERMINATED: False}


def workflow(registered: Registered, counts: Mapping[str, int], triggered_at: int | None, now: int) -> Shown:
    """Show a workflow with its instances per status; its name is its id."""
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
        "concurrency": _concurrency(registered) or None,
        "limits": {"steps": registered.step_limit, **_creations(registered)},
        "default_retention": {
            "success_retention": registered.success_retention_ms,
            "error_retention": registered.error_retention_ms,
        },
        "schedules": [
            {"cron": cron, "next_instance": moment(Cron(cron).next(now))} for cron in registered.schedules
        ],
    }


def instance_in_list(instance: Instance, number: int | None) -> Shown:
    """Show an instance as one of many; ``number`` is its version's."""
    return {
        "id": instance.id,
        "status": instance.status,
        "created_on": moment(instance.created_at),
        "modified_on": moment(instance.modified_at),
        "started_on": moment(instance.started_at),
        "ended_on": moment(instance.ended_at),
        "expires_on": moment(instance.expires_at),
        "version_id": instance.version,
        "version_number": number,
        "workflow_id": instance.workflow,
        "trigger_source": instance.trigger,
        "tags": list(instance.tags),
        **_admitted(instance),
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
        **_admitted(one),
        **_scheduled(one),
        "step_count": step_count,
    }
    return shown if steps is None else {**shown, "steps": steps}


def _scheduled(one: Instance) -> Shown:
    """Show what created an instance, if that was a schedule."""
    found = crons.told(one.id)
    return {} if found is None else {"schedule": {"cron": found[0], "scheduledTime": found[1]}}


def _admitted(one: Instance) -> Shown:
    """Show what decides when an instance goes, where it is not as with most."""
    told: Shown = {} if one.priority == PRIORITY else {"priority": one.priority}
    return told if one.concurrency_key is None else {**told, "concurrency_key": one.concurrency_key}


def _concurrency(one: Registered) -> Shown:
    """Show how many of a workflow's instances run at once, as far as that is bounded."""
    told = {
        "limit": one.concurrency,
        "key": one.concurrency_key,
        "per_key": one.per_key,
        "rate": None if one.start_rate is None else rates.shown(one.start_rate),
    }
    return {key: value for key, value in told.items() if value is not None}


def _creations(one: Registered) -> Shown:
    return {} if one.creation_rate is None else {"creations": rates.shown(one.creation_rate)}


def version(one: Version) -> Shown:
    """Show a version, under Cloudflare's keys and beside them under plain ones."""
    created = moment(one.created_at)
    return {
        "id": one.id,
        "number": one.number,
        "metadata": {
            "author_email": one.author,
            "author_id": one.author,
            "created_on": created,
            "modified_on": created,
            "source": SOURCE,
            "hasPreview": False,
        },
        "annotations": {**_said(one.message, one.tag), "workers/triggered_by": "upload"},
        "script_name": one.worker,
        "digest": one.digest,
        "message": one.message,
        "tag": one.tag,
        "author": one.author,
        "created_on": created,
        "size_bytes": one.size_bytes,
        "workflows": one.workflows,
    }


def resources(manifest: Manifest) -> Shown:
    """Show what a version is made of: its bindings, its classes, and how it is run."""
    workflows = (
        {"type": "workflow", "name": one.binding, "workflow_name": one.name, "class_name": one.class_name}
        for one in manifest.workflows
    )
    namespaces = (
        {"type": "kv_namespace", "name": one.binding, "namespace_id": one.id} for one in manifest.kv
    )
    databases = (
        {"type": "d1", "name": one.binding, "id": one.id, "database_id": one.id, "database_name": one.name}
        for one in manifest.d1
    )
    queues = (
        {
            "type": "queue",
            "name": one.binding,
            "queue_name": one.queue,
            **({} if one.delivery_delay is None else {"delivery_delay": one.delivery_delay}),
        }
        for one in manifest.producers
    )
    services = (
        {
            "type": "service",
            "name": one.binding,
            "service": one.service,
            **({} if one.entrypoint is None else {"entrypoint": one.entrypoint}),
        }
        for one in manifest.services
    )
    variables = (
        {"type": "plain_text", "name": name, "text": given}
        if isinstance(given, str)
        else {"type": "json", "name": name, "json": given}
        for name, given in manifest.vars.items()
    )
    return {
        "bindings": [*workflows, *namespaces, *databases, *queues, *services, *variables],
        "script": {
            "etag": manifest.digest,
            "handlers": ["fetch"],
            "named_handlers": [{"name": one.class_name, "handlers": ["run"]} for one in manifest.workflows],
            "last_deployed_from": "wflow",
        },
        "script_runtime": {
            "usage_model": "standard",
            "python": manifest.python,
            "wflow": manifest.wflow,
            **({"compatibility_date": manifest.compatibility_date} if manifest.compatibility_date else {}),
        },
    }


def deployment(one: Deployment) -> Shown:
    """Show a deployment; the main version comes first."""
    return {
        "id": one.id,
        "source": SOURCE,
        "strategy": "percentage",
        "author_email": one.author,
        "created_on": moment(one.created_at),
        "annotations": {**_said(one.message), "workers/triggered_by": one.trigger},
        "versions": [{"version_id": each.version, "percentage": each.percentage} for each in one.shares],
    }


def _said(message: str, tag: str = "") -> Shown:
    """Give the annotations that a person has made; what is empty is left out."""
    said = {"workers/message": message, "workers/tag": tag}
    return {key: text for key, text in said.items() if text}


def token(one: Token) -> Shown:
    """Show a token, which has no secret any more."""
    return {"id": one.id, "name": one.name, "scope": one.scope, "created_on": moment(one.created_at)}
