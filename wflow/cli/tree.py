"""The tree of commands: a file below ``commands`` is a command, a folder a group, a docstring the help.

Only what a line needs of it is made: all commands would take as long as starting Python five times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wflow import __version__, catalogue
from wflow.cli import commands, output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


def build(line: Sequence[str] | None = None) -> typer.Typer:
    """Build the whole command line, or as much of it as ``line`` needs, which sees no difference."""
    app = _mount(commands, line)
    app.callback()(_root)
    return app


def _mount(package: ModuleType, line: Sequence[str] | None) -> typer.Typer:
    group = _bare(package)
    known = {name.replace("_", "-"): name for name in catalogue.names(package)}
    named = line[0] if line and line[0] in known else None
    if line and named is None and line[1:]:
        line = None  # a flag before a name, or nothing that we know: let all be there
    # Where the line ends, all of a group are there, for its help; but nothing that lies deeper.
    for spoken in known if named is None else [named]:
        module = catalogue.find(package, known[spoken])
        assert module is not None, "it was listed just now"
        if not hasattr(module, "__path__"):
            group.command(spoken, help=module.__doc__, epilog=_examples(module))(module.command)
        elif line is None or named is not None:
            group.add_typer(_mount(module, line[1:] if line else None), name=spoken)
        else:
            group.add_typer(_bare(module), name=spoken)
    return group


def _bare(package: ModuleType) -> typer.Typer:
    return typer.Typer(
        help=package.__doc__,
        callback=_help,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich takes longer to import than all the rest of `--help`
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        output.data(context.get_help())


def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", "-v", help="Print the version.")] = False,
) -> None:
    if version:
        output.data(__version__)
        raise typer.Exit
    _help(context)


def _examples(module: ModuleType) -> str | None:
    """Keep the lines of the examples as they are (the first line tells typer so)."""
    lines = getattr(module, "EXAMPLES", "").strip().splitlines()
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if lines else None
