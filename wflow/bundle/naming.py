"""What the name of a step is made of: a replay asks for the step by the same name, or for another step."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from wflow.bundle import forbidden, unordered
from wflow.bundle.offences import shown
from wflow.bundle.scopes import Class, Function, Self, Variable
from wflow.bundle.step_calls import step_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.bundle.reading import Reading
    from wflow.bundle.scopes import Scope

_UNSTEADY: Final = {"WF101", "WF102", "WF110"}
_WRITING: Final = {f"builtins.{name}" for name in ("str", "repr", "ascii", "format")}
_HOPS: Final = 6
"""Variables that are made of variables are followed so far."""


def judge(reading: Reading, scope: Scope, name: ast.expr) -> None:
    """Tell each part of a step's name that is not the same on every replay."""
    for node, why in unsteady(scope, name, _HOPS):
        reading.tell(
            "WF107",
            scope,
            node,
            f"the step's name depends on {why}: a replay asks for another step",
            hint="name a step after what it does, with the loop's variable where there is a loop",
        )


def unsteady(scope: Scope, expression: ast.expr, hops: int = _HOPS) -> Iterator[tuple[ast.expr, str]]:
    """Give the parts of an expression that another process makes otherwise, and what they are made of."""
    match expression:
        case ast.Lambda():
            return
        case ast.Call():
            if step_call(scope, expression) is not None:
                return  # its value is kept
            ban = forbidden.ban_in(scope, expression)
            full_name = scope.full_name(expression.func)
            if (ban is not None and ban.rule in _UNSTEADY) or forbidden.is_unstable(full_name or ""):
                yield expression, f"`{shown(expression.func)}()`"
                return
            if full_name in _WRITING and expression.args:
                yield from _written(scope, expression.args[0])
        case ast.FormattedValue(value=value):
            yield from _written(scope, value)
        case ast.Name(id=name, ctx=ast.Load()) if hops:
            meaning = scope.meaning(name)
            made = meaning.whole if isinstance(meaning, Variable) else None
            if made is not None:
                for _, why in unsteady(scope, made, hops - 1):
                    yield expression, f"{why}, by way of `{name}`" if "by way of" not in why else why
                    return
            return
    for part in ast.iter_child_nodes(expression):
        if isinstance(part, ast.expr):
            yield from unsteady(scope, part, hops)


def _written(scope: Scope, value: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Tell what stands in a text with its address, or in no certain order."""
    if unordered.is_set(scope, value):
        yield value, f"the order of the set `{shown(value)}`"
        return
    if isinstance(value, ast.Name):
        meaning = scope.meaning(value.id)
        made = meaning.whole if isinstance(meaning, Variable) else None
        if isinstance(meaning, Function | Self) or (made is not None and _is_bare(scope, made)):
            yield value, f"the address of `{value.id}`, which its text has"


def _is_bare(scope: Scope, made: ast.expr) -> bool:
    """Say whether this makes an object that writes itself with its address."""
    if isinstance(made, ast.Lambda):
        return True
    if not (isinstance(made, ast.Call) and isinstance(made.func, ast.Name)):
        return False
    match scope.meaning(made.func.id):
        case Class(node=ast.ClassDef(bases=[], keywords=[], decorator_list=[], body=body)):
            methods = {member.name for member in body if isinstance(member, ast.FunctionDef)}
            return not methods & {"__repr__", "__str__", "__format__"}
    return scope.full_name(made.func) == "builtins.object"
