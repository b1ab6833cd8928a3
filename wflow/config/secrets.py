"""`.dev.vars` and `.env`: the secrets of a dev session, in wrangler's order of precedence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wflow.config.keys import keys_of
from wflow.config.load import text
from wflow.config.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wflow.config.model import Project

# The syntax is that of npm's dotenv, which wrangler uses; what dotenv skips in silence is refused here.
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ASSIGNMENT = re.compile(
    r"""
    [ \t]* (?:export[ \t]+)? (?P<name>[\w.-]+) [ \t]* (?:=|:[ \t]) [ \t]*
    (?: '(?P<single>(?:\\'|[^'])*)' | "(?P<double>(?:\\"|[^"])*)" | `(?P<back>(?:\\`|[^`])*)`
      | (?P<plain>[^\s#'"`][^#\n]*)?
    )
    [ \t]* (?:\#[^\n]*)? (?:\n|\Z)
    """,
    re.VERBOSE,
)


def dev_vars(project: Project, extra: Sequence[Path] = ()) -> tuple[dict[str, str], list[Path]]:
    """Read a project's secrets for a dev session; also gives the files they came from, in the order read.

    `.dev.vars.<environment>`, or else `.dev.vars`, is the only file if there is one. Otherwise `.env`,
    `.env.<environment>`, `.env.local` and `.env.<environment>.local` are joined, a later one winning. Files
    named in ``extra`` (relative to the project) are read instead of all these, a later one winning.
    Raises ConfigError for a line that is no `NAME=value` and a name that is a binding; never shows a value.
    """
    files = [project.root / path for path in extra] or _found(project)
    bindings = _bindings(project)
    values: dict[str, str] = {}
    for file in files:
        values |= _read(file, bindings)
    return values, files


def _found(project: Project) -> list[Path]:
    environment = project.environment
    dev = [f".dev.vars.{environment}", ".dev.vars"] if environment else [".dev.vars"]
    for name in dev:
        if (project.root / name).is_file():
            return [project.root / name]
    env = [".env", ".env.local"]
    if environment:
        env = [".env", f".env.{environment}", ".env.local", f".env.{environment}.local"]
    return [project.root / name for name in env if (project.root / name).is_file()]


def _bindings(project: Project) -> dict[str, str]:
    """Name the project's bindings, each with its key; without vars, which a secret may replace."""
    arrays = [
        field.name for field, known in keys_of(type(project)) if known.bindings and field.name != "vars"
    ]
    return {entry.binding: name for name in arrays for entry in getattr(project, name)}


def _read(file: Path, bindings: dict[str, str]) -> dict[str, str]:
    source = text(file).replace("\r\n", "\n").replace("\r", "\n")
    report = Report(file.name)
    values = {}
    at = 0
    while at < len(source):
        line = source.count("\n", 0, at) + 1
        if found := _BLANK.match(source, at):
            at = found.end()
        elif found := _ASSIGNMENT.match(source, at):
            at = found.end()
            values[found["name"]] = _value(found)
            if found["name"] in bindings:
                kind = bindings[found["name"]]
                report.wrong_at((found["name"],), line, f"is the name of a binding in `{kind}`")
        else:
            report.wrong_at((), line, "must be `NAME=value`; a value that begins with a quote ends with it")
            at = _next_line(source, at)
    if report:
        raise report.error()
    return values


def _value(found: re.Match[str]) -> str:
    if found["double"] is not None:
        return found["double"].replace("\\n", "\n").replace("\\r", "\r")
    quoted = found["single"] if found["single"] is not None else found["back"]
    return quoted if quoted is not None else (found["plain"] or "").strip()


def _next_line(source: str, at: int) -> int:
    end = source.find("\n", at)
    return len(source) if end < 0 else end + 1
