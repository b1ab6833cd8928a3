"""Variables of modules: workflow code that changes them, and workflow code that sees what others changed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from wflow.bundle import forbidden, naming, scopes
from wflow.bundle.scopes import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wflow.bundle.awaiting import Parents
    from wflow.bundle.modules import Module, Modules
    from wflow.bundle.reading import GlobalRead, Reading
    from wflow.bundle.scopes import FunctionNode, Scope

MUTATORS: Final = {
    *("append", "appendleft", "extend", "extendleft", "insert", "add", "update", "setdefault"),
    *("pop", "popleft", "popitem", "remove", "discard", "clear", "sort", "reverse"),
}
_CONTAINERS: Final = {f"builtins.{name}" for name in ("list", "dict", "set", "bytearray")} | {
    f"collections.{name}" for name in ("defaultdict", "deque", "Counter", "OrderedDict")
}


def tell(reading: Reading, scope: Scope, node: ast.expr, name: str) -> None:
    """Tell that workflow code changes what lives outside of it."""
    reading.tell(
        "WF106",
        scope,
        node,
        f"`{name}` is changed in workflow code: it lives outside of `run`, and a replay changes it again",
        hint="keep it in a variable of `run`, or return it from a step",
    )


def judge(reading: Reading) -> None:
    """Tell of each look at a module's variable that is not the same in every process."""
    for read in reading.reads:
        places = _changed_in(reading.modules.files[read.path]).get(read.name, ())
        others = [line for functions, line in places if _is_elsewhere(reading, functions)]
        if others:
            _tell_read(reading, read, f"is changed at {read.path}:{min(others)}", (read.path, min(others)))
        else:
            _judge_made(reading, read)


def is_container(scope: Scope, value: ast.expr | None) -> bool:
    """Say whether a value is visibly a list, a dict, a set or the like."""
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Call(func=function):
            return scope.full_name(function) in _CONTAINERS
    return False


def is_outer_container(scope: Scope, name: str) -> bool:
    """Say whether a name is a module's list, dict, set or the like."""
    meaning = scope.meaning(name)
    whole = meaning.whole if isinstance(meaning, Variable) else None
    return scope.is_global(name) and is_container(scope, whole)


def is_being_changed(node: ast.expr, parents: Parents) -> bool:
    """Say whether a variable stands where it is changed, and not where it is looked at."""
    place: ast.AST = node
    parent = parents.get(place)
    while isinstance(parent, ast.Attribute | ast.Subscript) and parent.value is place:
        if not isinstance(parent.ctx, ast.Load):
            return True
        place, parent = parent, parents.get(parent)
    if isinstance(parent, ast.Call) and parent.func is place and isinstance(place, ast.Attribute):
        return place.attr in MUTATORS
    return False


def _judge_made(reading: Reading, read: GlobalRead) -> None:
    """Tell of a variable that is drawn or timed anew whenever its module is imported."""
    module = reading.modules.files[read.path]
    meaning = module.scope.names.get(read.name)
    made = meaning.whole if isinstance(meaning, Variable) else None
    if made is None:
        return
    for node, why in naming.unsteady(module.scope, made):
        _tell_read(reading, read, f"is made of {why} when its module is imported", (read.path, node.lineno))
        return


def _tell_read(reading: Reading, read: GlobalRead, why: str, origin: tuple[str, int]) -> None:
    reading.tell(
        "WF109",
        read.scope,
        read.node,
        f"`{read.name}` {why}: a replay in another process sees another value",
        hint="give it to the instance as a parameter, or read it in a step, which keeps it",
        origin=origin,
    )


def _is_elsewhere(reading: Reading, functions: Sequence[FunctionNode]) -> bool:
    """Say whether the last of these functions, each in the other, is run by others and not at import."""
    names = {getattr(function, "name", "") for function in functions}
    at_import = not names.isdisjoint(_run_at_import(reading.modules))
    return not at_import and not reading.is_read(functions[-1])


def _changed_in(module: Module) -> Mapping[str, Sequence[tuple[tuple[FunctionNode, ...], int]]]:
    """Give by variable the functions of a file that change it, after those around them, and the line."""
    if module.changed is not None:
        return module.changed
    found: dict[str, list[tuple[tuple[FunctionNode, ...], int]]] = {}
    for functions, scope in _functions(module):
        for node in scopes.inside(scopes.body_of(functions[-1])):
            name = _changed_by(scope, node)
            if name is not None:
                found.setdefault(name, []).append((functions, getattr(node, "lineno", 1)))
    module.changed = found
    return found


def _functions(module: Module) -> Iterator[tuple[tuple[FunctionNode, ...], Scope]]:
    """Give each function of a file, after those around it, and its names."""
    waiting: list[tuple[ast.AST, tuple[FunctionNode, ...], Scope]] = [(module.tree, (), module.scope)]
    while waiting:
        node, around, scope = waiting.pop()
        for part in scopes.children(node):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inner = scopes.of_function(part, scope, {}, module.own)
                yield (*around, part), inner
                waiting.append((part, (*around, part), inner))
            else:
                waiting.append((part, around, scope))


def _changed_by(scope: Scope, node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if name in scope.borrowed:
            return name if scope.is_global(name) else None
        case ast.Subscript(ctx=ast.Store() | ast.Del()):
            root = forbidden.root_of(node)
            return root if root is not None and is_outer_container(scope, root) else None
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)) if attribute in MUTATORS:
            return name if is_outer_container(scope, name) else None
    return None


def _run_at_import(modules: Modules) -> frozenset[str]:
    """Name the functions that run while modules are imported: decorators, and what their top level calls."""
    if modules.imported is not None:
        return modules.imported
    found = {"__init_subclass__", "__set_name__"}
    for module in modules.files.values():
        for node in _top_level(module.tree.body):
            called: list[ast.expr] = []
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                called = node.decorator_list
            elif isinstance(node, ast.Call):
                called = [node.func]
            for each in called:
                function = each.func if isinstance(each, ast.Call) else each
                match function:
                    case ast.Name(id=name) | ast.Attribute(attr=name):
                        found.add(name)
    modules.imported = frozenset(found)
    return modules.imported


def _top_level(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for node in scopes.inside(body):
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _top_level(node.body)
