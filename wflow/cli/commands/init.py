"""Make a new project out of a template."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wflow.cli import output
from wflow.cli.flags import Yes
from wflow.errors import UsageError

if TYPE_CHECKING:
    from wflow.scaffold.templates import Template

EXAMPLES = """
wflow init my-workflow
wflow init my-workflow --template workflows
wflow init . -y                 # into this folder, if it is empty
wflow init --list-templates
"""

_NAME = "my-workflow"
_TEMPLATE = "workflows"


def command(
    name: Annotated[
        Path | None, typer.Argument(metavar="NAME", help="The folder to make; its name is the project's.")
    ] = None,
    *,
    template: Annotated[
        str | None, typer.Option("--template", metavar="TEMPLATE", help="What to begin with.")
    ] = None,
    list_templates: Annotated[
        bool, typer.Option("--list-templates", help="Print the templates there are.")
    ] = False,
    yes: Yes = False,
) -> None:
    from wflow.scaffold import create, templates

    known = templates.available()
    if list_templates:
        output.table(("Template", "What it is"), [(each.name, each.summary) for each in known])
        return
    asks = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    into = name or Path(_ask_name() if asks else _taken(_NAME))
    chosen = templates.get(template or _choose(known, asks=asks))
    created = create.create(chosen, into, name=create.name_of(into))
    files = output.count(len(created.files), "file")
    output.data(f"Created {into} from the template `{chosen.name}`: {files}")
    output.say("\nNext steps:\n")
    if Path.cwd() != created.path:
        output.say(f"  cd {_quoted(into)}")
    output.say("  wflow dev\n")


def _ask_name() -> str:
    from wflow.scaffold import create

    while True:
        answer: str = typer.prompt("What is the project's name?", default=_NAME, err=True)
        try:
            create.valid_name(create.name_of(Path(answer)))
        except UsageError as error:
            output.say(f"{error.message}; {error.hint}")
        else:
            return answer


def _taken(name: str) -> str:
    output.say(f"No name was given; taking `{name}`.")
    return name


def _choose(known: tuple[Template, ...], *, asks: bool) -> str:
    """Ask for a template if there is a choice and somebody to ask; else the first of all."""
    if len(known) == 1:
        return known[0].name
    if not asks:
        output.say(f"No template was given; taking `{_TEMPLATE}`.")
        return _TEMPLATE
    for each in known:
        output.say(f"  {each.name:<20}  {each.summary}")
    answer: str = typer.prompt("Which template?", default=_TEMPLATE, err=True)
    return answer


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
