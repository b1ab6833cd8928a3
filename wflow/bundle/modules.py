"""The Python files of a project, and what a name means that one of them imports from another."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wflow.bundle import scopes
from wflow.bundle.scopes import Class, Function, FunctionNode, Imported, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wflow.bundle.scopes import Meaning

_HOPS: Final = 8
"""A name that is handed on from module to module is followed so far."""


@dataclass(slots=True, kw_only=True, eq=False)
class Module:
    """A file, its tree and its names."""

    path: str
    text: bytes
    tree: ast.Module
    scope: Scope
    own: frozenset[str]
    """The modules of the project that it can import by their first name."""
    changed: Mapping[str, Sequence[tuple[tuple[FunctionNode, ...], int]]] | None = None
    """Its variables that functions change, when `wflow.bundle.changes` has looked for them."""


@dataclass(slots=True, kw_only=True, eq=False)
class Modules:
    """All files that can be read as Python, by their path; ``main`` is the folder of the main file."""

    main: str
    files: dict[str, Module] = field(default_factory=dict)
    imported: frozenset[str] | None = None
    """The functions that run when a file is imported, when `wflow.bundle.changes` has looked for them."""

    def resolve(self, scope: Scope, expression: ast.expr) -> tuple[Module, Meaning] | None:
        """Find what an expression in ``scope`` names, in whichever file of the project it is written."""
        here = self.files.get(scope.module().path)
        if here is None:
            return None
        if isinstance(expression, ast.Name):
            meaning = scope.meaning(expression.id)
            if isinstance(meaning, Function | Class):
                return (here, meaning) if meaning.scope.outer is None else None
        name = scope.own_name(expression)
        return None if name is None else self._find(name, here, _HOPS)

    def _find(self, name: str, at: Module, hops: int) -> tuple[Module, Meaning] | None:
        """Find ``..prices.of``, seen from a file: the last part in the module that the rest names."""
        dots = len(name) - len(name.lstrip("."))
        *stem, last = name[dots:].split(".")
        for folder in self._folders(at.path, dots):
            path = "/".join(part for part in (folder, *stem) if part)
            found = self.files.get(f"{path}.py") or self.files.get(f"{path}/__init__.py".lstrip("/"))
            if found is not None:
                return self._inside(found, last, hops)
        return None

    def _inside(self, module: Module, name: str, hops: int) -> tuple[Module, Meaning] | None:
        meaning = module.scope.meaning(name)
        if isinstance(meaning, Imported) and meaning.own:
            return self._find(meaning.name, module, hops - 1) if hops else None
        return None if meaning is None else (module, meaning)

    def _folders(self, path: str, dots: int) -> Iterable[str]:
        folder = path.rpartition("/")[0]
        if not dots:
            return dict.fromkeys((self.main, "", folder))
        for _ in range(dots - 1):
            folder = folder.rpartition("/")[0]
        return (folder,)


def parse(path: str, text: bytes, own: frozenset[str]) -> Module:
    """Read a file; raises what Python raises for text that is none of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a string is for their own linter to tell
        tree = ast.parse(text, path)
    return Module(path=path, text=text, tree=tree, scope=scopes.of_module(tree, own, path), own=own)


def by_folder(names: Iterable[str]) -> dict[str, set[str]]:
    """Give by folder the names of the modules and packages in it: what they shadow is not what it seems."""
    found: dict[str, set[str]] = {}
    for name in names:
        path = name.removesuffix(".py")
        while path:
            folder, _, last = path.rpartition("/")
            found.setdefault(folder, set()).add(last)
            path = folder
    return found


def classes_in(module: Module) -> Mapping[str, ast.ClassDef]:
    """Give the classes that are written in a file, wherever in it."""
    found: dict[str, ast.ClassDef] = {}
    waiting: list[ast.AST] = [module.tree] if b"class" in module.text else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ClassDef):
            found[node.name] = node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            parts = getattr(node, name, None)
            if isinstance(parts, list):
                waiting += parts
    return dict(sorted(found.items(), key=lambda each: each[1].lineno))
