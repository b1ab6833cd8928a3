"""Find the config file and read it for one environment: a Project, or one report of all that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from wflow.config import checks, environments, jsonc, tree, wrangler
from wflow.config.keys import keys_of, read, suggestion
from wflow.config.model import Project
from wflow.config.report import WRONG, Report, Wrong
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from wflow.config.tree import Node

FILE_NAMES: Final = ("wflow.toml", "wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""Looked for in this order, wrangler's own, each upward through all folders."""
FILE_BYTES_MAX: Final = 1024 * 1024


def load(start: Path | None = None, *, path: Path | None = None, environment: str | None = None) -> Project:
    """Read the config file at ``path``, or the one found upward from ``start`` (the working directory).

    ``environment`` selects an `[env.NAME]`; None or "" is the top of the file. All are validated.
    In wrangler's files, keys that mean nothing to wflow are notes; anywhere else they are wrong.
    Raises ConfigError: no file, no TOML or JSON, or everything that is wrong with it in one report.
    """
    start = Path.cwd() if start is None else start.absolute()
    path = find(start) if path is None else path.absolute()
    report = Report(path.name, (field.name for field, _ in keys_of(Project)))
    document = (jsonc if report.json else tree).parse(text(path), path.name)
    top, named = environments.split(document, report)
    selected = environment or None
    if selected is not None and selected not in named:
        report.wrong_at(("env", selected), None, _no_such(selected, named))
        selected = None
    view = _view(top, selected, named, report)
    values = _judge(view, path.parent, report)
    notes = report.notes()
    for other in [name for name in (None, *named) if name != selected]:
        aside = Report(report.name, report.top_keys)
        _judge(_view(top, other, named, aside), path.parent, aside)
        report.absorb(aside)
    if report or values is WRONG:
        raise report.error(hint=None if path.parent == start else f"the file is {path}")
    unserved = wrangler.unserved(view)
    return Project(
        root=path.parent, path=path, environment=selected, notes=notes, unserved=unserved, **values
    )


def find(start: Path) -> Path:
    """Find the config file in ``start`` or the nearest folder above it; raises ConfigError if none."""
    start = start.absolute()
    folders = (start, *start.parents)
    for name in FILE_NAMES:
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
    raise ConfigError(
        f"no `{FILE_NAMES[0]}` in {start} or any folder above it",
        hint="make a project with `wflow init NAME`, or go to the folder of yours",
    )


def text(path: Path) -> str:
    """Read a file that a person wrote: UTF-8, at most 1 MiB; raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} is larger than {FILE_BYTES_MAX:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path} is not UTF-8 text (line {line})") from error


def _view(top: Node, name: str | None, named: dict[str, Node], report: Report) -> Node:
    return top if name is None else environments.lay(top, name, named[name], report)


def _judge(view: Node, root: Path, report: Report) -> dict[str, Any] | Literal[Wrong.WRONG]:
    values = read(Project, view, report, also=("env",))
    checks.check(view, root, report)
    return values


def _no_such(name: str, named: Collection[str]) -> str:
    if not named:
        return "no such environment: the file has none"
    near = suggestion(name, named)
    meant = f"did you mean `{near}`? " if near else ""
    return f"no such environment ({meant}there are: {', '.join(named)})"
