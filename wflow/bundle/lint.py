"""The checks behind `wflow check`: what in a project's workflows would not survive a replay, and where."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.bundle import modules, rules, silence, tree, workflow_code
from wflow.bundle.modules import Modules
from wflow.bundle.scopes import Class, Function, Imported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wflow.bundle.modules import Module
    from wflow.bundle.offences import Offence
    from wflow.bundle.silence import Comments
    from wflow.config.model import Project

ENTRYPOINT: Final = "WorkflowEntrypoint"
RULES: Final = {name: rule.title for name, rule in rules.RULES.items()}
"""No id ever changes its meaning; see `wflow.bundle.silence` for how one is silenced."""

_TOO_DEEP: Final = "this nests too deeply to be checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A broken rule: where, what, and the way out.

    Lines and columns count from 1; what is meant goes on to ``end_line``, before ``end_column``.
    """

    rule: str
    path: str
    line: int
    column: int
    message: str
    hint: str
    end_line: int | None = None
    end_column: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, and the names in the bundle of all files that were read."""

    findings: tuple[Finding, ...]
    files: tuple[str, ...]


def lint(project: Project) -> tuple[Finding, ...]:
    """Check every Python file that would be packed; findings come by file, line and column.

    Raises BundleError for what `tree.walk` refuses.
    """
    return report(project).findings


def report(project: Project, *, unsaved: Mapping[str, bytes] | None = None) -> Report:
    """Check as `lint` does; ``unsaved`` has the text of files that are open in an editor, by name.

    That counts instead of what is on the disk, and a file that is not there yet is read too.
    """
    texts = _texts(project, unsaved or {})
    main = project.main.rpartition("/")[0]
    folders = modules.by_folder(texts)
    found: list[Finding] = []
    files = Modules(main=main)
    for name, text in texts.items():
        folder = name.rpartition("/")[0]
        own = frozenset().union(*(folders.get(each, set()) for each in ("", main, folder)))
        try:
            files.files[name] = modules.parse(name, text, own)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            found.append(_unreadable(name, error))
    found += _check(files, {workflow.class_name for workflow in project.workflows})
    found.sort(key=lambda one: (one.path, one.line, one.column, one.rule))
    return Report(findings=tuple(found), files=tuple(sorted(texts)))


def _texts(project: Project, unsaved: Mapping[str, bytes]) -> dict[str, bytes]:
    sources = [source for source in tree.walk(project.root) if source.name.endswith(".py")]
    texts = {
        source.name: unsaved[source.name] if source.name in unsaved else source.read() for source in sources
    }
    # One that is on the disk and was not met is never shipped.
    return texts | {name: text for name, text in unsaved.items() if not (project.root / name).exists()}


def _check(files: Modules, classes: set[str]) -> Iterator[Finding]:
    """Read every workflow; what several of them share is told once."""
    offences: dict[tuple[str, str, int, int], Offence] = {}
    deep: set[str] = set()
    for module in files.files.values():
        try:
            for offence in _offences(files, module, classes):
                key = (offence.path, offence.rule, offence.node.lineno, offence.node.col_offset)
                offences.setdefault(key, offence)
        except RecursionError as error:
            deep.add(module.path)
            yield _unreadable(module.path, error)
    comments = {path: silence.comments_in(module.text) for path, module in files.files.items()}
    for offence in offences.values():
        if not _is_silenced(offence, comments):
            yield _finding(offence, files.files[offence.path])
    for path in comments.keys() - deep:
        yield from _idle(path, comments[path])


def _offences(files: Modules, module: Module, classes: set[str]) -> Iterator[Offence]:
    for node in modules.classes_in(module).values():
        written = Class(node=node, scope=module.scope)
        methods = _methods(files, written)
        run = methods.get("run")
        if run is not None and (node.name in classes or _is_workflow(files, written)):
            yield from workflow_code.read(run, methods, files)


def _is_workflow(files: Modules, written: Class, seen: frozenset[ast.ClassDef] = frozenset()) -> bool:
    for base in written.node.bases:
        named = base.value if isinstance(base, ast.Subscript) else base
        above = _class(files, written, named)
        if above is not None:
            if above.node not in seen and _is_workflow(files, above, seen | {written.node}):
                return True
            continue
        match named:
            case ast.Attribute(attr=name):
                pass
            case ast.Name(id=name):
                meaning = written.scope.meaning(name)
                if isinstance(meaning, Imported):
                    name = meaning.name.rpartition(".")[2]
            case _:
                continue
        if name == ENTRYPOINT:
            return True
    return False


def _methods(
    files: Modules, written: Class, seen: frozenset[ast.ClassDef] = frozenset()
) -> dict[str, Function]:
    """Give the methods of a class, inherited ones too as far as they are written in the project."""
    found: dict[str, Function] = {}
    for base in reversed(written.node.bases):
        above = _class(files, written, base.value if isinstance(base, ast.Subscript) else base)
        if above is not None and above.node not in seen:
            found |= _methods(files, above, seen | {written.node})
    for member in written.node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            found[member.name] = Function(node=member, scope=written.scope)
    return found


def _class(files: Modules, written: Class, expression: ast.expr) -> Class | None:
    """Find the class that a base names, in this file or in another one of the project."""
    found = files.resolve(written.scope, expression)
    if found is None or not isinstance(found[1], Class) or found[1].node is written.node:
        return None
    return found[1]


def _is_silenced(offence: Offence, comments: Mapping[str, Comments]) -> bool:
    node = offence.node
    lines = [node.lineno]
    if isinstance(node, ast.expr):
        lines.append(node.end_lineno or node.lineno)
    here = comments[offence.path].silence(offence.rule, *lines)
    origin = offence.origin
    there = origin is not None and comments[origin[0]].silence(offence.rule, origin[1])
    return here or there


def _finding(offence: Offence, module: Module) -> Finding:
    node = offence.node
    lines = module.text.splitlines()
    end = node.end_lineno or node.lineno
    is_long = not isinstance(node, ast.expr)  # of a statement only its first line is shown
    return Finding(
        path=offence.path,
        line=node.lineno,
        column=_column(lines, node.lineno, node.col_offset),
        end_line=None if is_long else end,
        end_column=None if is_long else _column(lines, end, node.end_col_offset or 0),
        rule=offence.rule,
        message=offence.message,
        hint=offence.hint,
    )


def _column(lines: list[bytes], line: int, offset: int) -> int:
    before = lines[line - 1][:offset] if line <= len(lines) else b""
    return len(before.decode(errors="replace")) + 1


def _idle(path: str, comments: Comments) -> Iterator[Finding]:
    for comment, named in comments.idle():
        unknown = [rule for rule in comment.rules or () if rule not in RULES]
        if comment.rules is None:
            problem = "nothing on this line breaks a rule"
        elif unknown:
            problem = f"there is no rule {unknown[0]}"
        else:
            problem = "nothing on this line breaks a rule it names" if comment.rules else "it names no rule"
        yield Finding(
            rule="WF001",
            path=path,
            line=comment.line,
            column=comment.column,
            message=f"`{named}` silences nothing: {problem}",
            hint="remove it",
        )


def _unreadable(path: str, error: BaseException) -> Finding:
    line, column = 1, 1
    if isinstance(error, SyntaxError):
        line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
        message = f"this is no Python: {error.msg}"
    elif isinstance(error, ValueError):
        message = f"this is no Python: {error}"
    else:
        message = _TOO_DEEP
    return Finding(
        path=path,
        line=line,
        column=column,
        rule="WF000",
        message=message,
        hint="mend it, or keep the file out of the bundle with .gitignore",
    )
