"""Sets, whose order another process may not share: where workflow code depends on it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from wflow.bundle import scopes
from wflow.bundle.offences import shown
from wflow.bundle.scopes import Variable

if TYPE_CHECKING:
    from wflow.bundle.awaiting import Parents
    from wflow.bundle.reading import Reading
    from wflow.bundle.scopes import Scope

_MAKING: Final = {"builtins.set", "builtins.frozenset"}
_METHODS: Final = {"union", "intersection", "difference", "symmetric_difference"}
_TYPES: Final = {
    *_MAKING,
    *(f"typing.{name}" for name in ("Set", "FrozenSet", "AbstractSet", "MutableSet")),
    *(f"collections.abc.{name}" for name in ("Set", "MutableSet")),
}
_TAKING: Final = {
    f"builtins.{name}" for name in ("list", "tuple", "enumerate", "iter", "map", "filter", "zip")
}
_ORDERLESS: Final = {
    *(
        f"builtins.{name}"
        for name in ("sorted", "set", "frozenset", "sum", "len", "any", "all", "min", "max")
    ),
    *("collections.Counter", "math.prod", "math.fsum"),
}
_GROWING: Final = {"append", "extend", "insert", "appendleft", "write", "put_nowait", "log"}


def is_set(scope: Scope, expression: ast.expr, hops: int = 8) -> bool:
    """Say whether an expression is visibly a set whose order is no promise; one of small numbers has one."""
    match expression:
        case ast.Set(elts=elements):
            return not all(
                isinstance(each, ast.Constant) and isinstance(each.value, int) for each in elements
            )
        case ast.SetComp():
            return True
        case ast.Call(func=ast.Attribute(value=value, attr=attribute)) if attribute in _METHODS:
            return is_set(scope, value, hops)
        case ast.Call(func=function, args=arguments):
            made = scope.full_name(function) in _MAKING
            return made and not any(_counts(scope, each) for each in arguments)
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return (
                is_set(scope, left, hops)
                or (_is_keys(left) and not isinstance(expression.op, ast.BitOr))
                or (is_set(scope, right, hops))
            )
        case ast.Name(id=name) if hops:
            return _is_set_variable(scope, name, hops - 1)
    return False


def tell_if_set(reading: Reading, scope: Scope, expression: ast.expr) -> None:
    """Tell that the order of an expression is used, if it is a set."""
    if is_set(scope, expression):
        name = shown(expression)
        reading.tell(
            "WF108",
            scope,
            expression,
            f"`{name}` is a set: its order may be another one when this is replayed",
            hint=f"write `sorted({name})`"
            if isinstance(expression, ast.Name)
            else "write `sorted(...)` around it",
        )


def judge_loop(reading: Reading, scope: Scope, node: ast.For) -> None:
    """Tell of a loop over a set that does something in its order."""
    if any(_keeps_order(part) for part in scopes.inside(node.body)):
        tell_if_set(reading, scope, node.iter)


def judge_comprehension(
    reading: Reading, scope: Scope, node: ast.ListComp | ast.GeneratorExp, parents: Parents
) -> None:
    """Tell of a list made of a set in its order."""
    if not _is_orderless(scope, node, parents):
        for generator in node.generators:
            tell_if_set(reading, scope, generator.iter)


def judge_call(reading: Reading, scope: Scope, call: ast.Call, parents: Parents) -> None:
    """Tell of `list(s)`, `", ".join(s)`, `s.pop()` and the like."""
    if _is_orderless(scope, call, parents):
        return
    if scope.full_name(call.func) in _TAKING:
        for argument in call.args:
            tell_if_set(reading, scope, argument)
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()), attr="join"), args=[joined]):
            tell_if_set(reading, scope, joined)
        case ast.Call(func=ast.Attribute(value=popped, attr="pop"), args=[]):
            tell_if_set(reading, scope, popped)


def _is_set_variable(scope: Scope, name: str, hops: int) -> bool:
    match scope.meaning(name):
        case Variable(value=ast.expr() as annotation, role="given"):
            kind = annotation.value if isinstance(annotation, ast.Subscript) else annotation
            return scope.full_name(kind) in _TYPES
        case Variable(value=ast.Await(value=ast.Call() as call), role="unpacked"):
            first = any(keyword.arg == "return_when" for keyword in call.keywords)  # one is done, as a rule
            return scope.full_name(call.func) == "asyncio.wait" and not first
        case Variable(value=ast.expr() as value, role=""):
            return is_set(scope, value, hops)
    return False


def _is_keys(expression: ast.expr) -> bool:
    match expression:
        case ast.Call(func=ast.Attribute(attr="keys"), args=[]):
            return True
    return False


def _counts(scope: Scope, expression: ast.expr) -> bool:
    """Say whether a set of this is one of whole numbers."""
    return isinstance(expression, ast.Call) and scope.full_name(expression.func) == "builtins.range"


def _is_orderless(scope: Scope, node: ast.AST, parents: Parents) -> bool:
    """Say whether what is made of a set goes at once to what does not mind its order."""
    parent = parents.get(node)
    while isinstance(
        parent, ast.Call | ast.Starred | ast.comprehension | ast.SetComp | ast.GeneratorExp | ast.ListComp
    ):
        if isinstance(parent, ast.SetComp):
            return True
        if isinstance(parent, ast.Call):
            name = scope.full_name(parent.func)
            if name in _ORDERLESS:
                return True
            if name not in _TAKING:
                return False
        parent = parents.get(parent)
    return isinstance(parent, ast.Compare)


def _keeps_order(part: ast.AST) -> bool:
    match part:
        case ast.Await() | ast.AsyncFor() | ast.AsyncWith() | ast.Return() | ast.Break() | ast.Yield():
            return True
        case ast.Call(func=ast.Attribute(attr=attribute)):
            return attribute in _GROWING or attribute == "create_task"
    return False
