"""What a call of the step API is made of: which step, its name, the functions it runs, what it keeps."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.bundle.scopes import Function, Self, StepApi

if TYPE_CHECKING:
    from wflow.bundle.scopes import Scope

STEPS: Final = {
    *("do", "sleep", "sleep_until", "wait_for_event", "map", "poll", "call"),
    *("sleepUntil", "waitForEvent"),
}
OUTSIDE_ONLY: Final = {"now", "uuid4", "random", "patched"}
"""What is no step, and refuses in a step's function all the same."""

_FUNCTION_AT: Final = {"do": 1, "map": 0, "poll": 1}
_FUNCTION_KEYS: Final = {"function", "check", "fn", "callback"}
_ASIDE: Final = {"rollback"}
_KEPT_AT: Final = {"call": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall:
    """A call of a method of the step API that is a step."""

    method: str
    call: ast.Call
    name: ast.expr | None
    formerly: ast.expr | None
    body: ast.expr | None
    """The step's function, when it is among the arguments."""
    aside: tuple[ast.expr, ...]
    """Other functions that run like a step's: a rollback, a delay."""
    kept: ast.expr | None
    """What is given to a child workflow."""

    def others(self) -> list[ast.expr]:
        """Give what it is called with, but for its names."""
        given = [*self.call.args, *(keyword.value for keyword in self.call.keywords)]
        return [value for value in given if value not in (self.name, self.formerly)]


def step_call(scope: Scope, call: ast.Call) -> StepCall | None:
    """Read a call; None when it is no step."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr=method) if method in STEPS:
            if isinstance(scope.meaning(name), StepApi):
                return _read(method, call)
    return None


def api_call(scope: Scope, call: ast.Call) -> str | None:
    """Name the method of the step API that a call asks for and that only workflow code has."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr=method) if method in STEPS | OUTSIDE_ONLY:
            if isinstance(scope.meaning(name), StepApi):
                return method
    return None


def is_body(function: Function) -> bool:
    """Say whether a decorator makes a function a step."""
    return declaration(function) is not None


def declaration(function: Function) -> StepCall | None:
    """Give the decorator that makes a function a step."""
    if isinstance(function.node, ast.Lambda):
        return None
    for decorator in function.node.decorator_list:
        if isinstance(decorator, ast.Call) and (found := step_call(function.scope, decorator)):
            return found
    return None


def is_binding_call(scope: Scope, call: ast.Call) -> bool:
    """Say whether a call is one of a binding's, ``self.env.KV.put(...)``, which is a step of its own."""
    match call.func:
        case ast.Attribute(value=ast.Attribute(value=ast.Attribute(value=ast.Name(id=name), attr="env"))):
            return isinstance(scope.meaning(name), Self)
    return False


def _read(method: str, call: ast.Call) -> StepCall:
    keys = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    name = keys.get("name")
    if name is None and call.args and method not in {"map", "call"}:
        name = call.args[0]
    kept_at = _KEPT_AT.get(method)
    kept = keys.get("params") if kept_at is not None else None
    if kept is None and kept_at is not None and len(call.args) > kept_at:
        kept = call.args[kept_at]
    return StepCall(
        method=method,
        call=call,
        name=name,
        formerly=keys.get("formerly"),
        body=_body(method, call, keys),
        aside=tuple(value for key, value in keys.items() if key in _ASIDE),
        kept=kept,
    )


def _body(method: str, call: ast.Call, keys: dict[str, ast.expr]) -> ast.expr | None:
    named = next((value for key, value in keys.items() if key in _FUNCTION_KEYS), None)
    if named is not None or method not in _FUNCTION_AT:
        return named
    for given in call.args[_FUNCTION_AT[method] :]:
        if isinstance(given, ast.Starred):
            return None
        if not isinstance(given, ast.Dict | ast.List | ast.Constant):  # Cloudflare's forms put a config first
            return given
    return None
