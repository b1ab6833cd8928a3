"""The names a Python source binds at its top level, read without running it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ast

SOURCE_BYTES_MAX: Final = 2 * 1024 * 1024
"""A longer source is not looked into."""

_FRAMEWORKS: Final = ("wflow", "workers")
"""Whose classes are there to be derived from, and are nobody's workflow."""


@dataclass(slots=True, kw_only=True)
class Bound:
    """What a source binds; ``open_ended`` when it may bind anything else as well."""

    names: set[str] = field(default_factory=set)
    classes: list[str] = field(default_factory=list)
    """Those defined there, and imported names that look like one."""
    open_ended: bool = False


def bound(source: bytes) -> Bound | None:
    """Read ``source``; None when it is no Python, which is for whoever imports it to tell."""
    import ast

    if len(source) > SOURCE_BYTES_MAX:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the person's source; its import tells them
            module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = Bound()
    _look(module.body, found)
    return found


def _look(body: list[ast.stmt], found: Bound) -> None:
    """Go through statements and the blocks in them, but into no function and no class."""
    import ast

    for statement in body:
        match statement:
            case ast.ClassDef(name=name):
                found.names.add(name)
                found.classes.append(name)
            case ast.FunctionDef(name="__getattr__"):
                found.open_ended = True
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                pass
            case ast.Import(names=names):
                _import(names, "", found)
            case ast.ImportFrom(names=names, module=module):
                _import(names, module or "", found)
            case _:
                _blocks(statement, found)


def _import(names: list[ast.alias], module: str, found: Bound) -> None:
    for alias in names:
        name = alias.asname or alias.name.partition(".")[0]
        found.open_ended = found.open_ended or name == "*"
        found.names.add(name)
        if name[0].isupper() and module not in _FRAMEWORKS:
            found.classes.append(name)


def _blocks(statement: ast.stmt, found: Bound) -> None:
    import ast

    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            _look([child], found)
        elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
            _look(child.body, found)
        else:
            names = (node for node in ast.walk(child) if isinstance(node, ast.Name))
            found.names.update(node.id for node in names if isinstance(node.ctx, ast.Store))
