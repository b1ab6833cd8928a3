"""Reads the code of a workflow that runs again on every replay, and tells what must not be in it.

That is `run`, the methods it calls on its own object and the functions inside them that it calls; never what
is handed to a step to run. Only calls are followed: one that is passed by name is taken for a step's body.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from wflow.bundle import forbidden, scopes
from wflow.bundle.scopes import Function, FunctionNode, Imported, Meaning, Self, StepApi, Variable

if TYPE_CHECKING:
    from wflow.bundle.forbidden import Ban
    from wflow.bundle.scopes import Scope

_STEPS: Final = {"do", "sleep", "sleep_until", "wait_for_event", "sleepUntil", "waitForEvent"}
_CALLING: Final = {f"builtins.{name}" for name in ("map", "filter", "sorted", "min", "max")}
_CONTAINERS: Final = {f"builtins.{name}" for name in ("list", "dict", "set", "bytearray")} | {
    f"collections.{name}" for name in ("defaultdict", "deque", "Counter", "OrderedDict")
}
_MUTATORS: Final = {
    *("append", "appendleft", "extend", "extendleft", "insert", "add", "update", "setdefault"),
    *("pop", "popleft", "popitem", "remove", "discard", "clear", "sort", "reverse"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """A rule that is broken, and by which piece of code."""

    rule: str
    node: ast.expr | ast.stmt
    message: str
    hint: str


def read(
    run: FunctionNode, methods: Mapping[str, FunctionNode], module: Scope, own: Collection[str]
) -> list[Offence]:
    """Read `run` of a class with these ``methods`` and all it calls; ``own`` are modules of the project."""
    names = scopes.positional(run)
    given: dict[str, Meaning] = dict(zip(names, (Self(), Variable(), StepApi()), strict=False))
    reading = _Reading(methods=methods, own=own, ctx=names[2] if len(names) > 2 else "ctx")
    reading.follow(Function(node=run, scope=module), given)
    while reading.waiting:
        function, given = reading.waiting.pop()
        scope = scopes.of_function(function.node, function.scope, given, own)
        body = function.node.body
        for node in [body] if isinstance(body, ast.expr) else body:
            _Reader(reading, scope).visit(node)
    return list(reading.offences.values())


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What is still to be read of a class, and what was found."""

    methods: Mapping[str, FunctionNode]
    own: Collection[str]
    ctx: str
    waiting: list[tuple[Function, dict[str, Meaning]]] = field(default_factory=list)
    seen: set[tuple[FunctionNode, frozenset[str]]] = field(default_factory=set)
    offences: dict[tuple[str, int, int], Offence] = field(default_factory=dict)

    def follow(self, function: Function, given: dict[str, Meaning]) -> None:
        key = (function.node, frozenset(name for name, what in given.items() if isinstance(what, StepApi)))
        if key not in self.seen:
            self.seen.add(key)
            self.waiting.append((function, given))

    def tell(self, rule: str, node: ast.expr | ast.stmt, message: str, hint: str) -> None:
        offence = Offence(rule=rule, node=node, message=message, hint=hint)
        self.offences.setdefault((rule, node.lineno, node.col_offset), offence)


class _Reader(ast.NodeVisitor):
    """Reads one function."""

    def __init__(self, reading: _Reading, scope: Scope) -> None:
        self._reading = reading
        self._scope = scope
        self._in_name = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_definition(node)

    def _visit_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        defaults = [default for default in node.args.kw_defaults if default is not None]
        for evaluated in (*node.decorator_list, *node.args.defaults, *defaults):
            self.visit(evaluated)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Leave out: a class in workflow code is seldom, and its methods run who knows when."""

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Leave out: whoever is given it runs it; `_hand_over` knows those who do so at once."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and self._is_unawaited_step(node.value):
            shown = _shown(node.value.func)
            self._reading.tell(
                "WF105",
                node.value,
                f"`{shown}(...)` is not awaited: the step may never run, and nobody learns of its failure",
                f"write `await {shown}(...)`",
            )
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if self._is_step(node):
            name, others = _name_of_step(node)
            if name is not None:
                self._in_name = True
                self.visit(name)
                self._in_name = False
            for other in others:
                self.visit(other)
            return
        self._judge(node)
        self._follow(node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load) and node.id in self._scope.borrowed:
            self._tell_mutation(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._judge_target(node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._judge_target(node)
        self.generic_visit(node)

    def _is_step(self, call: ast.Call) -> bool:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in _STEPS:
                return isinstance(self._scope.meaning(name), StepApi)
        return False

    def _is_unawaited_step(self, call: ast.Call) -> bool:
        if self._is_step(call):
            return True
        match call.func:
            case ast.Name(id=name):
                meaning = self._scope.meaning(name)
                return isinstance(meaning, Function) and self._is_body(meaning)
        return False

    def _is_body(self, function: Function) -> bool:
        """Say whether a decorator makes a function a step."""
        if isinstance(function.node, ast.Lambda):
            return False
        return any(
            isinstance(decorator, ast.Call) and self._is_step(decorator)
            for decorator in function.node.decorator_list
        )

    def _judge(self, call: ast.Call) -> None:
        full_name = self._scope.full_name(call.func)
        ban = None
        if full_name is not None:
            ban = forbidden.ban_on(full_name, call)
            if self._in_name and forbidden.is_unstable(full_name):
                ban = forbidden.CHANCE
        if ban is None and isinstance(call.func, ast.Attribute):
            ban = self._ban_on_method(call.func)
        if ban is None:
            return
        shown = f"`{_shown(call.func)}()`"
        if self._in_name and ban in {forbidden.CLOCK, forbidden.CHANCE}:
            self._reading.tell(
                "WF107",
                call,
                f"the step's name depends on {shown}: a replay asks for another step",
                "name a step after what it does, with the loop's variable where there is a loop",
            )
        else:
            hint = ban.hint.format(ctx=self._reading.ctx)
            self._reading.tell(ban.rule, call, f"{shown} {ban.problem}", hint)

    def _ban_on_method(self, method: ast.Attribute) -> Ban | None:
        root = _root(method.value)
        if root is not None and isinstance(self._scope.meaning(root), Self | StepApi):
            return None  # a method of their own, or a binding, whose calls are recorded
        if method.attr in _MUTATORS and isinstance(method.value, ast.Name):
            meaning = self._scope.meaning(method.value.id)
            if self._scope.is_global(method.value.id) and self._is_container(meaning):
                self._tell_mutation(method, method.value.id)
        return forbidden.ban_on_method(method.attr, of_a_path=self._is_path(method.value))

    def _is_path(self, expression: ast.expr) -> bool:
        match expression:
            case ast.Call(func=function):
                is_method = isinstance(function, ast.Attribute) and self._is_path(function.value)
                return is_method or self._scope.full_name(function) == forbidden.PATH
            case ast.BinOp(left=value, op=ast.Div()) | ast.Attribute(value=value):
                return self._is_path(value)
            case ast.Name(id=name):
                meaning = self._scope.meaning(name)
                made = meaning.value if isinstance(meaning, Variable) else None
                return made is not None and not isinstance(made, ast.Name) and self._is_path(made)
        return False

    def _is_container(self, meaning: Meaning | None) -> bool:
        match meaning:
            case Variable(value=ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp()):
                return True
            case Variable(value=ast.Call(func=function)):
                return self._scope.full_name(function) in _CONTAINERS
        return False

    def _judge_target(self, node: ast.Attribute | ast.Subscript) -> None:
        root = None if isinstance(node.ctx, ast.Load) else _root(node)
        if root is None or not self._scope.is_global(root):
            return
        if isinstance(self._scope.meaning(root), Variable | Imported | Function):
            self._tell_mutation(node, root)

    def _tell_mutation(self, node: ast.expr, name: str) -> None:
        self._reading.tell(
            "WF106",
            node,
            f"`{name}` is changed in workflow code: it lives outside of `run`, and a replay changes it again",
            "keep it in a variable of `run`, or return it from a step",
        )

    def _follow(self, call: ast.Call) -> None:
        match call.func:
            case ast.Name(id=name):
                self._follow_function(self._scope.meaning(name), call)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                method = self._reading.methods.get(attribute)
                if method is not None and isinstance(self._scope.meaning(name), Self):
                    self._follow_method(method, call)
        if self._scope.full_name(call.func) in _CALLING:
            for value in (*call.args, *(keyword.value for keyword in call.keywords)):
                self._hand_over(value)

    def _hand_over(self, value: ast.expr) -> None:
        match value:
            case ast.Lambda():
                self._reading.follow(Function(node=value, scope=self._scope), {})
            case ast.Name(id=name):
                self._follow_function(self._scope.meaning(name), None)

    def _follow_function(self, meaning: Meaning | None, call: ast.Call | None) -> None:
        if isinstance(meaning, Function) and meaning.scope.outer is not None and not self._is_body(meaning):
            names = scopes.positional(meaning.node)
            self._reading.follow(meaning, self._given(names, call) if call else {})

    def _follow_method(self, method: FunctionNode, call: ast.Call) -> None:
        module = self._scope
        while module.outer is not None:
            module = module.outer
        names = scopes.positional(method)
        given: dict[str, Meaning] = {}
        if names and not _is_static(method):
            given = {names[0]: Self()}
            names = names[1:]
        self._reading.follow(Function(node=method, scope=module), given | self._given(names, call))

    def _given(self, names: list[str], call: ast.Call) -> dict[str, Meaning]:
        """Find the parameters that are given the step API."""
        placed = takewhile(lambda value: not isinstance(value, ast.Starred), call.args)
        by_place = dict(zip(names, placed, strict=False))
        by_name = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
        return {
            name: StepApi()
            for name, value in (by_place | by_name).items()
            if isinstance(value, ast.Name) and isinstance(self._scope.meaning(value.id), StepApi)
        }


def _name_of_step(call: ast.Call) -> tuple[ast.expr | None, list[ast.expr]]:
    """Part the name of a step from the other things it is called with."""
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "name"), None)
    name = named or (call.args[0] if call.args else None)
    return name, [value for value in values if value is not name]


def _root(expression: ast.expr) -> str | None:
    while isinstance(expression, ast.Attribute | ast.Subscript | ast.Call):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else None


def _is_static(method: FunctionNode) -> bool:
    if isinstance(method, ast.Lambda):
        return False
    return any(
        isinstance(decorator, ast.Name) and decorator.id == "staticmethod"
        for decorator in method.decorator_list
    )


def _shown(expression: ast.expr) -> str:
    text = ast.unparse(expression)
    return text if len(text) <= 40 else f"{text[:37]}..."
