"""How workflow code ends: whether it can be cancelled, and whether it ends at all."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from wflow.bundle import scopes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bundle.awaiting import Parents
    from wflow.bundle.reading import Reading
    from wflow.bundle.scopes import Scope

_ALL: Final = "builtins.BaseException"
_LEAVING: Final = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Break, ast.Return, ast.Raise)
_CANCELLED: Final = "so that `cancel` and `terminate` cannot end the instance in order"


def judge_try(reading: Reading, scope: Scope, node: ast.Try) -> None:
    """Tell of a handler that takes everything, cancellation too, around what is awaited."""
    if not _has(node.body, ast.Await):
        return
    for handler in node.handlers:
        if _takes_all(scope, handler.type) and not _has(handler.body, ast.Raise):
            what = "`except BaseException`" if handler.type else "a bare `except`"
            reading.tell(
                "WF114",
                scope,
                handler,
                f"{what} swallows the cancellation of the steps in it, {_CANCELLED}",
                hint="catch `Exception`, or end the handler with `raise`",
            )
    for leaving in scopes.inside(node.finalbody):
        if isinstance(leaving, ast.Return):
            reading.tell(
                "WF114",
                scope,
                leaving,
                f"`return` in a `finally` swallows the cancellation of the steps before it, {_CANCELLED}",
                hint="return after the `try`",
            )


def judge_with(reading: Reading, scope: Scope, node: ast.With) -> None:
    """Tell of `suppress(BaseException)` around what is awaited."""
    for item in node.items:
        match item.context_expr:
            case ast.Call(func=function, args=suppressed) if _has(node.body, ast.Await):
                is_suppress = scope.full_name(function) == "contextlib.suppress"
                if is_suppress and any(scope.full_name(each) == _ALL for each in suppressed):
                    reading.tell(
                        "WF114",
                        scope,
                        item.context_expr,
                        f"`suppress(BaseException)` swallows the cancellation of its steps, {_CANCELLED}",
                        hint="suppress `Exception`",
                    )


def judge_while(reading: Reading, scope: Scope, node: ast.While, parents: Parents) -> None:
    """Tell of a loop that never ends and never waits; what ends it in a `try` may be an error."""
    is_endless = (
        isinstance(node.test, ast.Constant) and bool(node.test.value) and not _is_tried(node, parents)
    )
    if is_endless and not any(isinstance(part, (*_LEAVING, ast.Yield)) for part in scopes.inside(node.body)):
        reading.tell(
            "WF115",
            scope,
            node,
            "this loop never ends and awaits nothing: it stops every instance in this process",
            hint=f'await a step or `await {reading.ctx}.sleep("name", "10 seconds")` in it',
        )


def _is_tried(node: ast.AST | None, parents: Parents) -> bool:
    while node is not None and not isinstance(node, ast.Try):
        node = parents.get(node)
    return node is not None


def _takes_all(scope: Scope, caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(scope.full_name(one) == _ALL for one in each)


def _has(body: Sequence[ast.stmt], kind: type[ast.AST]) -> bool:
    return any(isinstance(node, kind) for node in scopes.inside(body))
