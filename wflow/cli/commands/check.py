"""Look for mistakes in the config and the workflow code, without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from wflow.cli import findings, output
from wflow.cli.flags import Config, Environment, Json

if TYPE_CHECKING:
    from wflow.config.model import Project

EXAMPLES = """
wflow check
wflow check --json              # for an editor or CI; ends with 1 when anything is found
"""


def command(*, environment: Environment = None, config: Config = None, json: Json = False) -> None:
    from wflow.bundle import lint
    from wflow.config import load

    project = load.load(path=config, environment=environment)
    found = lint.lint(project)
    files = _python_files(project)
    if json:
        output.payload({"findings": [findings.plain(each) for each in found], "files": files})
    else:
        for note in project.notes:
            output.warn(note)
        for each in found:
            output.data(findings.text(each))
        seen = output.count(files, "file")
        problems = output.count(len(found), "problem") if found else "no problems"
        output.say(f"{problems} found in {seen}")
    if found:
        raise typer.Exit(1)


def _python_files(project: Project) -> int:
    from wflow.bundle import tree

    return sum(source.name.endswith(".py") for source in tree.walk(project.root))
