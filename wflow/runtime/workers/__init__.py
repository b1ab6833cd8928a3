"""What Cloudflare's Python Workers import as `workers`, on native Python.

A runtime gives these modules Cloudflare's names before it imports a project (`wflow.runtime.aliases`), so
that `from workers import WorkerEntrypoint, Response` finds them here. Whatever rests on JavaScript's objects
is missing: values are plain Python, and go to bindings as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from wflow.runtime.authoring import WorkflowEntrypoint
from wflow.runtime.env import Env
from wflow.runtime.execution import ExecutionContext as Context
from wflow.runtime.execution import wait_until
from wflow.runtime.forms import Blob, File, FormData
from wflow.runtime.workers.entrypoint import WorkerEntrypoint
from wflow.runtime.workers.headers import Headers
from wflow.runtime.workers.outgoing import fetch
from wflow.runtime.workers.request import Request
from wflow.runtime.workers.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FetchResponse = Response
waitUntil = wait_until  # noqa: N816 - Cloudflare's spelling

env = Env({})
"""The bindings and variables, for code outside of a handler; set before the project is imported."""

__all__ = [
    "Blob",
    "Context",
    "FetchResponse",
    "File",
    "FormData",
    "Headers",
    "Request",
    "Response",
    "WorkerEntrypoint",
    "WorkflowEntrypoint",
    "env",
    "fetch",
    "handler",
    "python_from_rpc",
    "python_to_rpc",
    "waitUntil",
    "wait_until",
]


def handler(function: Callable[..., T]) -> Callable[..., T]:
    """Decorate a handler: give it back as it is, since its arguments are Python's own."""
    return function


def python_from_rpc(value: T) -> T:
    """Give the value: it is Python's already."""
    return value


def python_to_rpc(value: T) -> T:
    """Give the value: bindings take Python's own."""
    return value
