"""What is still to be read of a workflow, and what was found so far: shared by all that read it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from wflow.bundle import scopes
from wflow.bundle.modules import Modules
from wflow.bundle.offences import Node, Offence
from wflow.bundle.scopes import Function, FunctionNode, Meaning, Scope, Self, StepApi

_TELLING: Final = {"do", "sleep", "sleep_until", "wait_for_event", "sleepUntil", "waitForEvent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A function that a step runs, and the call that says so."""

    function: Function
    given: Mapping[str, Meaning]
    keeps: bool
    """Whether what it returns is the step's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalRead:
    """Workflow code that looks at a variable of a module."""

    path: str
    """The module's file."""
    name: str
    scope: Scope
    node: Node


@dataclass(slots=True, kw_only=True)
class Reading:
    """One workflow: its `run`, its methods, and the name that `run` gives to the step API."""

    modules: Modules
    run: FunctionNode
    methods: Mapping[str, Function]
    ctx: str
    waiting: list[tuple[Function, dict[str, Meaning]]] = field(default_factory=list)
    seen: set[tuple[FunctionNode, frozenset[str]]] = field(default_factory=set)
    bodies: dict[FunctionNode, Body] = field(default_factory=dict)
    reads: list[GlobalRead] = field(default_factory=list)
    nodes: dict[int, FunctionNode] = field(default_factory=dict)
    """The functions that are workflow code, by the identity of their scope."""
    attributes: set[str] = field(default_factory=set)
    """Attributes of the workflow's own object that workflow code looks at."""
    offences: dict[tuple[str, str, int, int], Offence] = field(default_factory=dict)

    def follow(self, function: Function, given: dict[str, Meaning]) -> None:
        """Have a function read as workflow code, once for each set of parameters that are the step API."""
        key = (function.node, frozenset(name for name, what in given.items() if isinstance(what, StepApi)))
        if key not in self.seen:
            self.seen.add(key)
            self.waiting.append((function, given))

    def is_read(self, node: FunctionNode) -> bool:
        """Say whether a function is workflow code."""
        return any(node is seen for seen, _ in self.seen)

    def scope_of(self, function: Function, given: Mapping[str, Meaning]) -> Scope:
        """Read the names of a function."""
        own = self.modules.files[function.scope.module().path].own
        return scopes.of_function(function.node, function.scope, dict(given), own)

    def tell(
        self,
        rule: str,
        scope: Scope,
        node: Node,
        message: str,
        *,
        hint: str,
        origin: tuple[str, int] | None = None,
    ) -> None:
        """Keep an offence; one that is met on two ways is one."""
        path = scope.module().path
        offence = Offence(rule=rule, path=path, node=node, message=message, hint=hint, origin=origin)
        self.offences.setdefault((rule, path, node.lineno, node.col_offset), offence)

    def called(self, scope: Scope, call: ast.Call) -> tuple[Function, dict[str, Meaning]] | None:
        """Find the function of the project that a call runs, and what it gets of `self` and the step API."""
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                method = self.methods.get(attribute)
                if method is not None and isinstance(scope.meaning(name), Self):
                    return method, given_to(scope, method, call, bound=True)
        function = self.function(scope, call.func)
        return None if function is None else (function, given_to(scope, function, call, bound=False))

    def function(self, scope: Scope, expression: ast.expr) -> Function | None:
        """Find the function of the project that an expression names."""
        if isinstance(expression, ast.Name):
            meaning = scope.meaning(expression.id)
            if isinstance(meaning, Function):
                return meaning
        elif isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            if isinstance(scope.meaning(expression.value.id), Self):
                return self.methods.get(expression.attr)
        elif not isinstance(expression, ast.Attribute):
            return None
        found = self.modules.resolve(scope, expression)
        return found[1] if found is not None and isinstance(found[1], Function) else None


def given_to(scope: Scope, function: Function, call: ast.Call, *, bound: bool) -> dict[str, Meaning]:
    """Find the parameters that are given the step API or the workflow's own object."""
    names = scopes.positional(function.node)
    given: dict[str, Meaning] = {}
    if bound and names and not is_static(function.node):
        given = {names[0]: Self()}
        names = names[1:]
    placed = takewhile(lambda value: not isinstance(value, ast.Starred), call.args)
    by_place = dict(zip(names, placed, strict=False))
    by_name = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    for name, value in (by_place | by_name).items():
        if isinstance(value, ast.Name):
            meaning = scope.meaning(value.id)
            if isinstance(meaning, StepApi | Self):
                given[name] = meaning
    return given


def asks_for_steps(node: FunctionNode) -> list[str]:
    """Name the parameters that a function visibly uses as the step API."""
    names = set(scopes.parameters(node))
    used = (
        part.value.id
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and part.attr in _TELLING and isinstance(part.value, ast.Name)
    )
    return sorted(names.intersection(used))


def is_static(node: FunctionNode) -> bool:
    """Say whether a method gets no `self`."""
    return not isinstance(node, ast.Lambda) and any(
        isinstance(decorator, ast.Name) and decorator.id == "staticmethod"
        for decorator in node.decorator_list
    )
