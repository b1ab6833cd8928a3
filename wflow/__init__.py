"""Durable workflows in plain Python, after Cloudflare Workflows, on your own machines.

What user code imports; everything is loaded at its first use, so that `import wflow` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from wflow.errors import (
        InstanceEnded,
        InstanceExists,
        InstanceNotFound,
        InstanceTerminated,
        InvalidInput,
        MapFailed,
        MismatchError,
        NonDeterminismError,
        NonRetryableError,
        RollbackMissing,
        StepFailed,
        StepInterrupted,
        TooLarge,
        TooMany,
        UnserializableError,
        WflowError,
        WorkflowInternalError,
        WorkflowTimeoutError,
        WrongMove,
    )
    from wflow.runtime.authoring import WorkerEntrypoint, WorkflowEntrypoint
    from wflow.runtime.context import Context
    from wflow.runtime.event import Event
    from wflow.runtime.http import Request, Response
    from wflow.runtime.idempotency import idempotent
    from wflow.runtime.stream import Stream

_HOMES = {
    "Context": "wflow.runtime.context",
    "Event": "wflow.runtime.event",
    "Request": "wflow.runtime.http",
    "Response": "wflow.runtime.http",
    "Stream": "wflow.runtime.stream",
    "WorkerEntrypoint": "wflow.runtime.authoring",
    "WorkflowEntrypoint": "wflow.runtime.authoring",
    "idempotent": "wflow.runtime.idempotency",
}

__all__ = [
    "Context",
    "Event",
    "InstanceEnded",
    "InstanceExists",
    "InstanceNotFound",
    "InstanceTerminated",
    "InvalidInput",
    "MapFailed",
    "MismatchError",
    "NonDeterminismError",
    "NonRetryableError",
    "Request",
    "Response",
    "RollbackMissing",
    "StepFailed",
    "StepInterrupted",
    "Stream",
    "TooLarge",
    "TooMany",
    "UnserializableError",
    "WflowError",
    "WorkerEntrypoint",
    "WorkflowEntrypoint",
    "WorkflowInternalError",
    "WorkflowTimeoutError",
    "WrongMove",
    "__version__",
    "idempotent",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module 'wflow' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value: object = getattr(import_module(_HOMES.get(name, "wflow.errors")), name)
    globals()[name] = value
    return value
