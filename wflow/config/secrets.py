"""`.dev.vars` and `.env`: the secrets of a dev session, in wrangler's order of precedence."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from wflow.config.keys import keys_of
from wflow.config.load import text
from wflow.config.report import Report
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from wflow.config.model import Project

DEV_VARS: Final = ".dev.vars"
EXPANDED_CHARS: Final = 1024 * 1024

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


_REFERENCE = re.compile(
    r"(?P<escaped>\\\$)|\$(?:\{(?P<braced>[A-Za-z_]\w*)(?::?-(?P<default>[^{}]*))?\}|(?P<bare>[A-Za-z_]\w*))",
    re.ASCII,
)


def dev_vars(project: Project, extra: Sequence[Path] = ()) -> tuple[dict[str, str], list[Path]]:
    """Read a project's secrets for a dev session; also gives the files they came from, in the order read.

    `.dev.vars.<environment>`, or else `.dev.vars`, is the only file if there is one. Otherwise `.env`,
    `.env.<environment>`, `.env.local` and `.env.<environment>.local` are joined, a later one winning. What
    the session was started with wins over them: of that only what `secrets.required` names is looked at;
    without such a key nothing is, unless CLOUDFLARE_INCLUDE_PROCESS_ENV is "true". Files named in ``extra``
    (relative to the project) are read instead of all these, a later one winning.

    With `secrets.required` in the config nothing else is given.

    Raises ConfigError for a line that is no `NAME=value` and a name that is a binding; never shows a value.
    """
    files = [project.root / path for path in extra] or _found(project)
    required = project.required_secrets
    bindings = _bindings(project)
    values: dict[str, str] = {}
    for file in files:
        values |= _read(file, bindings)
    if not (extra or any(file.name.startswith(DEV_VARS) for file in files)):
        values = _expanded(values) | _environment(required)
    if required is not None:
        values = {name: value for name, value in values.items() if name in required}
    return values, files


def missing(project: Project, values: Collection[str]) -> list[str]:
    """Name the secrets that the config requires and a dev session does not have."""
    return [name for name in project.required_secrets or () if name not in values]


def read(file: Path) -> dict[str, str]:
    """Read a file of `NAME=value` lines; raises ConfigError for a line that is none, and shows no value."""
    return _parse(text(file), file.name, {})


def parse(source: str, name: str) -> dict[str, str]:
    """Read text of `NAME=value` lines, as `read` does; ``name`` is for the error."""
    return _parse(source, name, {})


def _found(project: Project) -> list[Path]:
    environment = project.environment
    dev = [f"{DEV_VARS}.{environment}", DEV_VARS] if environment else [DEV_VARS]
    for name in dev:
        if (project.root / name).is_file():
            return [project.root / name]
    if os.environ.get("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "").lower() == "false":
        return []
    env = [".env", ".env.local"]
    if environment:
        env = [".env", f".env.{environment}", ".env.local", f".env.{environment}.local"]
    return [project.root / name for name in env if (project.root / name).is_file()]


def _environment(required: Collection[str] | None) -> dict[str, str]:
    """Give what the process was started with, as far as it is wanted."""
    if required is None and os.environ.get("CLOUDFLARE_INCLUDE_PROCESS_ENV", "").lower() != "true":
        return {}
    return {
        name: os.environ[name]
        for name in (os.environ if required is None else required)
        if name in os.environ
    }


def _expanded(values: Mapping[str, str]) -> dict[str, str]:
    """Put values in for `$NAME`, `${NAME}` and `${NAME:-default}`, as wrangler does in `.env` files."""
    expanded = dict(values)

    def put(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        return expanded.get(found["braced"] or found["bare"]) or found["default"] or ""

    for name, value in values.items():
        if "$" in value:
            expanded[name] = ""  # so that it does not contain itself
            expanded[name] = _REFERENCE.sub(put, value)
            if len(expanded[name]) > EXPANDED_CHARS:
                raise ConfigError(
                    f"the value of {name} in `.env` has more than {EXPANDED_CHARS:,} characters with what "
                    "its `$` names put in"
                )
    return expanded


def _bindings(project: Project) -> dict[str, str]:
    """Name the project's bindings, each with its key; without vars, which a secret may replace."""
    arrays = {
        field.name: ".".join(known.way)
        for field, known in keys_of(type(project))
        if known.bindings and field.name != "vars"
    }
    return {entry.binding: way for name, way in arrays.items() for entry in getattr(project, name)}


def _read(file: Path, bindings: Mapping[str, str]) -> dict[str, str]:
    return _parse(text(file), file.name, bindings)


def _parse(source: str, name: str, bindings: Mapping[str, str]) -> dict[str, str]:
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    report = Report(name)
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
