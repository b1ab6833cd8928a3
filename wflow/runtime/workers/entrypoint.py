"""The Worker of a Cloudflare project: a class, or functions such as `on_fetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wflow.runtime import authoring
from wflow.runtime.fitting import fitting

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

HANDLERS: Final = ("fetch", "scheduled", "queue")


class WorkerEntrypoint(authoring.WorkerEntrypoint):
    """The class to derive from; its handlers get a `workers.Request`."""


def of_functions(module: ModuleType) -> type[WorkerEntrypoint] | None:
    """Make a Worker of a module's functions, `on_fetch(request, env, ctx)` and its like; None without any."""
    found = {name: getattr(module, f"on_{name}", None) for name in HANDLERS}
    methods = {name: _method(function) for name, function in found.items() if callable(function)}
    return type("Default", (WorkerEntrypoint,), methods) if methods else None


def _method(function: Callable[..., object]) -> Callable[[Any, object], object]:
    def call(self: WorkerEntrypoint, what: object) -> object:
        return function(*fitting(function, what, self.env, self.ctx))

    return call
