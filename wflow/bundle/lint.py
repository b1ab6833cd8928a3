"""The checks behind `wflow check`: what in a project's workflows would not survive a replay, and where."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.bundle import scopes, tree, workflow_code
from wflow.bundle.scopes import Imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wflow.bundle.scopes import FunctionNode, Scope
    from wflow.bundle.tree import Source
    from wflow.bundle.workflow_code import Offence
    from wflow.config.model import Project

ENTRYPOINT: Final = "WorkflowEntrypoint"
RULES: Final = {
    "WF000": "the file cannot be read as Python",
    "WF101": "a clock outside a step",
    "WF102": "chance outside a step",
    "WF103": "I/O outside a step",
    "WF104": "a call that blocks",
    "WF105": "a step that is not awaited",
    "WF106": "a change to what lives outside of `run`",
    "WF107": "a step named after a clock or after chance",
}
"""No id ever changes its meaning; `# wflow: ignore[WF101]` on the line silences it, `# wflow: ignore` all."""

_IGNORE = re.compile(r"#\s*wflow:\s*ignore\b(?:\s*\[([^\]]*)\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A broken rule: where (``line`` and ``column`` count from 1), what, and the way out."""

    rule: str
    path: str
    line: int
    column: int
    message: str
    hint: str


def lint(project: Project) -> tuple[Finding, ...]:
    """Check every Python file that would be packed; findings come by file, line and column.

    Raises BundleError for what `tree.walk` refuses.
    """
    sources = [source for source in tree.walk(project.root) if source.name.endswith(".py")]
    modules = _modules(source.name for source in sources)
    main = project.main.rpartition("/")[0]
    classes = {workflow.class_name for workflow in project.workflows}
    found: list[Finding] = []
    for source in sources:
        own = modules.get("", set()) | modules.get(main, set()) | modules.get(_folder(source.name), set())
        found += _check(source, classes, own)
    return tuple(sorted(found, key=lambda one: (one.path, one.line, one.column, one.rule)))


def _modules(names: Iterable[str]) -> dict[str, set[str]]:
    """Give by folder the names of the modules and packages in it: what they shadow is not what it seems."""
    found: dict[str, set[str]] = {}
    for name in names:
        path = name.removesuffix(".py")
        while path:
            folder, _, last = path.rpartition("/")
            found.setdefault(folder, set()).add(last)
            path = folder
    return found


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _check(source: Source, classes: set[str], own: set[str]) -> Iterator[Finding]:
    text = source.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string is for their own linter to tell
            module = ast.parse(text, source.name)
        offences = _offences(module, classes, own)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield _unreadable(source.name, error)
        return
    silenced = _silenced(text)
    lines = text.splitlines()
    for offence in offences:
        node = offence.node
        if any(
            offence.rule in silenced.get(line, ()) or "" in silenced.get(line, ())
            for line in (node.lineno, node.end_lineno or node.lineno)
        ):
            continue
        before = lines[node.lineno - 1][: node.col_offset]
        yield Finding(
            path=source.name,
            line=node.lineno,
            column=len(before.decode(errors="replace")) + 1,
            rule=offence.rule,
            message=offence.message,
            hint=offence.hint,
        )


def _unreadable(path: str, error: Exception) -> Finding:
    line, column = 1, 1
    if isinstance(error, SyntaxError):
        line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
        message = f"this is no Python: {error.msg}"
    elif isinstance(error, ValueError):
        message = f"this is no Python: {error}"
    else:
        message = "this nests too deeply to be checked"
    return Finding(
        path=path,
        line=line,
        column=column,
        rule="WF000",
        message=message,
        hint="mend it, or keep the file out of the bundle with .gitignore",
    )


def _offences(module: ast.Module, classes: set[str], own: set[str]) -> Iterable[Offence]:
    """Read every workflow of a file; what several of them share is told once."""
    scope = scopes.of_module(module, own)
    written = {node.name: node for node in ast.walk(module) if isinstance(node, ast.ClassDef)}
    found: dict[tuple[str, int, int], Offence] = {}
    for name, node in written.items():
        methods = _methods(node, written)
        run = methods.get("run")
        if run is not None and (name in classes or _is_workflow(node, written, scope)):
            for offence in workflow_code.read(run, methods, scope, own):
                found.setdefault((offence.rule, offence.node.lineno, offence.node.col_offset), offence)
    return found.values()


def _is_workflow(
    node: ast.ClassDef, written: Mapping[str, ast.ClassDef], scope: Scope, seen: frozenset[str] = frozenset()
) -> bool:
    for base in node.bases:
        named = base.value if isinstance(base, ast.Subscript) else base
        match named:
            case ast.Attribute(attr=name):
                pass
            case ast.Name(id=name):
                meaning = scope.meaning(name)
                if isinstance(meaning, Imported):
                    name = meaning.name.rpartition(".")[2]
            case _:
                continue
        if name == ENTRYPOINT:
            return True
        above = written.get(name)
        if above is not None and name not in seen and _is_workflow(above, written, scope, seen | {name}):
            return True
    return False


def _methods(
    node: ast.ClassDef, written: Mapping[str, ast.ClassDef], seen: frozenset[str] = frozenset()
) -> dict[str, FunctionNode]:
    """Give the methods of a class, inherited ones too as far as they are written in the same file."""
    found: dict[str, FunctionNode] = {}
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and base.id in written and base.id not in seen:
            found |= _methods(written[base.id], written, seen | {base.id})
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            found[member.name] = member
    return found


def _silenced(text: bytes) -> dict[int, set[str]]:
    """Give by line the rules that a comment silences; "" stands for all."""
    found: dict[int, set[str]] = {}
    if b"wflow:" not in text:
        return found
    for token in tokenize.tokenize(io.BytesIO(text).readline):
        if token.type == tokenize.COMMENT and (said := _IGNORE.search(token.string)):
            rules = {""} if said[1] is None else {rule.strip() for rule in said[1].split(",")} - {""}
            found.setdefault(token.start[0], set()).update(rules)
    return found
