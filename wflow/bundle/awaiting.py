"""What is begun and never awaited: steps, calls of bindings, coroutines, and steps that nobody calls."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, TypeAlias

from wflow.bundle import scopes
from wflow.bundle.offences import shown
from wflow.bundle.scopes import Function
from wflow.bundle.step_calls import declaration, is_binding_call, step_call

if TYPE_CHECKING:
    from wflow.bundle.reading import Reading
    from wflow.bundle.scopes import FunctionNode, Scope

Parents: TypeAlias = dict[ast.AST, ast.AST]

_COROUTINES: Final = {f"asyncio.{name}" for name in ("sleep", "wait", "wait_for", "gather")}
_OF_COROUTINES: Final = {"close", "throw", "send"}


def parents_in(node: ast.AST) -> Parents:
    """Give for each part of a piece of code the part it stands in."""
    found: Parents = {}
    waiting = [node]
    while waiting:
        parent = waiting.pop()
        parts = scopes.children(parent)
        waiting += parts
        found.update(dict.fromkeys(parts, parent))
    return found


def judge(reading: Reading, scope: Scope, call: ast.Call, parents: Parents) -> None:
    """Tell when a call begins what must be awaited, and its place says that it never is."""
    begun = _begun(reading, scope, call)
    if begun is None or not (_is_lost(call, parents) or _is_output(reading, call, parents)):
        return
    if is_binding_call(scope, call) and not isinstance(parents.get(call), ast.Expr | ast.Return):
        return  # what a binding gives may be something to ask further: `self.env.DB.prepare(...).run()`
    rule, problem = begun
    name = shown(call.func)
    reading.tell(
        rule, scope, call, f"`{name}(...)` is not awaited: {problem}", hint=f"write `await {name}(...)`"
    )


def judge_declared(reading: Reading, scope: Scope, function: FunctionNode, parts: list[ast.AST]) -> None:
    """Tell of steps that are declared in a function, and that nothing there ever calls or depends on."""
    declared: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, set[str]]] = []
    for node in parts:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            step = declaration(Function(node=node, scope=scope))
            if step is not None:
                named = step.name.value if isinstance(step.name, ast.Constant) else None
                declared.append((node, {node.name, str(named)}))
    if not declared:
        return
    used = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    for other, _ in declared:
        used.update(set(scopes.parameters(other)) - {"ctx"})
    for node, names in declared:
        if not names & used:
            reading.tell(
                "WF105",
                scope,
                node,
                f"`{node.name}` is declared as a step and nothing calls it: the step never runs",
                hint=f"write `await {node.name}()`",
            )


def _begun(reading: Reading, scope: Scope, call: ast.Call) -> tuple[str, str] | None:
    if step_call(scope, call) is not None:
        return "WF105", "the step may never run, and nobody learns of its failure"
    if is_binding_call(scope, call):
        return "WF105", "what it asks of the binding may never happen, and nobody learns of its failure"
    if scope.full_name(call.func) in _COROUTINES:
        return "WF117", "nothing waits for it, and an error of what it runs is lost"
    found = reading.called(scope, call)
    if found is None:
        return None
    function = found[0]
    if declaration(function) is not None:
        return "WF105", "the step may never run, and nobody learns of its failure"
    if not isinstance(function.node, ast.AsyncFunctionDef) or function.node.decorator_list:
        return None
    if any(isinstance(node, ast.Yield) for node in scopes.inside(function.node.body)):
        return None
    return "WF117", "a coroutine does nothing until it is awaited"


def _is_output(reading: Reading, call: ast.Call, parents: Parents) -> bool:
    """Say whether `run` returns what it should have awaited: its output would be a coroutine."""
    is_async = isinstance(reading.run, ast.AsyncFunctionDef)
    return is_async and isinstance(parents.get(call), ast.Return) and _root(call, parents) is reading.run


def _is_lost(call: ast.Call, parents: Parents) -> bool:
    """Say whether nothing can await what a call gave: it is dropped, or used as if it were the result."""
    place: ast.AST = call
    parent = parents.get(place)
    if isinstance(parent, ast.ListComp | ast.GeneratorExp | ast.SetComp) and parent.elt is place:
        place, parent = parent, parents.get(parent)
        return isinstance(parent, ast.Expr)
    if isinstance(parent, ast.NamedExpr):
        return False
    match parent:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return _is_never_awaited(name, call, parents)
    return _is_dropped(place, parent)


def _is_dropped(place: ast.AST, parent: ast.AST | None) -> bool:
    match parent:
        case ast.Expr() | ast.Compare() | ast.BinOp() | ast.UnaryOp() | ast.FormattedValue():
            return True
        case ast.If(test=value) | ast.While(test=value) | ast.For(iter=value) | ast.Subscript(value=value):
            return value is place
        case ast.Attribute(attr=attribute):
            return attribute not in _OF_COROUTINES
    return False


def _is_never_awaited(name: str, begun: ast.AST, parents: Parents) -> bool:
    """Say whether a variable is only looked at as no coroutine can be, or not at all."""
    function = _root(begun, parents)
    named = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == name]
    if sum(not isinstance(node.ctx, ast.Load) for node in named) != 1:
        return False  # it is bound again, and who knows which of them is meant
    return all(_is_dropped(node, parents.get(node)) for node in named if isinstance(node.ctx, ast.Load))


def _root(node: ast.AST, parents: Parents) -> ast.AST:
    """Give the function that a piece of code stands in."""
    while node in parents:
        node = parents[node]
    return node
