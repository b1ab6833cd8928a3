"""What a name in a file of Python means, as far as reading the file tells."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A module or something of one, by its full name: ``datetime.datetime``."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function that is written in this file, and the scope in which it stands."""

    node: FunctionNode
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Anything else; ``value`` is what it is made of, when that is written in one place."""

    value: ast.expr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """The workflow's own object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepApi:
    """What `run` gets as its third parameter, ``ctx`` or ``step``."""


Meaning: TypeAlias = Imported | Function | Variable | Self | StepApi


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """The names of a module or a function, and those around it."""

    outer: Scope | None = None
    names: dict[str, Meaning] = field(default_factory=dict)
    borrowed: set[str] = field(default_factory=set)
    """Names declared `global` or `nonlocal` here."""

    def meaning(self, name: str) -> Meaning | None:
        """Say what ``name`` means here; None when nothing in the file binds it."""
        found = self.names.get(name)
        if found is not None or self.outer is None:
            return found
        return self.outer.meaning(name)

    def is_global(self, name: str) -> bool:
        """Say whether ``name`` belongs to the module."""
        if self.outer is None:
            return name in self.names
        return name not in self.names and self.outer.is_global(name)

    def full_name(self, expression: ast.expr) -> str | None:
        """Resolve ``t.time`` to ``time.time``, ``open`` to ``builtins.open``; None for what is no import."""
        if isinstance(expression, ast.Attribute):
            base = self.full_name(expression.value)
            return base and f"{base}.{expression.attr}"
        if not isinstance(expression, ast.Name):
            return None
        match self.meaning(expression.id):
            case Imported(name=name):
                return name
            case None if hasattr(builtins, expression.id):
                return f"builtins.{expression.id}"
        return None


def of_module(tree: ast.Module, own: Collection[str]) -> Scope:
    """Read the names of a file; ``own`` are modules of the project, whatever else bears their names."""
    scope = Scope()
    _bind_all(scope, tree.body, own)
    return scope


def of_function(node: FunctionNode, outer: Scope, given: dict[str, Meaning], own: Collection[str]) -> Scope:
    """Read the names of a function; ``given`` says what some of its parameters mean."""
    scope = Scope(outer=outer)
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    _bind_all(scope, body, own)
    for name in parameters(node):
        scope.names[name] = given.get(name, Variable())
    for name in scope.borrowed:
        scope.names.pop(name, None)
    return scope


def positional(node: FunctionNode) -> list[str]:
    """Name the parameters that can be given by their place."""
    return [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]


def parameters(node: FunctionNode) -> list[str]:
    """Name all parameters."""
    arguments = node.args
    rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return positional(node) + [argument.arg for argument in (*arguments.kwonlyargs, *rest)]


def _bind_all(scope: Scope, body: Collection[ast.AST], own: Collection[str]) -> None:
    for node in _inside(body):
        match node:
            case ast.Import():
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    full = alias.name if alias.asname else root
                    _bind(scope, alias.asname or root, Variable() if root in own else Imported(name=full))
            case ast.ImportFrom():
                root = (node.module or "").partition(".")[0]
                known = node.level == 0 and root not in own
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    _bind(scope, alias.asname or alias.name, Imported(name=full) if known else Variable())
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                _bind(scope, node.name, Function(node=node, scope=scope))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made):
                _bind(scope, name, Function(node=made, scope=scope))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                _bind(scope, name, Variable(value=node.value))
            case ast.Global() | ast.Nonlocal():
                scope.borrowed.update(node.names)
            case _:
                for name in _bound(node):
                    _bind(scope, name, Variable())


def _inside(body: Collection[ast.AST]) -> Iterator[ast.AST]:
    """Walk what runs in one scope, in the order it is written."""
    for node in body:
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case (
                ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(target=ast.Name(), value=value)
            ):
                yield from _inside([value] if value else [])
            case _:
                yield from _inside(list(ast.iter_child_nodes(node)))


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


def _bind(scope: Scope, name: str, meaning: Meaning) -> None:
    """Bind a name; one that is bound twice keeps a meaning only as `try: import x` / `except: x = None`."""
    before = scope.names.get(name)
    if before is None or _is_none(before):
        scope.names[name] = meaning
    elif not _is_none(meaning) and not (isinstance(before, Imported) and isinstance(meaning, Imported)):
        scope.names[name] = Variable()


def _is_none(meaning: Meaning) -> bool:
    match meaning:
        case Variable(value=ast.Constant(value=None)):
            return True
    return False
