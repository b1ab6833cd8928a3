"""The functions that steps run: what they must not do, and what they give back that cannot be kept."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from wflow.bundle import changes, scopes, unkeepable
from wflow.bundle.forbidden import root_of
from wflow.bundle.offences import shown
from wflow.bundle.reading import Body, given_to
from wflow.bundle.scopes import Function, Self, StepApi, Variable
from wflow.bundle.step_calls import OUTSIDE_ONLY, api_call, declaration, is_body, step_call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wflow.bundle.reading import Reading
    from wflow.bundle.scopes import FunctionNode, Meaning, Scope
    from wflow.bundle.step_calls import StepCall

_KEEPING: Final = {"do", "map", "poll"}
_PLAIN: Final = {"staticmethod", "classmethod"}


def collect(reading: Reading, scope: Scope, step: StepCall, handed: ast.expr) -> None:
    """Note a function that is handed to a step; `judge` reads it when all workflow code is known."""
    keeps = handed is step.body and step.method in _KEEPING
    if isinstance(handed, ast.Lambda):
        made = Function(node=handed, scope=scope)
        reading.bodies.setdefault(handed, Body(function=made, given={}, keeps=keeps))
        return
    if isinstance(handed, ast.Call) and scope.full_name(handed.func) == "functools.partial" and handed.args:
        handed = handed.args[0]
    function = reading.function(scope, handed)
    if function is not None:
        given = _given(scope, step, handed, function)
        reading.bodies.setdefault(function.node, Body(function=function, given=given, keeps=keeps))
    elif keeps and (what := unkeepable.result_of(scope, handed)):
        _tell_unkeepable(reading, scope, handed, what)


def judge(reading: Reading) -> None:
    """Read the functions of all steps."""
    for body in list(reading.bodies.values()):
        scope = reading.scope_of(body.function, body.given)
        judge_nesting(reading, body.function, body.given, set())
        for inner in _with_inner(reading, body.function.node, scope):
            _judge_changes(reading, body.function, *inner)
        if body.keeps and _is_plain(body.function):
            _judge_returned(reading, scope, body.function.node)


def judge_kept(reading: Reading, scope: Scope, parts: list[ast.AST], *, is_run: bool) -> None:
    """Tell of values that workflow code itself has kept: outputs, params, states."""
    for node in parts:
        kept: ast.expr | None = None
        match node:
            case ast.Return(value=ast.expr() as value) if is_run:
                kept = value
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="set_state"), args=[value, *_]):
                kept = value if isinstance(scope.meaning(name), StepApi) else None
            case ast.Call():
                step = step_call(scope, node)
                kept = step.kept if step is not None else None
        if kept is not None:
            _judge_value(reading, scope, kept)


def judge_nesting(
    reading: Reading, function: Function, given: Mapping[str, Meaning], seen: set[FunctionNode]
) -> None:
    """Tell of what a step's function, or what it calls, asks of the step API."""
    if function.node in seen:
        return
    seen.add(function.node)
    for node, scope in _with_inner(reading, function.node, reading.scope_of(function, given)):
        for part in scopes.inside(scopes.body_of(node)):
            if isinstance(part, ast.Call):
                _judge_call(reading, scope, part, seen)


def _judge_call(reading: Reading, scope: Scope, call: ast.Call, seen: set[FunctionNode]) -> None:
    method = api_call(scope, call)
    if method is not None:
        name = shown(call.func)
        if method in OUTSIDE_ONLY:
            problem, hint = "is for workflow code, and refuses here", "use the ordinary modules here"
        else:
            problem = "is a step inside a step, which refuses"
            hint = "return the value, and do the next step in `run`"
        reading.tell("WF113", scope, call, f"`{name}()` {problem}: this function is a step's", hint=hint)
        return
    found = reading.called(scope, call)
    if found is None:
        return
    function, given = found
    if is_body(function):
        problem = f"`{shown(call.func)}()` is a step inside a step, which refuses: this function is a step's"
        reading.tell(
            "WF113", scope, call, problem, hint="take its result as a parameter, or call it in `run`"
        )
    elif any(isinstance(what, StepApi) for what in given.values()):
        judge_nesting(reading, function, given, seen)


def _with_inner(reading: Reading, node: FunctionNode, scope: Scope) -> Iterator[tuple[FunctionNode, Scope]]:
    """Give a function and those written in it, with their scopes."""
    yield node, scope
    for part in scopes.inside(scopes.body_of(node)):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = reading.scope_of(Function(node=part, scope=scope), {})
            yield from _with_inner(reading, part, inner)


def _judge_changes(reading: Reading, body: Function, node: FunctionNode, scope: Scope) -> None:
    """Tell of changes that workflow code looks for and that only this attempt of the step has made."""
    for part in scopes.inside(scopes.body_of(node)):
        found = _changed(scope, part)
        if found is None:
            continue
        target, name, is_attribute = found
        is_seen = name in reading.attributes if is_attribute else _is_seen(reading, body, scope, name)
        if is_seen:
            what = f"self.{name}" if is_attribute else name
            reading.tell(
                "WF116",
                scope,
                target,
                f"`{what}` is changed inside a step and used outside: a replay does not run the step again, "
                "and the change is lost",
                hint=f"return it from the step, and change `{what}` in `run`",
            )


def _changed(scope: Scope, part: ast.AST) -> tuple[ast.expr, str, bool] | None:
    """Give the variable or the attribute of `self` that a piece of code changes."""
    target: ast.expr
    match part:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in scope.borrowed:
            return part, name, False
        case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
            target = part
        case ast.Call(func=ast.Attribute(value=target, attr=attribute)) if attribute in changes.MUTATORS:
            if isinstance(target, ast.Name) and not _is_container(scope, target.id):
                return None
        case _:
            return None
    root = root_of(target)
    if root is None:
        return None
    if not isinstance(scope.meaning(root), Self):
        is_deep = isinstance(part, ast.Call) and not isinstance(target, ast.Name)
        return None if is_deep else (target, root, False)
    while isinstance(target, ast.Attribute | ast.Subscript) and not isinstance(target.value, ast.Name):
        target = target.value
    return (target, target.attr, True) if isinstance(target, ast.Attribute) else None


def _is_container(scope: Scope, name: str) -> bool:
    meaning = scope.meaning(name)
    return isinstance(meaning, Variable) and changes.is_container(scope, meaning.whole)


def _is_seen(reading: Reading, body: Function, scope: Scope, name: str) -> bool:
    """Say whether a variable of the code around a step's function is used there, outside of any step."""
    owner: Scope | None = scope
    while owner is not None and name not in owner.names:
        owner = owner.outer
    around: Scope | None = body.scope
    while around is not None and around is not owner:
        around = around.outer
    if owner is None or around is None or owner.outer is None:
        return False
    if not isinstance(owner.names[name], Variable):
        return False
    function = reading.nodes.get(id(owner))
    return function is not None and _is_loaded(reading, function, name)


def _is_loaded(reading: Reading, function: FunctionNode, name: str) -> bool:
    waiting: list[ast.AST] = scopes.body_of(function)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            return True
        if node not in reading.bodies:
            waiting += ast.iter_child_nodes(node)
    return False


def _judge_returned(reading: Reading, scope: Scope, function: FunctionNode) -> None:
    if isinstance(function, ast.Lambda):
        _judge_value(reading, scope, function.body)
        return
    parts = list(scopes.inside(function.body))
    if any(isinstance(part, ast.Yield | ast.YieldFrom) for part in parts):
        return  # a stream
    for part in parts:
        if isinstance(part, ast.Return) and part.value is not None:
            _judge_value(reading, scope, part.value)


def _judge_value(reading: Reading, scope: Scope, value: ast.expr) -> None:
    for node, what in unkeepable.parts_of(scope, value):
        _tell_unkeepable(reading, scope, node, what)


def _tell_unkeepable(reading: Reading, scope: Scope, node: ast.expr, what: str) -> None:
    reading.tell(
        "WF112",
        scope,
        node,
        f"{what} cannot be kept",
        hint="give JSON's types, bytes, datetime, Decimal, UUID, a set, an enum, a dataclass, "
        "or a model of pydantic or msgspec",
    )


def _is_plain(function: Function) -> bool:
    """Say whether no decorator but a step's own changes what a function gives."""
    if isinstance(function.node, ast.Lambda):
        return True
    others = [
        each
        for each in function.node.decorator_list
        if not (isinstance(each, ast.Name) and each.id in _PLAIN)
    ]
    return len(others) <= (1 if declaration(function) is not None else 0)


def _given(scope: Scope, step: StepCall, handed: ast.expr, function: Function) -> dict[str, Meaning]:
    """Find what a step's function is given of `self` and the step API."""
    arguments = step.call.args
    at = next((place for place, value in enumerate(arguments) if value is handed), len(arguments))
    as_called = ast.Call(func=handed, args=arguments[at + 1 :], keywords=[])
    root = handed.value.id if isinstance(handed, ast.Attribute) and isinstance(handed.value, ast.Name) else ""
    bound = isinstance(scope.meaning(root), Self)
    return given_to(scope, function, as_called, bound=bound)
