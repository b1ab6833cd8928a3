"""Reads the code of a workflow that runs again on every replay, and tells what must not be in it.

That is `run`, the methods it calls on its own object, the functions inside them that it calls, and those of
any module of the project that are given the step API; never what is handed to a step to run. Other functions
of the project may serve steps as well: what they do is told where workflow code calls them.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from wflow.bundle import awaiting, bodies, changes, endings, forbidden, naming, scopes, unordered
from wflow.bundle.deeds import Deeds
from wflow.bundle.offences import shown
from wflow.bundle.reading import Body, GlobalRead, Reading, asks_for_steps
from wflow.bundle.scopes import Function, Self, StepApi, Variable
from wflow.bundle.step_calls import is_body, step_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.bundle.modules import Modules
    from wflow.bundle.offences import Offence
    from wflow.bundle.scopes import Meaning, Scope
    from wflow.bundle.step_calls import StepCall

_CALLING: Final = {f"builtins.{name}" for name in ("map", "filter", "sorted", "min", "max")}
_OF_NAMES: Final = {"WF101", "WF102", "WF110"}
"""In a step's name these are `WF107`, which `naming` tells."""


def read(run: Function, methods: Mapping[str, Function], modules: Modules) -> list[Offence]:
    """Read `run` of a class with these ``methods`` and all it calls."""
    names = scopes.positional(run.node)
    given: dict[str, Meaning] = dict(zip(names, (Self(), Variable(), StepApi()), strict=False))
    ctx = names[2] if len(names) > 2 else "ctx"
    reading = Reading(modules=modules, run=run.node, methods=methods, ctx=ctx)
    deeds = Deeds(modules)
    reading.follow(run, given)
    while reading.waiting:
        function, given = reading.waiting.pop()
        reader = _Reader(reading, deeds, function, reading.scope_of(function, given))
        reading.nodes[id(reader.scope)] = function.node
        for node in scopes.body_of(function.node):
            reader.visit(node)
        parts = list(scopes.inside(scopes.body_of(function.node)))
        awaiting.judge_declared(reading, reader.scope, function.node, parts)
        bodies.judge_kept(reading, reader.scope, parts, is_run=function.node is run.node)
    bodies.judge(reading)
    changes.judge(reading)
    return list(reading.offences.values())


class _Reader(ast.NodeVisitor):
    """Reads one function."""

    def __init__(self, reading: Reading, deeds: Deeds, function: Function, scope: Scope) -> None:
        self.scope = scope
        self._reading = reading
        self._deeds = deeds
        self._parents = awaiting.parents_in(function.node)
        self._in_name = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_definition(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_definition(node)

    def _visit_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        defaults = [default for default in node.args.kw_defaults if default is not None]
        for evaluated in (*node.decorator_list, *node.args.defaults, *defaults):
            self.visit(evaluated)
        made = Function(node=node, scope=self.scope)
        if is_body(made):
            self._reading.bodies[node] = Body(function=made, given={}, keeps=True)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Leave out: a class in workflow code is seldom, and its methods run who knows when."""

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Leave out: whoever is given it runs it; `_hand_over` knows those who do so at once."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        awaiting.judge(self._reading, self.scope, node, self._parents)
        step = step_call(self.scope, node)
        if step is not None:
            self._visit_step(step)
            return
        self._judge(node)
        self._follow(node)
        self._judge_order(node)
        self.generic_visit(node)

    def _visit_step(self, step: StepCall) -> None:
        for name in (step.name, step.formerly):
            if name is not None:
                naming.judge(self._reading, self.scope, name)
                self._in_name = True
                self.visit(name)
                self._in_name = False
        handed = [each for each in (step.body, *step.aside) if each is not None]
        for function in handed:
            bodies.collect(self._reading, self.scope, step, function)
        if step.method == "map" and len(step.call.args) > 1:
            unordered.tell_if_set(self._reading, self.scope, step.call.args[1])
        for other in step.others():
            if not (other in handed and isinstance(other, ast.Name | ast.Attribute)):
                self.visit(other)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            if node.id in self.scope.borrowed and self.scope.is_global(node.id):
                changes.tell(self._reading, self.scope, node, node.id)
            return
        self._judge_environment(node)
        self._refer(node)
        if self.scope.is_global(node.id) and isinstance(self.scope.meaning(node.id), Variable):
            self._note_read(node, self.scope.module().path, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._judge_target(node)
        if isinstance(node.ctx, ast.Load):
            self._judge_environment(node)
            self._refer(node)
            if isinstance(node.value, ast.Name) and isinstance(self.scope.meaning(node.value.id), Self):
                self._reading.attributes.add(node.attr)
            found = self._reading.modules.resolve(self.scope, node)
            if found is not None and isinstance(found[1], Variable):
                self._note_read(node, found[0].path, node.attr)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._judge_target(node)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        unordered.judge_loop(self._reading, self.scope, node)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        unordered.judge_comprehension(self._reading, self.scope, node, self._parents)
        self.generic_visit(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        unordered.judge_comprehension(self._reading, self.scope, node, self._parents)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        if isinstance(node.ctx, ast.Load) and not isinstance(self._parents.get(node), ast.Set):
            unordered.tell_if_set(self._reading, self.scope, node.value)
        self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        endings.judge_try(self._reading, self.scope, node)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        endings.judge_with(self._reading, self.scope, node)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        endings.judge_while(self._reading, self.scope, node, self._parents)
        self.generic_visit(node)

    def _judge(self, call: ast.Call) -> None:
        ban = forbidden.ban_in(self.scope, call)
        if ban is not None and not (self._in_name and ban.rule in _OF_NAMES):
            hint = ban.hint.format(ctx=self._reading.ctx)
            self._reading.tell(ban.rule, self.scope, call, f"`{shown(call.func)}()` {ban.problem}", hint=hint)
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute in changes.MUTATORS:
                if changes.is_outer_container(self.scope, name):
                    changes.tell(self._reading, self.scope, call.func, name)

    def _judge_environment(self, node: ast.Name | ast.Attribute) -> None:
        parent = self._parents.get(node)
        is_target = isinstance(parent, ast.Subscript) and not isinstance(parent.ctx, ast.Load)
        if not is_target and self.scope.full_name(node) in forbidden.ENVIRONMENT:
            ban = forbidden.PROCESS
            hint = ban.hint.format(ctx=self._reading.ctx)
            self._reading.tell(ban.rule, self.scope, node, f"`{shown(node)}` {ban.problem}", hint=hint)

    def _judge_order(self, call: ast.Call) -> None:
        unordered.judge_call(self._reading, self.scope, call, self._parents)

    def _judge_target(self, node: ast.Attribute | ast.Subscript) -> None:
        root = None if isinstance(node.ctx, ast.Load) else forbidden.root_of(node)
        if root is None or not self.scope.is_global(root):
            return
        if not isinstance(self.scope.meaning(root), Self | StepApi):
            changes.tell(self._reading, self.scope, node, root)

    def _note_read(self, node: ast.Name | ast.Attribute, path: str, name: str) -> None:
        if not changes.is_being_changed(node, self._parents):
            self._reading.reads.append(GlobalRead(path=path, name=name, scope=self.scope, node=node))

    def _follow(self, call: ast.Call) -> None:
        found = self._reading.called(self.scope, call)
        if found is not None:
            self._run(found[0], found[1], call)
        if self.scope.full_name(call.func) in _CALLING:
            for value in (*call.args, *(keyword.value for keyword in call.keywords)):
                self._hand_over(value)

    def _run(self, function: Function, given: dict[str, Meaning], call: ast.Call | None) -> None:
        """Read what is run here; of a function that steps may run as well, tell only what it does."""
        if is_body(function):
            return
        is_inner = function.scope.outer is not None
        is_method = any(function is method for method in self._reading.methods.values())
        if is_inner or is_method or any(isinstance(what, StepApi) for what in given.values()):
            self._reading.follow(function, given)
        elif call is not None:
            for deed in self._deeds.of(function):
                hint = deed.ban.hint.format(ctx=self._reading.ctx)
                said = f"`{shown(call.func)}()` calls `{deed.shown}()` ({deed.path}:{deed.line}), which"
                message = f"{said} {deed.ban.problem}"
                origin = (deed.path, deed.line)
                self._reading.tell(deed.ban.rule, self.scope, call, message, hint=hint, origin=origin)

    def _hand_over(self, value: ast.expr) -> None:
        if isinstance(value, ast.Lambda):
            self._reading.follow(Function(node=value, scope=self.scope), {})
        elif isinstance(value, ast.Name | ast.Attribute):
            function = self._reading.function(self.scope, value)
            if function is not None:
                self._run(function, {}, None)

    def _refer(self, node: ast.Name | ast.Attribute) -> None:
        """Follow a function that is not called here and yet does steps: someone will call it with the API."""
        parent = self._parents.get(node)
        if isinstance(parent, ast.Call) and parent.func is node:
            return
        function = self._reading.function(self.scope, node)
        if function is None or is_body(function):
            return
        given: dict[str, Meaning] = {name: StepApi() for name in asks_for_steps(function.node)}
        if given:
            names = scopes.positional(function.node)
            if isinstance(node, ast.Attribute) and names:
                given.setdefault(names[0], Self())
            self._reading.follow(function, given)
