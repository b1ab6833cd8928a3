"""Look for mistakes in the config and the workflow code, without running it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wflow.cli import findings, output
from wflow.cli.flags import Config, Environment, Json
from wflow.errors import UsageError

if TYPE_CHECKING:
    from wflow.bundle.lint import Finding
    from wflow.config.model import Project

EXAMPLES = """
wflow check
wflow check src/orders.py       # only what is found there; ends with 1 when anything is
wflow check --explain WF101
wflow check --sarif > wflow.sarif
wflow check --stdin-filename src/orders.py < src/orders.py
"""


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files and folders; without any, the whole project."),
    ] = None,
    *,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0, for a code host.")] = False,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="RULE", help="Say why a rule is one, and what to do.")
    ] = None,
    stdin_filename: Annotated[
        Path | None,
        typer.Option(
            "--stdin-filename", metavar="PATH", help="Read this file's text from stdin, and check only it."
        ),
    ] = None,
) -> None:
    if explain is not None:
        return _explain(explain, json=json)
    if json and sarif:
        raise UsageError("`--json` and `--sarif` are two ways to print the same", hint="choose one of them")
    if paths and stdin_filename is not None:
        raise UsageError(
            "`--stdin-filename` names the one file that is checked", hint="leave the paths out, or it"
        )
    from wflow.bundle import lint
    from wflow.config import load

    asked = [stdin_filename] if stdin_filename is not None else paths or []
    start = stdin_filename.absolute().parent if stdin_filename is not None else None
    project = load.load(start, path=config, environment=environment)
    names = [_name(project, path, exists=stdin_filename is None) for path in asked]
    unsaved = {names[0]: _stdin()} if stdin_filename is not None else {}
    report = lint.report(project, unsaved=unsaved)
    found = [each for each in report.findings if _is_in(each.path, names)]
    files = sum(_is_in(name, names) for name in report.files)
    if sarif:
        from wflow.cli.sarif import log

        output.payload(log(found, project.root))
    elif json:
        output.payload({"findings": [findings.plain(each) for each in found], "files": files})
    else:
        _print(project, found, files)
    if found:
        raise typer.Exit(1)
    return None


def _print(project: Project, found: list[Finding], files: int) -> None:
    for note in project.notes:
        output.warn(note)
    for each in found:
        output.data(findings.text(each))
    seen = output.count(files, "file")
    problems = output.count(len(found), "problem") if found else "no problems"
    output.say(f"{problems} found in {seen}")


def _explain(name: str, *, json: bool) -> None:
    from wflow.bundle.rules import RULES

    rule = RULES.get(name.upper())
    if rule is None:
        raise UsageError(f"there is no rule {name!r}", hint=f"the rules are {', '.join(RULES)}")
    if json:
        fields = ("title", "level", "why", "instead", "wrong", "right")
        output.payload({"rule": name.upper()} | {field: getattr(rule, field) for field in fields})
    else:
        output.data(findings.explained(name.upper(), rule))


def _name(project: Project, path: Path, *, exists: bool) -> str:
    """Give the name in the bundle of a file or folder, "" for the whole project."""
    if exists and not path.exists():
        raise UsageError(f"there is no {path}")
    root = project.root.resolve()
    whole = path.resolve()
    if not whole.is_relative_to(root):
        raise UsageError(f"{path} is not in this project, which is {project.root}")
    return "" if whole == root else whole.relative_to(root).as_posix()


def _is_in(path: str, names: list[str]) -> bool:
    return not names or any(name in {"", path} or path.startswith(f"{name}/") for name in names)


def _stdin() -> bytes:
    from wflow.bundle.limits import FILE_BYTES

    text = sys.stdin.buffer.read(FILE_BYTES + 1)
    if len(text) > FILE_BYTES:
        raise UsageError(f"stdin has more than {FILE_BYTES:,} bytes, the limit of a file in a bundle")
    return text
