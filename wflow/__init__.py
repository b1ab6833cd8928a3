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
        InvalidInput,
        MismatchError,
        NonDeterminismError,
        NonRetryableError,
        StepFailed,
        TooLarge,
        TooMany,
        UnserializableError,
        WflowError,
        WorkflowInternalError,
        WorkflowTimeoutError,
    )
    from wflow.runtime.authoring import WorkerEntrypoint, WorkflowEntrypoint
    from wflow.runtime.context import Context
    from wflow.runtime.event import Event
    from wflow.runtime.http import Request, Response

_HOMES = {
    "Context": "wflow.runtime.context",
    "Event": "wflow.runtime.event",
    "Request": "wflow.runtime.http",
    "Response": "wflow.runtime.http",
    "WorkerEntrypoint": "wflow.runtime.authoring",
    "WorkflowEntrypoint": "wflow.runtime.authoring",
}

__all__ = [
    "Context",
    "Event",
    "InstanceEnded",
    "InstanceExists",
    "InstanceNotFound",
    "InvalidInput",
    "MismatchError",
    "NonDeterminismError",
    "NonRetryableError",
    "Request",
    "Response",
    "StepFailed",
    "TooLarge",
    "TooMany",
    "UnserializableError",
    "WflowError",
    "WorkerEntrypoint",
    "WorkflowEntrypoint",
    "WorkflowInternalError",
    "WorkflowTimeoutError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module 'wflow' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value: object = getattr(import_module(_HOMES.get(name, "wflow.errors")), name)
    globals()[name] = value
    return value
