"""What a name in a file of Python means, as far as reading the file tells."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_PLACELESS: Final = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A module or something of one, by its full name: ``datetime.datetime``; or of the project's own."""

    name: str
    """Of the project's own it may begin with dots, as it is imported: ``..prices.of``."""
    own: bool = False
    is_module: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function that is written in this file, and the scope in which it stands."""

    node: FunctionNode
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A class that is written in this file, and the scope in which it stands."""

    node: ast.ClassDef
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Anything else; ``value`` is what it is made of, when that is written in one place."""

    value: ast.expr | None = None
    role: Literal["", "entered", "unpacked", "caught", "given"] = ""
    """How it got it: by `with ... as`, as the first of several, by `except ... as`, from a caller."""

    @property
    def whole(self) -> ast.expr | None:
        """What it is, when it was plainly assigned."""
        return None if self.role else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """The workflow's own object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepApi:
    """What `run` gets as its third parameter, ``ctx`` or ``step``."""


Meaning: TypeAlias = Imported | Function | Class | Variable | Self | StepApi


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """The names of a module or a function, and those around it."""

    outer: Scope | None = None
    names: dict[str, Meaning] = field(default_factory=dict)
    borrowed: set[str] = field(default_factory=set)
    """Names declared `global` or `nonlocal` here."""
    path: str = ""
    """The file, of a module's scope."""

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

    def module(self) -> Scope:
        """Give the scope of the file."""
        scope = self
        while scope.outer is not None:
            scope = scope.outer
        return scope

    def full_name(self, expression: ast.expr) -> str | None:
        """Resolve ``t.time`` to ``time.time``, ``open`` to ``builtins.open``; None for what is no import."""
        return self._name(expression, own=False)

    def own_name(self, expression: ast.expr) -> str | None:
        """Resolve what is imported from another module of the project to its name there."""
        return self._name(expression, own=True)

    def _name(self, expression: ast.expr, *, own: bool) -> str | None:
        if isinstance(expression, ast.Attribute):
            base = self._name(expression.value, own=own)
            return base and f"{base}{'' if base.endswith('.') else '.'}{expression.attr}"
        if not isinstance(expression, ast.Name):
            return None
        match self.meaning(expression.id):
            case Imported(name=name) as found if found.own is own:
                return name
            case None if not own and hasattr(builtins, expression.id):
                return f"builtins.{expression.id}"
        return None


def of_module(tree: ast.Module, own: Collection[str], path: str = "") -> Scope:
    """Read the names of a file; ``own`` are modules of the project, whatever else bears their names."""
    scope = Scope(path=path)
    _bind_all(scope, tree.body, own)
    return scope


def of_function(node: FunctionNode, outer: Scope, given: dict[str, Meaning], own: Collection[str]) -> Scope:
    """Read the names of a function; ``given`` says what some of its parameters mean."""
    scope = Scope(outer=outer)
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    _bind_all(scope, body, own)
    for argument in _arguments(node):
        told = Variable(value=argument.annotation, role="given")
        scope.names[argument.arg] = given.get(argument.arg, told)
    for name in scope.borrowed:
        scope.names.pop(name, None)
    return scope


def positional(node: FunctionNode) -> list[str]:
    """Name the parameters that can be given by their place."""
    return [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]


def parameters(node: FunctionNode) -> list[str]:
    """Name all parameters."""
    return [argument.arg for argument in _arguments(node)]


def children(node: ast.AST) -> list[ast.AST]:
    """Give the parts of a piece of code as `ast.iter_child_nodes` does, in a third of its time.

    What has no place of its own is left out: `Load`, `Add` and the like.
    """
    found: list[ast.AST] = []
    for value in vars(node).values():
        if type(value) is list:
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, _PLACELESS):
            found.append(value)
    return found


def inside(body: Collection[ast.AST]) -> Iterator[ast.AST]:
    """Walk what runs in one scope, in the order it is written, without the functions and classes in it."""
    waiting = [*body][::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _SCOPES):
            waiting += children(node)[::-1]


def body_of(node: FunctionNode) -> list[ast.AST]:
    """Give what a function runs: statements, or the one expression of a lambda."""
    return [node.body] if isinstance(node, ast.Lambda) else list(node.body)


def _arguments(node: FunctionNode) -> list[ast.arg]:
    arguments = node.args
    rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest]


def _bind_all(scope: Scope, body: Collection[ast.AST], own: Collection[str]) -> None:
    for node in _binding(body):
        match node:
            case ast.Import():
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    full = alias.name if alias.asname else root
                    _bind(scope, alias.asname or root, Imported(name=full, own=root in own, is_module=True))
            case ast.ImportFrom():
                root = (node.module or "").partition(".")[0]
                stem = f"{'.' * node.level}{node.module or ''}"
                for alias in node.names:
                    full = f"{stem}{'.' if node.module else ''}{alias.name}"
                    known = Imported(name=full, own=node.level > 0 or root in own)
                    _bind(scope, alias.asname or alias.name, known)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                _bind(scope, node.name, Function(node=node, scope=scope))
            case ast.ClassDef():
                _bind(scope, node.name, Class(node=node, scope=scope))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made):
                _bind(scope, name, Function(node=made, scope=scope))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                _bind(scope, name, Variable(value=node.value))
            case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=name), *_])]):
                _bind(scope, name, Variable(value=node.value, role="unpacked"))
            case ast.withitem(optional_vars=ast.Name(id=name)):
                _bind(scope, name, Variable(value=node.context_expr, role="entered"))
            case ast.ExceptHandler(name=str(name)):
                _bind(scope, name, Variable(role="caught"))
            case ast.Global() | ast.Nonlocal():
                scope.borrowed.update(node.names)
            case _:
                for name in _bound(node):
                    _bind(scope, name, Variable())


def _binding(body: Collection[ast.AST]) -> Iterator[ast.AST]:
    """Walk what runs in one scope; a target that `_bind_all` takes from its statement is not met again."""
    for node in body:
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case (
                ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(target=ast.Name(), value=value)
            ):
                yield from _binding([value] if value else [])
            case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(), *others])], value=value):
                yield from _binding([*others, value])
            case ast.withitem(context_expr=value, optional_vars=ast.Name()):
                yield from _binding([value])
            case _:
                yield from _binding(children(node))


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
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
        case Variable(value=ast.Constant(value=None), role=""):
            return True
    return False
