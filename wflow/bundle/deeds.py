"""What a function of the project does that workflow code must not, itself or through what it calls."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.bundle import forbidden, scopes
from wflow.bundle.forbidden import Ban
from wflow.bundle.offences import shown
from wflow.bundle.scopes import Function

if TYPE_CHECKING:
    from wflow.bundle.modules import Modules
    from wflow.bundle.scopes import FunctionNode

_DEPTH: Final = 20
"""Calls of calls are followed so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """A call that breaks a rule, and where it stands."""

    ban: Ban
    shown: str
    path: str
    line: int


class Deeds:
    """Reads functions once, however often they are called."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._known: dict[FunctionNode, tuple[Deed, ...]] = {}

    def of(self, function: Function, depth: int = _DEPTH) -> tuple[Deed, ...]:
        """Give one deed for each rule that a call of the function breaks."""
        known = self._known.get(function.node)
        if known is not None or not depth:
            return known or ()
        self._known[function.node] = ()  # what calls itself does not do more for it
        found: dict[str, Deed] = {}
        for deed in self._read(function, depth):
            found.setdefault(deed.ban.rule, deed)
        self._known[function.node] = tuple(found.values())
        return self._known[function.node]

    def _read(self, function: Function, depth: int) -> list[Deed]:
        module = function.scope.module()
        own = self._modules.files[module.path].own
        scope = scopes.of_function(function.node, function.scope, {}, own)
        found: list[Deed] = []
        for node in scopes.inside(scopes.body_of(function.node)):
            if not isinstance(node, ast.Call):
                continue
            ban = forbidden.ban_in(scope, node)
            if ban is not None:
                found.append(Deed(ban=ban, shown=shown(node.func), path=module.path, line=node.lineno))
                continue
            called = self._called(scope, node.func)
            if called is not None:
                found += self.of(called, depth - 1)
        return found

    def _called(self, scope: scopes.Scope, expression: ast.expr) -> Function | None:
        if isinstance(expression, ast.Name):
            meaning = scope.meaning(expression.id)
            if isinstance(meaning, Function):
                return meaning
        found = self._modules.resolve(scope, expression)
        return found[1] if found is not None and isinstance(found[1], Function) else None
